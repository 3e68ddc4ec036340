"""The small good files that commands run on, and the exit codes of what goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

USAGE, DATA, FILE = 2, 3, 4
LOGITS = np.array([[0.2, 1.5, -0.3], [2.0, 0.1, 0.4], [-1.0, 0.0, 1.0], [0.3, 0.2, 0.1]])
LABELS = np.array([1, 0, 2, 2])
VALUES = np.array([0.5, -1.25, 2.0, 0.75])
PREDICTED, TRUE = np.array([0.5, -1.25, 2.0, 0.75]), np.array([1.0, -1.0, 0.0, 0.1])
ERRORS = (PREDICTED - TRUE) ** 2
GOOD = {
    "logits": LOGITS,
    "labels": LABELS,
    "v": VALUES,
    "w": VALUES * 2,
    "p": PREDICTED,
    "y": TRUE,
}
FORMATS = ("npy", "npz", "csv", "parquet")
Refuse = Callable[..., str]
