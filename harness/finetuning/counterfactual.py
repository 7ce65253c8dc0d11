"""Pairs whose passages say something else than is true, so that the answer can be had from them alone: the value that a
pair asks for is exchanged for another of its kind, in the passage and in the target. A model trained on such pairs
learns to follow its passages and no facts (Li et al. 2022, arXiv:2211.05110; the substitution is that of Longpre et al.
2021, arXiv:2109.05052).

By rule. Where the facts of an answer are known (the synthetic world), each one's value is exchanged within its gold
span, for one of the fact's alternatives or of another pair's fact of its kind, in the same unit if there is one.
Elsewhere the whole answer must stand word for word in a gold document's passage; it is exchanged in every passage that
is shown, for another pair's answer of its form: as many words, with or without a digit, with or without a capital. A
pair for which that cannot be done is None here: one whose value is not shown, is ambiguous in its span or stands in the
question; a comparison, a yes or no.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from harness.finetuning.evidence import occurrences, parts_of, span_in, substituted
from harness.records import Fact, Passage, Question

__all__ = ["Counterfactual", "Donors"]

_NOT_EXCHANGED = {"yes", "no", "true", "false", "unanswerable"}
_CHOICE = "choice"  # which of two: its value is in the question


class Counterfactual(NamedTuple):
    """A pair with its passages after the exchange. `values`: new by old. The first `needed` passages hold them."""

    pair: Question
    passages: list[Passage]
    values: Mapping[str, str]
    needed: int


@dataclass(frozen=True, slots=True)
class Donors:
    """Where other values come from: the pairs that are trained on. `target_of` gives a pair's answer."""

    pairs: Sequence[Question]
    target_of: Callable[[Question], str]
    seed: int

    def counterfactual(self, pair: Question, passages: Sequence[Passage]) -> Counterfactual | None:
        """The pair with other values; None where the rules allow none."""
        made = self._by_facts(pair, passages) if pair.facts else self._by_answer(pair, passages)
        if made is None:
            return None
        before, after = self.target_of(pair), self.target_of(made.pair)
        if any(not occurrences(old, before) or not occurrences(new, after) for old, new in made.values.items()):
            return None  # the target does not say the value
        if any(occurrences(old, after) for old in made.values):
            return None  # or says it twice over
        return made

    def _by_facts(self, pair: Question, passages: Sequence[Passage]) -> Counterfactual | None:
        shown = [evidence for span in pair.gold_spans if (evidence := span_in(passages, span)) is not None]
        texts = [passage.text for passage in passages]
        values: dict[str, str] = {}
        needed = 0
        for fact in pair.facts:
            holders = [e for e in shown if occurrences(fact.value, texts[e.rank - 1][e.start : e.end])]
            if fact.kind == _CHOICE or len(holders) != 1 or occurrences(fact.value, pair.text):
                return None
            (holder,) = holders
            if len(occurrences(fact.value, texts[holder.rank - 1][holder.start : holder.end])) > 1:
                return None
            new = self._other_value(pair, fact, taken=[*values.values()])
            if new is None:
                return None
            values[fact.value] = new
            needed = max(needed, holder.rank)
        exchanged = list(texts)
        every = {part for span in pair.gold_spans for part in parts_of(passages, span)}
        for evidence in sorted(every, reverse=True):  # from the end: what comes before keeps its place
            text = exchanged[evidence.rank - 1]
            middle = substituted(text[evidence.start : evidence.end], values)
            exchanged[evidence.rank - 1] = text[: evidence.start] + middle + text[evidence.end :]
        after = [replace(p, text=text) for p, text in zip(passages, exchanged, strict=True)]
        return Counterfactual(_with_values(pair, values), after, values, needed)

    def _other_value(self, pair: Question, fact: Fact, taken: Sequence[str]) -> str | None:
        known = fact.alternatives or [f.value for other in self.pairs for f in other.facts if f.kind == fact.kind]
        not_wanted = {fact.value.casefold(), *(value.casefold() for value in taken)}
        choices = sorted({v for v in known if v and v.casefold() not in not_wanted and not occurrences(v, pair.text)})
        # 18 months becomes 24 months rather than 15 seconds
        alike = [value for value in choices if _unit(value) == _unit(fact.value)]
        return self._rng(pair, fact.id).choice(alike or choices) if choices else None

    def _by_answer(self, pair: Question, passages: Sequence[Passage]) -> Counterfactual | None:
        answer = self.target_of(pair)
        if answer.casefold().rstrip(".") in _NOT_EXCHANGED or occurrences(answer, pair.text):
            return None
        holders = [
            rank
            for rank, passage in enumerate(passages, start=1)
            if passage.document_id in pair.gold_document_ids and occurrences(answer, passage.text)
        ]
        others = {self.target_of(other) for other in self.pairs if not other.facts}
        choices = sorted(
            other for other in others if _form(other) == _form(answer) and other.casefold() != answer.casefold()
        )
        if not holders or not choices:
            return None
        values = {answer: self._rng(pair, "answer").choice(choices)}
        after = [replace(p, text=substituted(p.text, values), title=substituted(p.title, values)) for p in passages]
        return Counterfactual(_with_values(pair, values), after, values, holders[0])

    def _rng(self, pair: Question, what: str) -> random.Random:
        digest = hashlib.sha256(f"counterfactual:{self.seed}:{pair.id}:{what}".encode()).hexdigest()
        return random.Random(int(digest[:16], 16))


def _with_values(pair: Question, values: Mapping[str, str]) -> Question:
    return replace(pair, references=tuple(substituted(reference, values) for reference in pair.references))


def _unit(value: str) -> str:
    return re.sub(r"\d[\d.,]*", "", value)


def _form(answer: str) -> tuple[int, bool, bool]:
    """Words, whether there is a digit, whether it begins with a capital."""
    return len(answer.split()), bool(re.search(r"\d", answer)), answer[:1].isupper()
