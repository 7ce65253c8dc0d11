"""Sums by cluster, and the standard error of their mean.

The mean over all items is the ratio of two sums over clusters, Σ S_g / Σ n_g. Its variance is estimated from
e_g = S_g - n_g · mean, the sum of deviations within cluster g, with the small-sample correction CR2 of Bell and
McCaffrey (2002), which for a mean is a factor 1 / (1 - n_g/N) on e_g²; its degrees of freedom are Satterthwaite's
(Imbens and Kolesár 2016, section 4). Where every cluster has the same size both are what everyone knows: a factor
G/(G-1), and G - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Clusters", "Error", "by_cluster", "clusters_apart", "error_of_mean", "numbered", "standard_error"]

Clusters = Sequence[Hashable] | np.ndarray
"""The cluster of each item, by name or by number."""


class Error(NamedTuple):
    """A mean over all items, its standard error, and the degrees of freedom of that."""

    mean: float
    standard_error: float
    freedom: float


def by_cluster(values: Sequence[float], clusters: Clusters) -> tuple[np.ndarray, np.ndarray]:
    """(sums, sizes) of the clusters, in order of first appearance; both float64 (clusters,)."""
    index = numbered(clusters)
    count = int(index.max()) + 1 if len(index) else 0
    return (
        np.bincount(index, weights=np.asarray(values, dtype=np.float64), minlength=count),
        np.bincount(index, minlength=count).astype(np.float64),
    )


def numbered(clusters: Clusters) -> np.ndarray:
    """Clusters by number, in order of first appearance. What numbers clusters for many measures passes these on."""
    if isinstance(clusters, np.ndarray):
        _, first, positions = np.unique(clusters, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.intp)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[positions]
    position: dict[Hashable, int] = {}
    return np.array([position.setdefault(cluster, len(position)) for cluster in clusters], dtype=np.intp)


def clusters_apart(values: Sequence[float], clusters: Clusters) -> int:
    """How many clusters hold a value other than the most common one: what an interval can learn the spread from. Of
    values that are equally common, the one that leaves the fewest."""
    distinct, codes, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    held = np.unique(numbered(clusters) * len(distinct) + codes)  # each value of a cluster once
    of_cluster = np.bincount(held // len(distinct))
    alone = of_cluster[held // len(distinct)] == 1
    hold_only = np.bincount(held[alone] % len(distinct), minlength=len(distinct))
    return len(of_cluster) - int(hold_only[counts == counts.max()].max())


def error_of_mean(sums: np.ndarray, sizes: np.ndarray) -> Error | None:
    """None with fewer than two clusters: one cluster shows nothing of the spread."""
    if len(sums) < 2:
        return None
    total = float(sizes.sum())
    shares = sizes / total
    mean = float(sums.sum()) / total
    weights = 1 / (1 - shares) / total**2
    variance = float((weights * np.square(sums - sizes * mean)).sum())
    return Error(mean, math.sqrt(variance), _satterthwaite(weights, shares, sizes))


def _satterthwaite(weights: np.ndarray, shares: np.ndarray, variances: np.ndarray) -> float:
    """Degrees of freedom of Σ w_g e_g², where the sums S_g are independent with these variances.

    e = (I - s 1') S has the covariance B = diag(v) - s v' - v s' + (Σ v) s s', and the degrees of freedom are
    tr(WB)² / tr(WBWB); with B = diag(v) + U K U', U = [s v], no matrix of clusters × clusters is needed."""
    whole = float(variances.sum())
    sides = np.stack([shares, variances], axis=1)
    core = np.array([[whole, -1.0], [-1.0, 0.0]])
    trace = float((weights * (variances - 2 * shares * variances + whole * shares**2)).sum())
    once = (sides * weights[:, None]).T @ sides
    twice = (sides * (weights**2 * variances)[:, None]).T @ sides
    squared = (
        float((weights**2 * variances**2).sum()) + 2 * np.trace(twice @ core) + np.trace(core @ once @ core @ once)
    )
    return trace**2 / float(squared)


def standard_error(values: Sequence[float], clusters: Clusters) -> float | None:
    """Cluster-robust standard error of the mean (CR2); the ordinary s/√n where every item is its own cluster. None with
    fewer than two clusters."""
    error = error_of_mean(*by_cluster(values, clusters))
    return None if error is None else error.standard_error
