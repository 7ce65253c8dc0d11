"""Errors planted into right answers of the synthetic world, where truth is known. A judge that reads must score the
perturbed answer lower, by half a point at least, than the right one to the same question. No answer is the reference
word for word, or a judge that compares words would have it easy.

    dropped   one of several facts is left out            completeness should fall
    swapped   a value is replaced by another of its kind  accuracy
    negated   the statement is turned into its contrary   accuracy
    added     an invented statement is added              accuracy
    other     the answer to another question              accuracy
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.auditing.cached_judge import CachedJudge, Case, CaseScores
from harness.files import JsonObject
from harness.judging.facts import true_scores
from harness.records import Fact, Passage, Question
from harness.statistics import correlation

__all__ = ["CRITERION_OF", "Perturbed", "cases_of", "detection", "perturb"]

CRITERION_OF = {
    "dropped": "completeness",
    "swapped": "accuracy",
    "negated": "accuracy",
    "added": "accuracy",
    "other": "accuracy",
}
FALL = 0.5
_LEAD = "According to the support pages,"
_INVENTED = (
    "It also comes with a free second handset for every new customer.",
    "Note that this was changed by the regulator last week and no longer holds abroad.",
    "Customers over sixty pay only half of it.",
    "A technician has to be present whenever this is used.",
)
_CONTRARY = ((" is ", " is not "), (" has ", " does not have "), (" are ", " are not "), (" costs ", " does not cost "),
             (" takes ", " does not take "), (" can ", " cannot "), (" must ", " need not "))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Perturbed:
    """A right answer and what became of it, by kind of perturbation; `passages` for a judge that sees some."""

    question: Question
    right: str
    wrong: Mapping[str, str]
    passages: tuple[Passage, ...] = ()

    def case(self, name: str, answer: str) -> Case:
        return Case(f"{self.question.id}#{name}", self.question, answer, self.passages)


def perturb(questions: Sequence[Question], count: int, seed: int) -> list[Perturbed]:
    """The first `count` questions with known answers, each perturbed in every way that fits it."""
    rng = random.Random(seed)
    fit = [q for q in questions if q.answerable and q.facts and all(f.value and f.statement for f in q.facts)]
    fit = [q for q in fit if q.kind in ("one_fact", "several")][:count]
    return [_perturb(question, fit, rng) for question in fit]


def _perturb(question: Question, others: Sequence[Question], rng: random.Random) -> Perturbed:
    statements = [fact.statement for fact in question.facts]
    right = " ".join(statements)
    wrong: dict[str, str] = {}
    if len(statements) > 1:
        wrong["dropped"] = " ".join(statements[:-1])
    if (value := _another_value(question.facts[0], others, rng)) is not None:
        wrong["swapped"] = " ".join([statements[0].replace(question.facts[0].value, value), *statements[1:]])
    wrong["negated"] = " ".join([_contrary(statements[0]), *statements[1:]])
    wrong["added"] = f"{right} {rng.choice(_INVENTED)}"
    unrelated = [q for q in others if not set(q.gold_document_ids) & set(question.gold_document_ids)]
    if unrelated:
        wrong["other"] = " ".join(fact.statement for fact in rng.choice(unrelated).facts)
    return Perturbed(question, _with_lead(right), {kind: _with_lead(text) for kind, text in wrong.items()})


def _with_lead(text: str) -> str:
    return f"{_LEAD} {text[0].lower()}{text[1:]}"


def _another_value(fact: Fact, others: Sequence[Question], rng: random.Random) -> str | None:
    """A value of the same kind that is not this one: of a closed list another of the list, else from elsewhere in the
    world."""
    listed = [value for value in fact.alternatives if value != fact.value]
    elsewhere = {f.value for q in others for f in q.facts if f.kind == fact.kind and f.value != fact.value}
    known = sorted(listed or elsewhere)
    return rng.choice(known) if known and fact.value in fact.statement else None


def _contrary(statement: str) -> str:
    for plain, contrary in _CONTRARY:
        if plain in statement:
            return statement.replace(plain, contrary, 1)
    return f"It is not so that {statement[0].lower()}{statement[1:]}"


def cases_of(perturbed: Sequence[Perturbed]) -> list[Case]:
    """All right and wrong answers."""
    return [
        each.case(kind, answer) for each in perturbed for kind, answer in {"right": each.right, **each.wrong}.items()
    ]


def detection(perturbed: Sequence[Perturbed], cached: CachedJudge) -> JsonObject:
    """By kind of perturbation: in how many pairs the perturbed answer's score is lower by `FALL`, in how many higher;
    and the correlation of scores with the true ones over right, dropped, swapped and other answers, whose truth is a
    number."""
    scores = cached.scores(cases_of(perturbed))
    findings: JsonObject = {"kinds": {}}
    for kind, criterion in CRITERION_OF.items():
        pairs = [_pair(each, kind, criterion, scores) for each in perturbed if kind in each.wrong]
        scored = [(right, wrong) for right, wrong in pairs if right is not None and wrong is not None]
        if scored:
            findings["kinds"][kind] = {
                "criterion": criterion,
                "pairs": len(scored),
                "lower": sum(right - wrong >= FALL for right, wrong in scored) / len(scored),
                "higher": sum(wrong > right for right, wrong in scored) / len(scored),
            }
    for number, criterion in enumerate(("accuracy", "completeness")):
        rows = [
            (value, true_scores(each.question, answer)[number])
            for each in perturbed
            for kind, answer in {"right": each.right, **each.wrong}.items()
            if kind not in ("negated", "added")
            and (value := scores[f"{each.question.id}#{kind}"].mean(criterion)) is not None
        ]
        findings[criterion] = correlation([value for value, _ in rows], [truth for _, truth in rows], "spearman")
    return findings


def _pair(
    each: Perturbed, kind: str, criterion: str, scores: Mapping[str, CaseScores]
) -> tuple[float | None, float | None]:
    name = each.question.id
    return scores[f"{name}#right"].mean(criterion), scores[f"{name}#{kind}"].mean(criterion)
