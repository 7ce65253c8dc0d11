"""One checkpoint to train: which pairs, into which folder, with what. Gets built objects; prints nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.digests import digest_of, short
from harness.entries.checkpoints import CheckpointParts, Method
from harness.errors import UsageError
from harness.files import JsonObject
from harness.finetuning.checkpoints import MANIFEST, BaseRecord, Recipe, holds_checkpoint, work_dir_of, write_checkpoint
from harness.finetuning.examples import Example, Examples, Showing, make_examples
from harness.finetuning.settings import TrainingSettings
from harness.finetuning.training import Trained, TrainingPlan, is_main_process, process_count, train
from harness.interfaces import Identity, Progress, Trainable
from harness.kept import read_training
from harness.records import Question

__all__ = ["Checkpoint", "Job", "Materials"]


@dataclass(frozen=True, slots=True)
class Materials:
    """What all checkpoints of one command and method are made of. `source` is the pairs'."""

    task: str
    showing: Showing
    source: Identity
    model: Trainable
    base: BaseRecord
    method: Method
    seed: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained LoRA checkpoint. `reused`: it was there already. `manifest` is its training.json."""

    folder: Path
    manifest: JsonObject
    reused: bool

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """One that is there. Raises `DataError` when its manifest cannot be read."""
        return cls(folder, read_training(folder / MANIFEST), reused=True)

    @property
    def name(self) -> str:
        return self.folder.name


class Job:
    """One checkpoint. `output` is the folder of all tasks' checkpoints."""

    def __init__(self, materials: Materials, pairs: Sequence[Question], output: Path, progress: Progress) -> None:
        self.materials, self.pairs, self.progress = materials, pairs, progress
        shown = materials.showing.presentation
        parts = CheckpointParts(materials.base.name, materials.method, len(pairs), shown, materials.seed)
        self.folder = output / materials.task / parts.name

    def examples(self, pairs: Sequence[Question], settings: TrainingSettings) -> Examples:
        """What the model sees of the pairs."""
        made = self.materials
        return make_examples(pairs, made.showing, made.model, min(settings.max_length, made.model.window))

    def recipe(self, settings: TrainingSettings, pairs: Sequence[Question] | None = None) -> Recipe:
        """All that the checkpoint depends on; `pairs` None: all of the job's. Raises `UsageError` when none fits."""
        made, chosen = self.materials, self.pairs if pairs is None else pairs
        examples = self.examples(chosen, settings)
        if not examples.items:
            raise UsageError(f"--max_length {settings.max_length}: not one pair fits; raise it")
        return Recipe(
            task=made.task,
            method=made.method,
            presentation=made.showing.presentation,
            settings=settings,
            seed=made.seed,
            base=made.base,
            source=made.source,
            tokenizer=made.model.tokenizer_record,
            prompt_start_ids=made.model.prompt_start_ids,
            examples=examples,
            questions=[short(digest_of([q.text, list(q.references)])) for q in chosen if q.id not in examples.left_out],
            processes=process_count(),
        )

    def fit(self, recipe: Recipe, validation: Sequence[Example]) -> Trained:
        """Trains without writing a checkpoint."""
        plan = TrainingPlan(
            examples=recipe.examples.items,
            validation=validation,
            settings=recipe.settings,
            seed=recipe.seed,
            quantized=recipe.base.quantization != "none",
            work_dir=work_dir_of(self.folder, recipe.identity),
        )
        return train(self.materials.model, plan, self.progress)

    def train(self, recipe: Recipe, overwrite: bool, sweep: Sequence[JsonObject], host: JsonObject) -> Checkpoint:
        """The checkpoint, trained unless the folder holds this very one. Raises `UsageError` when it holds another and
        that is not to be overwritten."""
        if holds_checkpoint(self.folder, recipe, overwrite):
            self.progress.note(f"{self.folder}: trained already with these settings and pairs")
            return Checkpoint.read(self.folder)
        left_out = recipe.examples.left_out
        if left_out:
            self.progress.note(
                f"{self.folder.name}: {len(left_out)} of {len(self.pairs)} pairs are longer than "
                f"{recipe.settings.max_length} tokens and left out"
            )
        self.progress.note(f"{self.folder.name}: {recipe.described}")
        trained = self.fit(recipe, [])
        if not is_main_process():
            return Checkpoint(self.folder, {}, reused=False)
        tokenizer = self.materials.model.tokenizer
        manifest = write_checkpoint(self.folder, recipe, trained, tokenizer, sweep, host)
        shutil.rmtree(work_dir_of(self.folder, recipe.identity).parent, ignore_errors=True)
        return Checkpoint(self.folder, manifest, reused=False)
