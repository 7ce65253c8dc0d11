"""Which of two an answer chooses: "which has the lower price, A or B?"

It is read from what is asserted: "A is cheaper", "B costs more", "A, unlike B, is cheap", "between A and B, it is B",
"B is not the cheaper one", "the latter". Where two values alone are given ("A costs 10, B costs 20") they imply the
choice. That both are equal is a wrong answer; both names without a word on either ("A or B") are none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judging.values import mentions

__all__ = ["Choice", "choice"]

_SMALL = (
    "low", "few", "little", "short", "small", "slow", "cheap", "inexpensive", "affordable", "economical", "early",
    "soon", "dry", "weak", "light", "narrow", "thin", "cool", "cold", "old", "modest", "frugal",
)  # fmt: skip
_LARGE = (
    "high", "many", "much", "long", "large", "big", "great", "fast", "quick", "expensive", "dear", "costly", "pricey",
    "late", "moist", "humid", "strong", "heavy", "wide", "thick", "warm", "hot", "new", "generous", "roomy", "spacious",
)  # fmt: skip
_SPEEDY = frozenset(("fast", "quick", "slow"))  # of a duration the fast one is the small one
_IRREGULAR = {
    "less": -1, "least": -1, "fewer": -1, "fewest": -1, "more": 1, "most": 1, "undercuts": -1, "exceeds": 1,
    "outlasts": 1, "outpaces": 1, "surpasses": 1, "tops": 1,
}  # fmt: skip
_EXCEEDS = r"\b(?:undercuts|exceeds|outlasts|outpaces|surpasses|tops|beats)"
_TAGS = ("\ue000", "\ue001")  # stand for the two names while a text is read
_TAG = "[\ue000\ue001]"
_THAN = re.compile(
    rf"(?:\bthan\b|\bunlike\b|\bcompared (?:to|with)\b|\bin (?:contrast|comparison) (?:to|with)\b|\bas opposed to\b"
    rf"|\bagainst\b|\bversus\b|\bvs\b\.?|\brather than\b|\binstead of\b|\bover\b|\bahead of\b|\bin place of\b)"
    rf"(?:\s+(?!{_TAG})[^\s;]+){{0,5}}?\s+{_TAG}(?:'s?\b)?(?:\s*\([^()]*\))?",
    re.IGNORECASE,
)
_OPEN = re.compile(
    rf"(?:\bbetween\b|\bout of\b|\bof\b|\bcomparing\b)\s+(?:\w+\s+)?{_TAG}\s+(?:and|or)\s+(?:\w+\s+)?{_TAG}"
    rf"|(?:\b(?:either|whether)\s+)?{_TAG}\s+or\s+(?:the\s+)?{_TAG}",
    re.IGNORECASE,
)
_NOT_THIS = re.compile(
    rf"\bnot\s+(?:the\s+|with\s+|in\s+)?{_TAG}|{_EXCEEDS}\s+(?:the\s+)?(?=({_TAG}))\1", re.IGNORECASE
)
_SENTENCES = re.compile(r"[.!?](?:\s|$)|\n")
_CLAUSES = re.compile(
    rf"[.;:!?](?!\d)|,(?!\d)|\s-\s|\b(?:while|whereas|although|though|but)\b|\b(?:and|so)\b(?=[^.;,]*{_TAG})|\n",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|never|neither|nor)\b|n't\b|\bno (?=\w+er\b)", re.IGNORECASE)
_EQUAL = re.compile(
    r"\b(?:equal(?:ly)?|same|identical(?:ly)?|alike|no difference|both|neither|tie[ds]?|don't differ|not differ)\b",
    re.IGNORECASE,
)
_CORRECTION = re.compile(r"\bno, |\bsorry\b|\bcorrection\b|\bi mean|\bscratch that\b|\bmisread\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """`names` are those that the answer chooses, in reading order: none, one, or both where it contradicts itself or
    wavers. `equal`: it says that they do not differ."""

    names: tuple[str, ...]
    equal: bool = False


def choice(question: str, names: Sequence[str], kind: str | None, text: str) -> Choice:
    """What a plain text without questions chooses. `kind` is that of the two values compared, where it is known."""
    first, second = sorted(names, key=lambda name: _place(question, name))
    tagged = _tagged(text, first, second)
    smaller = _sign(question, kind) or -1
    by_tag = dict(zip(_TAGS, (first, second), strict=True))
    bare = _NOT_THIS.sub(" ", _OPEN.sub(" ", _THAN.sub(" ", tagged)))
    equal = _EQUAL.search(tagged) is not None and not re.search(r"\bnot (?:\w+ )?(?:equal|the same|identical)", tagged)
    picked = [tag for clause in _clauses(bare) for tag in _picked(clause, smaller, kind)]
    if not picked:
        picked = _implied(tagged, smaller, kind)
    if not picked and not equal:
        picked = re.findall(_TAG, bare)
        picked = picked if len(set(picked)) == 1 else []
    if len(set(picked)) == 2 and (corrections := list(_CORRECTION.finditer(tagged))):
        picked = [tag for tag in picked if tag in tagged[corrections[-1].end() :]][-1:] or picked
    if equal and (not picked or len(set(picked)) == 2 or not re.search(r"\bboth\b", tagged, re.IGNORECASE)):
        return Choice((), equal=True)
    return Choice(tuple(by_tag[tag] for tag in dict.fromkeys(picked)))


def _place(question: str, name: str) -> int:
    place = question.casefold().find(_bare(name).casefold())
    return place if place >= 0 else len(question)


def _bare(name: str) -> str:
    return re.sub(r"^(?:the|an|a)\s+", "", name, flags=re.IGNORECASE)


def _tagged(text: str, first: str, second: str) -> str:
    """The text with a tag for each name, also where only what tells it from the other is written, or its place."""
    tag_of = dict(zip((first, second), _TAGS, strict=True))
    for name in sorted(tag_of, key=len, reverse=True):
        parts = re.findall(r"[a-z]+|\d+|\w+", _bare(name), re.IGNORECASE)
        whole = r"\W{0,2}".join(map(re.escape, parts))
        text = re.sub(rf"(?:\bthe\s+)?(?<![\w-]){whole}(?![\w-])", tag_of[name], text, flags=re.IGNORECASE)
    for name, other in ((first, second), (second, first)):
        distinct = [re.escape(word) for word in _words(name) if word not in _words(other)]
        if distinct:
            text = re.sub(rf"(?:\bthe\s+)?(?<![\w-])(?:{'|'.join(distinct)})(?![\w-])", tag_of[name], text)
    for tag, place in zip(_TAGS, ("former", "latter"), strict=True):
        text = re.sub(rf"\bthe {place}(?: one)?\b", tag, text, flags=re.IGNORECASE)
    if not re.search(_TAG, text):
        for tag, place in zip(_TAGS, ("first", "second"), strict=True):
            text = re.sub(rf"\bthe {place}(?: one| of the two)?\b", tag, text, flags=re.IGNORECASE)
    return re.sub(rf"({_TAG})(?:\s*\1)+", r"\1", text)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+\d+|[a-z]{3,}|\d{3,}", _bare(name), re.IGNORECASE)


def _clauses(text: str) -> list[str]:
    """Clauses that name one; what follows without a name belongs to the one before, what leads to the one after."""
    clauses: list[str] = []
    for sentence in _SENTENCES.split(text):
        lead, first = "", len(clauses)
        for part in _CLAUSES.split(sentence):
            if re.search(_TAG, part):
                clauses.append(f"{lead} {part}")
                lead = ""
            elif len(clauses) > first or (clauses and re.match(r"\s*(?:it|that one|this one)\b", part, re.IGNORECASE)):
                clauses[-1] += f" {part}"
            else:
                lead += f" {part}"
    return clauses


def _picked(clause: str, asked: int, kind: str | None) -> list[str]:
    """The tag that a clause chooses, if it does: it names one, and compares it or says nothing else of it."""
    tags = re.findall(_TAG, clause)
    sign = _sign(clause, kind)
    if len(set(tags)) == 2 and sign is None:
        return []
    subject = tags[0]
    if sign is None:
        if re.search(r"\d", clause):
            return []
        right = True
    else:
        right = sign == asked
    negated = _NEGATED.search(re.sub(r"\bnot only\b", "", clause)) is not None
    if re.search(r"\bnot as\b|n't as\b", clause) and sign is not None:
        negated = True
    return [subject if right != negated else _TAGS[1 - _TAGS.index(subject)]]


def _implied(tagged: str, asked: int, kind: str | None) -> list[str]:
    """The choice that the two values make, where each name stands with one."""
    if kind is None:
        return []
    found = mentions(kind, re.sub(_TAG, "~", tagged), ())
    tags = [(match.start(), match[0]) for match in re.finditer(_TAG, tagged)]
    if len(found) < 2 or len({tag for _, tag in tags}) < 2:
        return []
    value_of: dict[str, float] = {}
    for mention in found:
        before = [tag for place, tag in tags if place < mention.start]
        after = [tag for place, tag in tags if place > mention.start]
        nearest = before[-1] if before else after[0]
        if nearest in value_of and after:
            nearest = after[0]
        number = re.sub(r"[^\d.]", "", mention.readings[0])
        if number:
            value_of.setdefault(nearest, float(number) if number.count(".") < 2 else 0.0)
    if len(value_of) < 2 or value_of[_TAGS[0]] == value_of[_TAGS[1]]:
        return []
    smaller = min(_TAGS, key=lambda tag: value_of[tag])
    return [smaller if asked < 0 else _TAGS[1 - _TAGS.index(smaller)]]


def _sign(text: str, kind: str | None) -> int | None:
    """-1 where the text compares downwards, 1 upwards, None where it does not compare."""
    words = re.findall(r"[a-z]+", text.lower())
    for place, word in enumerate(words):
        following = _degree(words[place + 1], kind) if place + 1 < len(words) else None
        if word in ("less", "least") and following is not None:
            return -following
        if word in ("more", "most") and following is not None:
            return following
        if word in _IRREGULAR:
            return _IRREGULAR[word]
        degree = _degree(word, kind)
        if degree is not None:
            return degree
    return None


def _degree(word: str, kind: str | None) -> int | None:
    """The direction of an adjective in any of its forms; `how long` and the like ask, they do not compare."""
    for ending in ("", "r", "er", "st", "est", "ier", "iest", "ly"):
        base = word.removesuffix(ending) if word.endswith(ending) else ""
        for form in (
            base,
            f"{base}y" if ending in ("ier", "iest") else base,
            base[:-1] if base[-1:] == base[-2:-1] else base,
        ):
            if form in _SMALL or form in _LARGE:
                sign = -1 if form in _SMALL else 1
                return -sign if form in _SPEEDY and kind in ("duration", "time") else sign
    return None
