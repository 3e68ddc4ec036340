"""How a loss is declared: one function, one decorator, and everything else follows from it.

The decorator :func:`loss` turns a kernel (plain NumPy on a block of samples) into a
:class:`Loss`: its registry key and aliases, its inputs with symbolic shapes and kinds, its
options with bounds, its formula and its source. Nothing here knows files, blocks or threads.

Symbolic shapes are words: ``N`` is the sample axis, ``C`` the classes, ``F`` features,
``*D`` any number of further axes, ``1`` an axis of length one (``4`` of four), the empty string a single
number. ``*`` stands for both ``N *D`` and a single number.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

import lossctl

if TYPE_CHECKING:
    from lossctl.losses.own import Home

Array = NDArray[Any]
Condition = str | Callable[[Mapping[str, Any]], bool]
"""An option that is on, or a question to all of the options."""


class Kind(StrEnum):
    """What the numbers of an input mean, and therefore what is checked in every block."""

    REAL = "real"
    INDEX = "class index"
    INDEX_LIST = "class indices, ended by -1"
    LABELS = "label sequence"
    SIGN = "sign (+1 or -1)"
    PROBABILITY = "probability"
    SOFT_LABEL = "label between 0 and 1"
    DISTRIBUTION = "probabilities that sum to 1 over the classes"
    DENSITY = "probabilities, not negative"
    LOG_PROBABILITY = "log-probability"
    VARIANCE = "variance"
    BINARY = "label 0 or 1"
    LABEL = "class label"
    CLASS_PROBABILITY = "probabilities of the classes"
    POSITIVE = "positive number"
    NOT_NEGATIVE = "number, not negative"
    ABOVE_MINUS_ONE = "number above -1"
    BOX = "box (x1, y1, x2, y2)"
    LENGTH = "length"


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
    fits: bool = False
    """Whether it is stretched to the first input's shape (the variance of gaussian_nll)."""
    picked: bool = False
    """Whether the kernel takes few of its floats, and so is given them uncast."""
    under: tuple[tuple[Condition, Kind], ...] = ()
    """Options under which the numbers mean something else (log_target), and what."""

    def form(self, number: int) -> Form:
        """Return the form used in the loss's form ``number``."""
        return self.forms[min(number, len(self.forms) - 1)]

    @property
    def shapes(self) -> str:
        """The shapes as a person reads them."""
        patterns = dict.fromkeys(form.pattern for form in self.forms)
        if list(patterns) == ["N *D", ""]:
            return "(*)"
        return " or ".join(f"({', '.join(p.split())})" if p else "one number" for p in patterns)

    @property
    def kinds(self) -> str:
        """The kinds as a person reads them."""
        return ", or ".join(dict.fromkeys(form.kind.value for form in self.forms))


def _input_of(kind: Kind) -> Callable[..., Input]:
    def make(
        name: str,
        *patterns: str,
        help: str = "",
        fits: bool = False,
        picked: bool = False,
        under: tuple[tuple[Condition, Kind], ...] = (),
    ) -> Input:
        spelled = [p for q in patterns for p in (("N *D", "") if q == "*" else (q,))]
        forms = tuple(Form(pattern, kind) for pattern in spelled)
        return Input(name, forms, help, fits, picked, under)

    make.__doc__ = f"Declare an input whose numbers are of the kind: {kind.value}."
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
length = _input_of(Kind.LENGTH)


def either(*inputs: Input) -> Input:
    """Declare one input that may come in several forms of different kinds."""
    first = inputs[0]
    return Input(first.name, tuple(form for one in inputs for form in one.forms), first.help)


