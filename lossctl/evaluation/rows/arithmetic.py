"""Arithmetic of ``--where``: integers never wrap, and literals take the type of columns."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from lossctl.data.arrays.cell_values import ValueType
from lossctl.evaluation.rows.operands import MisfitError, Operand, take_literal

COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
_LARGEST = 2**1000
"""Larger integers are computed as floating-point numbers."""


def compute(left: Operand, sign: str, right: Operand, spelled: str) -> Operand:
    """Return the result of arithmetic; raises MisfitError for what is not numbers."""
    left, right = (_need_number(one, sign) for one in (left, right))
    if sign in ("/", "//", "%") and right.literal and right.data == 0:
        raise MisfitError(f"{spelled} divides by zero")
    literal = left.literal and right.literal
    valid = None
    if not literal and (left.valid is not None or right.valid is not None):
        valid = np.asarray(left.present & right.present)
        if right.valid is not None and sign in ("/", "//", "%"):
            right = replace(right, data=np.where(right.valid, right.data, 1))
    with np.errstate(all="ignore"):
        data = calculate(left.data, sign, right.data)
    if literal:
        data = data.item() if isinstance(data, np.generic | np.ndarray) else data
    return Operand(ValueType.NUMBER, data, spelled, valid, literal=literal)


def negate(operand: Operand, spelled: str) -> Operand:
    """Return an operand with the other sign."""
    return compute(take_literal(0, "0"), "-", operand, spelled)


def _need_number(one: Operand, sign: str) -> Operand:
    if one.kind in (ValueType.LOOSE, ValueType.TRUTH):
        one = one.as_numbers()
        one = one.as_numbers() if one.kind == ValueType.TRUTH else one
    if one.kind != ValueType.NUMBER:
        raise MisfitError(
            f"{one.describe()}, and {sign} takes numbers", "Compare it with a literal."
        )
    return one


def calculate(left: Any, sign: str, right: Any) -> Any:
    """Return the result for numbers, or arrays of them."""
    left, right = _simplify(left), _simplify(right)
    whole = all(is_whole(one) for one in (left, right))
    if sign == "/" or not whole or (sign == "**" and right < 0):
        return _calculate_floats(left, sign, right)
    if sign in ("//", "%") and np.any(np.equal(right, 0)):
        return _calculate_floats(left, sign, right)
    low, high = _bound(left, sign, right)
    if max(-low, high) > _LARGEST:
        return _calculate_floats(left, sign, right)
    dtype: Any = np.int64 if low >= -(2**63) and high < 2**63 else np.object_
    if isinstance(left, int) and isinstance(right, int):
        return COMPUTE[sign](left, right)
    return COMPUTE[sign](*(np.asarray(one).astype(dtype) for one in (left, right)))


def _calculate_floats(left: Any, sign: str, right: Any) -> Any:
    """Compute with floating-point numbers: in double precision if they do not fit into less."""
    single = [one for one in (left, right) if isinstance(one, np.ndarray) and one.dtype.kind == "f"]
    arrays = [one for one in (left, right) if isinstance(one, np.ndarray)]
    if (
        len(single) == len(arrays) == 1
        or len({one.dtype for one in single}) == 1 == len(arrays) - 1
    ):
        dtype = single[0].dtype
        found = COMPUTE[sign](*(np.asarray(one, dtype) for one in (left, right)))
        if dtype == np.float64 or np.isfinite(found).all():
            return found
    return COMPUTE[sign](*(np.asarray(one, np.float64) for one in (left, right)))


def _simplify(data: Any) -> Any:
    """Return decimals as floating-point numbers, and other numbers as they are."""
    if isinstance(data, np.ndarray) and data.dtype == np.object_ and not is_whole(data):
        return data.astype(np.float64)
    return data


def is_whole(data: Any) -> bool:
    """Whether numbers are integers, also those of Python."""
    if not isinstance(data, np.ndarray):
        return isinstance(data, int)
    return data.dtype.kind in "iu" or (
        data.dtype == np.object_ and not any(isinstance(one, Decimal) for one in data[:1])
    )


def find_range(data: Any) -> tuple[int, int]:
    """Return the least and the greatest integer."""
    if isinstance(data, int):
        return data, data
    return (int(data.min()), int(data.max())) if data.size else (0, 0)


def _bound(left: Any, sign: str, right: Any) -> tuple[int, int]:
    """Return bounds of operands and result."""
    ends, others = find_range(left), find_range(right)
    if sign == "**":
        largest = max(map(abs, ends))
        if largest.bit_length() * others[1] > _LARGEST.bit_length():
            return 0, _LARGEST + 1
        return -(largest ** others[1]), largest ** others[1]
    made = [*ends, *others]
    if sign in "+-*":
        made += [COMPUTE[sign](one, other) for one in ends for other in others]
    return min(made), max(made)
