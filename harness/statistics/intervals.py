"""Intervals that hold for few items, few clusters and scores near the ends of their scale.

A percentile bootstrap covers a mean of 4.87 on a scale of 1 to 5 in 77 to 92 % of cases instead of 95, and a t interval
may leave the scale. So:

- a **mean** of a bounded measure has a t interval on the logit of (mean - low) / (high - low), by the delta method,
  with the clustered standard error and degrees of freedom of `clusters`;
- a **paired difference** has the same on its own scale of -(high - low) to high - low, which is nearly the plain t
  interval, widened at either end to the interval of Hall (1992, "On the removal of skewness by transformation",
  J. R. Statist. Soc. B 54, 221), since the differences of a model near the end of the scale are skewed;
- an **unbounded** measure (a length) has the wider of the t and of Hall's interval.

There is no interval with fewer than five clusters, or where fewer than four clusters hold a value other than the most
common one: no method holds there. docs/statistics.md has the coverage of all this, simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from harness.statistics.bounds import Bounds, Interval
from harness.statistics.clusters import Clusters, Error, by_cluster, clusters_apart, error_of_mean, numbered

__all__ = ["LEVEL", "bootstrap_interval", "difference_interval", "length_controlled_difference", "mean_interval",
           "share_interval"]  # fmt: skip

LEVEL = 0.95
FEWEST_CLUSTERS = 5
FEWEST_CLUSTERS_APART = 4
"""Clusters with a value other than the most common one."""
NO_SPREAD = 1e-12
"""A standard error below it is what floats leave over: the clusters have one mean, and their spread is not known."""


def mean_interval(
    values: Sequence[float], clusters: Clusters, bounds: Bounds | None, level: float = LEVEL
) -> Interval | None:
    """Interval of the mean of the measure over items. None: too few to tell."""
    if not can_be_told(values, clusters):
        return None
    sums, sizes = by_cluster(values, clusters)
    error = _error(sums, sizes)
    if error.standard_error < NO_SPREAD:
        return None
    if bounds is not None:
        return _logit_interval(error, bounds, level)
    return _wider(_t_interval(error, level), _hall_interval(error, sums, sizes, level))


def difference_interval(
    differences: Sequence[float], clusters: Sequence[Hashable], bounds: Bounds | None, level: float = LEVEL
) -> Interval | None:
    """Interval of the mean of paired differences of a measure with these bounds. None: too few to tell."""
    if not can_be_told(differences, clusters):
        return None
    sums, sizes = by_cluster(differences, clusters)
    error = _error(sums, sizes)
    if error.standard_error < NO_SPREAD:
        return None
    hall = _hall_interval(error, sums, sizes, level)
    if bounds is None:
        return _wider(_t_interval(error, level), hall)
    wider = _wider(_logit_interval(error, Bounds(-bounds.span, bounds.span), level), hall)
    return Interval(max(wider.low, -bounds.span), min(wider.high, bounds.span))  # Hall's may leave the scale


def can_be_told(values: Sequence[float], clusters: Clusters) -> bool:
    """Whether there are clusters enough for an interval, and enough of them apart."""
    numbers = numbered(clusters)
    enough = len(numbers) > 0 and int(numbers.max()) + 1 >= FEWEST_CLUSTERS
    return enough and clusters_apart(values, numbers) >= FEWEST_CLUSTERS_APART


def _error(sums: np.ndarray, sizes: np.ndarray) -> Error:
    error = error_of_mean(sums, sizes)
    assert error is not None, "there are five clusters or more"
    return error


def _t(error: Error, level: float) -> float:
    from scipy.special import stdtrit  # the quantile of t, without the half second that scipy.stats takes to import

    return float(stdtrit(error.freedom, (1 + level) / 2))


def _t_interval(error: Error, level: float) -> Interval:
    half = _t(error, level) * error.standard_error
    return Interval(error.mean - half, error.mean + half)


def _logit_interval(error: Error, bounds: Bounds, level: float) -> Interval:
    share = (error.mean - bounds.low) / bounds.span
    if not 0 < share < 1:  # every value is at an end, but for what floats leave over
        return Interval(error.mean, error.mean)
    half = _t(error, level) * error.standard_error / bounds.span / (share * (1 - share))
    center = math.log(share / (1 - share))
    return Interval(
        bounds.low + bounds.span * _logistic(center - half), bounds.low + bounds.span * _logistic(center + half)
    )


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _hall_interval(error: Error, sums: np.ndarray, sizes: np.ndarray, level: float) -> Interval:
    """Hall's cubic transformation of the t statistic, which takes the skewness of the clusters' deviations out of it,
    is inverted: T + a T²/3 + a² T³/27 + a/6 = ±t, with a = skewness / √clusters."""
    deviations = sums - sizes * error.mean
    spread = math.sqrt(float(np.mean(deviations**2)))
    if spread == 0.0:  # the clusters agree, whatever their items do
        return Interval(error.mean, error.mean)
    a = float(np.mean((deviations / spread) ** 3)) / math.sqrt(len(sums))
    t = _t(error, level)

    def inverse(y: float) -> float:
        return y if abs(a) < 1e-9 else 3 / a * (math.cbrt(1 + a * (y - a / 6)) - 1)

    return Interval(error.mean - error.standard_error * inverse(t), error.mean - error.standard_error * inverse(-t))


def _wider(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.low, other.low), max(one.high, other.high))


# ---- shares, and statistics that are no mean -------------------------------------------------------------------------


def share_interval(successes: int, total: int, level: float = LEVEL) -> Interval | None:
    """Of a share of independent trials, exact (Clopper and Pearson 1934): it covers in at least 95 % of cases, also
    where none or all succeed. None without a trial."""
    from scipy.special import betaincinv

    if not total:
        return None
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, total - successes + 1, tail))
    high = 1.0 if successes == total else float(betaincinv(successes + 1, total - successes, 1 - tail))
    return Interval(low, high)


RESAMPLES = 1_000


def bootstrap_interval(
    clusters: Sequence[Hashable], statistic: Callable[[Sequence[int]], float | None], level: float = LEVEL
) -> Interval | None:
    """Percentile bootstrap over clusters of a statistic of row numbers, for one that is no mean (an AUC, a correlation,
    the difference of two on the same rows). None with fewer than five clusters, and where half of the resamples have no
    value."""
    rows_of: dict[Hashable, list[int]] = {}
    for number, cluster in enumerate(clusters):
        rows_of.setdefault(cluster, []).append(number)
    groups, rng = list(rows_of.values()), np.random.default_rng(0)
    resampled = []
    for _ in range(RESAMPLES if len(groups) >= FEWEST_CLUSTERS else 0):
        drawn = [n for index in rng.integers(0, len(groups), len(groups)) for n in groups[index]]
        value = statistic(drawn)
        if value is not None:
            resampled.append(value)
    if len(resampled) < RESAMPLES / 2:
        return None
    tail = 50 * (1 - level)
    return Interval(*(float(value) for value in np.percentile(resampled, [tail, 100 - tail])))


# ---- at one length --------------------------------------------------------------------------------------------------


def length_controlled_difference(
    differences: Sequence[float], longer: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[float, Interval | None] | None:
    """The paired difference that a least-squares line predicts for two answers of one length, and its 95 % interval.

    d_i = a + b · tanh(l_i / s), l_i (`longer`) being the words by which the answer is longer than the baseline's, and s
    their root mean square; a is returned. The idea and the tanh are those of length-controlled AlpacaEval (Dubois et
    al. 2024, arXiv:2404.04475), which fits a logistic model to preferences; scores have a line. The interval is that of
    least squares with clustered errors (CR1) and t with G - 1 degrees of freedom. **Descriptive**: length is a
    consequence of the training, so this is not the effect that the training would have had at another length.

    The plain difference where no lengths differ. None with fewer than three items, and where one model is the longer
    one nearly always: a line means nothing outside of what it was fitted to, so at least a tenth of the items must have
    the shorter answer on either side."""
    d, words = np.asarray(differences, dtype=np.float64), np.asarray(longer, dtype=np.float64)
    if len(d) < 3:
        return None
    scale = float(np.sqrt(np.mean(words**2)))
    if scale == 0.0:
        return float(d.mean()), difference_interval(differences, clusters, None)
    if min(float(np.mean(words <= 0)), float(np.mean(words >= 0))) < 0.1:
        return None
    design = np.stack([np.ones(len(d)), np.tanh(words / scale)], axis=1)
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ design.T @ d
    residuals = d - design @ coefficients
    scores = np.stack([by_cluster(column * residuals, clusters)[0] for column in design.T], axis=1)
    groups, intercept = len(scores), float(coefficients[0])
    if groups < FEWEST_CLUSTERS or not residuals.any():
        return intercept, None
    factor = groups / (groups - 1) * (len(d) - 1) / (len(d) - 2)
    error = math.sqrt(factor * float((inverse @ scores.T @ scores @ inverse)[0, 0]))
    return intercept, _t_interval(Error(intercept, error, groups - 1.0), LEVEL)
