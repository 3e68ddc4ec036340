"""The syntax of gates: conditions that make an evaluation fail.

    ce > 0.3                          the loss of any model but the baseline
    b.npy:ce > 0.3                    of one model
    ce[region=EU, device=phone] > 0.4 in one slice
    ce by region > 0.4                in any slice
    max(ce by region) > 0.5           max, min or range (max - min) over slices
    ce - baseline > 0.01              the difference to the baseline, also in slices
    ce worse than baseline            significantly, at the level of ``ci``, also in slices
    ce worse than baseline by 0.01    by more than a margin, or by 2% of the baseline's loss
    ce > 0.3 or inconclusive          three verdicts: see below

``or inconclusive`` asks the interval: a gate is failed where all of it meets the condition, passed
where none of it does, and inconclusive between.

Names that hold spaces or signs are quoted: '"my region" = "[0, 10)"'.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NoReturn

from lossctl.errors import UsageError
from lossctl.findings import OptionName, Sentence

FUNCTIONS = ("max", "min", "range")
OPERATORS = (">=", "<=", ">", "<")
EXAMPLES = (
    "Write it as 'ce > 0.3', 'ce[region=EU] > 0.4', 'max(ce by region) > 0.5',"
    " 'ce - baseline > 0.01', 'ce worse than baseline' or 'ce worse than baseline by 2%'."
)
WORD = re.compile(r"[^\s\[\]()<>\"',!=]+(?:=(?!=)[^\s\[\]()<>\"',!=]+)*")
COLUMN = re.compile(r"[^\s\[\]()<>\"',!=]+")
LABEL = re.compile(r"[^\[\],\"'][^\[\],]*")
NUMBER = re.compile(r"[^\s\[\]()<>=,]+")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it is written; its names have not been checked."""

    text: str
    subject: str
    """Name of a loss, or of a model and a loss with a colon between them."""
    position: int
    """The index in the text at which the subject starts."""
    function: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    """Columns with the labels that select a slice."""
    by: tuple[str, ...] = ()
    against_baseline: bool = False
    operator: str | None = None
    """None: significantly worse than the baseline."""
    limit: float | None = None
    margin: float = 0.0
    """By how much a model may be worse than the baseline."""
    relative: bool = False
    """Whether the margin is a share of the baseline's loss."""
    three_way: bool = False
    """Whether the gate may be inconclusive."""


def parse(text: str) -> Condition:
    """Parse a condition; raises UsageError with the character that is not valid.

    >>> parse("max(ce by region) > 0.5").by
    ('region',)
    """
    return _Parser(text).parse()


