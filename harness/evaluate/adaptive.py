"""Fewer repeats for the same decision: which of the models is better on this task.

After two, four, eight … repeats the paired differences to the first model are looked at; when the sign of none of
them can change any more at the error rate that was set (`statistics.is_settled`), no further repeat is asked for. The
marks are means over fewer repeats of the same judge. A difference that was stopped at is too large by some tenths of
it, since it was stopped at for being large: it decides, and is no estimate to report. Repeats are stored by number,
so the full number can be had later at the price of the rest. Each look goes through the prompts again: where the
prompt is dear and a repeat is cheap (all repeats of a prompt share one pass in `transformers`), little is saved.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.evaluate import Answered, stages
from harness.interfaces import Judge, Progress
from harness.judging.limited import LimitedJudge
from harness.records import TaskPlan
from harness.statistics import is_settled
from harness.store import Store

WHOLE = 0.95  # of the questions that all repeats of both models have marked; else the decision would be over others

__all__ = ["settled_repeats"]


def settled_repeats(
    runs: Sequence[tuple[TaskPlan, Answered]], judge: Judge, error: float, store: Store, progress: Progress
) -> int:
    """How many repeats decide between the first run and each other one, for every criterion; at most the judge's own
    number. The runs are of one task and arm, over the same questions. `error` is shared out over the comparisons and
    the looks."""
    looks = [n for n in (2, 4, 8, 16, 32) if n < judge.repeats]
    each = error / max(1, (len(runs) - 1) * len(judge.criteria))
    for repeats in looks:
        marks = [
            _marks(plan, answered, LimitedJudge(judge, repeats=repeats), store, progress) for plan, answered in runs
        ]
        compared = [
            _differences(marks[0][criterion], other[criterion]) for criterion in judge.criteria for other in marks[1:]
        ]
        enough = [len(differences) >= WHOLE * len(runs[0][1].questions) for differences in compared]
        if all(enough) and all(is_settled(d, judge.repeats, each, len(looks)) for d in compared):
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
