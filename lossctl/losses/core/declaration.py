"""How a loss is declared: one function, one decorator, and everything else follows from it.

The decorator :func:`loss` turns a kernel (plain NumPy on a block of samples) into a
:class:`Loss`: its registry key and aliases, its inputs with symbolic shapes and kinds, its
options with bounds, its formula and its source. Nothing here knows files, blocks or threads.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from numpy.typing import NDArray

from lossctl.losses.core import late_binding
from lossctl.losses.core.deprecated import rename_keywords
from lossctl.losses.core.gradients import DeclaredGradient, Differentiable
from lossctl.losses.core.inputs import (
    Condition,
    Form,
    Input,
    above_minus_one,
    binary,
    box,
    class_label,
    class_probability,
    clipped,
    density,
    distribution,
    either,
    index,
    index_list,
    labels,
    length,
    log_amount,
    log_probability,
    logit,
    mass,
    not_negative,
    positive,
    probability,
    real,
    score,
    sign,
    soft_label,
    variance,
)
from lossctl.losses.core.options import Option, Parameter, Role
from lossctl.losses.core.terms import Finalize, InputPredicate, Terms, Transform

if TYPE_CHECKING:
    from lossctl.losses.custom.attribution import CodeOrigin

Array = NDArray[Any]

__all__ = [
    "DECLARED",
    "FACTS",
    "Condition",
    "Form",
    "Input",
    "InputPredicate",
    "Loss",
    "Option",
    "Parameter",
    "Role",
    "Terms",
    "Transform",
    "above_minus_one",
    "binary",
    "box",
    "class_label",
    "class_probability",
    "clipped",
    "density",
    "distribution",
    "either",
    "index",
    "index_list",
    "labels",
    "length",
    "log_amount",
    "log_probability",
    "logit",
    "loss",
    "mass",
    "not_negative",
    "positive",
    "probability",
    "real",
    "score",
    "sign",
    "soft_label",
    "variance",
]


Kernel = Callable[..., "Array | Terms"]
Preparation = Callable[..., dict[str, Array]]


@dataclass(eq=False)
class Loss(Differentiable):
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
    reduction: str = "mean"
    """The reduction that is meant where none is given."""
    transform: Transform | None = None
    finalize: Finalize | None = None
    reduce_axes: str = ""
    class_axis_option: str = ""
    needs_all_samples: bool = False
    predicate: InputPredicate | None = None
    squeeze_trailing: bool = False
    undifferentiable: str = ""
    """Why there is no gradient, where there is none."""
    preparation: Preparation | None = field(default=None, init=False)
    origin: CodeOrigin | None = field(default=None, init=False)
    """Where it is declared, if that is outside of lossctl."""

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.kernel)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute this loss: the same as ``lossctl.compute(key, *inputs, **options)``."""
        return late_binding.compute(self, *inputs, **options)

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
            if self.predicate is not None and name == self.predicate.name:
                continue
            known = [one for one in get_args(base) if one in (bool, int, float, str)]
            plain = base if isinstance(base, type) else (known or [float])[0]
            optional = type(None) in get_args(base)
            found.append(Parameter(name, plain, parameter.default, option, optional))
        return tuple(found)

    @functools.cached_property
    def roles(self) -> dict[Role, Parameter]:
        """The options that other rooms ask for, by what they mean."""
        return {one.option.role: one for one in self.parameters if one.option.role is not None}

    def read_role(self, role: Role, options: Mapping[str, Any]) -> Any:
        """Return the value of the option with a role; None where there is none, or no value."""
        parameter = self.roles.get(role)
        return None if parameter is None else options.get(parameter.name)

    @property
    def form_count(self) -> int:
        """In how many combinations of shapes the inputs may come."""
        return max(len(one.forms) for one in self.inputs)

    def result_axes(self, form: int) -> tuple[str, ...]:
        """Return the axes of the per-element losses in a form of the inputs."""
        if self.results:
            return tuple(self.results[min(form, len(self.results) - 1)].split())
        if self.finalize is not None and self.reduce_axes in ("", "all"):
            return ()
        present = {axis for one in self.inputs for axis in one.form(form).axes}
        return tuple(axis for axis in ("N", "*D") if axis in present)

    @property
    def prediction_inputs(self) -> tuple[str, ...]:
        """The names of the inputs by which the loss is differentiated."""
        by = () if self.declared_gradient is None else self.declared_gradient.by
        return by or (self.inputs[0].name,)

    def set_gradient(self, gradient: DeclaredGradient) -> DeclaredGradient:
        """Check a gradient that a user declares."""
        if self.origin is None:
            return gradient
        from lossctl.losses.custom.gradients import validate_gradient

        return validate_gradient(self, gradient, self.origin)

    def prepare(self, function: Preparation) -> Preparation:
        """Register what is done with whole small inputs before the first block."""
        self.preparation = function
        if self.origin is not None:
            from lossctl.losses.custom.attribution import guard

            self.preparation = guard(function, self.origin)
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


