"""When two words are one: apart from their ending, or apart from a slip of the pen."""

from __future__ import annotations

__all__ = ["one_slip", "stem"]

_SUFFIXES = ("ily", "ing", "ies", "ed", "es", "ly", "s", "e", "y")


def stem(word: str) -> str:
    """A word without its ending: "expired", "expires" and "expiring" are one."""
    word = word.casefold()
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word.removesuffix(suffix)
    return word


def one_slip(word: str, form: str) -> bool:
    """Whether two words are one but for one letter: left out, added, changed, or two exchanged."""
    if abs(len(word) - len(form)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, form, strict=False)) if a != b), min(len(word), len(form)))
    left, right = word[start:], form[start:]
    exchanged = left[:2] == right[1::-1] and left[2:] == right[2:]
    return left == right or left[1:] == right or left == right[1:] or left[1:] == right[1:] or exchanged
