"""The last stage of a run: answers -> verdicts, from the store where they were given before.

Runs whose judge sees passages can be marked together: answers to one question then stand in one batch, and what their
prompts begin with (question and passages, the longest part of them) is computed once. A panel's members are asked as
judges of their own, so what they said alone counts for the panel and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.digests import digest_of
from harness.evaluate.stages import complete, planned_size
from harness.interfaces import Judge, Panel, Progress, SingleJudge
from harness.prompts import render
from harness.records import Answer, JudgeItem, Passage, Question, StopReason, TaskPlan, Verdict
from harness.statistics import mean
from harness.store import Store

__all__ = ["ToMark", "mark", "mark_together", "sees_passages", "target_of"]


@dataclass(frozen=True, slots=True)
class ToMark:
    """The answers of one run, with what a judge may see of it."""

    plan: TaskPlan
    questions: Sequence[Question]
    passages: Sequence[tuple[Passage, ...]]
    answers: Sequence[Answer]


def key_of_verdict(judge: Judge, item: JudgeItem) -> str:
    return digest_of(
        {
            "judge": judge.identity,
            "of": judge.depends_on(item),
            "criterion": item.criterion,
            "repeat": item.repeat,
        }
    )


def target_of(plan: TaskPlan, question: Question) -> str:
    """The one reference that the judge sees and that samples show."""
    return render(plan.doc_to_target, references=question.references, question=question.text, doc=question.row)


def sees_passages(judge: Judge) -> bool:
    """Whether its mark depends on them."""
    question = Question("", "", ("",))
    shown = JudgeItem("", question, "", "", (Passage("", 0, 0, "", "", 1, 0.0),), judge.criteria[0], 0)
    return judge.depends_on(shown) != judge.depends_on(replace(shown, passages=()))


def mark(
    run: ToMark, judge: Judge, store: Store, progress: Progress, criteria: Sequence[str] | None = None
) -> list[list[Verdict]]:
    """For each question its verdicts, by criterion and repeat; unscored for a question that was never asked.
    `criteria` None: all that the judge has."""
    return mark_together([run], judge, store, progress, criteria)[0]


def mark_together(
    runs: Sequence[ToMark], judge: Judge, store: Store, progress: Progress, criteria: Sequence[str] | None = None
) -> list[list[list[Verdict]]]:
    """As `mark`, for each run."""
    wanted = [c for c in judge.criteria if criteria is None or c in criteria]
    items: dict[str, JudgeItem] = {}
    keys: list[list[list[str]]] = []
    for run in runs:
        of_run = []
        for question, shown, said in zip(run.questions, run.passages, run.answers, strict=True):
            of_question: dict[str, JudgeItem] = {}
            if said.stop_reason != StopReason.WINDOW:
                target = target_of(run.plan, question)
                asked = [JudgeItem("", question, target, said.text, shown, criterion, 0) for criterion in wanted]
                of_question = {key: item for each in asked for key, item in _repeated(judge, each).items()}
            items |= of_question
            of_run.append(list(of_question))
        keys.append(of_run)
    given = _verdicts(judge, items, store, progress)
    return [
        [[given[key] for key in of_question] or [_not_asked(c) for c in wanted] for of_question in of_run]
        for of_run in keys
    ]


def _not_asked(criterion: str) -> Verdict:
    return Verdict("", criterion, 0, None, "the prompt does not fit the model's window, even without passages")


def _repeated(judge: Judge, item: JudgeItem) -> dict[str, JudgeItem]:
    """The item as often as this judge marks it, by the key of the verdict."""
    repeats = [replace(item, repeat=repeat) for repeat in range(judge.repeats)]
    keys = [key_of_verdict(judge, each) for each in repeats]
    return {key: replace(each, key=key) for key, each in zip(keys, repeats, strict=True)}


def _verdicts(judge: Judge, items: Mapping[str, JudgeItem], store: Store, progress: Progress) -> Mapping[str, Verdict]:
    if isinstance(judge, Panel):
        marks = [_means(member, items, store, progress) for member in judge.members]
        return {key: judge.combine(item, [of_member[key] for of_member in marks]) for key, item in items.items()}
    assert isinstance(judge, SingleJudge), "a judge is one or a panel of some"
    return _single(judge, items, store, progress)


def _means(
    member: Judge, items: Mapping[str, JudgeItem], store: Store, progress: Progress
) -> Mapping[str, float | None]:
    """One member's mean over its scored repeats, by the panel's key."""
    asked = {key: _repeated(member, item) for key, item in items.items()}
    given = _verdicts(member, {key: item for each in asked.values() for key, item in each.items()}, store, progress)
    scores = {key: [given[of_repeat].score for of_repeat in each] for key, each in asked.items()}
    return {key: mean([score for score in of_item if score is not None]) for key, of_item in scores.items()}


def _single(
    judge: SingleJudge, items: Mapping[str, JudgeItem], store: Store, progress: Progress
) -> Mapping[str, Verdict]:
    order = _in_order(items)

    def measure() -> int:
        return planned_size(
            store, "verdicts", judge.identity, order, lambda: judge.batch_size([items[key] for key in order])
        )

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for verdict in judge.judge([items[key] for key in batch]):
            yield verdict.key, asdict(verdict)

    stored = complete(store, "verdicts", order, measure, compute, progress, "judge")
    return {key: Verdict(**record) for key, record in stored.items()}


def _in_order(items: Mapping[str, JudgeItem]) -> list[str]:
    """Long items first, since a batch pads to its longest; what prompts begin with side by side, then the criteria and
    repeats of an answer, since they share it."""

    def begins(item: JudgeItem) -> tuple[str, ...]:
        return item.question.text, item.reference, *(passage.text for passage in item.passages)

    longest: dict[tuple[str, ...], int] = {}
    for item in items.values():
        longest[begins(item)] = max(longest.get(begins(item), 0), len(item.answer))

    def place(key: str) -> tuple[Any, ...]:
        item = items[key]
        shared = begins(item)
        return -longest[shared], shared, -len(item.answer), item.answer, item.criterion, item.repeat, key

    return sorted(items, key=place)
