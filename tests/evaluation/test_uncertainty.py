"""Standard errors and intervals: against their formulas, SciPy, and themselves in pieces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np
import pytest

from lossctl.errors import UsageError
from lossctl.evaluation.uncertainty import bootstrap, keyed_sums, uncertainty
from lossctl.evaluation.uncertainty.bootstrap import BLOCK, BUCKETS, draw_weights
from lossctl.evaluation.uncertainty.ends import Doubt
from lossctl.evaluation.uncertainty.estimands import Estimand
from lossctl.evaluation.uncertainty.jackknife import scatter
from lossctl.evaluation.uncertainty.uncertainty import (
    Contrast,
    Method,
    Name,
    Ratio,
    Spread,
    Uncertainty,
)
from tests.evaluation.simulation import ESTIMANDS, EXPONENTIAL, A, B, simulate

METHODS = get_args(Name)
DATA = simulate(40, 250, seed=5)
ROWS = np.arange(DATA.size)
STANDARD = Method("normal")


def collect(
    method: Method,
    cuts: Sequence[int] = (),
    sliced: bool = True,
    estimands: Sequence[Estimand] = ESTIMANDS,
    columns: Sequence[Any] = DATA.columns,
) -> list[Spread]:
    collected = Uncertainty(estimands, method)
    for start, stop in zip((0, *cuts), (*cuts, DATA.size), strict=True):
        here = slice(start, stop)
        collected.add(
            [column[here] for column in columns],
            ROWS[here],
            DATA.slices[here] if sliced else None,
            DATA.clusters[here] if method.name == "cluster" else None,
        )
    return collected.spreads(DATA.count if sliced else 1)


def numbers(spreads: list[Spread]) -> Iterator[bytes]:
    for one in spreads:
        for array in (one.values, one.errors, one.low, one.high, one.p_values):
            yield b"" if array is None else array.tobytes()


def whole(estimand: Estimand, columns: Sequence[Any], method: Method = STANDARD) -> Spread:
    collected = Uncertainty([estimand], method)
    rows = np.arange(len(columns[0]))
    collected.add(columns, rows, None, rows if method.name == "cluster" else None)
    return collected.spreads()[0]


@pytest.mark.parametrize("sliced", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_chunks_do_not_change_a_bit(
    name: Name, sliced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncertainty, "BLOCK", 1024)
    monkeypatch.setattr(keyed_sums, "PENDING", 512)
    method = Method(name, replicates=50)
    want = list(numbers(collect(method, (), sliced)))
    for cuts in ((1,), (1024, 2048), (5000, 5000, 9999), range(7, DATA.size, 97)):
        assert list(numbers(collect(method, tuple(cuts), sliced))) == want


@pytest.mark.parametrize("name", METHODS)
def test_a_slice_is_a_dataset_of_its_own(name: Name) -> None:
    method = Method(name, replicates=50)
    together = collect(method)
    here = slice(7 * 250, 8 * 250)
    alone = Uncertainty(ESTIMANDS, method)
    alone.add(
        [one[here] for one in DATA.columns],
        ROWS[here],
        np.zeros(250, np.int64),
        DATA.clusters[here] if name == "cluster" else None,
    )
    for one, other in zip(together, alone.spreads(), strict=True):
        assert one.values[7] == pytest.approx(other.values[0], rel=1e-12)
        assert one.errors[7] == pytest.approx(other.errors[0], rel=1e-9)
        assert one.low[7] == pytest.approx(other.low[0], rel=1e-9)


@pytest.mark.parametrize("sliced", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_merging_is_adding(name: Name, sliced: bool) -> None:
    method = Method(name, replicates=50)
    parts = [Uncertainty(ESTIMANDS, method) for _ in range(3)]
    for part, (start, stop) in zip(parts, ((0, 1), (1, 4000), (4000, DATA.size)), strict=True):
        here = slice(start, stop)
        part.add(
            [column[here] for column in DATA.columns],
            ROWS[here],
            DATA.slices[here] if sliced else None,
            DATA.clusters[here] if name == "cluster" else None,
        )
    parts[1].merge(parts[2])
    parts[0].merge(parts[1])
    found = parts[0].spreads(DATA.count if sliced else 1)
    for one, other in zip(found, collect(method, (), sliced), strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-12)
        assert one.errors == pytest.approx(other.errors, rel=1e-9)


def test_the_normal_error_is_that_of_a_ratio_of_sums() -> None:
    over, under = DATA.columns[:2]
    spread = whole(A, [over, under])
    value = over.sum() / under.sum()
    influence = (over - value * under) / under.sum()
    size = over.size
    error = math.sqrt((influence**2).sum() * size / (size - 1))
    assert spread.values[0] == pytest.approx(value, rel=1e-13)
    assert spread.errors[0] == pytest.approx(error, rel=1e-10)


def test_the_clustered_error_is_that_of_sums_of_clusters() -> None:
    over, under = DATA.columns[:2]
    spread = collect(Method("cluster"), sliced=False, estimands=[A])[0]
    value = over.sum() / under.sum()
    influence = np.bincount(DATA.clusters, (over - value * under) / under.sum())
    count = np.unique(DATA.clusters).size
    error = math.sqrt((influence**2).sum() * count / (count - 1))
    assert spread.errors[0] == pytest.approx(error, rel=1e-10)


def test_the_jackknife_deletes_a_group_at_a_time() -> None:
    groups = scatter(ROWS, 100)
    without = []
    for group in range(100):
        kept = groups != group
        a, u, b, v = (column[kept].sum() for column in DATA.columns)
        without.append(math.exp(b / v) - math.exp(a / u))
    error = math.sqrt(99 / 100 * ((np.array(without) - np.mean(without)) ** 2).sum())
    spread = collect(Method("jackknife"), sliced=False, estimands=[ESTIMANDS[5]])[0]
    assert spread.errors[0] == pytest.approx(error, rel=1e-7)


def test_the_bootstrap_counts_rows_as_often_as_their_weights_say() -> None:
    rows = 900
    over, under = (column[:rows] for column in DATA.columns[:2])
    weights = draw_weights(3, 0, 400)[:rows]
    drawn = (over @ weights) / (under @ weights)
    spread = whole(A, [over, under], Method("bootstrap", replicates=400, seed=3))
    error = drawn.std(ddof=1) * math.sqrt(rows / (rows - 1))
    assert spread.errors[0] == pytest.approx(error, rel=1e-7)
    assert spread.low[0] == pytest.approx(np.quantile(drawn, 0.025), rel=1e-3)
    assert spread.high[0] == pytest.approx(np.quantile(drawn, 0.975), rel=1e-3)


def test_products_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    method = Method("bootstrap", replicates=50)
    want = list(numbers(collect(method)))
    monkeypatch.setattr(bootstrap, "FEW", 10**9)
    monkeypatch.setattr(bootstrap, "WIDE", 2**14)  # cuts the slices elsewhere, too
    assert list(numbers(collect(method))) == want


def test_weights_are_poisson_numbers() -> None:
    weights = draw_weights(0, 1, 1000)
    assert weights.mean() == pytest.approx(1, abs=0.005)
    assert weights.var() == pytest.approx(1, abs=0.01)
    shares = np.bincount(weights.astype(int).ravel(), minlength=9) / weights.size
    want = [math.exp(-1) / math.factorial(k) for k in range(len(shares))]
    assert shares == pytest.approx(want, abs=0.002)
    assert abs(np.corrcoef(weights[:, 0], weights[:, 1])[0, 1]) < 0.15
    assert abs(np.corrcoef(weights[0], weights[1])[0, 1]) < 0.15


def test_weights_depend_on_seed_bucket_and_replicate_alone() -> None:
    weights = draw_weights(7, 2, 30)
    assert (draw_weights(7, 2, 90)[:, :30] == weights).all()
    assert (draw_weights(8, 2, 30) != weights).any()
    assert (draw_weights(7, 3, 30) != weights).any()
    assert weights.shape == (BLOCK, 30)
    # Pinned: intervals that were published stay reproducible.
    assert draw_weights(0, 0, 20)[:12, 0].astype(int).tolist() == PINNED


PINNED = [2, 0, 1, 0, 2, 1, 0, 0, 0, 0, 1, 0]


def test_rows_have_buckets_to_themselves_while_there_are_any() -> None:
    first = scatter(np.arange(BUCKETS), BUCKETS, 5)
    assert (first == np.arange(BUCKETS)).all()
    more = scatter(np.arange(BUCKETS, 50 * BUCKETS), BUCKETS, 5)
    counts = np.bincount(more, minlength=BUCKETS)
    assert counts.var() == pytest.approx(49, rel=0.05)
    assert abs(np.corrcoef(more[:-1], more[1:])[0, 1]) < 0.005


@pytest.mark.parametrize("name", METHODS)
def test_a_model_does_not_differ_from_itself(name: Name) -> None:
    same = [DATA.columns[0], DATA.columns[1]] * 2
    estimands = [one for one in ESTIMANDS if isinstance(one, Contrast)]
    for spread in collect(Method(name, replicates=50), (), True, estimands, same):
        for array in (spread.values, spread.errors, spread.low, spread.high):
            assert (array == 0).all()
        assert (spread.p_values == 1).all()


@pytest.mark.parametrize("name", METHODS)
def test_small_differences_keep_their_digits(name: Name) -> None:
    step = np.random.default_rng(3).normal(1, 1, DATA.size) * 2.0**-44
    ones = np.ones(DATA.size)
    base = np.floor(DATA.columns[0] * 2**20) / 2**20
    step = np.floor(step * 2.0**52) / 2.0**52  # so that base + step is exact
    spread = whole(Contrast(B, A), [base, ones, base + step, ones], Method(name))
    alone = whole(A, [step, ones], Method(name))
    assert spread.values[0] == pytest.approx(alone.values[0], rel=1e-2)
    assert spread.errors[0] == pytest.approx(alone.errors[0], rel=1e-2)


@pytest.mark.parametrize("name", METHODS)
def test_large_means_keep_the_digits_of_the_error(name: Name) -> None:
    noise = np.random.default_rng(4).normal(0, 1, 3000)
    ones = np.ones(3000)
    near = whole(A, [noise, ones], Method(name, replicates=100))
    far = whole(A, [noise + 1e8, ones], Method(name, replicates=100))
    # Ratios of resampled sums also sway with the sums of weights, so not to all digits.
    assert far.errors[0] == pytest.approx(near.errors[0], rel=2e-2)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_what_is_no_number_stays_in_its_slice(name: Name, odd: float) -> None:
    columns = [column.copy() for column in DATA.columns]
    columns[0][3 * 250 + 17] = odd
    method = Method(name, replicates=50)
    clean = collect(method)
    for spread, other in zip(collect(method, columns=columns), clean, strict=True):
        assert spread.interval(3) is None or not math.isfinite(spread.interval(3).low)
        kept = np.arange(DATA.count) != 3
        assert spread.errors[kept] == pytest.approx(other.errors[kept], rel=1e-9)
        assert not np.isnan(spread.low[kept]).any()


@pytest.mark.parametrize("name", METHODS)
def test_one_row_says_nothing_of_its_error(name: Name) -> None:
    contrast = whole(Contrast(B, A), [np.ones(1)] * 4, Method(name))
    single = whole(A, [np.full(1, 3.0), np.ones(1)], Method(name))
    assert single.values.tolist() == [3.0]
    assert single.interval() is None
    assert contrast.interval() is None
    assert contrast.p_value() is None


@pytest.mark.parametrize("sliced", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_no_rows_have_no_interval(name: Name, sliced: bool) -> None:
    collected = Uncertainty(ESTIMANDS, Method(name))
    if sliced:
        nothing = np.zeros(0, np.int64)
        collected.add([np.zeros(0)] * 4, nothing, nothing, nothing)
    for spread in collected.spreads(2):
        assert np.isnan(spread.values).all()
        assert spread.interval(1) is None


@pytest.mark.parametrize("name", METHODS)
def test_rows_that_do_not_count_change_nothing(name: Name) -> None:
    method = Method(name, replicates=50)
    rng = np.random.default_rng(0)
    kept = rng.random(DATA.size) < 0.5
    numbered = Uncertainty([A], method)
    clusters = DATA.clusters
    numbered.add([column[kept] for column in DATA.columns], ROWS[kept], None, clusters[kept])
    masked = Uncertainty([A], method)
    masked.add([column * kept for column in DATA.columns], ROWS, None, clusters)
    one, other = masked.spreads()[0], numbered.spreads()[0]
    assert one.errors == pytest.approx(other.errors, rel=1e-9)
    assert one.low == pytest.approx(other.low, rel=1e-9)


def test_rows_of_no_slice_are_left_out() -> None:
    slices = DATA.slices % 3 - 1
    collected = Uncertainty([A], STANDARD)
    collected.add(DATA.columns, ROWS, slices)
    found = collected.spreads(2)[0]
    for number in range(2):
        want = whole(A, [column[slices == number] for column in DATA.columns])
        assert found.errors[number] == pytest.approx(want.errors[0], rel=1e-10)


@pytest.mark.parametrize("name", METHODS)
def test_models_may_leave_out_different_rows(name: Name) -> None:
    rng = np.random.default_rng(8)
    here, there = rng.random((2, DATA.size)) < 0.6
    a, u, b, v = DATA.columns
    columns = [a * here, u * here, b * there, v * there]
    spread = collect(Method(name), (), False, [Contrast(B, A)], columns)[0]
    totals = [column.sum() for column in columns]
    mean_a, mean_b = totals[0] / totals[1], totals[2] / totals[3]
    influence = (columns[2] - mean_b * columns[3]) / totals[3]
    influence -= (columns[0] - mean_a * columns[1]) / totals[1]
    assert spread.values[0] == pytest.approx(mean_b - mean_a, rel=1e-10)
    error = math.sqrt((influence**2).sum())
    precision = {"bootstrap": 0.1, "jackknife": 0.2, "cluster": 0.1}.get(name, 1e-3)
    assert spread.errors[0] == pytest.approx(error, rel=precision)


@pytest.mark.parametrize("name", METHODS)
def test_equal_losses_say_nothing_of_others(name: Name) -> None:
    """Without a bound, a row that was not seen may have any loss: there is no interval."""
    spread = whole(A, [np.full(50, 0.25), np.ones(50)], Method(name))
    assert spread.values[0] == 0.25
    assert spread.interval() is None
    assert spread.doubts(Doubt.SAME).all()
    away = whole(Contrast(B, A), [np.zeros(50), np.ones(50), np.ones(50), np.ones(50)])
    assert (away.p_value(), away.test()) == (2.0**-49, "sign")
    assert away.interval() is None


def test_ends_are_transformed() -> None:
    columns = [column[:60] for column in DATA.columns]
    plain = whole(A, columns)
    transformed = whole(Ratio(0, 1, EXPONENTIAL), columns)
    assert transformed.low[0] == pytest.approx(math.exp(plain.low[0]))
    assert transformed.errors[0] == pytest.approx(math.exp(plain.values[0]) * plain.errors[0])


def test_a_square_root_starts_at_0() -> None:
    losses = np.array([0.0, 0.0, 9.0])
    spread = whole(ESTIMANDS[1], [losses, np.ones(3)])
    assert spread.low[0] == 0
    assert spread.high[0] > spread.values[0]


def test_the_interval_tells_its_method() -> None:
    found = whole(A, DATA.columns[:2], Method("jackknife", level=0.9)).interval()
    assert found is not None
    assert (found.level, found.method) == (0.9, "jackknife")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"name": "bootsrap"}, "bootstrap"),
        ({"level": 95}, "--ci"),
        ({"level": math.nan}, "--ci"),
        ({"replicates": 3}, "--replicates"),
        ({"seed": -1}, "--seed"),
        ({"groups": 1}, "--groups"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        Method(**settings)


def test_clusters_are_asked_for() -> None:
    with pytest.raises(UsageError, match="--cluster-by"):
        Uncertainty([A], Method("cluster")).add([np.ones(1)] * 2, np.zeros(1, np.int64))


def test_too_many_slices_to_resample_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncertainty, "RESAMPLED", 1000)
    with pytest.raises(UsageError, match="--ci-method normal"):
        collect(Method("bootstrap"))


def test_the_bootstrap_is_near_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    losses = DATA.columns[0][:800]
    found = whole(A, [losses, np.ones(800)], Method("bootstrap", replicates=4000)).interval()
    assert found is not None
    want = stats.bootstrap(
        (losses,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    )
    width = found.high - found.low
    assert found.low == pytest.approx(want.confidence_interval.low, abs=0.05 * width)
    assert found.high == pytest.approx(want.confidence_interval.high, abs=0.05 * width)
    assert found.standard_error == pytest.approx(want.standard_error, rel=0.05)


@pytest.mark.parametrize("rows", [3, 20, 5000])
def test_paired_differences_are_the_t_test_of_scipy(rows: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = DATA.columns[0][:rows], DATA.columns[2][:rows]
    spread = whole(Contrast(B, A), [a, np.ones(rows), b, np.ones(rows)])
    want = stats.ttest_rel(b, a)
    interval = want.confidence_interval(0.95)
    assert spread.p_value() == pytest.approx(want.pvalue, rel=1e-6)
    assert spread.low[0] == pytest.approx(interval.low, rel=1e-9)
    assert spread.high[0] == pytest.approx(interval.high, rel=1e-9)
