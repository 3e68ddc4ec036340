"""The gradient of a loss, as it is declared beside its maths."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, overload

from numpy.typing import NDArray

Array = NDArray[Any]
Differentiation = Callable[..., "Array | tuple[Array, ...]"]
Declaration = Callable[[Differentiation], Differentiation]


@dataclass(frozen=True, slots=True)
class DeclaredGradient:
    """The derivative of each loss of a block with respect to the prediction inputs.

    The function takes the kernel's inputs and those of its options that it names. It returns an
    array of the shape of the first input, or a tuple of arrays for the inputs named in ``by``: at
    every place the derivative of the loss that the place belongs to. Along an axis that the
    losses lack (classes, features) a loss has as many derivatives as the axis has places, and a
    mean or weight that the kernel takes is part of them. What the reduction, sample weights and
    masks do is the engine's business, and what is ignored may get any number. At kinks and clamps
    it follows the library of the loss.

    A function with the parameter ``cotangent`` is given the derivative of the reduced loss with
    respect to each loss of the block, or to each named sum, and multiplies by it itself: for an
    input whose places belong to several losses.
    """

    function: Differentiation
    by: tuple[str, ...] = ()
    beside: Callable[..., Array] | None = None
    """What a loss is added to before differences are compared with the declared gradient, where
    a library's gradient is not the derivative of its loss alone. With the parameter ``at`` it is
    given the inputs at which the derivative is taken."""
    convention: Callable[..., Array] | None = None
    """Where the declared gradient follows a library and is not the derivative of the loss: marks
    that broadcast to the inputs, from the kernel's inputs and options."""
    note: str = ""
    """What a person should know of the convention."""

    @property
    def takes_cotangent(self) -> bool:
        """Whether the function multiplies by the cotangent itself."""
        return "cotangent" in name_options(self.function)

    def pick(self, function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the options that a function takes."""
        names = name_options(function)
        return {name: value for name, value in options.items() if name in names}

    def differentiate(self, *inputs: Array, **options: Any) -> tuple[Array, ...]:
        """Return the derivatives, with the options that the function does not take left out."""
        found = self.function(*inputs, **self.pick(self.function, options))
        return found if isinstance(found, tuple) else (found,)


@functools.cache
def name_options(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the options that a function takes."""
    parameters = inspect.signature(function).parameters.values()
    return frozenset(one.name for one in parameters if one.kind == one.KEYWORD_ONLY)


@dataclass(eq=False)
class Differentiable:
    """What a loss is that may declare a gradient."""

    declared_gradient: DeclaredGradient | None = field(default=None, init=False)
    """The declared gradient; None where there is none."""

    @overload
    def gradient(self, function: Differentiation) -> Differentiation: ...

    @overload
    def gradient(
        self,
        *,
        by: tuple[str, ...] = (),
        beside: Callable[..., Array] | None = None,
        convention: Callable[..., Array] | None = None,
        note: str = "",
    ) -> Declaration: ...

    def gradient(
        self,
        function: Differentiation | None = None,
        *,
        by: tuple[str, ...] = (),
        beside: Callable[..., Array] | None = None,
        convention: Callable[..., Array] | None = None,
        note: str = "",
    ) -> Differentiation | Declaration:
        """Declare the derivative of each loss with respect to the inputs ``by``.

        See :class:`DeclaredGradient`.
        """

        def declare(function: Differentiation) -> Differentiation:
            self.declared_gradient = self.set_gradient(
                DeclaredGradient(function, by, beside, convention, note)
            )
            return function

        return declare if function is None else declare(function)

    def set_gradient(self, gradient: DeclaredGradient) -> DeclaredGradient:
        """Return the gradient as it is kept."""
        return gradient
