"""A judge of answers of any length without a language model: statement by statement, a small network reads how the
words of answer and reference align (`network.py`).

For a question q, a reference r and an answer a let right(r, s) be the probability that a statement s of the answer is
right by r, and stated(a, t) the probability that a states t.

    accuracy      half right(r, a) of the whole answer, half the mean of right(r, s) over its statements, weighed by
                  their words; of an answer of more than 80 words the mean alone
    completeness  the mean of stated(a, t) over the reference's statements, weighed by their words

A reference of three statements or more is long: there coverage by words and sentence vectors takes the place of the
network (`coverage.py`). Accuracy also minds matter beside the point: of an answer of more than 3n + 60 words, n being
those of the reference, it is multiplied by (3n + 60) / words. The score is 1 + 4 times that. Of several references the
one counts, for each criterion apart, with which the answer agrees best. Where a reference is one amount, date or time,
and a short answer gives one of that kind, the rule of `amounts.py` decides. Other references of a few words go to
another judge, which was fitted to people's judgements of short answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from harness.errors import HarnessError
from harness.interfaces import Identity, SingleJudge, Usage
from harness.judging.alignment.amounts import gives_amount
from harness.judging.alignment.coverage import Coverage
from harness.judging.alignment.planning import Alignments, TextPair, alignments, statements_of
from harness.judging.references import parts_of
from harness.records import Failure, JudgeItem, Score

__all__ = ["AlignmentJudge", "AlignmentReader", "AlignmentSettings"]

VERSION = 1
"""Raise it when the same entry would give another score."""
ACCURACY, COMPLETENESS = "accuracy", "completeness"
_BATCH = 64
_MANY_STATEMENTS = 3
_FREE_FACTOR, _FREE_WORDS = 3, 60
"""Words that an answer may have at no cost: so many times those of the reference, and so many more."""
_FACTOR = 1e4  # scores are rounded, since processors differ beyond


class AlignmentReader(Protocol):
    """Encoder and network together."""

    def log_odds(self, pairs: Sequence[TextPair]) -> np.ndarray:
        """(pairs, 2): of right and of stated."""

    def coverage(self, texts: Sequence[TextPair]) -> list[Coverage]:
        """Of each reference (`premise`) by the answer (`hypothesis`)."""


@dataclass(frozen=True, slots=True)
class AlignmentSettings:
    """`scales`: by head, right and stated, the slope and the intercept by which its log-odds become those of a
    probability. `short_words`: references of at most so many words go to the short judge."""

    scales: tuple[tuple[float, float], tuple[float, float]]
    short_words: int
    max_unscored: float = 0.02


class AlignmentJudge:
    """`open_reader` is called for the first long reference; `reader` is the identity of what it opens."""

    repeats = 1
    criteria = (ACCURACY, COMPLETENESS)
    scale = (1, 5)
    sees_passages = False
    asks_model = False

    def __init__(
        self,
        name: str,
        settings: AlignmentSettings,
        open_reader: Callable[[], AlignmentReader],
        reader: Identity,
        short: SingleJudge,
    ) -> None:
        self.name, self.max_unscored = name, settings.max_unscored
        self._settings, self._open_reader, self._reader_identity, self._short = settings, open_reader, reader, short
        self._reader: AlignmentReader | None = None

    @property
    def identity(self) -> Identity:
        settings = self._settings
        return {
            "kind": "alignment",
            "version": VERSION,
            "reader": dict(self._reader_identity),
            "scales": [list(scale) for scale in settings.scales],
            "short_words": settings.short_words,
            "short": dict(self._short.identity),
        }

    @property
    def usage(self) -> Usage:
        return {}

    def depends_on(self, item: JudgeItem) -> Identity:
        return {"question": item.question.text, "references": list(item.references), "answer": item.answer}

    def prepare(self) -> None:
        self._short.prepare()

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return _BATCH

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            if not item.answer.strip():  # by rule, as for every judge
                yield Score(item.key, item.criterion, item.repeat, 1.0, "empty answer: lowest score by rule")
        to_score = [item for item in items if item.answer.strip()]
        scores, unscored = self._short_scores(to_score)
        scores |= self._long_scores(to_score)
        for item in to_score:
            options = [
                (_value(item, r, score), r) for r in item.references if (score := scores.get((item.key, r))) is not None
            ]
            if not options:
                yield Score(item.key, item.criterion, item.repeat, None, unscored[item.key])
                continue
            value, reference = max(options, key=lambda option: option[0])
            several = len(item.references) > 1
            reason = f"by reference {item.references.index(reference) + 1} of {len(item.references)}" if several else ""
            yield Score(item.key, item.criterion, item.repeat, value, reason)

    def _is_short(self, reference: str) -> bool:
        return all(len(part.split()) <= self._settings.short_words for part in parts_of(reference))

    def _short_scores(self, items: Sequence[JudgeItem]) -> tuple[dict[tuple[str, str], float], dict[str, str]]:
        """By key and reference; and by key the reason why a reference is unscored."""
        asked = [
            replace(item, key=f"{number}:{item.key}", reference=reference, other_references=())
            for item in items
            for number, reference in enumerate(item.references)
            if self._is_short(reference)
        ]
        by_key = {each.key: each for each in asked}
        scores: dict[tuple[str, str], float] = {}
        unscored: dict[str, str] = {}
        for score in self._short.judge(asked) if asked else ():
            if isinstance(score, Failure):
                raise HarnessError(f"judge {self.name}: its judge of short references gave no score: {score.reason}")
            key = score.key.partition(":")[2]
            if score.value is None:
                unscored[key] = score.reason
            else:
                scores[key, by_key[score.key].reference] = score.value
        return scores, unscored

    def _long_scores(self, items: Sequence[JudgeItem]) -> dict[tuple[str, str], float]:
        """By key and reference; of a reference that holds several the best."""
        parts = [
            (item, reference, part)
            for item in items
            for reference in item.references
            if not self._is_short(reference)
            for part in parts_of(reference)
        ]
        if not parts:
            return {}
        if self._reader is None:
            self._reader = self._open_reader()
        best: dict[tuple[str, str], float] = {}
        for (item, reference, _), share in zip(parts, self._shares(self._reader, parts), strict=True):
            key = item.key, reference
            best[key] = max(1 + 4 * share, best.get(key, 1.0))
        return best

    def _shares(self, reader: AlignmentReader, parts: Sequence[tuple[JudgeItem, str, str]]) -> list[float]:
        """From 0 to 1, for each part of a reference."""
        plans = {
            number: alignments(item.question.text, part, item.answer)
            for number, (item, _, part) in enumerate(parts)
            if len(statements_of(part)) < _MANY_STATEMENTS
        }
        wanted = dict.fromkeys(pair for number, plan in plans.items() for pair in _pairs(parts[number][0], plan))
        odds = reader.log_odds(list(wanted)) if wanted else np.zeros((0, 2))
        slopes, intercepts = np.array(self._settings.scales).T
        by_pair = dict(zip(wanted, 1 / (1 + np.exp(-(odds * slopes + intercepts))), strict=True))
        long = {n: TextPair(i.question.text, part, i.answer) for n, (i, _, part) in enumerate(parts) if n not in plans}
        distinct = list(dict.fromkeys(long.values()))
        covered = dict(zip(distinct, reader.coverage(distinct), strict=True)) if distinct else {}
        return [
            _share(item.criterion, plans[number], by_pair)
            if number in plans
            else _covered(item.criterion, covered[long[number]])
            for number, (item, _, _) in enumerate(parts)
        ]

    def close(self) -> None:
        self._reader = None
        self._short.close()


def _value(item: JudgeItem, reference: str, score: float) -> float:
    """The score by one reference, once amounts are compared and matter beside the point is counted."""
    given = [gives_amount(item.question.text, part, item.answer) for part in parts_of(reference)]
    if None not in given:
        score = 5.0 if any(given) else 1.0
    if item.criterion == ACCURACY:
        free = _FREE_FACTOR * len(reference.split()) + _FREE_WORDS
        score = 1 + (score - 1) * min(1.0, free / len(item.answer.split()))
    return round(score * _FACTOR) / _FACTOR


def _pairs(item: JudgeItem, plan: Alignments) -> list[TextPair]:
    if item.criterion == COMPLETENESS:
        return list(plan.of_reference)
    return [*plan.of_answer, *([plan.whole] if plan.whole else [])]


def _share(criterion: str, plan: Alignments, probabilities: dict[TextPair, np.ndarray]) -> float:
    if criterion == COMPLETENESS:
        return _mean([(probabilities[pair][1], pair) for pair in plan.of_reference])
    share = _mean([(probabilities[pair][0], pair) for pair in plan.of_answer])
    return share if plan.whole is None else (share + float(probabilities[plan.whole][0])) / 2


def _covered(criterion: str, covered: Coverage) -> float:
    return covered.completeness if criterion == COMPLETENESS else covered.accuracy


def _mean(values: Sequence[tuple[float, TextPair]]) -> float:
    """Weighed by the words of the hypotheses."""
    return float(np.average([p for p, _ in values], weights=[len(pair.hypothesis.split()) for _, pair in values]))
