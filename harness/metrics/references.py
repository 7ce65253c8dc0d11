"""What a reference is like: how long, and of what kind. A judge's card says which references it was checked on, and a
leaderboard compares those with a run's."""

from __future__ import annotations

import re
from typing import Literal, get_args

__all__ = ["REFERENCE_KINDS", "SHORT_WORDS", "ReferenceKind", "reference_kind", "reference_words"]

ReferenceKind = Literal["yes or no", "number", "list", "short", "long"]
REFERENCE_KINDS: tuple[ReferenceKind, ...] = get_args(ReferenceKind)
SHORT_WORDS = 10
"""A longer reference is a statement, or several."""
_POLAR = re.compile(r"\s*(yes|no)\b", re.IGNORECASE)
_PARTS = re.compile(r"\s*(?:[,;\n]|\band\b)\s*")
_PART_WORDS = 5


def reference_words(reference: str) -> int:
    """How many words it has."""
    return len(reference.split())


def reference_kind(reference: str) -> ReferenceKind:
    """By its text: `yes or no` and `number` are short and begin with the word or hold a digit; a `list` has three parts
    or more, of at most five words each; `long` is what has more than ten words."""
    count = reference_words(reference)
    parts = [part for part in _PARTS.split(reference) if part]
    if len(parts) >= 3 and all(reference_words(part) <= _PART_WORDS for part in parts):
        return "list"
    if count > SHORT_WORDS:
        return "long"
    if _POLAR.match(reference):
        return "yes or no"
    return "number" if any(letter.isdigit() for letter in reference) else "short"
