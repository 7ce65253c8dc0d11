"""Answers of any system, scored as those of a run are: rows in, rows out; nothing is retrieved or generated.

    in   {"id", "question", "references": ["…"], "answer", "passages"?: ["…" or {"text", "title"?}]}
    out  {"id", "scores": {criterion: value or null}, "reasons": {criterion: text}}

Where the rows answer a task's questions, these are looked up by id, with all that the task knows of them: facts,
references, cluster. Other fields of a row are passed over. All that is wrong with the rows is reported at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.digests import digest_of
from harness.errors import DataError, near_names
from harness.evaluation.aggregates import Aggregate, aggregate, failures_overview, unscored_overview
from harness.evaluation.samples import Sample, first_sentence, item_scores
from harness.evaluation.scoring import JudgeInput, finished, judge_run
from harness.files import JsonObject, numbered_rows
from harness.interfaces import Judge, Progress
from harness.judging.abstention import abstains
from harness.metrics.answers import f1
from harness.records import Passage, Question, Score
from harness.statistics import Bounds
from harness.store import Store

__all__ = ["ExternalAnswer", "KnownQuestions", "Needs", "ScoredAnswers", "read_answers", "score_answers"]

_LISTED = 10  # ids that a message names


class ExternalAnswer(NamedTuple):
    """An answer with what a judge may see of it. `target` is the reference that it sees, "" where there is none."""

    question: Question
    target: str
    passages: tuple[Passage, ...]
    text: str


class Needs(NamedTuple):
    """What a judge cannot do without."""

    judge: str
    references: bool
    passages: bool


@dataclass(frozen=True, slots=True)
class KnownQuestions:
    """The questions that rows may name by id: those of a task's evaluation split. `whole` has every reference, which is
    what a row's own are compared with; `shown` is as a run has it. `pool`: ids of the fine-tuning pool."""

    task: str
    split: str
    whole: Mapping[str, Question]
    shown: Mapping[str, tuple[Question, str]]
    pool: Collection[str]


class ScoredAnswers(list[JsonObject]):
    """A row for each answer, in the order of the answers; `measures` are means over all of them, by name: criteria
    first, then what is free (token F1, words, share that abstains)."""

    def __init__(self, samples: Sequence[Sample], judge: Judge) -> None:
        super().__init__(_row_of(sample) for sample in samples)
        self.judge, self.judge_id, self.judge_repeats = judge.name, digest_of(judge.identity), judge.repeats
        self.measures: dict[str, Aggregate] = {
            each.measure: each for each in aggregate(samples, Bounds(*map(float, judge.scale)))
        }
        self.unscored = unscored_overview(samples)
        self.failures: JsonObject = failures_overview(samples)
        of_judge = self.unscored["unscored"] - self.failures.get("scores", 0)
        self.judge_is_broken = of_judge > judge.max_unscored * self.unscored["scores"]

    def lines(self) -> str:
        """The rows as JSON lines."""
        return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in self)


# ---- rows in --------------------------------------------------------------------------------------------------------


def read_answers(
    rows: Path | Iterable[Mapping[str, object]], needs: Needs, known: KnownQuestions | None = None
) -> list[ExternalAnswer]:
    """The answers in a JSON-lines file, or of rows at hand. Raises `DataError` with all that is wrong."""
    problems: list[str] = []
    answers: list[ExternalAnswer] = []
    places: dict[str, list[str]] = {}
    for place, row in _placed(rows, problems):
        if isinstance(row.get("id"), str):
            places.setdefault(str(row["id"]), []).append(place)
        wrong = _wrong_fields(row, needs, known) or _unlike_the_task(row, known)
        problems += [f"{place}: {each}" for each in wrong]
        if not wrong:
            answers.append(_answer_of(row, known))
    where = f"{rows}: " if isinstance(rows, Path) else ""
    if repeated := {name: at for name, at in places.items() if len(at) > 1}:
        problems.append(f"{where}id: must be unique, one answer each; {_repeated(repeated)}")
    if problems or not answers:
        raise DataError.of(problems or [f"{where}there is no answer to score"])
    return answers


