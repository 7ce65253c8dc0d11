"""What needs no model: exact match, token F1, token recall and ROUGE-L of an answer against the references, the best of
several.

EM, F1 and token recall with SQuAD's normalisation (Rajpurkar et al. 2016, arXiv:1606.05250): lower case, no
punctuation, no articles. ROUGE-L is the F-measure of the longest common subsequence of lower-case runs of letters and
digits (Lin 2004, W04-1013), as in the reference implementation without stemming.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

__all__ = ["ANSWER_METRICS", "contradicting", "exact_match", "f1", "normalise", "rouge_l", "token_recall"]

VERSION = 1
"""Raise it when the same answer would get another value: the means of trivial answers are stored."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ROUGE_TOKEN = re.compile(r"[a-z0-9]+")


_READ = 256  # texts: all metrics of an answer, then of the trivial ones, look at one question's references in turn


@lru_cache(maxsize=_READ)
def normalise(text: str) -> str:
    """SQuAD's: lower case, ASCII punctuation dropped, articles dropped, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def contradicting(references: Sequence[str]) -> bool:
    """Whether one reference begins with yes and another with no: any answer then agrees with one of them."""
    leads = {words[0] for reference in references if (words := normalise(reference).split())}
    return {"yes", "no"} <= leads


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 if the normalised answer equals a normalised reference, else 0."""
    normalised = normalise(answer)
    return float(any(normalised == normalise(reference) for reference in references))


def f1(answer: str, references: Sequence[str]) -> float:
    """Harmonic mean of token precision and recall, 0 to 1; the best over the references. Two texts without any token
    left agree (1), one such text and another do not (0)."""
    tokens = _tokens(answer)
    return max((_f1(tokens, _tokens(reference)) for reference in references), default=0.0)


@lru_cache(maxsize=_READ)
def _tokens(text: str) -> Counter[str]:
    return Counter(normalise(text).split())


def _common(left: Counter[str], right: Counter[str]) -> int:
    few, many = (left, right) if len(left) <= len(right) else (right, left)
    return sum(min(count, many[token]) for token, count in few.items() if token in many)


def _f1(answer_tokens: Counter[str], reference_tokens: Counter[str]) -> float:
    if not answer_tokens or not reference_tokens:
        return float(answer_tokens == reference_tokens)
    return _f_measure(_common(answer_tokens, reference_tokens), answer_tokens.total(), reference_tokens.total())


def token_recall(answer: str, references: Sequence[str]) -> float:
    """Share of the reference's tokens that the answer has, 0 to 1; the best over the references. It agrees better than
    F1 with people where answers are longer than references (Adlakha et al. 2024, arXiv:2307.16877), and a model can
    raise it by saying more. Two texts without any token left agree (1)."""
    tokens = _tokens(answer)
    return max((_recall(tokens, _tokens(reference)) for reference in references), default=0.0)


def _recall(answer_tokens: Counter[str], reference_tokens: Counter[str]) -> float:
    if not reference_tokens:
        return float(not answer_tokens)
    return _common(answer_tokens, reference_tokens) / reference_tokens.total()


def rouge_l(answer: str, references: Sequence[str]) -> float:
    """F-measure of the longest common subsequence of tokens, 0 to 1; the best over the references."""
    tokens = _rouge_tokens(answer)
    return max((_rouge_l(tokens, _rouge_tokens(reference)) for reference in references), default=0.0)


@lru_cache(maxsize=_READ)
def _rouge_tokens(text: str) -> list[str]:
    return _ROUGE_TOKEN.findall(text.lower())


def _rouge_l(answer_tokens: list[str], reference_tokens: list[str]) -> float:
    return _f_measure(_common_subsequence(answer_tokens, reference_tokens), len(answer_tokens), len(reference_tokens))


def _f_measure(common: int, answer_tokens: int, reference_tokens: int) -> float:
    return 2 * common / (answer_tokens + reference_tokens) if common else 0.0


def _common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004): a row of the table is one integer."""
    positions: dict[str, int] = {}
    for position, token in enumerate(left):
        positions[token] = positions.get(token, 0) | 1 << position
    full = (1 << len(left)) - 1
    row = full
    for token in right:
        match = row & positions.get(token, 0)
        row = ((row + match) | (row - match)) & full
    return len(left) - row.bit_count()


ANSWER_METRICS: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "exact_match": exact_match,
    "f1": f1,
    "token_recall": token_recall,
    "rouge_l": rouge_l,
}
