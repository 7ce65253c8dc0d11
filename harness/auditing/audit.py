"""One audit: every section of the card for one judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.auditing import agreement, biases, card, handwritten, injection, packs, people, perturbations
from harness.auditing.cached_judge import CachedJudge, Case, CaseScores
from harness.auditing.domain import described
from harness.auditing.ordering import order_findings
from harness.auditing.packs import Pack
from harness.auditing.perturbations import Perturbed
from harness.auditing.stability import stability
from harness.digests import digest_of, digest_of_file, digest_of_question
from harness.errors import DataError
from harness.files import JsonObject
from harness.interfaces import Judge, Panel, Retriever
from harness.records import Query, Question

__all__ = ["Extent", "Material", "audit"]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is asked: `binary` rows of each right-or-wrong data set, `pairs` of answers, `counts` answers whose
    errors people counted, `planted` questions with errors, `injected` questions with attacks, `packs` questions of each
    data pack and section. What is written by hand is asked whole."""

    binary: int = 200
    pairs: int = 60
    counts: int = 60
    planted: int = 60
    injected: int = 100
    packs: int = 100
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Material:
    """What a judge is audited on. `questions` are of a synthetic world, with facts, and `world` is its task;
    `retriever` and `top_k` give their passages to a judge that sees passages. `data` is a folder with human judgements;
    `packs` are data packs, `short_numbers` a file of answers. Of the sets that the judge was fitted on (`fitted_on`)
    nothing is reported, and no question whose digest is among `fitted_questions` is asked. `planted_in_fitting`: what
    planted errors it was fitted on, in words."""

    questions: Sequence[Question]
    retriever: Retriever
    top_k: int
    world: str = "telecom"
    data: Path | None = None
    packs: Sequence[Pack] = ()
    short_numbers: Path | None = None
    fitted_on: Sequence[str] = ()
    fitted_questions: frozenset[str] = frozenset()
    planted_in_fitting: str | None = None


