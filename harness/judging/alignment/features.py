"""What the alignment of two texts shows about whether one agrees with the other: soft and exact overlap, what is
foreign to the premise and what is missing, and conflicts found by rule (numbers, codes, names, contraries, denials,
order).

For accuracy the premise is the reference and the hypothesis the answer; for completeness the other way round. Words of
the question count for neither side, since an answer that repeats the question states nothing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.judging.alignment.words import (
    CONTRARIES,
    DENIAL,
    STOP_WORDS,
    has_capitals,
    has_contrary,
    has_digit,
    stem,
    words,
)
from harness.judging.signals import ABSTAINS

__all__ = ["FLAGS", "EncodedText", "features", "flags"]

_YES_OR_NO = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)
_ABSTAINS_ALSO = re.compile(
    r"not (?:mention|say|state|found|specif|provid)|no (?:mention|information)|unanswerable|cannot be", re.IGNORECASE
)
_NEIGHBOURS = (-2, -1, 1, 2)
FLAGS = 8
"""What is told of each word beside its vector; `flags`."""


@dataclass(frozen=True)
class EncodedText:
    """A text, a unit vector for each of its words in their context (words, dimensions), and one for the whole."""

    text: str
    vectors: np.ndarray
    whole: np.ndarray

    @cached_property
    def words(self) -> list[str]:
        """As many as have a vector."""
        return words(self.text)[: len(self.vectors)] or ["x"]

    @cached_property
    def stems(self) -> list[str]:
        """Of `words`."""
        return [stem(word) for word in self.words]

    @cached_property
    def stem_set(self) -> frozenset[str]:
        """Of `words`."""
        return frozenset(self.stems)

    @cached_property
    def lower(self) -> frozenset[str]:
        """`words` in lower case."""
        return frozenset(word.lower() for word in self.words)

    @cached_property
    def content(self) -> list[int]:
        """Places of the words that carry content."""
        return [place for place, word in enumerate(self.words) if word.lower() not in STOP_WORDS]

    @cached_property
    def denials(self) -> int:
        """How many words deny something."""
        return len(DENIAL.findall(self.text))

    @cached_property
    def yes_or_no(self) -> str | None:
        """The word that it begins with, if it is one of the two."""
        match = _YES_OR_NO.match(self.text)
        return match[1].lower() if match else None


def features(question: EncodedText, premise: EncodedText, hypothesis: EncodedText) -> dict[str, float]:
    """By name; all finite."""
    values = _overlap(question, premise, hypothesis)
    values |= _conflicts_of_codes(question, premise, hypothesis)
    values |= _conflicts_of_sense(question, premise, hypothesis)
    values |= _shape(question, premise, hypothesis)
    for first, second in _PRODUCTS:
        values[f"{first}*{second}"] = values[first] * values[second]
    return values


_PRODUCTS = (
    ("soft_precision", "soft_recall"), ("precision", "recall"), ("cosine", "contrary"), ("recall", "denial_differs"),
    ("recall", "contrary"), ("recall", "inversions"), ("recall", "replacement_similarity"), ("recall", "code_conflict"),
    ("recall", "implied_polarity_differs"),
)  # fmt: skip


def _overlap(question: EncodedText, premise: EncodedText, hypothesis: EncodedText) -> dict[str, float]:
    similarity = hypothesis.vectors.astype(np.float32) @ premise.vectors.astype(np.float32).T
    asked = question.stem_set
    new_in_premise = [j for j in premise.content if premise.stems[j] not in asked] or premise.content
    new_in_premise = new_in_premise or list(range(len(premise.words)))
    new = [i for i in hypothesis.content if hypothesis.stems[i] not in asked]
    found = [1.0 if hypothesis.stems[i] in premise.stem_set else float(similarity[i].max()) for i in new] or [0.0]
    kept = [1.0 if premise.stems[j] in hypothesis.stem_set else float(similarity[:, j].max()) for j in new_in_premise]
    foreign = [i for i in new if hypothesis.stems[i] not in premise.stem_set]
    lost = [j for j in premise.content if premise.stems[j] not in hypothesis.stem_set]
    missing = [j for j in lost if premise.stems[j] not in asked]
    context, likeness = 0.0, 0.0
    for i in foreign if lost else []:  # a foreign word that stands where a lost one stood
        j = lost[int(np.argmax(similarity[i, lost]))]
        same = sum(_same_at(hypothesis, i + step, premise, j + step) for step in _NEIGHBOURS)
        context = max(context, float(same))
        likeness = max(likeness, float(similarity[i, j]) * (same > 0))
    return {
        "soft_precision": float(np.mean(found)),
        "least_precision": min(found),
        "soft_recall": float(np.mean(kept)),
        "least_recall": min(kept),
        "nothing_new": float(not new),
        "precision": float(np.mean([hypothesis.stems[i] in premise.stem_set for i in new])) if new else 0.0,
        "recall": float(np.mean([premise.stems[j] in hypothesis.stem_set for j in new_in_premise])),
        "foreign": math.log1p(len(foreign)),
        "missing": math.log1p(len(missing)),
        "foreign_share": len(foreign) / max(1, len(hypothesis.content)),
        "missing_share": len(missing) / max(1, len(new_in_premise)),
        "replacement_context": context,
        "replacement_similarity": likeness,
    }


def _same_at(first: EncodedText, i: int, second: EncodedText, j: int) -> bool:
    inside = 0 <= i < len(first.words) and 0 <= j < len(second.words)
    return inside and first.stems[i] == second.stems[j]


def _conflicts_of_codes(question: EncodedText, premise: EncodedText, hypothesis: EncodedText) -> dict[str, float]:
    """Numbers and codes, names with inner capitals, names with a capital in front. A conflict is one that is foreign
    where one is missing."""
    asked, expected, stated = question.stem_set, premise.stem_set, hypothesis.stem_set
    codes = {s for s in stated if has_digit(s)}, {s for s in expected if has_digit(s)}
    foreign, missing = codes[0] - expected - asked, codes[1] - stated - asked
    values = {
        "code_conflict": float(bool(foreign and missing)),
        "code_foreign": float(bool(foreign)),
        "code_missing": float(bool(missing)),
        "code_agrees": float(bool(codes[0] & codes[1] - asked)),
        "asked_code_replaced": float(bool(foreign and (codes[1] & asked) - stated)),
    }
    capitals = [{stem(word) for word in text.words if has_capitals(word)} for text in (hypothesis, premise)]
    foreign, missing = capitals[0] - expected - asked, capitals[1] - stated - asked
    values |= {
        "capitals_conflict": float(bool(foreign and missing)),
        "capitals_foreign": float(bool(foreign)),
        "capitals_agree": float(bool(capitals[1] & stated - asked)),
        "capitals_foreign_share": len(foreign) / max(1, len(capitals[0])),
        "capitals_missing_share": len(missing) / max(1, len(capitals[1])),
    }
    names = [{stem(word) for word in text.words[1:] if word[:1].isupper()} for text in (hypothesis, premise)]
    foreign, missing = names[0] - expected - asked, names[1] - stated - asked
    return values | {
        "name_conflict": float(bool(foreign and missing)),
        "name_foreign": float(bool(foreign)),
        "name_agrees": float(bool(names[1] & stated - asked)),
    }


def _conflicts_of_sense(question: EncodedText, premise: EncodedText, hypothesis: EncodedText) -> dict[str, float]:
    """Contraries, denials, yes and no, and shared words in another order."""
    place = {premise.stems[j]: j for j in premise.content}
    order = [place[s] for s in dict.fromkeys(hypothesis.stems[i] for i in hypothesis.content) if s in place]
    inverted = sum(order[later] < order[earlier] for later in range(len(order)) for earlier in range(later))
    pairs = len(order) * (len(order) - 1) / 2
    both = premise.yes_or_no, hypothesis.yes_or_no
    return {
        "contrary": _contradicts(premise, hypothesis, premise.lower),
        "contrary_to_question": _contradicts(question, hypothesis, premise.lower | question.lower),
        "denial_differs": float((premise.denials > 0) != (hypothesis.denials > 0)),
        "more_denials": float(hypothesis.denials > premise.denials),
        "fewer_denials": float(hypothesis.denials < premise.denials),
        "same_yes_or_no": float(None not in both and both[0] == both[1]),
        "other_yes_or_no": float(None not in both and both[0] != both[1]),
        "implied_polarity_differs": float(both != (None, None) and _polarity(premise) != _polarity(hypothesis)),
        "inversions": inverted / pairs if pairs else 0.0,
    }


def _contradicts(text: EncodedText, hypothesis: EncodedText, known: frozenset[str]) -> float:
    """Whether the hypothesis has the contrary of a word of `text` in its place, and `known` words do not have it."""
    return float(
        any(
            contrary in hypothesis.lower and word not in hypothesis.lower and contrary not in known
            for word in text.lower
            for contrary in CONTRARIES.get(word, ())
        )
    )


def _polarity(text: EncodedText) -> str:
    return text.yes_or_no or ("no" if text.denials else "yes")


def _shape(question: EncodedText, premise: EncodedText, hypothesis: EncodedText) -> dict[str, float]:
    cosine, to_question = float(premise.whole @ hypothesis.whole), float(question.whole @ hypothesis.whole)
    length, premise_length = math.log1p(len(hypothesis.words)), math.log1p(len(premise.words))
    abstains = ABSTAINS.search(hypothesis.text) or _ABSTAINS_ALSO.search(hypothesis.text)
    return {
        "cosine": cosine,
        "cosine_to_question": to_question,
        "cosine_of_premise_to_question": float(question.whole @ premise.whole),
        "cosine_gain": cosine - to_question,
        "log_words": length,
        "log_premise_words": premise_length,
        "longer": length - premise_length,
        "content_words": float(len(hypothesis.content)),
        "question_recall": float(np.mean([s in hypothesis.stem_set for s in question.stems])),
        "abstains": float(abstains is not None),
    }


def flags(text: EncodedText, other: EncodedText, question: EncodedText) -> np.ndarray:
    """(words, FLAGS), each 0 or 1: in the other text, in the question, a stop word, a code, inner capitals, a denial, a
    contrary of it in the other text, a capital in front."""
    rows = [
        (
            s in other.stem_set,
            s in question.stem_set,
            word.lower() in STOP_WORDS,
            has_digit(s),
            has_capitals(word),
            DENIAL.fullmatch(word) is not None,
            has_contrary(word, other.lower),
            word[:1].isupper(),
        )
        for word, s in zip(text.words, text.stems, strict=True)
    ]
    return np.array(rows, dtype=np.float32).reshape(len(rows), FLAGS)
