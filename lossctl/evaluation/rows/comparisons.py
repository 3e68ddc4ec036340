"""Comparisons of ``--where``: exact between all types that fit, refused elsewhere.

Numbers compare by value whatever their types. A literal is rounded to the type of a column of
floating-point numbers, so that 0.1 finds the float32 nearest to 0.1. A missing cell equals
nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cell_values import Truths, ValueType, compare_strings, encode_strings
from lossctl.evaluation.rows.arithmetic import calculate, find_range, is_whole
from lossctl.evaluation.rows.operands import (
    MisfitError,
    Operand,
    read_number,
)
from lossctl.evaluation.rows.times import UNITS, parse_clock, parse_moment

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_DOUBLE = 2**53
"""Integers up to this size are numbers of double precision."""
_SOME_NUMBERS = 8
"""A list of more numbers is looked up, where it can be, and not compared one by one."""


def compare(left: Operand, sign: str, right: Operand) -> Operand:
    """Return for which rows a comparison holds; raises MisfitError where types do not fit."""
    if left.literal and not right.literal:
        return compare(right, TURNED[sign], left)
    spelled = f"{left.spelled} {sign} {right.spelled}"
    if sign == "!=":
        try:
            found = compare(left, "==", right)
        except MisfitError as error:
            raise error.with_sign(sign) from error
        return replace(found, data=~np.asarray(found.data), spelled=spelled)
    held = _compare(left, sign, right)
    held = np.asarray(held) & left.present & right.present
    return Operand(ValueType.TRUTH, held, spelled)


def is_in(left: Operand, values: Sequence[Operand], spelled: str) -> Operand:
    """Return which rows hold one of several values."""
    held: Any = np.False_
    numbers = [one.data for one in values if one.kind == ValueType.NUMBER]
    if (
        left.kind == ValueType.NUMBER
        and not left.literal
        and left.data.dtype.kind in "iu"
        and len(numbers) == len(values) > _SOME_NUMBERS
        and all(isinstance(one, int) and abs(one) < 2**63 for one in numbers)
    ):
        held = np.isin(left.data, np.array(numbers, np.int64)) & left.present
    else:
        for one in values:
            held = held | compare(left, "==", one).data
    return Operand(ValueType.TRUTH, held, spelled)


def _compare(left: Operand, sign: str, right: Operand) -> Any:
    """Compare a column with a column or a literal, or two literals."""
    for one in (left, right):
        if one.kind == ValueType.OTHER:
            raise MisfitError(
                one.describe(), f"Ask whether it is there: {one.spelled} is not null."
            )
    if left.kind == ValueType.LOOSE:
        return _compare_loose(left, sign, right)
    if right.kind == ValueType.LOOSE:
        return _compare_loose(right, TURNED[sign], left)
    kinds = {left.kind, right.kind}
    if kinds == {ValueType.STRING}:
        return _compare_strings(left, sign, right)
    if kinds <= {ValueType.NUMBER, ValueType.TRUTH}:
        return _compare_numbers(left, sign, right)
    if kinds in ({ValueType.TIME}, {ValueType.CLOCK}):
        return _compare_times(left, sign, right)
    if (
        left.kind in (ValueType.TIME, ValueType.CLOCK)
        and right.literal
        and right.kind == ValueType.STRING
    ):
        return _compare_with_time(left, sign, right)
    raise _misfit(left, sign, right)


def _misfit(left: Operand, sign: str, right: Operand) -> MisfitError:
    """Return what does not fit, and what to write instead."""
    said = f"{left.describe()}, and {right.describe()}"
    if right.literal:
        example = {
            ValueType.TIME: "'2024-01-15'",
            ValueType.CLOCK: "'12:30'",
            ValueType.STRING: f"'{right.data}'",
            ValueType.TRUTH: "True",
            ValueType.NUMBER: str(right.data),
        }[left.kind]
        if left.kind == ValueType.NUMBER and read_number(str(right.data)) is None:
            return MisfitError(said, f"Compare {left.spelled} with a number.")
        return MisfitError(said, "Write", (left.spelled, sign, example))
    return MisfitError(said, "Compare columns of one type.")


def _compare_loose(left: Operand, sign: str, right: Operand) -> Any:
    """Compare cells of a text file, read as what they are compared with."""
    if left.empty:
        return np.zeros(len(left.data), np.bool_)
    if right.kind == ValueType.LOOSE:
        return not right.empty and _compare(left.decide(), sign, right.decide())
    if right.kind == ValueType.STRING:
        return _compare_as_strings(left, sign, right)
    if right.kind in (ValueType.NUMBER, ValueType.TRUTH):
        try:
            read = left.as_numbers() if right.kind == ValueType.NUMBER else left.read_truths()
        except MisfitError as error:
            written = (left.spelled, sign, f"'{right.data}'")
            raise MisfitError(str(error), "Write", written) from error
        return _compare(read or left.as_numbers(), sign, right)
    read = left.read_times()
    if read is None:
        raise MisfitError(
            f"not all cells of {left} are dates or times", "Write them as 2024-01-15."
        )
    return _compare(read, sign, right)


def _compare_as_strings(left: Operand, sign: str, right: Operand) -> Any:
    """Compare cells of a text file with a string; refused where it could mean a number."""
    written = _compare_strings(left.as_strings(), sign, right)
    if not right.literal:
        return written
    text = right.data
    if text == "" and sign == "==" and not written.any() and not np.all(left.present):
        raise MisfitError(f"an empty cell of {left} is missing", f"Write {left.spelled} is null.")
    if sign != "==":
        if parse_moment(text) is None and left.read_numbers() is not None:
            raise MisfitError(
                f"{left} contains numbers, and {right.describe()}: as strings, '10' < '9'",
                f"Compare {left.spelled} with a number, without quotes.",
            )
        return written
    others = _equal_otherwise(left, text) & ~written
    if others.any():
        cell = left.data[int(np.argmax(others))].as_py()
        raise MisfitError(
            f"{left} contains {cell!r}, which equals {right.spelled} as a value, not as a string",
            "Write the value without quotes:",
            (left.spelled, sign, _plain(text)),
        )
    return written


def _plain(text: str) -> str:
    number = read_number(text)
    return text.title() if number is None else str(number)


def _equal_otherwise(left: Operand, text: str) -> Truths:
    """Return which cells are the same number or truth as a string, however they are written."""
    number, truth = read_number(text), text.lower() in ("true", "false")
    found = np.zeros(len(left.data), np.bool_)
    if number is None and not truth:
        return found
    codes, distinct = encode_strings(left.data)
    same = [
        one is not None and (one.lower() == text.lower() if truth else read_number(one) == number)
        for one in distinct
    ]
    return np.array([*same, False])[codes]


def _compare_strings(left: Operand, sign: str, right: Operand) -> Any:
    if left.literal:
        return COMPARE[sign](left.data, right.data)
    if right.literal and (moment := parse_moment(right.data)) is not None:
        times = left.read_times()
        if times is not None and (times.zone is not None or not moment.zoned):
            return _compare_with_time(times, sign, right)
        if sign != "==":
            raise MisfitError(
                f"not all cells of {left} are dates or times such as {right.spelled}",
                "Write all as 2024-01-15 or 2024-01-15T12:30:00, with or without a zone.",
            )
    return compare_strings(left.data, sign, right.data)


def _compare_numbers(left: Operand, sign: str, right: Operand) -> Any:
    if left.kind != right.kind:
        number, truth = (left, right) if left.kind == ValueType.NUMBER else (right, left)
        there = (
            number.data
            if number.literal
            else number.data[np.broadcast_to(number.present, len(number.data))]
        )
        if not np.isin(there, (0, 1)).all():
            raise MisfitError(
                f"{truth.describe()}, and {number.describe()}, not all of them 0 or 1",
                f"Write {truth.spelled} alone, or not {truth.spelled}."
                if truth.column
                else f"Compare {number.spelled} with a number.",
            )
    one, other = left.as_numbers().data, right.as_numbers().data
    if left.literal and right.literal:
        return COMPARE[sign](one, other)
    if right.literal:
        return _compare_with_number(one, sign, other)
    return _compare_arrays(one, sign, other)


def _compare_with_number(array: NDArray[Any], sign: str, number: Any) -> Any:
    if array.dtype == np.object_:
        exact = Decimal(repr(number)) if isinstance(number, float) else number
        return COMPARE[sign](array, exact).astype(np.bool_)
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            rounded = np.array(_to_float(number)).astype(array.dtype)
        fits = np.isfinite(rounded) and (rounded != 0 or number == 0)
        return COMPARE[sign](
            array if fits else array.astype(np.float64), rounded if fits else _to_float(number)
        )
    if isinstance(number, float) and np.isfinite(number) and abs(number) >= _DOUBLE:
        number = int(number)  # exact: there are no fractions of this size
    return COMPARE[sign](array, number)


def _to_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return np.inf if number > 0 else -np.inf


def _compare_arrays(left: NDArray[Any], sign: str, right: NDArray[Any]) -> Any:
    floats = [one.dtype.kind == "f" for one in (left, right)]
    if any(floats) and not all(floats):
        array = right if floats[0] else left
        decimal = array.dtype == np.object_ and not is_whole(array)
        inexact = not decimal and max(map(abs, find_range(array))) > _DOUBLE
        dtype: Any = np.object_ if inexact else np.float64
        exact = [one.astype(dtype) for one in (left, right)]
        return COMPARE[sign](*exact).astype(np.bool_)
    if any(one.dtype == np.object_ for one in (left, right)):
        return COMPARE[sign](left.astype(np.object_), right.astype(np.object_)).astype(np.bool_)
    return COMPARE[sign](left, right)


def _compare_times(left: Operand, sign: str, right: Operand) -> Any:
    if (left.zone is None) != (right.zone is None):
        zoned, naive = (left, right) if left.zone else (right, left)
        raise MisfitError(
            f"{zoned} has a time zone, and {naive} has none", "Give both a zone, or none."
        )
    units = UNITS[left.unit], UNITS[right.unit]
    finest = min(units)
    counts = [
        calculate(one.data, "*", unit // finest) if unit != finest else one.data
        for one, unit in zip((left, right), units, strict=True)
    ]
    return _compare_arrays(counts[0], sign, counts[1])


def _compare_with_time(column: Operand, sign: str, literal: Operand) -> Any:
    """Compare times with a time in quotes, in the unit of the times."""
    if column.kind == ValueType.CLOCK:
        count, example = parse_clock(literal.data), "'12:30:00'"
    else:
        moment, example = parse_moment(literal.data), "'2024-01-15' or '2024-01-15T12:30:00'"
        count = None if moment is None else moment.count
        if moment is not None and column.zone is not None:
            count = moment.within(column.zone)
            if count is None:
                raise MisfitError(
                    f"{literal.spelled} is not a unique time in {column.zone}, where the clock is"
                    " put forward or back",
                    f"Write it with a zone: '{literal.data}+00:00'.",
                )
        elif moment is not None and moment.zoned:
            raise MisfitError(
                f"{column} has no time zone, and {literal.spelled} has one",
                f"Leave out the zone of {literal.spelled}.",
            )
    if count is None:
        raise MisfitError(
            f"{column.describe()}, and {literal.spelled} is not one",
            f"Write {column.spelled} {sign} {example}.",
        )
    whole, rest = divmod(count, UNITS[column.unit])
    if not rest:
        return COMPARE[sign](column.data, whole)
    if sign == "==":
        return np.zeros(len(column.data), np.bool_)
    # Between two units: what is not above the lower one is below.
    return COMPARE["<=" if sign in ("<", "<=") else ">"](column.data, whole)
