"""A run as a value: frozen, JSON and back, so that it can be hashed, stored and sent to another machine; and the parts
that it is made of, built late and where it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness.build.judges import build_judge
from harness.build.leakage import build_leakage
from harness.build.models import build_model, decoding_of
from harness.build.resources import ModelOptions, Resources
from harness.build.retrievers import build_retriever
from harness.build.sources import build_source, pool_of
from harness.entries.judge import GEvalJudgeEntry, ResolvedJudge
from harness.entries.model import ResolvedModel
from harness.entries.parts import DecodingEntry, Device, Part, Positive
from harness.entries.task import TaskEntry
from harness.errors import MissingPart
from harness.files import JsonObject
from harness.interfaces import Identity, Judge, ModelAdapter, Retriever, Source
from harness.judging.unavailable import UnavailableJudge
from harness.prompts import render
from harness.records import Arm, Question, TaskPlan

__all__ = ["ModelOptions", "Parts", "Resources", "RunSpec", "prepare"]


class RunSpec(Part):
    """One task × model × arm × judge, with nothing left to look up. `model_dump_json` and `model_validate_json` take it
    to text and back."""

    task: TaskEntry
    model: ResolvedModel
    judge: ResolvedJudge
    arm: Arm = Arm.RAG
    limit: Annotated[float, Field(gt=0)] | None = None
    """Only the first so many questions, or that share of them below 1; None: all."""
    seed: int = 0
    """Of sampled answers."""
    data: str | None = None
    """A data pack to read the task from, instead of its own source."""
    decoding: DecodingEntry | None = None
    """Instead of the task's `generation_kwargs`."""
    device: Device | None = None
    batch_size: Positive | Literal["auto"] | None = None
    gate: bool = True
    """Whether a LoRA checkpoint must pass the gate."""
    needs_judge: bool = False
    """Whether a judge that is not available is an error. Otherwise answers are left unscored: they and the metrics are
    worth having, and the scores can be had later."""

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.task.task} × {self.model.name}, {self.arm}"

    @property
    def options(self) -> ModelOptions:
        return ModelOptions(device=self.device, batch_size=self.batch_size, gate=self.gate)

    @property
    def effective_task(self) -> TaskEntry:
        """The task entry with the decoding of this run."""
        if self.decoding is None:
            return self.task
        return self.task.model_copy(update={"generation_kwargs": self.decoding})

    def plan(self, available: int) -> TaskPlan:
        """What the run does with its task, of which so many questions are available."""
        entry, limit = self.effective_task, None
        if self.limit is not None:
            limit = int(self.limit) if self.limit >= 1 else max(1, int(self.limit * available))
        return TaskPlan(
            task=entry.task,
            alias=entry.task_alias or entry.task,
            version=entry.metadata.version,
            split=entry.test_split,
            doc_to_text=entry.prompt_template,
            doc_to_target=entry.doc_to_target,
            system_instruction=entry.system_instruction,
            within_document=entry.retrieval.scope == "document",
            top_k=entry.retrieval.top_k,
            max_references=entry.max_references,
            decoding=decoding_of(entry.generation_kwargs),
            metrics=tuple(metric.metric for metric in entry.metric_list),
            arm=self.arm,
            limit=limit,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of, already built. `entries` are the resolved entries, for the record."""

    plan: TaskPlan
    source: Source
    retriever: Retriever
    adapter: ModelAdapter
    judge: Judge
    entries: Mapping[str, JsonObject]
    leakage: Mapping[str, Sequence[str]] | None = None
    """Of a model that was trained on pairs which are known: what each question shares with them, by question id
    (`finetuning.leakage`); questions that share nothing are not in it."""
    majority: str | None = None
    """The most common answer of the fine-tuning pool, where there is one."""
    deviations: Sequence[str] = ()
    """Where the task differs from what it reproduces, with the counts of this data."""
    runs_judged_together: int = 1
    """How many runs the judge scored together; its usage is that of all of them."""

    @property
    def identities(self) -> dict[str, Identity]:
        return {
            "source": self.source.identity,
            "retriever": self.retriever.identity,
            "model": self.adapter.identity,
            "judge": self.judge.identity,
        }


def prepare(spec: RunSpec, resources: Resources) -> Parts:
    """Builds everything, reads all rows and fetches what must be fetched, before anything is computed. Raises what any
    part raises that cannot be had."""
    task = spec.effective_task
    source = build_source(task, Path(spec.data) if spec.data is not None else None, resources)
    available = len(source.questions(task.test_split))  # reads it all: a broken line is reported before work begins
    adapter = build_model(spec.model, task.checkpoint_task, resources, spec.options)
    adapter.prepare()
    return Parts(
        plan=spec.plan(available),
        source=source,
        retriever=build_retriever(task.retrieval, source, spec.arm, resources),
        adapter=adapter,
        judge=_judge(spec, resources),
        entries={
            "task": task.model_dump(exclude_none=True),
            "model": spec.model.record(),
            "judge": spec.judge.entry.model_dump(exclude_none=True),
        },
        leakage=build_leakage(task, source, adapter, resources),
        majority=_majority(pool_of(task, source)),
        deviations=_deviations(task, source),
    )


def _deviations(task: TaskEntry, source: Source) -> list[str]:
    """The entry's sentences with what this data counts."""
    if not task.deviations:
        return []
    documents = sum(1 for _ in source.documents())
    left_out = source.identity.get("excluded_documents", 0)
    counts = {
        "documents": documents,
        "all_documents": documents + (left_out if isinstance(left_out, int) else 0),
        "questions": len(source.questions(task.test_split)),
        "pool": len(pool_of(task, source)),
    }
    slots = {name: f"{count:,}" for name, count in counts.items()}
    return [render(sentence, **slots).strip() for sentence in task.deviations]


def _majority(pool: Sequence[Question]) -> str | None:
    """Of the pool's references, or of its values where facts are known: there each reference names its entity."""
    counts = Counter(fact.value for question in pool for fact in question.facts if fact.value and question.answerable)
    if not counts:
        counts = Counter(question.references[0] for question in pool if question.references)
    answer, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    return answer if count > 1 else None


def _judge(spec: RunSpec, resources: Resources) -> Judge:
    entry = spec.judge.entry
    try:
        judge = build_judge(spec.judge, spec.task.checkpoint_task, resources, ModelOptions(device=spec.device))
        judge.prepare()
    except MissingPart as error:
        if spec.needs_judge:
            raise
        resources.progress.note(
            f"judge {entry.judge}: {error}; answers and metrics are computed, answers are left unscored "
            "(for another judge: --judge)"
        )
        by_model = [single.entry for single in spec.judge.single_judges if isinstance(single.entry, GEvalJudgeEntry)]
        criteria = dict.fromkeys(name for single in by_model for name in single.criteria)
        return UnavailableJudge(entry.judge, tuple(criteria), f"the judge's model is not available: {error}")
    return judge
