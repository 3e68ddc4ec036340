"""The syntax of ``--where``: an expression as a tree of which every node is known to be harmless.

Only comparisons, ``and`` / ``or`` / ``not``, arithmetic, ``in``, ``is null``, names of columns,
numbers and strings are allowed: functions, attributes and variables cannot be reached.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from lossctl.errors import UsageError
from lossctl.findings import OptionName, Sentence

LONGEST = 10_000
"""The most characters of an expression."""

EXAMPLE = "For instance: region == 'EU' and age >= 30; quote names with spaces in `backticks`."

_QUOTED = re.compile(r"`([^`]*)`|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
"""A column name in backticks, or a string, in which a backtick is one."""

_NULLS = ("null", "none", "nan", "na")
_CONSTANTS = (int, float, str, bool)
_ALLOWED: tuple[type[ast.AST], ...] = (
    ast.Expression,
    ast.BoolOp,
    ast.UnaryOp,
    ast.BinOp,
    ast.Compare,
    ast.boolop,
    ast.unaryop,
    ast.cmpop,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Pow,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.List,
    ast.Tuple,
)
_MISTAKES = (
    (
        re.compile(r"\b\d{4}-\d{1,2}-\d{1,2}\b"),
        "a date must be quoted",
        "Write '2024-01-15' in quotes, such as day >= '2024-01-15'.",
    ),
    (re.compile(r"#"), "there is a # outside of quotes", EXAMPLE),
    (re.compile(r"(?<![<>=!:])=(?!=)"), "a single = does not compare", "Write ==."),
    (re.compile(r"<>"), "<> is not an operator", "Write !=."),
    (re.compile(r"!(?!=)"), "! is not an operator", "Write not."),
)
"""What is often written outside of quotes, what is wrong with it, and what to write instead."""


@dataclass
class Expression:
    """A parsed expression, and the names of the columns in it as they were written."""

    text: str
    source: str = ""
    """What was parsed: operators in Python's words, and stand-ins for names in backticks."""
    tree: ast.expr = field(init=False)
    columns: tuple[str, ...] = ()
    _quoted: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST:
            said = f"is {len(self.text)} characters long, more than {LONGEST}"
            raise UsageError(Sentence.of("{where} {said}", OptionName("where"), said=said))
        self.source = self._rewrite(self.text.strip())
        try:
            self.tree = ast.parse(self.source, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            said = error.msg if isinstance(error, SyntaxError) else str(error)
            raise UsageError(
                describe(self.text, f" is not a valid expression: {said}"), EXAMPLE
            ) from None
        nulls = self._check()
        names = (node for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        self.columns = tuple(
            dict.fromkeys(self.name_of(node) for node in names if id(node) not in nulls)
        )
        if not self.columns:
            raise UsageError(describe(self.text, " names no column"), EXAMPLE)

    def name_of(self, node: ast.Name) -> str:
        """Return the name of a column as it was written; Python would normalise its letters."""
        if node.id in self._quoted:
            return self._quoted[node.id]
        return ast.get_source_segment(self.source, node) or node.id

    def spell(self, node: ast.AST) -> str:
        """Return a part of the expression as it was written."""
        text = ast.get_source_segment(self.source, node) or ""
        for stand_in, name in self._quoted.items():
            text = text.replace(stand_in, f"`{name}`")
        return text

    def _rewrite(self, text: str) -> str:
        parts, place = [], 0
        for match in _QUOTED.finditer(text):
            parts += [self._rewrite_plain(text[place : match.start()]), self._take(match)]
            place = match.end()
        return "".join((*parts, self._rewrite_plain(text[place:])))

    def _rewrite_plain(self, text: str) -> str:
        """Write what stands outside of quotes in Python's words, on one line."""
        for pattern, said, remedy in _MISTAKES:
            if pattern.search(text):
                raise UsageError(describe(self.text, f": {said}"), remedy)
        text = re.sub(r"&&?", " and ", re.sub(r"\|\|?", " or ", text))
        return re.sub(r"\s", " ", text)

    def _take(self, match: re.Match[str]) -> str:
        """Return a string as it is, and a stand-in for a name, which nobody else has."""
        name = match[1]
        if name is None:
            return match[0]
        stand_in = f"quoted_{len(self._quoted)}"
        while stand_in in self.text:
            stand_in += "_"
        self._quoted[stand_in] = name
        return stand_in

    def _check(self) -> set[int]:
        """Refuse all that could do harm; returns the nodes that are the null of ``is null``."""
        nulls: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Compare):
                nulls |= self._check_comparison(node)
        for node in ast.walk(self.tree):
            if id(node) in nulls:
                continue
            harmless = isinstance(node, _ALLOWED)
            if isinstance(node, ast.Constant):
                harmless = isinstance(node.value, _CONSTANTS)
            if isinstance(node, ast.BinOp):
                harmless = not (_is_long(node.left) or _is_long(node.right))
                if isinstance(node.op, ast.Pow):
                    harmless = harmless and _is_small(node.right)
                elif not isinstance(node.op, _ALLOWED):
                    harmless = False
            if not harmless or (isinstance(node, ast.Name) and node.id.startswith("__")):
                raise UsageError(
                    describe(self.text, f": {_describe(node)} is not allowed there"),
                    "Use columns, numbers, strings, comparisons, in, is null, and, or, not,"
                    f" + - * /. {EXAMPLE}",
                )
        return nulls

    def _check_comparison(self, node: ast.Compare) -> set[int]:
        nulls = set()
        for operator, right in zip(node.ops, node.comparators, strict=True):
            null = is_null(right)
            if isinstance(operator, ast.Is | ast.IsNot):
                if not null:
                    raise UsageError(
                        describe(self.text, ": only null may follow 'is'"),
                        "Write == to compare, is null or is not null to ask for missing cells.",
                    )
                nulls.add(id(right))
            elif isinstance(right, ast.Constant) and right.value is None:
                raise UsageError(
                    describe(self.text, ": nothing equals None, not even a missing cell"),
                    f"Write {self.spell(node.left)} is null, or is not null.",
                )
            if isinstance(operator, ast.In | ast.NotIn) and not is_list(right):
                raise UsageError(
                    describe(self.text, ": 'in' needs a list of values"),
                    "For instance: region in ['EU', 'US'].",
                )
            single = isinstance(operator, ast.Is | ast.IsNot | ast.In | ast.NotIn)
            if len(node.ops) > 1 and (single or is_list(right)):
                raise UsageError(
                    describe(self.text, ": a list or null cannot be part of a chain"),
                    "Join comparisons with and.",
                )
        return nulls


def describe(text: str, said: str) -> Sentence:
    """Return what is to be said of an expression."""
    return Sentence.of("{where} {text!r}{said}", OptionName("where"), text=text, said=said)


def is_null(node: ast.AST) -> bool:
    """Whether a node is the null of ``is null``."""
    if isinstance(node, ast.Name):
        return node.id.lower() in _NULLS
    return isinstance(node, ast.Constant) and node.value is None


def is_list(node: ast.AST) -> bool:
    """Whether a node is a list of values."""
    return isinstance(node, ast.List | ast.Tuple)


def suggest(name: str) -> str:
    """Return what to write for a word that is taken for the name of a column."""
    if name.lower() in _NULLS:
        return "To ask for missing cells, write COLUMN is null or COLUMN is not null."
    if name in ("true", "false"):
        return f"Write {name.title()}."
    return ""


def _is_small(power: ast.AST) -> bool:
    """Whether a power is cheap to compute."""
    if isinstance(power, ast.UnaryOp) and isinstance(power.op, ast.USub):
        power = power.operand
    value = power.value if isinstance(power, ast.Constant) else None
    return isinstance(value, int | float) and abs(value) <= 64


def _is_long(operand: ast.AST) -> bool:
    """Whether an operand is a string or list, which a multiplication would repeat."""
    text = isinstance(operand, ast.Constant) and isinstance(operand.value, str)
    return text or is_list(operand)


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
