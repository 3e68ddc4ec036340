"""Who takes part, what must be installed for it, and how each computes a loss of arrays."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from tests.benchmarks.array_cases import ArrayCase
from tests.benchmarks.arrays import Array

LOSSCTL = "lossctl"
LOSSCTL_FLOAT32 = "lossctl float32"
TORCH = "PyTorch"
NUMPY = "NumPy"
NUMPY_MAPPED = "NumPy, mapped"
PANDAS = "pandas"
PANDAS_PYARROW = "pandas, pyarrow"
SKLEARN = "scikit-learn"
DUCKDB = "DuckDB"

MODULES = {
    LOSSCTL: "lossctl",
    LOSSCTL_FLOAT32: "lossctl",
    TORCH: "torch",
    NUMPY: "numpy",
    NUMPY_MAPPED: "numpy",
    PANDAS: "pandas",
    PANDAS_PYARROW: "pandas",
    SKLEARN: "sklearn",
    DUCKDB: "duckdb",
}
"""The contestants, in the order of their turns, and the module that each needs."""
DISTRIBUTIONS = ("lossctl", "torch", "numpy", "pandas", "pyarrow", "scikit-learn", "duckdb")

Call = Callable[[], float]


def is_installed(contestant: str) -> bool:
    """Whether a contestant can take part here."""
    return importlib.util.find_spec(MODULES[contestant]) is not None


def list_versions() -> dict[str, str]:
    """Return the versions of all that is compared, as far as it is installed."""
    versions = {"lossctl": importlib.import_module("lossctl").__version__}
    for name in DISTRIBUTIONS[1:]:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def takes_part(contestant: str, case: ArrayCase) -> bool:
    """Whether a contestant has an answer to a case in memory."""
    return {
        LOSSCTL: True,
        LOSSCTL_FLOAT32: True,
        TORCH: True,
        NUMPY: case.numpy is not None,
        SKLEARN: case.sklearn is not None,
    }.get(contestant, False)


def prepare(contestant: str, case: ArrayCase, arrays: tuple[Array, ...], threads: int) -> Call:
    """Return the call that computes the case, with all done before that is not computing."""
    match contestant:
        case "lossctl":
            return _prepare_lossctl(case, arrays, threads, "float64")
        case "lossctl float32":
            return _prepare_lossctl(case, arrays, threads, "float32")
        case "PyTorch":
            return _prepare_torch(case, arrays, threads)
        case "NumPy":
            formula = case.numpy
            assert formula is not None
            return lambda: float(formula(*arrays))
        case "scikit-learn":
            assert case.sklearn is not None
            function = getattr(importlib.import_module("sklearn.metrics"), case.sklearn)
            return lambda: float(function(*arrays[::-1]))
        case _:
            raise ValueError(contestant)


def _prepare_lossctl(case: ArrayCase, arrays: tuple[Array, ...], threads: int, dtype: str) -> Call:
    lossctl = importlib.import_module("lossctl")
    options = {"reduction": case.reduction, "threads": threads, "dtype": dtype, **case.options}
    return lambda: float(lossctl.compute(case.loss, *arrays, **options))


def _prepare_torch(case: ArrayCase, arrays: tuple[Array, ...], threads: int) -> Call:
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    function = getattr(torch.nn.functional, case.torch)
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    options = {"reduction": case.reduction, **case.options}
    return lambda: float(function(*tensors, **options))
