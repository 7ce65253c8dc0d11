"""One question with all that happened to it, and every measure that is taken of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.judging.abstention import abstains
from harness.judging.facts import marks
from harness.measures import CLEAN
from harness.metrics.answers import ANSWER_METRICS, contradicting
from harness.metrics.ranking import ndcg, ranked_documents, recall, reciprocal_rank, span_recall
from harness.metrics.style import echoes, loops
from harness.prompts import chat
from harness.records import Answer, Arm, Passage, Question, Score, StopReason, TaskPlan
from harness.statistics import mean

__all__ = ["Sample", "first_sentence", "item_scores", "leakage_values", "measure"]


@dataclass(frozen=True, slots=True)
class Sample:
    """`scores` are the judge's, one a criterion and repeat; `values` holds every measure, None where it could not be
    taken."""

    question: Question
    target: str
    passages: tuple[Passage, ...]
    prompt: str
    dropped: int
    answer: Answer
    scores: tuple[Score, ...]
    values: Mapping[str, float | None]


def item_scores(scores: Sequence[Score]) -> dict[str, float | None]:
    """One item's score by criterion: the mean of its scored repeats, None where none is scored."""
    return {
        criterion: mean([s.value for s in scores if s.criterion == criterion and s.value is not None])
        for criterion in dict.fromkeys(score.criterion for score in scores)
    }


def measure(
    plan: TaskPlan,
    question: Question,
    passages: Sequence[Passage],
    dropped: int,
    answer: Answer,
    scores: Sequence[Score],
) -> dict[str, float | None]:
    """Every measure of one item, criteria first, in the order in which tables show them."""
    values = item_scores(scores)
    asked, failed = not answer.is_missing, answer.stop_reason == StopReason.FAILED
    for name in plan.metrics:
        values[name] = ANSWER_METRICS[name](answer.text, question.references) if asked else None
    if plan.arm == Arm.RAG:
        values |= _retrieval(plan, question, passages)
    values["answer_words"] = None if failed else float(len(answer.text.split()))
    values["truncated"] = None if failed else float(answer.stop_reason == StopReason.LIMIT)
    values["dropped_passages"] = float(dropped)
    values["unanswerable"] = float(not question.answerable)
    if len(question.references) > 1:
        values["contradicting"] = float(contradicting(question.references))
    if question.replaced:
        values |= _twin(question, answer)
    return values | _style(plan, question, passages, answer)


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


def _twin(question: Question, answer: Answer) -> dict[str, float | None]:
    """Of a counterfactual twin's question: what share of the facts asked for the answer states as its page has them,
    and what share as the fine-tuning pool had them, as the facts judge reads it. An answer may do both, or neither."""
    if answer.is_missing:
        return {"from_context": None, "from_weights": None}
    sides = {"from_context": question.facts, "from_weights": question.replaced}
    seen = {name: marks(replace(question, facts=facts, side_facts=()), answer.text) for name, facts in sides.items()}
    return {name: each.stated / each.asked for name, each in seen.items()}


def _style(plan: TaskPlan, question: Question, passages: Sequence[Passage], answer: Answer) -> dict[str, float | None]:
    """How the answer fails as text. None where nothing was asked."""
    if answer.is_missing:
        return {"empty": None, "abstained": None, "loops": None, "echoes": None}

    def instruction() -> str:
        # passages without text, not none: with none the template leaves out what it says of them, which may be echoed
        blank = [replace(passage, title="", text="") for passage in passages]
        return chat(plan.doc_to_text, None, question.text, blank, question.row)[-1].content

    return {
        "empty": float(not answer.text.strip()),
        "abstained": float(abstains(first_sentence(answer.text))),
        "loops": float(loops(answer.text)),
        "echoes": float(echoes(answer.text, instruction, question.text)),
    }


def first_sentence(text: str) -> str:
    """Whether an answer abstains is read from here: further on, prose on what is "not known" answers the question."""
    return re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]


def leakage_values(kinds: Sequence[str], scores: Sequence[Score]) -> dict[str, float | None]:
    """Whether the item shares something with the pairs that the model was trained on, and its scores again where it
    does not: their mean is the score over the clean subset."""
    leaked = any(kind != "document" for kind in kinds)
    values: dict[str, float | None] = {"leaked": float(leaked), "same_document": float("document" in kinds)}
    clean = {f"{name}{CLEAN}": None if leaked else value for name, value in item_scores(scores).items()}
    return values | clean
