"""Why one model's answers score differently from another's: Δ split into parts that add up.

Every item's difference d goes to the first part that claims it:

    abstention       one of the two answers abstains and the other does not
    truncation, format   one of the two is cut off by the token limit, empty, loops or echoes, and the other is not
    length           of the rest: what goes with the difference in words at equal content. The slope is estimated on the
                     items whose two answers have the same token recall. The other arms' differences, below, are taken
                     at equal length too
    retrieval missed no gold document was retrieved. Where both models have a closed-book run, what they differ by there
                     is **parametric knowledge**; what is left is how they cope with passages that do not help
    partly retrieved some of what the question needs was retrieved: the same two parts as below, apart, since what is
                     left there is what was missing rather than distraction
    context          all of it was retrieved (or it is not known). Where both models have an oracle run, what they
                     differ by there is **reading**, the gold passages alone; what is left, rag - oracle, is
                     **distraction** by the other passages

Assumptions: retrieval is the same for both models; token recall stands for content; abstaining, truncation and format
are causes rather than consequences of not knowing; the closed-book and oracle runs are of the same items. Items that
have no value in a run that a part needs are the **remainder**. Parts are descriptive: they say where the difference
lies, and that it would go away if the cause did is an assumption too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.comparison.pairing import pair
from harness.comparison.stored import StoredRun
from harness.statistics import Bounds, Interval, difference_interval

__all__ = ["Causes", "Part", "causes"]

FORMAT_MEASURES = ("truncated", "empty", "loops", "echoes")
CONTENT = "token_recall"
FEWEST_FOR_SLOPE = 10
"""Items of equal content and different length; with fewer, nothing is put down to length."""
FEWEST_NOT_LONGER = 0.1
"""The share of them in which either model's answer is not the longer one, for a slope of its own."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one cause adds to the mean difference, with its 95 % interval (None: too few to tell), and the items that it
    claims. `known` False: a run or a measure that it needs is not there, and its share is in another part."""

    name: str
    effect: float
    interval: Interval | None
    items: int
    known: bool = True


@dataclass(frozen=True, slots=True)
class Causes:
    """`total` is the sum of the parts and the remainder, the last part."""

    measure: str
    total: float
    items: int
    parts: Sequence[Part]


def causes(
    measure: str, run: StoredRun, baseline: StoredRun, others: Mapping[str, tuple[StoredRun, StoredRun]]
) -> Causes | None:
    """`run` and `baseline` are of the rag arm. `others`: by arm (`closed_book`, `oracle`) the runs of the same two
    models, the baseline's second. None where no item has both values."""
    paired = pair(run, baseline, measure)
    if not paired.items:
        return None
    differences = np.array(paired.differences)
    split = _Split(paired.items, differences)
    split.claim("abstention", _differ(run, baseline, ["abstained"], paired.items))
    split.claim("truncation and format", _differ(run, baseline, FORMAT_MEASURES, paired.items))
    split.length(run, baseline)
    found = _retrieved(baseline, paired.items)
    missed, partly = found == 0.0, (found > 0.0) & (found < 1.0)
    known = {arm: split.at_equal_length(measure, *pairs) for arm, pairs in others.items()}
    split.by_arm("parametric knowledge", "passages that do not help", missed, known.get("closed_book"))
    if partly.any():
        split.by_arm("reading, where part was retrieved", "the part that was not", partly, known.get("oracle"))
    split.by_arm("reading", "distraction", ~missed & ~partly, known.get("oracle"))
    split.remainder(differences)
    parts = [
        Part(
            share.name,
            float(share.contribution.sum()) / len(differences),
            _interval(share.contribution + share.by_slope * split.slope_error, paired.clusters, paired.bounds),
            share.items,
            share.known,
        )
        for share in split.shares
    ]
    return Causes(measure, float(differences.mean()), len(differences), parts)


def _interval(contribution: np.ndarray, clusters: Sequence[str], bounds: Bounds | None) -> Interval | None:
    wider = None if bounds is None else Bounds(2 * bounds.low, 2 * bounds.high)  # reading and distraction may cancel
    rounded = [round(float(each), 9) for each in contribution]  # what floats leave over is no spread
    return difference_interval(rounded, clusters, wider)


class _Share(NamedTuple):
    """What a part takes of each item's difference, float64 (items,). `by_slope`: by how much its sum grows with the
    slope of length."""

    name: str
    contribution: np.ndarray
    items: int
    known: bool = True
    by_slope: float = 0.0


class _AtEqualLength(NamedTuple):
    """Another arm's differences less what goes with length there, NaN where there is none; and the tanh of that."""

    differences: np.ndarray
    longer: np.ndarray


