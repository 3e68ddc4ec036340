"""What a family's test file declares of a loss, once, and where every campaign looks it up.

The test file of a loss is ``tests/losses/FAMILY/LIBRARY.py``. Of each loss it says

- ``@cases("huber")``: the calls on which it is compared, drawn from random numbers;
- ``reference("huber", "torch.nn.functional.huber_loss")``: who answers them; or, as a decorator,
  how the library is to be called, or a formula in NumPy where no library has the loss;
- ``@definition("huber", points=...)``: the loss of one sample in mpmath, and the points at which
  it is compared with that, to 4 units in the last place;
- ``recomputed({("distance", "|d|"): ...})``: a second way to each step of its explanation;

and, where there is such a thing, ``kink`` (the derivative where there is none), ``@largest_term``
(how large the terms are that cancel) and ``@corrected`` (where the reference's gradient is wrong).
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lossctl.losses.core.declaration import Loss
from tests.losses.cases.case import Array, Case, Draw
from tests.losses.definitions.points import Points
from tests.losses.steps.scope import Formula

GUIDE = '.github/CONTRIBUTING.md, "A loss"'
"""The page that says how a loss is added, and its section."""
GOLDEN = ".ci/task golden"
"""The command that writes golden values."""
SHARED = ("cases", "custom", "definitions", "references", "steps")
"""The folders beside this file that are no family of losses."""

Measured = tuple[Any, Any]
CaseMaker = Callable[[Draw], Iterator[Case]]
PointMaker = Callable[[], list[Points]]


@dataclass(frozen=True)
class Reference:
    """Who answers for a loss, and how the library is asked: see tests/losses/references."""

    path: str = ""
    """Of the library's function or class, such as ``torch.nn.functional.huber_loss``."""
    adapt: Callable[..., Any] | None = None
    """Calls the library's function, its first argument; or the formula where there is none."""
    reductions: tuple[str, ...] = ()
    """What the library has beside none, mean and sum."""
    class_name: str = ""
    """PyTorch's class of the same loss."""
    integers: tuple[int, ...] = ()
    """Inputs that stay integers where they are stored as such."""
    labels: bool = False
    """Whether scikit-learn is given the arrays in the dtypes that they are stored in."""
    of_elements: str = ""
    """What scikit-learn has for a single element, where that is another function."""
    classes_last: bool = False
    """Whether optax has the classes on the last axis."""
    last_axis_first: bool = False
    """Whether a formula takes the columns of its inputs one by one."""
    mean: Callable[..., Any] | None = None
    """The mean, where it is not that of the losses: of (theirs, losses, inputs, options)."""
    count: Callable[..., int] | None = None
    """How many losses optax's mean is of, where it has a mean alone."""
    formula_of_mean: Callable[..., Any] | None = None
    """The mean of a formula, where it is not that of the losses."""
    mend: Callable[[Array, dict[str, Any]], tuple[Array, dict[str, Any]]] | None = None
    """Labels and options that make Keras answer as it is meant to."""
    masks_itself: bool = False
    """Whether Keras masks samples of this loss by itself."""
    refuses: str = ""
    """What Keras's backward pass says where it does not take a case."""
    rounding_of_values: float = 0.0
    """What the library's own rounding may make of a weighted loss."""
    rounding_of_gradients: float = 0.0
    """The same of a gradient."""

    def find(self) -> Any:
        """Return the library's function or class."""
        return resolve(self.path)

    def ask(self, *inputs: Any, **options: Any) -> Any:
        """Call the library's function as it is to be called."""
        theirs = self.find()
        if self.adapt is None:
            return theirs(*inputs, **options)
        return self.adapt(theirs, *inputs, **options)


@dataclass(frozen=True)
class Definition:
    """The loss of one sample in many digits, and where it is compared."""

    function: Callable[..., Measured]
    """Returns the loss, and the number in whose last place an error is measured."""
    points: PointMaker
    axes: tuple[int | None, ...]
    """The axis of each input along which the samples lie; None for what all of them share."""


@dataclass(frozen=True)
class Kink:
    """Inputs at a kink, and the derivative of the sum of the losses by each prediction input."""

    key: str
    what: str
    inputs: Sequence[Any]
    expected: Sequence[Any]
    options: Mapping[str, Any]


@dataclass
class Known:
    """All that the tests know of one loss."""

    key: str
    cases: CaseMaker | None = None
    reference: Reference | None = None
    definition: Definition | None = None
    undefined: str = ""
    """Why no sample has an exact loss of its own, and what stands in for that."""
    largest_term: Callable[..., Array] | None = None
    corrected: Callable[[Case, Array, Array], Array] | None = None
    kinks: list[Kink] = field(default_factory=list)
    no_pitfalls: str = ""
    """Why ``lossctl show`` has no notes on it."""
    findings: tuple[str, ...] = ()
    """What ``lossctl check`` finds in its example on the sample data."""
    cancelling_steps: bool = False
    """Whether its last step takes one large number from another."""


_KNOWN: dict[str, Known] = {}
_FORMULAS: dict[tuple[str, ...], Formula] = {}


def cases(*keys: str) -> Callable[[CaseMaker], CaseMaker]:
    """Declare the calls on which losses are compared: a function of the numbers to draw from."""

    def declare(function: CaseMaker) -> CaseMaker:
        for key in keys:
            _set(key, "cases", function)
        return function

    return declare


