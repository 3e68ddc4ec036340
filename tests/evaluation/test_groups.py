"""Codes of labels: the same in every chunk, in the order in which labels appear."""

from __future__ import annotations

import numpy as np
import pytest

from lossctl.evaluation.slices import integer_codes
from lossctl.evaluation.slices.groups import Bins, Categories
from lossctl.evaluation.slices.slices import sort_worst_first


@pytest.mark.parametrize("widest", [0, 50, 1 << 20])
def test_integers_over_ranges_that_grow(widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integer_codes, "WIDEST", widest)
    rng = np.random.default_rng(4)
    kept = Categories()
    seen: list[str] = []
    for low, high in ((5, 9), (-20, 3), (0, 40), (-(2**63), 2**63 - 1), (7, 8), (-30, 30)):
        numbers = rng.integers(low, high, 25)
        codes = kept.encode(numbers)
        texts = list(map(str, numbers.tolist()))
        seen = list(dict.fromkeys([*seen, *texts]))
        assert [kept.label(code) for code in codes.tolist()] == texts
        assert kept.labels == seen


def test_the_worst_come_first_and_equal_ones_by_their_labels() -> None:
    rng = np.random.default_rng(6)
    values = rng.integers(0, 5, 60).astype(float)
    values[::9], values[1] = np.nan, np.inf
    labels = [(str(one),) for one in rng.permutation(60).tolist()]
    kept = np.flatnonzero(rng.random(60) > 0.3)
    wanted = sorted(
        kept.tolist(),
        key=lambda code: (np.isnan(values[code]), -np.nan_to_num(values[code]), labels[code]),
    )
    assert sort_worst_first(values, kept, labels).tolist() == wanted
    assert not len(sort_worst_first(values, kept[:0], labels))


@pytest.mark.parametrize("edges", [[1.0, 2.0, 3.0], [2.0], []])
def test_infinities_lie_in_no_bin(edges: list[float]) -> None:
    bins = Bins(np.array(edges))
    codes = bins.encode([np.inf, -np.inf, np.nan]).tolist()
    assert [bins.label(code) for code in codes] == ["inf", "-inf", "(missing)"]
