"""Finds values of a known kind in free text, in one canonical form whatever way they are written.

    mentions("duration", "two weeks, or 14 days", ()) == ["d14", "d14"]
    mentions("money", "It costs €19.90 a month.", ()) == ["1990"]

The kinds are those of the synthetic world's facts. A kind `code:P` is a code with that letter in front.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["mentions"]

_UNITS_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS_SPELLED = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS_SPELLED = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLED = {word: number for number, word in enumerate([*_UNITS_SPELLED, *_TEENS_SPELLED])} | {
    word: 10 * number for number, word in enumerate(_TENS_SPELLED, start=2)
}
_SPELLED_WORD = re.compile(
    rf"\b(?:({'|'.join(_TENS_SPELLED)})[\s-]({'|'.join(_UNITS_SPELLED[1:])})|({'|'.join(_SPELLED)}))\b(?!\s+of\b|\s+(?:may|can|might|must|should|would|could|has\s+to)\b)",
    re.IGNORECASE,
)
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
_NUMBER = r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+|,\d{1,2}(?!\d))?"

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
    r"|(?<![\w.,-])(\d+)(\.\d\d)(?!\w|\.\d)",  # 19.90: two decimals are money here, nothing else has them
    re.IGNORECASE,
)
_DURATION = re.compile(rf"{_NUMBER}[\s-]*({'|'.join(sorted(_TIMES, key=len, reverse=True))})s?\b", re.IGNORECASE)
_DATE = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({'|'.join(_MONTHS)}),?\s+(\d{{4}})\b"
    rf"|\b({'|'.join(_MONTHS)})\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})\b"
    r"|\b(\d{4}-\d{2}-\d{2})\b",
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
    "time": re.compile(r"(?<![\d.:])(\d{1,2}):(\d{2})(?![\d:])(?:\s*([ap])\.?m\b)?", re.IGNORECASE),
    "address": re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\.?\d)"),
    "version": re.compile(r"(?<![\d.])\d+\.\d+\.\d+(?!\.?\d)"),
    "name": re.compile(r"\b(?!the\b|an?\b|router\b|and\b|or\b|is\b|of\b)[a-z]+ [a-z]\d{3}\b", re.IGNORECASE),
    "code": re.compile(r"\b[A-Z]{1,3}-\d{3,6}\b"),
}
_LIST_MARK = re.compile(r"^\s*\d{1,2}[.)]\s|\[\d+\]|\bpassages?\s+\d+\b", re.MULTILINE | re.IGNORECASE)
_WORD_WITH_DIGITS = re.compile(r"\b[A-Za-z]+[-]?\d[\w-]*")


def mentions(kind: str, text: str, alternatives: Sequence[str]) -> list[str]:
    """Every value of a kind in a text, in reading order, in canonical form."""
    text = _DASHES.sub("-", text)
    if kind in ("term", "choice"):
        return _phrases(text, alternatives)
    if kind.startswith("code:"):
        prefix = kind.split(":")[1] + "-"
        return [code.upper() for code in _FORMS["code"].findall(text.upper()) if code.startswith(prefix)]
    return _FINDERS[kind](_SPELLED_WORD.sub(_digits, text))


def _digits(match: re.Match[str]) -> str:
    words = [word.lower() for word in match.groups() if word]
    return str(sum(_SPELLED[word] for word in words))


def _amount(whole: str, fraction: str | None) -> float:
    return float(whole.replace(",", "") + (fraction or "").replace(",", "."))


def _plain(value: float) -> str:
    return f"{value:.10g}"


def _phrases(text: str, alternatives: Sequence[str]) -> list[str]:
    """The alternatives that occur, in reading order; an article in front does not matter, and of two that overlap the
    longer counts."""
    flat = " ".join(re.findall(r"[\w'-]+", text.casefold()))
    phrases: list[tuple[int, int, str]] = []
    for phrase in sorted(alternatives, key=len, reverse=True):
        bare = re.sub(r"^(?:the|an|a)\s+", "", " ".join(re.findall(r"[\w'-]+", phrase.casefold())))
        for match in re.finditer(rf"(?<![\w-]){re.escape(bare)}(?![\w-])", flat):
            if not any(start < match.end() and match.start() < end for start, end, _ in phrases):
                phrases.append((match.start(), match.end(), phrase))
    return [phrase for _, _, phrase in sorted(phrases)]


def _money(text: str) -> list[str]:
    result = []
    for groups in _MONEY.findall(text):
        whole, fraction = next(groups[i : i + 2] for i in (0, 2, 4) if groups[i])
        result.append(_plain(round(_amount(whole, fraction) * 100)))
    return result


_HOURS_AND_MINUTES = re.compile(r"\b(\d+)\s*h(?:ours?|rs?)?,?\s*(?:and\s+)?(\d+)\s*min(?:ute)?s?\b", re.IGNORECASE)


def _duration(text: str) -> list[str]:
    text = _HOURS_AND_MINUTES.sub(lambda match: f"{60 * int(match[1]) + int(match[2])} minutes", text)
    result = []
    for whole, fraction, unit in _DURATION.findall(text):
        base, factor = _TIMES[unit.lower()]
        result.append(f"{base}{_plain(_amount(whole, fraction) * factor)}")
    return result


def _date(text: str) -> list[str]:
    return [
        iso or f"{year or year2}-{_MONTHS[(month or month2).lower()]:02d}-{int(day or day2):02d}"
        for day, month, year, month2, day2, year2, iso in _DATE.findall(text)
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
        _plain(_amount(whole, None)) for whole, fraction in re.findall(_NUMBER + r"(?!\w|-\d)", text) if not fraction
    ]


def _form(kind: str) -> Callable[[str], list[str]]:
    def find(text: str) -> list[str]:
        return [match[0] for match in _FORMS[kind].finditer(text)]

    return find


def _time(text: str) -> list[str]:
    return [
        f"{int(hour) % 12 + 12 * (half.lower() == 'p') if half else int(hour):02d}:{minute}"
        for hour, minute, half in _FORMS["time"].findall(text)
    ]


def _name(text: str) -> list[str]:
    return [match[0].title() for match in _FORMS["name"].finditer(text)]


_FINDERS: dict[str, Callable[[str], list[str]]] = {
    "money": _money,
    "duration": _duration,
    "date": _date,
    "count": _count,
    "time": _time,
    **{kind: _in_units(kind) for kind in _UNITS},
    "name": _name,
    **{kind: _form(kind) for kind in ("address", "version")},
}
