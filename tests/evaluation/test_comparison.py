"""Models against a baseline: won and lost rows, p-values, false discoveries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lossctl.evaluation.result import Comparison
from lossctl.evaluation.uncertainty.comparison import WinCounts, compare
from lossctl.evaluation.uncertainty.false_discovery import control
from lossctl.evaluation.uncertainty.uncertainty import Contrast, Method, Uncertainty
from tests.evaluation.simulation import A, B, Floats, Integers


def compare_losses(
    baseline: Floats, model: Floats, slices: Integers | None = None, method: Method | None = None
) -> list[Comparison]:
    count = 1 if slices is None else int(slices.max()) + 1
    ones = np.ones(len(model))
    tally = WinCounts()
    tally.add((model, ones), (baseline, ones), slices)
    collected = Uncertainty([Contrast(B, A)], method or Method())
    collected.add([baseline, ones, model, ones], np.arange(len(model)), slices)
    spread = collected.spreads(count)[0]
    by, labels = (("group",), [(str(one),) for one in range(count)]) if count > 1 else ((), [()])
    return compare("mse", "b", "a", spread.values, tally, spread, by, labels)


def test_a_model_neither_wins_nor_loses_against_itself() -> None:
    losses = np.random.default_rng(0).gamma(2, 1, 300)
    for slices in (None, np.arange(300) % 7):
        for one in compare_losses(losses, losses.copy(), slices):
            assert one.difference == 0
            assert (one.wins, one.losses) == (0, 0)
            assert one.ties == (300 if slices is None else np.sum(slices == int(one.labels[0])))
            assert one.p_value == 1
            assert one.significant is False


def test_wins_ties_and_losses_are_counted_per_slice() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 4, (2, 5000)).astype(float)
    slices = rng.integers(-1, 50, 5000)
    tally = WinCounts()
    for start in range(0, 5000, 700):
        here = slice(start, start + 700)
        ones = np.ones(b[here].size)
        tally.add((b[here] * 2, ones * 2), (a[here], ones), slices[here])
    for number in range(50):
        own = slices == number
        want = [np.sum(own & (b < a)), np.sum(own & (b == a)), np.sum(own & (b > a))]
        assert [one[number] for one in tally.counts(50)] == want


def test_rows_that_do_not_count_for_both_are_nobodys() -> None:
    tally = WinCounts()
    model = np.array([1.0, 0.0, 5.0, math.nan, math.inf]), np.array([1.0, 0.0, 1.0, 1.0, 1.0])
    baseline = np.array([2.0, 2.0, 0.0, 1.0, math.inf]), np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    tally.add(model, baseline)
    assert [int(one[0]) for one in tally.counts()] == [1, 1, 0]


def test_tallies_merge_and_reach_far_slices() -> None:
    first, second = WinCounts(), WinCounts()
    one, two = np.ones(1), np.full(1, 2.0)
    first.add((one, one), (two, one))
    second.add((two, one), (one, one), np.array([10**6]))
    first.merge(second)
    wins, ties, losses = first.counts(10**6 + 1)
    assert (wins[0], losses[10**6], wins.sum() + ties.sum() + losses.sum()) == (1, 1, 2)


def test_without_intervals_only_differences_and_counts_are_told() -> None:
    tally = WinCounts()
    tally.add((np.ones(3), np.ones(3)), (np.zeros(3), np.ones(3)))
    found = compare("mse", "b", "a", np.array([1.0]), tally)[0]
    assert (found.difference, found.losses) == (1.0, 3)
    assert (found.interval, found.p_value, found.significant, found.q_value) == (None,) * 4


def test_a_slice_of_one_row_is_not_tested() -> None:
    slices = np.array([0, 0, 0, 0, 1])
    found = compare_losses(np.zeros(5), np.array([1.0, 1.1, 0.9, 1.0, 5.0]), slices)
    assert found[0].significant is True
    assert found[0].q_value == found[0].p_value  # one test only
    assert (found[1].interval, found[1].p_value, found[1].significant) == (None, None, None)


@pytest.mark.parametrize("method", ["normal", "bootstrap", "jackknife"])
def test_few_discoveries_are_false(method: str) -> None:
    rng = np.random.default_rng(6)
    slices = np.repeat(np.arange(400), 100)
    better = slices < 100
    a = rng.gamma(2, 1, slices.size)
    b = a + rng.normal(0, 0.5, slices.size) - 0.3 * better
    found = compare_losses(a, b, slices, Method(method, replicates=300))
    discovered = [one for one in found if one.significant]
    false = [one for one in discovered if int(one.labels[0]) >= 100]
    assert len(discovered) - len(false) > 95
    assert len(false) <= 0.1 * len(discovered)
    assert sum(one.p_value <= 0.05 for one in found[100:]) > 5  # some look so without control


@pytest.mark.parametrize(
    "p_values",
    [
        [0.01],
        [0.01, 0.02, 0.03, 0.04, 0.05],
        [0.5, 0.001, 0.04, 1.0, 0.04, 0.0],
        np.random.default_rng(0).random(1000) ** 3,
    ],
)
def test_q_values_are_those_of_scipy(p_values: list[float]) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert control(p_values) == pytest.approx(stats.false_discovery_control(p_values), rel=1e-12)


def test_what_was_not_tested_does_not_count() -> None:
    found = control([0.01, math.nan, 0.02])
    assert np.isnan(found[1])
    assert found[[0, 2]].tolist() == [0.02, 0.02]
    assert control([]).size == 0
    assert np.isnan(control([math.nan])).all()


def test_p_values_of_no_difference_are_spread_evenly() -> None:
    rng = np.random.default_rng(2)
    slices = np.repeat(np.arange(2000), 30)
    a = rng.gamma(2, 1, slices.size)
    found = compare_losses(a, a + rng.normal(0, 0.2, slices.size), slices)
    p_values = np.array([one.p_value for one in found], np.float64)
    for share in (0.01, 0.05, 0.2, 0.5, 0.9):
        assert np.mean(p_values <= share) == pytest.approx(share, abs=0.03)


def test_decisions_are_mostly_those_of_wilcoxon() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    slices = np.repeat(np.arange(200), 60)
    a = rng.gamma(2, 1, slices.size)
    b = a + rng.normal(0, 0.3, slices.size) + np.repeat(rng.uniform(-0.2, 0.2, 200), 60)
    found = compare_losses(a, b, slices)
    own = np.array([one.p_value <= 0.05 for one in found])
    want = stats.wilcoxon((b - a).reshape(200, 60), axis=1).pvalue <= 0.05
    assert 50 < own.sum() < 150
    assert np.mean(own == want) > 0.9
