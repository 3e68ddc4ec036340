"""Plots of time and memory against size, one pair of panels for each case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contestants import LOSSCTL, LOSSCTL_FLOAT32, MODULES
from tests.benchmarks.report import format_bytes, format_seconds, group_by
from tests.benchmarks.turns import Measurement

MOST_COLUMNS = 6
PANEL_WIDTH, PANEL_HEIGHT = 3.0, 2.2
COLORS = (
    "#000000", "#777777", "#d55e00", "#0072b2", "#56b4e9", "#009e73", "#8fce00", "#cc79a7",
    "#e69f00",
)  # fmt: skip
"""One for each contestant, told apart by the colour-blind too."""
STYLES = dict(zip(MODULES, COLORS, strict=True))
FEW_DECADES = 60
"""A range so narrow needs ticks between the powers of ten."""
MEGABYTE = 1e6


def plot(measurements: Sequence[Measurement], title: str, path: Path) -> None:
    """Draw the time and, below it, the memory of every case that has sizes."""
    from matplotlib.figure import Figure

    cases = list(group_by([one for one in measurements if one.count], "case").items())
    columns = min(MOST_COLUMNS, len(cases))
    blocks = -(-len(cases) // columns)
    figure = Figure(
        figsize=(PANEL_WIDTH * columns, PANEL_HEIGHT * 2 * blocks), layout="constrained"
    )
    figure.suptitle(title)
    panels = figure.subplots(2 * blocks, columns, squeeze=False)
    for panel in panels.flat:
        panel.set_visible(False)
    for number, (case, group) in enumerate(cases):
        block, column = divmod(number, columns)
        _draw_time(panels[2 * block, column], case, group)
        _draw_memory(panels[2 * block + 1, column], group)
    _draw_legend(figure, measurements)
    figure.savefig(path, dpi=110)


def _draw_time(panel: Any, case: str, group: Sequence[Measurement]) -> None:
    """Draw the medians, and bars from the least to the greatest."""
    for name, line in group_by(group, "contestant").items():
        medians = [one.seconds for one in line]
        least = [min(turn.seconds for turn in one.turns) for one in line]
        greatest = [max(turn.seconds for turn in one.turns) for one in line]
        down = [middle - low for middle, low in zip(medians, least, strict=True)]
        up = [high - middle for middle, high in zip(medians, greatest, strict=True)]
        panel.errorbar([one.count for one in line], medians, yerr=[down, up], **_style(name))
    panel.set(title=case, visible=True, xscale="log", yscale="log")
    _label_ticks(panel, format_seconds)


def _draw_memory(panel: Any, group: Sequence[Measurement]) -> None:
    """Draw the peaks; what is below a megabyte is drawn as one, for want of a logarithm of 0."""
    for name, line in group_by(group, "contestant").items():
        known = {one.count: one.memory for one in line if one.memory is not None}
        peaks = [max(memory, MEGABYTE) for memory in known.values()]
        panel.plot(list(known), peaks, **_style(name))
    panel.set(xlabel="size", visible=True, xscale="log", yscale="log")
    _label_ticks(panel, lambda size: format_bytes(int(size)))


def _label_ticks(panel: Any, text: Callable[[float], str]) -> None:
    """Write units at the ticks of a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = panel.get_ylim()
    between = (1.0, 2.0, 5.0) if high / low < FEW_DECADES else (1.0,)
    panel.yaxis.set_major_locator(LogLocator(subs=between))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _draw_legend(figure: Any, measurements: Sequence[Measurement]) -> None:
    from matplotlib.lines import Line2D

    present = {one.contestant for one in measurements}
    names = [name for name in MODULES if name in present]
    handles = [Line2D([], [], **_style(name)) for name in names]
    figure.legend(handles, names, loc="outside lower center", ncols=min(5, len(names)))


def _style(name: str) -> dict[str, Any]:
    return {
        "color": STYLES[name],
        "linewidth": 2.2 if name in (LOSSCTL, LOSSCTL_FLOAT32) else 1.2,
        "linestyle": "--" if name == LOSSCTL_FLOAT32 else "-",
        "marker": "o",
        "markersize": 3,
    }
