"""The last stage of a run: answers -> scores, from the store where they are there already.

Runs whose judge sees passages can be scored together: answers to one question then stand in one batch, and what their
prompts begin with (question and passages, the longest part of them) is computed once. A panel's members are asked as
judges of their own, so their own scores count for the panel and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from harness.digests import digest_of
from harness.evaluation.stages import Record, Stage, complete, parse, planned_size
from harness.interfaces import Judge, Panel, Progress, SingleJudge
from harness.judging.references import parts_of
from harness.prompts import render
from harness.records import Answer, JudgeItem, Passage, Question, Score, StopReason
from harness.statistics import mean
from harness.store import Store

__all__ = [
    "JudgeInput",
    "finished",
    "judge_run",
    "judge_together",
    "key_of_score",
    "target_of",
    "with_few_references",
]


@dataclass(frozen=True, slots=True)
class JudgeInput:
    """The answers of one run, with what a judge may see of it. `targets` are the references that it sees, one a
    question."""

    targets: Sequence[str]
    questions: Sequence[Question]
    passages: Sequence[tuple[Passage, ...]]
    answers: Sequence[Answer]


def key_of_score(judge: Judge, item: JudgeItem) -> str:
    """The store's key of one repeat's score."""
    return digest_of(
        {
            "judge": judge.identity,
            "of": judge.depends_on(item),
            "criterion": item.criterion,
            "repeat": item.repeat,
        }
    )


def target_of(doc_to_target: str, question: Question) -> str:
    """The one reference that the judge sees and that samples show, by the task's template."""
    return render(doc_to_target, references=question.references, question=question.text, doc=question.row)


def with_few_references(question: Question, most: int | None) -> Question:
    """The question with the first `most` of its references; None: all."""
    if most is None or len(question.references) <= most:
        return question
    return replace(question, references=question.references[:most])


def finished(text: str) -> Answer:
    """An answer that no model of a run gave."""
    return Answer("", text, StopReason.EOS, 0, 0)


def judge_run(
    run: JudgeInput, judge: Judge, store: Store, progress: Progress, criteria: Sequence[str] | None = None
) -> list[list[Score]]:
    """For each question its scores, by criterion and repeat; unscored for a question that was never asked.
    `criteria` None: all that the judge has."""
    return judge_together([run], judge, store, progress, criteria)[0]


def judge_together(
    runs: Sequence[JudgeInput], judge: Judge, store: Store, progress: Progress, criteria: Sequence[str] | None = None
) -> list[list[list[Score]]]:
    """As `judge_run`, for each run."""
    chosen = [c for c in judge.criteria if criteria is None or c in criteria]
    items: dict[str, JudgeItem] = {}
    keys: list[list[list[str]]] = []
    for run in runs:
        run_scores = []
        for question, target, passages, answer in zip(
            run.questions, run.targets, run.passages, run.answers, strict=True
        ):
            question_items: dict[str, JudgeItem] = {}
            if answer.stop_reason != StopReason.WINDOW:
                others = _other_references(target, question)
                asked = [
                    JudgeItem("", question, target, answer.text, passages, criterion, 0, others) for criterion in chosen
                ]
                question_items = {key: item for each in asked for key, item in _repeated(judge, each).items()}
            items |= question_items
            run_scores.append(list(question_items))
        keys.append(run_scores)
    scores = _scores(judge, items, store, progress)
    return [
        [[scores[key] for key in question_items] or [_not_asked(c) for c in chosen] for question_items in run_scores]
        for run_scores in keys
    ]


def _other_references(target: str, question: Question) -> tuple[str, ...]:
    """The question's references that the target is not, nor holds as one of several (joined by " / ")."""
    known = {target.strip(), *parts_of(target)}
    return tuple(each for each in dict.fromkeys(question.references) if each.strip() and each.strip() not in known)


def _not_asked(criterion: str) -> Score:
    return Score("", criterion, 0, None, "the prompt does not fit the model's window, even without passages")


def _repeated(judge: Judge, item: JudgeItem) -> dict[str, JudgeItem]:
    """The item as often as this judge scores it, by the key of the score."""
    repeats = [replace(item, repeat=repeat) for repeat in range(judge.repeats)]
    keys = [key_of_score(judge, each) for each in repeats]
    return {key: replace(each, key=key) for key, each in zip(keys, repeats, strict=True)}


def _scores(judge: Judge, items: Mapping[str, JudgeItem], store: Store, progress: Progress) -> Mapping[str, Score]:
    if isinstance(judge, Panel):
        means = [_means(member, items, store, progress) for member in judge.members]
        return {key: judge.combine(item, [member_means[key] for member_means in means]) for key, item in items.items()}
    if not isinstance(judge, SingleJudge):
        raise TypeError(f"{judge.name} is neither a single judge nor a panel")
    return _single(judge, items, store, progress)


def _means(
    member: Judge, items: Mapping[str, JudgeItem], store: Store, progress: Progress
) -> Mapping[str, float | None]:
    """One member's mean over its scored repeats, by the panel's key."""
    repeats = {key: _repeated(member, item) for key, item in items.items()}
    scores = _scores(member, {key: item for each in repeats.values() for key, item in each.items()}, store, progress)
    values = {key: [scores[repeat_key].value for repeat_key in each] for key, each in repeats.items()}
    return {key: mean([value for value in item_values if value is not None]) for key, item_values in values.items()}


def _single(
    judge: SingleJudge, items: Mapping[str, JudgeItem], store: Store, progress: Progress
) -> Mapping[str, Score]:
    order = _in_order(items)

    def measure() -> int:  # "verdicts" is part of the key of plans that are stored
        return planned_size(
            store, "verdicts", judge.identity, order, lambda: judge.batch_size([items[key] for key in order])
        )

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        for score in judge.judge([items[key] for key in batch]):
            yield score.key, _record_of(score)

    stored = complete(store, Stage("judge", "scores", order, measure, compute), progress)
    scores: dict[str, Score] = {key: parse(store, "scores", Score, _renamed(each)) for key, each in stored.items()}
    for key, score in scores.items():
        if score.criterion != items[key].criterion:
            raise store.damaged("scores", f"it is of {score.criterion}, not of {items[key].criterion}")
    return scores


def _record_of(score: Score) -> Record:
    """As the store and run folders hold it: the value is called `score` there."""
    record = asdict(score)
    return {("score" if name == "value" else name): value for name, value in record.items()}


def _renamed(record: Record) -> Record:
    if not isinstance(record, dict):
        return record
    return {("value" if name == "score" else name): value for name, value in record.items()}


def _in_order(items: Mapping[str, JudgeItem]) -> list[str]:
    """Long items first, since a batch pads to its longest; what prompts begin with side by side, then the criteria and
    repeats of an answer, since they share it."""

    def beginning(item: JudgeItem) -> tuple[str, ...]:
        return item.question.text, item.reference, *(passage.text for passage in item.passages)

    longest: dict[tuple[str, ...], int] = {}
    for item in items.values():
        longest[beginning(item)] = max(longest.get(beginning(item), 0), len(item.answer))

    def order(key: str) -> tuple[object, ...]:
        item = items[key]
        shared = beginning(item)
        return -longest[shared], shared, -len(item.answer), item.answer, item.criterion, item.repeat, key

    return sorted(items, key=order)
