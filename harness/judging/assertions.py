"""What an answer asserts of the values that it mentions: which it denies, takes back, or offers as one of several.

denied        "is not 4 euros", "no expired certificate", "anything but 12", "12 months is wrong"
retracted     "12, no, sorry, 24 months": the last word counts
alternatives  "either 12 or 24 months", "24, but it may be 12", "between 12 and 24"
bounded       "more than 12 months", of which 12 is none
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judging.mention import Mention

__all__ = ["Assertions", "assertions", "statements_of"]

_CLAUSE_END = r"(?:[.;:!?](?!\d)|,(?!\d)|\bbut\b|\b(?:and|it) (?:is|has|costs|takes)\b|\s-\s|$)"
_DENIED = re.compile(
    r"\b(?:not (?:true|so|correct|right|the case)|untrue|false|wrong|incorrect) that\b(?:(?![.;!?](?!\d)).)*"
    r"|(?:\b(?:not|never|neither|nor|without|except|besides|unlike)\b|n't\b|\b(?:anything|all|everything|anyone) but\b"
    r"|\b(?:rather|other) than\b|\binstead of\b|\bfar from\b|\b(?:wrong|false|untrue|incorrect) (?:to|that)\b)"
    r"(?!\s+(?:only|later|more|less|fewer|before|until|exceed|to exceed|sure|certain))"
    rf"(?:(?!{_CLAUSE_END}).)*"
    r"|\bno\s+(?!more|less|later|fewer|longer|doubt|matter)(?:[^\s.,;:]+\s+){0,3}",  # "no expired certificate"
    re.IGNORECASE | re.DOTALL,
)
_DENIED_AFTER = re.compile(
    r"\W*(?:\w+ )?(?:is|are|was|were|would be)"
    r"(?: (?:wrong|false|incorrect|untrue)\b|(?: not|n't) (?:right|correct|true|it|the)\b)",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"\bno, |\bsorry\b|\bcorrection\b|\bcorrecting\b|\bactually\b|\bi mean\b|\bi meant\b|\bwait[,.:]|\bscratch that\b"
    r"|\bmy mistake\b|\bmake that\b|\bor rather\b|\bmisread\b|\boops\b",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s*(?:to|-|till)\s*", re.IGNORECASE)
_MAY_BE = r"(?:may|might|could) (?:also |well |just as well )?be"
_IN_SENTENCE = r"(?:(?![.;!?](?!\d)).)*"
_POSSIBLE = re.compile(
    rf"{_IN_SENTENCE}\b(?:or|{_MAY_BE})\b{_IN_SENTENCE}"
    rf"|.*\b(?:perhaps|possibly|maybe|alternatively|(?:it|that|this) {_MAY_BE})\b.*",
    re.IGNORECASE | re.DOTALL,
)
_BOUND = re.compile(r"\b(?:(?:more|less|fewer|longer|shorter) than|over|under|above|below)\s*[€$]?\s*$", re.IGNORECASE)
_NO_BOUND = re.compile(
    r"\b(?:no|not|nobody|none|nothing|never|cannot|\w+n't)\b[^.;!?]*$", re.IGNORECASE
)  # "no more than 12"
_NEAR = 60  # characters between two values that are still alternatives


@dataclass(frozen=True, slots=True)
class Assertions:
    """The mentions of a kind by what is said of them. `stated` are groups: one mention each, or alternatives."""

    stated: tuple[tuple[Mention, ...], ...]
    denied: tuple[Mention, ...]


def statements_of(text: str, question: str) -> str:
    """A plain text without questions in it, and without the question that was asked, blanked in place."""

    def blank(match: re.Match[str]) -> str:
        return " " * len(match[0])

    words = [re.escape(word) for word in re.findall(r"\w+", question)]
    if words:
        text = re.sub(r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)\s*[?.:]*", blank, text, flags=re.IGNORECASE)
    return re.sub(r"(?:(?<=[.!?]\s)|^)[^.!?\n]*\?", blank, text, flags=re.MULTILINE)


def assertions(text: str, found: Sequence[Mention]) -> Assertions:
    """What a text says of the mentions of one kind in it."""
    denials = [match.span() for match in _DENIED.finditer(text)]
    denied = [
        mention
        for mention in found
        if any(start < mention.start < end for start, end in denials)
        or _DENIED_AFTER.match(text, mention.end)
        or _bounded(text[: mention.start], text[mention.start : mention.end])
    ]
    kept = [mention for mention in found if mention not in denied]
    corrections = [match.start() for match in _CORRECTION.finditer(text)]
    kept = [
        mention
        for mention in kept
        if not any(mention.start < place and any(later.start > place for later in kept) for place in corrections)
    ]
    groups: list[list[Mention]] = []
    for mention in kept:
        if groups and _alternative(text, groups[-1][-1], mention):
            groups[-1].append(mention)
        else:
            groups.append([mention])
    return Assertions(tuple(tuple(group) for group in groups), tuple(denied))


def _bounded(before: str, value: str) -> bool:
    """Whether "more than" or the like stands in front of a number; an address may be "under 10.1.2.1"."""
    bound = _BOUND.search(before)
    return bound is not None and value.count(".") < 2 and not _NO_BOUND.search(before[: bound.start()])


def _alternative(text: str, earlier: Mention, later: Mention) -> bool:
    """Whether a mention offers another value in place of the one before it."""
    if set(earlier.readings) & set(later.readings):
        return False
    between = text[earlier.end : later.start]
    if _RANGE.fullmatch(between) or (
        between.strip() == "and" and re.search(r"\bbetween\s*[€$]?\s*$", text[: earlier.start], re.IGNORECASE)
    ):
        return True
    return len(between) <= _NEAR and _POSSIBLE.fullmatch(between) is not None
