"""Small arrays for the Python API, and what their cross entropy is."""

from __future__ import annotations

import numpy as np

from tests.support.command_line import Array

RANDOM = np.random.default_rng(7)
LOGITS = RANDOM.normal(size=(6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])
PREDICTED, TRUE = RANDOM.normal(size=6), RANDOM.normal(size=6)


def cross_entropies(logits: Array = LOGITS, labels: Array = LABELS) -> Array:
    """Return the cross entropy of each row."""
    log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -np.take_along_axis(log_softmax, labels[:, np.newaxis], axis=1)[:, 0]
