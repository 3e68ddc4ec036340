"""How often nominal 95 % intervals contain the true mean: by every method, of every kind of rows.

    .ci/task coverage        measures in full, and writes the tables in tests/README.md and on the
                             page of guarantees

Shares of independent rows are summed over all outcomes, and exact; the rest is simulated.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lossctl.evaluation.uncertainty.proportions import clopper_pearson, wilson
from lossctl.evaluation.uncertainty.uncertainty import Method, Name, Ratio, Uncertainty
from lossctl.losses.core.declaration import NON_NEGATIVE, ZERO_ONE, Range

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

LEVEL = 0.95
SIMULATED: tuple[Name, ...] = ("normal", "bootstrap", "jackknife", "cluster")
EXACT = {"wilson (the default)": wilson, "clopper-pearson": clopper_pearson}
SIZES = (20, 50, 200, 1000, 10_000, 100_000)
DECADES = ((0.001, 0.01), (0.01, 0.1), (0.1, 0.5))
SEED = 11
ROOT = Path(__file__).parents[2]
PAGES = {
    "held": ROOT / "tests" / "README.md",
    "lost": ROOT / "lossctl" / "docs" / "guarantees.md",
}


@dataclass(frozen=True)
class Rows:
    """What losses are drawn from, with their true mean and the range that is declared."""

    name: str
    draw: Draw
    mean: float
    range: Range
    sizes: tuple[int, ...]


def share(p: float, *sizes: int) -> Rows:
    return Rows(f"0 or 1, p = {p:g}", lambda rng, n: (rng.random(n) < p) * 1.0, p, ZERO_ONE, sizes)


def lognormal(sigma: float, *sizes: int) -> Rows:
    mean = math.exp(sigma**2 / 2)
    return Rows(
        f"lognormal, σ = {sigma:g}",
        lambda rng, n: rng.lognormal(0, sigma, n),
        mean,
        NON_NEGATIVE,
        sizes,
    )


def beta(a: float, b: float, *sizes: int) -> Rows:
    return Rows(
        f"beta({a:g}, {b:g}), in [0, 1]",
        lambda rng, n: rng.beta(a, b, n),
        a / (a + b),
        Range(0, 1),
        sizes,
    )


def seldom(p: float, *sizes: int) -> Rows:
    return Rows(
        f"0, or uniform with p = {p:g}, in [0, 1]",
        lambda rng, n: rng.random(n) * (rng.random(n) < p),
        p / 2,
        Range(0, 1),
        sizes,
    )


HELD = (
    share(0.005, 20, 200, 1000),
    share(0.05, 20, 200, 1000),
    share(0.3, 20, 200, 1000),
    beta(1, 1, 20, 200, 1000),
    beta(0.5, 0.5, 20, 200, 1000),
    beta(0.2, 2, 200, 1000),
    beta(0.05, 5, 200, 1000),
    seldom(0.05, 200, 1000),
    seldom(0.01, 200, 1000),
    lognormal(0.5, 200, 1000),
    lognormal(1, 200, 1000),
)
"""What every method holds."""
LOST = (
    lognormal(1, 20, 50),
    lognormal(1.5, 20, 50, 200, 1000),
    lognormal(2, 20, 50, 200, 1000),
    beta(0.05, 5, 20, 50),
)
"""What no method holds: heavy tails, and few skewed rows."""


@functools.cache
def find_ends(method: str, size: int) -> tuple[Floats, Floats]:
    """Return the intervals of all outcomes."""
    counts = np.arange(size + 1.0)
    return EXACT[method](counts / size, np.full(size + 1, float(size)), LEVEL)


def find_exact(method: str, size: int, shares: Floats) -> Floats:
    """Return the coverage of shares at each true share, summed over all outcomes."""
    counts = np.arange(size + 1.0)
    low, high = find_ends(method, size)
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1.0, size + 1)))))
    ways = logs[-1] - logs - logs[::-1]
    found = []
    for p in shares.tolist():
        inside = (low <= p) & (p <= high)
        chances = ways[inside] + counts[inside] * math.log(p)
        found.append(np.exp(chances + (size - counts[inside]) * math.log1p(-p)).sum())
    return np.array(found)


def simulate(rows: Rows, size: int, method: Name, datasets: int, replicates: int = 400) -> float:
    """Return in what share of simulated datasets the interval contains the mean."""
    total = size * datasets
    losses = rows.draw(np.random.default_rng([SEED, size]), total)
    collected = Uncertainty(
        [Ratio(0, 1, None, rows.range)], Method(method, LEVEL, replicates=replicates)
    )
    numbers = np.arange(total)
    clusters = numbers if method == "cluster" else None
    slices = np.repeat(np.arange(datasets), size)
    collected.add([losses, np.ones(total)], numbers, slices, clusters)
    spread = collected.spreads(datasets)[0]
    return float(np.mean((spread.low <= rows.mean) & (rows.mean <= spread.high)))


def list_shares(count: int) -> list[Floats]:
    """Return so many true shares in each decade, evenly on a logarithmic scale."""
    return [np.geomspace(*decade, count) for decade in DECADES]


def list_methods(size: int) -> list[str]:
    """Return the methods of shares; beyond 1,000 rows the exact one is left to its theorem."""
    return [one for one in EXACT if size <= 1000 or one != "clopper-pearson"]


def tabulate_shares(count: int) -> Iterator[str]:
    """Yield the table of shares: the average in each decade, and the lowest of all."""
    names = [f"p {low:g} to {high:g}" for low, high in DECADES]
    yield f"| rows of 0 and 1 | method | {' | '.join(names)} | lowest |"
    yield f"|---:|---|{'---:|' * (len(names) + 1)}"
    for size in SIZES:
        for method in list_methods(size):
            found = [find_exact(method, size, shares) for shares in list_shares(count)]
            cells = [f"{one.mean():.3f}" for one in found]
            lowest = min(one.min() for one in found)
            yield f"| {size:,} | {method} | {' | '.join(cells)} | {lowest:.3f} |"


def tabulate(kinds: tuple[Rows, ...], datasets: int) -> Iterator[str]:
    """Yield the table of simulated datasets, of each method."""
    yield f"| losses | rows | {' | '.join(SIMULATED)} |"
    yield f"|---|---:|{'---:|' * len(SIMULATED)}"
    for rows in kinds:
        for size in rows.sizes:
            count = datasets if size < 1000 else datasets // 4
            cells = [f"{simulate(rows, size, method, count):.3f}" for method in SIMULATED]
            yield f"| {rows.name} | {size:,} | {' | '.join(cells)} |"


def write(name: str, lines: list[str]) -> None:
    """Put lines between the marks of a page."""
    path, marks = PAGES[name], (f"<!-- coverage: {name} -->", "<!-- coverage: end -->")
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(marks[0])}.*?{re.escape(marks[1])}", re.DOTALL)
    block = "\n".join([marks[0], "", *lines, "", marks[1]])
    path.write_text(pattern.sub(lambda _: block, text, count=1), encoding="utf-8")


def main(datasets: int = 1000, count: int = 100) -> None:
    """Measure in full, and write both tables."""
    write("held", [*tabulate_shares(count), "", *tabulate(HELD, datasets)])
    write("lost", [*tabulate(LOST, datasets)])


if __name__ == "__main__":
    main()
