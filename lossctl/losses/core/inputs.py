"""What the inputs of a loss are: symbolic shapes, each with the kind of its numbers.

Symbolic shapes are words: ``N`` is the sample axis, ``C`` the classes, ``F`` features,
``*D`` any number of further axes, ``1`` an axis of length one (``4`` of four), the empty string
a single number. ``*`` stands for both ``N *D`` and a single number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lossctl.kinds import Kind
from lossctl.losses.core.deprecated import rename_keywords

Condition = str | Callable[[Mapping[str, Any]], bool]
"""An option that is on, or a predicate of all options."""

RENAMED = {"fits": "broadcasts", "picked": "reads_few", "under": "kind_if"}
"""Keyword arguments that had another name in the version before."""


@dataclass(frozen=True, slots=True)
class Form:
    """One shape that an input may have, and what its numbers then mean."""

    pattern: str
    kind: Kind

    @property
    def axes(self) -> tuple[str, ...]:
        """The words of the pattern."""
        return tuple(self.pattern.split())


@dataclass(frozen=True, slots=True)
class Input:
    """A positional input. Its forms stand in the same order as those of its neighbours."""

    name: str
    forms: tuple[Form, ...]
    help: str = ""
    broadcasts: bool = False
    """Whether it is stretched to the first input's shape (the variance of gaussian_nll)."""
    reads_few: bool = False
    """Whether the kernel takes few of its floats, and so is given them uncast."""
    kind_if: tuple[tuple[Condition, Kind], ...] = ()
    """Options with which the numbers mean something else (log_target), and what."""

    classes_last: bool = False
    """Whether people have the classes last, where the kernel has them second."""

    def form(self, number: int) -> Form:
        """Return the form used in the loss's form ``number``."""
        return self.forms[min(number, len(self.forms) - 1)]

    @property
    def shapes(self) -> str:
        """The shapes as a person reads them."""
        if self.patterns == ["N *D", ""]:
            return "(*)"
        return " or ".join(
            f"({', '.join(p.split())})" if p else "one number" for p in self.patterns
        )

    @property
    def patterns(self) -> list[str]:
        """The patterns of the forms as a person has the axes, each once."""
        found = dict.fromkeys(form.pattern for form in self.forms)
        if self.classes_last:
            return [p.replace("N C *D", "N *D C") for p in found]
        return list(found)

    @property
    def kinds(self) -> str:
        """The kinds as a person reads them."""
        return ", or ".join(dict.fromkeys(form.kind.label for form in self.forms))


DOCUMENTATION = """Declare an input of numbers of this kind: {}.

Args:
    name: the parameter of the kernel.
    patterns: the symbolic shapes that it may have, such as "N C *D"; "*" is any shape. The order
        is the same for all inputs of a loss.
    help: what it is, in one line.
    broadcasts: whether it is broadcast to the shape of the first input.
    reads_few: whether the kernel reads few of its numbers, and so gets them uncast.
    kind_if: pairs of an option, or a predicate of all options, and the kind of the numbers then.
    older: deprecated names of these arguments.

Returns:
    The declaration, for ``inputs=`` of :func:`lossctl.loss`.

Raises:
    TypeError: an unknown argument.
"""


def _input_of(kind: Kind) -> Callable[..., Input]:
    def make(
        name: str,
        *patterns: str,
        help: str = "",
        broadcasts: bool = False,
        reads_few: bool = False,
        kind_if: tuple[tuple[Condition, Kind], ...] = (),
        **older: Any,
    ) -> Input:
        spelled = [p for q in patterns for p in (("N *D", "") if q == "*" else (q,))]
        forms = tuple(Form(pattern, kind) for pattern in spelled)
        made = Input(name, forms, help, broadcasts, reads_few, kind_if)
        return replace(made, **rename_keywords(older, RENAMED, "real")) if older else made

    make.__doc__ = DOCUMENTATION.format(kind.label)
    make.__name__ = make.__qualname__ = "class_label" if kind is Kind.LABEL else kind.value
    return make


real = _input_of(Kind.REAL)
index = _input_of(Kind.INDEX)
index_list = _input_of(Kind.INDEX_LIST)
labels = _input_of(Kind.LABELS)
sign = _input_of(Kind.SIGN)
probability = _input_of(Kind.PROBABILITY)
soft_label = _input_of(Kind.SOFT_LABEL)
distribution = _input_of(Kind.DISTRIBUTION)
density = _input_of(Kind.DENSITY)
log_probability = _input_of(Kind.LOG_PROBABILITY)
variance = _input_of(Kind.VARIANCE)
binary = _input_of(Kind.BINARY)
class_label = _input_of(Kind.LABEL)
class_probability = _input_of(Kind.CLASS_PROBABILITY)
positive = _input_of(Kind.POSITIVE)
not_negative = _input_of(Kind.NOT_NEGATIVE)
above_minus_one = _input_of(Kind.ABOVE_MINUS_ONE)
box = _input_of(Kind.BOX)
clipped = _input_of(Kind.CLIPPED)
mass = _input_of(Kind.MASS)
logit = _input_of(Kind.LOGIT)
score = _input_of(Kind.SCORE)
log_amount = _input_of(Kind.LOG_AMOUNT)
length = _input_of(Kind.LENGTH)


def either(*inputs: Input) -> Input:
    """Declare one input that may come in several forms of different kinds.

    Args:
        inputs: a declaration of each form; name and help are those of the first one.

    Returns:
        The declaration, for ``inputs=`` of :func:`lossctl.loss`.

    Raises:
        IndexError: no declaration.

    """
    first = inputs[0]
    return Input(first.name, tuple(form for one in inputs for form in one.forms), first.help)
