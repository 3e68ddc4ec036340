"""lossctl: loss values from prediction files and arrays, without a framework.

>>> import lossctl
>>> lossctl.compute("mse", [1.0, 2.0, 3.0], [1.0, 2.0, 5.0]).value
1.3333333333333333
>>> lossctl.losses.huber([0.0, 4.0], [0.0, 0.0], delta=2.0).value
3.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lossctl import losses
    from lossctl.api.computation import (
        check,
        compare_definitions,
        compute,
        describe,
        describe_all,
        elements,
        evaluate,
        explain,
        explain_difference,
        gradient,
        merge,
        run_suite,
    )
    from lossctl.checks.result import Examination
    from lossctl.data import load_array
    from lossctl.engine.gradients.result import Gradient
    from lossctl.engine.sums.result import Result
    from lossctl.explanation.result import Difference, Explanation
    from lossctl.losses.core.declaration import Option, Role, loss
    from lossctl.losses.core.inputs import (
        above_minus_one,
        binary,
        box,
        class_label,
        class_probability,
        clipped,
        density,
        distribution,
        either,
        index,
        index_list,
        labels,
        length,
        log_amount,
        log_probability,
        logit,
        mass,
        not_negative,
        positive,
        probability,
        real,
        score,
        sign,
        soft_label,
        variance,
    )
    from lossctl.losses.core.steps import Step, steps
    from lossctl.losses.core.terms import Scan, Terms, Transform

_ROOMS = {
    "lossctl.data": ("load_array",),
    "lossctl.checks.result": ("Examination",),
    "lossctl.engine.gradients.result": ("Gradient",),
    "lossctl.engine.sums.result": ("Result",),
    "lossctl.explanation.result": ("Difference", "Explanation"),
    "lossctl.losses.core.steps": ("Step", "steps"),
    "lossctl.api.computation": (
        "check",
        "compare_definitions",
        "compute",
        "describe",
        "describe_all",
        "elements",
        "evaluate",
        "explain",
        "explain_difference",
        "gradient",
        "merge",
        "run_suite",
    ),
    "lossctl.losses.core.declaration": ("Option", "Role", "loss"),
    "lossctl.losses.core.inputs": (
        "above_minus_one",
        "binary",
        "box",
        "class_label",
        "class_probability",
        "clipped",
        "density",
        "distribution",
        "either",
        "index",
        "index_list",
        "labels",
        "length",
        "log_amount",
        "log_probability",
        "logit",
        "mass",
        "not_negative",
        "positive",
        "probability",
        "real",
        "score",
        "sign",
        "soft_label",
        "variance",
    ),
    "lossctl.losses.core.terms": ("Scan", "Terms", "Transform"),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Difference",
    "Examination",
    "Explanation",
    "Gradient",
    "Option",
    "Result",
    "Role",
    "Scan",
    "Step",
    "Terms",
    "Transform",
    "__version__",
    "above_minus_one",
    "binary",
    "box",
    "check",
    "class_label",
    "class_probability",
    "clipped",
    "compare_definitions",
    "compute",
    "density",
    "describe",
    "describe_all",
    "distribution",
    "either",
    "elements",
    "evaluate",
    "explain",
    "explain_difference",
    "gradient",
    "index",
    "index_list",
    "labels",
    "length",
    "load_array",
    "log_amount",
    "log_probability",
    "logit",
    "loss",
    "losses",
    "mass",
    "merge",
    "not_negative",
    "positive",
    "probability",
    "real",
    "run_suite",
    "score",
    "sign",
    "soft_label",
    "steps",
    "variance",
]


def __getattr__(name: str) -> Any:
    """Import parts of the API when they are first asked for: the command starts faster so."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in ("losses", "errors"):
        return importlib.import_module(f"lossctl.{name}")
    raise AttributeError(f"module 'lossctl' has no attribute {name!r}")
