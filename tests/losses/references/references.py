"""Which library answers for a loss: the one that its declaration names."""

from __future__ import annotations

import importlib
from typing import Any

from lossctl.losses.core.registry import registry

MODULES = {
    "torch": "tests.losses.references.torch_reference",
    "keras": "tests.losses.references.keras_reference",
    "scikit-learn": "tests.losses.references.sklearn_reference",
    "torchvision": "tests.losses.references.torchvision_reference",
    "optax": "tests.losses.references.optax_reference",
    "literature": "tests.losses.references.literature_reference",
}


def reference(key: str) -> Any:
    """Return the module with NAME, VERSION and ``answer`` of a loss's library."""
    return importlib.import_module(MODULES[registry()[key].library])
