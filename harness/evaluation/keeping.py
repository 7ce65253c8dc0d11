"""What is kept on disk: run folders, and in the store and the cache what they are made of.

Nothing that a finished run needs is ever deleted. The store has on record which of its records a run was made of; what
is needed of the cache follows from the identities in the runs' manifests.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.digests import canonical
from harness.errors import DataError, UsageError
from harness.evaluation.folder import Run, read_run
from harness.files import JsonObject
from harness.store import Store

__all__ = ["DERIVED", "Holding", "RunFolder", "collect", "holdings", "run_folders"]

DERIVED = ("indexes", "chunks", "vectors", "weights")
"""Folders of the cache that can be made again from what a run's manifest names."""
_RECORDS = {
    "needed": "needed by a run",
    "gone": "of a run that is gone",
    "other": "of no run on record (audits, unfinished runs)",
}
_UNFINISHED_AFTER = 86_400  # seconds: a folder that is being built is not older


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder in which a run was written, or begun to be. `problem`: why it is not whole; "" for one that is."""

    path: Path
    size: int
    run: Run | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """Part of what is kept: so many items and bytes. `why`: whether it is needed. `paths` are what would be deleted;
    `records`: it is part of the store."""

    name: str
    why: str
    items: int
    size: int
    paths: Sequence[Path] = ()
    deletable: bool = False
    records: bool = False


def run_folders(results: Path) -> list[RunFolder]:
    """All below a folder of run folders, those included that are not whole."""
    found = []
    for folder in sorted(path for path in results.glob("*/*") if path.is_dir()):
        files = [path for path in folder.iterdir() if path.is_file()]
        if not any(path.name == "manifest.json" or path.name.startswith(("results_", "samples_")) for path in files):
            continue
        size = sum(path.stat().st_size for path in files)
        try:
            found.append(RunFolder(folder, size, read_run(folder)))
        except DataError as error:
            found.append(RunFolder(folder, size, None, error.problems[0]))
    return found


# ---- what there is --------------------------------------------------------------------------------------------------


def holdings(store: Store, cache: Path, results: Sequence[Path]) -> list[Holding]:
    """All that is kept, by whether a run in the folders of results needs it. Raises `UsageError` for a folder that is
    not there, and `DataError` for a run that cannot be read: what it needs could not be told."""
    runs = _finished(results)
    return [*_records(store, runs), *_derived(cache, runs), *_unfinished(cache), *_others(cache)]


def _finished(results: Sequence[Path]) -> list[Run]:
    runs = []
    for folder in results:
        if not folder.is_dir():
            raise UsageError(f"--results {folder}: there is no such folder; name the folders that hold your runs")
        for each in run_folders(folder):
            if each.run is not None:
                runs.append(each.run)
            elif (each.path / "manifest.json").is_file():  # one that was never finished is not on record either
                raise DataError(f"{each.path}: what it needs cannot be told; run its command again, or delete it")
    return runs


def _records(store: Store, runs: Sequence[Run]) -> Iterator[Holding]:
    needs = store.usage({run.id for run in runs})
    off_record = len({run.id for run in runs} - needs.on_record)
    for kind, counts in needs.counts.items():
        for is_of, why in _RECORDS.items():
            items, size = counts[is_of]
            yield Holding(f"store: {kind}", why, items, size, deletable=is_of == "gone", records=True)
    if off_record:
        yield Holding(
            "runs", "not on record in this store; repeat their commands before records are deleted", off_record, 0
        )


def _derived(cache: Path, runs: Sequence[Run]) -> Iterator[Holding]:
    needed = {canonical(part) for run in runs for part in _needed_parts(run.manifest["identities"])}
    for kind in DERIVED:
        sorted_out: dict[bool, list[Path]] = {True: [], False: []}
        for folder in sorted((cache / kind).glob("[!.]*")):
            sorted_out[_is_needed(folder, needed)].append(folder)
        for is_needed, why in ((True, "needed by a run"), (False, "needed by no run")):
            paths = sorted_out[is_needed]
            yield Holding(kind, why, len(paths), sum(map(_size, paths)), paths, deletable=not is_needed)


def _needed_parts(identities: JsonObject) -> Iterator[JsonObject]:
    """What the folders of the cache are made for: an index for the chunks and one ranking, also of a hybrid's parts."""
    yield from _parts(identities)
    retriever = identities["retriever"]
    for ranking in _parts(retriever.get("retriever", {})):
        yield {**retriever, "retriever": ranking}


def _parts(value: Any) -> Iterator[JsonObject]:
    """Every object within the identities of a run: each can be what something in the cache was made for."""
    if isinstance(value, Mapping):
        yield dict(value)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _parts(each)


def _is_needed(folder: Path, needed: Iterable[str]) -> bool:
    """By what it was made for; a folder that does not say so may be needed."""
    try:
        depends_on = json.loads((folder / "depends_on.json").read_text(encoding="utf-8"))
        made_for = {key: value for key, value in depends_on.items() if key not in ("format", "document")}
        return canonical(made_for) in needed or canonical(depends_on) in needed
    except (OSError, ValueError, AttributeError):
        return True


def _unfinished(cache: Path) -> Iterator[Holding]:
    before = time.time() - _UNFINISHED_AFTER
    paths = [path for path in sorted(cache.glob("*/.building-*")) if path.stat().st_mtime < before]
    yield Holding(
        "unfinished", "begun more than a day ago and never finished", len(paths), sum(map(_size, paths)), paths, True
    )


def _others(cache: Path) -> Iterator[Holding]:
    known = {*DERIVED}
    for path in sorted(cache.iterdir()):
        if path.is_dir() and path.name not in known:
            yield Holding(path.name, "kept", sum(1 for _ in path.iterdir()), _size(path))


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


# ---- deleting -------------------------------------------------------------------------------------------------------


def collect(store: Store, cache: Path, results: Sequence[Path], delete: Sequence[str]) -> list[Holding]:
    """Deletes what no run needs of these: "records" of runs that are gone, folders of `DERIVED`, "unfinished". Returns
    what was deleted. Raises `UsageError` where nothing says what is needed: no run at all, or, for records, a run that
    the store has nothing on record of."""
    runs = _finished(results)
    if not runs:
        raise UsageError(
            f"--delete: there is no finished run in {', '.join(map(str, results))}, so everything would go; name the "
            "folders that hold your runs (--results)"
        )
    found = holdings(store, cache, results)
    chosen = [each for each in found if each.deletable and each.items and _name(each) in delete]
    if "records" in delete:
        if any(each.name == "runs" for each in found):
            raise UsageError(
                "--delete records: the store does not know what some runs need (from before it was recorded, or of "
                "another store); repeat their commands, which computes nothing that is stored"
            )
        store.forget({run.id for run in runs})
    for each in chosen:
        for path in each.paths:
            if path.is_relative_to(cache):
                shutil.rmtree(path)
    return chosen


def _name(holding: Holding) -> str:
    return "records" if holding.records else holding.name
