"""The last stage of a run: answers -> scores, from the store where they are there already.

Runs whose judge sees passages can be scored together: answers to one question then stand in one batch, and what their
prompts begin with (question and passages, the longest part of them) is computed once. A panel's members are asked as
judges of their own, so their own scores count for the panel and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.digests import DigestTemplate, canonical, digest_of
from harness.evaluation.stages import Record, Stage, complete, parse, planned_size
from harness.interfaces import Judge, Panel, Progress, SingleJudge, Windowed
from harness.judging.geval import UNFIT
from harness.judging.references import parts_of
from harness.prompts import render
from harness.records import Answer, Failure, JudgeItem, Passage, Question, Score, StopReason, fields_of
from harness.statistics import mean
from harness.store import Store

__all__ = [
    "JudgeInput",
    "ScoreKeys",
    "finished",
    "in_order",
    "judge_run",
    "judge_together",
    "other_references",
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


class ScoreKeys:
    """The store's keys of a judge's scores, one for each repeat: what all of them depend on is digested once."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._template = DigestTemplate({"judge": judge.identity}, "of", "criterion", "repeat")
        self._repeats = [str(repeat) for repeat in range(judge.repeats)]

    def of(self, item: JudgeItem) -> list[str]:
        """Of all repeats of an item, whichever repeat it is itself."""
        of, criterion = canonical(self._judge.depends_on(item)), canonical(item.criterion)
        return [self._template.digest(of=of, criterion=criterion, repeat=repeat) for repeat in self._repeats]


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
    of_judge = ScoreKeys(judge)
    for run in runs:
        run_scores = []
        for question, target, passages, answer in zip(
            run.questions, run.targets, run.passages, run.answers, strict=True
        ):
            question_items: dict[str, JudgeItem] = {}
            if not answer.is_missing:
                others = other_references(target, question)
                asked = [
                    JudgeItem("", question, target, answer.text, passages, criterion, 0, others) for criterion in chosen
                ]
                question_items = {key: item for each in asked for key, item in _repeated(of_judge, each).items()}
            items |= question_items
            run_scores.append(list(question_items))
        keys.append(run_scores)
    scores = _scores(judge, items, store, progress)
    return [
        [
            [scores[key] for key in question_items] or [_not_asked(answer, criterion) for criterion in chosen]
            for question_items, answer in zip(run_scores, run.answers, strict=True)
        ]
        for run_scores, run in zip(keys, runs, strict=True)
    ]


def other_references(target: str, question: Question) -> tuple[str, ...]:
    """The question's references that the target is not, nor holds as one of several (joined by " / ")."""
    known = {target.strip(), *parts_of(target)}
    return tuple(each for each in dict.fromkeys(question.references) if each.strip() and each.strip() not in known)


def _not_asked(answer: Answer, criterion: str) -> Score:
    if answer.stop_reason == StopReason.WINDOW:
        return Score("", criterion, 0, None, "the prompt does not fit the model's window, even without passages")
    why = f": {answer.reason}" if answer.reason else ""
    return Score("", criterion, 0, None, f"the model gave no answer{why}", failed=True)


def _repeated(keys: ScoreKeys, item: JudgeItem) -> dict[str, JudgeItem]:
    """The item as often as this judge scores it, by the key of the score."""
    fields = fields_of(item)
    return {key: JudgeItem(**(fields | {"key": key, "repeat": repeat})) for repeat, key in enumerate(keys.of(item))}


def _scores(judge: Judge, items: Mapping[str, JudgeItem], store: Store, progress: Progress) -> Mapping[str, Score]:
    if isinstance(judge, Panel):
        by_member = [_repeats(member, items, store, progress) for member in judge.members]
        return {key: _combined(judge, item, [scores[key] for scores in by_member]) for key, item in items.items()}
    if not isinstance(judge, SingleJudge):
        raise TypeError(f"{judge.name} is neither a single judge nor a panel")
    return _single(judge, items, store, progress)


def _repeats(
    member: Judge, items: Mapping[str, JudgeItem], store: Store, progress: Progress
) -> Mapping[str, list[Score]]:
    """One member's scores, all repeats, by the panel's key."""
    of_member = ScoreKeys(member)
    repeats = {key: _repeated(of_member, item) for key, item in items.items()}
    scores = _scores(member, {key: item for each in repeats.values() for key, item in each.items()}, store, progress)
    return {key: [scores[repeat_key] for repeat_key in each] for key, each in repeats.items()}


