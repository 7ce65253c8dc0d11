"""Where the passages that are shown say what a pair's reference says, and targets that point there, made by rule:

    quote  the evidence in quotation marks, then the answer (as in RAFT, Zhang et al. 2024, arXiv:2403.10131, whose
           targets a language model wrote)
    cited  the answer, then the ranks of the passages that hold the evidence in brackets: `12 months [2]`

The evidence is the pair's gold spans, all of which must be shown; for a pair without any, the sentence of a gold
document in which the answer stands word for word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.records import Passage, Question, Span

__all__ = ["Evidence", "cited", "evidence_of", "occurrences", "parts_of", "quote", "span_in", "substituted"]

LONGEST_QUOTE = 300  # characters: a longer span, such as a paragraph, is quoted by one sentence of it
_SENTENCE = re.compile(r"\S.*?(?:[.!?](?=\s)|$|(?=\n\s*\n))", re.DOTALL)


class Evidence(NamedTuple):
    """A stretch of a passage: `text[start:end]` of the one with that rank."""

    rank: int
    start: int
    end: int


def evidence_of(pair: Question, passages: Sequence[Passage], answer: str) -> list[Evidence]:
    """Empty where the passages do not show it, or not all of it. Ranks count from 1 in the order of the passages."""
    if pair.gold_spans:
        shown = [span_in(passages, span) for span in pair.gold_spans]
        return [evidence for evidence in shown if evidence is not None] if None not in shown else []
    for rank, passage in enumerate(passages, start=1):
        if passage.document_id in pair.gold_document_ids and (places := occurrences(answer, passage.text)):
            start, end = places[0]
            sentences = [s.span() for s in _SENTENCE.finditer(passage.text)]
            inside = [(first, last) for first, last in sentences if first < end and last > start]
            return [Evidence(rank, inside[0][0], inside[-1][1])]
    return []


def span_in(passages: Sequence[Passage], span: Span) -> Evidence | None:
    """In the first passage that holds the whole span."""
    for rank, passage in enumerate(passages, start=1):
        if passage.document_id == span.document_id and passage.start <= span.start and span.end <= passage.end:
            return Evidence(rank, span.start - passage.start, span.end - passage.start)
    return None


def parts_of(passages: Sequence[Passage], span: Span) -> list[Evidence]:
    """What each passage holds of the span: chunks may overlap."""
    return [
        Evidence(rank, max(span.start, passage.start) - passage.start, min(span.end, passage.end) - passage.start)
        for rank, passage in enumerate(passages, start=1)
        if passage.document_id == span.document_id and passage.start < span.end and span.start < passage.end
    ]


def quote(texts: Sequence[str], answer: str) -> str:
    """`texts` are the evidence's."""
    return " ".join([*(f'"{_short(text, answer)}"' for text in dict.fromkeys(texts)), answer])


def _short(text: str, answer: str) -> str:
    """On one line; of a long text the sentence that shares the most words with the answer, of several the first."""
    if len(text) > LONGEST_QUOTE:
        wanted = set(re.findall(r"\w+", answer.lower()))
        sentences = _SENTENCE.findall(text)
        text = max(sentences, key=lambda sentence: len(wanted & set(re.findall(r"\w+", sentence.lower()))))
    return " ".join(text.split())


def cited(evidence: Sequence[Evidence], answer: str) -> str:
    """Each rank once, in order."""
    return " ".join([answer, *(f"[{rank}]" for rank in sorted({each.rank for each in evidence}))])


# ---- values in texts ------------------------------------------------------------------------------------------------


def _pattern(values: Sequence[str]) -> re.Pattern[str]:
    """As whole words; 3 is not found in 3.5 nor in 13."""
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?<!\d[.,])(?:{'|'.join(map(re.escape, longest_first))})(?!\w)(?![.,]\d)")


def occurrences(value: str, text: str) -> list[tuple[int, int]]:
    """Where a value stands in a text, as whole words; nowhere for an empty one."""
    return [found.span() for found in _pattern([value]).finditer(text)] if value else []


def substituted(text: str, values: Mapping[str, str]) -> str:
    """The text with each value in place of the other that it maps to."""
    return _pattern(list(values)).sub(lambda found: values[found[0]], text) if values else text