def audit(cached: CachedJudge, thresholds: JsonObject, material: Material, extent: Extent) -> JsonObject:
    """The card's content: plain JSON values."""
    judge = cached.judge
    domain: JsonObject = {}
    perturbed = _perturbed(judge, material, extent.planted, extent.seed)
    attacked = _perturbed(judge, material, extent.injected, extent.seed)
    of_people, cases = _people(cached, material, extent, domain)
    detection = perturbations.detection(perturbed, cached)
    cases += list(cached.scores(perturbations.cases_of(perturbed)).values())
    domain[material.world] = described(each.question.references[0] for each in perturbed)
    is_general = bool(thresholds["references"])
    findings: JsonObject = {
        "people": of_people,
        "hard": _hard(cached, material, domain) if is_general else {},
        "second": _second(cached, material, extent) if is_general else {},
        "short": _short(cached, material, domain) if is_general else None,
        "planted": {
            **detection,
            "questions": len(perturbed),
            "fitted_on": material.planted_in_fitting,
            "world": material.world,
        },
        "dump": _dumps(cached, material, extent, perturbed, is_general),
        "biases": {
            "padding": biases.padding(perturbed, cached),
            "reference_length": biases.reference_length(perturbed, cached),
            "passage_order": biases.passage_order(perturbed, cached) if judge.sees_passages else None,
            "self_preference": _self_preference(judge),
        },
        "injection": injection.injection(attacked, cached),
        "stability": stability(cases, judge.criteria, judge.repeats),
        "domain": domain,
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


def _perturbed(judge: Judge, material: Material, count: int, seed: int) -> list[Perturbed]:
    perturbed = perturbations.perturb(material.questions, count, seed)
    if not judge.sees_passages:
        return perturbed
    passages = material.retriever.search([Query(text=each.question.text) for each in perturbed], material.top_k)
    return [
        replace(each, passages=tuple(found_passages)) for each, found_passages in zip(perturbed, passages, strict=True)
    ]


# ---- people ---------------------------------------------------------------------------------------------------------


def _people(
    cached: CachedJudge, material: Material, extent: Extent, domain: JsonObject
) -> tuple[JsonObject, list[CaseScores]]:
    findings: JsonObject = {"binary": {}, "pairwise": {}, "counts": {}, "seed": extent.seed, "digests": {}}
    findings |= {"fitted_on": list(material.fitted_on), "left_out": {}}
    cases: list[CaseScores] = []

    def unfitted(name: str, questions: Iterable[Question]) -> set[str]:
        """Ids of the questions that the judge was not fitted on."""
        every = list(questions)
        kept = {question.id for question in packs.unfitted(every, material.fitted_questions)}
        findings["left_out"][name] = len({question.text for question in every if question.id not in kept})
        return kept

    for name, path in _judgements(material).items():
        findings["digests"][name] = digest_of_file(path)
        if name in people.BINARY:
            rows = people.read_binary(path, extent.binary, extent.seed)
            kept = unfitted(name, (row.case.question for row in rows))
            rows = [row for row in rows if row.case.question.id in kept]
            findings["binary"][name] = agreement.binary_agreement(rows, cached)
            cases += cached.scores([row.case for row in rows], ["accuracy"]).values()
            domain[name] = described(_first_form(row.case) for row in rows)
        elif name in people.PAIRWISE:
            pairs = people.read_pairs(path, extent.pairs, extent.seed)
            kept = unfitted(name, (pair.first.question for pair in pairs))
            pairs = [pair for pair in pairs if pair.first.question.id in kept]
            findings["pairwise"][name] = agreement.pairwise_agreement(pairs, cached)
            domain[name] = described({pair.first.question.text: _first_form(pair.first) for pair in pairs}.values())
        else:
            counted = people.read_counts(path, extent.counts, extent.seed)
            kept = unfitted(name, (row.case.question for row in counted))
            counted = [row for row in counted if row.case.question.id in kept]
            findings["counts"][name] = agreement.count_agreement(counted, cached)
            domain[name] = described({row.case.question.text: _first_form(row.case) for row in counted}.values())
    return findings, cases


def _judgements(material: Material) -> dict[str, Path]:
    """The files of human judgements on which the judge is reported, by data set."""
    if (data := material.data) is None:
        return {}
    present = {name: data / file for name, file in people.FILES.items() if (data / file).is_file()}
    if not present:
        files = ", ".join(people.FILES.values())
        raise DataError(f"--data {data}: holds no human judgements; one of {files} is needed (docs/add-a-judge.md)")
    return {name: path for name, path in present.items() if name not in material.fitted_on}


def _first_form(case: Case) -> str:
    """A reference that holds several forms stands whole before its parts."""
    return case.question.references[1 if len(case.question.references) > 1 else 0]


# ---- data packs, and answers written by hand ------------------------------------------------------------------------


def _hard(cached: CachedJudge, material: Material, domain: JsonObject) -> JsonObject:
    """By data pack. Its questions are counted in the domain."""
    findings: JsonObject = {}
    for pack in material.packs:
        if pack.hard is None:
            continue
        every = handwritten.read_hard(pack.hard, pack.questions)
        kept = [e for e in every if digest_of_question(e.case.question.text) not in material.fitted_questions]
        left_out = {e.case.question.id for e in every} - {e.case.question.id for e in kept}
        findings[pack.name] = {
            **order_findings(kept, cached),
            "left_out": len(left_out),
            "digest": digest_of_file(pack.hard),
        }
        questions = {each.case.question.id: each.case.question for each in kept}
        domain[pack.name] = described(question.references[0] for question in questions.values())
    return findings


def _second(cached: CachedJudge, material: Material, extent: Extent) -> JsonObject:
    findings: JsonObject = {}
    for pack in material.packs:
        if pack.name in packs.SEVERAL_ANNOTATORS:
            pool = packs.unfitted(pack.pool, material.fitted_questions)
            cases = packs.second_references(pool, extent.packs)
            findings[pack.name] = packs.second_findings(cases, cached) | {"left_out": len(pack.pool) - len(pool)}
    return findings


def _short(cached: CachedJudge, material: Material, domain: JsonObject) -> JsonObject | None:
    if material.short_numbers is None:
        return None
    answers = handwritten.read_short_numbers(material.short_numbers)
    references = {each.case.question.id: each.case.question.references[0] for each in answers}
    domain[card.SHORT_NUMBERS] = described(references.values())
    return order_findings(answers, cached) | {"digest": digest_of_file(material.short_numbers)}


def _dumps(
    cached: CachedJudge, material: Material, extent: Extent, perturbed: Sequence[Perturbed], with_packs: bool
) -> JsonObject:
    """On the world and on each pack, where the concise right answer is the reference itself."""
    right = [(each.question, each.right) for each in perturbed]
    of_world = packs.dumped(right, material.retriever, within_document=False, count=extent.planted)
    findings: JsonObject = {material.world: packs.dump_findings(of_world, cached)}
    for pack in material.packs if with_packs else ():
        pool = [question for question in packs.unfitted(pack.pool, material.fitted_questions) if question.answerable]
        pairs = packs.dumped(
            [(question, question.references[0]) for question in pool[: 5 * extent.packs]],
            pack.retriever,
            pack.within_document,
            extent.packs,
        )
        findings[pack.name] = packs.dump_findings(pairs, cached)
    return findings


def _self_preference(judge: Judge) -> str:
    members = judge.members if isinstance(judge, Panel) else [judge]
    if not any(member.identity.get("model") for member in members):
        return "No language model: it cannot prefer its own answers."
    return (
        "Self-preference is not measured here: a run warns when its judge has the weights of the model that it judges."
    )
