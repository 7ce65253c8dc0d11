"""One run: a task, a model, an arm, a judge. Gets built objects, gives a run folder.

Knows neither YAML nor which classes it holds; what an entry says arrives as a `TaskPlan` and four parts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.digests import digest_of
from harness.errors import HarnessError
from harness.evaluate import stages
from harness.evaluate.folder import folder_of, results_document, write_run
from harness.evaluate.scores import Sample, Score, measure, scores_of, unscored
from harness.interfaces import Judge, ModelAdapter, Progress, Retriever, Source
from harness.records import Question, TaskPlan
from harness.store import Store

__all__ = ["Outcome", "Parts", "evaluate", "run_id_of"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of, already built. `entries` are the resolved entries, for the record."""

    source: Source
    retriever: Retriever
    adapter: ModelAdapter
    judge: Judge
    entries: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run."""

    run_id: str
    folder: Path
    plan: TaskPlan
    model: str
    description: Mapping[str, Any]
    judge: str
    scores: Sequence[Score]
    unscored: Mapping[str, Any]
    judge_is_broken: bool
    seconds: float


def run_id_of(plan: TaskPlan, parts: Parts) -> str:
    """Digest of all that the run's results depend on."""
    questions = parts.source.questions(plan.split)[: plan.limit]
    return digest_of(
        {
            "plan": asdict(plan),
            "source": parts.source.identity,
            "items": digest_of([[question.id, question.cluster] for question in questions]),
            "retriever": parts.retriever.identity,
            "model": parts.adapter.identity,
            "judge": parts.judge.identity,
            "repeats": parts.judge.repeats,
        }
    )


def evaluate(
    plan: TaskPlan, parts: Parts, store: Store, output: Path, progress: Progress, host: Mapping[str, Any]
) -> Outcome:
    """Runs what the store does not hold yet and writes the run folder. `host` goes into the manifest as it is."""
    started = time.time()
    if plan.decoding.max_gen_toks >= parts.adapter.window:
        raise HarnessError(
            f"{plan.task}: max_gen_toks {plan.decoding.max_gen_toks} leaves no room for a prompt in the window of "
            f"{parts.adapter.window} tokens of {parts.adapter.name}; lower it (--gen_kwargs max_gen_toks=…)"
        )
    everything = parts.source.questions(plan.split)
    questions = [_with_few_references(plan, question) for question in everything[: plan.limit]]
    passages = stages.retrieve(plan, questions, parts.retriever, store, progress)
    prompts = stages.fit(plan, questions, passages, parts.adapter, store, progress)
    if too_long := sum(not prompt.fits for prompt in prompts):
        progress.note(f"{too_long} of {len(prompts)} prompts do not fit the window even without passages: unscored")
    answers = stages.answer(plan, prompts, parts.adapter, store, progress)
    parts.adapter.close()  # one model in memory at a time
    verdicts = stages.judge(plan, questions, passages, answers, parts.judge, store, progress)
    parts.judge.close()
    samples = [
        Sample(
            question=question,
            target=stages.target_of(plan, question),
            passages=shown,
            prompt=prompt.text,
            dropped=prompt.dropped,
            answer=said,
            verdicts=tuple(of_question),
            values=measure(plan, question, shown, prompt.dropped, said, of_question),
        )
        for question, shown, prompt, said, of_question in zip(
            questions, passages, prompts, answers, verdicts, strict=True
        )
    ]
    return _conclude(plan, parts, samples, len(everything), output, started, host)


def _with_few_references(plan: TaskPlan, question: Question) -> Question:
    if plan.max_references is None or len(question.references) <= plan.max_references:
        return question
    return replace(question, references=question.references[: plan.max_references])


def _conclude(
    plan: TaskPlan,
    parts: Parts,
    samples: Sequence[Sample],
    original: int,
    output: Path,
    started: float,
    host: Mapping[str, Any],
) -> Outcome:
    run_id = run_id_of(plan, parts)
    scores = scores_of(samples)
    failed = unscored(samples)
    broken = failed["unscored"] > parts.judge.max_unscored * failed["verdicts"]
    model = {"name": parts.adapter.name, **parts.adapter.description}
    ours = {
        "run_id": run_id,
        "arm": plan.arm.value,
        "judge": parts.judge.name,
        "judge_id": digest_of(parts.judge.identity),
        "criteria": list(parts.judge.criteria),
        "judge_is_broken": broken,
        "unscored": failed,
        "model_id": digest_of(parts.adapter.identity),
        "source": dict(parts.source.identity),
    }
    results = results_document(plan, parts.entries["task"], model, original, samples, scores, ours)
    identities = {
        "source": parts.source.identity,
        "retriever": parts.retriever.identity,
        "model": parts.adapter.identity,
        "judge": parts.judge.identity,
    }
    seconds = time.time() - started
    manifest = {
        "run_id": run_id,
        "plan": asdict(plan),
        "identities": identities,
        "entries": parts.entries,
        "model": model,
        "tokens": {
            "prompt": sum(sample.answer.prompt_tokens for sample in samples),
            "answer": sum(sample.answer.answer_tokens for sample in samples),
        },
        "usage": dict(parts.adapter.usage),
        "seconds": round(seconds, 3),
        **host,
    }
    folder = folder_of(output, parts.adapter.name, plan, run_id)
    write_run(folder, plan, run_id, results, samples, manifest)
    return Outcome(run_id, folder, plan, parts.adapter.name, model, parts.judge.name, scores, failed, broken, seconds)