class _Split:
    """Hands out items and what they differ by. `open` are the items that no part has claimed; `left` is what of their
    differences is not yet put down to anything. `slope_error`: what each item adds to the error of the slope of length,
    which every part after it shares."""

    def __init__(self, items: Sequence[str], differences: np.ndarray) -> None:
        self.items = items
        self.left = differences.copy()
        self.open = np.ones(len(items), dtype=bool)
        self.shares: list[_Share] = []
        self.slope, self.scale = 0.0, 1.0
        self.usable = np.zeros(len(items), dtype=bool)
        self.longer = np.zeros(len(items))
        self.slope_error = np.zeros(len(items))

    def claim(self, name: str, which: np.ndarray | None) -> None:
        """Whole items; None: it is not known which."""
        if which is None:
            self._not_known(name)
            return
        taken = which & self.open
        self.shares.append(_Share(name, np.where(taken, self.left, 0.0), int(taken.sum())))
        self.open &= ~taken

    def _not_known(self, name: str) -> None:
        self.shares.append(_Share(name, np.zeros(len(self.items)), 0, known=False))

    def length(self, run: StoredRun, baseline: StoredRun) -> None:
        """What goes with the difference in words, b · tanh(words / s), where b is fitted on the items of equal content:
        with an intercept, which is what they differ by at one length. Where one model is the longer one nearly always
        there is nothing to fit the intercept on, so it is 0, and all that differs at equal content goes to length."""
        words = _between(run, baseline, "answer_words", self.items)
        content = _between(run, baseline, CONTENT, self.items)
        self.usable = self.open & ~np.isnan(words) & ~np.isnan(content)
        fitted = self.usable & (np.abs(np.nan_to_num(content, nan=1.0)) < 1e-9)
        differing = words[fitted & (np.nan_to_num(words) != 0)]
        if len(differing) < FEWEST_FOR_SLOPE:
            none_longer = bool(np.all(words[self.open] == 0))
            self.shares.append(_Share("length", np.zeros(len(self.items)), 0, known=none_longer))
            return
        self.scale = float(np.sqrt(np.mean(differing**2)))
        self.longer = self._tanh(words)
        overlap = min(float(np.mean(words[fitted] <= 0)), float(np.mean(words[fitted] >= 0)))
        has_intercept = overlap >= FEWEST_NOT_LONGER
        centred = np.where(fitted, self.longer - has_intercept * self.longer[fitted].mean(), 0.0)
        square = float(centred @ centred)
        self.slope = float(centred @ self.left) / square
        share = self.slope * self.longer
        residuals = self.left - share
        self.slope_error = centred * (residuals - has_intercept * residuals[fitted].mean()) / square
        by_slope = float(self.longer.sum())
        self.shares.append(_Share("length", share, int(np.count_nonzero(share)), by_slope=by_slope))
        self.left = self.left - share

    def _tanh(self, words: np.ndarray) -> np.ndarray:
        """0 where the length or the content of the rag arm's answers is not known."""
        return np.tanh(np.where(self.usable, np.nan_to_num(words), 0.0) / self.scale)

    def at_equal_length(self, measure: str, run: StoredRun, baseline: StoredRun) -> _AtEqualLength:
        """Else what length adds in both arms would be put down to reading, and its opposite to distraction."""
        longer = self._tanh(_between(run, baseline, "answer_words", self.items))
        differences = _between(run, baseline, measure, self.items)
        return _AtEqualLength(differences - self.slope * longer, longer)

    def by_arm(self, name: str, rest: str, which: np.ndarray, other: _AtEqualLength | None) -> None:
        """Of these items, what the models differ by in another arm, and the rest; the rest alone without that arm. An
        item without a value there is left to the remainder."""
        taken = which & self.open
        self.open &= ~which
        if other is None:
            self._not_known(name)
            by_slope = -float(self.longer[taken].sum())
            self.shares.append(_Share(rest, np.where(taken, self.left, 0.0), int(taken.sum()), by_slope=by_slope))
            return
        taken &= ~np.isnan(other.differences)
        there, count = np.where(taken, np.nan_to_num(other.differences), 0.0), int(taken.sum())
        longer, longer_there = float(self.longer[taken].sum()), float(other.longer[taken].sum())
        self.shares.append(_Share(name, there, count, by_slope=-longer_there))
        left = np.where(taken, self.left, 0.0) - there
        self.shares.append(_Share(rest, left, count, by_slope=longer_there - longer))

    def remainder(self, differences: np.ndarray) -> None:
        """What is not in any part yet."""
        rest = differences - sum(share.contribution for share in self.shares)
        by_slope = -sum(share.by_slope for share in self.shares)
        self.shares.append(_Share("remainder", rest, int(np.count_nonzero(np.abs(rest) > 1e-9)), by_slope=by_slope))


def _between(run: StoredRun, baseline: StoredRun, measure: str, items: Sequence[str]) -> np.ndarray:
    """The run's value less the baseline's, NaN where one is missing."""
    pairs = [(run.value(measure, item), baseline.value(measure, item)) for item in items]
    return np.array([np.nan if own is None or base is None else own - base for own, base in pairs])


def _differ(run: StoredRun, baseline: StoredRun, measures: Sequence[str], items: Sequence[str]) -> np.ndarray | None:
    """Whether any of the measures, each 0 or 1, differs; None where none of them was taken."""
    known = [name for name in measures if name in run.measures and name in baseline.measures]
    if not known:
        return None
    columns = [np.nan_to_num(_between(run, baseline, name, items)) != 0 for name in known]
    return np.asarray(np.logical_or.reduce(columns))


def _retrieved(baseline: StoredRun, items: Sequence[str]) -> np.ndarray:
    """The share of what the question needs that was retrieved: of gold spans where they are known, else of gold
    documents; NaN where neither is."""
    names = [name for name in baseline.measures if name.startswith(("span_recall@", "recall@"))]
    ordered = sorted(names, key=lambda name: not name.startswith("span_recall@"))
    rows = [next((v for name in ordered if (v := baseline.value(name, item)) is not None), None) for item in items]
    return np.array([np.nan if value is None else value for value in rows], dtype=np.float64)
