"""What moves a score though the truth stays: length, a longer reference, the order of passages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.auditing.cached_judge import CachedJudge, CaseScores
from harness.auditing.perturbations import Perturbed
from harness.files import JsonObject
from harness.statistics import mean

__all__ = ["padding", "passage_order", "reference_length"]

_FLUFF = (
    "Thank you for this question, which many of our customers ask.",
    "There are several things that one may want to consider here, and it is worth looking at them with care.",
    "In what follows you find what is known on the matter.",
    "I hope that this is of help; do not hesitate to come back with any further questions.",
)


def padded(answer: str) -> str:
    """The same statements between sentences without content."""
    return " ".join([*_FLUFF[:3], answer, _FLUFF[3]])


def padding(perturbed: Sequence[Perturbed], cached: CachedJudge) -> JsonObject:
    """Mean change of the score when an answer is padded, for right answers and for swapped ones."""
    effects: JsonObject = {}
    for name, kind in (("right", None), ("wrong", "swapped")):
        texts = [
            (each, each.right if kind is None else each.wrong[kind])
            for each in perturbed
            if kind is None or kind in each.wrong
        ]
        cases = [
            each.case(name + suffix, change(text))
            for each, text in texts
            for suffix, change in (("", str), ("+fluff", padded))
        ]
        scores = cached.scores(cases)
        for criterion in cached.judge.criteria:
            changes = _changes(scores, _ids([each for each, _ in texts]), name, f"{name}+fluff", criterion)
            effects.setdefault(criterion, {})[name] = {"mean_change": mean(changes), "answers": len(changes)}
    return effects


def reference_length(perturbed: Sequence[Perturbed], cached: CachedJudge) -> JsonObject:
    """Mean change of the score of a right answer when the reference states the same in more words."""
    cases = []
    for each in perturbed:
        longer = replace(each.question, references=(padded(each.question.references[0]),))
        cases += [each.case("plain", each.right), replace(each, question=longer).case("longer", each.right)]
    scores = cached.scores(cases)
    effects = {}
    for criterion in cached.judge.criteria:
        changes = _changes(scores, _ids(perturbed), "plain", "longer", criterion)
        effects[criterion] = {"mean_change": mean(changes), "answers": len(changes)}
    return effects


def passage_order(perturbed: Sequence[Perturbed], cached: CachedJudge) -> JsonObject:
    """Mean size of the change when the passages stand in the reverse order, for a judge that sees them."""
    cases = []
    for each in perturbed:
        turned = tuple(replace(passage, rank=rank) for rank, passage in enumerate(reversed(each.passages), start=1))
        cases += [each.case("ordered", each.right), replace(each, passages=turned).case("turned", each.right)]
    scores = cached.scores(cases)
    effects = {}
    for criterion in cached.judge.criteria:
        sizes = [abs(change) for change in _changes(scores, _ids(perturbed), "ordered", "turned", criterion)]
        effects[criterion] = {"mean_size": mean(sizes), "answers": len(sizes)}
    return effects


def _ids(perturbed: Sequence[Perturbed]) -> list[str]:
    return [each.question.id for each in perturbed]


def _changes(
    scores: Mapping[str, CaseScores], ids: Iterable[str], before: str, after: str, criterion: str
) -> list[float]:
    """How the score of each question's case `after` differs from that of its case `before`, where both have one."""
    pairs = [(scores[f"{i}#{before}"].mean(criterion), scores[f"{i}#{after}"].mean(criterion)) for i in ids]
    return [new - old for old, new in pairs if old is not None and new is not None]