def _combined(panel: Panel, item: JudgeItem, by_member: Sequence[Sequence[Score]]) -> Score:
    """The panel's score of its members' means over their scored repeats; none while a member could not be asked, since
    it would be the score of another panel."""
    if failed := next((score for scores in by_member for score in scores if score.failed), None):
        return replace(failed, key=item.key, repeat=item.repeat)
    means = [mean([score.value for score in scores if score.value is not None]) for scores in by_member]
    keys = tuple(key for scores in by_member for score in scores for key in score.members or (score.key,))
    return replace(panel.combine(item, means), members=keys)


def _single(
    judge: SingleJudge, items: Mapping[str, JudgeItem], store: Store, progress: Progress
) -> Mapping[str, Score]:
    order = in_order(items)

    failures: dict[str, str] = {}

    def measure() -> int | None:  # "verdicts" is part of the key of plans that are stored
        return planned_size(
            store, "verdicts", judge.identity, order, lambda: judge.batch_size([items[key] for key in order])
        )

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        for score in judge.judge([items[key] for key in batch]):
            if isinstance(score, Failure):
                failures[score.key] = score.reason
            else:
                yield score.key, _record_of(score)

    stored = complete(store, Stage("judge", "scores", order, measure, compute, failures=failures), progress)
    scores: dict[str, Score] = {key: parse(store, "scores", Score, _renamed(each)) for key, each in stored.items()}
    for key, score in scores.items():
        if score.criterion != items[key].criterion:
            raise store.damaged("scores", f"it is of {score.criterion}, not of {items[key].criterion}")
    scores |= _of_this_window(judge, items, scores, store, progress)
    return scores | {
        key: Score(key, items[key].criterion, items[key].repeat, None, f"the judge gave no score: {why}", failed=True)
        for key, why in failures.items()
        if key not in stored
    }


def _of_this_window(
    judge: SingleJudge, items: Mapping[str, JudgeItem], scores: Mapping[str, Score], store: Store, progress: Progress
) -> dict[str, Score]:
    """Those that depended on another window than the judge's model has now, asked again under keys that follow from
    what is there: no window is asked twice."""
    window = judge.window if isinstance(judge, Windowed) else None
    again = {
        key: digest_of([key, {"after_window": score.window}])
        for key, score in scores.items()
        if window is not None and _needs_other(score, window)
    }
    if not again:
        return {}
    rescored = _single(judge, {new: replace(items[key], key=new) for key, new in again.items()}, store, progress)
    return {key: rescored[new] for key, new in again.items()}


def _needs_other(score: Score, window: int) -> bool:
    """Whether the score is of another window than this. Stores of old do not say of which window a prompt was that did
    not fit."""
    return score.window != window if score.window is not None else score.reason == UNFIT


def _record_of(score: Score) -> Record:
    """As the store and run folders hold it: the value is called `score` there, and a window stands where one counts."""
    record = fields_of(score)
    record["score"] = record.pop("value")
    absent = {"failed", *(name for name in ("window", "members") if not record[name])}
    return {name: value for name, value in record.items() if name not in absent}


def _renamed(record: Record) -> Record:
    if not isinstance(record, dict):
        return record
    return {("value" if name == "score" else name): value for name, value in record.items()}


def in_order(items: Mapping[str, JudgeItem]) -> list[str]:
    """Long items first, since a batch pads to its longest; what prompts begin with side by side, then the criteria and
    repeats of an answer, since they share it."""

    def beginning(item: JudgeItem) -> tuple[str, ...]:
        return item.question.text, item.reference, *(passage.text for passage in item.passages)

    shared: dict[str, tuple[str, ...]] = {key: beginning(item) for key, item in items.items()}
    longest: dict[tuple[str, ...], int] = {}
    for key, item in items.items():
        longest[shared[key]] = max(longest.get(shared[key], 0), len(item.answer))

    def order(key: str) -> tuple[object, ...]:
        item = items[key]
        return -longest[shared[key]], shared[key], -len(item.answer), item.answer, item.criterion, item.repeat, key

    return sorted(items, key=order)
