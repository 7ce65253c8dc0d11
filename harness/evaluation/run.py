"""The two halves of a run: answers, which need the generator, and scores, which need the judge; then the folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.digests import digest_of
from harness.errors import HarnessError
from harness.evaluation import stages
from harness.evaluation.aggregates import (
    aggregate,
    answers_overview,
    failures_overview,
    leakage_overview,
    unscored_overview,
)
from harness.evaluation.environments import environments_of
from harness.evaluation.folder import Run, RunDocuments, folder_of, read_run, write_run
from harness.evaluation.samples import Sample, leakage_values, measure
from harness.evaluation.scoring import JudgeInput, judge_run, target_of, with_few_references
from harness.evaluation.trivial import trivial_means
from harness.files import JsonObject
from harness.fitting import FittedPrompt
from harness.interfaces import Description, Identity, Judge, ModelAdapter, Panel, Progress, Usage, Windowed
from harness.planning.runs import Parts
from harness.records import Answer, Passage, Question, TaskPlan
from harness.statistics import Bounds
from harness.store import Needs, Store

__all__ = [
    "Answered",
    "Context",
    "JudgeRecord",
    "ModelRecord",
    "RunRecord",
    "answer_questions",
    "conclude",
    "judge_answers",
]


@dataclass(frozen=True, slots=True)
class Context:
    """What every run of a command is done with. `output` is the folder of run folders; `host` goes into manifests as it
    is."""

    store: Store
    output: Path
    progress: Progress
    host: JsonObject


@dataclass(frozen=True, slots=True)
class Answered:
    """The first half of a run, all of it in the store. `available`: questions that the task has."""

    questions: Sequence[Question]
    available: int
    passages: Sequence[tuple[Passage, ...]]
    prompts: Sequence[FittedPrompt]
    answers: Sequence[Answer]
    seconds: float
    needs: Needs
    """The stored records that it is made of."""

    def judge_input(self, plan: TaskPlan) -> JudgeInput:
        targets = [target_of(plan.doc_to_target, question) for question in self.questions]
        return JudgeInput(targets, self.questions, self.passages, self.answers)


# ---- records --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model that answered, without anything that could answer again."""

    name: str
    identity: Identity
    description: Description
    usage: Usage
    training: JsonObject
    """What a LoRA checkpoint was trained on; empty where that is not known, and for a base."""

    @classmethod
    def of(cls, adapter: ModelAdapter) -> ModelRecord:
        training = _training_of(adapter.training_record)
        return cls(adapter.name, adapter.identity, adapter.description, adapter.usage, training)


@dataclass(frozen=True, slots=True)
class JudgeRecord:
    """The judge that scored."""

    name: str
    identity: Identity
    criteria: Sequence[str]
    repeats: int
    scale: tuple[int, int]
    max_unscored: float
    usage: Usage
    windows: Sequence[Identity] = ()
    """Windows that entries of its models set."""

    @classmethod
    def of(cls, judge: Judge, runs_judged_together: int = 1) -> JudgeRecord:
        usage = {**judge.usage, **({"runs": runs_judged_together} if runs_judged_together > 1 else {})}
        return cls(
            name=judge.name,
            identity=judge.identity,
            criteria=judge.criteria,
            repeats=judge.repeats,
            scale=judge.scale,
            max_unscored=judge.max_unscored,
            usage=usage,
            windows=_windows(judge),
        )


