"""The multiverse: Δ under every defensible choice of measure, judge, unscored rule, truncated answers, length control
(Steegen et al. 2016, "Increasing transparency through a multiverse analysis", Perspect. Psychol. Sci. 11, 702).

Each choice gives every item a difference, or leaves it out. All choices are tested together: the two models' answers
are exchanged in whole clusters, the same exchange for every choice, and a choice counts as decided where its statistic
is beyond the 95 % point of the largest of all choices (Westfall and Young 1993, single-step max-T): under the null
hypothesis any is in at most 5 % of cases, whatever their number.

A comparison is **unstable** where a choice is decided and another contradicts it: has the other sign, and by itself,
not adjusted, a p of at most 0.05. It is so too where one model's answers are the longer ones nearly always: every
measure moves with length, so then no choice can tell the two from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import product

import numpy as np

from harness.comparison.stored import StoredRun
from harness.measures import measure_of
from harness.statistics.intervals import can_be_told
from harness.statistics.testing import EXACT_UP_TO, sign_flips

__all__ = ["Choice", "Multiverse", "Stability", "multiverse"]

ALPHA = 0.05
EXCHANGES = 2_000
ROUNDING = 1e-9
"""Statistics that are closer than this are equal."""
LONGER_NEARLY_ALWAYS = 0.9
METRICS = ("exact_match", "f1", "rouge_l", "token_recall")


class Stability(StrEnum):
    STABLE = "stable"
    """There is a decided choice, and none that contradicts it."""
    UNSTABLE = "unstable"
    UNDECIDED = "undecided"
    """No choice is decided."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to compute Δ, in units of its measure's scale. `p_value` is adjusted over all of them, `raw_p_value` is
    not."""

    measure: str
    judge: str
    unscored: str
    truncated: str
    length: str
    estimate: float
    raw_p_value: float
    p_value: float
    items: int

    @property
    def is_decided(self) -> bool:
        return self.p_value <= ALPHA


@dataclass(frozen=True, slots=True)
class Multiverse:
    """`longer`: the shares of items in which the run's answer is the longer one, and in which the baseline's is; None
    where no lengths are known."""

    choices: Sequence[Choice]
    longer: tuple[float, float] | None

    @property
    def stability(self) -> Stability:
        if not any(choice.is_decided for choice in self.choices):
            return Stability.UNDECIDED
        signs = {
            choice.estimate > 0
            for choice in self.choices
            if choice.is_decided or (choice.raw_p_value <= ALPHA and choice.length == "as it is")
        }
        return Stability.UNSTABLE if len(signs) == 2 or self.is_confounded else Stability.STABLE

    @property
    def is_confounded(self) -> bool:
        """Whether one of the two is the longer one nearly always, so that nothing can be said at equal length."""
        return self.longer is not None and max(self.longer) > LONGER_NEARLY_ALWAYS

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
    columns = [column for column in columns if _can_be_told(column, clusters)]
    return Multiverse(_max_t(columns, clusters, seed), _longer_share(first, baseline, items))


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


def _can_be_told(column: _Column, clusters: Sequence[str]) -> bool:
    """At one length, only where enough clusters differ, as for an interval: a line through items that are all alike but
    a few is drawn by those."""
    if column.longer is None:
        return len(column.items) > 1
    return can_be_told(list(column.differences), [clusters[item] for item in column.items])


def _can_be_controlled(longer: np.ndarray) -> bool:
    if len(longer) < 3 or np.isnan(longer).any() or not longer.any():
        return False
    return max(float(np.mean(longer > 0)), float(np.mean(longer < 0))) <= LONGER_NEARLY_ALWAYS


def _max_t(columns: Sequence[_Column], clusters: Sequence[str], seed: int) -> list[Choice]:
    position: dict[str, int] = {}
    cluster_of = np.array([position.setdefault(cluster, len(position)) for cluster in clusters], dtype=np.intp)
    exchanges = _exchanges(len(position), seed)
    found = [_under_exchanges(column, cluster_of[list(column.items)], exchanges) for column in columns]
    statistics = np.array([statistic for _, statistic in found]).reshape(len(columns), len(exchanges))
    largest = statistics.max(axis=0, initial=0.0)
    choices = []
    for column, (estimate, _), statistic in zip(columns, found, statistics, strict=True):
        raw, adjusted = (float(np.mean(each >= statistic[0] - ROUNDING)) for each in (statistic, largest))
        choices.append(Choice(*column.choice, estimate, raw, adjusted, len(column.items)))
    return choices


@lru_cache(maxsize=1)  # the rows of a table have the same clusters
def _exchanges(clusters: int, seed: int) -> np.ndarray:
    """Signs, float64 (exchanges, clusters), the first row without an exchange. All of few clusters: the first 2,000 of
    those in order would never exchange the first cluster."""
    flips = sign_flips(clusters, seed)
    return (flips if clusters <= EXACT_UP_TO else flips[:EXCHANGES]).astype(np.float64)


def _under_exchanges(column: _Column, cluster_of: np.ndarray, exchanges: np.ndarray) -> tuple[float, np.ndarray]:
    """(estimate, the size of the statistic under each exchange). A mean is in units of √Σ S_g², S_g a cluster's sum,
    which no exchange changes; at one length it is the intercept of a least-squares line, whose error is larger by
    √(mean t² / var t), t being the tanh of the lengths' difference, the more the one model is the longer one."""
    count, clusters = len(column.items), exchanges.shape[1]
    sums = np.bincount(cluster_of, weights=column.differences, minlength=clusters) / count
    values, errors = exchanges @ sums, np.full(len(exchanges), math.sqrt(float((sums**2).sum())))
    if column.longer is not None:
        tanh = np.tanh(column.longer / math.sqrt(float(np.mean(column.longer**2))))
        average = exchanges @ (np.bincount(cluster_of, weights=tanh, minlength=clusters) / count)
        square = float(np.mean(tanh**2))
        variance = np.maximum(square - average**2, 1e-9 * square)
        slope = (float(np.mean(tanh * column.differences)) - average * values) / variance
        values = values - slope * average
        errors = errors * np.sqrt(square / variance)
    statistic = np.divide(np.abs(values), errors, out=np.zeros(len(exchanges)), where=errors > 0)
    return round(float(values[0]), 12), statistic


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _longer_share(run: StoredRun, baseline: StoredRun, items: Sequence[str]) -> tuple[float, float] | None:
    pairs = [(run.value("answer_words", item), baseline.value("answer_words", item)) for item in items]
    longer = [own - base for own, base in pairs if own is not None and base is not None]
    count = len(longer)
    return (sum(d > 0 for d in longer) / count, sum(d < 0 for d in longer) / count) if count else None
