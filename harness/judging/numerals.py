"""Numbers in free text: spelled ones become digits, and digits with separators become what they may mean.

plain("twenty-four months and an hour and a half")  == "24 months and 1.5 hour"
amounts("1.500")                                     == (1500.0, 1.5)
"""

from __future__ import annotations

import re

__all__ = ["NUMBER", "amounts", "plain"]

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLED = {word: number for number, word in enumerate([*_ONES, *_TEENS])} | {
    word: 10 * number for number, word in enumerate(_TENS, start=2)
}
_SCALES = {"hundred": 100, "thousand": 1_000}
_WORD = rf"(?:{'|'.join(sorted([*_SPELLED, *_SCALES], key=len, reverse=True))})"
_SPELLED_NUMBER = re.compile(
    rf"\b(?:an?\s+(?={'|'.join(_SCALES)}))?{_WORD}(?:(?:\s+and\s+|[\s-]+){_WORD})*\b", re.IGNORECASE
)
_NO_NUMBER = (  # "of the two", "the cheaper one", "should one wait", "one of", "one may"
    re.compile(
        r"\b(?:the|these|those|this|that|which|should|must|can|may|does|no|any|second|first|\w{3,}er)\s+$", re.I
    ),
    re.compile(r"\s+(?:of|may|can|might|must|should|would|could|has\s+to)\b", re.I),
)
_DASHES = re.compile(r"[\u2010-\u2015\u2212]")
_SPACES = re.compile(r"[\u00a0\u2007\u2009\u202f]")
_MARKUP = ((re.compile(r"\[([^\[\]]+)\]\(([^()\s]+)\)"), r"\1"), (re.compile(r"[*`]+|^\s*[#>]+", re.MULTILINE), ""),
           (re.compile(r"\|[\s|:-]*"), "; "))  # fmt: skip
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.)]|[-•])\s+|\[\d+\]|\bpassages?\s+\d+\b", re.MULTILINE | re.IGNORECASE)
_FRACTION_SIGNS = {"½": ".5", "¼": ".25", "¾": ".75"}
_FRACTIONS = (
    (re.compile(r"\b(\d+) and (?:a|1) half\b", re.IGNORECASE), r"\1.5"),
    (re.compile(r"\b(?:an?|1) (\w+) and (?:a|1) half\b", re.IGNORECASE), r"1.5 \1"),
    (re.compile(r"\b3 quarters of (?:an?|1)\b", re.IGNORECASE), "0.75"),
    (re.compile(r"\b(?:(?:a|1) )?quarter of (?:an?|1)\b", re.IGNORECASE), "0.25"),
    (re.compile(r"\bhalf (?:an?|1) dozen\b", re.IGNORECASE), "6"),
    (re.compile(r"\b(?:half (?:an?|1)|(?:a|1) half)\b(?! past)", re.IGNORECASE), "0.5"),
    (re.compile(r"\b(?:a|1) dozen\b", re.IGNORECASE), "12"),
    (re.compile(r"\b2 dozen\b", re.IGNORECASE), "24"),
    (re.compile(r"\btwice\b", re.IGNORECASE), "2 times"),
    (re.compile(r"\b(\d+)\s*\(\s*\1\s*\)"), r"\1"),  # fourteen (14) days
)

NUMBER = r"(?<![\w.,-])(\d{1,3}(?:[ .,']\d{3})+(?![\d])(?:[.,]\d{1,2}(?!\d))?|\d+(?:[.,]\d+)?)"


def plain(text: str) -> str:
    """The text with its spelled numbers in digits and without markup, list marks and typographic variants."""
    text = _SPACES.sub(" ", _DASHES.sub("-", text.replace("’", "'")))
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = _LIST_MARK.sub(" ", text)
    for sign, decimal in _FRACTION_SIGNS.items():
        text = re.sub(rf"(?<=\d)\s?{sign}", decimal, text).replace(sign, f"0{decimal}")
    text = _SPELLED_NUMBER.sub(_digits, text)
    for pattern, replacement in _FRACTIONS:
        text = pattern.sub(replacement, text)
    return text


def _digits(match: re.Match[str]) -> str:
    before, after = _NO_NUMBER
    pronoun = match[0].lower() in ("one", "two")
    if pronoun and (before.search(match.string[: match.start()]) or after.match(match.string, match.end())):
        return match[0]
    return _value(match[0])


def _value(spelled: str) -> str:
    """A spelled number in digits; words that make no one number ("two and twelve") stay apart."""
    numbers, total, group = [], 0, 0
    room = 1_000_000  # what follows must be smaller than this, or it is a number of its own
    for word in re.findall(r"[a-z]+", spelled.lower()):
        if word in ("and", "a", "an"):
            continue
        if word in _SCALES:
            if word == "hundred":
                group = max(group, 1) * 100
            else:
                total, group = total + max(group, 1) * 1_000, 0
            room = _SCALES[word]
            continue
        value = _SPELLED[word]
        if value >= room:
            numbers.append(total + group)
            total, group = 0, 0
        group += value
        room = 1 if value < 20 else 10
    numbers.append(total + group)
    return " and ".join(str(number) for number in numbers)


def amounts(written: str) -> tuple[float, ...]:
    """What digits with separators may mean, the likelier first."""
    written = written.replace(" ", "").replace("'", "")
    marks = re.findall(r"[.,]", written)
    if not marks:
        return (float(written),)
    decimal = float(re.sub(r"[.,]", "", written[: written.rindex(marks[-1])]) + "." + written.split(marks[-1])[-1])
    whole = float(re.sub(r"[.,]", "", written))
    if len(set(marks)) == 2:
        return (decimal,)
    if len(marks) > 1:
        return (whole,)
    if re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", written):
        return (whole, decimal) if marks[0] == "." else (whole,)
    return (decimal,)
