"""Right and wrong answers to one question: how often does the right one get the higher score?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.auditing.agreement import answer_length, token_overlap
from harness.auditing.cached_judge import CachedJudge, Case
from harness.files import JsonObject
from harness.statistics import bootstrap_interval

__all__ = ["Labelled", "order_findings", "ordered_share"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer that is known to be right or wrong; `kind`: of what kind its form or its error is."""

    case: Case
    right: bool
    kind: str


@dataclass(frozen=True, slots=True)
class _Pair:
    """`order`: 1 where the right answer has the higher value, ½ where both have the same."""

    question: str
    kind: str
    order: float


def _pairs(answers: Sequence[Labelled], value: Callable[[Case], float | None]) -> list[_Pair]:
    by_question: dict[str, list[Labelled]] = {}
    for each in answers:
        by_question.setdefault(each.case.question.id, []).append(each)
    pairs = []
    for question, of_question in by_question.items():
        values = [(each, value(each.case)) for each in of_question]
        for right, high in values:
            for wrong, low in values:
                if right.right and not wrong.right and high is not None and low is not None:
                    order = 1.0 if high > low else 0.5 if high == low else 0.0
                    pairs.append(_Pair(question, wrong.kind, order))
    return pairs


def ordered_share(answers: Sequence[Labelled], value: Callable[[Case], float | None]) -> float | None:
    """The share of the right-against-wrong pairs of one question in which the right one has the higher value; a tie
    counts half."""
    return _share(_pairs(answers, value))


def _share(pairs: Sequence[_Pair]) -> float | None:
    return sum(pair.order for pair in pairs) / len(pairs) if pairs else None


def order_findings(answers: Sequence[Labelled], cached: CachedJudge) -> JsonObject:
    """The share of pairs in order with an interval over questions, by kind of wrong answer, and beside what is free on
    the same answers; how many right answers get 3.5 or more and how many wrong ones 2.5 or less."""
    scores = cached.accuracies([each.case for each in answers])
    scored = [each for each in answers if each.case.id in scores]
    pairs = _pairs(scored, lambda case: scores[case.id])
    kinds: Mapping[str, list[_Pair]] = {
        kind: [pair for pair in pairs if pair.kind == kind] for kind in sorted({pair.kind for pair in pairs})
    }
    right = [scores[each.case.id] for each in scored if each.right]
    wrong = [scores[each.case.id] for each in scored if not each.right]
    return {
        "questions": len({pair.question for pair in pairs}),
        "answers": len(answers),
        "unscored": len(answers) - len(scored),
        "pairs": len(pairs),
        "ordered": _share(pairs),
        "interval": bootstrap_interval(
            [pair.question for pair in pairs], lambda rows: sum(pairs[n].order for n in rows) / len(rows)
        )
        if pairs
        else None,
        "kinds": {kind: {"pairs": len(rows), "ordered": _share(rows)} for kind, rows in kinds.items()},
        "token_f1": ordered_share(scored, token_overlap),
        "length": ordered_share(scored, answer_length),
        "right": sum(score >= 3.5 for score in right) / len(right) if right else None,
        "wrong": sum(score <= 2.5 for score in wrong) / len(wrong) if wrong else None,
    }
