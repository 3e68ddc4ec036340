"""What torch answers, in float64, to a call of one of the losses of torch.nn.

The distances of ``triplet_margin_with_distance`` are callables in torch and names here:

- ``euclidean`` is torch's default, ``torch.pairwise_distance``: (Σ |a - b + eps|²)^½ with an
  eps of 1e-6 inside the difference;
- ``cosine`` is 1 - ``torch.nn.functional.cosine_similarity``, whose eps of 1e-8 is the least
  length that a vector is taken to have;
- ``manhattan`` is Σ |a - b|, ``chebyshev`` max |a - b|, ``squared_euclidean`` Σ (a - b)²: the
  plain definitions, without an eps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.losses.cases.case import Array, Case

torch = pytest.importorskip("torch")
NAME = "torch"
VERSION: str = torch.__version__

F = torch.nn.functional
Tensor = Any

torch.set_num_threads(1)  # the arrays are small, and two pools of threads would wait for each other

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "euclidean": torch.pairwise_distance,
    "cosine": lambda a, b: 1 - F.cosine_similarity(a, b, dim=-1),
    "manhattan": lambda a, b: (a - b).abs().sum(-1),
    "chebyshev": lambda a, b: (a - b).abs().amax(-1),
    "squared_euclidean": lambda a, b: ((a - b) ** 2).sum(-1),
}

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    "smooth_l1": F.smooth_l1_loss,
    "huber": F.huber_loss,
    "bce": F.binary_cross_entropy,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
    "nll": F.nll_loss,
    "ce": F.cross_entropy,
    "linear_ce": lambda features, target, linear_weight, **options: F.linear_cross_entropy(
        features, linear_weight, target, **options
    ),
    "poisson_nll": F.poisson_nll_loss,
    "gaussian_nll": F.gaussian_nll_loss,
    "kl_div": F.kl_div,
    "margin_ranking": F.margin_ranking_loss,
    "hinge_embedding": F.hinge_embedding_loss,
    "soft_margin": F.soft_margin_loss,
    "multi_margin": F.multi_margin_loss,
    "multilabel_margin": F.multilabel_margin_loss,
    "multilabel_soft_margin": F.multilabel_soft_margin_loss,
    "cosine_embedding": F.cosine_embedding_loss,
    "triplet_margin": F.triplet_margin_loss,
    "triplet_margin_with_distance": F.triplet_margin_with_distance_loss,
    "ctc": F.ctc_loss,
}

CLASS_INPUTS = {"nll", "ce", "linear_ce", "multi_margin", "multilabel_margin"}
"""The losses whose second input holds class indices if its dtype is an integer."""


def answer(key: str, case: Case, reduction: str) -> Array:
    """Return torch's answer to the case as a float64 array."""
    inputs = [convert(array) for array in case.inputs]
    if key in CLASS_INPUTS and case.inputs[1].dtype.kind in "iu":
        inputs[1] = torch.from_numpy(np.array(case.inputs[1], dtype=np.int64))
    if key == "ctc":
        inputs[1:] = [torch.from_numpy(np.array(array, np.int64)) for array in case.inputs[1:]]
    arguments: list[Any] = list(inputs)
    if key == "gaussian_nll" and not case.inputs[2].shape:
        arguments[2] = float(case.inputs[2])
    options = convert_options(case.options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(FUNCTIONS[key](*arguments, reduction=reduction, **options))


def convert(array: Array) -> Tensor:
    """Return the array as a float64 tensor."""
    return torch.from_numpy(np.array(array, dtype=np.float64))


def convert_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as torch takes them: tensors for arrays, a callable for a distance."""
    converted = {
        name: convert(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
        if name != "distance"
    }
    if "distance" in options:
        converted["distance_function"] = DISTANCES[options["distance"]]
    return converted
