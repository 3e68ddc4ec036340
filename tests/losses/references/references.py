"""Which library answers for a loss: the one that its declaration names."""

from __future__ import annotations

import importlib
from typing import Any

from lossctl.losses.core.registry import registry
from tests.losses.declare import Reference, known, missing

MODULES = {
    "torch": "tests.losses.references.torch_reference",
    "keras": "tests.losses.references.keras_reference",
    "scikit-learn": "tests.losses.references.sklearn_reference",
    "torchvision": "tests.losses.references.torchvision_reference",
    "optax": "tests.losses.references.optax_reference",
    "literature": "tests.losses.references.literature_reference",
}


def find_library(key: str) -> Any:
    """Return the module with NAME, VERSION and ``answer`` of a loss's library."""
    return importlib.import_module(MODULES[registry()[key].library])


def find_reference(key: str) -> Reference:
    """Return how a loss's library is asked; fail where no test file says so."""
    found = known(key).reference
    assert found is not None, "\n".join(missing(registry()[key]))
    return found
