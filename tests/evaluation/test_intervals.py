"""Intervals of what is 0 or 1, bounded or skewed: their values, their range, and their names."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

import lossctl
from lossctl.evaluation.uncertainty.incomplete_beta import beta_quantiles, incomplete_beta
from lossctl.evaluation.uncertainty.proportions import (
    clopper_pearson,
    mcnemar,
    paired_difference,
    wilson,
)
from lossctl.evaluation.uncertainty.uncertainty import (
    Contrast,
    Method,
    Name,
    Ratio,
    Spread,
    Uncertainty,
)
from lossctl.losses.core.declaration import NON_NEGATIVE, UNBOUNDED, ZERO_ONE, Range
from lossctl.losses.core.registry import registry
from tests.support.command_line import run

METHODS = get_args(Name)
Z = 1.959963984540054


def measure(
    losses: Sequence[float], found: Range, method: str | Method = "normal", **more: Any
) -> Spread:
    """Return what is said of the mean of rows with these losses."""
    method = method if isinstance(method, Method) else Method(method)
    values = np.asarray(losses, np.float64)
    weights = np.asarray(more.get("weights", np.ones(values.size)), np.float64)
    rows = np.arange(values.size)
    collected = Uncertainty([Ratio(0, 1, None, found)], method)
    clusters = more.get("clusters", rows if method.errors_of == "cluster" else None)
    collected.add([values * weights, weights], rows, None, clusters)
    return collected.spreads()[0]


def compare(
    baseline: Sequence[float], model: Sequence[float], found: Range, method: str = "normal"
) -> Spread:
    """Return what is said of the difference of two models."""
    rows, ones = np.arange(len(model)), np.ones(len(model))
    ratios = Ratio(0, 1, None, found), Ratio(2, 3, None, found)
    collected = Uncertainty([Contrast(ratios[1], ratios[0])], Method(method))  # type: ignore[arg-type]
    clusters = rows if method == "cluster" else None
    columns = [np.asarray(baseline, np.float64), ones, np.asarray(model, np.float64), ones]
    collected.add(columns, rows, None, clusters)
    return collected.spreads()[0]


def share(ones: int, rows: int) -> list[float]:
    return [1.0] * ones + [0.0] * (rows - ones)


@pytest.mark.parametrize(("ones", "rows"), [(30, 200), (9, 40), (17, 34), (500, 1000)])
def test_the_interval_of_a_share_is_wilsons(ones: int, rows: int) -> None:
    spread, p = measure(share(ones, rows), ZERO_ONE), ones / rows
    middle = (p + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    half = Z / (1 + Z**2 / rows) * math.sqrt(p * (1 - p) / rows + Z**2 / (4 * rows**2))
    assert spread.low[0] == pytest.approx(middle - half, rel=1e-9)
    assert spread.high[0] == pytest.approx(middle + half, rel=1e-9)


@pytest.mark.parametrize(("ones", "rows"), [(0, 5), (1, 20), (4, 200), (3, 10), (199, 200), (9, 9)])
def test_exact_intervals_are_those_of_scipy(ones: int, rows: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = measure(share(ones, rows), ZERO_ONE, "clopper-pearson").interval()
    want = stats.binomtest(ones, rows).proportion_ci(0.95, "exact")
    assert found is not None
    assert found.method == "clopper-pearson"
    assert (found.low, found.high) == pytest.approx((want.low, want.high), rel=1e-8)


def test_the_incomplete_beta_function_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for high in (2, 50, 2000):
        a, b = rng.uniform(0.5, high, (2, 40))
        x = rng.beta(a, b)
        assert incomplete_beta(a, b, x) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-9)
        for share_below in (0.025, 0.5, 0.95):
            want = stats.beta.ppf(share_below, a, b)
            assert beta_quantiles(share_below, a, b) == pytest.approx(want, rel=1e-8)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("losses", "found"),
    [
        (share(0, 5), ZERO_ONE),
        (share(0, 200), ZERO_ONE),
        (share(0, 1000), ZERO_ONE),
        (share(200, 200), ZERO_ONE),
        (share(1, 1000), ZERO_ONE),
        (share(3, 10), ZERO_ONE),
        ([0.25] * 50, Range(0, 1)),
        ([0.0] * 50, Range(-1, 1)),
        ([2.0] * 30, Range(0, 2)),
        ([*[0.0] * 199, 2.0], Range(0, 2)),
        ([*[1e-9] * 40, 0.0], Range(0, 1)),
        ([*[0.0] * 199, 5.0], NON_NEGATIVE),
    ],
)
def test_intervals_stay_in_the_range_and_have_a_width(
    losses: list[float], found: Range, name: Name
) -> None:
    interval = measure(losses, found, name).interval()
    assert interval is not None
    assert found.lowest <= interval.low < interval.high <= found.highest
    assert interval.low <= np.mean(losses) <= interval.high


@pytest.mark.parametrize("name", METHODS)
def test_a_difference_of_no_rows_has_a_width(name: Name) -> None:
    spread = compare(share(3, 200), share(3, 200), ZERO_ONE, name)
    assert -1 <= spread.low[0] < 0 < spread.high[0] <= 1
    assert spread.p_value() == 1
    far = compare(share(0, 20), share(20, 20), ZERO_ONE, name)
    assert 0 < far.low[0] < far.high[0] <= 1


def test_few_rows_that_differ_are_tested_exactly() -> None:
    """4 lost and 0 won of 200: p is 0.125, and not the 0.045 of Student's t."""
    spread = compare(share(0, 200), share(4, 200), ZERO_ONE)
    assert (spread.p_value(), spread.test()) == (0.125, "mcnemar")
    interval = spread.interval()
    assert interval is not None
    assert (interval.method, interval.low < 0 < interval.high) == ("bonett-price", True)


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (4, 0), (7, 2), (40, 25), (300, 250)])
def test_mcnemar_is_the_binomial_test_of_scipy(worse: int, better: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    want = stats.binomtest(worse, worse + better).pvalue if worse + better else 1.0
    found = mcnemar(np.array([worse, worse + 1e-7]), np.array([better, better]))
    assert found == pytest.approx([want, want], rel=1e-5)


def test_the_interval_of_a_difference_is_that_of_bonett_and_price() -> None:
    low, high, error = paired_difference(
        np.array([4 / 200]), np.array([0.0]), np.array([200.0]), 0.95
    )
    one, two = 5 / 202, 1 / 202
    assert error[0] == pytest.approx(math.sqrt((one + two - (one - two) ** 2) / 202))
    assert (low[0], high[0]) == pytest.approx((0.019801980 - Z * error[0], 0.043411471), rel=1e-6)


def test_weights_count_by_their_effective_size() -> None:
    weights = np.tile([1.0, 3.0], 100)
    losses = np.tile([0.0, 0.0, 1.0, 1.0], 50)
    spread = measure(losses, ZERO_ONE, weights=weights)
    size = weights.sum() ** 2 / (weights**2).sum()
    want = wilson(np.array([0.5]), np.array([size]), 0.95)
    assert spread.low[0] == pytest.approx(want[0][0], rel=5e-3)
    none = measure(np.zeros(200), ZERO_ONE, weights=weights)
    assert none.high[0] == pytest.approx(Z**2 / (size + Z**2), rel=1e-9)


def test_clusters_count_by_their_effective_size() -> None:
    clusters = np.arange(200) // 10
    losses = (clusters % 2 == 0) * 1.0
    spread = measure(losses, ZERO_ONE, "cluster", clusters=clusters)
    assert spread.high[0] - spread.low[0] > 3 * np.diff(wilson_of(0.5, 200))[0]
    none = measure(np.zeros(200), ZERO_ONE, "cluster", clusters=clusters)
    assert 0.1 < none.high[0] < 0.3  # of 20 clusters, not of 200 rows
    exact = Method("clopper-pearson", clustered=True)
    found = measure(losses, ZERO_ONE, exact, clusters=clusters).interval()
    assert found is not None
    assert found.method == "clopper-pearson-cluster"
    assert found.low < spread.low[0]


def wilson_of(p: float, rows: int) -> tuple[float, float]:
    low, high = wilson(np.array([p]), np.array([float(rows)]), 0.95)
    return float(low[0]), float(high[0])


def test_exact_intervals_contain_wilsons_where_rows_are_many() -> None:
    p, sizes = np.array([0.1, 0.5, 0.3]), np.array([100.0, 50.0, 1e6])
    exact, other = clopper_pearson(p, sizes, 0.95), wilson(p, sizes, 0.95)
    assert (exact[0] < other[0] + 1e-4).all()
    assert (exact[1] > other[1] - 1e-4).all()


def test_symmetric_rows_of_any_size_keep_students_t() -> None:
    stats = pytest.importorskip("scipy.stats")
    losses = np.random.default_rng(1).normal(3, 1, 400)
    for found in (UNBOUNDED, NON_NEGATIVE):
        spread = measure(losses, found)
        want = stats.ttest_1samp(losses, 0).confidence_interval(0.95)
        assert (spread.low[0], spread.high[0]) == pytest.approx((want.low, want.high), rel=1e-9)
        interval = spread.interval()
        assert interval is not None
        assert interval.method == "t"


def test_skewed_rows_extend_the_interval_to_their_side() -> None:
    stats = pytest.importorskip("scipy.stats")
    losses = np.random.default_rng(2).lognormal(0, 1, 200)
    spread, want = measure(losses, NON_NEGATIVE), stats.ttest_1samp(losses, 0)
    plain = want.confidence_interval(0.95)
    assert spread.low[0] == pytest.approx(plain.low, rel=1e-9)
    assert spread.high[0] > plain.high + 0.05 * (plain.high - plain.low)
    mirrored = measure(-losses, UNBOUNDED)
    assert -mirrored.low[0] == pytest.approx(spread.high[0], rel=1e-9)
    interval = spread.interval()
    assert interval is not None
    assert interval.method == "t-skewed"


def test_third_moments_are_the_same_in_pieces() -> None:
    rng = np.random.default_rng(3)
    losses, weights = rng.lognormal(0, 1, 900), rng.uniform(0.5, 2, 900)
    slices, rows = rng.integers(0, 5, 900), np.arange(900)
    parts = [Uncertainty([Ratio(0, 1)], Method()) for _ in range(4)]
    for part, start, stop in zip(parts, (0, 0, 7, 500), (900, 7, 500, 900), strict=True):
        here = slice(start, stop)
        part.add([(losses * weights)[here], weights[here]], rows[here], slices[here])
    for other in parts[2:]:
        parts[1].merge(other)
    whole, merged = parts[0].spreads(5)[0], parts[1].spreads(5)[0]
    assert merged.high == pytest.approx(whole.high, rel=1e-9)
    grouped = Uncertainty([Ratio(0, 1)], Method("cluster"))
    grouped.add([losses * weights, weights], rows, slices, rows)
    assert grouped.spreads(5)[0].high == pytest.approx(whole.high, rel=1e-9)


def test_rows_outside_of_the_declared_range_make_it_void() -> None:
    spread = measure([0.1, 0.5, 0.9, 3.0], Range(0, 1))
    interval = spread.interval()
    assert interval is not None
    assert interval.high > 1
    assert not interval.method.endswith("bounded")


@pytest.mark.parametrize("key", registry())
def test_every_declared_range_is_taken_over(key: str) -> None:
    """Rows at a bound of a loss have an interval in its range, or none."""
    found = registry()[key].range
    if not math.isfinite(found.lowest):
        return
    for name in METHODS:
        interval = measure([found.lowest] * 30, found, name).interval()
        assert (interval is not None) == found.bounded
        if interval is not None:
            assert found.lowest <= interval.low < interval.high <= found.highest


FEW = pd.DataFrame({"a": [0] * 200, "b": [0] * 196 + [1] * 4, "t": [0] * 200})
ASKED: dict[str, Any] = {"target": "t", "loss": "zero_one", "ci": 0.95}


@pytest.mark.parametrize(
    ("rows", "ones", "low", "high"),
    [
        (5, 0, 0, 0.4507197283),
        (200, 0, 0, 0.0188453264),
        (1000, 0, 0, 0.0038267585),
        (10, 3, 0.0872644339, 0.6066242161),
    ],
)
def test_errors_of_few_rows(rows: int, ones: int, low: float, high: float) -> None:
    """Of 0 errors the interval was 0 to 0, of 3 in 10 it began at -0.046."""
    frame = pd.DataFrame({"p": [1] * ones + [0] * (rows - ones), "t": [0] * rows})
    (found,) = lossctl.evaluate(frame, pred="p", **ASKED).overall
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=1e-9)


