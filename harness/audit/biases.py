"""What moves a mark though the truth stays: length, a longer reference, the order of passages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.audit.asking import Asked, Desk
from harness.audit.planted import Damaged
from harness.statistics import mean

__all__ = ["padding", "passage_order", "reference_length"]

_FLUFF = (
    "Thank you for this question, which many of our customers ask.",
    "There are several things that one may want to consider here, and it is worth looking at them with care.",
    "In what follows you find what is known on the matter.",
    "I hope that this is of help; do not hesitate to come back with any further questions.",
)


def padded(answer: str) -> str:
    """The same statements between sentences that say nothing."""
    return " ".join([*_FLUFF[:3], answer, _FLUFF[3]])


def padding(damaged: Sequence[Damaged], desk: Desk) -> dict[str, Any]:
    """Mean change of the mark when an answer is padded, for right answers and for swapped ones."""
    found: dict[str, Any] = {}
    for name, kind in (("right", None), ("wrong", "swapped")):
        texts = [
            (each, each.right if kind is None else each.wrong[kind])
            for each in damaged
            if kind is None or kind in each.wrong
        ]
        cases = [
            each.case(name + suffix, change(text))
            for each, text in texts
            for suffix, change in (("", str), ("+fluff", padded))
        ]
        asked = desk.ask(cases)
        for criterion in desk.judge.criteria:
            changes = _changes(asked, _ids([each for each, _ in texts]), name, f"{name}+fluff", criterion)
            found.setdefault(criterion, {})[name] = {"mean_change": mean(changes), "answers": len(changes)}
    return found


def reference_length(damaged: Sequence[Damaged], desk: Desk) -> dict[str, Any]:
    """Mean change of the mark of a right answer when the reference says the same with more words."""
    cases = []
    for each in damaged:
        longer = replace(each.question, references=(padded(each.question.references[0]),))
        cases += [each.case("plain", each.right), replace(each, question=longer).case("longer", each.right)]
    asked = desk.ask(cases)
    found = {}
    for criterion in desk.judge.criteria:
        changes = _changes(asked, _ids(damaged), "plain", "longer", criterion)
        found[criterion] = {"mean_change": mean(changes), "answers": len(changes)}
    return found


def passage_order(damaged: Sequence[Damaged], desk: Desk) -> dict[str, Any]:
    """Mean size of the change when the passages stand in the reverse order, for a judge that sees them."""
    cases = []
    for each in damaged:
        turned = tuple(replace(passage, rank=rank) for rank, passage in enumerate(reversed(each.passages), start=1))
        cases += [each.case("ordered", each.right), replace(each, passages=turned).case("turned", each.right)]
    asked = desk.ask(cases)
    found = {}
    for criterion in desk.judge.criteria:
        sizes = [abs(change) for change in _changes(asked, _ids(damaged), "ordered", "turned", criterion)]
        found[criterion] = {"mean_size": mean(sizes), "answers": len(sizes)}
    return found


def _ids(damaged: Sequence[Damaged]) -> list[str]:
    return [each.question.id for each in damaged]


def _changes(asked: Mapping[str, Asked], ids: Iterable[str], before: str, after: str, criterion: str) -> list[float]:
    """How the mark of each question's case `after` differs from that of its case `before`, where both have one."""
    pairs = [(asked[f"{i}#{before}"].mark(criterion), asked[f"{i}#{after}"].mark(criterion)) for i in ids]
    return [new - old for old, new in pairs if old is not None and new is not None]
