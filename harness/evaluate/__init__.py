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
from harness.evaluate.marking import ToMark, mark, target_of
from harness.evaluate.scores import (
    Sample,
    Score,
    answers_overview,
    leakage_overview,
    leaks,
    measure,
    scores_of,
    style,
    unscored,
)
from harness.fitting import FittedPrompt
from harness.interfaces import Judge, ModelAdapter, Progress, Retriever, Source
from harness.prompts import chat
from harness.records import Answer, Passage, Question, TaskPlan, Verdict
from harness.store import Store

__all__ = ["Answered", "Outcome", "Parts", "answer_questions", "conclude", "evaluate", "judge_answers", "run_id_of"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of, already built. `entries` are the resolved entries, for the record."""

    source: Source
    retriever: Retriever
    adapter: ModelAdapter
    judge: Judge
    entries: Mapping[str, Any]
    leakage: Mapping[str, Sequence[str]] | None = None
    """Of a model that was trained on pairs which are known: what each question shares with them, by question id
    (`finetuning.leakage`); questions that share nothing are not in it."""
    judged_with: int = 1
    """How many runs the judge marked together; its usage is that of all of them."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The first half of a run, all of it in the store."""

    questions: Sequence[Question]
    original: int
    passages: Sequence[tuple[Passage, ...]]
    prompts: Sequence[FittedPrompt]
    answers: Sequence[Answer]
    seconds: float

    def to_mark(self, plan: TaskPlan) -> ToMark:
        return ToMark(plan, self.questions, self.passages, self.answers)


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
            **({} if parts.leakage is None else {"leakage": digest_of(_as_lists(parts.leakage))}),
        }
    )


def _as_lists(leakage: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(kinds) for name, kinds in leakage.items()}


def evaluate(
    plan: TaskPlan, parts: Parts, store: Store, output: Path, progress: Progress, host: Mapping[str, Any]
) -> Outcome:
    """Runs what the store does not hold yet and writes the run folder. `host` goes into the manifest as it is."""
    answered = answer_questions(plan, parts, store, progress)
    parts.adapter.close()  # one model in memory at a time
    return judge_answers(plan, parts, answered, store, output, progress, host)


def answer_questions(plan: TaskPlan, parts: Parts, store: Store, progress: Progress) -> Answered:
    """The half that needs the generator. Several runs do this first for all of them, so that the generator's base is
    loaded once and the judge's once."""
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
    return Answered(questions, len(everything), passages, prompts, answers, time.time() - started)


def judge_answers(
    plan: TaskPlan,
    parts: Parts,
    answered: Answered,
    store: Store,
    output: Path,
    progress: Progress,
    host: Mapping[str, Any],
) -> Outcome:
    """The half that needs the judge and no generator: verdicts, measures, the run folder."""
    started = time.time() - answered.seconds
    questions, passages, answers = answered.questions, answered.passages, answered.answers
    verdicts = mark(answered.to_mark(plan), parts.judge, store, progress)
    samples = [
        Sample(
            question=question,
            target=target_of(plan, question),
            passages=shown,
            prompt=prompt.text,
            dropped=prompt.dropped,
            answer=said,
            verdicts=tuple(of_question),
            values={
                **measure(plan, question, shown, prompt.dropped, said, of_question),
                **_style(plan, question, said),
                **_leaks(parts, question, of_question),
            },
        )
        for question, shown, prompt, said, of_question in zip(
            questions, passages, answered.prompts, answers, verdicts, strict=True
        )
    ]
    return conclude(plan, parts, samples, answered.original, output, started, host)


def _style(plan: TaskPlan, question: Question, said: Answer) -> dict[str, float | None]:
    (*_, asked) = chat(plan.doc_to_text, plan.system_instruction, question.text, (), dict(question.row))
    return style(said, asked.content, question.text)


def _leaks(parts: Parts, question: Question, verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    return {} if parts.leakage is None else leaks(parts.leakage.get(question.id, ()), verdicts)


def _with_few_references(plan: TaskPlan, question: Question) -> Question:
    if plan.max_references is None or len(question.references) <= plan.max_references:
        return question
    return replace(question, references=question.references[: plan.max_references])


def conclude(
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
        "judge_repeats": parts.judge.repeats,
        "criteria": list(parts.judge.criteria),
        "judge_is_broken": broken,
        "unscored": failed,
        "model_id": digest_of(parts.adapter.identity),
        "source": dict(parts.source.identity),
        "answers": answers_overview([sample.answer for sample in samples]),
        **({} if parts.leakage is None else {"leakage": leakage_overview(parts.leakage, samples)}),
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
        "judge_usage": {**parts.judge.usage, **({"runs": parts.judged_with} if parts.judged_with > 1 else {})},
        **({} if parts.leakage is None else {"leakage": _as_lists(parts.leakage)}),
        "seconds": round(seconds, 3),
        **host,
    }
    folder = folder_of(output, parts.adapter.name, plan, run_id)
    write_run(folder, plan, run_id, results, samples, manifest)
    return Outcome(run_id, folder, plan, parts.adapter.name, model, parts.judge.name, scores, failed, broken, seconds)
