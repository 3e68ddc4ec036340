"""Files of users: losses of their own, good ones and each kind of bad one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WING = '''\
from typing import Annotated

import numpy as np

from lossctl import Option, loss, real


@loss("wing", inputs=(real("input", "*"), real("target", "*")), aliases=("wing_distance",))
def wing(
    input,
    target,
    *,
    omega: Annotated[float, Option("where the logarithm ends", above=0)] = 10.0,
    epsilon: float = 2.0,
):
    """Logarithmic near zero, absolute error beyond omega."""
    distance = np.abs(input - target)
    near = omega * np.log1p(distance / epsilon)
    return np.where(distance < omega, near, distance - omega + omega * np.log1p(omega / epsilon))
'''

HEAD = """\
import numpy as np
from lossctl import InputPredicate, Option, Terms, index, loss, real
PAIR = (real("input", "*"), real("target", "*"))
"""


def own_loss(body: str, options: str = "", key: str = "mine", more: str = "") -> str:
    """Return a file with one loss, whose kernel is on lines 4 to 7."""
    signature = f"input, target{f', *, {options}' if options else ''}"
    return (
        f'{HEAD}@loss("{key}", inputs=PAIR{more})\ndef mine({signature}):\n'
        f'    """What is mine."""\n    {body}\n'
    )


def write_package(site: Path, name: str, code: str, points: dict[str, str]) -> None:
    """Write a package as an installer leaves it: a module, and its metadata."""
    module = name.replace("-", "_")
    (site / module).mkdir(parents=True)
    (site / module / "__init__.py").write_text(code, encoding="utf-8")
    info = site / f"{module}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = "".join(f"{point} = {value}\n" for point, value in points.items())
    (info / "entry_points.txt").write_text(f"[lossctl.losses]\n{lines}")


PREDICTED = np.array([0.0, 1.0, 4.0, 30.0])
TRUE = np.array([0.0, 2.0, 1.0, 0.0])


def write(folder: Path, code: str, name: str = "bad.py") -> str:
    """Write a file of the user's, and return the name of the loss in it."""
    (folder / name).write_text(code, encoding="utf-8")
    return f"{name}:mine"
