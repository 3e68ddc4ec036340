"""Which of many differences are real: control of the false-discovery rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossctl.evaluation.uncertainty.estimands import Floats


def control(p_values: Sequence[float] | Floats) -> Floats:
    """Return the q-values of p-values; NaN (no test) stays NaN and does not count.

    Those at or below a share are discoveries of which that share is false, at most, on average.
    Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.

    >>> control([0.01, 0.5, 0.02]).tolist()
    [0.03, 0.5, 0.03]
    """
    p = np.asarray(p_values, np.float64)
    q = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * tested.size / np.arange(1, tested.size + 1)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.asarray(np.minimum(q, 1), np.float64)
