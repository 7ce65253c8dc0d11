"""From samples to scores: one value an item and measure, then mean, standard error and interval over items.

An item's mark for a criterion is the mean of its scored repeats; an item without any is unscored: left out of the
mean and taken off the coverage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.metrics.answers import ANSWER_METRICS
from harness.metrics.ranking import ndcg, ranked_documents, recall, reciprocal_rank, span_recall
from harness.metrics.style import echoes, repeats
from harness.records import Answer, Arm, Passage, Question, StopReason, TaskPlan, Verdict
from harness.statistics import Interval, bootstrap_interval, mean, standard_error

__all__ = [
    "HIGHER_IS_BETTER",
    "Sample",
    "Score",
    "answers_overview",
    "leakage_overview",
    "leaks",
    "marks_of",
    "measure",
    "scores_of",
    "style",
]

HIGHER_IS_BETTER = {
    "answer_words": None,
    "truncated": False,
    "dropped_passages": False,
    "empty": False,
    "repeats": False,
    "echoes": False,
    "leaked": None,
    "same_document": None,
}
"""For the measures of which it is not simply true."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question with all that happened to it. `values` holds every measure; None where it could not be taken."""

    question: Question
    target: str
    passages: tuple[Passage, ...]
    prompt: str
    dropped: int
    answer: Answer
    verdicts: tuple[Verdict, ...]
    values: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Score:
    """`n` items of `total` have a value. `value` None: none has."""

    measure: str
    value: float | None
    standard_error: float | None
    interval: Interval | None
    n: int
    total: int

    @property
    def higher_is_better(self) -> bool | None:
        return HIGHER_IS_BETTER.get(self.measure, True)


def marks_of(verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """One item's mark by criterion: the mean of its scored repeats, None where none is scored."""
    return {
        criterion: mean([v.score for v in verdicts if v.criterion == criterion and v.score is not None])
        for criterion in dict.fromkeys(verdict.criterion for verdict in verdicts)
    }


def measure(
    plan: TaskPlan,
    question: Question,
    passages: Sequence[Passage],
    dropped: int,
    answer: Answer,
    verdicts: Sequence[Verdict],
) -> dict[str, float | None]:
    """Every measure of one item, criteria first, in the order in which tables show them."""
    values = marks_of(verdicts)
    asked = answer.stop_reason != StopReason.WINDOW
    for name in plan.metrics:
        values[name] = ANSWER_METRICS[name](answer.text, question.references) if asked else None
    if plan.arm == Arm.RAG:
        values |= _retrieval(plan, question, passages)
    values["answer_words"] = float(len(answer.text.split()))
    values["truncated"] = float(answer.stop_reason == StopReason.LIMIT)
    values["dropped_passages"] = float(dropped)
    return values


def style(answer: Answer, asked: str, question: str) -> dict[str, float | None]:
    """How the answer fails as text; `asked` is the prompt without passages. None where nothing was asked."""
    if answer.stop_reason == StopReason.WINDOW:
        return {"empty": None, "repeats": None, "echoes": None}
    return {
        "empty": float(not answer.text.strip()),
        "repeats": float(repeats(answer.text)),
        "echoes": float(echoes(answer.text, asked, question)),
    }


def leaks(kinds: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """Whether the item shares something with the pairs that the model was trained on, and its marks again where it
    does not: their mean is the clean-subset score."""
    leaked = any(kind != "document" for kind in kinds)
    values: dict[str, float | None] = {"leaked": float(leaked), "same_document": float("document" in kinds)}
    return values | {f"{criterion}_clean": None if leaked else mark for criterion, mark in marks_of(verdicts).items()}


def answers_overview(answers: Sequence[Answer]) -> dict[str, Any]:
    """Distribution of lengths in words, and why answers ended."""
    words = sorted(len(answer.text.split()) for answer in answers)
    reasons: dict[str, int] = {}
    for answer in answers:
        reasons[answer.stop_reason.value] = reasons.get(answer.stop_reason.value, 0) + 1
    quantiles = (
        {f"p{q}": words[min(len(words) - 1, q * len(words) // 100)] for q in (5, 25, 50, 75, 95)} if words else {}
    )
    return {"words": quantiles, "stop_reasons": dict(sorted(reasons.items()))}


def leakage_overview(leakage: Mapping[str, Sequence[str]], samples: Sequence[Sample]) -> dict[str, Any]:
    """How many of the evaluated items share what with the training pairs, and which."""
    here = {sample.question.id: list(leakage.get(sample.question.id, ())) for sample in samples}
    kinds = sorted({kind for of_item in here.values() for kind in of_item})
    return {
        "items": {kind: sum(kind in of_item for of_item in here.values()) for kind in kinds},
        "leaked": {name: of_item for name, of_item in here.items() if any(kind != "document" for kind in of_item)},
    }


def _retrieval(plan: TaskPlan, question: Question, passages: Sequence[Passage]) -> dict[str, float | None]:
    """Against gold documents, except within one document, where all are of it; against gold spans where known."""
    k = plan.top_k
    values: dict[str, float | None] = {}
    if not plan.within_document:
        ranked, gold = ranked_documents(passages), question.gold_document_ids
        values[f"recall@{k}"] = recall(ranked, gold) if gold else None
        values[f"mrr@{k}"] = reciprocal_rank(ranked, gold) if gold else None
        values[f"ndcg@{k}"] = ndcg(ranked, gold, k) if gold else None
    values[f"span_recall@{k}"] = span_recall(passages, question.gold_spans) if question.gold_spans else None
    return values


def scores_of(samples: Sequence[Sample]) -> list[Score]:
    """A score for each measure that at least one item could have had."""
    names = dict.fromkeys(name for sample in samples for name in sample.values)
    return [score for name in names if (score := _score(name, samples)) is not None]


def _score(name: str, samples: Sequence[Sample]) -> Score | None:
    with_value = [(v, s.question.cluster) for s in samples if (v := s.values.get(name)) is not None]
    values, clusters = [value for value, _ in with_value], [cluster for _, cluster in with_value]
    clean = name.endswith("_clean")
    judged = name.removesuffix("_clean")
    is_criterion = any(verdict.criterion == judged for sample in samples for verdict in sample.verdicts)
    could = [sample for sample in samples if not clean or sample.values.get("leaked") == 0.0]
    if (
        not values and not is_criterion
    ):  # a data set without gold documents has no recall; an unscored criterion is news
        return None
    return Score(
        measure=name,
        value=mean(values),
        standard_error=standard_error(values, clusters) if values else None,
        interval=bootstrap_interval(values, clusters) if values else None,
        n=len(values),
        total=len(could) if is_criterion else len(values),
    )


def unscored(samples: Sequence[Sample]) -> dict[str, Any]:
    """How many verdicts there are, how many are unscored and why, and what is remarked of scored ones (an empty answer
    marked by rule, a long one that was cut)."""
    verdicts = [verdict for sample in samples for verdict in sample.verdicts]
    reasons = Counter(verdict.reason for verdict in verdicts if verdict.score is None)
    remarks = Counter(verdict.reason for verdict in verdicts if verdict.score is not None and verdict.reason)
    return {
        "verdicts": len(verdicts),
        "unscored": reasons.total(),
        "reasons": dict(sorted(reasons.items())),
        "remarks": dict(sorted(remarks.items())),
    }