def reference(
    key: str, path: str = "", **how: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare who answers for a loss: a library's function, by its path, or a formula.

    As a decorator, it takes a function that calls the library's (its first argument) as it is to
    be called; without a path, the formula itself, of arrays in float64. The fields of
    ``Reference`` are further arguments.
    """
    _set(key, "reference", Reference(path, **how))

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        _of(key).reference = Reference(path, function, **how)
        return function

    return declare


def definition(
    key: str, points: PointMaker, axes: tuple[int | None, ...] = (0,)
) -> Callable[[Callable[..., Measured]], Callable[..., Measured]]:
    """Declare what a loss is, to several hundred digits, and the points where that is tested.

    The function takes one sample's inputs (mpf numbers, lists of them, integers) and options. It
    returns the loss, and the number by whose last place its error is measured: the loss itself
    where the definition adds terms of one sign, the largest term where it takes one from another.
    """

    def declare(function: Callable[..., Measured]) -> Callable[..., Measured]:
        _set(key, "definition", Definition(function, points, axes))
        return function

    return declare


def without_definition(key: str, reason: str) -> None:
    """Say why a loss has no exact definition, and where it is tested instead."""
    _set(key, "undefined", reason)


def largest_term(key: str) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Declare how large the terms are that cancel: a function of inputs and options.

    Agreement with the reference, which is no more exact than that, is to 1e-15 of this size.
    """

    def declare(function: Callable[..., Array]) -> Callable[..., Array]:
        _set(key, "largest_term", function)
        return function

    return declare


def corrected(
    key: str,
) -> Callable[[Callable[[Case, Array, Array], Array]], Callable[[Case, Array, Array], Array]]:
    """Declare where the reference's gradient is wrong: (case, expected, actual) → expected."""

    def declare(
        function: Callable[[Case, Array, Array], Array],
    ) -> Callable[[Case, Array, Array], Array]:
        _set(key, "corrected", function)
        return function

    return declare


def finite_for_nan(expected: Array, actual: Array) -> Array:
    """Return what is expected, with our number where theirs is NaN and ours is finite."""
    return np.where(np.isnan(expected) & np.isfinite(actual), actual, expected)


def kink(
    key: str, what: str, inputs: Sequence[Any], expected: Sequence[Any], **options: Any
) -> None:
    """Declare the derivative where there is none: the convention of the loss's library."""
    _of(key).kinks.append(Kink(key, what, inputs, expected, options))


def no_pitfalls(key: str, reason: str) -> None:
    """Say why there is nothing to note about a loss."""
    _set(key, "no_pitfalls", reason)


def known_findings(key: str, *codes: str) -> None:
    """Name what ``lossctl check`` rightly finds in a loss's example on the sample data."""
    _set(key, "findings", codes)


def cancelling_steps(key: str) -> None:
    """Say that the last step of an explanation takes one large number from another."""
    _set(key, "cancelling_steps", value=True)


def recomputed(formulas: Mapping[tuple[str, str] | str, Formula]) -> None:
    """Declare a second way to steps, by their name and formula.

    A name alone stands for steps in whose formula an option is written as a number.
    """
    for step, function in formulas.items():
        names = (step,) if isinstance(step, str) else step
        if names in _FORMULAS:
            raise ValueError(f"the step {step} is recomputed twice")
        _FORMULAS[names] = function


def find_formula(key: str, formula: str) -> Formula | None:
    """Return the second way to a step, if there is one."""
    load()
    name = "loss" if key == "element losses" else key
    return _FORMULAS.get((name, formula)) or _FORMULAS.get((name,))


def known(key: str) -> Known:
    """Return all that the tests know of a loss; nothing of one that no file declares."""
    load()
    return _KNOWN.get(key, Known(key))


def known_kinks() -> list[Kink]:
    """Return the kinks of all losses."""
    load()
    return [one for each in _KNOWN.values() for one in each.kinks]


def declared_keys() -> tuple[str, ...]:
    """Return the losses of which the tests know anything."""
    load()
    return tuple(_KNOWN)


def home(loss: Loss) -> str:
    """Return the test file of a loss."""
    library = loss.library.replace("scikit-learn", "sklearn")
    return f"tests/losses/{loss.family}/{library}.py"


def missing(loss: Loss) -> list[str]:
    """Say what the tests lack of a loss, where it goes, and which page says more."""
    found = known(loss.key)
    needed = {
        f'@cases("{loss.key}")': found.cases,
        f'reference("{loss.key}", ...)': found.reference,
        f'@definition("{loss.key}", points=...)': found.definition or found.undefined,
    }
    return [
        f"{loss.key} has no {declaration}: {home(loss)} declares it. Read {GUIDE}."
        for declaration, there in needed.items()
        if not there
    ]


@functools.cache
def load() -> None:
    """Import the test files of all families."""
    folder = Path(__file__).parent
    for family in pkgutil.iter_modules([str(folder)]):
        if not family.ispkg or family.name in SHARED:
            continue
        for file in pkgutil.iter_modules([str(folder / family.name)]):
            if not file.name.startswith("test_"):
                importlib.import_module(f"tests.losses.{family.name}.{file.name}")
    importlib.import_module("tests.losses.steps.shared")


def resolve(path: str) -> Any:
    """Return what stands at a dotted path: a module's attribute."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _of(key: str) -> Known:
    return _KNOWN.setdefault(key, Known(key))


def _set(key: str, name: str, value: Any) -> None:
    """Set what is known of a loss; raise ValueError if that is declared already."""
    if getattr(_of(key), name):
        raise ValueError(f"{name} of {key} is declared twice")
    setattr(_KNOWN[key], name, value)
