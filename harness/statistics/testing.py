"""Whether a difference is there, whether it is too small to matter, and what so many items could have shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from itertools import product

import numpy as np

from harness.statistics.bounds import Bounds, Interval
from harness.statistics.clusters import by_cluster, error_of_mean
from harness.statistics.intervals import difference_interval

__all__ = [
    "detectable_difference",
    "difference_p_value",
    "equivalence_p_value",
    "holm",
    "interval_p_value",
    "items_needed",
    "sign_flip_p_value",
    "sign_flips",
]

FLIPS = 9_999
EXACT_UP_TO = 13
"""Clusters: all 2^13 flips are fewer than the random ones."""


def sign_flips(clusters: int, seed: int = 0) -> np.ndarray:
    """Signs of ±1, float32 (flips, clusters), the first row without a flip: all of them up to 13 clusters, else 9,999
    random ones, which depend on the seed and on the number of clusters alone."""
    if clusters <= EXACT_UP_TO:
        return np.array(list(product((1.0, -1.0), repeat=clusters)), dtype=np.float32)
    random = np.random.default_rng(seed).integers(0, 2, (FLIPS, clusters), dtype=np.int8)
    return np.concatenate([np.ones((1, clusters), np.float32), (2 * random - 1).astype(np.float32)])


def t_statistics(sums: np.ndarray, sizes: np.ndarray, flips: np.ndarray) -> np.ndarray:
    """Mean / standard error (CR2) of the differences for each flip of whole clusters; float64 (flips,). A mean without
    any spread is infinite, and one of 0 is 0."""
    total = float(sizes.sum())
    weights = 1 / (1 - sizes / total)
    means = flips @ sums / total
    squares = float((weights * sums**2).sum()) + means**2 * float((weights * sizes**2).sum())
    variances = (squares - 2 * means * (flips @ (weights * sizes * sums))) / total**2
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = means / np.sqrt(np.maximum(variances, 0.0))
    statistics[np.isclose(means, 0.0, atol=1e-12)] = 0.0
    return np.asarray(statistics, dtype=np.float64)


def sign_flip_p_value(differences: Sequence[float], clusters: Sequence[Hashable], seed: int = 0) -> float | None:
    """Two-sided p of the paired, clustered permutation test that two models are alike.

    If they are, either answer of a pair could have been the other model's; whole clusters are exchanged, since their
    items hang together. The statistic is the studentised mean, so the test also holds, for many clusters, where the
    means are equal but the distributions are not (Janssen 1997; Chung and Romano 2013). All exchanges are tried up to
    13 clusters, else 9,999 random ones with this seed, the observed one counted among them. None with fewer than two
    clusters; 1.0 where all differences are 0."""
    sums, sizes = by_cluster(differences, clusters)
    if len(sums) < 2:
        return None
    if not sums.any():
        return 1.0
    statistics = np.abs(t_statistics(sums, sizes, sign_flips(len(sums), seed)))
    return float(np.mean(statistics >= statistics[0] * (1 - 1e-9)))


def difference_p_value(
    differences: Sequence[float], clusters: Sequence[Hashable], bounds: Bounds | None, seed: int = 0
) -> float | None:
    """p of there being no difference, by which verdicts are given: the larger of the permutation test's and of the
    interval's.

    The permutation test is exact where the models are alike, and wrong too often where only their means are equal, one
    of them is skewed and there are few clusters; the interval allows for skewness. So a verdict never contradicts the
    interval beside it. None where there is no interval."""
    by_interval = interval_p_value(differences, clusters, bounds)
    exchanged = sign_flip_p_value(differences, clusters, seed)
    return None if by_interval is None or exchanged is None else max(by_interval, exchanged)


def interval_p_value(differences: Sequence[float], clusters: Sequence[Hashable], bounds: Bounds | None) -> float | None:
    """The smallest α for which the interval of level 1 - α leaves 0 out; None where there is no interval."""
    if difference_interval(differences, clusters, bounds) is None:
        return None

    def leaves_out(alpha: float) -> bool:
        return excludes(difference_interval(differences, clusters, bounds, 1 - alpha), 0.0)

    return _smallest(leaves_out, 1e-9, 1 - 1e-9)


def _smallest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The smallest α between the two for which it holds, to a millionth; `high` where it holds for none."""
    if not holds(high):
        return high
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in their order (Holm 1979): rejecting those at or below α wrongly rejects any with a
    probability of at most α, however the tests depend on each other."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def equivalence_p_value(
    differences: Sequence[float], clusters: Sequence[Hashable], bounds: Bounds | None, margin: float
) -> float | None:
    """p of two one-sided tests that the difference is at least as large as the margin: the smallest α for which the
    interval of level 1 - 2α lies within ±margin (Schuirmann 1987). At 0.05 that is the 90 % interval. None where there
    is no interval; 0.5 where the difference itself is not within the margin."""

    if difference_interval(differences, clusters, bounds) is None:
        return None

    def inside(alpha: float) -> bool:
        interval = difference_interval(differences, clusters, bounds, 1 - 2 * alpha)
        return interval is not None and -margin < interval.low and interval.high < margin

    largest = 0.5 - 1e-9
    return _smallest(inside, 1e-9, largest) if inside(largest) else 0.5


def detectable_difference(
    differences: Sequence[float], clusters: Sequence[Hashable], alpha: float = 0.05
) -> float | None:
    """The difference that a two-sided test at α finds with a power of 80 % in so many items of this spread: at 0.05
    (t₀.₉₇₅ + t₀.₈) · standard error. None with fewer than two clusters."""
    from scipy.special import stdtrit

    error = error_of_mean(*by_cluster(differences, clusters))
    if error is None:
        return None
    return float(stdtrit(error.freedom, 1 - alpha / 2) + stdtrit(error.freedom, 0.8)) * error.standard_error


def items_needed(
    differences: Sequence[float], clusters: Sequence[Hashable], margin: float, alpha: float = 0.05
) -> int | None:
    """How many items of this spread, in clusters of this size, decide one way or the other with a power of 80 % each: a
    difference of `margin` is found at α, or, where there is none, shown to be smaller. By the normal distribution.
    More than there are, always: where these should have been enough, the difference is between 0 and the margin, and
    the number is that which tells it from the further of the two. None with fewer than two clusters."""
    from scipy.special import ndtri

    error = error_of_mean(*by_cluster(differences, clusters))
    if error is None:
        return None
    items = len(differences)
    both = max(float(ndtri(1 - alpha / 2) + ndtri(0.8)), float(ndtri(1 - alpha) + ndtri(0.9)))
    needed = items * (both * error.standard_error / margin) ** 2
    if needed <= items:
        distance = max(abs(error.mean), margin - abs(error.mean))
        needed = items * (both * error.standard_error / distance) ** 2
    return max(items + 1, math.ceil(needed))


def excludes(interval: Interval | None, value: float) -> bool:
    """Whether there is an interval and the value is outside of it."""
    return interval is not None and not interval.low <= value <= interval.high
