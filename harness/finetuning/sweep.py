"""A grid of settings, of which the one with the least loss on held-out pairs of the pool is chosen. The evaluation
split is never looked at for that.
"""

from __future__ import annotations

import gc
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.entries.checkpoints import Method
from harness.errors import HarnessError, UsageError
from harness.files import JsonObject, make_folder, parse_json, read_json, write_atomically
from harness.finetuning.checkpoints import MANIFEST, work_dir_of
from harness.finetuning.job import Job
from harness.finetuning.pools import hold_out
from harness.finetuning.settings import Point
from harness.finetuning.training import Diverged, is_main_process

__all__ = ["as_text", "choose", "forget"]


def as_text(value: object) -> str:
    """A value of a point: a number without needless digits."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def choose(jobs: Mapping[Method, Job], grid: Sequence[Point]) -> tuple[Point, list[JsonObject]]:
    """(the chosen point, a row for each point: its method and settings, `loss`, `validation_loss`). `jobs` are one
    checkpoint's by each method of the grid, each trained and validated on the base as it loads it. What was tried
    before, in a finished training or before a kill, is read again. Raises `HarnessError` when every training
    diverged."""
    earlier = [rows for job in jobs.values() if (rows := _earlier(job, grid)) is not None]
    rows = earlier[0] if earlier else [_try(jobs[point.method], point, grid) for point in grid]
    losses = [math.inf if row["validation_loss"] is None else row["validation_loss"] for row in rows]
    if min(losses) == math.inf:
        names = ", ".join(job.folder.name for job in jobs.values())
        raise HarnessError(f"{names}: every training of the sweep diverged; lower --learning_rate")
    return grid[losses.index(min(losses))], rows


def _earlier(job: Job, grid: Sequence[Point]) -> list[JsonObject] | None:
    """The rows of a finished checkpoint that was chosen from this very grid."""
    try:
        manifest = parse_json((job.folder / MANIFEST).read_text(encoding="utf-8"))
        # a row of an older version names no method: it is the checkpoint's own
        rows = [{"method": manifest["method"], **row} for row in manifest["sweep"]]
        by_point = {json.dumps({k: row[k] for k in grid[0].values}, sort_keys=True): row for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    trials = [by_point.get(json.dumps(point.values, sort_keys=True)) for point in grid]
    return [row for row in trials if row is not None] if None not in trials else None


def forget(job: Job) -> None:
    """Clears away what was tried for a checkpoint that was not chosen; a training of it that was stopped stays."""
    folder = _records_of(job)
    for record in folder.glob("*.json"):
        record.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _records_of(job: Job) -> Path:
    return job.folder.parent / f".{job.folder.name}.training"


def _try(job: Job, point: Point, grid: Sequence[Point]) -> JsonObject:
    """One point of the grid; a training that diverges has no loss."""
    settings, number = point.settings, f"{grid.index(point) + 1} of {len(grid)}"
    trained_on, held_out = hold_out(job.pairs)
    recipe, validation = job.recipe(settings, trained_on), job.examples(held_out, settings).items
    if not validation:
        raise UsageError(f"--max_length {settings.max_length}: not one held-out pair fits; raise it")
    record = _records_of(job) / f"{recipe.identity[:12]}.json"
    if record.is_file():
        return read_json(record, "delete it and run the same command again")
    varied = [name for name in point.values if len({other.values[name] for other in grid}) > 1]
    varied_values = ", ".join(f"{name} {as_text(point.values[name])}" for name in varied)
    job.progress.note(f"{job.folder.name}: sweep {number}: {varied_values}, {len(validation)} pairs held out")
    row: JsonObject = {**point.values, "validation_loss": None, "loss": None}
    try:
        trained = job.fit(recipe, validation)
        row |= {"validation_loss": trained.validation_loss, "loss": trained.loss}
        del trained
    except Diverged:
        pass  # its losses stay None
    gc.collect()  # the next point loads the base again: not two at a time
    if is_main_process():
        make_folder(record.parent)
        write_atomically(record, json.dumps(row))
        shutil.rmtree(work_dir_of(job.folder, recipe.identity), ignore_errors=True)
    return row
