"""The row filter: the value of a ``--where`` expression for each row."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossctl.data.arrays.cell_values import ValueType
from lossctl.errors import DataError, UsageError, did_you_mean
from lossctl.evaluation.rows.arithmetic import compute, negate
from lossctl.evaluation.rows.comparisons import compare, is_in
from lossctl.evaluation.rows.expression import EXAMPLE, Expression, describe, is_list, suggest
from lossctl.evaluation.rows.operands import MisfitError, Operand, take_column, take_literal

SIGNS: dict[type[ast.AST], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}


class Filter:
    """Expressions that were checked to be harmless, all of which must hold, and their columns."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self._expressions = [Expression(text) for text in texts]
        names = (name for one in self._expressions for name in one.columns)
        self.columns = tuple(dict.fromkeys(names))

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise UsageError for a name that is not a column of the dataset."""
        for expression in self._expressions:
            for name in expression.columns:
                if name not in names:
                    raise UsageError(
                        describe(expression.text, f": there is no column {name!r}"),
                        suggest(name) or did_you_mean(name, names),
                    )

    def keep(
        self,
        columns: Mapping[str, Any],
        loose: Collection[str] = (),
        kinds: MutableMapping[str, ValueType] | None = None,
    ) -> NDArray[np.bool_]:
        """Return which rows the expressions hold for.

        The columns of ``loose`` are those of text files, whose cells have no type; ``kinds``
        remembers between calls as what they were read.
        """
        known: MutableMapping[str, ValueType] = {} if kinds is None else kinds
        rows = len(next(iter(columns.values())))
        found: Any = np.True_
        for expression in self._expressions:
            found = found & _hold(expression, columns, loose, known)
        return np.array(np.broadcast_to(found, rows))


def _hold(
    expression: Expression,
    columns: Mapping[str, Any],
    loose: Collection[str],
    kinds: MutableMapping[str, ValueType],
) -> Any:
    """Return for which rows an expression is true: one truth, or one for each row."""

    def look_up(name: ast.Name) -> Operand:
        called = expression.name_of(name)
        spelled = expression.spell(name)
        return take_column(columns[called], called, spelled, kinds, loose=called in loose)

    try:
        return ExpressionValues(expression, look_up).hold(expression.tree)
    except MisfitError as error:
        raise DataError(
            describe(expression.text, f" does not fit the columns: {error}"), error.remedy
        ) from error
    except NoTruthError as error:
        raise UsageError(
            describe(expression.text, f" is not true or false for each row: {error}"),
            f"Compare {error.spelled} with something. {EXAMPLE}",
        ) from error
    except RecursionError as error:
        raise DataError(describe(expression.text, " is nested too deeply")) from error


class NoTruthError(Exception):
    """A part of an expression is neither true nor false."""

    def __init__(self, spelled: str, said: str) -> None:
        super().__init__(said)
        self.spelled = spelled


class ExpressionValues:
    """The parts of an expression, and what they are for some rows."""

    def __init__(self, expression: Expression, look_up: Callable[[ast.Name], Operand]) -> None:
        self._expression = expression
        self._look_up = look_up

    def hold(self, node: ast.expr) -> Any:
        """Return for which rows a part is true: one truth, or one for each row."""
        match node:
            case ast.BoolOp():
                together = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
                return reduce(together, map(self.hold, node.values))
            case ast.UnaryOp(op=ast.Not() | ast.Invert()):
                return np.logical_not(self.hold(node.operand))
        found = self._find(node).decide()
        if found.kind != ValueType.TRUTH:
            raise NoTruthError(found.spelled, found.describe())
        return np.asarray(found.data) & found.present

    def _find(self, node: ast.expr) -> Operand:
        spelled = self._spell(node)
        match node:
            case ast.Name():
                found = self._look_up(node)
            case ast.Constant():
                found = take_literal(node.value, spelled)
            case ast.UnaryOp(op=ast.USub()):
                found = negate(self._find(node.operand), spelled)
            case ast.UnaryOp(op=ast.UAdd()):
                found = self._find(node.operand)
            case ast.BinOp():
                sides = self._find(node.left), self._find(node.right)
                found = compute(sides[0], SIGNS[type(node.op)], sides[1], spelled)
            case ast.Compare():
                found = self._compare(node)
            case ast.List() | ast.Tuple():
                raise MisfitError(f"the list {spelled} stands alone", f"Write COLUMN in {spelled}.")
            case _:
                found = Operand(ValueType.TRUTH, self.hold(node), spelled)
        return found

    def _compare(self, node: ast.Compare) -> Operand:
        left, spelled = node.left, self._spell(node)
        held: Any = np.True_
        for operator, right in zip(node.ops, node.comparators, strict=True):
            match operator:
                case ast.Is():
                    part = ~np.asarray(self._find(left).present)
                case ast.IsNot():
                    part = np.asarray(self._find(left).present)
                case _ if is_list(right):
                    part = self._look_up_list(left, right, spelled)
                    if isinstance(operator, ast.NotIn | ast.NotEq):
                        part = ~part
                    elif not isinstance(operator, ast.In | ast.Eq):
                        raise MisfitError(f"{spelled} compares with a list", "Write in, or not in.")
                case _:
                    sign = SIGNS[type(operator)]
                    part = compare(self._find(left), sign, self._find(right)).data
            held = held & part
            left = right
        return Operand(ValueType.TRUTH, held, spelled)

    def _look_up_list(self, left: ast.expr, right: ast.expr, spelled: str) -> Any:
        assert isinstance(right, ast.List | ast.Tuple)
        values = [self._find(one) for one in right.elts]
        column = self._find(left)
        for one in values:
            if not one.literal:
                raise MisfitError(f"{one.spelled} in a list is not a literal", "Write == and or.")
        if len({one.kind for one in values}) > 1 and column.kind == ValueType.LOOSE:
            raise MisfitError(
                f"the list {self._spell(right)} contains values of several types",
                "Put all of them in quotes, or none.",
            )
        return np.asarray(is_in(column, values, spelled).data)

    def _spell(self, node: ast.AST) -> str:
        return self._expression.spell(node)
