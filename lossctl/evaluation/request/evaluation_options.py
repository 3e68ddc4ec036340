"""The options of an evaluation, each declared once.

The parameters of ``lossctl.evaluate``, the flags of the command, the keys of a suite and what a
result says of its settings follow from :class:`EvaluationOptions`. A new option is one field here,
and what the evaluation does with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from functools import cache
from os import PathLike
from typing import Annotated, Any, get_type_hints

DATA, LOSSES, WORK = "Data", "Losses and slices", "Work"
UNCERTAINTY, COMPARISON, ROWS = "Uncertainty", "Comparison and gates", "Single rows"


class Value(Enum):
    """What an option is where it is written, in a command line or a suite."""

    TEXT = "text"
    TEXTS = "texts, each behind a flag of its own"
    LIST = "a text, or a list of texts"
    NAMES = "names, with commas between them"
    NUMBER = "number"
    WHOLE = "whole number"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """How an option is written, and what of it is said."""

    value: Value
    help: str = ""
    """Empty for an option that ``compute`` has too, with the same words."""
    group: str = DATA
    metavar: str | None = None
    least: int | None = None
    names_losses: bool = False
    """Whether names of losses complete what is typed."""
    changes_numbers: bool = True
    """Whether a result says what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """Everything that an evaluation is asked for."""

    dataset: Annotated[Any, OptionSpec(Value.TEXT, "A table, or a glob of its shards.")] = field(
        default=None, kw_only=False
    )
    pred: Annotated[
        Any,
        OptionSpec(
            Value.TEXTS,
            "predictions; NAME=REF names the model; again for each model",
            metavar="REF",
        ),
    ]
    target: Annotated[Any, OptionSpec(Value.TEXT, "true values", metavar="REF")] = None
    sample_weight: Annotated[Any, OptionSpec(Value.TEXT, "weight of each row", metavar="REF")] = (
        None
    )
    mask: Annotated[Any, OptionSpec(Value.TEXT, "0 leaves a row out", metavar="REF")] = None
    id: Annotated[Any, OptionSpec(Value.TEXT, "what names a row", metavar="REF")] = None
    on: Annotated[
        str | None,
        OptionSpec(Value.TEXT, "join several files by this key, not by position", metavar="COLUMN"),
    ] = None
    how: Annotated[
        str | None,
        OptionSpec(Value.TEXT, "inner keeps the keys that match; exact is an error (exact)"),
    ] = None
    where: Annotated[
        str | None,
        OptionSpec(
            Value.TEXT,
            "keep the rows where this holds: 'age > 40 and sex == 1'",
            metavar="EXPRESSION",
        ),
    ] = None
    classes: Annotated[Any, OptionSpec(Value.LIST)] = None
    class_axis: Annotated[int, OptionSpec(Value.WHOLE)] = 1
    squeeze: Annotated[bool, OptionSpec(Value.SWITCH)] = False
    nan: Annotated[str, OptionSpec(Value.TEXT)] = "propagate"
    loss: Annotated[
        Any,
        OptionSpec(
            Value.TEXTS,
            "a loss with its options, such as huber:delta=2; again for each loss",
            LOSSES,
            metavar="SPEC",
            names_losses=True,
        ),
    ]
    by: Annotated[
        Any,
        OptionSpec(
            Value.TEXTS,
            "slice by a column, a cross (region,device), bins (age:10) or quantiles (age:q4); "
            "again for each cut",
            LOSSES,
            metavar="REF",
        ),
    ] = None
    min_size: Annotated[
        int,
        OptionSpec(Value.WHOLE, "leave out slices of fewer rows", LOSSES, metavar="N", least=0),
    ] = 0
    ci: Annotated[
        float | None,
        OptionSpec(Value.NUMBER, "level of the intervals, such as 0.95", UNCERTAINTY),
    ] = None
    ci_method: Annotated[
        str, OptionSpec(Value.TEXT, "normal, bootstrap, jackknife or cluster", UNCERTAINTY)
    ] = "normal"
    cluster_by: Annotated[
        Any,
        OptionSpec(Value.TEXT, "rows of one cluster belong together", UNCERTAINTY, metavar="REF"),
    ] = None
    replicates: Annotated[
        int,
        OptionSpec(Value.WHOLE, "resamples of the bootstrap", UNCERTAINTY, metavar="N", least=2),
    ] = 1000
    seed: Annotated[int, OptionSpec(Value.WHOLE, "seed of the bootstrap", UNCERTAINTY)] = 0
    baseline: Annotated[
        str | None,
        OptionSpec(Value.TEXT, "the model to compare with (the first)", COMPARISON, metavar="NAME"),
    ] = None
    fail_if: Annotated[
        Any,
        OptionSpec(
            Value.TEXTS,
            "exit with 1 if this holds: 'ce > 0.3', 'ce[region=EU] > 0.4', "
            "'max(ce by region) > 0.5', 'ce - baseline > 0.01', 'ce worse than baseline'",
            COMPARISON,
            metavar="CONDITION",
        ),
    ] = None
    worst: Annotated[
        int,
        OptionSpec(Value.WHOLE, "list so many rows that lose most", ROWS, metavar="N", least=0),
    ] = 0
    show: Annotated[
        Any,
        OptionSpec(Value.NAMES, "columns to show beside the worst rows", ROWS, metavar="COLUMNS"),
    ] = None
    elements: Annotated[
        str | PathLike[str] | None,
        OptionSpec(
            Value.TEXT,
            "write every row's losses: .csv .parquet …",
            ROWS,
            metavar="FILE",
            changes_numbers=False,
        ),
    ] = None
    dtype: Annotated[
        str,
        OptionSpec(Value.TEXT, "float64 or float32: what rows are computed in", WORK),
    ] = "float64"
    threads: Annotated[int | None, OptionSpec(Value.WHOLE, changes_numbers=False)] = None
    progress: Callable[[int, int | None], None] | None = None


@cache
def list_specs() -> dict[str, OptionSpec]:
    """Return how each option is written, in the order of the help."""
    hints = get_type_hints(EvaluationOptions, include_extras=True)
    specs = {name: getattr(hint, "__metadata__", (None,))[0] for name, hint in hints.items()}
    return {name: spec for name, spec in specs.items() if isinstance(spec, OptionSpec)}


def list_defaults() -> dict[str, Any]:
    """Return the default of each option that has one."""
    return {
        one.name: one.default for one in fields(EvaluationOptions) if one.default is not MISSING
    }


def list_required() -> list[str]:
    """Return the options that must be given."""
    return [one.name for one in fields(EvaluationOptions) if one.default is MISSING]
