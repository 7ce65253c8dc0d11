"""The deterministic judge of the synthetic world, where the atomic facts of every answer are known.

Let R be the facts that a question asks for, and for an answer

    s  how many of R it states: a value of the fact's kind that equals the fact's, in whatever form it is written,
    w  how many values it states that are wrong: of the kind of a fact or side fact, and neither one of these nor a
       value that the question itself names,
    i  how much of it is beside the point: its words over 3 n + 20, in units of n / |R|, where n is the number of words
       that it takes to state R. A full sentence, a polite frame and a sentence of context cost nothing; an answer of
       ten times n cannot get over 2.

    accuracy     = 1 + 4 · s / (s + w + i), and 1 when s = 0
    completeness = 1 + 4 · s / |R|

What counts is what is asserted. A value that the answer denies is not stated, and the denial of a right one is a wrong
value; so is "more than 12 months". Of a correction the last word counts. Of n alternatives ("either 12 or 24 months")
the right one counts as one right and n - 1 wrong values, and as 1/n of a complete answer. A value that is said to be
that of another fact of R is wrong. Of a comparison the choice is read, in either direction, or follows from two values.

A question that cannot be answered has one fact without a value, which gives the kind of value that is asked for. An
answer that abstains and claims no value is right (s = |R| = 1), any other gets 1 and 1. A value beside an abstention is
no claim where its clause is about something else ("the notice is not given, only the minimum term of 12 months").

These are the accuracy and completeness of the study with the judge's opinion taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.interfaces import Identity, Usage
from harness.judging.abstention import abstains
from harness.judging.assertions import assertions, statements_of
from harness.judging.choices import choice
from harness.judging.mention import Mention
from harness.judging.numerals import plain
from harness.judging.owners import owner_of
from harness.judging.spelling import stem
from harness.judging.values import mentions
from harness.records import Fact, JudgeItem, Question, Score, fields_of

__all__ = ["FactsJudge", "Marks", "marks", "true_scores"]

VERSION = 3
"""Raise it when the same answer would get another score."""

ACCURACY, COMPLETENESS = "accuracy", "completeness"
_FREE_LENGTHS, _FREE_WORDS = 3, 20  # what an answer may be longer than needed at no cost
_GUESS = {  # words by which a value beside an abstention is offered all the same
    stem(word)
    for word in ("guess", "estimate", "assume", "likely", "probably", "typical", "usually", "normally", "general",
                 "standard", "common", "perhaps", "maybe", "possibly", "presumably", "suppose", "expect", "think",
                 "believe", "would", "should", "could", "might")
}  # fmt: skip
_FRAME = {  # words that give a value no subject of its own
    stem(word)
    for word in ("this", "that", "there", "here", "which", "they", "about", "around", "with", "from", "only", "will",
                 "passages", "documents", "pages", "text", "rules", "context", "knowledge", "base", "information",
                 "give", "given", "says", "said", "stated", "mentioned", "provided", "according", "answer", "value",
                 "does", "however")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Marks:
    """What an answer states of `asked` facts: how many, as what share of a complete answer, and which values are wrong.
    `lengths` is the answer's length in units of the needed one, `beside` the irrelevant matter in units of a fact."""

    asked: int
    stated: int
    complete: float
    wrong: tuple[str, ...]
    lengths: float
    beside: float
    abstained: bool = False

    @property
    def scores(self) -> tuple[float, float]:
        """(accuracy, completeness), each from 1 to 5."""
        counted = self.stated + len(self.wrong) + self.beside
        accuracy = 1 + 4 * self.stated / counted if self.stated else 1.0
        return accuracy, 1 + 4 * self.complete / self.asked

    @property
    def reason(self) -> str:
        """The scores in words."""
        parts = [f"states {self.stated} of {self.asked} facts" + (", abstains" if self.abstained else "")]
        if self.wrong:
            parts.append(f"wrong: {', '.join(self.wrong)}")
        if self.beside:
            parts.append(f"{self.lengths:.1f} times the needed length")
        return "; ".join(parts)


def true_scores(question: Question, answer: str) -> tuple[float, float]:
    """(accuracy, completeness), each from 1 to 5."""
    return marks(question, answer).scores


def marks(question: Question, answer: str) -> Marks:
    """What an answer to a question with known facts states."""
    text = statements_of(plain(answer), plain(question.text))
    needed = sum(len((fact.statement or f"{question.text} {fact.value}").split()) for fact in question.facts)
    length = len(answer.split())
    beside = max(0.0, length - _FREE_LENGTHS * needed - _FREE_WORDS) * len(question.facts) / needed
    sizes = (length / needed, beside)
    if not question.answerable:
        claims = _claims(question, text)
        abstained = abstains(_frame(answer) if beside else answer)
        right = abstained and not claims
        return Marks(len(question.facts), int(right), float(right), claims, *sizes, abstained=abstained)
    stated, complete, wrong = 0, 0.0, dict[str, str]()
    for fact in question.facts:
        if fact.kind == "choice":
            chosen = _chosen(question, fact, text)
            stated += fact.value in chosen
            complete += (fact.value in chosen) / max(1, len(chosen))
            wrong |= {f"choice {name}": name for name in chosen if name != fact.value}
    for kind in dict.fromkeys(fact.kind for fact in (*question.facts, *question.side_facts) if fact.kind != "choice"):
        reading = _of_kind(question, kind, text)
        stated += reading.stated
        complete += reading.complete
        wrong |= reading.wrong
    return Marks(
        len(question.facts), stated, complete, tuple(wrong.values()), *sizes, abstained=not stated and abstains(answer)
    )


