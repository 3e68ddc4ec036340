"""The test matrix: for each loss, the calls on which it is compared with its reference."""

from __future__ import annotations

import zlib

import numpy as np

from lossctl.losses.core.registry import registry
from tests.losses.cases.case import Case, Draw
from tests.losses.declare import known, missing

KEYS = tuple(registry())


def keys_of(*libraries: str) -> tuple[str, ...]:
    """Return the losses of some libraries."""
    return tuple(key for key, loss in registry().items() if loss.library in libraries)


def draw_cases(key: str, rng: np.random.Generator, digits: int | None = None) -> list[Case]:
    """Return the cases of a loss, the same for the same state of ``rng``."""
    function = known(key).cases
    assert function is not None, "\n".join(missing(registry()[key]))
    return list(function(Draw(rng, digits)))


def draw_seeded(key: str, seed: int) -> list[Case]:
    """Return the cases of a loss with numbers of full precision, others for each seed."""
    return draw_cases(key, np.random.default_rng([seed, zlib.crc32(key.encode())]))


def reductions(key: str, case: Case) -> list[str]:
    """Return the reductions on which the reference has an answer for the case."""
    reference = known(key).reference
    names = ["none", "mean", "sum", *(reference.reductions if reference else ())]
    if registry()[key].library == "keras":
        names += ["sum_over_batch_size", "mean_with_sample_weight"]
    return [name for name in names if name not in case.skipped]
