"""How a loss of a user's is declared: with the decorator of the package, ``lossctl.loss``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lossctl.errors import CustomLossError
from lossctl.losses.core.declaration import Array, Documentation, Input, Kernel, Loss, Preparation
from lossctl.losses.core.deprecated import rename_keywords, warn_renamed
from lossctl.losses.core.gradients import DeclaredGradient
from lossctl.losses.core.steps import Step, StepsFunction
from lossctl.losses.custom.attribution import attribute_errors, guard, owner_hint, show_place
from lossctl.losses.custom.gradients import validate_gradient
from lossctl.losses.custom.validation import validate

if TYPE_CHECKING:
    from typing import Unpack

    from lossctl.losses.core.declaration import Details

FAMILY = "own"
"""The family of a custom loss that does not name one."""

RENAMED = {
    "over": "reduce_axes",
    "along": "class_axis_option",
    "whole": "needs_all_samples",
    "scan": "predicate",
    "finish": "finalize",
}
"""Keyword arguments of :func:`loss` that had another name in the version before."""


class CustomLoss(Loss):
    """A loss that a user declares. What is wrong in its functions is reported as theirs."""

    def set_gradient(self, gradient: DeclaredGradient) -> DeclaredGradient:
        """Check a declared gradient, and answer for its errors."""
        assert self.origin is not None
        return validate_gradient(self, gradient, self.origin)

    def prepare(self, function: Preparation) -> Preparation:
        """Register what is done with whole small inputs before the first block."""
        assert self.origin is not None
        self.preparation = guard(function, self.origin)
        return function

    def list_steps(self, arrays: Sequence[Array], options: Mapping[str, Any]) -> list[Step]:
        """Return the declared steps of one element, if they are steps that end with the loss."""
        assert self.origin is not None
        assert self.declared_steps is not None
        with attribute_errors(self.origin):
            found = super().list_steps(arrays, options)
        odd = next((one for one in found if not isinstance(one, Step)), None)
        fault = "" if odd is None else f"it yielded {odd!r}, which is not a lossctl.Step"
        if not fault and self.finalize is None and (not found or found[-1].key != "loss"):
            fault = "its last step is not called 'loss'"
        if fault:
            code = self.declared_steps.__code__
            place = show_place(code.co_filename, code.co_firstlineno, code.co_name)
            raise CustomLossError(f"{place}: {fault}", owner_hint(self.origin))
        return found


CustomLoss.__doc__ = Documentation(CustomLoss.__doc__)  # type: ignore[assignment]


def loss(
    key: str,
    *,
    inputs: Sequence[Input],
    family: str = FAMILY,
    formula: str = "",
    source: str = "",
    example: str = "",
    library: str = "",
    **more: Unpack[Details],
) -> Callable[[Kernel], Loss]:
    """Declare a custom loss; the decorated function is its kernel.

    Only ``key`` and ``inputs`` are required; the library is the file or package that declares it.

    Args:
        key: the name of the loss, of letters, digits and _.
        inputs: the positional inputs, such as ``real("input", "*")``.
        family: under what ``lossctl list --family`` shows it.
        formula: the loss of an element, in mathematical notation.
        source: the paper or page that defines it.
        example: what follows ``lossctl compute KEY`` in a command that runs.
        library: leave it out: see above.
        more: further facts: ``aliases`` (further names), ``traps`` (notes on pitfalls), ``unit``
            and ``range`` of the losses (``lossctl.Range(0, 1)``), ``results`` (the axes of the
            losses in each form of the inputs), ``other_orders`` of the inputs that are recognised,
            ``sample_cost`` (numbers to count per sample, from the sizes of the axes), ``mean_note``
            (a warning that the mean gives), ``facts`` that other definitions are compared by, the
            default ``reduction``, a ``transform`` of the mean, ``finalize`` (makes the loss of the
            totals of named ``Terms.sums``), ``reduce_axes`` (which axes are averaged or summed:
            "last", "all", or the option that lists them), ``class_axis_option`` (the option that
            says which axis is ``C``), ``needs_all_samples`` (the kernel sees all of them at once),
            ``predicate`` (evaluated on a whole input first), ``squeeze_trailing`` (the first two
            inputs may differ by a last axis of 1), ``undifferentiable`` (why there is no gradient).

    Returns:
        What turns the kernel into a :class:`Loss`.

    Raises:
        CustomLossError: the declaration contradicts itself or the kernel's signature; with the
            file and line.

    """
    given: dict[str, Any] = dict(more)
    known = {one.name for one in fields(Loss) if one.init}
    older = {name: given.pop(name) for name in [*given] if name not in known}
    given |= rename_keywords(older, RENAMED, "loss")

    def declare(kernel: Kernel) -> Loss:
        return validate(
            CustomLoss(
                key=key,
                family=family,
                inputs=tuple(inputs),
                kernel=kernel,
                source=source,
                formula=formula,
                example=example,
                library=library,
                **given,
            )
        )

    return declare


def steps(*losses: Loss) -> Callable[[StepsFunction], StepsFunction]:
    """Declare the steps of losses; deprecated: use ``@LOSS.steps``.

    Args:
        losses: declared losses.

    Returns:
        What registers the decorated function as the steps of the losses.

    Raises:
        CustomLossError: a signature that does not fit the kernel's.

    """
    warn_renamed("@lossctl.steps(LOSS)", "@LOSS.steps")

    def declare(function: StepsFunction) -> StepsFunction:
        for one in losses:
            one.steps(function)
        return function

    return declare
