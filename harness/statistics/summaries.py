"""Summaries of many numbers.

Uncertainty is over items, or over clusters of items where items share something (the questions about one Qasper
paper); never over the judge's repeats, which are averaged within an item first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

__all__ = ["auc", "correlation", "is_settled", "mean", "variance_components"]


def mean(values: Sequence[float]) -> float | None:
    """The arithmetic mean, or None of nothing. Compensated summation, so the order of items does not matter."""
    return math.fsum(values) / len(values) if values else None


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
