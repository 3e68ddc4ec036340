"""How large the terms of a loss are where one is taken from another: what losses share.

Each loss says in its test file how large its terms are (``@largest_term``). The references cancel
in the following places, where lossctl may keep digits that they lose:

- ``ce``, ``linear_ce``, ``bce_with_logits``: torch subtracts the target's logit from a
  log-sum-exp, so that a confident right answer with a loss of 1e-17 is 0 or noise of the size of
  the logits' last bit. lossctl keeps such a loss; test_exactness compares it with mpmath.
- ``poisson_nll``, ``gaussian_nll``, ``kl_div``, the hinges on differences, ``cosine_embedding``
  and the triplets: differences by definition.
- ``keras.log_cosh``, ``keras.categorical_generalized_cross_entropy`` near 0, and
  ``keras.binary_focal_crossentropy`` of logits, where Keras subtracts a probability from 1.
- ``keras.circle``: PyTorch's softplus is its argument from 20 on, and so off by 2e-9.
- ``ctc``: a long sum of probabilities that may come near 1, whose logarithm is then near 0.
- ``log_cosh``: optax takes log 2 from a logarithm; lossctl does not, and keeps small errors.
- ``log_loss``: scikit-learn takes the logarithm of 1 - p, which lossctl takes of p.
- The deviances, the overlaps of boxes and of maps, and the leads of classes are differences by
  definition.
- ``ntxent``: optax takes the logarithm of a sum that may be next to 1.
- ``focal``: torchvision takes the probability from 1 twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.losses.cases.case import Array


def ones(*_: Array, **__: Any) -> Array:
    """Return 1, where the terms are shares of 1."""
    return np.ones(())


def spread(x: Array, *_: Array, **__: Any) -> Array:
    """Return the size of the largest score of a sample, and at least 1."""
    return np.asarray(np.abs(x).max(axis=1 if x.ndim > 1 else 0, initial=1.0))


def finite_size(array: Array) -> Array:
    """Return absolute values, with 0 for what is not finite."""
    return np.where(np.isfinite(array), np.abs(array), 0.0)


def greatest(weight: Array | None) -> float:
    """Return the largest of the weights, 1 without any."""
    return 1.0 if weight is None else float(np.max(weight, initial=1.0))
