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

DATA, LOSSES = "Data", "Losses and slices"
UNCERTAINTY, COMPARISON, ROWS = "Uncertainty", "Comparison and gates", "Worst rows"


class Value(Enum):
    """The type of an option's value on a command line or in a suite."""

    STRING = "string"
    STRINGS = "strings, each after a flag of its own"
    LIST = "a string, or a list of strings"
    NAMES = "comma-separated names"
    NUMBER = "number"
    INTEGER = "integer"
    SWITCH = "true or false"


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """How an option is written, and what the help says about it."""

    value: Value
    help: str = ""
    """Empty for an option that ``compute`` has too, with the same help."""
    group: str = DATA
    metavar: str | None = None
    least: int | None = None
    names_losses: bool = False
    """Whether the shell completes names of losses."""
    changes_numbers: bool = True
    """Whether the option is part of a result's settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """All options of an evaluation."""

    dataset: Annotated[Any, OptionSpec(Value.STRING, "A table, or a glob of its shards.")] = field(
        default=None, kw_only=False
    )
    pred: Annotated[
        Any,
        OptionSpec(
            Value.STRINGS,
            "predictions of a model; NAME=REF names it (repeatable)",
            metavar="REF",
        ),
    ]
    target: Annotated[Any, OptionSpec(Value.STRING, "targets", metavar="REF")] = None
    sample_weight: Annotated[Any, OptionSpec(Value.STRING, "weight of each row", metavar="REF")] = (
        None
    )
    mask: Annotated[
        Any, OptionSpec(Value.STRING, "rows to keep (0 excludes one)", metavar="REF")
    ] = None
    id: Annotated[Any, OptionSpec(Value.STRING, "row id column", metavar="REF")] = None
    on: Annotated[
        str | None,
        OptionSpec(
            Value.STRING, "join several files on this key, not by position", metavar="COLUMN"
        ),
    ] = None
    how: Annotated[
        str | None,
        OptionSpec(
            Value.STRING,
            "join: inner keeps the keys that all files have; exact requires the same keys"
            " [default: exact]",
            metavar="JOIN",
        ),
    ] = None
    where: Annotated[
        Any,
        OptionSpec(
            Value.STRINGS,
            "keep only matching rows, such as 'age > 40 and sex == 1' (repeatable: all must hold)",
            metavar="EXPRESSION",
        ),
    ] = None
    classes: Annotated[Any, OptionSpec(Value.LIST)] = None
    class_axis: Annotated[int, OptionSpec(Value.INTEGER)] = 1
    squeeze: Annotated[bool, OptionSpec(Value.SWITCH)] = False
    nan: Annotated[str, OptionSpec(Value.STRING)] = "propagate"
    loss: Annotated[
        Any,
        OptionSpec(
            Value.STRINGS,
            "a loss with its options, such as huber:delta=2 (repeatable)",
            LOSSES,
            metavar="SPEC",
            names_losses=True,
        ),
    ]
    by: Annotated[
        Any,
        OptionSpec(
            Value.STRINGS,
            "group into slices by a column, crossed columns (region,device), bins (age:10) or "
            "quantiles (age:q4) (repeatable)",
            LOSSES,
            metavar="REF",
        ),
    ] = None
    min_size: Annotated[
        int,
        OptionSpec(Value.INTEGER, "omit slices of fewer rows", LOSSES, metavar="N", least=0),
    ] = 0
    ci: Annotated[
        float | None,
        OptionSpec(Value.NUMBER, "confidence level, such as 0.95", UNCERTAINTY, metavar="LEVEL"),
    ] = None
    ci_method: Annotated[
        str,
        OptionSpec(
            Value.STRING,
            "normal (Student's t; Wilson's for rows that are 0 or 1), wilson, clopper-pearson,"
            " bootstrap, jackknife or cluster",
            UNCERTAINTY,
            metavar="METHOD",
        ),
    ] = "normal"
    cluster_by: Annotated[
        Any,
        OptionSpec(Value.STRING, "cluster of each row", UNCERTAINTY, metavar="REF"),
    ] = None
    replicates: Annotated[
        int,
        OptionSpec(
            Value.INTEGER, "bootstrap resamples (at least 2)", UNCERTAINTY, metavar="N", least=2
        ),
    ] = 1000
    seed: Annotated[int, OptionSpec(Value.INTEGER, "bootstrap seed", UNCERTAINTY, metavar="N")] = 0
    baseline: Annotated[
        str | None,
        OptionSpec(
            Value.STRING, "model to compare with [default: the first]", COMPARISON, metavar="NAME"
        ),
    ] = None
    fail_if: Annotated[
        Any,
        OptionSpec(
            Value.STRINGS,
            "exit with 1 if the condition holds: 'ce > 0.3', 'ce[region=EU] > 0.4', "
            "'max(ce by region) > 0.5', 'ce - baseline > 0.01', 'ce worse than baseline', "
            "'ce worse than baseline by 2%'; with 5 if 'ce > 0.3 or inconclusive' is undecided "
            "(repeatable)",
            COMPARISON,
            metavar="CONDITION",
        ),
    ] = None
    worst: Annotated[
        int,
        OptionSpec(
            Value.INTEGER, "list the N rows with the highest loss", ROWS, metavar="N", least=0
        ),
    ] = 0
    show: Annotated[
        Any,
        OptionSpec(
            Value.NAMES,
            "columns to show beside the worst rows (repeatable)",
            ROWS,
            metavar="COLUMNS",
        ),
    ] = None
    elements: Annotated[
        str | PathLike[str] | None,
        OptionSpec(
            Value.STRING,
            "write the losses of every row: .csv .parquet …",
            ROWS,
            metavar="FILE",
            changes_numbers=False,
        ),
    ] = None
    dtype: Annotated[
        str,
        OptionSpec(Value.STRING),
    ] = "float64"
    threads: Annotated[int | None, OptionSpec(Value.INTEGER, changes_numbers=False)] = None
    progress: Callable[[int, int | None], None] | None = None


@cache
def list_specs() -> dict[str, OptionSpec]:
    """Return the specification of each option, in the order of the help."""
    hints = get_type_hints(EvaluationOptions, include_extras=True)
    specs = {name: getattr(hint, "__metadata__", (None,))[0] for name, hint in hints.items()}
    return {name: spec for name, spec in specs.items() if isinstance(spec, OptionSpec)}


def list_defaults() -> dict[str, Any]:
    """Return the default of each option that has one."""
    return {
        one.name: one.default for one in fields(EvaluationOptions) if one.default is not MISSING
    }


def list_required() -> list[str]:
    """Return the required options."""
    return [one.name for one in fields(EvaluationOptions) if one.default is MISSING]
