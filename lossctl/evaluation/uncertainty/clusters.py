"""Cluster-robust standard errors: rows of one cluster may depend on each other.

The sums of each cluster take the place of the rows in the variance of a ratio of sums: Σ over
clusters of (Σ in the cluster of the rows' influences)², times m / (m - 1) for m clusters. Liang
and Zeger 1986, doi:10.1093/biomet/73.1.13.
"""

from __future__ import annotations

from lossctl.evaluation.uncertainty.estimands import Estimand, Floats, Integers
from lossctl.evaluation.uncertainty.keyed_sums import Entries
from lossctl.evaluation.uncertainty.moments import Moments


def measure(
    entries: Entries, estimand: Estimand, slices: int = 1
) -> tuple[Floats, Floats, Integers]:
    """Return value, standard error and degrees of freedom (clusters less 1) of each slice."""
    terms = estimand.terms(entries.columns)
    moments = Moments(len(terms))
    moments.add(terms, entries.slices)
    return moments.measure(estimand, slices)
