"""The multiverse: Δ under every defensible choice of measure, judge, unscored rule, truncated answers, length control
(Steegen et al. 2016, "Increasing transparency through a multiverse analysis", Perspect. Psychol. Sci. 11, 702).

Each choice gives every item a difference, or leaves it out. All choices are tested together: the two models' answers
are exchanged in whole clusters, the same exchange for every choice, and a choice counts as decided where its statistic
is beyond the 95 % point of the largest of all choices (Westfall and Young 1993, single-step max-T): under the null
hypothesis any is in at most 5 % of cases, whatever their number.

A comparison is **unstable** where decided choices disagree in sign, and where one model's answers are the longer ones
nearly always and the measures are of the kind that length moves: then no choice can tell the two from length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

import numpy as np

from harness.comparison.stored import StoredRun
from harness.measures import measure_of
from harness.statistics.clusters import by_cluster
from harness.statistics.testing import sign_flips

__all__ = ["Choice", "Multiverse", "Stability", "multiverse"]

ALPHA = 0.05
LONGER_NEARLY_ALWAYS = 0.9
METRICS = ("exact_match", "f1", "rouge_l", "token_recall")


class Stability(StrEnum):
    STABLE = "stable"
    """Every decided choice has the same sign, and there is one."""
    UNSTABLE = "unstable"
    UNDECIDED = "undecided"
    """No choice is decided."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to compute Δ, in units of its measure's scale, and its p value adjusted over all of them."""

    measure: str
    judge: str
    unscored: str
    truncated: str
    length: str
    estimate: float
    p_value: float
    items: int

    @property
    def is_decided(self) -> bool:
        return self.p_value <= ALPHA


@dataclass(frozen=True, slots=True)
class Multiverse:
    """`longer`: the share of items in which the run's answer is the longer one, ties counting half; None where lengths
    are not known."""

    choices: Sequence[Choice]
    longer: float | None

    @property
    def stability(self) -> Stability:
        signs = {choice.estimate > 0 for choice in self.choices if choice.is_decided}
        if len(signs) == 2 or (signs and self.is_confounded):
            return Stability.UNSTABLE
        return Stability.STABLE if signs else Stability.UNDECIDED

    @property
    def is_confounded(self) -> bool:
        """Whether one of the two is the longer one nearly always, so that nothing can be said at equal length."""
        return self.longer is not None and max(self.longer, 1 - self.longer) > LONGER_NEARLY_ALWAYS

    def share(self, positive: bool, decided: bool = False) -> float:
        """Of all choices, the share with that sign."""
        signs = [
            (c.estimate > 0) == positive and c.estimate != 0 and (c.is_decided or not decided) for c in self.choices
        ]
        return sum(signs) / len(signs) if signs else 0.0


@dataclass(frozen=True, slots=True)
class _Column:
    """One choice's differences, and by how many words the answer is longer where length is controlled."""

    choice: tuple[str, str, str, str, str]
    items: Sequence[int]
    differences: np.ndarray
    longer: np.ndarray | None


def multiverse(pairs: Sequence[tuple[StoredRun, StoredRun]], seed: int = 0) -> Multiverse:
    """Of the runs of two models in one arm, the baseline's second, a pair for each judge; all over the same items.
    `higher_is_better` measures alone are compared."""
    first, baseline = pairs[0]
    items = [item for item in baseline.items if item in first.position]
    cluster_of = dict(zip(baseline.items, baseline.clusters, strict=True))
    clusters = [cluster_of[item] for item in items]
    columns = [column for pair in _measured(pairs) for column in _columns(pair, items)]
    columns = [column for column in columns if len(column.items) > 1]
    p_values, estimates = _max_t(columns, clusters, seed)
    choices = [
        Choice(*column.choice, estimate=estimate, p_value=p_value, items=len(column.items))
        for column, estimate, p_value in zip(columns, estimates, p_values, strict=True)
    ]
    return Multiverse(choices, _longer_share(first, baseline, items))


def _measured(pairs: Sequence[tuple[StoredRun, StoredRun]]) -> list[tuple[str, str, StoredRun, StoredRun]]:
    """(measure, judge, run, baseline): metrics once, criteria for each judge."""
    run, baseline = pairs[0]
    metrics = [
        (name, "", run, baseline)
        for name in METRICS
        if name in run.measures and name in baseline.measures and measure_of(name).higher_is_better
    ]
    return metrics + [(name, one.judge, one, other) for one, other in pairs for name in one.criteria]


