"""One audit: every section of the card for one judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.auditing import biases, card, injection, people, perturbations
from harness.auditing.cached_judge import CachedJudge, CaseScores
from harness.auditing.perturbations import Perturbed
from harness.auditing.stability import stability
from harness.digests import digest_of, digest_of_file
from harness.errors import DataError
from harness.files import JsonObject
from harness.interfaces import Judge, Panel, Retriever
from harness.records import Query, Question

__all__ = ["Extent", "Material", "audit"]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is asked: `binary` rows of each right-or-wrong data set, `pairs` of answers, `planted` questions with
    errors, `injected` questions with attacks."""

    binary: int = 200
    pairs: int = 60
    planted: int = 60
    injected: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Material:
    """What a judge is audited on. `questions` are of a synthetic world, with facts; `retriever` and `top_k` give their
    passages to a judge that sees passages. `data` is a folder with human judgements; of those sets that the judge was
    fitted on (`fitted_on`) nothing is reported. `planted_in_fitting`: what planted errors it was fitted on, in
    words."""

    questions: Sequence[Question]
    retriever: Retriever
    top_k: int
    data: Path | None = None
    fitted_on: Sequence[str] = ()
    planted_in_fitting: str | None = None


def audit(cached: CachedJudge, thresholds: JsonObject, material: Material, extent: Extent) -> JsonObject:
    """The card's content: plain JSON values."""
    judge = cached.judge
    perturbed = _perturbed(judge, material, extent)
    agreement, cases = _people(cached, material, extent)
    detection = perturbations.detection(perturbed, cached)
    cases += list(cached.scores(perturbations.cases_of(perturbed)).values())
    findings: JsonObject = {
        "people": agreement,
        "planted": {**detection, "questions": len(perturbed), "fitted_on": material.planted_in_fitting},
        "biases": {
            "padding": biases.padding(perturbed, cached),
            "reference_length": biases.reference_length(perturbed, cached),
            "passage_order": biases.passage_order(perturbed, cached) if judge.sees_passages else None,
            "self_preference": _self_preference(judge),
        },
        "injection": injection.injection(perturbed[: extent.injected], cached),
        "stability": stability(cases, judge.criteria, judge.repeats),
    }
    return {
        "format": card.FORMAT,
        "judge": judge.name,
        "judge_id": digest_of(judge.identity),
        "repeats": judge.repeats,
        "extent": asdict(extent),
        "found": findings,
        "verdict": card.verdict(findings, thresholds),
    }


def _perturbed(judge: Judge, material: Material, extent: Extent) -> list[Perturbed]:
    perturbed = perturbations.perturb(material.questions, extent.planted, extent.seed)
    if not judge.sees_passages:
        return perturbed
    passages = material.retriever.search([Query(text=each.question.text) for each in perturbed], material.top_k)
    return [
        replace(each, passages=tuple(found_passages)) for each, found_passages in zip(perturbed, passages, strict=True)
    ]


def _people(cached: CachedJudge, material: Material, extent: Extent) -> tuple[JsonObject, list[CaseScores]]:
    findings: JsonObject = {"binary": {}, "pairwise": {}, "seed": extent.seed, "digests": {}}
    findings["fitted_on"] = list(material.fitted_on)
    if (data := material.data) is None:
        return findings, []
    known = {**people.BINARY, **people.PAIRWISE}
    present = {name: data / file for name, file in known.items() if (data / file).is_file()}
    if not present:
        files = ", ".join(known.values())
        raise DataError(f"--data {data}: holds no human judgements; one of {files} is needed (docs/add-a-judge.md)")
    cases: list[CaseScores] = []
    for name, path in present.items():
        if name in material.fitted_on:
            continue
        findings["digests"][name] = digest_of_file(path)
        if name in people.BINARY:
            rows = people.read_binary(path, extent.binary, extent.seed)
            findings["binary"][name] = people.binary_agreement(rows, cached)
            cases += cached.scores([row.case for row in rows], ["accuracy"]).values()
        else:
            pairs = people.read_pairs(path, extent.pairs, extent.seed)
            findings["pairwise"][name] = people.pairwise_agreement(pairs, cached)
    return findings, cases


def _self_preference(judge: Judge) -> str:
    members = judge.members if isinstance(judge, Panel) else [judge]
    if not any(member.identity.get("model") for member in members):
        return "No language model: it cannot prefer its own answers."
    return (
        "Self-preference is not measured here: a run warns when its judge has the weights of the model that it judges."
    )
