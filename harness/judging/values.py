"""Finds values of a known kind in free text, in one canonical form whatever way they are written.

    mentions("duration", "two weeks, or 14 days", ()) == ["d14", "d14"]
    mentions("money", "It costs €19.90 a month.", ()) == ["1990"]

The kinds are those of the synthetic world's facts. A kind `code:P` is a code with that letter in front.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["mentions"]

_SPELLED = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20",
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90",
}  # fmt: skip
_SPELLED_WORD = re.compile(rf"\b({'|'.join(_SPELLED)})\b", re.IGNORECASE)
_NUMBER = r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?"

# one unit of time in seconds, days or months: these three do not convert into one another exactly
_TIMES = {
    "second": ("s", 1), "sec": ("s", 1), "s": ("s", 1), "minute": ("s", 60), "min": ("s", 60),
    "hour": ("s", 3_600), "hr": ("s", 3_600), "h": ("s", 3_600),
    "day": ("d", 1), "week": ("d", 7), "month": ("m", 1), "year": ("m", 12),
}  # fmt: skip
_MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6,
    "july": 7, "august": 8, "september": 9, "october": 10, "november": 11, "december": 12,
}  # fmt: skip

_MONEY = re.compile(
    rf"(?:€|\beuros?|\beur)\s*{_NUMBER}"  # € 19.90
    rf"|{_NUMBER}\s*(?:€|eur(?:os?)?\b)"  # 19.90 EUR
    r"|(?<![\w.,-])(\d+)(\.\d\d)(?![\w.])",  # 19.90: two decimals are money here, nothing else has them
    re.IGNORECASE,
)
_DURATION = re.compile(rf"{_NUMBER}[\s-]*({'|'.join(sorted(_TIMES, key=len, reverse=True))})s?\b", re.IGNORECASE)
_DATE = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({'|'.join(_MONTHS)}),?\s+(\d{{4}})\b"
    rf"|\b({'|'.join(_MONTHS)})\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b",
    re.IGNORECASE,
)
_UNITS = {
    "volume": r"(gb|gigabytes?|tb|terabytes?)",
    "speed": r"(mbit/s|mbps|mbits?|megabits?|gbit/s|gbps)",
    "power": r"(w|watts?)",
    "percent": r"(%|percent|per cent)",
    "temperature": r"(°\s*c|°|degrees?|c)",
}
_IN_UNITS = {kind: re.compile(rf"{_NUMBER}\s*{unit}(?!\w)", re.IGNORECASE) for kind, unit in _UNITS.items()}
_THOUSANDS = ("tb", "terabyte", "terabytes", "gbit/s", "gbps")
_FORMS = {
    "time": re.compile(r"(?<![\d.:])(\d{1,2}):(\d{2})(?![\d:])"),
    "address": re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\.?\d)"),
    "version": re.compile(r"(?<![\d.])\d+\.\d+\.\d+(?!\.?\d)"),
    "name": re.compile(r"\b(?!The\b|A\b|An\b|Router\b)[A-Z][a-z]+ [A-Z]\d{3}\b"),
    "code": re.compile(r"\b[A-Z]{1,3}-\d{3,6}\b"),
}
_LIST_MARK = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
_WORD_WITH_DIGITS = re.compile(r"\b[A-Za-z]+[-]?\d[\w-]*")


def mentions(kind: str, text: str, alternatives: Sequence[str]) -> list[str]:
    """Every value of a kind in a text, in reading order, in canonical form."""
    if kind in ("term", "choice"):
        return _phrases(text, alternatives)
    if kind.startswith("code:"):
        wanted = kind.split(":")[1] + "-"
        return [code.upper() for code in _FORMS["code"].findall(text.upper()) if code.startswith(wanted)]
    text = _SPELLED_WORD.sub(lambda found: _SPELLED[found[0].lower()], text)
    return _FINDERS[kind](text)


def _amount(whole: str, fraction: str | None) -> float:
    return float(whole.replace(",", "") + (fraction or ""))


def _plain(value: float) -> str:
    return f"{value:.10g}"


def _phrases(text: str, alternatives: Sequence[str]) -> list[str]:
    """The alternatives that occur, by place; an article in front does not matter, and of two that overlap the longer
    counts."""
    flat = " ".join(re.findall(r"[\w'-]+", text.casefold()))
    found: list[tuple[int, int, str]] = []
    for phrase in sorted(alternatives, key=len, reverse=True):
        bare = re.sub(r"^(?:the|an|a)\s+", "", " ".join(re.findall(r"[\w'-]+", phrase.casefold())))
        for match in re.finditer(rf"(?<![\w-]){re.escape(bare)}(?![\w-])", flat):
            if not any(start < match.end() and match.start() < end for start, end, _ in found):
                found.append((match.start(), match.end(), phrase))
    return [phrase for _, _, phrase in sorted(found)]


def _money(text: str) -> list[str]:
    result = []
    for groups in _MONEY.findall(text):
        whole, fraction = next(groups[i : i + 2] for i in (0, 2, 4) if groups[i])
        result.append(_plain(round(_amount(whole, fraction) * 100)))
    return result


def _duration(text: str) -> list[str]:
    result = []
    for whole, fraction, unit in _DURATION.findall(text):
        base, factor = _TIMES[unit.lower()]
        result.append(f"{base}{_plain(_amount(whole, fraction) * factor)}")
    return result


def _date(text: str) -> list[str]:
    return [
        f"{year or year2}-{_MONTHS[(month or month2).lower()]:02d}-{int(day or day2):02d}"
        for day, month, year, month2, day2, year2 in _DATE.findall(text)
    ]


def _in_units(kind: str) -> Callable[[str], list[str]]:
    def find(text: str) -> list[str]:
        return [
            _plain(_amount(whole, fraction) * (1_000 if unit.lower() in _THOUSANDS else 1))
            for whole, fraction, unit in _IN_UNITS[kind].findall(text)
        ]

    return find


def _count(text: str) -> list[str]:
    """Whole numbers that are nothing else: no unit, no code, no date, no list mark."""
    for pattern in (_LIST_MARK, _DATE, _WORD_WITH_DIGITS, _MONEY, _DURATION, *_IN_UNITS.values()):
        text = pattern.sub(" ", text)
    for form in ("time", "address", "version"):
        text = _FORMS[form].sub(" ", text)
    return [
        _plain(_amount(whole, None)) for whole, fraction in re.findall(_NUMBER + r"(?![\w-])", text) if not fraction
    ]


def _form(kind: str) -> Callable[[str], list[str]]:
    def find(text: str) -> list[str]:
        return [match[0] for match in _FORMS[kind].finditer(text)]

    return find


def _time(text: str) -> list[str]:
    return [f"{int(hour):02d}:{minute}" for hour, minute in _FORMS["time"].findall(text)]


_FINDERS: dict[str, Callable[[str], list[str]]] = {
    "money": _money,
    "duration": _duration,
    "date": _date,
    "count": _count,
    "time": _time,
    **{kind: _in_units(kind) for kind in _UNITS},
    **{kind: _form(kind) for kind in ("address", "version", "name")},
}