@dataclass(frozen=True, slots=True)
class Option:
    """Bounds and help of an option; stands inside ``Annotated`` in the kernel's signature."""

    help: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[Any, ...] = ()
    gap: tuple[float, float] | None = None
    """Two numbers between which the value may not lie."""
    shape: str | None = None
    """Symbolic shape of a tensor-valued option, such as ``C``."""
    fits: str | None = None
    """Symbolic shape that a tensor-valued option is broadcast to, as torch does."""

    @property
    def bounds(self) -> str:
        """The bounds as a person reads them."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.shape is not None:
            return f"shape ({', '.join(self.shape.split())})"
        if self.fits is not None:
            return f"broadcast to ({', '.join(self.fits.split())})"
        said = [
            f"{word} {bound:g}"
            for word, bound in (
                ("above", self.above),
                ("at least", self.at_least),
                ("at most", self.at_most),
            )
            if bound is not None
        ]
        if self.gap is not None:
            said.append(f"not between {self.gap[0]:g} and {self.gap[1]:g}")
        return ", ".join(said)

    def objection(self, value: Any) -> str | None:
        """Say what is wrong with a value, or return None."""
        if self.choices:
            return None if value in self.choices else f"must be {self.bounds}"
        if isinstance(value, float) and np.isnan(value):
            return "must be a number"
        low = self.above is not None and not value > self.above
        low = low or (self.at_least is not None and value < self.at_least)
        high = self.at_most is not None and value > self.at_most
        amid = self.gap is not None and self.gap[0] < value < self.gap[1]
        return f"must be {self.bounds}" if low or high or amid else None


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option of a loss as its signature declares it."""

    name: str
    type: type
    default: Any
    option: Option

    @property
    def tensor(self) -> bool:
        """Whether the value is an array (a file or a comma list on the command line)."""
        return self.option.shape is not None or self.option.fits is not None

    @property
    def flag(self) -> str:
        """The flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def type_name(self) -> str:
        """The type as a person reads it."""
        return "array" if self.tensor else self.type.__name__


@dataclass(slots=True)
class Terms:
    """What a kernel returns for a block: losses, and what its reduction must know of them.

    ``weights`` are the per-element denominators of the mean (None: one each), named by
    ``denominator``. ``ignored`` marks elements that do not count. ``clamped`` marks elements
    whose value was clamped. ``mean_losses`` replaces ``losses`` in the mean only. ``notes``
    marks elements that a person should be told of, each under the words to tell it with.
    """

    losses: Array
    weights: Array | None = None
    denominator: str = "elements"
    ignored: NDArray[np.bool_] | None = None
    clamped: NDArray[np.bool_] | None = None
    mean_losses: Array | None = None
    notes: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


Kernel = Callable[..., "Array | Terms"]
Preparation = Callable[..., dict[str, Array]]


@dataclass(eq=False)
class Loss:
    """A declared loss. Calling it computes the reduced loss of arrays or files."""

    key: str
    family: str
    inputs: tuple[Input, ...]
    kernel: Kernel
    source: str
    formula: str
    example: str
    library: str = "torch"
    aliases: tuple[str, ...] = ()
    traps: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    other_orders: tuple[tuple[str, ...], ...] = ()
    sample_cost: Callable[[dict[str, int]], int] | None = None
    mean_note: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    """What is compared with other definitions: some of :data:`FACTS`, in words."""
    preparation: Preparation | None = field(default=None, init=False)
    home: Home | None = field(default=None, init=False)
    """Where it is declared, if that is outside of lossctl."""

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.kernel)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute this loss: the same as ``lossctl.compute(key, *inputs, **options)``."""
        return lossctl.compute(self, *inputs, **options)

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self.inputs)
        options = "".join(f", {p.name}={p.default}" for p in self.parameters)
        return f"{self.key}({names}{options})"

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.kernel) or "").split("\n", 1)[0]

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The options, in the order of the kernel's signature."""
        hints = get_type_hints(self.kernel, include_extras=True)
        found = []
        for name, parameter in inspect.signature(self.kernel).parameters.items():
            if parameter.kind is not parameter.KEYWORD_ONLY:
                continue
            hint = hints.get(name, type(parameter.default))
            base, option = get_args(hint) if get_origin(hint) is Annotated else (hint, Option(""))
            plain = base if isinstance(base, type) else float
            found.append(Parameter(name, plain, parameter.default, option))
        return tuple(found)

    @property
    def form_count(self) -> int:
        """In how many combinations of shapes the inputs may come."""
        return max(len(one.forms) for one in self.inputs)

    def result_axes(self, form: int) -> tuple[str, ...]:
        """Return the axes of the per-element losses in a form of the inputs."""
        if self.results:
            return tuple(self.results[min(form, len(self.results) - 1)].split())
        present = {axis for one in self.inputs for axis in one.form(form).axes}
        return tuple(axis for axis in ("N", "*D") if axis in present)

    def prepare(self, function: Preparation) -> Preparation:
        """Register what is done with whole small inputs before the first block."""
        self.preparation = function
        if self.home is not None:
            from lossctl.losses.own import guard

            self.preparation = guard(function, self.home)
        return function


DECLARED: dict[str, Loss] = {}
"""The losses of lossctl itself, by key; those of users are found where they are declared."""

HOME = "lossctl.losses."
FACTS = {
    "axis": "",
    "clipping": "none",
    "denominator": "elements",
    "smoothing": "none",
    "labels": "as they are",
}
"""What a declaration may say of its definition beside shapes and options, and the usual case.

The usual ``axis`` follows from the shapes: what the losses lack of the axes of the first input.
"""


def loss(
    key: str,
    *,
    inputs: Sequence[Input],
    family: str = "own",
    formula: str = "",
    source: str = "",
    example: str = "",
    library: str = "",
    aliases: Sequence[str] = (),
    traps: Sequence[str] = (),
    results: Sequence[str] = (),
    other_orders: Sequence[tuple[str, ...]] = (),
    sample_cost: Callable[[dict[str, int]], int] | None = None,
    mean_note: str = "",
    facts: dict[str, str] | None = None,
) -> Callable[[Kernel], Loss]:
    """Declare a loss; the decorated function is its kernel.

    Of your own loss only ``key`` and ``inputs`` must be said; its library is the file or package
    that declares it. The losses of lossctl say everything (``library`` is torch by default).
    ``example`` is what follows ``lossctl compute KEY`` in a command that runs on
    ``sample_data/``. ``traps`` are the facts that people stumble over. ``other_orders`` are
    further orders of the inputs that are recognised where the shapes leave no doubt.
    ``sample_cost`` gives the numbers to count per sample, from the sizes of the axes, where the
    sizes of the inputs are no good measure for the size of a block.
    ``mean_note`` is a warning that the reduction ``mean`` gives. ``facts`` says in words what of
    :data:`FACTS` is not the usual case.
    """

    def declare(kernel: Kernel) -> Loss:
        declared = Loss(
            key=key,
            family=family,
            inputs=tuple(inputs),
            kernel=kernel,
            source=source,
            formula=formula,
            example=example,
            library=library or "torch",
            aliases=tuple(aliases),
            traps=tuple(traps),
            results=tuple(results),
            other_orders=tuple(other_orders),
            sample_cost=sample_cost,
            mean_note=mean_note,
            facts=dict(facts or {}),
        )
        if not kernel.__module__.startswith(HOME):
            from lossctl.losses.own import adopt

            return adopt(declared)
        if key in DECLARED:
            raise ValueError(f"loss {key!r} is declared twice")
        DECLARED[key] = declared
        return declared

    return declare
