"""Values that are words: terms of a closed list, codes, names, versions and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.judging.mention import Mention
from harness.judging.spelling import one_slip, stem

__all__ = ["addresses", "codes", "names", "terms", "versions"]

_EMPTY = frozenset(
    ("a", "an", "the", "of", "by", "as", "well", "to", "in", "on", "at", "alone", "for", "from", "with", "and", "or",
     "is", "are", "was", "were", "has", "had", "been")
)  # fmt: skip
_GAP = 4  # other words that may stand between the words of a term
_TYPO_LETTERS = 5  # a word this long may have a letter wrong
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_VERSION = re.compile(r"(?<![\d.])\d+\.\d+\.\d+(?!\.?\d)")
_NAME = re.compile(r"\b(?:(?!the\b|an?\b|router\b|and\b|or\b|is\b|of\b)([a-z]+)\s+)?([a-z])-?(\d{3})\b", re.IGNORECASE)


def terms(text: str, alternatives: Sequence[str]) -> list[Mention]:
    """The terms of a closed list, whatever the order and the endings of their words; the word for word and the closest
    come first where two share a word."""
    tokens = [(match.start(), match.end(), match[0].casefold()) for match in re.finditer(r"[\w'/-]+", text)]
    stems = [stem(word) for _, _, word in tokens]
    candidates = []
    for term in alternatives:
        words = [word for word in re.findall(r"[\w'-]+", term.casefold()) if word not in _EMPTY]
        for used in _windows([stem(word) for word in words], stems, text, tokens):
            loose = max(used) - min(used) + 1 - len(used)
            inexact = sum(tokens[place][2] not in words for place in used)
            candidates.append((loose + inexact, -len(used), min(used), used, term))
    taken: set[int] = set()
    found = []
    for _, _, _, used, term in sorted(candidates):
        if not taken & set(used):
            taken |= set(used)
            found.append(Mention(tokens[min(used)][0], tokens[max(used)][1], (term,)))
    return sorted(found)


def _windows(
    wanted: Sequence[str], stems: Sequence[str], text: str, tokens: Sequence[tuple[int, int, str]]
) -> Iterator[tuple[int, ...]]:
    """For each occurrence of the first word, the nearest places of all: close together and in one sentence."""
    places = [[i for i, found in enumerate(stems) if _alike(word, found)] for word in wanted]
    if not wanted or not all(places):
        return
    for first in places[0]:
        used = [first]
        for others in places[1:]:
            free = [place for place in others if place not in used]
            if not free:
                break
            used.append(min(free, key=lambda place: (abs(place - first), -place)))
        if len(used) < len(wanted) or max(used) - min(used) >= len(wanted) + _GAP:
            continue
        between = text[tokens[min(used)][0] : tokens[max(used)][1]]
        if not re.search(r"[.;!?]\s", between):
            yield tuple(used)


def _alike(wanted: str, found: str) -> bool:
    return wanted == found or (
        min(len(wanted), len(found)) >= _TYPO_LETTERS and wanted[0] == found[0] and one_slip(wanted, found)
    )


def codes(text: str, prefix: str) -> list[Mention]:
    """Codes with these letters in front, with or without the hyphen."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(prefix)}[-\s]?(\d{{3,6}})\b", re.IGNORECASE)
    return [Mention(m.start(), m.end(), (f"{prefix}-{m[1]}",)) for m in pattern.finditer(text)]


def names(text: str) -> list[Mention]:
    """Model names: a word and a letter with three digits; the latter may stand alone."""
    found = []
    for match in _NAME.finditer(text):
        model = f"{match[2].upper()}{match[3]}"
        found.append(Mention(match.start(), match.end(), (f"{match[1].title()} {model}" if match[1] else model,)))
    return found


def addresses(text: str) -> list[Mention]:
    """Dotted addresses."""
    return [Mention(m.start(), m.end(), (m[0],)) for m in _ADDRESS.finditer(text)]


def versions(text: str) -> list[Mention]:
    """Versions of three numbers, with or without a "v"."""
    return [Mention(m.start(), m.end(), (m[0],)) for m in _VERSION.finditer(text)]
