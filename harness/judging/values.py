"""Finds values of a known kind in free text, in one canonical form whatever way they are written.

    values("duration", "two weeks, or 14 days")  == ["s1209600", "s1209600"]
    values("money", "It costs €19.90 a month.")  == ["1990"]

The kinds are those of the synthetic world's facts. A kind `code:P` is a code with that letter in front.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from harness.judging.dates import dates, times
from harness.judging.mention import Mention
from harness.judging.numerals import NUMBER, amounts, plain
from harness.judging.phrases import addresses, codes, names, terms, versions
from harness.judging.quantities import UNITS, quantities

__all__ = ["mentions", "values"]


def values(kind: str, text: str, alternatives: Sequence[str] = ()) -> list[str]:
    """Every value of a kind in a text as it was written, in reading order, each in its likeliest reading."""
    return [mention.readings[0] for mention in mentions(kind, plain(text), alternatives)]


def mentions(kind: str, text: str, alternatives: Sequence[str]) -> list[Mention]:
    """Every mention of a value of a kind in a plain text (`numerals.plain`), in reading order."""
    if kind in ("term", "choice"):
        return terms(text, alternatives)
    if kind.startswith("code:"):
        return codes(text, kind.split(":")[1])
    if kind in UNITS:
        return quantities(kind, _without_dates(_NO_AMOUNT.sub(lambda match: "~" * len(match[0]), text)))
    return _FINDERS[kind](text)


_NO_AMOUNT = re.compile(  # 2.17.3, E-9089, 21:15
    r"(?<![\d.])\d+(?:\.\d+){2,3}(?!\.?\d)|\b[a-z]{1,3}-\d{3,6}\b|\b\d{1,2}:\d{2}\b(?!\s*-?h)", re.IGNORECASE
)
_NO_COUNT = re.compile(r"\b[a-z]+-?\d[\w-]*|https?://\S+", re.IGNORECASE)  # R310, F-426


def _without_dates(text: str) -> str:
    for mention in dates(text):
        text = f"{text[: mention.start]}{'~' * (mention.end - mention.start)}{text[mention.end :]}"
    return text


def _counts(text: str) -> list[Mention]:
    """Whole numbers that are nothing else: no unit, no code, no date."""
    others = [m for find in (dates, times, addresses, versions) for m in find(text)]
    others += [m for kind in UNITS for m in quantities(kind, text, repeated=False)]
    spans = [(m.start, m.end) for m in others] + [m.span() for m in _NO_COUNT.finditer(text)]
    found = []
    for match in re.finditer(NUMBER + r"(?!\w|-\d)", text):
        if any(start < match.end() and match.start() < end for start, end in spans):
            continue
        whole = [f"{value:.10g}" for value in amounts(match[1]) if value.is_integer()]
        if whole:
            found.append(Mention(match.start(), match.end(), tuple(whole)))
    return found


_FINDERS: dict[str, Callable[[str], list[Mention]]] = {
    "date": dates,
    "time": times,
    "count": _counts,
    "name": names,
    "address": addresses,
    "version": versions,
}
