"""A finished run under another judge: its samples are read from the run folder, nothing is retrieved or generated.

What depends on answers alone (metrics, retrieval, lengths) is taken over as it stands; scores are new, and the result
is the run folder that `harness eval` with that judge would have written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from harness.evaluation.folder import Run
from harness.evaluation.run import Context, JudgeRecord, ModelRecord, RunRecord, conclude
from harness.evaluation.samples import item_scores, leakage_values
from harness.evaluation.scoring import JudgeInput, judge_run
from harness.evaluation.trivial import trivial_means
from harness.files import JsonObject
from harness.interfaces import Judge
from harness.measures import CLEAN
from harness.records import Question

__all__ = ["rejudge"]


def rejudge(run: Run, judge: Judge, judge_entry: JsonObject, known: Mapping[str, Question], context: Context) -> Run:
    """`known` are questions by id as their source has them, facts included, for a judge that needs more than text."""
    started = time.time()
    questions = [known.get(sample.question.id, sample.question) for sample in run.samples]
    judged = JudgeInput(
        targets=[sample.target for sample in run.samples],
        questions=questions,
        passages=[sample.passages for sample in run.samples],
        answers=[sample.answer for sample in run.samples],
    )
    majority = run.manifest.get("majority_answer")
    with context.store.noting() as needs:
        scores = judge_run(judged, judge, context.store, context.progress)
        trivial = trivial_means(run.plan, judge, judged, majority, context.store, context.progress)
    samples = []
    for sample, question, question_scores in zip(run.samples, questions, scores, strict=True):
        kept = {name: v for name, v in sample.values.items() if name.removesuffix(CLEAN) not in run.criteria}
        values = {**item_scores(question_scores), **kept}
        if run.leakage is not None:
            values |= leakage_values(run.leakage.get(question.id, ()), question_scores)
        samples.append(replace(sample, question=question, scores=tuple(question_scores), values=values))
    identities = run.manifest["identities"]
    model = dict(run.manifest["model"])
    record = RunRecord(
        plan=run.plan,
        items=[(sample.question.id, sample.question.cluster) for sample in run.samples],
        available=run.available,
        source=identities["source"],
        retriever=identities["retriever"],
        model=ModelRecord(
            str(model.pop("name")),
            identities["model"],
            model,
            run.manifest.get("usage", {}),
            run.manifest.get("training", {}),
        ),
        judge=JudgeRecord.of(judge),
        entries={**run.manifest["entries"], "judge": judge_entry},
        leakage=run.leakage,
        majority=majority,
        deviations=run.manifest.get("deviations", ()),
        answered_in=[each for each in run.environments if each["answers"]],
    )
    return conclude(record, samples, trivial, context, started, [needs])
