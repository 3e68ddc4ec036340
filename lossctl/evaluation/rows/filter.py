"""The row filter: an expression on columns, in a safe part of pandas' syntax.

The expression is parsed first. Only comparisons, ``and`` / ``or`` / ``not``, arithmetic, ``in``,
names of columns, numbers and strings are allowed: functions, attributes and variables cannot be
reached.
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
from lossctl.findings import OptionName, Sentence

if TYPE_CHECKING:
    import pandas as pd

QUOTED = re.compile(r"`([^`]*)`|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
"""A column name in backticks, or a quoted string, in which a backtick is just a character."""

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
"""The most characters of an expression."""

EXAMPLE = "For instance: region == 'EU' and age >= 30; quote names with spaces in `backticks`."


class Filter:
    """An expression that was checked to be harmless, and the columns that it uses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._stand_ins: dict[str, str] = {}
        self._expression = QUOTED.sub(self._replace_quoted, text.strip())
        names = _check(self._expression, text)
        if not names:
            raise UsageError(_say("{where} {text!r} names no column", text), EXAMPLE)
        called = {stand_in: name for name, stand_in in self._stand_ins.items()}
        self.columns = tuple(called.get(name, name) for name in names)

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise UsageError for a name that is not a column of the dataset."""
        for name in self.columns:
            if name not in names:
                raise UsageError(
                    _say("{where} {text!r}: there is no column {name!r}", self.text, name=name),
                    did_you_mean(name, names),
                )

    def keep(self, columns: Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return for which rows the expression is true; missing values are false."""
        import pandas as pd

        series = {self._stand_ins.get(name, name): _to_series(columns[name]) for name in columns}
        frame = pd.DataFrame(series)
        try:
            found = frame.eval(self._expression, engine="python", parser="pandas")
        except (TypeError, ValueError, NotImplementedError, RecursionError) as error:
            raise DataError(
                _say("{where} {text!r} does not fit the columns: {why}", self.text, why=str(error)),
                "Compare numbers with numbers, and strings with quoted 'strings'.",
            ) from error
        if not isinstance(found, pd.Series) or not _is_truth(found):
            raise UsageError(
                _say("{where} {text!r} is not true or false for each row", self.text),
                f"Compare a column with a value. {EXAMPLE}",
            )
        return np.asarray(found.fillna(value=False).to_numpy(np.bool_))

    def _replace_quoted(self, match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0]
        return self._stand_ins.setdefault(name, STAND_IN.format(len(self._stand_ins)))


def _say(template: str, text: str, **values: Any) -> Sentence:
    """Return what is to be said of the option and its expression."""
    return Sentence.of(template, OptionName("where"), text=text, **values)


def _is_truth(found: pd.Series[Any]) -> bool:
    """Whether a column has booleans and empty cells only."""
    if found.dtype.kind == "b":
        return True
    return found.dtype.kind == "O" and bool(found.dropna().map(lambda one: one in TRUTHS).all())


def _check(expression: str, text: str) -> list[str]:
    """Return the names in an expression; raises UsageError for anything that could do harm."""
    if len(expression) > LONGEST:
        said = "{where} is {length} characters long, more than {limit}"
        raise UsageError(_say(said, text, length=len(expression), limit=LONGEST))
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(
            _say("{where} {text!r} is not a valid expression: {said}", text, said=said), EXAMPLE
        ) from None
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
                _say("{where} {text!r}: {what} is not allowed there", text, what=_describe(node)),
                f"Use columns, numbers, strings, comparisons, in, and, or, not, + - * /. {EXAMPLE}",
            )
    names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return list(dict.fromkeys(names))


def _is_small(power: ast.AST) -> bool:
    """Whether a power is cheap to compute."""
    if isinstance(power, ast.UnaryOp) and isinstance(power.op, ast.USub):
        power = power.operand
    value = power.value if isinstance(power, ast.Constant) else None
    return isinstance(value, int | float) and abs(value) <= 64


def _is_long(operand: ast.AST) -> bool:
    """Whether an operand is a string or list, which a multiplication would repeat."""
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
            return "arithmetic with strings, lists or large powers"
    return f"a {type(node).__name__}"


def _to_series(values: Any) -> pd.Series[Any]:
    import pandas as pd

    if not isinstance(values, Cells):
        return pd.Series(values)
    found: pd.Series[Any] = values.series()
    return found
