"""Plants one error into a right answer of any domain, by rule: what a judge of long answers is trained to see.

    number      a number becomes another
    identifier  a code such as a gene or a version becomes a near one (IDH1 → IDH2)
    entity      a name or a word of content becomes another of its shape from a related text
    polarity    a statement is negated, or its negation taken away; yes becomes no
    relation    a word becomes its contrary (increases → decreases, agonist → antagonist)
    quantifier  all becomes some, most becomes few
    role        two names of one statement change places

No error is planted where the text gives no hold for it: the answer is then None.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from harness.judging.alignment.words import CONTRARY_PAIRS, QUANTIFIER_PAIRS, STOP_WORDS
from harness.judging.statements import split_statements

__all__ = ["KINDS", "plant", "planted"]

Planter = Callable[[str, Sequence[str], random.Random], str | None]

_AUXILIARIES = (
    "is", "are", "was", "were", "can", "could", "may", "might", "will", "would", "should", "has been", "have been",
    "does", "do", "did", "has", "have",
)  # fmt: skip
_NEGATABLE = re.compile(rf"\b({'|'.join(_AUXILIARIES)})\b(?!\s+not\b|n't)", re.IGNORECASE)
_NOT = re.compile(r"\b(cannot|can't|won't|not|never)\b|n't\b")
_AFFIRMED = {"cannot": "can", "can't": "can", "won't": "will"}
_YES_NO = re.compile(r"^\s*(yes|no)\b(?=[\s,.:;!]|$)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w-]|\.\d)")
_IDENTIFIER = re.compile(r"(?<![\w-])(?=[\w-]*[A-Za-z])(?=[\w-]*\d)[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?![\w-])")
_NAME = re.compile(r"(?<!^)(?<![.!?]\s)\b[A-Z][\w-]+(?:\s+[A-Z][\w-]+)*")
_WORD = re.compile(r"[A-Za-z][\w-]{3,}")
_COMMON = frozenset((
    "that", "this", "these", "those", "with", "from", "have", "been", "were", "which", "their", "there", "they",
    "also", "such", "than", "then", "into", "other", "using", "used", "based", "between", "through", "during",
    "however", "both", "most", "more", "some", "only", "when", "where", "while", "about", "after", "before", "over",
    "under", "does", "will", "would", "could", "should", "being", "each", "many", "several", "including", "because",
))  # fmt: skip


def _swap_table(pairs: Sequence[tuple[str, str]], both_ways: bool) -> dict[str, str]:
    table = dict(pairs)
    return table | {right: left for left, right in pairs if " " not in right} if both_ways else table


_CONTRARY = _swap_table(CONTRARY_PAIRS, both_ways=True)
_QUANTITY = _swap_table(QUANTIFIER_PAIRS, both_ways=False)


def _cased(new: str, old: str) -> str:
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _replace(text: str, match: re.Match[str], new: str) -> str:
    return text[: match.start()] + _cased(new, match[0]) + text[match.end() :]


def _from_table(table: Mapping[str, str]) -> Planter:
    pattern = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, table), key=len, reverse=True))})\b", re.IGNORECASE)

    def replaced(text: str, related: Sequence[str], rng: random.Random) -> str | None:
        matches = list(pattern.finditer(text))
        if not matches:
            return None
        match = rng.choice(matches)
        return _replace(text, match, table[match[0].lower()])

    return replaced


def _number(text: str, related: Sequence[str], rng: random.Random) -> str | None:
    matches = list(_NUMBER.finditer(text))
    if not matches:
        return None
    match = rng.choice(matches)
    old: str = match[0]
    others: list[str] = sorted({found for other in related for found in _NUMBER.findall(other)} - {old})
    if others and rng.random() < 0.3:
        return text[: match.start()] + rng.choice(others) + text[match.end() :]
    place = rng.choice([n for n, char in enumerate(old) if char.isdigit()])
    digit = str((int(old[place]) + rng.randint(1, 9)) % 10)
    new = old[:place] + (digit if place or digit != "0" else "7" if old[0] != "7" else "3") + old[place + 1 :]
    return text[: match.start()] + new + text[match.end() :]


def _near(code: str, rng: random.Random) -> str:
    """A code of the same shape with one character changed, a digit as a rule."""
    digits = [n for n, char in enumerate(code) if char.isdigit()]
    letters = [n for n, char in enumerate(code) if char.isalpha()]
    if digits and (rng.random() < 0.75 or not letters):
        place = rng.choice(digits)
        return code[:place] + str((int(code[place]) + rng.randint(1, 8)) % 9 + 1) + code[place + 1 :]
    place = rng.choice(letters)
    letter = rng.choice("ABCDEFGHKLMNPRST")
    return code[:place] + (letter if code[place].isupper() else letter.lower()) + code[place + 1 :]


def _identifier(text: str, related: Sequence[str], rng: random.Random) -> str | None:
    matches = list(_IDENTIFIER.finditer(text))
    if not matches:
        return None
    match = rng.choice(matches)
    others = sorted({found for other in related for found in _IDENTIFIER.findall(other)} - {match[0]})
    new = rng.choice(others) if others and rng.random() < 0.3 else _near(match[0], rng)
    return None if new == match[0] else text[: match.start()] + new + text[match.end() :]


def _entity(text: str, related: Sequence[str], rng: random.Random) -> str | None:
    """A name by another name, or a word of content by another of about its length, both from related texts."""
    here = text.lower()
    for pattern in (_NAME, _WORD) if rng.random() < 0.6 else (_WORD,):
        matches = [m for m in pattern.finditer(text) if m[0].lower() not in _COMMON]
        found = sorted({m[0] for other in related for m in pattern.finditer(other)})
        options = [w for w in found if w.lower() not in here and w.lower() not in _COMMON]
        if matches and options:
            match = rng.choice(matches)
            ending = match[0][-2:]
            alike = [w for w in options if w[-2:] == ending and w[0].isupper() == match[0][0].isupper()]
            near = [w for w in options if abs(len(w) - len(match[0])) <= 4]
            return text[: match.start()] + rng.choice(alike or near or options) + text[match.end() :]
    return None


def _polarity(text: str, related: Sequence[str], rng: random.Random) -> str | None:
    if lead := _YES_NO.match(text):
        flipped = _cased("no" if lead[1].lower() == "yes" else "yes", lead[1])
        return text[: lead.start(1)] + flipped + text[lead.end(1) :]
    if denial := _NOT.search(text):
        affirmed = _AFFIRMED.get(denial[0], "")
        return re.sub(r"\s{2,}", " ", text[: denial.start()] + affirmed + text[denial.end() :])
    matches = list(_NEGATABLE.finditer(text))
    if not matches:
        return None
    match = rng.choice(matches[:2])
    head, _, tail = match[0].partition(" ")
    return f"{text[: match.start()]}{head} not{' ' + tail if tail else ''}{text[match.end() :]}"


def _role(text: str, related: Sequence[str], rng: random.Random) -> str | None:
    names = re.finditer(r"\b(?:[A-Z][\w-]*\d*|[\w-]*\d[\w-]*)\b", text)
    distinct = {m[0]: m for m in names if len(m[0]) > 2 and m[0].lower() not in _COMMON | STOP_WORDS}
    if len(distinct) < 2:
        return None
    first, second = sorted(rng.sample(list(distinct.values()), 2), key=lambda m: m.start())
    between = text[first.end() : second.start()]
    is_list = all(w in ("and", "or") or re.search(r"^[A-Z]|\d", w) for w in re.findall(r"[\w-]+", between))
    if is_list or len(between.split()) < 2 or len(split_statements(text[first.start() : second.end()])) > 1:
        return None  # a list may be in any order
    return text[: first.start()] + second[0] + between + first[0] + text[second.end() :]


KINDS: Mapping[str, Planter] = {
    "number": _number,
    "identifier": _identifier,
    "entity": _entity,
    "polarity": _polarity,
    "relation": _from_table(_CONTRARY),
    "quantifier": _from_table(_QUANTITY),
    "role": _role,
}


def plant(kind: str, text: str, related: Sequence[str], rng: random.Random) -> str | None:
    """The text with one error of this kind; `related` are texts of the same topic from which a wrong name may come.
    None where the text gives no hold for it."""
    changed = KINDS[kind](text, related, rng)
    return None if changed is None or changed == text else changed


def planted(text: str, related: Sequence[str], rng: random.Random, count: int) -> list[tuple[str, str]]:
    """Up to `count` (kind, text with one error), of different kinds in random order."""
    result: list[tuple[str, str]] = []
    for kind in rng.sample(sorted(KINDS), len(KINDS)):
        if len(result) == count:
            break
        if (changed := plant(kind, text, related, rng)) is not None:
            result.append((kind, changed))
    return result
