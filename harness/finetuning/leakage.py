"""The leakage radar: what the pairs of a checkpoint share with the questions it is evaluated on. A score over questions
that were as good as trained on is not a score of generalisation.

    exact      the same question but for case, punctuation and spaces
    near       character 5-grams that overlap by a Jaccard index of at least 0.5 (MinHash finds candidates, which are
               then counted out)
    similar    sentence embeddings with a cosine of at least 0.9, where an encoder is given
    answer     half or more of a long reference's word 8-grams stand in a pair's reference
    document   a gold document is a pair's gold document too; kept apart, since in a small corpus every document is used

`leaked` means one of the first four. Linear in the number of questions but for the cosines, one matrix product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.extras import require
from harness.records import Question

if TYPE_CHECKING:
    import numpy as np
    from datasketch import MinHash

__all__ = ["KINDS", "VERSION", "is_leaked", "radar"]

VERSION = 1
KINDS = ("exact", "near", "similar", "answer", "document")
NEAR, SIMILAR, SHARE = 0.5, 0.9, 0.5
_CHARACTERS, _WORDS = 5, 8
_CANDIDATE = 0.35  # MinHash's threshold: lower than NEAR, since it misses half of what is just at it
_PERMUTATIONS = 128

Encoder = Callable[[Sequence[str]], "np.ndarray"]
"""Texts to an array (texts, dimensions) of unit vectors."""


def is_leaked(kinds: Iterable[str]) -> bool:
    """Whether any of a question's kinds of leakage counts as such; a shared document alone does not."""
    return bool(set(kinds) - {"document"})


def radar(
    pairs: Sequence[Question], evaluation: Sequence[Question], encoder: Encoder | None
) -> dict[str, tuple[str, ...]]:
    """Kinds of overlap by id of the evaluated question, in the order of `KINDS`; questions without any are left out."""
    kinds_by_question: dict[str, set[str]] = {}
    for kind, ids in (
        ("exact", _exact(pairs, evaluation)),
        ("near", _near(pairs, evaluation)),
        ("similar", _similar(pairs, evaluation, encoder) if encoder else []),
        ("answer", _answers(pairs, evaluation)),
        ("document", _documents(pairs, evaluation)),
    ):
        for question_id in ids:
            kinds_by_question.setdefault(question_id, set()).add(kind)
    return {name: tuple(kind for kind in KINDS if kind in kinds) for name, kinds in kinds_by_question.items()}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _exact(pairs: Sequence[Question], evaluation: Sequence[Question]) -> Iterator[str]:
    known = {_plain(pair.text) for pair in pairs}
    return (question.id for question in evaluation if _plain(question.text) in known)


def _grams(text: str) -> frozenset[str]:
    plain = f" {_plain(text)} "
    return frozenset(plain[n : n + _CHARACTERS] for n in range(max(1, len(plain) - _CHARACTERS + 1)))


def _near(pairs: Sequence[Question], evaluation: Sequence[Question]) -> Iterator[str]:
    datasketch = require("datasketch")
    grams = [_grams(pair.text) for pair in pairs]
    index = datasketch.MinHashLSH(threshold=_CANDIDATE, num_perm=_PERMUTATIONS)
    for number, sketch in enumerate(_sketches(grams)):
        index.insert(number, sketch)
    asked = [_grams(question.text) for question in evaluation]
    for question, own, sketch in zip(evaluation, asked, _sketches(asked), strict=True):
        if any(len(own & grams[n]) >= NEAR * len(own | grams[n]) for n in index.query(sketch)):
            yield question.id


def _sketches(grams: Sequence[frozenset[str]]) -> list[MinHash]:
    sketches: list[MinHash] = require("datasketch").MinHash.bulk(
        [[gram.encode() for gram in sorted(each)] for each in grams], num_perm=_PERMUTATIONS, seed=1
    )
    return sketches


def _similar(pairs: Sequence[Question], evaluation: Sequence[Question], encoder: Encoder) -> Iterator[str]:
    if not pairs or not evaluation:
        return
    trained = encoder([pair.text for pair in pairs])
    nearest = (encoder([question.text for question in evaluation]) @ trained.T).max(axis=1)
    yield from (question.id for question, cosine in zip(evaluation, nearest, strict=True) if cosine >= SIMILAR)


def _stretches(text: str) -> set[tuple[str, ...]]:
    words = _plain(text).split()
    return {tuple(words[n : n + _WORDS]) for n in range(len(words) - _WORDS + 1)}


def _answers(pairs: Sequence[Question], evaluation: Sequence[Question]) -> Iterator[str]:
    known = {stretch for pair in pairs for reference in pair.references for stretch in _stretches(reference)}
    for question in evaluation:
        own = [stretches for reference in question.references if (stretches := _stretches(reference))]
        if any(len(stretches & known) >= SHARE * len(stretches) for stretches in own):
            yield question.id


def _documents(pairs: Sequence[Question], evaluation: Sequence[Question]) -> Iterator[str]:
    known = {name for pair in pairs for name in pair.gold_document_ids}
    return (question.id for question in evaluation if known & set(question.gold_document_ids))


def counts(kinds_by_question: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many questions have each kind of overlap."""
    return {kind: sum(kind in kinds for kinds in kinds_by_question.values()) for kind in KINDS}
