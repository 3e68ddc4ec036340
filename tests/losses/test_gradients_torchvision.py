"""Gradients against PyTorch's autograd of torchvision's formulas, and of torchvision itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case
from tests.losses.golden_values import load_golden
from tests.losses.gradients import differentiate, disagreements
from tests.losses.matrix import keys_of, reductions
from tests.losses.references.references import find_reference
from tests.losses.references.torchvision_reference import apply_formula

torch = pytest.importorskip("torch")
KEYS = keys_of("torchvision")
SHOWN = 20


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_the_formulas(key: str) -> None:
    wrong: list[str] = []
    compared = 0
    for golden in load_golden(key):
        case = golden.case
        for reduction in reductions(key, case):
            if reduction != "none" and case.inputs[0].size:
                losses, leaf = evaluate(key, case)
                expected = backward(losses, leaf, reduction)
                actual = differentiate(key, case, reduction)
                wrong += disagreements(f"{key} [{case.id}] {reduction}", actual, expected)
                compared += 1
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:SHOWN]])
    assert compared > 5


@pytest.mark.parametrize("key", KEYS)
def test_the_formulas_have_the_gradient_of_torchvision(key: str) -> None:
    pytest.importorskip("torchvision.ops")
    ask = find_reference(key).find()
    for golden in load_golden(key):
        case = golden.case
        if not case.inputs[0].size:
            continue
        leaf, target = convert(case)
        losses = ask(leaf, target, reduction="none", **case.options)
        theirs = backward(losses, leaf, "sum")
        ours = backward(*evaluate(key, case), "sum")
        np.testing.assert_allclose(ours["input"], theirs["input"], rtol=1e-12, atol=1e-15)


def convert(case: Case) -> tuple[Any, Any]:
    """Return the inputs as tensors, the predictions with a gradient."""
    leaf, target = (torch.from_numpy(array.astype(np.float64)) for array in case.inputs)
    return leaf.requires_grad_(), target


def evaluate(key: str, case: Case) -> tuple[Any, Any]:
    """Return the losses by the formulas, and the predictions that they were made of."""
    leaf, target = convert(case)
    more = {"hold": torch.Tensor.detach} if key == "ciou" else {}
    return apply_formula(key, [leaf, target], **case.options, xp=torch, **more), leaf


def backward(losses: Any, leaf: Any, reduction: str) -> dict[str, Array]:
    """Return the gradient of the reduced loss."""
    value = losses.sum() if reduction == "sum" else losses.mean()
    (found,) = torch.autograd.grad(value, leaf)
    return {"input": found.numpy()}
