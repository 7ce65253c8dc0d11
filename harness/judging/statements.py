"""Cuts a text into statements: the sentences and main clauses that a judge of long answers looks at one by one."""

from __future__ import annotations

import re

__all__ = ["split_statements"]

_ABBREVIATIONS = frozenset((
    "e.g", "i.e", "etc", "vs", "cf", "al", "dr", "mr", "mrs", "ms", "st", "fig", "figs", "eq", "approx", "ca",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "u.s", "u.k", "spp", "sp",
    "resp", "prof", "inc", "ltd", "co", "jr", "sr", "vol", "ed", "eds", "sec", "p", "pp", "ref", "refs",
))  # fmt: skip
_END = re.compile(r"[.!?]+[\"')\]]*(?=\s+[\"'(\[]*[A-Z0-9•*-])|\n+|;(?=\s)")
_CLAUSE = re.compile(r",?\s+(?:whereas|although|but|while)\s+", re.IGNORECASE)
_MARK = re.compile(r"^\s*(?:[-*•]+|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
_LEAST_WORDS = 4  # a clause shorter than this is no statement of its own


def _is_abbreviation(text: str, end: int) -> bool:
    """Whether the full stop before `end` belongs to an abbreviation or an initial; "no." is one before a number."""
    word = re.search(r"([\w.]+)\.[\"')\]]*$", text[:end])
    if word is not None and word[1].lower() == "no":
        return text[end:].lstrip()[:1].isdigit()
    return word is not None and (word[1].lower() in _ABBREVIATIONS or re.fullmatch(r"[A-Z]", word[1]) is not None)


def _sentences(text: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if text[match.start()] == "." and _is_abbreviation(text, match.end()):
            continue
        parts.append(text[start : match.end()])
        start = match.end()
    return [*parts, text[start:]]


def split_statements(text: str) -> list[str]:
    """The statements of a text in reading order, without list marks; a text of one statement comes back whole. A
    contrast ("… but …") is cut where both sides have a few words."""
    statements: list[str] = []
    for sentence in _sentences(text):
        bare = _MARK.sub("", sentence).strip(" ;\n\t")
        clauses = _CLAUSE.split(bare)
        whole = len(clauses) == 1 or min(len(clause.split()) for clause in clauses) < _LEAST_WORDS
        statements += [bare] if whole else [clause.strip() for clause in clauses]
    return [each for each in statements if re.search(r"\w", each) and not _MARK.fullmatch(f"{each} ")]