def _columns(measured: tuple[str, str, StoredRun, StoredRun], items: Sequence[str]) -> list[_Column]:
    name, judge, run, baseline = measured
    own = np.array([_number(run.value(name, item)) for item in items])
    base = np.array([_number(baseline.value(name, item)) for item in items])
    cut = np.array([bool(run.value("truncated", i)) or bool(baseline.value("truncated", i)) for i in items])
    words = np.array(
        [_number(run.value("answer_words", i)) - _number(baseline.value("answer_words", i)) for i in items]
    )
    missing = np.isnan(own) | np.isnan(base)
    worst = run.bounds(name)
    rules = {"left out": (own, base, ~missing)}
    if missing.any() and worst is not None:
        rules["worst score"] = (
            *(np.nan_to_num(v, nan=worst.low) for v in (own, base)),
            np.ones(len(items), dtype=bool),
        )
    kept = {"in": np.ones(len(items), dtype=bool)} | ({"out": ~cut} if cut.any() and not cut.all() else {})
    columns = []
    for (unscored, (value, other, there)), (truncated, stays), length in product(
        rules.items(), kept.items(), ("as it is", "controlled")
    ):
        use = there & stays
        longer = words[use] if length == "controlled" else None
        if longer is not None and not _can_be_controlled(longer):
            continue
        choice = (name, judge, unscored, truncated, length)
        columns.append(_Column(choice, np.flatnonzero(use).tolist(), value[use] - other[use], longer))
    return columns


def _can_be_controlled(longer: np.ndarray) -> bool:
    if len(longer) < 3 or np.isnan(longer).any() or not longer.any():
        return False
    return min(float(np.mean(longer <= 0)), float(np.mean(longer >= 0))) >= 1 - LONGER_NEARLY_ALWAYS


def _max_t(columns: Sequence[_Column], clusters: Sequence[str], seed: int) -> tuple[list[float], list[float]]:
    """(adjusted p values, estimates). The scale of each statistic is √Σ S_g², S_g a cluster's sum, which no exchange
    changes."""
    names = list(dict.fromkeys(clusters))
    number = {cluster: position for position, cluster in enumerate(names)}
    flips = sign_flips(len(names), seed)[:2_000].astype(np.float64)
    statistics = np.empty((len(columns), len(flips)))
    estimates = []
    for row, column in enumerate(columns):
        index = [clusters[item] for item in column.items]
        at = [number[cluster] for cluster in dict.fromkeys(index)]
        signs = flips[:, at]
        sums, _ = by_cluster(list(column.differences), index)
        values = signs @ sums / len(column.items)
        spread = float(np.sqrt((sums**2).sum())) / len(column.items)
        if column.longer is not None:
            scale = float(np.sqrt(np.mean(column.longer**2)))
            tanh = np.tanh(column.longer / scale)
            slopes_of = by_cluster(list(tanh), index)[0]
            mean_tanh = signs @ slopes_of / len(column.items)
            product_mean = float(np.mean(tanh * column.differences))
            variance = float(np.mean(tanh**2)) - mean_tanh**2
            slope = (product_mean - mean_tanh * values) / np.maximum(variance, 1e-9)
            values = values - slope * mean_tanh
            spread /= float(np.sqrt(max(1e-9, 1 - mean_tanh[0] ** 2 / max(1e-9, float(np.mean(tanh**2))))))
        estimates.append(float(values[0]))
        statistics[row] = np.abs(values) / spread if spread > 0 else 0.0
    largest = statistics.max(axis=0) if len(columns) else np.zeros(len(flips))
    p_values = [float(np.mean(largest >= statistics[row, 0] * (1 - 1e-9))) for row in range(len(columns))]
    return p_values, estimates


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _longer_share(run: StoredRun, baseline: StoredRun, items: Sequence[str]) -> float | None:
    pairs = [(run.value("answer_words", item), baseline.value("answer_words", item)) for item in items]
    known = [(own > base) + 0.5 * (own == base) for own, base in pairs if own is not None and base is not None]
    return float(np.mean(known)) if known else None
