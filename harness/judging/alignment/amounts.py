"""References that are one amount, date or time: whether an answer gives it is read by rule, whatever form it has."""

from __future__ import annotations

import calendar

from harness.judging.alignment.words import DENIAL, STOP_WORDS, has_digit, words
from harness.judging.numerals import plain
from harness.judging.quantities import UNITS
from harness.judging.values import mentions

__all__ = ["gives_amount"]

_KINDS = ("date", *UNITS, "time", "count")
_MONTHS = frozenset(month.lower() for month in calendar.month_name if month)
_BESIDE = 3  # words of content that a reference may have beside the amount: "14 participants"
_LONGEST = 30  # words of an answer that is nothing but the amount in a sentence


def gives_amount(question: str, reference: str, answer: str) -> bool | None:
    """Whether the answer gives the amount that the reference is. None where the reference is something else, and where
    the answer gives no amount of its kind, gives others as well, denies something or says much more."""
    amount = _amount_of(reference)
    if amount is None or len(answer.split()) > _LONGEST or DENIAL.search(answer):
        return None
    kind, expected = amount
    given = [set(mention.readings) for mention in mentions(kind, plain(answer), ())]
    asked = {value for mention in mentions(kind, plain(question), ()) for value in mention.readings}
    right = [readings for readings in given if readings & expected]
    wrong = [readings for readings in given if not readings & (expected | asked)]
    return None if bool(right) == bool(wrong) else bool(right)


def _says_more(word: str) -> bool:
    """Of codes, and of months beside a year: "May 2017" is more than its number."""
    return has_digit(word) or word.lower() in _MONTHS


def _amount_of(reference: str) -> tuple[str, set[str]] | None:
    """(kind, readings), where there is one amount and hardly anything beside it."""
    text = plain(reference)
    for kind in _KINDS:
        found = mentions(kind, text, ())
        if len(found) == 1:
            (mention,) = found
            rest = words(f"{text[: mention.start]} {text[mention.end :]}")
            content = [word for word in rest if word.lower() not in STOP_WORDS]
            plainly = len(content) <= _BESIDE and not any(_says_more(word) for word in content)
            return (kind, set(mention.readings)) if plainly and not DENIAL.search(reference) else None
    return None
