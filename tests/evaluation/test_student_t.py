"""Student's t, against tables and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lossctl.evaluation.uncertainty.student_t import FEW, quantile, quantiles, tail

FREEDOM = np.array([1, 2, 3, 5, 10, 29, FEW - 1, FEW, FEW + 1, 150, 500, 10_000, 10**7])


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706205), (4, 2.776445), (30, 2.042272), (99, 1.984217)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, t: float) -> None:
    assert quantile(0.95, freedom) == pytest.approx(t, rel=1e-6)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.8, 0.95, 0.99, 0.9999])
def test_the_tail_beyond_a_quantile_is_what_the_level_leaves(level: float) -> None:
    assert tail(quantiles(level, FREEDOM), FREEDOM) == pytest.approx(1 - level, rel=1e-10)


def test_nothing_is_said_without_degrees_of_freedom() -> None:
    assert math.isnan(quantile(0.95, 0))
    found = tail(np.array([1.0, math.nan, 0.0, math.inf, 1e200]), np.array([0, 5, 5, 5, 5]))
    assert np.isnan(found[:2]).all()
    assert found[2:].tolist() == [1.0, 0.0, 0.0]
    assert tail(np.array([1e200, math.inf]), np.array([500, 500])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("t", [0.0, 0.01, 0.5, 1.0, 1.96, 3.0, 5.0, 10.0])
def test_tails_are_those_of_scipy(t: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = tail(np.full(FREEDOM.shape, t), FREEDOM)
    assert found == pytest.approx(2 * stats.t.sf(t, FREEDOM), rel=1e-7)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_quantiles_are_those_of_scipy(level: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert quantiles(level, FREEDOM) == pytest.approx(
        stats.t.ppf((1 + level) / 2, FREEDOM), rel=1e-9
    )
