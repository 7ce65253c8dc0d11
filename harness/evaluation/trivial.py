"""What can be had without a model: the scores of answers that anyone could write.

A gain of a model that stays below them is no gain. They are computed with every run: the metrics always, a judge's
scores where it asks no language model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.digests import DigestTemplate, canonical
from harness.errors import HarnessError
from harness.evaluation.samples import item_scores
from harness.evaluation.scoring import JudgeInput, finished, in_order, judge_run, other_references
from harness.interfaces import Judge, Progress, SingleJudge
from harness.metrics.answers import ANSWER_METRICS
from harness.metrics.answers import VERSION as METRICS_VERSION
from harness.records import Failure, JudgeItem, Question, Score, TaskPlan, fields_of
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
    """Mean of each metric, and of each criterion of a judge that asks no model, by name of the trivial answer. From the
    store where all that they are made of is as it was: they are four answers to each question, and no run changes
    them."""
    abstention = _abstention(judged.questions)
    texts: dict[str, list[str]] = {
        "always_abstain": [abstention for _ in judged.questions],
        "copy_question": [question.text for question in judged.questions],
    }
    if any(judged.passages):
        texts["copy_top_passage"] = [passages[0].text if passages else "" for passages in judged.passages]
    if majority is not None:
        texts["majority"] = [majority for _ in judged.questions]
    keys = _keys(plan, judge, judged, texts)
    stored = store.get("plans", keys.values())
    if missing := {name: answers for name, answers in texts.items() if keys[name] not in stored}:
        rows = _measured(plan, judged, missing)
        if not judge.asks_model:
            for name, answers in missing.items():
                scores = _scores(judge, judged, answers, store, progress)
                rows[name] = [{**item_scores(each), **row} for each, row in zip(scores, rows[name], strict=True)]
        store.put("plans", {keys[name]: _means(of_name) for name, of_name in rows.items()})
        stored = store.get("plans", keys.values())
    return {name: dict(stored[key]) for name, key in keys.items()}


def _keys(plan: TaskPlan, judge: Judge, judged: JudgeInput, texts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Of the means of each text: all of a question is in it, whatever the judge sees."""
    scored = not judge.asks_model
    items = {name: hashlib.sha256() for name in texts}
    for question, target, passages, answers in zip(
        judged.questions, judged.targets, judged.passages, zip(*texts.values(), strict=True), strict=True
    ):
        whole = fields_of(question)
        whole |= {name: list(map(fields_of, whole[name])) for name in ("facts", "side_facts", "replaced")}
        seen = list(map(fields_of, passages)) if scored and judge.sees_passages else []
        shared = canonical([whole, target, seen]).encode()
        for running, answer in zip(items.values(), answers, strict=True):
            running.update(shared)
            running.update(canonical(answer).encode())
    template = DigestTemplate(
        {
            "means": "trivial answers",
            "metrics": [METRICS_VERSION, *plan.metrics],
            "judge": [judge.identity, judge.repeats] if scored else None,
        },
        "items",
    )
    return {name: template.digest(items=canonical(running.hexdigest())) for name, running in items.items()}


def _abstention(questions: Sequence[Question]) -> str:
    """As the data set itself says it, where it says it of all its unanswerable questions in the same words."""
    said = {text for question in questions if not question.answerable for text in question.references}
    return said.pop() if len(said) == 1 else ABSTENTION


Row = Mapping[str, float | None]


def _measured(plan: TaskPlan, judged: JudgeInput, texts: Mapping[str, Sequence[str]]) -> dict[str, list[Row]]:
    """The metrics of each item, by name of the text; question by question, so that its references are read once."""
    rows: dict[str, list[Row]] = {name: [] for name in texts}
    for n, question in enumerate(judged.questions):
        for name, answers in texts.items():
            rows[name].append({m: ANSWER_METRICS[m](answers[n], question.references) for m in plan.metrics})
    return rows


def _scores(
    judge: Judge, judged: JudgeInput, texts: Sequence[str], store: Store, progress: Progress
) -> list[list[Score]]:
    """The scores of each item. Those of a judge that reads answers itself are not stored one by one: they would be most
    of the store, and no other run asks for them."""
    if not isinstance(judge, SingleJudge):
        answers = [finished(text) for text in texts]
        return judge_run(replace(judged, answers=answers), judge, store, progress)
    items: dict[str, JudgeItem] = {}
    for n, (question, target, passages, text) in enumerate(
        zip(judged.questions, judged.targets, judged.passages, texts, strict=True)
    ):
        others = other_references(target, question)
        for criterion in judge.criteria:
            for repeat in range(judge.repeats):
                key = f"{n} {criterion} {repeat}"
                items[key] = JudgeItem(key, question, target, text, passages, criterion, repeat, others)
    order = in_order(items)
    size = judge.batch_size([items[key] for key in order]) or len(order)
    scores: dict[str, Score] = {}
    progress.start("judge", len(order))
    for first in range(0, len(order), size):
        batch = [items[key] for key in order[first : first + size]]
        for score in judge.judge(batch):
            if isinstance(score, Failure):
                raise HarnessError(f"judge {judge.name}: gave a trivial answer no score: {score.reason}")
            scores[score.key] = score
        progress.advance(len(batch))
    progress.finish()
    by_item: list[list[Score]] = [[] for _ in texts]
    for key in items:
        by_item[int(key.partition(" ")[0])].append(scores[key])
    return by_item


def _means(rows: Sequence[Row]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    means = {name: mean([value for row in rows if (value := row.get(name)) is not None]) for name in names}
    return {name: round(value, 6) for name, value in means.items() if value is not None}
