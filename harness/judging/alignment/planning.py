"""Which pairs of texts a judge has aligned for one answer and one reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from harness.judging.signals import content_words
from harness.judging.statements import split_statements

__all__ = ["Alignments", "TextPair", "alignments", "statements_of"]

MOST_WORDS = 80
"""Of a premise; of a longer one the statements that share most with the hypothesis are kept."""
MOST_STATEMENTS = 24


class TextPair(NamedTuple):
    """`premise` is what is known, `hypothesis` what is held against it."""

    question: str
    premise: str
    hypothesis: str


@dataclass(frozen=True, slots=True)
class Alignments:
    """`whole`: the answer against the reference, None where it is too long to be aligned at once; `of_answer`: each of
    its statements against the reference; `of_reference`: each statement of the reference against the answer."""

    whole: TextPair | None
    of_answer: tuple[TextPair, ...]
    of_reference: tuple[TextPair, ...]


def statements_of(text: str) -> list[str]:
    """At most 24; at least the text itself."""
    return split_statements(text)[:MOST_STATEMENTS] or [text]


def alignments(question: str, reference: str, answer: str) -> Alignments:
    """The pairs; statements beyond the 24th of a text are not looked at."""
    stated, expected = statements_of(answer), statements_of(reference)
    is_short = len(answer.split()) <= MOST_WORDS
    return Alignments(
        TextPair(question, _nearest(reference, answer), answer) if is_short else None,
        tuple(TextPair(question, _nearest(reference, each), each) for each in stated),
        tuple(TextPair(question, _nearest(answer, each), each) for each in expected),
    )


def _nearest(text: str, other: str) -> str:
    """The text, or of a long one the statements with the largest share of words of the other, in their order."""
    if len(text.split()) <= MOST_WORDS:
        return text
    statements, wanted = split_statements(text), content_words(other)

    def nearness(number: int) -> tuple[float, int]:
        own = content_words(statements[number])
        return len(own & wanted) / (1 + len(own)) ** 0.5, -number

    kept: list[int] = []
    length = 0
    for number in sorted(range(len(statements)), key=nearness, reverse=True):
        words = len(statements[number].split())
        if not kept or length + words <= MOST_WORDS:
            kept.append(number)
            length += words
    return " ".join(statements[number] for number in sorted(kept))
