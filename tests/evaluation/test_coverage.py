"""95 % intervals hold the truth 95 times in 100: so many simulated datasets say so."""

from __future__ import annotations

import numpy as np
import pytest

from lossctl.evaluation.uncertainty import bootstrap
from lossctl.evaluation.uncertainty.uncertainty import Method, Uncertainty
from tests.evaluation.simulation import ESTIMANDS, TRUTHS, Datasets, measure_coverage, simulate

DATASETS = 2000
ROWS = 200
LOWEST, HIGHEST = 0.93, 0.97


def check(covered: dict[str, float], lowest: float = LOWEST, highest: float = HIGHEST) -> None:
    assert covered.keys() == TRUTHS.keys()
    assert all(lowest <= share <= highest for share in covered.values()), covered


def sort_rows(datasets: Datasets) -> Datasets:
    """Put the rows of each dataset in the order of the first model's losses."""
    order = np.lexsort((datasets.columns[0], datasets.slices))
    columns = [column[order] for column in datasets.columns]
    return Datasets(columns, datasets.slices, datasets.clusters[order], datasets.count)


@pytest.mark.parametrize("method", ["normal", "jackknife"])
def test_independent_rows(method: str) -> None:
    check(measure_coverage(simulate(DATASETS, ROWS), Method(method)))


def test_few_rows() -> None:
    check(measure_coverage(simulate(DATASETS, 20, seed=1), Method("normal")), 0.92)


def test_bootstrap_of_some_datasets() -> None:
    check(measure_coverage(simulate(400, ROWS), Method("bootstrap", replicates=400)), 0.91, 0.99)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_bootstrap(level: float) -> None:
    covered = measure_coverage(simulate(DATASETS, ROWS), Method("bootstrap", level))
    check(covered, level - 0.02 - (level < 0.9) * 0.01, level + 0.02 + (level < 0.9) * 0.01)


def test_clusters() -> None:
    datasets = simulate(DATASETS, 400, clustered=True)
    check(measure_coverage(datasets, Method("cluster")))
    # As if the rows were independent, the intervals are too narrow.
    assert max(measure_coverage(datasets, Method("normal")).values()) < 0.92


@pytest.mark.parametrize("method", ["bootstrap", "jackknife"])
def test_clusters_are_resampled(method: str) -> None:
    datasets = simulate(500, 400, clustered=True)
    datasets.columns = [column.copy() for column in datasets.columns]
    collected = Uncertainty(ESTIMANDS, Method(method, replicates=200))
    rows = np.arange(datasets.size)
    collected.add(datasets.columns, rows, datasets.slices, datasets.clusters)
    for (_, truth), spread in zip(TRUTHS.values(), collected.spreads(500), strict=True):
        assert 0.91 <= np.mean((spread.low <= truth) & (truth <= spread.high)) <= 0.985


@pytest.mark.parametrize("method", ["bootstrap", "jackknife"])
def test_the_order_of_the_rows_does_not_matter(method: str) -> None:
    datasets = simulate(500, 1000, seed=2)
    arranged = measure_coverage(sort_rows(datasets), Method(method, replicates=200))
    check(arranged, 0.91, 0.985)


def cover_one_by_one(count: int, rows: int, replicates: int) -> dict[str, float]:
    """Return the coverage of datasets that are no slices, each by itself."""
    datasets = simulate(count, rows, seed=3)
    hits = np.zeros(len(ESTIMANDS))
    for number in range(count):
        here = slice(number * rows, (number + 1) * rows)
        collected = Uncertainty(ESTIMANDS, Method("bootstrap", replicates=replicates))
        collected.add([column[here] for column in datasets.columns], np.arange(rows))
        for place, (spread, (_, truth)) in enumerate(
            zip(collected.spreads(), TRUTHS.values(), strict=True)
        ):
            hits[place] += spread.low[0] <= truth <= spread.high[0]
    return dict(zip(TRUTHS, (hits / count).tolist(), strict=True))


def test_bootstrap_of_some_whole_datasets() -> None:
    check(cover_one_by_one(60, 200, 100), 0.85, 1)


@pytest.mark.slow
def test_bootstrap_of_whole_datasets() -> None:
    check(cover_one_by_one(DATASETS, ROWS, 400))


@pytest.mark.slow
def test_bootstrap_of_datasets_with_more_rows_than_buckets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bootstrap, "BUCKETS", 256)
    check(cover_one_by_one(DATASETS, 1000, 400))
