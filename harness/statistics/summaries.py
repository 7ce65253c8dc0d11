"""Numbers that can be defended: floats in, floats out.

Uncertainty is over items, or over clusters of items where items share something (the questions about one Qasper
paper); never over the judge's repeats, which are averaged within an item first.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import numpy as np

__all__ = [
    "Interval",
    "auc",
    "bootstrap_interval",
    "correlation",
    "is_settled",
    "length_controlled_difference",
    "mean",
    "paired_difference",
    "standard_error",
    "variance_components",
]

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
    None with fewer than two clusters: one cluster shows nothing of the spread.
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


def length_controlled_difference(
    values: Sequence[float], baseline: Sequence[float], words: Sequence[float], baseline_words: Sequence[float]
) -> float | None:
    """The paired difference that a least-squares line predicts for two answers of one length.

    d_i = a + b · tanh((w_i - w'_i) / s) with s the root mean square of the differences in words; a is returned. The
    idea and the tanh are those of length-controlled AlpacaEval (Dubois et al. 2024, arXiv:2404.04475), which fits a
    logistic model to preferences; scores have a line. The plain difference where no lengths differ. None with fewer
    than three items, and where one model is the longer one nearly always: a line means nothing outside of what it was
    fitted to, so at least a tenth of the items must have the shorter answer on either side."""
    differences = np.subtract(values, baseline)
    longer = np.subtract(words, baseline_words)
    if len(differences) < 3:
        return None
    scale = float(np.sqrt(np.mean(np.square(longer))))
    if scale == 0.0:
        return float(differences.mean())
    least = min(float(np.mean(longer <= 0)), float(np.mean(longer >= 0)))
    if least < 0.1:
        return None
    (_, intercept) = np.polyfit(np.tanh(longer / scale), differences, 1)
    return float(intercept)


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Probability that a positive's score is above a negative's, ties counting half (Mann-Whitney U / (n·m)). None
    where one of the two is missing."""
    from scipy.stats import rankdata

    positive = np.asarray(labels, dtype=bool)
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return None
    ranks = rankdata(np.asarray(scores, dtype=np.float64))
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def correlation(left: Sequence[float], right: Sequence[float], kind: Literal["pearson", "spearman"]) -> float | None:
    """None with fewer than three pairs, or where one side does not vary."""
    from scipy.stats import rankdata

    a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    if kind == "spearman":
        a, b = rankdata(a), rankdata(b)
    return float(np.corrcoef(a, b)[0, 1])


def variance_components(groups: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """(variance between groups, variance within them), by the one-way random-effects analysis of variance for groups of
    unequal size (Searle 1971): within = MSW, between = max(0, (MSB - MSW) / n0). None where it cannot be estimated."""
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    count, total = len(groups), float(sizes.sum())
    if count < 2:
        return None, None
    means = np.array([np.mean(group) for group in groups])
    grand = float((sizes * means).sum() / total)
    between = float((sizes * (means - grand) ** 2).sum()) / (count - 1)
    if total == count:  # one value each: the two cannot be separated
        return between, None
    squares = math.fsum(math.fsum((v - m) ** 2 for v in group) for group, m in zip(groups, means, strict=True))
    within = squares / (total - count)
    typical = (total - float((sizes**2).sum()) / total) / (count - 1)
    return max(0.0, (between - within) / typical), within


def is_settled(differences: Sequence[Sequence[float]], repeats: int, error: float, looks: int) -> bool:
    """Whether the sign of the mean difference after all `repeats` is as good as known after those so far.

    `differences` holds, for each item, the difference of two models' scores in each repeat done so far (k of them). The
    mean over the rest is predicted to lie around the mean so far, D, with the judge's own variance: the final mean is
    D + e with var(e) = (1 - k/n)² · v · (1/k + 1/(n - k)) / items, v being the pooled variance of repeats within items
    (so var(e) = v · (1/k - 1/n) / items). Settled when the sign of D + e differs from D's with a probability under
    `error`, shared out over `looks` (Bonferroni), by the t distribution.

    It is about the sign. The mean at the stop is of the same scores, fewer of them, but it was stopped at because it
    was large: as an estimate of the difference it is too large by some tenths of it."""
    from scipy.stats import t

    done = {len(row) for row in differences}
    if len(done) != 1 or not differences:
        raise ValueError("every item needs the same number of repeats")
    (k,) = done
    if k >= repeats:
        return True
    if k < 2:
        return False  # one repeat shows nothing of how much repeats vary
    _, within = variance_components(differences)
    average = math.fsum(math.fsum(row) for row in differences) / (k * len(differences))
    if not within:
        return average != 0.0
    spread = math.sqrt(within * (1 / k - 1 / repeats) / len(differences))
    freedom = len(differences) * (k - 1)
    return float(t.sf(abs(average) / spread, freedom)) < error / max(1, looks)
