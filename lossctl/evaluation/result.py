"""What an evaluation returns: plain records, and the same as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "lossctl.evaluation/1"
TABLES_ONLY = "tables only"
"""Marks a field that machine formats leave out."""
"""Name and version of the shape of :meth:`Evaluation.to_dict`."""

FACTS = ("value", "rows", "counted", "share", "gap")
LIMITS = ("low", "high", "standard_error", "method")
"""Columns of a slice, and of an interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval and the standard error behind it.

    ``method`` says how it was made: ``t``, ``bootstrap``, ``jackknife`` or ``cluster``, with
    ``-skewed`` where it was extended for skewed rows and ``-bounded`` where the loss is bounded;
    ``wilson`` or ``clopper-pearson`` of rows that are 0 or 1, ``bonett-price`` of differences of
    such, each with the method of its standard error behind it unless the rows are independent.
    """

    level: float
    low: float
    high: float
    method: str
    standard_error: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """The loss of one model over all rows.

    ``value`` = ``total / denominator``, or the loss's transform of it (a square root for rmse).
    """

    model: str
    loss: str
    value: float
    total: float
    denominator: float
    denominator_name: str
    counted: int
    ignored: int = 0
    masked: int = 0
    omitted: int = 0
    nan: int = 0
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class SliceRow:
    """The loss of one model in one slice; slices are sorted worst first.

    ``share`` is the slice's part of the total loss, ``gap`` its value minus the overall value.
    """

    by: tuple[str, ...]
    labels: tuple[str, ...]
    model: str
    loss: str
    value: float
    rows: int
    counted: int
    share: float
    gap: float
    interval: Interval | None = None

    def blocks(self) -> Iterator[tuple[list[Sequence[str]], dict[str, list[Any]]]]:
        """Yield labels and facts as lists, as many slices at once may: here it is one."""
        facts = {name: [getattr(self, name)] for name in FACTS}
        if self.interval is not None:
            facts |= {name: [getattr(self.interval, name)] for name in LIMITS}
        yield [[label] for label in self.labels], facts

    @property
    def name(self) -> str:
        """The slice as a person writes it: ``region=EU, device=phone``."""
        return ", ".join(f"{by}={label}" for by, label in zip(self.by, self.labels, strict=True))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model against the baseline, over all rows (``by`` is empty) or in one slice.

    ``difference`` is the model's loss minus the baseline's: below 0 the model is better. ``wins``
    counts the rows where the model has the lower loss. ``q_value`` is the p-value after control of
    the false-discovery rate over the slices of one loss, model and ``by``.
    """

    loss: str
    model: str
    baseline: str
    by: tuple[str, ...]
    labels: tuple[str, ...]
    difference: float
    interval: Interval | None = None
    p_value: float | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    significant: bool | None = None
    q_value: float | None = None
    compared: int = 0
    """The number of rows that are compared: those that all models of the run have."""
    p_method: str | None = None
    """The test: ``t``, ``mcnemar`` (exact, of rows that are 0 or 1), or ``sign``."""
    baseline_value: float | None = None
    """The loss of the baseline on these rows."""


@dataclass(frozen=True, slots=True)
class WorstRow:
    """One of the rows with the highest loss; ``value`` is the row's own loss."""

    model: str
    loss: str
    rank: int
    row: int
    value: float
    id: str | None = None
    shown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a gate: ``passed`` unless its condition is true.

    One that asked for it may be ``inconclusive``, which is not passed either; ``rows_needed`` says
    how many rows would decide, if the values stayed as they are.
    """

    condition: str
    passed: bool
    value: float | None
    limit: float | None
    detail: str = ""
    inconclusive: bool = False
    rows_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the losses say about a dataset.

    ``rows`` were evaluated; ``matched`` of them by key (None: they are aligned by position), and
    ``dropped`` were excluded by the key or the filter. ``settings`` holds what
    was asked for, so that the numbers can be reproduced.
    """

    rows: int
    matched: int | None
    dropped: int
    models: tuple[str, ...]
    losses: tuple[str, ...]
    overall: tuple[Estimate, ...]
    slices: Sequence[SliceRow] = ()
    comparisons: Sequence[Comparison] = ()
    worst: tuple[WorstRow, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    warnings: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict, metadata={TABLES_ONLY: True})
    """How the user called each loss."""

    @property
    def passed(self) -> bool:
        """Whether every gate is passed."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def frame(self) -> pd.DataFrame:
        """The losses over all rows, one row per model and loss."""
        return _frame(Estimate, self.overall)

    @property
    def slice_frame(self) -> pd.DataFrame:
        """The slices, one row per slice, model and loss."""
        frame = getattr(self.slices, "frame", None)  # of millions of slices, made at once
        return _frame(SliceRow, self.slices) if frame is None else frame()

    @property
    def comparison_frame(self) -> pd.DataFrame:
        """The differences to the baseline."""
        return _frame(Comparison, self.comparisons)

    @property
    def worst_frame(self) -> pd.DataFrame:
        """The rows with the highest loss, with the columns to show."""
        return _frame(WorstRow, self.worst)

    @property
    def verdict_frame(self) -> pd.DataFrame:
        """The verdicts of the gates."""
        return _frame(Verdict, self.verdicts)

    def call(self, loss: str) -> str:
        """Return what the user called a loss."""
        return self.typed.get(loss, loss)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data; numbers that are not finite stay as they are."""
        data: dict[str, Any] = {"format": FORMAT}
        for one in fields(self):
            if TABLES_ONLY in one.metadata:
                continue
            value = getattr(self, one.name)
            records = not isinstance(value, dict | int | None) and one.name not in PLAIN
            data[one.name] = [asdict(record) for record in value] if records else value
        return {**data, "passed": self.passed}


PLAIN = ("models", "losses", "warnings")
"""Fields of an evaluation that are strings, not records."""


def _frame(kind: type[Any], records: Iterable[Any]) -> pd.DataFrame:
    """Return records as a DataFrame with a column per field.

    An interval takes four columns, a tuple or dict of strings one for each of its names.
    """
    import pandas as pd

    rows = [_flatten(record) for record in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    names = [one.name for one in fields(kind) if one.name not in NESTED]
    return pd.DataFrame(rows, columns=columns or names)


NESTED = ("interval", "shown", "by", "labels")


def rename(names: Iterable[str], prefix: str, taken: Collection[str]) -> dict[str, str]:
    """Return names for the user's columns unlike those of facts: ``by_loss``, ``shown_row``.

    >>> rename(["region", "loss"], "by", ["loss", "value"])
    {'region': 'region', 'loss': 'by_loss'}
    """
    return {name: f"{prefix}_{name}" if name in taken else name for name in names}


def list_taken(kind: type[Any]) -> list[str]:
    """Return the column names of a kind of record, which the user's columns must not have."""
    return [*(one.name for one in fields(kind) if one.name not in NESTED), *LIMITS]


def _flatten(record: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    taken = list_taken(type(record))
    for one in fields(record):
        value = getattr(record, one.name)
        if one.name == "labels":
            row.update(zip(rename(record.by, "by", taken).values(), value, strict=True))
        elif one.name == "shown":
            row.update(zip(rename(value, "shown", taken).values(), value.values(), strict=True))
        elif one.name == "interval":
            if value is not None:
                row |= {name: getattr(value, name) for name in LIMITS}
        elif one.name != "by":
            row[one.name] = value
    return row
