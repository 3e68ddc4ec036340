"""Cluster-robust standard errors: rows of one cluster may depend on each other.

The sums of each cluster take the place of the rows in the variance of a ratio of sums: Σ over
clusters of (Σ in the cluster of the rows' influences)², times m / (m - 1) for m clusters. Liang
and Zeger 1986, doi:10.1093/biomet/73.1.13.
"""

from __future__ import annotations

from lossctl.evaluation.uncertainty.estimands import Estimand
from lossctl.evaluation.uncertainty.keyed_sums import Entries
from lossctl.evaluation.uncertainty.moments import RATIO_TERMS, Measured, Moments


def measure(entries: Entries, estimand: Estimand, slices: int = 1) -> Measured:
    """Return what the clusters of each slice say; the degrees of freedom are these less 1."""
    terms = estimand.terms(entries.columns)
    moments = Moments(len(terms), third=len(terms) == RATIO_TERMS)
    moments.add(terms, entries.slices)
    return moments.measure(estimand, slices)
