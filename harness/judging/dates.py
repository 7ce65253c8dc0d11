"""Dates and times of day in every usual form. A date is "2035-05-13", a time "21:15"."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.judging.mention import Mention

__all__ = ["dates", "times"]

_MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6,
    "july": 7, "august": 8, "september": 9, "october": 10, "november": 11, "december": 12,
}  # fmt: skip
_ORDINALS = {
    word: number
    for number, word in enumerate(
        ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
         "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
         "twentieth"), start=1)
} | {"thirtieth": 30}  # fmt: skip
_ORDINALS |= {f"twenty-{word}": 20 + _ORDINALS[word] for word in list(_ORDINALS)[:9]} | {"thirty-first": 31}
_MONTH = rf"({'|'.join(_MONTHS)}|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?)"
_DAY = rf"(\d{{1,2}}|{'|'.join(sorted(_ORDINALS, key=len, reverse=True))})(?:st|nd|rd|th)?"
_YEAR = r"(\d{4}|'\d{2}|\d{2}(?!\d))"
_DAY_FIRST = re.compile(rf"\b{_DAY}\.?\s+(?:of\s+)?{_MONTH},?\s*{_YEAR}", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAY},?\s+(?:of\s+)?{_YEAR}", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(?<![\d.])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<![\d./-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?![\d/-]|\.\d)")

_HALVES = r"(a\.?m\b\.?|p\.?m\b\.?|in the morning|in the afternoon|in the evening|at night)"
_CLOCK = re.compile(
    rf"(?<![\d.:,])(\d{{1,2}})\s?([:.h])\s?(\d{{2}})(?![\d:]|[.,]\d|\s*(?:€|eur|%|-?hours?))(?:\s*{_HALVES})?", re.I
)
_FULL_HOUR = re.compile(rf"(?<![\d.:,])(\d{{1,2}})\s*(?:o'clock\s*)?{_HALVES}|(?<![\d.:,])(\d{{1,2}})\s*o'clock", re.I)
_MILITARY = re.compile(r"(?<![\d.:,])([01]\d|2[0-3])([0-5]\d)\s*(?:hours|hrs|h)\b", re.I)
_SPOKEN = re.compile(
    rf"\b(quarter|half|\d{{1,2}}(?:\s+minutes?)?)\s+(past|to|after|before)\s+(\d{{1,2}})(?!\d)(?:\s*(?:o'clock)?\s*{_HALVES})?",
    re.I,
)


def dates(text: str) -> list[Mention]:
    """Every whole date; one in digits alone has two readings where day and month could be exchanged."""
    found = [
        Mention(match.start(), match.end(), _readings(match[3], match[2], match[1]))
        for match in _DAY_FIRST.finditer(text)
    ]
    for match in _MONTH_FIRST.finditer(text):
        if not any(mention.start <= match.start() < mention.end for mention in found):
            found.append(Mention(match.start(), match.end(), _readings(match[3], match[1], match[2])))
    found += [
        Mention(match.start(), match.end(), _readings(match[1], match[3], match[4]))
        for match in _YEAR_FIRST.finditer(text)
    ]
    for match in _NUMERIC.finditer(text):
        both = _readings(match[4], match[3], match[1]) + _readings(match[4], match[1], match[3])
        found.append(Mention(match.start(), match.end(), tuple(dict.fromkeys(both))))
    return sorted(mention for mention in found if mention.readings)


def _readings(year: str, month: str, day: str) -> tuple[str, ...]:
    years = year.strip("'")
    full = int(years) + (2000 if len(years) == 2 else 0)
    names = [number for name, number in _MONTHS.items() if name.startswith(month.lower().rstrip(".")[:3])]
    month_number = int(month) if month.isdigit() else names[0]
    day_number = int(day) if day.isdigit() else _ORDINALS[day.lower()]
    valid = 1 <= month_number <= 12 and 1 <= day_number <= 31
    return (f"{full}-{month_number:02d}-{day_number:02d}",) if valid else ()


def times(text: str) -> list[Mention]:
    """Every time of day; "quarter past nine" alone has two readings."""
    kept: list[Mention] = []
    for pattern, readings in _TIMES:
        for match in pattern.finditer(text):
            overlaps = any(other.start < match.end() and match.start() < other.end for other in kept)
            if (found := readings(match)) and not overlaps:
                kept.append(Mention(match.start(), match.end(), found))
    return sorted(kept)


def _spoken(match: re.Match[str]) -> tuple[str, ...]:
    minutes = {"quarter": 15, "half": 30}.get(match[1].lower()) or int(match[1].split()[0])
    past = match[2].lower() in ("past", "after")
    hour, minute = (int(match[3]), minutes) if past else (int(match[3]) - 1, 60 - minutes)
    return tuple(f"{hour % 12 + 12 * late:02d}:{minute:02d}" for late in _late(match[4], int(match[3])))


def _full_hour(match: re.Match[str]) -> tuple[str, ...]:
    hour = int(match[1] or match[3])
    return _on_clock(hour, 0, match[2]) if match[2] else _on_clock(hour, 0, "am") + _on_clock(hour, 0, "pm")


def _late(half: str | None, hour: int) -> tuple[int, ...]:
    """0 for the half of the day before noon, 1 for the other; both where nothing says which."""
    if half is None:
        return (0, 1)
    word = half.lower()
    if "night" in word:
        return (1,) if hour >= 6 and hour != 12 else (0,)
    return (0,) if word.startswith("a") or "morning" in word else (1,)  # "a.m.", "in the morning"


def _on_clock(hour: int, minute: int, half: str | None) -> tuple[str, ...]:
    if hour > 24 or minute > 59:
        return ()
    if half is None or hour > 12:
        return (f"{hour % 24:02d}:{minute:02d}",)
    return tuple(f"{hour % 12 + 12 * late:02d}:{minute:02d}" for late in _late(half, hour))


_TIMES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, ...]]], ...] = (
    (_SPOKEN, _spoken),
    (_MILITARY, lambda match: (f"{match[1]}:{match[2]}",)),
    (_CLOCK, lambda match: _on_clock(int(match[1]), int(match[3]), match[4])),
    (_FULL_HOUR, _full_hour),
    (re.compile(r"\b(?:noon|midday)\b", re.I), lambda match: ("12:00",)),
    (re.compile(r"\bmidnight\b", re.I), lambda match: ("00:00",)),
)
