"""Why one model's answers score differently from another's: Δ split into parts that add up.

Every item's difference d goes to the first part that claims it:

    abstention       one of the two answers abstains and the other does not
    truncation, format   one of the two is cut off by the token limit, empty, loops or echoes, and the other is not
    length           of the rest: what goes with the difference in words at equal content. The slope is estimated on the
                     items whose two answers have the same token recall, so what differs there is length alone
    retrieval missed no gold document was retrieved. Where both models have a closed-book run, what they differ by there
                     is **parametric knowledge**; what is left is how they cope with passages that do not help
    context          a gold document was retrieved (or it is not known). Where both models have an oracle run, what they
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

import numpy as np

from harness.comparison.pairing import pair
from harness.comparison.stored import StoredRun
from harness.statistics import Bounds, Interval, difference_interval

__all__ = ["Causes", "Part", "causes"]

FORMAT_MEASURES = ("truncated", "empty", "loops", "echoes")
CONTENT = "token_recall"
FEWEST_FOR_SLOPE = 10
"""Items of equal content and different length; with fewer, nothing is put down to length."""


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
    missed = _missed(baseline, paired.items)
    known = {arm: _arm_differences(measure, pairs, paired.items) for arm, pairs in others.items()}
    split.by_arm("parametric knowledge", "passages that do not help", missed, known.get("closed_book"))
    split.by_arm("reading", "distraction", ~missed, known.get("oracle"))
    parts = [
        Part(
            name,
            float(contribution.sum()) / len(differences),
            _interval(contribution, paired.clusters, paired.bounds),
            items,
            is_known,
        )
        for name, contribution, items, is_known in split.parts
    ]
    rest = differences - sum(contribution for _, contribution, _, _ in split.parts)
    left = int(np.count_nonzero(np.abs(rest) > 1e-9))
    parts.append(
        Part("remainder", float(rest.sum()) / len(differences), _interval(rest, paired.clusters, paired.bounds), left)
    )
    return Causes(measure, float(differences.mean()), len(differences), parts)


def _interval(contribution: np.ndarray, clusters: Sequence[str], bounds: Bounds | None) -> Interval | None:
    wider = None if bounds is None else Bounds(2 * bounds.low, 2 * bounds.high)  # reading and distraction may cancel
    return difference_interval([float(each) for each in contribution], clusters, wider)


class _Split:
    """Hands out items and what they differ by. `open` are the items that no part has claimed; `left` is what of their
    differences is not yet put down to anything."""

    def __init__(self, items: Sequence[str], differences: np.ndarray) -> None:
        self.items = items
        self.left = differences.copy()
        self.open = np.ones(len(items), dtype=bool)
        self.parts: list[tuple[str, np.ndarray, int, bool]] = []

    def claim(self, name: str, which: np.ndarray | None) -> None:
        """Whole items; None: it is not known which."""
        if which is None:
            self.parts.append((name, np.zeros(len(self.items)), 0, False))
            return
        taken = which & self.open
        self.parts.append((name, np.where(taken, self.left, 0.0), int(taken.sum()), True))
        self.open &= ~taken

    def length(self, run: StoredRun, baseline: StoredRun) -> None:
        """What goes with the difference in words, b · tanh(words / s), where b is fitted through the origin on the
        items of equal content."""
        words = _between(run, baseline, "answer_words", self.items)
        content = _between(run, baseline, CONTENT, self.items)
        usable = self.open & ~np.isnan(words) & ~np.isnan(content)
        fitted = usable & (np.abs(np.nan_to_num(content, nan=1.0)) < 1e-9) & (np.nan_to_num(words) != 0)
        if fitted.sum() < FEWEST_FOR_SLOPE:
            self.parts.append(("length", np.zeros(len(self.items)), 0, not np.nan_to_num(words).any()))
            return
        scale = float(np.sqrt(np.mean(words[fitted] ** 2)))
        longer = np.tanh(np.where(usable, np.nan_to_num(words), 0.0) / scale)
        slope = float(longer[fitted] @ self.left[fitted] / (longer[fitted] @ longer[fitted]))
        share = np.where(usable, slope * longer, 0.0)
        self.parts.append(("length", share, int(np.count_nonzero(share)), True))
        self.left = self.left - share

    def by_arm(self, name: str, rest: str, which: np.ndarray, other: np.ndarray | None) -> None:
        """Of these items, what the models differ by in another arm, and the rest; the rest alone without that arm. An
        item without a value there is left to the remainder."""
        taken = which & self.open
        if other is None:
            self.parts.append((name, np.zeros(len(self.items)), 0, False))
            self.parts.append((rest, np.where(taken, self.left, 0.0), int(taken.sum()), True))
        else:
            taken &= ~np.isnan(other)
            there = np.where(taken, np.nan_to_num(other), 0.0)
            self.parts.append((name, there, int(taken.sum()), True))
            self.parts.append((rest, np.where(taken, self.left, 0.0) - there, int(taken.sum()), True))
        self.open &= ~which


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


def _missed(baseline: StoredRun, items: Sequence[str]) -> np.ndarray:
    """Whether nothing of what the question needs was retrieved: gold spans where they are known, else gold
    documents."""
    names = [name for name in baseline.measures if name.startswith(("span_recall@", "recall@"))]
    ordered = sorted(names, key=lambda name: not name.startswith("span_recall@"))
    rows = [next((v for name in ordered if (v := baseline.value(name, item)) is not None), None) for item in items]
    return np.array([value == 0.0 for value in rows], dtype=bool)


def _arm_differences(measure: str, pairs: tuple[StoredRun, StoredRun], items: Sequence[str]) -> np.ndarray:
    return _between(pairs[0], pairs[1], measure, items)
