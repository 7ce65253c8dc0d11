"""Numbers that can be defended: floats in, floats out.

Uncertainty is over items, or over clusters of items where items share something (the questions about one Qasper
paper); never over the judge's repeats, which are averaged within an item first.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Interval", "bootstrap_interval", "mean", "paired_difference", "standard_error"]

RESAMPLES = 9_999
LEVEL = 0.95


class Interval(NamedTuple):
    low: float
    high: float


def mean(values: Sequence[float]) -> float | None:
    """The arithmetic mean, or None of nothing. Compensated summation, so the order of items does not matter."""
    return math.fsum(values) / len(values) if values else None


def _by_cluster(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of values and number of items of each cluster, in order of first appearance."""
    position: dict[Hashable, int] = {}
    index = np.array([position.setdefault(cluster, len(position)) for cluster in clusters], dtype=np.intp)
    return (
        np.bincount(index, weights=np.asarray(values, dtype=np.float64), minlength=len(position)),
        np.bincount(index, minlength=len(position)).astype(np.float64),
    )


def standard_error(values: Sequence[float], clusters: Sequence[Hashable]) -> float | None:
    """Cluster-robust standard error of the mean; the ordinary s/√n where every item is its own cluster.

    With G clusters and e_g the sum of deviations from the mean in cluster g: √(G/(G-1) · Σ e_g²) / n
    (Miller 2024, "Adding Error Bars to Evals", arXiv:2411.00640, with the usual G/(G-1) small-sample factor).
    None with fewer than two clusters: one cluster says nothing about spread.
    """
    sums, sizes = _by_cluster(values, clusters)
    groups, total = len(sums), float(sizes.sum())
    if groups < 2:
        return None
    deviations = sums - sizes * (sums.sum() / total)
    return float(math.sqrt(groups / (groups - 1) * float(np.square(deviations).sum())) / total)


def bootstrap_interval(values: Sequence[float], clusters: Sequence[Hashable], seed: int = 0) -> Interval | None:
    """95 % percentile bootstrap interval of the mean, resampling whole clusters (9,999 resamples, seeded).

    The statistic is the ratio Σ sums / Σ sizes over the resampled clusters, so clusters of unequal size keep their
    weight. None with fewer than two clusters. The computation is `scipy.stats.bootstrap`'s.
    """
    from scipy.stats import bootstrap

    sums, sizes = _by_cluster(values, clusters)
    if len(sums) < 2:
        return None
    if np.all(sums / sizes == sums[0] / sizes[0]):  # no spread: scipy would warn of a degenerate distribution
        return Interval(float(sums[0] / sizes[0]), float(sums[0] / sizes[0]))
    result = bootstrap(
        (sums, sizes),
        lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, 4_000_000 // len(sums)),  # bounds the resample matrix at about 32 MB a statistic
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Interval(float(result.confidence_interval.low), float(result.confidence_interval.high))


def paired_difference(
    values: Sequence[float], baseline: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[float, Interval | None]:
    """Mean of value - baseline over the same items, with its clustered bootstrap interval.

    Raises `ValueError` when there is nothing to pair or the lengths differ."""
    differences = [a - b for a, b in zip(values, baseline, strict=True)]
    if not differences:
        raise ValueError("no items to pair")
    return math.fsum(differences) / len(differences), bootstrap_interval(differences, clusters)
