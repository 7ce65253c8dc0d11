"""What a judge must stand on the data packs: another annotator's reference is a right answer, a whole passage is none.

    second reference   a reference to the same question, given as an answer against the others
    passage dump       the passage that is retrieved first, copied whole; of one at least five times as long as the
                       reference, since a short one may be just what was asked for

Questions are of the packs' pools, which no run is evaluated on; those that the judge was fitted on are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.auditing.cached_judge import CachedJudge, Case
from harness.digests import digest_of_question
from harness.files import JsonObject
from harness.interfaces import Retriever
from harness.metrics.answers import normalise
from harness.metrics.references import reference_words
from harness.records import Query, Question
from harness.statistics import mean, mean_interval
from harness.statistics.bounds import Bounds

__all__ = ["SEVERAL_ANNOTATORS", "TIMES_LONGER", "Pack", "dump_findings", "dumped", "second_findings",
           "second_references", "unfitted"]  # fmt: skip

SEVERAL_ANNOTATORS = ("bioasq", "qasper")
"""Packs whose references are of several people. Those of `nq` are other forms of one answer, or other answers."""
FIRST_REFERENCES = 3
"""Later ones of BioASQ read like answers of systems that took part."""
TIMES_LONGER = 5
_SCALE = Bounds(1, 5)


@dataclass(frozen=True, slots=True)
class Pack:
    """A data pack for an audit. `questions`: all, by id; `pool`: those that nothing is evaluated on; `hard`: the file
    of answers written by hand to its questions."""

    name: str
    pool: Sequence[Question]
    questions: Mapping[str, Question]
    retriever: Retriever
    within_document: bool = False
    hard: Path | None = None


def unfitted(questions: Iterable[Question], fitted: frozenset[str]) -> list[Question]:
    """Those that are not among the questions that a judge was fitted on."""
    return [question for question in questions if digest_of_question(question.text) not in fitted]


# ---- second reference -----------------------------------------------------------------------------------------------


def second_references(questions: Iterable[Question], count: int) -> list[Case]:
    """The first `count` questions that have two references of different wording; the second is the answer, the others
    among the first three are what it is judged by. Not those that cannot be answered, nor a bare yes or no, nor
    references of which one says yes and one no."""
    cases: list[Case] = []
    for question in questions:
        if len(cases) == count:
            break
        distinct: dict[str, str] = {}
        for text in question.references[:FIRST_REFERENCES]:
            distinct.setdefault(normalise(text), text)
        references = list(distinct.values())
        polarities = {polarity for text in references if (polarity := _polarity(text))}
        is_bare = any(normalise(text) in ("yes", "no", "") for text in references)
        if not question.answerable or len(references) < 2 or is_bare or len(polarities) > 1:
            continue
        remaining = (references[0], *references[2:])
        cases.append(Case(f"{question.id}#second", replace(question, references=remaining), references[1]))
    return cases


def _polarity(text: str) -> str | None:
    word = normalise(text).split(" ", 1)[0]
    return word if word in ("yes", "no") else None


def second_findings(cases: Sequence[Case], cached: CachedJudge) -> JsonObject:
    """Mean accuracy from 1 to 5 of another annotator's reference, and the share of at most 2."""
    by_id = cached.accuracies(cases)
    scores = list(by_id.values())
    clusters = [case.question.cluster for case in cases if case.id in by_id]
    return {
        "answers": len(scores),
        "unscored": len(cases) - len(scores),
        "mean": mean(scores),
        "interval": mean_interval(scores, clusters, _SCALE) if scores else None,
        "low": sum(score <= 2 for score in scores) / len(scores) if scores else None,
    }


# ---- passage dump ---------------------------------------------------------------------------------------------------


def dumped(
    right: Sequence[tuple[Question, str]], retriever: Retriever, within_document: bool, count: int
) -> list[tuple[Case, Case]]:
    """(a right answer, the passage that is retrieved first) for the first `count` questions whose passage is long
    enough."""
    queries = [Query(q.text, within=q.gold_document_ids if within_document else None) for q, _ in right]
    pairs = []
    for (question, answer), passages in zip(right, retriever.search(queries, 1), strict=True):
        if passages and reference_words(passages[0].text) >= TIMES_LONGER * reference_words(question.references[0]):
            concise = Case(f"{question.id}#concise", question, answer)
            pairs.append((concise, Case(f"{question.id}#dump", question, passages[0].text)))
    return pairs[:count]


def dump_findings(pairs: Sequence[tuple[Case, Case]], cached: CachedJudge) -> JsonObject:
    """Mean accuracy from 1 to 5 of a passage copied whole, that of a concise right answer to the same questions, and
    how often the passage gets more."""
    scores = cached.accuracies([case for pair in pairs for case in pair])
    both = [(scores[a.id], scores[b.id]) for a, b in pairs if a.id in scores and b.id in scores]
    return {
        "answers": len(both),
        "mean": mean([dump for _, dump in both]),
        "concise": mean([right for right, _ in both]),
        "above": sum(dump > right for right, dump in both) / len(both) if both else None,
    }
