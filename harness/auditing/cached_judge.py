"""A judge asked about cases that no run produced: a question, a reference, an answer. What was asked before comes from
the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import HarnessError
from harness.evaluation.scoring import JudgeInput, finished, judge_run
from harness.evaluation.stages import reasons_line
from harness.interfaces import Judge, Progress
from harness.records import Passage, Question, Score
from harness.statistics import mean
from harness.store import Store

__all__ = ["CachedJudge", "Case", "CaseScores"]


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to be judged. The question's first reference is what the judge sees."""

    id: str
    question: Question
    answer: str
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseScores:
    """The judge's scores of one case, by criterion."""

    by_criterion: Mapping[str, Sequence[Score]]

    def mean(self, criterion: str) -> float | None:
        """Over the scored repeats."""
        return mean([s.value for s in self.by_criterion.get(criterion, ()) if s.value is not None])


class CachedJudge:
    """A judge with its store."""

    def __init__(self, judge: Judge, store: Store, progress: Progress) -> None:
        self.judge, self._store, self._progress = judge, store, progress

    def scores(self, cases: Sequence[Case], criteria: Sequence[str] | None = None) -> dict[str, CaseScores]:
        """By case id. `criteria` None: all that the judge has. Raises `HarnessError` when the judge could not be asked
        about some: a card is of all cases."""
        judged = JudgeInput(
            targets=[case.question.references[0] for case in cases],
            questions=[replace(case.question, id=case.id) for case in cases],
            passages=[case.passages for case in cases],
            answers=[finished(case.answer) for case in cases],
        )
        scores = judge_run(judged, self.judge, self._store, self._progress, criteria)
        failed = [score.reason for case_scores in scores for score in case_scores if score.failed]
        if failed:
            raise HarnessError(
                f"judge {self.judge.name}: {len(failed)} scores are missing ({reasons_line(failed)}); the others are "
                "stored, and the same command asks for these alone"
            )
        return {
            case.id: CaseScores(_by_criterion(case_scores)) for case, case_scores in zip(cases, scores, strict=True)
        }

    def points(self, score: float) -> float:
        """A score of this judge's scale as one from 1 to 5, in which thresholds are stated."""
        low, high = self.judge.scale
        return 1 + 4 * (score - low) / (high - low)

    def accuracies(self, cases: Sequence[Case]) -> dict[str, float]:
        """Accuracy from 1 to 5 by case id, of the cases that have one."""
        scores = self.scores(cases, ["accuracy"])
        means = {case.id: scores[case.id].mean("accuracy") for case in cases}
        return {key: self.points(value) for key, value in means.items() if value is not None}


def _by_criterion(scores: Sequence[Score]) -> dict[str, list[Score]]:
    by_criterion: dict[str, list[Score]] = {}
    for score in scores:
        by_criterion.setdefault(score.criterion, []).append(score)
    return by_criterion
