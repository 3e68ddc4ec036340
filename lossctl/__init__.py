"""lossctl: loss values from prediction files and arrays, without a framework.

>>> import lossctl
>>> lossctl.compute("mse", [1.0, 2.0, 3.0], [1.0, 2.0, 5.0]).value
1.3333333333333333
>>> lossctl.losses.huber([0.0, 4.0], [0.0, 0.0], delta=2.0).value
3.0
"""

from __future__ import annotations

import importlib
import pkgutil
from types import FunctionType
from typing import Any

from lossctl.api.writers import register_writers
from lossctl.errors import register_wording
from lossctl.losses.core.late_binding import register_compute

__version__ = "0.1.0"

STUB = "__init__.pyi"
"""The one list of public names, beside this file."""

register_wording("lossctl.output.text.words:word")
register_compute("lossctl.api.computation:compute")
register_writers(
    open_text="lossctl.output.files.files:open_text",
    check_gradient="lossctl.output.gradients.files:check_target",
    open_gradient="lossctl.output.gradients.files:open_gradient",
    check_rows="lossctl.output.evaluation.row_files:check_rows",
    open_rows="lossctl.output.evaluation.row_files:open_rows",
)

_places: dict[str, str] = {}


def __getattr__(name: str) -> Any:
    """Import parts of the API when they are first asked for: the command starts faster so."""
    if name == "__all__":
        return sorted([*_list_places(), "__version__"])
    place = "" if name.startswith("__") else _list_places().get(name, "")
    if not place:
        from lossctl.api.renamed import rename_public

        renamed = rename_public(name)
        if renamed is not None:
            return __getattr__(renamed)
        raise AttributeError(f"module 'lossctl' has no attribute {name!r}")
    if place == __name__:
        return importlib.import_module(f"{place}.{name}")
    found = getattr(importlib.import_module(place), name)
    if isinstance(found, FunctionType):
        importlib.import_module("lossctl.api.docstrings").document(found)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})


def _list_places() -> dict[str, str]:
    """Return the modules of the public names, which the stub lists."""
    if not _places:
        import ast

        stub = ast.parse(pkgutil.get_data(__name__, STUB) or b"")
        imports = [one for one in stub.body if isinstance(one, ast.ImportFrom)]
        _places.update((name.name, str(one.module)) for one in imports for name in one.names)
    return _places
