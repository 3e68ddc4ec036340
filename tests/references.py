"""Which library answers for a loss: the one that its declaration names."""

from __future__ import annotations

import importlib
from typing import Any

from lossctl.losses.core.registry import registry

MODULES = {
    "torch": "tests.torch_reference",
    "keras": "tests.keras_reference",
    "scikit-learn": "tests.sklearn_reference",
    "torchvision": "tests.torchvision_reference",
    "optax": "tests.optax_reference",
    "literature": "tests.literature_reference",
}


def reference(key: str) -> Any:
    """Return the module with NAME, VERSION and ``answer`` of a loss's library."""
    return importlib.import_module(MODULES[registry()[key].library])