RENAMED = {
    "over": "reduce_axes",
    "along": "class_axis_option",
    "whole": "needs_all_samples",
    "scan": "predicate",
    "finish": "finalize",
}
"""Keyword arguments of :func:`loss` that had another name in the version before."""


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
    reduction: str = "mean",
    transform: Transform | None = None,
    finalize: Finalize | None = None,
    reduce_axes: str = "",
    class_axis_option: str = "",
    needs_all_samples: bool = False,
    predicate: InputPredicate | None = None,
    squeeze_trailing: bool = False,
    undifferentiable: str = "",
    **older: Any,
) -> Callable[[Kernel], Loss]:
    """Declare a loss; the decorated function is its kernel.

    Of your own loss only ``key`` and ``inputs`` must be said; its library is the file or package
    that declares it. The losses of lossctl say everything (``library`` is what stands before a dot
    in ``key``, or torch).
    ``example`` is what follows ``lossctl compute KEY`` in a command that runs on
    ``sample_data/``. ``traps`` are the facts that people stumble over. ``other_orders`` are
    further orders of the inputs that are recognised where the shapes leave no doubt.
    ``sample_cost`` gives the numbers to count per sample, from the sizes of the axes, where the
    sizes of the inputs are no good measure for the size of a block.
    ``mean_note`` is a warning that the reduction ``mean`` gives. ``facts`` says in words what of
    :data:`FACTS` is not the usual case.

    ``reduction`` is the default one. ``transform`` is applied to the mean. A loss that is no sum
    over samples returns named ``Terms.sums``, and ``finalize`` makes the loss of their totals
    (and of ``count``, how many elements they are the sums of). ``reduce_axes`` says which axes are
    averaged, or summed and finalized: "last", "all", or the option that lists them.
    ``class_axis_option`` is the option that says which axis of the inputs is ``C``. The kernel of
    a loss that ``needs_all_samples`` sees all of them at once. ``predicate`` is evaluated on all
    of an input before the first block. ``squeeze_trailing`` lets the first two inputs differ
    by a last axis of 1, as Keras does. ``undifferentiable`` says why a loss has no gradient that
    would tell anything; every other one of lossctl declares it.
    """
    renamed = rename_keywords(older, RENAMED, "loss")

    def declare(kernel: Kernel) -> Loss:
        declared = Loss(
            key=key,
            family=family,
            inputs=tuple(inputs),
            kernel=kernel,
            source=source,
            formula=formula,
            example=example,
            library=library or str(key).rpartition(".")[0] or "torch",
            aliases=tuple(aliases),
            traps=tuple(traps),
            results=tuple(results),
            other_orders=tuple(other_orders),
            sample_cost=sample_cost,
            mean_note=mean_note,
            facts=dict(facts or {}),
            reduction=reduction,
            transform=transform,
            finalize=finalize,
            reduce_axes=reduce_axes,
            class_axis_option=class_axis_option,
            needs_all_samples=needs_all_samples,
            predicate=predicate,
            squeeze_trailing=squeeze_trailing,
            undifferentiable=undifferentiable,
        )
        for name, value in renamed.items():
            setattr(declared, name, value)
        if not (kernel.__module__ or "__main__").startswith(HOME):
            from lossctl.losses.custom.validation import validate

            return validate(declared)
        if key in DECLARED:
            raise ValueError(f"loss {key!r} is declared twice")
        DECLARED[key] = declared
        return declared

    return declare
