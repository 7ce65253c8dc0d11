"""Runs as a leaderboard keeps them, in `results/NAME/*.json` beside its entry: item ids and values, no text of the data
set, so that anyone can regenerate the page from a checkout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from harness.digests import digest_of, short
from harness.entries.leaderboard import LeaderboardEntry
from harness.errors import DataError
from harness.evaluation.folder import Run, read_run
from harness.files import JsonObject, read_json, write_atomically

__all__ = ["StoredRun", "collect", "stored_runs"]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What a leaderboard needs of a run: who, on what, and one value an item and measure. `original`: questions that
    the task has, of which the first were taken."""

    run_id: str
    task: str
    task_version: float
    model: str
    model_id: str
    arm: str
    judge: str
    judge_id: str
    judge_is_broken: bool
    criteria: Sequence[str]
    original: int
    command: str
    date: str
    commit: str | None
    versions: Mapping[str, str]
    items: Sequence[str]
    clusters: Sequence[str]
    measures: Mapping[str, Sequence[float | None]]
    judge_repeats: int | None = None
    """None in results that were stored before it was recorded."""

    @classmethod
    def of(cls, run: Run) -> StoredRun:
        """Raises `DataError` when the run's samples cannot be read."""
        names = list(dict.fromkeys(name for row in run.rows for name in row["metrics"]))
        manifest = run.manifest
        return cls(
            run_id=run.id,
            task=run.task,
            task_version=run.plan.version,
            model=run.model,
            model_id=run.model_id,
            arm=run.plan.arm.value,
            judge=run.judge,
            judge_id=run.judge_id,
            judge_is_broken=run.judge_is_broken,
            judge_repeats=run.judge_repeats,
            criteria=list(run.criteria),
            original=run.available,
            command=manifest["command"],
            date=manifest["date"],
            commit=manifest["commit"],
            versions=manifest["versions"],
            items=[row["question_id"] for row in run.rows],
            clusters=[row["cluster"] for row in run.rows],
            measures={name: [_rounded(row.get(name)) for row in run.rows] for name in names},
        )

    @property
    def item_set(self) -> str:
        """The same for two runs over the same items."""
        return digest_of(sorted(self.items))

    def values(self, name: str) -> tuple[list[float], list[str]]:
        """Values that are there, and their clusters."""
        pairs = [(v, c) for v, c in zip(self.measures.get(name, ()), self.clusters, strict=False) if v is not None]
        return [value for value, _ in pairs], [cluster for _, cluster in pairs]

    def belongs_to(self, entry: LeaderboardEntry, tasks: Sequence[str]) -> bool:
        """Whether the entry, its tasks expanded, names this run."""
        listed = self.model in entry.models and self.arm in entry.arms and self.judge == entry.judge
        return listed and self.task in tasks


_COMPARED = ("measures", "items", "clusters", "judge_is_broken", "judge_repeats")
"""What must differ for a run to be kept again; otherwise the first date and command stay."""


def _rounded(value: float | None) -> float | None:
    """Six decimals: what a table of two decimals is made of, without the noise of the last bits."""
    return None if value is None else round(value, 6)


def collect(results: Path, entry: LeaderboardEntry, tasks: Sequence[str], kept: Path) -> int:
    """Keeps the compact form of every run under `results` that the entry names; returns the number that is new or
    changed. A run that is kept already with the same values stays as it is, first date and command included."""
    changed = 0
    for manifest in sorted(results.glob("*/*/manifest.json")):
        if read_json(manifest, "delete the folder and run again").get("plan", {}).get("task") not in tasks:
            continue
        run = StoredRun.of(read_run(manifest.parent))
        if not run.belongs_to(entry, tasks):
            continue
        path = kept / f"{run.task}-{run.model}-{run.arm}-{short(run.run_id)}.json"
        if path.is_file() and all(getattr(_read(path), name) == getattr(run, name) for name in _COMPARED):
            continue
        kept.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _one_line_a_measure(asdict(run)))
        changed += 1
    return changed


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
    return [run for run in runs if run.belongs_to(entry, tasks)]


def _read(path: Path) -> StoredRun:
    """Results that were stored when the measure `loops` was called `repeats` are read under its name of today."""
    remedy = "delete it and run harness leaderboard again"
    values = read_json(path, remedy)
    known = {field.name for field in fields(StoredRun)}
    if set(values) - known or (known - set(values)) - {"judge_repeats"}:
        raise DataError(f"{path}: does not have the keys of a stored run; {remedy}")
    measures = {("loops" if name == "repeats" else name): row for name, row in values["measures"].items()}
    return StoredRun(**{**values, "measures": measures})
