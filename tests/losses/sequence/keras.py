"""The sequence losses of Keras, as the tests know them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.losses.cases.case import Array, Case, Draw
from tests.losses.declare import cases, recomputed, reference, without_definition


@reference("keras.ctc", "keras.losses.ctc")
def ctc_of_integers(theirs: Any, y_true: Array, y_pred: Any) -> Any:
    """Keras's class gives PyTorch labels in float64, which it refuses; the function does not."""
    return theirs(y_true.astype(np.int64), y_pred)


without_definition("keras.ctc", "its recursion is tested in tests/losses/test_ctc.py")


@cases("keras.ctc")
def ctc_cases(draw: Draw) -> Iterator[Case]:
    """Yield the cases of ctc: few and many labels, repeated ones, none at all."""
    for steps, classes, most in ((6, 4, 3), (9, 3, 4), (1, 3, 1), (5, 5, 5)):
        for batch in (1, 3):
            labels = draw.integers(classes - 1, (batch, most)) + 1
            lengths = draw.integers(min(most, steps // 2) + 1, (batch, 1))
            padded = np.where(np.arange(most) < lengths, labels, 0)
            scores = draw.normal((batch, steps, classes), 3.0)
            yield Case(f"{batch}x{steps}x{classes}-{most}", (scores, padded))
            floats = (scores.astype(np.float32), padded.astype(np.int32))
            yield Case(f"{batch}x{steps}x{classes}-{most}-float32", floats)
    repeated = np.array([[1, 1, 2], [2, 2, 2], [1, 2, 1]])
    yield Case("repeated", (draw.normal((3, 6, 3)), repeated))
    yield Case("impossible", (draw.normal((3, 4, 3)), repeated))


recomputed(
    {
        ("frames", "T, all time steps"): lambda s: len(s.x[0]),
    }
)
