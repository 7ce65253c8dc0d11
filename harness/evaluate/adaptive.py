"""Fewer repeats for the same decision: which of the models is better on this task.

After each round of repeats the paired differences to the first model are looked at; when the sign of none of them can
change any more at the error rate that was set (`statistics.is_settled`), no further repeat is asked for. The marks are
the means of the repeats that were done: the estimate is the same one, with fewer calls behind it. Repeats are stored by
number, so the full number can be had later at the price of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.evaluate import Answered, stages
from harness.interfaces import Judge, Progress
from harness.records import JudgeItem, TaskPlan, Verdict
from harness.statistics import is_settled
from harness.store import Store

__all__ = ["WithRepeats", "settled_repeats"]


class WithRepeats:
    """The same judge with another number of repeats."""

    def __init__(self, judge: Judge, repeats: int) -> None:
        self._judge, self.repeats = judge, repeats
        self.name, self.criteria, self.max_unscored = judge.name, judge.criteria, judge.max_unscored

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._judge.identity

    @property
    def usage(self) -> Mapping[str, float]:
        return self._judge.usage

    def depends_on(self, item: JudgeItem) -> Mapping[str, Any]:
        return self._judge.depends_on(item)

    def prepare(self) -> None:
        self._judge.prepare()

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return self._judge.batch_size(items)

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Verdict]:
        return self._judge.judge(items)

    def close(self) -> None:
        self._judge.close()


def settled_repeats(
    runs: Sequence[tuple[TaskPlan, Answered]], judge: Judge, error: float, store: Store, progress: Progress
) -> int:
    """How many repeats decide between the first run and each other one, for every criterion; at most the judge's own
    number. The runs are of one task and arm, over the same questions. `error` is shared out over the comparisons."""
    each = error / max(1, (len(runs) - 1) * len(judge.criteria))
    for repeats in range(2, judge.repeats):
        marks = [_marks(plan, answered, WithRepeats(judge, repeats), store, progress) for plan, answered in runs]
        if all(
            is_settled(differences, judge.repeats, each)
            for criterion in judge.criteria
            for other in marks[1:]
            if (differences := _differences(marks[0][criterion], other[criterion]))
        ):
            return repeats
    return judge.repeats


def _marks(
    plan: TaskPlan, answered: Answered, judge: Judge, store: Store, progress: Progress
) -> dict[str, list[list[float] | None]]:
    """By criterion, for each question the marks of its repeats; None where one of them is unscored."""
    verdicts = stages.judge(plan, answered.questions, answered.passages, answered.answers, judge, store, progress)
    found: dict[str, list[list[float] | None]] = {criterion: [] for criterion in judge.criteria}
    for of_question in verdicts:
        for criterion in judge.criteria:
            scores = [v.score for v in of_question if v.criterion == criterion]
            whole = [score for score in scores if score is not None]
            found[criterion].append(whole if len(whole) == judge.repeats else None)
    return found


def _differences(first: Sequence[list[float] | None], other: Sequence[list[float] | None]) -> list[list[float]]:
    return [
        [b - a for a, b in zip(one, two, strict=True)]
        for one, two in zip(first, other, strict=True)
        if one is not None and two is not None
    ]
