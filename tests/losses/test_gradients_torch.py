"""Gradients against PyTorch's autograd: every case, option and reduction of the golden matrix."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case
from tests.losses.golden_values import load_golden
from tests.losses.gradients import differentiate, disagreements
from tests.losses.matrix import TORCH_KEYS, cases, reductions

pytest.importorskip("torch")
SHOWN = 20


def list_cases(key: str) -> list[Case]:
    """Return the golden cases, and the same with numbers of full precision."""
    drawn = cases(key, np.random.default_rng([1, zlib.crc32(key.encode())]))
    return [golden.case for golden in load_golden(key)] + drawn


@pytest.mark.parametrize("key", TORCH_KEYS)
def test_agrees_with_autograd(key: str) -> None:
    from tests.losses.references.torch_gradients import backward

    wrong: list[str] = []
    compared = 0
    for case in list_cases(key):
        for reduction in reductions(key, case):
            if reduction != "none":
                expected = backward(key, case, reduction)
                actual = differentiate(key, case, reduction)
                expected = {name: mend(key, case, one) for name, one in expected.items()}
                wrong += disagreements(f"{key} [{case.id}] {reduction}", actual, expected)
                compared += sum(one.size for one in expected.values())
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 100


def mend(key: str, case: Case, expected: Array) -> Array:
    """Give the derivative by a log-probability of minus infinity, for which torch has NaN.

    What has no probability is on no alignment, and exp(x) is 0.
    """
    if key != "ctc" or not case.id.startswith("certain-1"):
        return expected
    return np.where(np.isinf(case.inputs[0]), 0.0, expected)
