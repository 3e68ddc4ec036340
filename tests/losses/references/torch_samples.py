"""The sample inputs with which PyTorch tests its own losses, as calls of lossctl."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lossctl.losses.core.registry import find
from tests.losses.cases.case import Array, Case

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")
pytest.importorskip("hypothesis")
op_db: list[Any] = pytest.importorskip("torch.testing._internal.common_methods_invocations").op_db
module_db: list[Any] = pytest.importorskip("torch.testing._internal.common_modules").module_db

SIGNED = {"soft_margin", "hinge_embedding", "margin_ranking", "cosine_embedding"}
"""Losses whose last input is a sign."""
UNUSED = ("distance_function", "options", "device", "dtype", "out_features", "bias")
"""Arguments of torch that choose a device, a shape or a way to compute, not a value."""


@dataclass(frozen=True)
class Sample:
    """A call of torch with its answer."""

    key: str
    case: Case
    reduction: str
    expected: Array


def list_samples() -> Iterator[Sample]:
    """Yield the samples of the functions, then those of the modules."""
    torch.manual_seed(0)
    yield from list_function_samples()
    yield from list_module_samples()


def list_function_samples() -> Iterator[Sample]:
    """Yield the samples of torch.nn.functional."""
    for info in op_db:
        name = info.name.rsplit(".", 1)[-1]
        if not info.name.startswith("nn.functional."):
            continue
        if not name.endswith(("_loss", "entropy", "entropy_with_logits", "kl_div")):
            continue
        for sample in info.sample_inputs("cpu", torch.float64, requires_grad=False):
            arguments = [sample.input, *sample.args]
            expected = quietly(info, *arguments, **sample.kwargs)
            if name == "linear_cross_entropy":
                arguments[1:] = arguments[:0:-1]
            yield make_sample(f"{info.name} {info.variant_test_name}", arguments, sample.kwargs,
                              expected)  # fmt: skip


def list_module_samples() -> Iterator[Sample]:
    """Yield the samples of the modules of torch.nn."""
    for info in module_db:
        if not info.module_cls.__name__.endswith("Loss"):
            continue
        for sample in info.module_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
        ):
            construct, forward = sample.constructor_input, sample.forward_input
            module = info.module_cls(*construct.args, **construct.kwargs)
            expected = quietly(module, *forward.args, **forward.kwargs)
            arguments, options = list(forward.args), dict(construct.kwargs)
            if isinstance(module, torch.nn.LinearCrossEntropyLoss):
                shape = (module.num_classes, *module.out_features)
                arguments.append(module.linear.weight.reshape(*shape, -1))
                if module.linear.bias is not None:
                    options["linear_bias"] = module.linear.bias.reshape(shape)
            yield make_sample(info.module_cls.__name__, arguments, options, expected)


def quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call torch without its warnings (of deprecations, and of ways to compute not taken)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def make_sample(
    name: str, arguments: list[Any], options: Mapping[str, Any], expected: Any
) -> Sample:
    """Translate a call of torch."""
    key = find(name.split(" ", 1)[0]).key
    inputs = tuple(as_array(value) for value in arguments)
    kept = {
        option: value.detach().numpy() if isinstance(value, torch.Tensor) else value
        for option, value in options.items()
        if option not in UNUSED and option != "reduction" and value is not None
    }
    shapes = "-".join(str(array.shape) for array in inputs)
    reduction = str(options.get("reduction", "mean"))
    case = Case(f"{name} {shapes} {sorted(kept)}", inputs, kept)
    return Sample(key, case, reduction, expected.detach().numpy())


def as_array(value: Any) -> Array:
    """Return a tensor, a list of lengths or a number as an array."""
    return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def refusal(sample: Sample) -> str | None:
    """Say why lossctl does not take a call that torch takes, or return None if it does."""
    key, inputs = sample.key, sample.case.inputs
    if key in SIGNED and not np.isin(inputs[-1], (-1, 1)).all():
        return "targets that are not signs"
    if key in ("bce", "bce_with_logits") and ((inputs[1] < 0) | (inputs[1] > 1)).any():
        return "labels outside [0, 1]"
    if key == "gaussian_nll" and inputs[0].shape != inputs[1].shape:
        return "targets that torch broadcasts"
    return None
