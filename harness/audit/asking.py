"""Marks for cases that no run produced: a question, a reference, an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.evaluate.marking import ToMark, mark
from harness.interfaces import Judge, Progress
from harness.records import Answer, Decoding, Passage, Question, StopReason, TaskPlan, Verdict
from harness.statistics import mean
from harness.store import Store

__all__ = ["Asked", "Case", "Desk"]


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to be marked. The question's first reference is what the judge sees."""

    id: str
    question: Question
    answer: str
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the judge said of a case, by criterion."""

    verdicts: Mapping[str, Sequence[Verdict]]

    def mark(self, criterion: str) -> float | None:
        """Mean over the scored repeats."""
        return mean([v.score for v in self.verdicts.get(criterion, ()) if v.score is not None])


_PLAN = TaskPlan(
    task="audit", alias="audit", version=1, split="", doc_to_text="", doc_to_target="{{ references[0] }}",
    system_instruction=None, within_document=False, top_k=1, max_references=None, decoding=Decoding(), metrics=(),
)  # fmt: skip


class Desk:
    """Puts cases before a judge. What was asked before, in this audit or another, comes from the store."""

    def __init__(self, judge: Judge, store: Store, progress: Progress) -> None:
        self.judge, self._store, self._progress = judge, store, progress

    def ask(self, cases: Sequence[Case], criteria: Sequence[str] | None = None) -> dict[str, Asked]:
        """By case id. `criteria` None: all that the judge has."""
        questions = [replace(case.question, id=case.id) for case in cases]
        answers = [Answer(case.id, case.answer, StopReason.EOS, 0, 0) for case in cases]
        told = ToMark(_PLAN, questions, [case.passages for case in cases], answers)
        verdicts = mark(told, self.judge, self._store, self._progress, criteria)
        return {case.id: Asked(_by_criterion(of_case)) for case, of_case in zip(cases, verdicts, strict=True)}


def _by_criterion(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.criterion, []).append(verdict)
    return found