def _placed(
    rows: Path | Iterable[Mapping[str, object]], problems: list[str]
) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The rows with where each stands: `answers.jsonl:3`, or `row 3` of those at hand."""
    if isinstance(rows, Path):
        yield from ((f"{rows}:{number}", row) for number, row in numbered_rows(rows, problems))
        return
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Mapping):
            yield f"row {number}", row
        else:
            problems.append(f"row {number}: is of the type {type(row).__name__}; give a dictionary")


def _repeated(places: Mapping[str, Sequence[str]]) -> str:
    listed = [f"{name!r} is at {', '.join(at)}" for name, at in list(places.items())[:_LISTED]]
    more = [f"… and {len(places) - _LISTED} more"] if len(places) > _LISTED else []
    return "; ".join([*listed, *more])


def _wrong_fields(row: Mapping[str, object], needs: Needs, known: KnownQuestions | None) -> list[str]:
    """What is missing, or of another kind than it must be."""
    required = ["id", "answer"]
    if known is None:
        required += ["question", *(["references"] if needs.references else [])]
    wrong = [
        f"{key}: is missing{near_names(key, set(row) - set(required))}; give {_FORMS[key]}"
        for key in required
        if key not in row
    ]
    if needs.passages and "passages" not in row:
        wrong.append(f"passages: are missing, and the judge {needs.judge} sees them; give {_FORMS['passages']}")
    wrong += [f"{key}: must be {form}" for key, form in _FORMS.items() if key in row and not _has_form(key, row[key])]
    return wrong or _not_unicode(row)


_FORMS = {
    "id": "text that no other row has",
    "question": "text",
    "references": "a list of texts with at least one",
    "answer": "text (it may be empty)",
    "passages": 'a list of texts or of {"text", "title"}; [] where nothing was retrieved',
}


def _has_form(key: str, value: object) -> bool:
    match key:
        case "answer":
            return isinstance(value, str)
        case "references":
            return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(text, str) for text in value)
        case "passages":
            return isinstance(value, list | tuple) and all(map(_is_passage, value))
        case _:
            return isinstance(value, str) and bool(value.strip())


def _is_passage(value: object) -> bool:
    if isinstance(value, Mapping):
        return isinstance(value.get("text"), str) and isinstance(value.get("title", ""), str)
    return isinstance(value, str)


def _not_unicode(row: Mapping[str, object]) -> list[str]:
    """Half a character, as a text has it that was cut in the middle of one, cannot be stored."""
    wrong = []
    for key in _FORMS:
        try:
            json.dumps(row.get(key), ensure_ascii=False, default=dict).encode()
        except UnicodeEncodeError:
            wrong.append(f"{key}: holds half a character (a lone surrogate); write whole ones")
    return wrong


def _unlike_the_task(row: Mapping[str, object], known: KnownQuestions | None) -> list[str]:
    """A row whose id, question or references are not the task's."""
    if known is None:
        return []
    name = str(row["id"])
    question = known.whole.get(name)
    if question is None:
        if name in known.pool:
            return [f"id: {name!r} is of the fine-tuning pool of {known.task}, on which nothing is evaluated"]
        return [
            f"id: no question {name!r} in the split {known.split} of {known.task}{near_names(name, known.whole)}; use "
            "its ids, or leave out the task"
        ]
    theirs = {"question": question.text, "references": list(question.references)}
    return [
        f"{key}: is not that of {name!r} in {known.task}, {theirs[key]!r}; leave it out, or correct the id"
        for key in theirs
        if key in row and _plain(row[key]) != _plain(theirs[key])
    ]


def _plain(value: object) -> object:
    """Without what white space differs in."""
    if isinstance(value, str):
        return " ".join(value.split())
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _answer_of(row: Mapping[str, object], known: KnownQuestions | None) -> ExternalAnswer:
    """Of a row that nothing is wrong with."""
    name, text = str(row["id"]), str(row["answer"])
    passages = tuple(_passage(rank, each) for rank, each in enumerate(_listed(row.get("passages")), start=1))
    if known is not None:
        return ExternalAnswer(*known.shown[name], passages, text)
    references = tuple(str(reference) for reference in _listed(row.get("references")))
    question = Question(name, str(row["question"]), references, cluster=name)
    return ExternalAnswer(question, next(iter(references), ""), passages, text)


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _passage(rank: int, value: object) -> Passage:
    fields = value if isinstance(value, Mapping) else {"text": value}
    text = str(fields["text"])
    return Passage("", 0, len(text), str(fields.get("title", "")), text, rank, 0.0)


# ---- rows out -------------------------------------------------------------------------------------------------------


def score_answers(answers: Sequence[ExternalAnswer], judge: Judge, store: Store, progress: Progress) -> ScoredAnswers:
    """The judge's scores, from the store where they are there already, and beside them what is free."""
    judged = JudgeInput(
        targets=[each.target for each in answers],
        questions=[each.question for each in answers],
        passages=[each.passages for each in answers],
        answers=[finished(each.text) for each in answers],
    )
    scores = judge_run(judged, judge, store, progress)
    samples = [_sample(answer, answer_scores) for answer, answer_scores in zip(answers, scores, strict=True)]
    return ScoredAnswers(samples, judge)


def _sample(answer: ExternalAnswer, scores: Sequence[Score]) -> Sample:
    free = {
        "f1": f1(answer.text, answer.question.references) if answer.question.references else None,
        "answer_words": float(len(answer.text.split())),
        "abstained": float(abstains(first_sentence(answer.text))),
    }
    return Sample(
        question=answer.question,
        target=answer.target,
        passages=answer.passages,
        prompt="",
        dropped=0,
        answer=finished(answer.text),
        scores=tuple(scores),
        values={**item_scores(scores), **free},
    )


def _row_of(sample: Sample) -> JsonObject:
    by_criterion: dict[str, list[Score]] = {}
    for score in sample.scores:
        by_criterion.setdefault(score.criterion, []).append(score)
    reasons = {criterion: _reasons(scores) for criterion, scores in by_criterion.items()}
    return {
        "id": sample.question.id,
        "scores": item_scores(sample.scores),
        "reasons": {criterion: reason for criterion, reason in reasons.items() if reason},
    }


def _reasons(scores: Sequence[Score]) -> str:
    """Why a score is missing, what is to be known of one that is there, or else what the judge replied; of how many
    repeats, where not of all."""
    counts = Counter(text for score in scores if (text := score.reason or score.reply))
    return "; ".join(
        reason if count == len(scores) else f"{count} of {len(scores)} repeats: {reason}"
        for reason, count in counts.items()
    )
