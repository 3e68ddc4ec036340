"""Nominal 95 % intervals contain the true mean as often as the guarantees say."""

from __future__ import annotations

import numpy as np
import pytest

from lossctl.evaluation.uncertainty.uncertainty import Name
from tests.evaluation.coverage import (
    EXACT,
    HELD,
    PAGES,
    SIMULATED,
    SIZES,
    Rows,
    find_exact,
    list_shares,
    simulate,
)

AVERAGE, LOWEST, OTHERS = 0.94, 0.92, 0.93
NOISE = 3
"""Standard errors of a simulation that it may fall short by."""

CELLS = [(rows, size) for rows in HELD for size in rows.sizes if size < 1000]


def allow(lowest: float, datasets: int) -> float:
    return lowest - NOISE * float(np.sqrt(lowest * (1 - lowest) / datasets))


@pytest.mark.parametrize("size", [20, 21, 29, 50, 200, 1000])
@pytest.mark.parametrize("method", EXACT)
def test_shares(method: str, size: int) -> None:
    found = [find_exact(method, size, shares) for shares in list_shares(60)]
    assert min(one.mean() for one in found) >= AVERAGE
    assert min(one.min() for one in found) >= LOWEST


@pytest.mark.slow
@pytest.mark.parametrize("size", [*range(20, 120), *SIZES[2:4]])
@pytest.mark.parametrize("method", EXACT)
def test_shares_of_many_sizes(method: str, size: int) -> None:
    found = [find_exact(method, size, shares) for shares in list_shares(300)]
    assert min(one.mean() for one in found) >= AVERAGE
    assert min(one.min() for one in found) >= LOWEST


@pytest.mark.parametrize("method", SIMULATED)
@pytest.mark.parametrize(("rows", "size"), CELLS, ids=[f"{one.name}-{n}" for one, n in CELLS])
def test_some_datasets(rows: Rows, size: int, method: Name) -> None:
    assert simulate(rows, size, method, 200, 100) >= allow(OTHERS, 200)


@pytest.mark.slow
@pytest.mark.parametrize("method", SIMULATED)
@pytest.mark.parametrize(("rows", "size"), CELLS, ids=[f"{one.name}-{n}" for one, n in CELLS])
def test_many_datasets(rows: Rows, size: int, method: Name) -> None:
    assert simulate(rows, size, method, 2000) >= allow(OTHERS, 2000)


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_are_written(name: str) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    table = text.split(f"<!-- coverage: {name} -->")[1].split("<!-- coverage: end -->")[0]
    numbers = [float(cell) for cell in table.replace("|", " ").split() if cell.startswith("0.9")]
    assert len(numbers) > 10
    if name == "held":
        assert min(numbers) >= LOWEST
