"""Fewer repeats for the same decision: which of the models is better on this task.

After two, four, eight … repeats the paired differences to the first model are looked at; when the sign of none of
them can change any more at the error rate that was set (`statistics.is_settled`), no further repeat is asked for. The
scores are means over fewer repeats of the same judge. A difference that was stopped at is too large by some tenths of
it, since it was stopped at for being large: it decides, and is no estimate to report. Repeats are stored by number,
so the full number can be had later at the price of the rest. Each look goes through the prompts again: where the
prompt is expensive and a repeat is cheap (all repeats of a prompt share one pass in `transformers`), little is saved.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.evaluation.scoring import JudgeInput, judge_together
from harness.interfaces import Judge, Progress, SingleJudge
from harness.judging.limited import LimitedJudge
from harness.records import Score
from harness.statistics import is_settled
from harness.store import Store

WHOLE = (
    0.95  # of the questions that have a score in all repeats for both models; else the decision would be over others
)

__all__ = ["settled_repeats"]


def settled_repeats(
    runs: Sequence[JudgeInput], judge: SingleJudge, error: float, store: Store, progress: Progress
) -> int:
    """How many repeats decide between the first run and each other one, for every criterion; at most the judge's own
    number. The runs are of one task and arm, over the same questions. `error` is shared out over the comparisons and
    the looks."""
    looks = [n for n in (2, 4, 8, 16, 32) if n < judge.repeats]
    each = error / max(1, (len(runs) - 1) * len(judge.criteria))
    for repeats in looks:
        scores = _by_repeat(runs, LimitedJudge(judge, repeats), store, progress)
        compared = [
            _differences(scores[0][criterion], other[criterion]) for criterion in judge.criteria for other in scores[1:]
        ]
        enough = [len(differences) >= WHOLE * len(runs[0].questions) for differences in compared]
        if all(enough) and all(is_settled(d, judge.repeats, each, len(looks)) for d in compared):
            return repeats
    return judge.repeats


def _by_repeat(
    runs: Sequence[JudgeInput], judge: Judge, store: Store, progress: Progress
) -> list[dict[str, list[list[float] | None]]]:
    """Of each run by criterion, for each question the scores of its repeats; None where one of them is unscored."""
    scores = judge_together(runs, judge, store, progress)
    return [
        {criterion: [_whole(v, criterion, judge) for v in run_scores] for criterion in judge.criteria}
        for run_scores in scores
    ]


def _whole(scores: Sequence[Score], criterion: str, judge: Judge) -> list[float] | None:
    values = [s.value for s in scores if s.criterion == criterion and s.value is not None]
    return values if len(values) == judge.repeats else None


def _differences(first: Sequence[list[float] | None], other: Sequence[list[float] | None]) -> list[list[float]]:
    return [
        [b - a for a, b in zip(one, two, strict=True)]
        for one, two in zip(first, other, strict=True)
        if one is not None and two is not None
    ]