def _windows(judge: Judge) -> list[Identity]:
    if isinstance(judge, Panel):
        return [window for member in judge.members for window in _windows(member)]
    return [judge.window_setting] if isinstance(judge, Windowed) and judge.window_setting else []


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Names, identities and usage: all that a run folder holds beside its samples. `items` are (question id, cluster);
    `entries` the resolved entries; `leakage` as in `Parts`."""

    plan: TaskPlan
    items: Sequence[tuple[str, str]]
    available: int
    source: Identity
    retriever: Identity
    model: ModelRecord
    judge: JudgeRecord
    entries: Mapping[str, JsonObject]
    leakage: Mapping[str, Sequence[str]] | None
    majority: str | None = None
    """The most common answer of the fine-tuning pool."""
    deviations: Sequence[str] = ()
    """Where the task differs from what it reproduces."""
    answered_in: Sequence[JsonObject] | None = None
    """The environments of answers that an earlier run gave, as its manifest has them."""

    @classmethod
    def of(cls, parts: Parts) -> RunRecord:
        questions = parts.source.questions(parts.plan.split)
        return cls(
            plan=parts.plan,
            items=[(question.id, question.cluster) for question in questions[: parts.plan.limit]],
            available=len(questions),
            source=parts.source.identity,
            retriever=parts.retriever.identity,
            model=ModelRecord.of(parts.adapter),
            judge=JudgeRecord.of(parts.judge, parts.runs_judged_together),
            entries=parts.entries,
            leakage=parts.leakage,
            majority=parts.majority,
            deviations=parts.deviations,
        )

    @property
    def run_id(self) -> str:
        """Digest of all that the run's results depend on."""
        return digest_of(
            {
                "plan": asdict(self.plan),
                "source": self.source,
                "items": digest_of([list(item) for item in self.items]),
                "retriever": self.retriever,
                "model": self.model.identity,
                "judge": self.judge.identity,
                "repeats": self.judge.repeats,
                **({"judge_windows": [dict(window) for window in self.judge.windows]} if self.judge.windows else {}),
                **({} if self.leakage is None else {"leakage": digest_of(_as_lists(self.leakage))}),
            }
        )


def _training_of(record: JsonObject) -> JsonObject:
    """What of a checkpoint's manifest tells it from its siblings."""
    if not record:
        return {}
    return {
        "base": record["model"],
        "samples": len(record["pairs"]["ids"]),
        "method": record["method"],
        "format": record["prompt_format"],
        "seed": record["seed"],
        # only where they are not as they used to be: runs of older versions are of the same training
        **{key: record[key] for key in ("target", "domain") if record.get(key) not in (None, "reference")},
        **({"shuffle_answers": True} if record.get("shuffle_answers") else {}),
    }


def _as_lists(leakage: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(kinds) for name, kinds in leakage.items()}


# ---- the two halves -------------------------------------------------------------------------------------------------


def answer_questions(parts: Parts, store: Store, progress: Progress) -> Answered:
    """The half that needs the generator. Several runs do this first for all of them, so that the generator's base is
    loaded once and the judge's once."""
    plan, started = parts.plan, time.time()
    if plan.decoding.max_gen_toks >= parts.adapter.window:
        raise HarnessError(
            f"{plan.task}: max_gen_toks {plan.decoding.max_gen_toks} leaves no room for a prompt in the window of "
            f"{parts.adapter.window} tokens of {parts.adapter.name}; lower it (--gen_kwargs max_gen_toks=…)"
        )
    everything = parts.source.questions(plan.split)
    questions = [with_few_references(question, plan.max_references) for question in everything[: plan.limit]]
    with store.noting() as needs:
        passages = stages.retrieve(plan, questions, parts.retriever, store, progress)
        prompts = stages.fit(plan, questions, passages, parts.adapter, store, progress)
        if too_long := sum(not prompt.fits for prompt in prompts):
            progress.note(f"{too_long} of {len(prompts)} prompts do not fit the window even without passages: unscored")
        answers = stages.answer(plan, prompts, parts.adapter, store, progress)
    return Answered(questions, len(everything), passages, prompts, answers, time.time() - started, needs)


