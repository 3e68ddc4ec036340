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
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    TypedDict,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
from numpy.typing import NDArray

from lossctl.losses.core import late_binding
from lossctl.losses.core.gradients import Differentiable, name_options
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
from lossctl.losses.core.steps import Step, StepsFunction
from lossctl.losses.core.terms import (
    NON_NEGATIVE,
    UNBOUNDED,
    ZERO_ONE,
    Finalize,
    InputPredicate,
    Range,
    Terms,
    Transform,
)

if TYPE_CHECKING:
    from lossctl.losses.custom.attribution import CodeOrigin

Array = NDArray[Any]

__all__ = [
    "DECLARED",
    "FACTS",
    "NON_NEGATIVE",
    "UNBOUNDED",
    "ZERO_ONE",
    "Condition",
    "Form",
    "Input",
    "InputPredicate",
    "Loss",
    "Option",
    "Parameter",
    "Range",
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


class Documentation:
    """The docstring of a class, and those of its instances: composed once, when asked for."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def __get__(self, instance: Loss | None, owner: type) -> str | None:
        """Return the docstring of the class, or that of a loss."""
        if instance is None:
            return self.text
        from lossctl.losses.core.documentation import compose

        vars(instance)["__doc__"] = text = compose(instance)
        return text


WRAPPED = [name for name in functools.WRAPPER_ASSIGNMENTS if name != "__doc__"]
"""What a loss takes over from its kernel; the docstring is composed, see :class:`Documentation`."""


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
    library: str
    unit: str = ""
    """What the losses are measured in, where it is more than a number."""
    range: Range = UNBOUNDED
    """Between which numbers the losses of valid rows lie, before the transform of the mean."""
    aliases: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    agrees: bool = False
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
    declared_steps: StepsFunction | None = field(default=None, init=False)
    """What yields the steps of the loss; None where nobody declared them."""
    origin: CodeOrigin | None = field(default=None, init=False)
    """Where it is declared, if that is outside of lossctl."""

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.kernel, assigned=WRAPPED)

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

    def prepare(self, function: Preparation) -> Preparation:
        """Register what is done with whole small inputs before the first block."""
        self.preparation = function
        return function

    def steps(self, function: StepsFunction) -> StepsFunction:
        """Declare the steps of the loss: the decorated function yields them for one element.

        It is given the inputs of one element as the kernel has them, without the axes of samples
        and further positions (a class loss gets ``C`` scores and one label), and those of the
        options that it names behind a ``*``. The function of a loss that needs all samples is
        given all of them, and the ``row``. The last step is the ``loss``; of a loss that is made
        of named sums, a step for each of them::

            @wing.steps
            def wing_steps(input, target, *, omega, epsilon):
                yield lossctl.Step("difference", "x − y", input - target)
                ...
                yield lossctl.Step("loss", "ω log(1 + |x − y| / ε), or |x − y| − C", ...)
        """
        if self.declared_steps is not None:
            raise ValueError(f"the steps of {self.key} are declared twice")
        self.declared_steps = function
        return function

    def list_steps(self, arrays: Sequence[Array], options: Mapping[str, Any]) -> list[Step]:
        """Return the declared steps of one element."""
        assert self.declared_steps is not None
        named = name_options(self.declared_steps)
        chosen = {name: value for name, value in options.items() if name in named}
        with np.errstate(all="ignore"):
            return list(self.declared_steps(*arrays, **chosen))


Loss.__doc__ = Documentation(Loss.__doc__)  # type: ignore[assignment]

if TYPE_CHECKING:

    class Details(TypedDict, total=False):
        """What a declaration may say of a loss beside its inputs, formula and source."""

        unit: str
        """What the losses are measured in, where it is more than a number: nats, percent."""
        range: Range
        """Between which numbers the losses of valid rows lie; any number, where it is not said."""
        aliases: tuple[str, ...]
        """Further names."""
        spellings: tuple[str, ...]
        """How its library spells it, where losses of several libraries have the name."""
        agrees: bool  # whether those have the same mean
        traps: tuple[str, ...]
        """The facts that people stumble over."""
        results: tuple[str, ...]
        """The axes of the losses in each form, where they are not those of the samples."""
        other_orders: tuple[tuple[str, ...], ...]
        """Further orders of the inputs that are recognised where the shapes leave no doubt."""
        sample_cost: Callable[[dict[str, int]], int] | None
        """The numbers to count per sample, from the sizes of the axes, where the sizes of the
        inputs are no good measure for the size of a block."""
        mean_note: str
        """A warning that the reduction ``mean`` gives."""
        facts: dict[str, str]
        """In words, what of :data:`FACTS` is not the usual case."""
        reduction: str
        """The default reduction."""
        transform: Transform | None
        """What is applied to the mean."""
        finalize: Finalize | None
        """What makes the loss of the totals of named ``Terms.sums`` (and of ``count``, how many
        elements they are the sums of), for a loss that is no sum over samples."""
        reduce_axes: str
        """Which axes are averaged, or summed and finalized: "last", "all", or the option that lists
        them."""
        class_axis_option: str
        """The option that says which axis of the inputs is ``C``."""
        needs_all_samples: bool
        """Whether the kernel sees all samples at once."""
        predicate: InputPredicate | None
        """What is evaluated on all of an input before the first block."""
        squeeze_trailing: bool
        """Whether the first two inputs may differ by a last axis of 1, as in Keras."""
        undifferentiable: str
        """Why a loss has no useful gradient; every other one of lossctl declares it."""


DECLARED: dict[str, Loss] = {}
"""The losses of lossctl itself, by key; those of users are found where they are declared."""

FAMILIES = "lossctl.losses."
"""How the names of the modules begin that declare the losses of lossctl; then comes the family."""

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
    library: str,
    formula: str,
    source: str,
    example: str,
    **more: Unpack[Details],
) -> Callable[[Kernel], Loss]:
    """Declare a loss of lossctl; the decorated function is its kernel.

    Its family is the folder of the module that declares it. ``library`` is whose definition it
    is. ``example`` is what follows ``lossctl compute KEY`` in a command that runs on
    ``sample_data/``. The rest is said of :class:`Details`.
    """

    def declare(kernel: Kernel) -> Loss:
        if not kernel.__module__.startswith(FAMILIES):
            raise ValueError(f"{key!r} is not declared by lossctl: use lossctl.loss")
        if not library:
            raise ValueError(f"{key!r} does not say whose definition it is: library=..")
        if "range" not in more:
            raise ValueError(f"{key!r} does not say in which range its losses are: range=..")
        if key in DECLARED:
            raise ValueError(f"loss {key!r} is declared twice")
        family = kernel.__module__.removeprefix(FAMILIES).partition(".")[0]
        DECLARED[key] = declared = Loss(
            key=key,
            family=family,
            inputs=tuple(inputs),
            kernel=kernel,
            source=source,
            formula=formula,
            example=example,
            library=library,
            **more,
        )
        return declared

    return declare
