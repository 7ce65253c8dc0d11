"""A judge's difference, corrected by people's labels of some answers: prediction-powered inference.

PPI++ (Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453) for the mean of paired differences, clustered. With H the
difference of people's labels of an item's two answers, known for some items, and D the judge's, known for all,

    estimate = λ · mean over the others (D) + mean over the labelled (H - λ D)

is the mean of H whatever the judge is worth: a judge that knows nothing gets λ = 0, and the labels alone are left. λ is
chosen to make the variance smallest, λ = Cov(H, D) / (Var(D) · (1 + labelled/others)), and is not below 0. It is not
kept below 1, as it is where judge and labels share a scale: it also carries the judge's unit into the labels'.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from harness.statistics.bounds import Interval
from harness.statistics.clusters import by_cluster, error_of_mean
from harness.statistics.intervals import LEVEL, can_be_told

__all__ = ["Corrected", "corrected_difference", "transport_gap"]


class Corrected(NamedTuple):
    """`estimate` and `interval` are of the difference in people's labels, in their unit. `weight` is λ. The last two
    are what the labels alone give."""

    estimate: float
    interval: Interval
    weight: float
    labels_alone: float
    labels_alone_interval: Interval


def corrected_difference(
    judged: Sequence[float], labelled: Sequence[float | None], clusters: Sequence[Hashable], level: float = LEVEL
) -> Corrected | None:
    """`judged`: the judge's difference of every item; `labelled`: people's, None where there is none. The labelled must
    be drawn from the items at random. None with fewer than five clusters of labelled items, or where fewer than four of
    them hold a label other than the most common one: ten labels that are all 0 would be an interval without width.

    Clusters are counted whole: the variance of either mean is the clustered one, and where a cluster has items of both
    kinds their covariance is counted too."""
    from scipy.special import stdtrit

    judge = np.asarray(judged, dtype=np.float64)
    known = np.array([value is not None for value in labelled], dtype=bool)
    human = np.array([value for value in labelled if value is not None], dtype=np.float64)
    labels = int(known.sum())
    others = len(judge) - labels
    here = [cluster for cluster, is_known in zip(clusters, known, strict=True) if is_known]
    if not can_be_told(list(human), here):
        return None
    weight = _weight(human, judge, known, others)
    # what each item adds to the estimate, in units of the labelled mean
    influence = np.zeros(len(judge))
    corrected = human - weight * judge[known]
    influence[known] = (corrected - corrected.mean()) / labels
    estimate = float(corrected.mean())
    if others:
        rest = judge[~known]
        influence[~known] = weight * (rest - rest.mean()) / others
        estimate += weight * float(rest.mean())
    sums, _ = by_cluster(list(influence), clusters)
    groups = len(set(here))
    spread = math.sqrt(groups / (groups - 1) * float((sums**2).sum()))
    half = float(stdtrit(groups - 1.0, (1 + level) / 2)) * spread
    alone = error_of_mean(*by_cluster(list(human), here))
    assert alone is not None, "there are five clusters or more"
    alone_half = float(stdtrit(alone.freedom, (1 + level) / 2)) * alone.standard_error
    return Corrected(
        estimate,
        Interval(estimate - half, estimate + half),
        weight,
        alone.mean,
        Interval(alone.mean - alone_half, alone.mean + alone_half),
    )


def _weight(human: np.ndarray, judge: np.ndarray, known: np.ndarray, others: int) -> float:
    spread = float(np.var(judge, ddof=1))
    if others == 0 or spread == 0.0:
        return 0.0
    covariance = float(np.cov(human, judge[known], ddof=1)[0, 1])
    return max(0.0, covariance / (spread * (1 + len(human) / others)))


def transport_gap(
    human: Sequence[tuple[float, float]], judge: Sequence[tuple[float, float]], clusters: Sequence[Hashable]
) -> tuple[float, float] | None:
    """(gap, p): by how much more the judge errs in favour of the second model's answers than of the first's, in the
    labels' unit, and the p of its being 0.

    Pairs are of the first and the second model's answers to one item. The judge's scores are put on the labels' scale
    by the least-squares line over all labelled answers; the gap is the mean of what that leaves of the second's less
    what it leaves of the first's. None with fewer than five clusters. It tests whether an error that was measured on
    one model's answers may be carried over to the other's."""
    from scipy.special import stdtr

    labels, scores = np.asarray(human, dtype=np.float64), np.asarray(judge, dtype=np.float64)
    if len(set(clusters)) < 5:
        return None
    slope, intercept = 0.0, float(labels.mean())
    if np.ptp(scores) > 0:
        slope, intercept = (float(x) for x in np.polyfit(scores.ravel(), labels.ravel(), 1))
    errors = slope * scores + intercept - labels
    error = error_of_mean(*by_cluster(list(errors[:, 1] - errors[:, 0]), clusters))
    assert error is not None, "there are five clusters or more"
    rounding = 1e-12 * float(np.abs(labels).max())
    if error.standard_error <= rounding:
        return error.mean, 1.0 if abs(error.mean) <= rounding else 0.0
    return error.mean, 2 * float(stdtr(error.freedom, -abs(error.mean) / error.standard_error))
