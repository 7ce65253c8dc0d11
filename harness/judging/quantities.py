"""Amounts with a unit: money, durations, volumes, speeds, power, percentages and temperatures, in one canonical unit.

A duration is in seconds or in months, which do not convert into one another exactly. Money is in euro cents; another
currency is another value. A unit with one letter wrong is still that unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from harness.judging.mention import Mention
from harness.judging.numerals import NUMBER, amounts
from harness.judging.spelling import one_slip

__all__ = ["UNITS", "quantities"]

# unit word -> (prefix of the canonical value, factor); "°f" is the one that is no multiple
UNITS: dict[str, dict[str, tuple[str, float]]] = {
    "duration": {
        "second": ("s", 1), "sec": ("s", 1), "s": ("s", 1), "minute": ("s", 60), "min": ("s", 60), "mins": ("s", 60),
        "hour": ("s", 3_600), "hr": ("s", 3_600), "h": ("s", 3_600), "day": ("s", 86_400), "d": ("s", 86_400),
        "week": ("s", 604_800), "wk": ("s", 604_800), "fortnight": ("s", 1_209_600),
        "month": ("m", 1), "mo": ("m", 1), "mth": ("m", 1), "year": ("m", 12), "yr": ("m", 12),
    },
    "money": {
        "€": ("", 100), "eur": ("", 100), "euro": ("", 100), "cent": ("", 1), "ct": ("", 1), "cts": ("", 1),
        "euro cent": ("", 1), "eurocent": ("", 1), "dollar": ("$", 100), "usd": ("$", 100), "$": ("$", 100),
        "us dollar": ("$", 100), "pound": ("£", 100), "gbp": ("£", 100), "£": ("£", 100), "pence": ("£", 1),
        "franc": ("F", 100), "chf": ("F", 100),
    },
    "volume": {
        "gb": ("", 1), "gig": ("", 1), "gigabyte": ("", 1), "tb": ("", 1_000), "terabyte": ("", 1_000),
        "mb": ("", 0.001), "megabyte": ("", 0.001),
    },
    "speed": {
        **dict.fromkeys(("mbit/s", "mbps", "mb/s", "mbit", "mbits/s", "megabit per second", "megabits per second",
                         "megabit", "mbit per second"), ("", 1)),
        **dict.fromkeys(("gbit/s", "gbps", "gb/s", "gbit", "gigabit per second", "gigabits per second",
                         "gigabit"), ("", 1_000)),
        **dict.fromkeys(("kbit/s", "kbps"), ("", 0.001)),
    },
    "power": {"w": ("", 1), "watt": ("", 1), "kw": ("", 1_000), "kilowatt": ("", 1_000), "mw": ("", 0.001),
              "milliwatt": ("", 0.001)},
    "percent": dict.fromkeys(("%", "percent", "per cent", "pct", "percentage point"), ("", 1)),
    "temperature": {
        **dict.fromkeys(("°c", "° c", "°", "degree", "c", "celsius", "degree celsius", "degrees celsius", "degrees c",
                         "degree c"), ("", 1)),
        **dict.fromkeys(("°f", "° f", "f", "fahrenheit", "degrees fahrenheit", "degrees f"), ("f", 1)),
    },
}  # fmt: skip
_FUZZY_LETTERS = 4  # a unit word this long may have a letter wrong
_FAR = 60  # characters that a number without a unit may stand from the unit it goes with
_COMPOUNDS = {
    # 33 euros and 90 cents; 1 h 30 min; 2 years and 6 months: the units that may follow as a smaller part
    "money": re.compile(
        r"(?<![\w.,])(\d+)\s*(?:€|eur(?:os?)?)\s*"
        r"(?:(?:and\s+)?(\d{1,2})\s*(?:cents?|ct)\b|(\d{2})(?![\w%€]|[.,]\d|\s*-?\s*(?!a\b|per\b|each\b|every\b)[a-z]))",
        re.I,
    ),
    "duration": re.compile(
        r"(\d+)[\s-]*(h|hours?|hrs?|years?|yrs?|min|minutes?)[,\s]*(?:and\s+)?(\d+)\s*(min|minutes?|mins|months?|seconds?|s)\b"
        r"|(\d+):(\d{2})[\s-]*(h|hours?|hrs?)\b",
        re.I,
    ),
}
_ONE = re.compile(
    r"(?:^|[.:;,(]\s*|\b(?:for|is|was|of|takes?|took|waits?|lasts?|lasted|after|within|in|about|exactly|just|only)\s+)"
    r"(?:an?|1)\s+(hour|minute|second|day|week|fortnight|month|year)\b|\b(fortnight)\b",
    re.I,
)
_BARE = re.compile(
    r"(?<![€$£:])(?<![€$£:]\s)" + NUMBER + r"(?=\s*(?:[.,;:!?)](?!\d)|$|\s(?:or|and|to|depending)\b))", re.I
)
_CURRENCY_FIRST = re.compile(r"(€|\beuros?|\beur|\$|£|\busd|\bgbp)\s*" + NUMBER.replace("-", "", 1), re.I)
_BARE_MONEY = re.compile(  # 19.90: two decimals are money here, nothing else has them
    r"(?<![\w.,$£-])(\d+[.,]\d\d)(?![\w%]|[.,]\d|\s*[%$£°])"
    r"(?!\s*(?!(?:an?|per|each|every|for|in|and|or|to|is|but|on|at|with|if|instead|rather)\b)[a-z]+\b)",
    re.I,
)


def quantities(kind: str, text: str, repeated: bool = True) -> list[Mention]:
    """The amounts of one kind in a plain text, in reading order. `repeated`: also a number that leaves its unit to one
    before it ("24 months; no, it is 12"), which could as well be a count."""
    found: list[Mention] = []
    for mention in (*_compounds(kind, text), *_in_units(kind, text)):
        if not any(other.start < mention.end and mention.start < other.end for other in found):
            found.append(mention)
    found.sort()
    return sorted([*found, *_without_unit(kind, text, found, repeated)])


def _compounds(kind: str, text: str) -> Iterator[Mention]:
    if kind not in _COMPOUNDS:
        return
    for match in _COMPOUNDS[kind].finditer(text):
        if kind == "money":
            value = _canonical("", int(match[1]) * 100 + int(match[2] or match[3]))
        elif match[5]:
            value = _canonical("s", int(match[5]) * 3_600 + int(match[6]) * 60)
        else:
            (large, factor), (small, part) = _unit(kind, match[2]), _unit(kind, match[4])
            if large != small or part >= factor:
                continue
            value = _canonical(large, int(match[1]) * factor + int(match[3]) * part)
        yield Mention(match.start(), match.end(), (value,))


def _in_units(kind: str, text: str) -> Iterator[Mention]:
    known, units = _in_unit(kind)
    for match in known.finditer(text):
        unit = match[2] or _nearest(match[3], units)
        if unit is not None:
            yield Mention(match.start(), match.end(), _readings(kind, match[1], unit))
    if kind == "money":
        for match in _CURRENCY_FIRST.finditer(text):
            yield Mention(match.start(), match.end(), _readings(kind, match[2], match[1]))
        for match in _BARE_MONEY.finditer(text):
            yield Mention(match.start(), match.end(), _readings(kind, match[1], "€"))
    if kind == "duration":
        for match in _ONE.finditer(text):
            unit = match[1] or match[2]
            yield Mention(match.start(1 if match[1] else 2), match.end(), _readings(kind, "1", unit))


@cache
def _in_unit(kind: str) -> tuple[re.Pattern[str], Sequence[str]]:
    units = sorted(UNITS[kind], key=len, reverse=True)
    spelled = "|".join(re.escape(unit).replace(r"\ ", r"\s+") for unit in units)
    return re.compile(rf"{NUMBER}[\s-]*(?:({spelled})(?:s|'s|s')?(?![\w/])|([a-z]{{{_FUZZY_LETTERS},}}))", re.I), units


@cache
def _range_end(kind: str) -> re.Pattern[str]:
    return re.compile(rf"(\d+(?:[.,]\d+)?)[\s-]*({'|'.join(map(re.escape, UNITS[kind]))})s?\b", re.I)


def _without_unit(kind: str, text: str, found: Sequence[Mention], repeated: bool) -> Iterator[Mention]:
    """Numbers that leave the unit to another one: "12 or 24 months", "24 months; no, it is 12"."""
    for match in _BARE.finditer(text):
        if any(mention.start < match.end() and match.start() < mention.end for mention in found):
            continue
        if kind != "money" and re.search(r"[.,]\d\d$", match[1]):
            continue  # 19.90 is money
        before = [mention for mention in found if 0 <= match.start() - mention.end <= _FAR]
        joined = re.match(r"\s*(?:,\s*)?(?:or|and|to|-|/)\s*(?:perhaps\s+|maybe\s+)?", text[match.end() :])
        after = [m for m in found if joined and m.start == match.end() + joined.end()]
        model = after[0] if after else before[-1] if before and repeated else None
        if model is None:
            continue
        unit = re.sub(r"^[\d.,' ]+[\s-]*|[\d.,' ]+$", "", text[model.start : model.end])
        name = unit if unit.lower() in UNITS[kind] else _nearest(unit, list(UNITS[kind]))
        if name is not None:
            yield Mention(match.start(), match.end(), _readings(kind, match[1], name))
    for match in re.finditer(rf"{NUMBER}\s*-\s*(?=\d)", text):
        end = _range_end(kind).match(text, match.end())
        if end is not None:
            yield Mention(match.start(), match.end(1), _readings(kind, match[1], end[2]))
            yield Mention(end.start(), end.end(), _readings(kind, end[1], end[2]))


def _readings(kind: str, written: str, unit: str) -> tuple[str, ...]:
    prefix, factor = _unit(kind, unit)
    if prefix == "f":
        return tuple(_canonical("", round((value - 32) / 1.8, 1)) for value in amounts(written))
    return tuple(_canonical(prefix, value * factor) for value in amounts(written))


def _unit(kind: str, word: str) -> tuple[str, float]:
    word = re.sub(r"\s+", " ", word.lower())
    units = UNITS[kind]
    return units[word] if word in units else units[word.rstrip("s'")]


def _canonical(prefix: str, value: float) -> str:
    return f"{prefix}{round(value, 4):.10g}"


def _nearest(word: str, units: Sequence[str]) -> str | None:
    """The unit that a word is but for one letter: left out, added, changed, or two exchanged."""
    word = word.lower()
    for unit in units:
        for form in (unit, f"{unit}s"):
            if len(form) >= _FUZZY_LETTERS and form[0] == word[:1] and one_slip(word, form):
                return unit
    return None
