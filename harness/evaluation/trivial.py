"""What can be had without a model: the scores of answers that anyone could write.

A gain of a model that stays below them is no gain. They are computed with every run: the metrics always, a judge's
scores where it asks no language model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.evaluation.samples import item_scores
from harness.evaluation.scoring import JudgeInput, finished, judge_run
from harness.interfaces import Judge, Progress
from harness.metrics.answers import ANSWER_METRICS
from harness.records import Question, TaskPlan
from harness.statistics import mean
from harness.store import Store

__all__ = ["ABSTENTION", "TRIVIAL", "trivial_means"]

ABSTENTION = "The knowledge base does not say."
TRIVIAL = {
    "always_abstain": "always abstaining",
    "copy_question": "repeating the question",
    "copy_top_passage": "copying the first passage",
    "majority": "giving the most common answer of the fine-tuning pool",
}
"""What is tried, and what it is."""


def trivial_means(
    plan: TaskPlan, judge: Judge, judged: JudgeInput, majority: str | None, store: Store, progress: Progress
) -> dict[str, dict[str, float]]:
    """Mean of each metric, and of each criterion of a judge that asks no model, by name of the trivial answer."""
    abstention = _abstention(judged.questions)
    texts: dict[str, list[str]] = {
        "always_abstain": [abstention for _ in judged.questions],
        "copy_question": [question.text for question in judged.questions],
    }
    if any(judged.passages):
        texts["copy_top_passage"] = [passages[0].text if passages else "" for passages in judged.passages]
    if majority is not None:
        texts["majority"] = [majority for _ in judged.questions]
    return {name: _means(plan, judge, judged, answers, store, progress) for name, answers in texts.items()}


def _abstention(questions: Sequence[Question]) -> str:
    """As the data set itself says it, where it says it of all its unanswerable questions in the same words."""
    said = {text for question in questions if not question.answerable for text in question.references}
    return said.pop() if len(said) == 1 else ABSTENTION


def _means(
    plan: TaskPlan, judge: Judge, judged: JudgeInput, texts: Sequence[str], store: Store, progress: Progress
) -> dict[str, float]:
    rows: list[Mapping[str, float | None]] = [
        {name: ANSWER_METRICS[name](text, question.references) for name in plan.metrics}
        for text, question in zip(texts, judged.questions, strict=True)
    ]
    if not judge.asks_model:
        answers = [finished(text) for text in texts]
        scores = judge_run(
            JudgeInput(judged.targets, judged.questions, judged.passages, answers), judge, store, progress
        )
        rows = [{**item_scores(each), **row} for each, row in zip(scores, rows, strict=True)]
    names = dict.fromkeys(name for row in rows for name in row)
    means = {name: mean([value for row in rows if (value := row.get(name)) is not None]) for name in names}
    return {name: round(value, 6) for name, value in means.items() if value is not None}
