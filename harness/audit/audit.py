"""One audit: every section of the card for one judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.audit import biases, card, injection, people, planted
from harness.audit.asking import Asked, Desk
from harness.audit.stability import stability
from harness.digests import digest_of, digest_of_file
from harness.errors import DataError
from harness.interfaces import Judge, Panel, Progress
from harness.records import Passage, Question
from harness.store import Store

__all__ = ["Extent", "audit"]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is asked. `binary` rows of each data set, `pairs`, `planted` questions, `injected` questions."""

    binary: int = 200
    pairs: int = 60
    planted: int = 60
    injected: int = 20
    seed: int = 0


def audit(
    judge: Judge,
    thresholds: Mapping[str, Any],
    questions: Sequence[Question],
    passages: Sequence[tuple[Passage, ...]] | None,
    data: Path | None,
    fitted_on: Sequence[str],
    planted_in_fitting: str | None,
    scale: tuple[int, int],
    extent: Extent,
    store: Store,
    progress: Progress,
) -> dict[str, Any]:
    """What the card says; plain JSON values. `questions` are the synthetic world's; `passages` of each damaged one, for
    a judge that sees passages, else None. `data` is a folder with human judgements; of those sets that the judge was
    fitted on (`fitted_on`) nothing is reported."""
    desk = Desk(judge, store, progress)
    damaged = planted.damage(questions, extent.planted, extent.seed)
    if passages is not None:
        damaged = [replace(each, passages=shown) for each, shown in zip(damaged, passages, strict=True)]
    of_people, asked = _people(data, fitted_on, extent, desk)
    found_planted = planted.detection(damaged, desk)
    asked += list(desk.ask(planted.cases_of(damaged)).values())
    found: dict[str, Any] = {
        "people": of_people,
        "planted": {**found_planted, "questions": len(damaged), "fitted_on": planted_in_fitting},
        "biases": {
            "padding": biases.padding(damaged, desk),
            "reference_length": biases.reference_length(damaged, desk),
            "passage_order": None if passages is None else biases.passage_order(damaged, desk),
            "self_preference": _self_preference(judge),
        },
        "injection": injection.injection(damaged[: extent.injected], desk, *scale),
        "stability": stability(asked, judge.criteria, judge.repeats),
    }
    return {
        "format": card.FORMAT,
        "judge": judge.name,
        "judge_id": digest_of(judge.identity),
        "extent": {"binary": extent.binary, "pairs": extent.pairs, "planted": extent.planted,
                   "injected": extent.injected, "seed": extent.seed},
        "found": found,
        "verdict": card.verdict(found, thresholds),
    }  # fmt: skip


def _people(
    data: Path | None, fitted_on: Sequence[str], extent: Extent, desk: Desk
) -> tuple[dict[str, Any], list[Asked]]:
    found: dict[str, Any] = {"binary": {}, "pairwise": {}, "seed": extent.seed, "digests": {}}
    found["fitted_on"] = list(fitted_on)
    if data is None:
        return found, []
    known = {**people.BINARY, **people.PAIRWISE}
    there = {name: data / file for name, file in known.items() if (data / file).is_file()}
    if not there:
        wanted = ", ".join([*people.BINARY.values(), *people.PAIRWISE.values()])
        raise DataError(f"--data {data}: holds no human judgements; one of {wanted} is needed (docs/add-a-judge.md)")
    asked: list[Asked] = []
    for name, path in there.items():
        if name in fitted_on:
            continue
        found["digests"][name] = digest_of_file(path)
        if name in people.BINARY:
            rows = people.read_binary(path, extent.binary, extent.seed)
            found["binary"][name] = people.binary_agreement(rows, desk)
            asked += desk.ask([row.case for row in rows], ["accuracy"]).values()
        else:
            pairs = people.read_pairs(path, extent.pairs, extent.seed)
            found["pairwise"][name] = people.pairwise_agreement(pairs, desk)
    return found, asked


def _self_preference(judge: Judge) -> str:
    members = judge.members if isinstance(judge, Panel) else [judge]
    if not any(member.identity.get("model") for member in members):
        return "No language model: it cannot prefer its own answers."
    return (
        "Self-preference is not measured here: a run warns when its judge has the weights of the model that it judges."
    )
