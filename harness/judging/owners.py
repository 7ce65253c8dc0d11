"""Which of several facts of one kind a value is said to be: "the minimum term is 14 days" gives it to the term."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.judging.mention import Mention
from harness.judging.numerals import plain
from harness.judging.spelling import stem
from harness.records import Fact

__all__ = ["owner_of"]

_CLAUSE = re.compile(r"[.;!?\n](?!\d)|,(?!\d)|\band\b")
_SHORT = 3  # letters: shorter words are no labels


def owner_of(text: str, mention: Mention, facts: Sequence[Fact]) -> Fact | None:
    """The fact whose own words stand nearest to a value in its clause; None where none does, or two are as near."""
    start = max((match.end() for match in _CLAUSE.finditer(text, 0, mention.start)), default=0)
    after = _CLAUSE.search(text, mention.end)
    end = after.start() if after else len(text)
    before = [stem(word) for word in re.findall(r"[a-z]+", text[start : mention.start].lower())]
    behind = [stem(word) for word in re.findall(r"[a-z]+", text[mention.end : end].lower())]
    distances = []
    for fact, labels in zip(facts, _labels(facts), strict=True):
        places = [len(before) - place for place, word in enumerate(before) if word in labels]
        places += [place + 1 for place, word in enumerate(behind) if word in labels]
        if places:
            distances.append((min(places), fact))
    distances.sort(key=lambda pair: pair[0])
    if not distances or (len(distances) > 1 and distances[0][0] == distances[1][0]):
        return None
    return distances[0][1]


def _labels(facts: Sequence[Fact]) -> list[set[str]]:
    """The words of each fact's statement that are in no other's, without its value."""
    words = [
        {
            stem(word)
            for word in re.findall(r"[a-z]+", plain(fact.statement.replace(fact.value, " ")).lower())
            if len(word) >= _SHORT
        }
        for fact in facts
    ]
    return [own - set().union(*(other for other in words if other is not own)) for own in words]