def judge_answers(parts: Parts, answered: Answered, context: Context) -> Run:
    """The half that needs the judge and no generator: scores, measures, the run folder."""
    plan, leakage, started = parts.plan, parts.leakage, time.time() - answered.seconds
    judged, record = answered.judge_input(plan), RunRecord.of(parts)
    with context.store.noting() as needs:
        scores = judge_run(judged, parts.judge, context.store, context.progress)
        trivial = trivial_means(plan, parts.judge, judged, record.majority, context.store, context.progress)
    samples = []
    for n, question in enumerate(answered.questions):
        passages, prompt, answer = answered.passages[n], answered.prompts[n], answered.answers[n]
        values = measure(plan, question, passages, prompt.dropped, answer, scores[n])
        if leakage is not None:
            values |= leakage_values(leakage.get(question.id, ()), scores[n])
        samples.append(
            Sample(
                question=question,
                target=judged.targets[n],
                passages=passages,
                prompt=prompt.text,
                dropped=prompt.dropped,
                answer=answer,
                scores=tuple(scores[n]),
                values=values,
            )
        )
    return conclude(record, samples, trivial, context, started, [answered.needs, needs])


def conclude(
    record: RunRecord,
    samples: Sequence[Sample],
    trivial: Mapping[str, Mapping[str, float]],
    context: Context,
    started: float,
    needs: Sequence[Needs],
) -> Run:
    """Writes the run folder. `trivial` are the means of trivial answers (`evaluation.trivial`); `started` is in seconds
    since the epoch; `needs` are the stored records that the run is made of."""
    unscored, failures = unscored_overview(samples), failures_overview(samples)
    of_judge = unscored["unscored"] - failures.get("scores", 0)  # what could not be asked is no fault of the judge
    model = {"name": record.model.name, **record.model.description}
    run_id = record.run_id
    documents = RunDocuments(
        plan=record.plan,
        run_id=run_id,
        task_entry=record.entries["task"],
        model=model,
        available=record.available,
        samples=samples,
        aggregates=aggregate(samples, Bounds(*map(float, record.judge.scale))),
        ours={
            "run_id": run_id,
            "arm": record.plan.arm.value,
            "judge": record.judge.name,
            "judge_id": digest_of(record.judge.identity),
            "judge_repeats": record.judge.repeats,
            "scale": list(record.judge.scale),
            "criteria": list(record.judge.criteria),
            "judge_is_broken": of_judge > record.judge.max_unscored * unscored["scores"],
            "unscored": unscored,
            **({"failures": failures} if failures else {}),
            "model_id": digest_of(record.model.identity),
            "source": dict(record.source),
            "trivial": {name: dict(means) for name, means in trivial.items()},
            "answers": answers_overview([sample.answer for sample in samples]),
            **({} if record.leakage is None else {"leakage": leakage_overview(record.leakage, samples)}),
        },
        manifest=_manifest(record, samples, model, time.time() - started)
        | context.host
        | {"environments": environments_of(samples, context.store, record.answered_in)},
    )
    context.store.remember(run_id, *needs)
    folder = folder_of(context.output, record.model.name, record.plan, run_id)
    write_run(folder, documents)
    return read_run(folder)


def _manifest(record: RunRecord, samples: Sequence[Sample], model: Description, seconds: float) -> JsonObject:
    return {
        "run_id": record.run_id,
        "plan": asdict(record.plan),
        "identities": {
            "source": record.source,
            "retriever": record.retriever,
            "model": record.model.identity,
            "judge": record.judge.identity,
        },
        "entries": record.entries,
        "model": model,
        "tokens": {
            "prompt": sum(sample.answer.prompt_tokens for sample in samples),
            "answer": sum(sample.answer.answer_tokens for sample in samples),
        },
        **({"training": record.model.training} if record.model.training else {}),
        **({} if record.majority is None else {"majority_answer": record.majority}),
        **({"deviations": list(record.deviations)} if record.deviations else {}),
        "usage": dict(record.model.usage),
        "judge_usage": dict(record.judge.usage),
        **({} if record.leakage is None else {"leakage": _as_lists(record.leakage)}),
        "seconds": round(seconds, 3),
    }
