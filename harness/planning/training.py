"""A training as a value, and the materials that its checkpoints are made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from harness.build.models import build_trainable, build_weights
from harness.build.resources import ModelOptions, Resources
from harness.build.retrievers import build_retriever
from harness.build.sources import whole_source
from harness.entries.checkpoints import Method, Presentation
from harness.entries.model import ModelEntry, TransformersModelEntry
from harness.entries.parts import Device, Part, Positive
from harness.entries.task import TaskEntry
from harness.errors import UsageError
from harness.extras import require
from harness.finetuning.checkpoints import BaseRecord
from harness.finetuning.examples import Passages, Showing, Templates
from harness.finetuning.job import Materials
from harness.finetuning.pools import check_apart, draw
from harness.interfaces import Source
from harness.records import Arm, Question

__all__ = ["PreparedTraining", "TrainingSpec", "prepare_training"]


class TrainingSpec(Part):
    """Checkpoints of one base on one task, a checkpoint for each number of pairs."""

    task: TaskEntry
    model: ModelEntry
    sizes: list[Positive]
    method: Method = "lora"
    presentation: Presentation = Presentation()
    domain: TaskEntry | None = None
    """The task that the presentation's domain names: pairs, passages and `data` are its own."""
    seed: int = 0
    data: str | None = None
    device: Device | None = None
    plain: bool = False
    """Whether a base without a chat template is trained all the same, in the plain form."""

    @property
    def origin(self) -> TaskEntry:
        """The task whose pairs are trained on. Passages are retrieved from its corpus as the prompt's task does it, but
        within a document where its questions are about one."""
        if self.domain is None:
            return self.task
        scope = self.domain.retrieval.scope
        retrieval = self.task.retrieval.model_copy(update={"scope": scope})
        return self.domain.model_copy(update={"retrieval": retrieval})

    def base(self) -> TransformersModelEntry:
        """The entry of the base as it is loaded. Raises `UsageError` for one that cannot be trained."""
        entry = self.model
        if not isinstance(entry, TransformersModelEntry):
            raise UsageError(
                f"--model {entry.model}: runs on {entry.engine}; only models of transformers can be trained"
            )
        if entry.base is not None:
            raise UsageError(f"--model {entry.model}: is a LoRA checkpoint on {entry.base}; name its base")
        if os.environ.get("LOCAL_RANK") is not None:  # accelerate launch: a GPU a process
            entry = entry.model_copy(update={"device_map": None})
        if self.method == "lora":
            return entry
        if entry.quantization != "none":
            raise UsageError(f"--model {entry.model}: is quantised already; with --method qlora name the 16-bit base")
        return entry.model_copy(update={"quantization": "4bit"})


class PreparedTraining(NamedTuple):
    """`subsets` are the pairs of each checkpoint, in the order of the sizes."""

    materials: Materials
    subsets: list[list[Question]]


def prepare_training(spec: TrainingSpec, resources: Resources) -> PreparedTraining:
    """Builds everything before the first training begins. Raises `DataError` when the pool meets the evaluation split,
    `UsageError` when it is too small."""
    entry, origin = spec.base(), spec.origin
    source = whole_source(origin, Path(spec.data) if spec.data is not None else None, resources)
    evaluation, pool = source.questions(origin.test_split), source.questions(origin.training_split)
    check_apart(pool, evaluation)
    subsets = [draw(pool, size, spec.seed) for size in spec.sizes]
    require("matplotlib")
    model = build_trainable(entry, resources, ModelOptions(device=spec.device or _own_device()))
    model.prepare()
    if not model.has_chat_template and not spec.plain:
        raise UsageError(
            f"model {entry.model}: its tokenizer has no chat template; give the entry a `chat_template`, or pass "
            '--plain to train in the plain form (question, blank line, "Answer: ")'
        )
    weights = build_weights(entry, resources)
    commit = str(weights.identity["revision"]) if entry.revision else None
    base = BaseRecord(
        name=entry.model,
        label=entry.pretrained or entry.model,
        repository=entry.pretrained if entry.revision else None,
        revision=commit,
        identity=dict(weights.identity),
        dtype=entry.dtype,
        quantization=entry.quantization,
        licence=entry.licence,
    )
    showing = Showing(
        presentation=spec.presentation,
        templates=Templates(spec.task.prompt_template, origin.doc_to_target, spec.task.system_instruction),
        passages=_passages(spec, source, resources),
        seed=spec.seed,
    )
    materials = Materials(
        task=spec.task.task,
        showing=showing,
        source=source.identity,
        model=model,
        base=base,
        method=spec.method,
        seed=spec.seed,
    )
    return PreparedTraining(materials, subsets)


def _own_device() -> str | None:
    """The GPU of this process under `accelerate launch`."""
    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{rank}" if rank is not None and require("torch").cuda.is_available() else None


def _passages(spec: TrainingSpec, source: Source, resources: Resources) -> Passages | None:
    """Retrievers for the formats that show passages; over the whole corpus, since what a pair is about must be in
    it."""
    if spec.presentation.format == "qa":
        return None
    retrieval = spec.origin.retrieval
    return Passages(
        ranker=build_retriever(retrieval, source, Arm.RAG, resources),
        gold=build_retriever(retrieval, source, Arm.ORACLE, resources),
        top_k=retrieval.top_k,
        within_document=retrieval.scope == "document",
    )
