"""Gradients against PyTorch's autograd: every case, option and reduction of the golden matrix."""

from __future__ import annotations

import pytest

from tests.losses.cases.case import Case
from tests.losses.golden_values import load_golden
from tests.losses.gradients import correct, differentiate, disagreements
from tests.losses.matrix import draw_seeded, keys_of, reductions

pytest.importorskip("torch")
SHOWN = 20


def list_cases(key: str) -> list[Case]:
    """Return the golden cases, and the same with numbers of full precision."""
    return [golden.case for golden in load_golden(key)] + draw_seeded(key, 1)


@pytest.mark.parametrize("key", keys_of("torch"))
def test_agrees_with_autograd(key: str) -> None:
    from tests.losses.references.torch_gradients import backward

    wrong: list[str] = []
    compared = 0
    for case in list_cases(key):
        for reduction in reductions(key, case):
            if reduction != "none":
                expected = backward(key, case, reduction)
                actual = differentiate(key, case, reduction)
                expected = correct(key, case, expected, actual)
                wrong += disagreements(f"{key} [{case.id}] {reduction}", actual, expected)
                compared += sum(one.size for one in expected.values())
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 100