class _Parser:
    """Reads a condition from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def parse(self) -> Condition:
        function = self._take_function()
        subject, position = self._take_subject()
        where = self._take_slice()
        against = self._take_baseline()
        by = self._take_columns() if self._take_word("by") else ()
        if function is not None:
            if not by:
                self._refuse(f"'by' and a column, for {function} is taken over slices")
            self._expect(")")
            if self._peek() == "-":
                self._refuse(f"'- baseline' inside {function}(…), or an operator")
        if function is None and not against:
            against = self._take_baseline()
        if function is None and not against and self._take_word("worse"):
            for word in ("than", "baseline"):
                if not self._take_word(word):
                    self._refuse(f"'{word}'")
            margin, relative = self._take_margin()
            return Condition(
                self.text,
                subject,
                position,
                None,
                where,
                by,
                against_baseline=True,
                margin=margin,
                relative=relative,
                three_way=self._take_three_way(allowed=True),
            )
        operator = self._take_operator(comparable=function is None and not against)
        limit = self._take_number()
        three_way = self._take_three_way(allowed=function is None)
        return Condition(
            self.text, subject, position, function, where, by, against, operator, limit,
            three_way=three_way,
        )  # fmt: skip

    def _take_margin(self) -> tuple[float, bool]:
        """Return the margin behind 'by', and whether it is in percent."""
        if not self._take_word("by"):
            return 0.0, False
        self._skip()
        start, word = self.at, self._match(NUMBER)
        try:
            margin = float(word.removesuffix("%"))
        except ValueError:
            margin = math.nan
        if not (math.isfinite(margin) and margin >= 0):
            self.at = start
            self._refuse("a margin of at least 0, such as 0.01 or 2%")
        relative = word.endswith("%")
        return (margin / 100 if relative else margin), relative

    def _take_three_way(self, *, allowed: bool) -> bool:
        """Return whether the gate may be inconclusive; nothing follows."""
        found = allowed and self._take_word("or")
        if found and not self._take_word("inconclusive"):
            self._refuse("'inconclusive'")
        self._expect_end()
        return found

    def _take_function(self) -> str | None:
        found = re.compile(r"\s*([A-Za-z_]\w*)\s*\(").match(self.text)
        if found is None or found[1] not in FUNCTIONS:
            return None
        self.at = found.end()
        return found[1]

    def _take_subject(self) -> tuple[str, int]:
        self._skip()
        start = self.at
        name = self._take_quoted() or self._match(WORD)
        if not name or name == "-":
            self.at = start
            self._refuse("the name of a loss")
        if self._rest().startswith("("):  # options, as a canonical name has them
            close = self.text.find(")", self.at)
            if close < 0:
                self.at = len(self.text)
                self._refuse("')'")
            name += self.text[self.at : close + 1]
            self.at = close + 1
        return name, start

    def _take_slice(self) -> tuple[tuple[str, str], ...]:
        if self._peek() != "[":
            return ()
        self.at += 1
        found: dict[str, str] = {}
        while True:
            self._skip()
            start = self.at
            column = self._take_quoted() or self._match(COLUMN)
            if not column:
                self._refuse("the name of a column")
            if column in found:
                self.at = start
                self._refuse(f"a column other than {column!r}")
            self._expect("=")
            self._skip()
            label = self._take_quoted()
            if label is None:
                label = self._match(LABEL).strip()
                if not label:
                    self._refuse(f"a value of {column!r}")
            found[column] = label
            if self._peek() != ",":
                break
            self.at += 1
        self._expect("]")
        return tuple(found.items())

    def _take_columns(self) -> tuple[str, ...]:
        found = []
        while True:
            self._skip()
            column = self._take_quoted() or self._match(COLUMN)
            if not column:
                self._refuse("the name of a column")
            found.append(column)
            if self._peek() != ",":
                return tuple(dict.fromkeys(found))
            self.at += 1

    def _take_baseline(self) -> bool:
        if self._peek() != "-":
            return False
        self.at += 1
        if not self._take_word("baseline"):
            self._refuse("'baseline'")
        return True

    def _take_operator(self, *, comparable: bool) -> str:
        self._skip()
        found = next((one for one in OPERATORS if self._rest().startswith(one)), None)
        if found is None:
            more = " or 'worse than baseline'" if comparable else ""
            self._refuse(f"one of {', '.join(sorted(OPERATORS))}{more}")
        self.at += len(found)
        return found

    def _take_number(self) -> float:
        self._skip()
        start = self.at
        try:
            number = float(self._match(NUMBER))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.at = start
            self._refuse("a number")
        return number

    def _take_quoted(self) -> str | None:
        quote = self._rest()[:1]
        if quote not in ("'", '"'):
            return None
        close = self.text.find(quote, self.at + 1)
        if close < 0:
            self.at = len(self.text)
            self._refuse(f"a closing {quote}")
        found = self.text[self.at + 1 : close]
        self.at = close + 1
        return found

    def _take_word(self, word: str) -> bool:
        self._skip()
        found = re.compile(rf"{word}(?![\w.:-])").match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found is not None

    def _expect(self, sign: str) -> None:
        if self._peek() != sign:
            self._refuse(repr(sign))
        self.at += 1

    def _expect_end(self) -> None:
        if self._peek():
            self._refuse("the end")

    def _peek(self) -> str:
        self._skip()
        return self._rest()[:1]

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _skip(self) -> None:
        while self._rest()[:1].isspace():
            self.at += 1

    def _rest(self) -> str:
        return self.text[self.at :]

    def _refuse(self, expected: str) -> NoReturn:
        self._skip()
        found = self._rest().split()
        here = f"found {found[0]!r}" if found else "found the end"
        said = "{fail_if} {text!r}: expected {expected} at character {place}, {here}"
        values = {"text": self.text, "expected": expected, "place": self.at + 1, "here": here}
        raise UsageError(Sentence.of(said, OptionName("fail_if"), **values), EXAMPLES)
