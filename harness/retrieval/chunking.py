"""Cuts documents into chunks of at most so many characters, each with its offsets in the document.

`document.text[chunk.start:chunk.end]` is the chunk's text, in code points, always. Where to cut: a chunk is as long as
allowed and then ends, if one is there in its second half, after the last paragraph end, else after the last sentence
end, else after the last white space, else in mid-word. White space at a cut belongs to no chunk. With an overlap the
next chunk begins so many characters back, at the next whole word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Chunker"]

_BOUNDARIES = (re.compile(r"\n\s*\n"), re.compile(r"[.!?][\"')\]]*\s+"), re.compile(r"\s+"))


@dataclass(frozen=True, slots=True)
class Chunker:
    """`chars` is the largest length of a chunk and `overlap` how much of the last chunk's end the next repeats."""

    chars: int = 1_500
    overlap: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.chars:
            raise ValueError(f"overlap {self.overlap} must be at least 0 and below chars {self.chars}")

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) of each chunk, in order; nothing for a text without any visible character."""
        start, reached = _skip_space(text, 0), 0
        while start < len(text):
            end = self._end(text, start)
            trimmed = start + len(text[start:end].rstrip())
            if trimmed > reached:
                yield start, trimmed
                reached = trimmed
            if end >= len(text):
                return
            start = max(self._next_start(text, end), start + 1)

    def _next_start(self, text: str, end: int) -> int:
        """`overlap` characters before the end, or less, so as to begin with a whole word."""
        start = end - self.overlap
        if self.overlap and not text[start - 1].isspace():
            inside = re.compile(r"\s").search(text, start, end)
            start = inside.end() if inside else start
        return _skip_space(text, start)

    def _end(self, text: str, start: int) -> int:
        limit = start + self.chars
        if limit >= len(text):
            return len(text)
        # one character more than fits, so that a boundary right behind the last that fits is seen
        for boundary in _BOUNDARIES:
            ends = (match.end() for match in boundary.finditer(text, start, limit + 1))
            # in the second half, and not where the next chunk would not get on: it starts at end - overlap
            good = [end for end in ends if end >= start + self.chars // 2 and end - self.overlap > start]
            if good:
                return good[-1]
        return limit


def _skip_space(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start