def _frame(answer: str) -> str:
    """First and last sentence, in which a long answer abstains: what a passage says it leaves open is no abstention."""
    sentences = re.split(r"(?<=[.!?])\s+", answer.strip())
    return f"{sentences[0]} {sentences[-1]}"


def _chosen(question: Question, fact: Fact, text: str) -> tuple[str, ...]:
    kinds = {side.kind for side in question.side_facts}
    found = choice(question.text, fact.alternatives, kinds.pop() if len(kinds) == 1 else None, text)
    return ("both equal",) if found.equal else found.names


# ---- values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _OfKind:
    """What is stated of the facts of one kind. `wrong` is by canonical value, as it was written."""

    stated: int
    complete: float
    wrong: dict[str, str]


def _of_kind(question: Question, kind: str, text: str) -> _OfKind:
    facts = [fact for fact in question.facts if fact.kind == kind]
    known = [fact for fact in (*question.facts, *question.side_facts) if fact.kind == kind]
    terms = tuple(dict.fromkeys(term for fact in known for term in (*fact.alternatives, fact.value)))
    named = _named(question, kind, terms)
    found = mentions(kind, text, terms)
    if any(fact.kind == "count" for fact in (*question.facts, *question.side_facts)) and kind != "count":
        found = [m for m in found if not text[m.start : m.end].isdigit()]  # a number alone is the count then
    if kind == "money" and any(fact.kind == "time" for fact in question.facts):
        clock = {m.start for m in mentions("time", text, ())}  # "12.15" is the time then
        found = [m for m in found if m.start not in clock]
    said = assertions(text, found)
    shares: dict[str, float] = {}
    wrong: dict[str, str] = {}
    for group in said.stated:
        for mention in group:
            owner = owner_of(text, mention, facts) if len(facts) > 1 else None
            hits = [fact for fact in known if _equal(fact, mention, terms)]
            hits = [owner] if owner in hits else [] if owner is not None else hits
            for fact in hits:
                shares[fact.id] = max(shares.get(fact.id, 0.0), 1 / len({other.readings for other in group}))
            if not hits and not (named & set(mention.readings)):
                wrong[f"{kind} {mention.readings[0]}"] = text[mention.start : mention.end].strip()
    right = [shares[fact.id] for fact in facts if fact.id in shares]
    for mention in said.denied:
        denied = [fact for fact in facts if _equal(fact, mention, terms) and fact.id not in shares]
        if denied:
            wrong[f"{kind} not {mention.readings[0]}"] = f"not {text[mention.start : mention.end].strip()}"
    return _OfKind(len(right), sum(right), wrong)


def _named(question: Question, kind: str, terms: Sequence[str]) -> set[str]:
    """What the question itself names is not wrong to repeat."""
    return {value for mention in mentions(kind, plain(question.text), terms) for value in mention.readings}


def _equal(fact: Fact, mention: Mention, terms: Sequence[str]) -> bool:
    expected = mentions(fact.kind, plain(fact.value), terms)
    if not expected:
        return False
    value = expected[0].readings[0]
    model_alone = fact.kind == "name" and mention.readings[0] == value.split()[-1]
    return value in mention.readings or model_alone


# ---- unanswerable ---------------------------------------------------------------------------------------------------


def _claims(question: Question, text: str) -> tuple[str, ...]:
    """The values that an answer makes up for what cannot be answered."""
    claims = {}
    abstained = abstains(text)
    for fact in question.facts:
        found = mentions(fact.kind, text, fact.alternatives)
        named = _named(question, fact.kind, fact.alternatives)
        for group in assertions(text, found).stated:
            for mention in group:
                elsewhere = abstained and _about_something_else(question, fact, text, mention)
                if not elsewhere and not named & set(mention.readings):
                    claims[mention.readings[0]] = text[mention.start : mention.end].strip()
    return tuple(claims.values())


def _about_something_else(question: Question, fact: Fact, text: str, mention: Mention) -> bool:
    """Whether a value stands in a clause of its own subject, which is not the one that was asked about."""
    start = max((m.end() for m in re.finditer(r"[.;!?:](?!\d)|,(?!\d)|\bbut\b", text[: mention.start])), default=0)
    end = re.search(r"[.;!?](?!\d)|$", text[mention.end :])
    clause = text[start : mention.start] + " " + text[mention.end : mention.end + (end.start() if end else 0)]
    asked = {stem(word) for word in re.findall(r"[a-z]+", f"{question.text} {fact.statement}".lower())}
    words = {stem(word) for word in re.findall(r"[a-z]{4,}", clause.lower())}
    return bool(words - asked - _FRAME) and not words & _GUESS


# ---- the judge ------------------------------------------------------------------------------------------------------


class FactsJudge:
    """Needs no model. A question without known facts is unscored, so it cannot judge the study's data sets. What it saw
    in an answer is the `reply` of its scores; a `reason` would be a remark on how the score was obtained."""

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
            "facts": [fields_of(fact) for fact in question.facts],
            "side_facts": [fields_of(fact) for fact in question.side_facts],
            "answer": item.answer,
        }

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return max(1, len(items))

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        read: tuple[Question, str] | None = None
        for item in items:
            if not item.question.facts:
                reason = "the question has no known facts; the facts judge is for the synthetic world"
                yield Score(item.key, item.criterion, item.repeat, None, reason)
                continue
            if read is None or read[0] is not item.question or read[1] != item.answer:
                read = item.question, item.answer  # both criteria of an answer, side by side, are read once
                seen = marks(*read)
            accuracy, completeness = seen.scores
            value = accuracy if item.criterion == ACCURACY else completeness
            yield Score(item.key, item.criterion, item.repeat, value, reply=seen.reason)

    def prepare(self) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is loaded."""
