"""The deterministic judge of the synthetic world, where the atomic facts of every answer are known.

Let R be the facts that a question asks for, and for an answer

    s  how many of R it states (a value of the fact's kind that equals the fact's, in whatever form it is written),
    w  how many different values it states of R's kinds that are wrong: neither one of R, nor a true side fact, nor
       a value that the question itself names.

    completeness = 1 + 4 · s / |R|
    accuracy     = 1 + 4 · s / (s + w),  and 1 when s = 0

A question that cannot be answered has one fact without a value, which gives the kind of value that is asked for: an
answer that says so and states no value of that kind gets 5 and 5, any other 1 and 1. A fact whose value the answer
denies ("is not 4 euros") is not stated, and the denial is a wrong value. Of a comparison ("which is cheaper, A or B?")
the first of the two that the answer names is its choice. These are the accuracy and completeness of the study (relevant
and nothing misleading; all that is asked for) with the judge's opinion taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from harness.interfaces import Identity, Usage
from harness.judging.values import mentions
from harness.records import Fact, JudgeItem, Question, Score

__all__ = ["FactsJudge", "abstains", "true_scores"]

VERSION = 2
"""Raise it when the same answer would get another score."""

ACCURACY, COMPLETENESS = "accuracy", "completeness"

_SAYS = (
    r"(?:state[ds]?|stating|specif(?:y|ied|ies)|mention(?:ed|s)?|gives?|given|provide[ds]?|says?|said|available|"
    r"list(?:ed|s)?|found|find|contain(?:ed|s)?|includ(?:e|es|ed)|answer(?:ed)?|know[ns]?|indicated?|describe[ds]?|"
    r"define[ds]?|determined?|explicit(?:ly)?|clear|enough|possible|tell|have|has|there)"
)
_ABSTENTION = re.compile(
    # "does not (directly) say", "cannot be determined", "couldn't find"; never across the end of a sentence
    rf"\b(?:not|never|cannot|\w+n't)\b(?:[^\w.!?;\n]+\w+){{0,4}}?[^\w.!?;\n]+{_SAYS}\b"
    rf"|\b(?:no|none of the|neither of the)\s+(?:\w+\s+){{0,2}}?(?:passages?|documents?|pages?)\s+{_SAYS}\b"
    r"|\bno (?:\w+ ){0,2}?(?:information|mention|answer|details?|data|statement|record)\b"
    r"|\b(?:unknown|unanswerable|unspecified|unclear|insufficient|unable to)\b",
    re.IGNORECASE,
)


def abstains(answer: str) -> bool:
    """Whether an answer says that the passages do not hold what is asked for."""
    return _ABSTENTION.search(answer.replace("’", "'")) is not None


_DENIED = re.compile(
    # "is not 4 euros" to the end of the clause or to a "but"; "not later than" is no denial
    r"(?:\b(?:not|never)\b|n't\b)(?!\s+(?:only|later|more|less|before|until|exceed))"
    r"(?:(?!\bbut\b|\b(?:and|it) (?:is|has|costs|takes)\b|[.,;:!?](?!\d)).)*",
    re.IGNORECASE,
)


def _affirmed(answer: str) -> str:
    """The answer without what it denies: a value that it says is not so is not stated."""
    return _DENIED.sub(" ", answer.replace("’", "'"))


def _stated(fact: Fact, answer: str) -> bool:
    stated = mentions(fact.kind, answer, fact.alternatives)
    expected = mentions(fact.kind, fact.value, fact.alternatives)
    return stated[:1] == expected if fact.kind == "choice" else expected[0] in stated


def _wrong_values(question: Question, answer: str) -> int:
    wrong = set()
    for fact in question.facts:
        if fact.kind == "choice":
            wrong |= {
                (fact.kind, name) for name in mentions(fact.kind, answer, fact.alternatives)[:1] if name != fact.value
            }
            continue
        stated = set(mentions(fact.kind, answer, fact.alternatives))
        right = set(mentions(fact.kind, question.text, fact.alternatives))
        for true in (*question.facts, *question.side_facts):
            if true.kind == fact.kind and true.value:
                right |= set(mentions(true.kind, true.value, true.alternatives or fact.alternatives))
        wrong |= {(fact.kind, value) for value in stated - right}
    return len(wrong)


def true_scores(question: Question, answer: str) -> tuple[float, float]:
    """(accuracy, completeness), each from 1 to 5."""
    if not question.answerable:
        score = 5.0 if abstains(answer) and not _wrong_values(question, answer) else 1.0
        return score, score
    affirmed = _affirmed(answer)
    stated = sum(_stated(fact, affirmed) for fact in question.facts)
    denied = sum(_stated(fact, answer) and not _stated(fact, affirmed) for fact in question.facts)
    wrong = _wrong_values(question, affirmed) + denied
    accuracy = 1 + 4 * stated / (stated + wrong) if stated else 1.0
    return accuracy, 1 + 4 * stated / len(question.facts)


class FactsJudge:
    """Needs no model. A question without known facts is unscored, so it cannot judge the study's data sets."""

    repeats = 1
    criteria = (ACCURACY, COMPLETENESS)
    scale = (1, 5)
    sees_passages = False
    asks_model = False
    max_unscored = 0.0

    def __init__(self, name: str = "facts") -> None:
        self.name = name

    @property
    def identity(self) -> Identity:
        return {"kind": "facts", "version": VERSION}

    @property
    def usage(self) -> Usage:
        return {}

    def depends_on(self, item: JudgeItem) -> Identity:
        question = item.question
        return {
            "question": question.text,
            "answerable": question.answerable,
            "facts": [asdict(fact) for fact in question.facts],
            "side_facts": [asdict(fact) for fact in question.side_facts],
            "answer": item.answer,
        }

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return max(1, len(items))

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            if not item.question.facts:
                reason = "the question has no known facts; the facts judge is for the synthetic world"
                yield Score(item.key, item.criterion, item.repeat, None, reason)
                continue
            accuracy, completeness = true_scores(item.question, item.answer)
            yield Score(item.key, item.criterion, item.repeat, accuracy if item.criterion == ACCURACY else completeness)

    def prepare(self) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is loaded."""
