"""Which rows count: an expression on columns, in pandas' syntax and nothing beyond it.

The expression is parsed first. Only comparisons, ``and`` / ``or`` / ``not``, arithmetic, ``in``,
names of columns, numbers and texts are let through: there is no way from it to a function, an
attribute or a variable.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cells import Cells
from lossctl.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

QUOTED = re.compile(r"`([^`]*)`|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
"""A column name in backticks, or a text, in which a backtick is one."""

STAND_IN = "quoted_column_{}"
TRUTHS = (True, False)
CONSTANTS = (int, float, str, bool)
ALLOWED: tuple[type[ast.AST], ...] = (
    ast.Expression,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.UnaryOp,
    ast.Not,
    ast.Invert,
    ast.USub,
    ast.UAdd,
    ast.BinOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Pow,
    ast.BitAnd,
    ast.BitOr,
    ast.Compare,
    ast.Eq,
    ast.NotEq,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.In,
    ast.NotIn,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.List,
    ast.Tuple,
)
LONGEST = 10_000
"""Characters of an expression: beyond, it is no filter that a person wrote."""

EXAMPLE = "For instance: region == 'EU' and age >= 30; a name with spaces stands in `backticks`."


class Filter:
    """An expression that is known to be harmless, and the columns that it speaks of."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._stand_ins: dict[str, str] = {}
        self._expression = QUOTED.sub(self._replace_quoted, text.strip())
        names = _check(self._expression, text)
        if not names:
            raise UsageError(f"--where {text!r} names no column", EXAMPLE)
        called = {stand_in: name for name, stand_in in self._stand_ins.items()}
        self.columns = tuple(called.get(name, name) for name in names)

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise UsageError for a name that is no column of the dataset."""
        for name in self.columns:
            if name not in names:
                raise UsageError(
                    f"--where {self.text!r}: there is no column {name!r}",
                    did_you_mean(name, names),
                )

    def keep(self, columns: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return which rows the expression holds for; where it cannot be said, it does not."""
        import pandas as pd

        series = {self._stand_ins.get(name, name): _to_series(columns[name]) for name in columns}
        frame = pd.DataFrame(series)
        try:
            found = frame.eval(self._expression, engine="python", parser="pandas")
        except (TypeError, ValueError, NotImplementedError, RecursionError) as error:
            raise DataError(
                f"--where {self.text!r} does not fit the columns: {error}",
                "Compare numbers with numbers and texts with 'texts'.",
            ) from error
        if not isinstance(found, pd.Series) or not _is_truth(found):
            raise UsageError(
                f"--where {self.text!r} is not true or false for each row",
                f"Compare with something. {EXAMPLE}",
            )
        return np.asarray(found.fillna(value=False).to_numpy(np.bool_))

    def _replace_quoted(self, match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0]
        return self._stand_ins.setdefault(name, STAND_IN.format(len(self._stand_ins)))


def _is_truth(found: pd.Series[Any]) -> bool:
    """Whether a column holds nothing but truths, and cells that are empty."""
    if found.dtype.kind == "b":
        return True
    return found.dtype.kind == "O" and bool(found.dropna().map(lambda one: one in TRUTHS).all())


def _check(expression: str, text: str) -> list[str]:
    """Return the names in an expression; raises UsageError for all that could do harm."""
    if len(expression) > LONGEST:
        raise UsageError(f"--where is {len(expression)} characters long, more than {LONGEST}")
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(f"--where {text!r} is no expression: {said}", EXAMPLE) from None
    for node in ast.walk(tree):
        harmless = isinstance(node, ALLOWED)
        if isinstance(node, ast.Constant):
            harmless = isinstance(node.value, CONSTANTS)
        if isinstance(node, ast.BinOp):
            harmless = not (_is_long(node.left) or _is_long(node.right))
            if isinstance(node.op, ast.Pow):
                harmless = _is_small(node.right)
        if not harmless or (isinstance(node, ast.Name) and node.id.startswith("__")):
            raise UsageError(
                f"--where {text!r}: {_describe(node)} is not allowed there",
                f"Use columns, numbers, texts, comparisons, in, and, or, not, + - * /. {EXAMPLE}",
            )
    names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return list(dict.fromkeys(names))


def _is_small(power: ast.AST) -> bool:
    """Whether a power is one that takes no ages to compute."""
    if isinstance(power, ast.UnaryOp) and isinstance(power.op, ast.USub):
        power = power.operand
    value = power.value if isinstance(power, ast.Constant) else None
    return isinstance(value, int | float) and abs(value) <= 64


def _is_long(operand: ast.AST) -> bool:
    """Whether an operand is one that a multiplication would make as long as it likes."""
    text = isinstance(operand, ast.Constant) and isinstance(operand.value, str)
    return text or isinstance(operand, ast.List | ast.Tuple)


def _describe(node: ast.AST) -> str:
    match node:
        case ast.Call():
            return "a call"
        case ast.Attribute():
            return f"the attribute {node.attr!r}"
        case ast.Name():
            return f"the name {node.id!r}"
        case ast.Constant():
            return f"the constant {node.value!r}"
        case ast.BinOp():
            return "arithmetic with texts, lists or powers that are no small numbers"
    return f"a {type(node).__name__}"


def _to_series(values: Any) -> pd.Series[Any]:
    import pandas as pd

    if not isinstance(values, Cells):
        return pd.Series(values)
    found: pd.Series[Any] = values.series()
    return found
