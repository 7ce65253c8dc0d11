"""A grid of settings, of which the one with the least loss on held-out pairs of the pool is chosen. The evaluation
split is never looked at for that.
"""

from __future__ import annotations

import gc
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict

from harness.errors import HarnessError, UsageError
from harness.files import JsonObject, parse_json, write_atomically
from harness.finetuning.checkpoints import MANIFEST, work_dir_of
from harness.finetuning.job import Job
from harness.finetuning.pools import hold_out
from harness.finetuning.settings import TrainingSettings
from harness.finetuning.training import Diverged, is_main_process

__all__ = ["choose"]


def choose(job: Job, grid: Sequence[TrainingSettings]) -> tuple[TrainingSettings, list[JsonObject]]:
    """(the chosen settings, a row for each point: its settings, `loss`, `validation_loss`). What was tried before, in a
    finished training or before a kill, is read again. Raises `HarnessError` when every training diverged."""
    if (rows := _earlier(job, grid)) is None:
        rows = [_try(job, settings, f"{number} of {len(grid)}", grid) for number, settings in enumerate(grid, start=1)]
    losses = [math.inf if row["validation_loss"] is None else row["validation_loss"] for row in rows]
    if min(losses) == math.inf:
        raise HarnessError(f"{job.folder.name}: every training of the sweep diverged; lower --learning_rate")
    return grid[losses.index(min(losses))], rows


def _earlier(job: Job, grid: Sequence[TrainingSettings]) -> list[JsonObject] | None:
    """The rows of a finished checkpoint that was chosen from this very grid."""
    try:
        rows = parse_json((job.folder / MANIFEST).read_text(encoding="utf-8"))["sweep"]
        by_settings = {json.dumps({k: row[k] for k in asdict(grid[0])}, sort_keys=True): row for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    trials = [by_settings.get(json.dumps(asdict(settings), sort_keys=True)) for settings in grid]
    return [row for row in trials if row is not None] if None not in trials else None


def _try(job: Job, settings: TrainingSettings, number: str, grid: Sequence[TrainingSettings]) -> JsonObject:
    """One point of the grid; a training that diverges has no loss."""
    trained_on, held_out = hold_out(job.pairs)
    recipe, (validation, _) = job.recipe(settings, trained_on), job.examples(held_out, settings)
    if not validation:
        raise UsageError(f"--max_length {settings.max_length}: not one held-out pair fits; raise it")
    record = job.folder.parent / f".{job.folder.name}.training" / f"{recipe.identity[:12]}.json"
    if record.is_file():
        return dict(parse_json(record.read_text(encoding="utf-8")))
    varied = [name for name in asdict(settings) if len({getattr(point, name) for point in grid}) > 1]
    varied_values = ", ".join(f"{name} {getattr(settings, name):g}" for name in varied)
    job.progress.note(f"{job.folder.name}: sweep {number}: {varied_values}, {len(validation)} pairs held out")
    row: JsonObject = {**asdict(settings), "validation_loss": None, "loss": None}
    try:
        trained = job.fit(recipe, validation)
        row |= {"validation_loss": trained.validation_loss, "loss": trained.loss}
        del trained
    except Diverged:
        pass  # its losses stay None
    gc.collect()  # the next point loads the base again: not two at a time
    if is_main_process():
        record.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(record, json.dumps(row))
        shutil.rmtree(work_dir_of(job.folder, recipe.identity), ignore_errors=True)
    return row