def test_a_model_that_lost_4_and_won_0_of_200_rows_is_not_worse() -> None:
    found = lossctl.evaluate(FEW, pred=["a", "b"], fail_if="zero_one worse than baseline", **ASKED)
    assert found.passed
    (one,) = found.comparisons
    assert (one.p_value, one.p_method, one.baseline_value) == (0.125, "mcnemar", 0)


def test_json_and_flat_formats_name_the_methods(tmp_path: Path) -> None:
    data = tmp_path / "few.csv"
    FEW.assign(g=["x", "y"] * 100).to_csv(data, index=False)
    words = ("evaluate", data, "--pred", "a", "--pred", "b", "--target", "t", "--by", "g")
    words += ("--loss", "zero_one", "--ci", "0.95")
    found = json.loads(run(*words, "-f", "json").out)
    for one in (*found["overall"], *found["slices"]):
        assert one["interval"]["method"] == "wilson"
    for one in found["comparisons"]:
        assert (one["interval"]["method"], one["p_method"]) == ("bonett-price", "mcnemar")
    lines = [json.loads(line) for line in run(*words, "-f", "jsonl").out.splitlines()]
    assert {one["method"] for one in lines} == {"wilson"}
    compared = [one for one in lines if one.get("p_value") is not None]
    assert {one["difference_method"] for one in compared} == {"bonett-price"}
    assert {one["p_method"] for one in compared} == {"mcnemar"}


def test_what_no_method_holds_is_said() -> None:
    heavy = np.random.default_rng(5).lognormal(0, 3, 60)
    frame = pd.DataFrame({"p": heavy, "t": 0.0, "same": 1.0})
    with pytest.warns(lossctl.errors.LossctlWarning, match="a few rows make up most of the mean"):
        lossctl.evaluate(frame, pred="p", target="t", loss="l1", ci=0.95)
    with pytest.warns(lossctl.errors.LossctlWarning, match="same: all rows have the same loss"):
        (found,) = lossctl.evaluate(frame, pred="same", target="t", loss="mse", ci=0.95).overall
    assert found.interval is None


def test_wilson_for_other_rows_is_said_not_to_be() -> None:
    frame = pd.DataFrame({"p": np.random.default_rng(6).normal(0, 1, 50), "t": 0.0})
    with pytest.warns(lossctl.errors.LossctlWarning, match="not all 0 or 1, .* not wilson"):
        (found,) = lossctl.evaluate(
            frame, pred="p", target="t", loss="l1", ci=0.95, ci_method="wilson"
        ).overall
    assert found.interval is not None
    assert found.interval.method.startswith("t")
