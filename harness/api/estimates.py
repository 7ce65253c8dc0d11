"""What a study's cells take, counted in their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.api.session import PathLike, Session
from harness.build.sources import build_source, whole_source
from harness.cells import Cell, Effort, Extent, Speed, effort
from harness.entries.judge import GEvalJudgeEntry, ResolvedJudge
from harness.entries.model import ModelEntry, OpenAIModelEntry, TransformersModelEntry
from harness.entries.task import TaskEntry
from harness.errors import HarnessError
from harness.finetuning.examples import CHUNKS
from harness.finetuning.settings import TrainingSettings
from harness.interfaces import Source
from harness.records import Arm

__all__ = ["Estimates", "StudyOptions"]


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """`only`: these stages of `STAGES`; none: all. `data`: a folder with a data pack for each task. `tflops`: what the
    machine sustains, for estimates."""

    only: Sequence[str] = ()
    data: PathLike | None = None
    limit: int | None = None
    device: str | None = None
    cost_limit: float | None = None
    results: PathLike = "results"
    checkpoints: PathLike = "checkpoints"
    store: PathLike | None = None
    tflops: float = 100.0
    include_path: Sequence[PathLike] = ()
    progress: bool = True
    command: str = "harness.study(…)"

    def does(self, stage: str) -> bool:
        """Whether the stage is among those to be run."""
        return not self.only or stage in self.only

    def pack(self, task: str) -> str | None:
        """The data pack of a task."""
        if self.data is None:
            return None
        return self.domain_pack(task) or str(self.data)

    def domain_pack(self, task: str) -> str | None:
        """The data pack of a task that only lends its pairs: never one that is another task's."""
        folder = Path(self.data or "") / task
        return str(folder) if self.data is not None and (folder / "corpus.jsonl").is_file() else None


@dataclass(frozen=True)
class Estimates:
    """Reads each task's data once; a cell whose data is not here has no estimate."""

    session: Session
    tasks: Mapping[str, TaskEntry]
    judge: ResolvedJudge
    settings: TrainingSettings
    options: StudyOptions
    _sources: dict[tuple[str, bool], Source | None] = field(default_factory=dict)

    def of(self, cell: Cell) -> Effort:
        """What the cell takes; of an evaluation, its judging too."""
        base = cell.checkpoint.base if cell.checkpoint is not None else cell.model
        model = self.session.catalog.resolved_model(base).entry
        extent = self._training_extent(cell) if cell.stage == "train" else self._evaluation_extent(cell)
        own = effort(cell, extent, _parameters(model), _prices(model), Speed(self.options.tflops))
        if cell.stage == "train" or extent is None or self.judge.model is None:
            return own
        judged = self._judging_extent(cell, extent)
        by = self.judge.model.entry
        return _sum(own, effort(cell, judged, _parameters(by), _prices(by), Speed(self.options.tflops)))

    def _source(self, entry: TaskEntry, whole: bool) -> Source | None:
        """None where the data cannot be had here."""
        task = entry.task
        if (task, whole) not in self._sources:
            pack = self.options.pack(task) if task in self.tasks else self.options.domain_pack(task)
            make = whole_source if whole else build_source
            try:
                self._sources[task, whole] = make(entry, Path(pack) if pack else None, self.session.resources)
            except HarnessError as error:
                self.session.progress.note(f"{task}: nothing is estimated: {error}")
                self._sources[task, whole] = None
        return self._sources[task, whole]

    def _training_extent(self, cell: Cell) -> Extent | None:
        parts, task = cell.checkpoint, self.tasks[cell.task]
        if parts is None:
            return None
        shown = parts.presentation
        if shown.domain is not None:
            task = self.session.catalog.task(shown.domain)
        source = self._source(task, whole=True)
        if source is None:
            return None
        pool = source.questions(task.training_split)[: parts.samples]
        retrieval = self.tasks[cell.task].retrieval
        number = {"qa": 0, "one_chunk": 1}.get(shown.format, retrieval.top_k)
        copies = CHUNKS if shown.format == "one_chunk" else 1
        passages = number * retrieval.chunk_chars
        letters = sum(len(q.text) + len(q.references[0] if q.references else "") + 200 + passages for q in pool)
        return Extent(len(pool), int(self.settings.epochs * copies * letters / 4), 0)

    def _evaluation_extent(self, cell: Cell) -> Extent | None:
        task = self.tasks[cell.task]
        source = self._source(task, whole=False)
        if source is None:
            return None
        questions = source.questions(task.test_split)[: self.options.limit]
        retrieval = task.retrieval
        passages = {Arm.CLOSED_BOOK: 0, Arm.ORACLE: 1, Arm.RAG: retrieval.top_k}[Arm(cell.arm)] * retrieval.chunk_chars
        letters = sum(len(question.text) + 300 + passages for question in questions)
        return Extent(len(questions), letters // 4, len(questions) * task.generation_kwargs.max_gen_toks)

    def _judging_extent(self, cell: Cell, extent: Extent) -> Extent:
        """A prompt for each criterion, of which the beginning is computed once for all repeats; a form for each."""
        entry = self.judge.entry
        criteria, repeats = (len(entry.criteria), entry.repeats) if isinstance(entry, GEvalJudgeEntry) else (1, 1)
        prompt = 600 + extent.answer_tokens // max(1, extent.items)
        return Extent(0, extent.items * criteria * prompt, extent.items * criteria * repeats * 16)


def _parameters(model: ModelEntry) -> tuple[float, float] | None:
    if not isinstance(model, TransformersModelEntry) or model.parameters is None:
        return None
    return model.parameters, model.active_parameters or model.parameters


def _prices(model: ModelEntry) -> tuple[float, float] | None:
    if not isinstance(model, OpenAIModelEntry) or model.api.prices is None:
        return None
    return model.api.prices.prompt, model.api.prices.answer


def _sum(one: Effort, other: Effort) -> Effort:
    def plus(a: float | None, b: float | None) -> float | None:
        return a if b is None else b if a is None else a + b

    tokens = None if one.tokens is None else one.tokens + (other.tokens or 0)
    return Effort(tokens, plus(one.hours, other.hours), plus(one.cost, other.cost), one.bytes)
