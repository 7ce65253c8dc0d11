"""Runs as a leaderboard keeps them, in `results/NAME/*.json` beside its entry: item ids and values, no text of the data
set, so that anyone can regenerate the page from a checkout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.comparison.stored import StoredRun, base_name
from harness.digests import short
from harness.entries.checkpoints import trained_models
from harness.entries.leaderboard import LeaderboardEntry
from harness.errors import DataError
from harness.evaluation.folder import read_run
from harness.files import JsonObject, make_folder, read_json, write_atomically

__all__ = ["belongs_to", "collect", "stored_runs"]


def belongs_to(run: StoredRun, entry: LeaderboardEntry, tasks: Sequence[str]) -> bool:
    """Whether the entry, its tasks expanded, names this run or trains its model; a model of several training seeds is
    named without."""
    models = {*entry.models, *(parts.name for parts in trained_models(entry))}
    named = run.model in models or base_name(run.model) in models
    return named and run.arm in entry.arms and run.judge == entry.judge and run.task in tasks


_COMPARED = (
    "measures", "items", "clusters", "kinds", "settings", "training", "trivial", "scale", "judge_is_broken",
    "judge_repeats", "deviations", "question_digests", "reference_words", "reference_kinds",
)  # fmt: skip
"""What must differ for a run to be kept again; otherwise the first date and command stay."""


def collect(results: Path, entry: LeaderboardEntry, tasks: Sequence[str], kept: Path) -> int:
    """Keeps the compact form of every run under `results` that the entry names; returns the number that is new or
    changed. A run that is kept already with the same values stays as it is, first date and command included."""
    changed = 0
    for manifest in sorted(results.glob("*/*/manifest.json")):
        plan = read_json(manifest, "delete the folder and run again").get("plan")
        if not isinstance(plan, dict) or plan.get("task") not in tasks:
            continue
        run = StoredRun.of(read_run(manifest.parent))
        if not belongs_to(run, entry, tasks):
            continue
        path = kept / f"{run.task}-{run.model}-{run.arm}-{short(run.run_id)}.json"
        if path.is_file() and _is_kept(path, run):
            continue
        make_folder(kept)
        write_atomically(path, _one_line_a_measure(run.to_json()))
        changed += 1
    return changed


def _is_kept(path: Path, run: StoredRun) -> bool:
    """Whether the file holds this run, by this version."""
    try:
        kept = _read(path)
    except DataError:
        return False
    return all(getattr(kept, name) == getattr(run, name) for name in _COMPARED)


def _one_line_a_measure(document: JsonObject) -> str:
    """JSON that a diff can show: a line a key, a line a measure."""

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    measures = ",\n  ".join(f"{json.dumps(name)}: {line(values)}" for name, values in document.pop("measures").items())
    head = ",\n".join(f" {json.dumps(key)}: {line(value)}" for key, value in document.items())
    return f'{{\n{head},\n "measures": {{\n  {measures}\n }}\n}}\n'


def stored_runs(kept: Path, entry: LeaderboardEntry, tasks: Sequence[str]) -> list[StoredRun]:
    """The kept runs that the entry names today. Raises `DataError` for a file that is not one."""
    runs = [_read(path) for path in sorted(kept.glob("*.json"))]
    return [run for run in runs if belongs_to(run, entry, tasks)]


def _read(path: Path) -> StoredRun:
    return StoredRun.from_json(read_json(path, "delete it and run harness leaderboard again"), str(path))
