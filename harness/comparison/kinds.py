"""What hides in a mean: differences by kind of question, and abstention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from harness.comparison.pairing import Paired, pair
from harness.comparison.stored import StoredRun
from harness.statistics import mean

__all__ = ["Abstention", "KindDifference", "abstention", "by_kind"]


@dataclass(frozen=True, slots=True)
class KindDifference:
    """The pairs of one kind of question, over both runs' shared items; its means are over those."""

    kind: str
    paired: Paired

    @property
    def mean(self) -> float | None:
        return mean(self.paired.values)

    @property
    def baseline_mean(self) -> float | None:
        return mean(self.paired.baseline)


def by_kind(run: StoredRun, baseline: StoredRun, measure: str) -> list[KindDifference]:
    """The largest kind first; nothing for a task whose questions are all of one kind. Intervals are of each kind by
    itself: with ten kinds one in ten tables shows one that is not there."""
    kinds = dict(zip(baseline.items, baseline.kinds, strict=True))
    names = sorted({kind for kind in kinds.values() if kind})
    if len(names) < 2:
        return []
    rows = [
        KindDifference(name, pair(run, baseline, measure, {item for item, kind in kinds.items() if kind == name}))
        for name in names
    ]
    return sorted((row for row in rows if row.paired.items), key=lambda row: (-len(row.paired.items), row.kind))


class Abstention(NamedTuple):
    """Of `items` answers, `should` are to questions that cannot be answered, `does` say so, `rightly` both."""

    items: int
    should: int
    does: int
    rightly: int

    @property
    def precision(self) -> float | None:
        """Of the answers that abstain, the share that should; None where none does."""
        return self.rightly / self.does if self.does else None

    @property
    def recall(self) -> float | None:
        """Of the questions that cannot be answered, the share whose answer says so; None where there is none."""
        return self.rightly / self.should if self.should else None


def abstention(run: StoredRun) -> Abstention | None:
    """None for a run that was made before it was recorded."""
    if "abstained" not in run.measures or "unanswerable" not in run.measures:
        return None
    rows = [
        (bool(should), bool(does))
        for should, does in zip(run.measures["unanswerable"], run.measures["abstained"], strict=True)
        if should is not None and does is not None
    ]
    return Abstention(len(rows), sum(s for s, _ in rows), sum(d for _, d in rows), sum(s and d for s, d in rows))
