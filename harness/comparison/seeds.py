"""Checkpoints that differ in their training seed alone, as one row.

An item's value is its mean over the seeds. Its difference from the baseline varies for two reasons, which are kept
apart: over items (another set of questions) and over seeds (another training). With k seeds

    standard error² = clustered variance over items of the mean difference + variance of the k differences / k

which counts the items' noise in the second term once more and is thus a little too large; degrees of freedom are
Satterthwaite's, of which the k - 1 of the seeds are the fewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.comparison.pairing import pair
from harness.comparison.stored import StoredRun, base_name, training_seed
from harness.digests import digest_of
from harness.statistics import Interval
from harness.statistics.clusters import by_cluster, error_of_mean
from harness.statistics.intervals import LEVEL

__all__ = ["SeedDifference", "by_seed", "combined_error", "merged", "seed_difference"]


class SeedDifference(NamedTuple):
    """`item_error` and `seed_error` are standard errors of the estimate, with so many degrees of `freedom` together;
    `p_value` is that of there being no difference, by t. `differences`: one a seed."""

    estimate: float
    interval: Interval
    item_error: float
    seed_error: float
    freedom: float
    p_value: float
    differences: Sequence[float]

    @property
    def error(self) -> float:
        """The standard error over items and seeds."""
        return math.hypot(self.item_error, self.seed_error)

    def equivalence_p_value(self, margin: float) -> float:
        """Of two one-sided t tests that the difference is at least as large as the margin."""
        from scipy.special import stdtr

        return float(stdtr(self.freedom, (abs(self.estimate) - margin) / self.error))

    def detectable(self, alpha: float) -> float:
        """As `statistics.detectable_difference`, over items and seeds."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, 1 - alpha / 2) + stdtrit(self.freedom, 0.8)) * self.error


def by_seed(runs: Sequence[StoredRun]) -> list[list[StoredRun]]:
    """The runs of one table, those that differ in the training seed alone together, in the order of the seeds."""
    groups: dict[tuple[object, ...], list[StoredRun]] = {}
    for run in runs:
        training = {key: value for key, value in run.training.items() if key != "seed"}
        seed = training_seed(run)
        key: tuple[object, ...] = (base_name(run.model), run.arm, digest_of(training))
        groups.setdefault(key if seed is not None else (run.model, run.arm, run.model_id), []).append(run)
    return [part for group in groups.values() for part in _distinct(group)]


def _distinct(group: Sequence[StoredRun]) -> list[list[StoredRun]]:
    """As one group when every run has a seed of its own; else each run alone: two trainings of one seed differ in
    something that nobody wrote down."""
    seeds = [training_seed(run) for run in group]
    if len(set(seeds)) < len(seeds):
        return [[run] for run in group]
    return [sorted(group, key=lambda run: training_seed(run) or 0)]


def merged(runs: Sequence[StoredRun]) -> StoredRun:
    """One run, whose values are the means over the seeds of each item; None where a seed has none."""
    first = runs[0]
    if len(runs) == 1:
        return first
    names = [name for name in first.measures if all(name in run.measures for run in runs)]
    measures = {name: [_mean([run.value(name, item) for run in runs]) for item in first.items] for name in names}
    return replace(
        first,
        run_id=digest_of([run.run_id for run in runs]),
        model=base_name(first.model),
        model_id=digest_of([run.model_id for run in runs]),
        judge_is_broken=any(run.judge_is_broken for run in runs),
        training={**first.training, "seed": None},
        measures=measures,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return None if len(known) < len(values) else math.fsum(known) / len(known)


def combined_error(squares: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(standard error, degrees of freedom by Satterthwaite) of independent parts, each a squared standard error and its
    degrees of freedom; those of the first where there is no error at all."""
    total = sum(square for square, _ in squares)
    below = sum(square**2 / freedom for square, freedom in squares)
    return math.sqrt(total), total**2 / below if below else squares[0][1]


def seed_difference(runs: Sequence[StoredRun], baseline: StoredRun, measure: str) -> SeedDifference | None:
    """Of two seeds or more against the baseline. None with fewer, or with too few clusters for an error."""
    from scipy.special import stdtr, stdtrit

    if len(runs) < 2:
        return None
    paired = pair(merged(runs), baseline, measure)
    error = error_of_mean(*by_cluster(paired.differences, paired.clusters)) if paired.items else None
    if error is None:
        return None
    estimates = [pair(run, baseline, measure, set(paired.items)).estimate or 0.0 for run in runs]
    count = len(estimates)
    variance = sum((each - error.mean) ** 2 for each in estimates) / (count - 1) / count
    total, freedom = combined_error([(error.standard_error**2, error.freedom), (variance, count - 1)])
    if total == 0.0:
        return None
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * total
    p_value = 2 * float(stdtr(freedom, -abs(error.mean) / total))
    interval = Interval(error.mean - half, error.mean + half)
    return SeedDifference(error.mean, interval, error.standard_error, math.sqrt(variance), freedom, p_value, estimates)
