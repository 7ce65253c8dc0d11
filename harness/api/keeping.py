"""What is kept: run folders, and what the store and the cache hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.api.session import PathLike, Session, several
from harness.errors import UsageError
from harness.evaluation.keeping import DERIVED, Holding, RunFolder, collect, holdings, run_folders

__all__ = ["DELETABLE", "Kept", "clean", "list_runs"]

DELETABLE = ("records", *DERIVED, "unfinished")


class Kept(NamedTuple):
    """`holdings` is what there is; `deleted` what was, or with `dry_run` would be, deleted of it."""

    holdings: Sequence[Holding]
    deleted: Sequence[Holding]


def list_runs(results: PathLike = "results") -> list[RunFolder]:
    """The run folders below a folder, those included that are not whole."""
    folder = Path(results)
    if not folder.is_dir():
        raise UsageError(f"--output_path {folder}: there is no such folder; name one that holds run folders")
    return run_folders(folder)


def clean(
    *,
    results: PathLike | Sequence[PathLike] = "results",
    store: PathLike | None = None,
    delete: Sequence[str] = (),
    dry_run: bool = False,
) -> Kept:
    """What store and cache hold and which of it no run in the folders of results needs. Only what `delete` names goes
    (of `DELETABLE`), and nothing that a run needs."""
    if unknown := set(delete) - set(DELETABLE):
        raise UsageError(f"--delete {', '.join(sorted(unknown))}: it can be {', '.join(DELETABLE)}")
    folders = [Path(each) for each in several(results)]
    session = Session.open((), progress=False)
    with session.open_store(store) as opened:
        cache = session.resources.cache
        found = holdings(opened, cache, folders)
        named = [each for each in found if each.deletable and each.items]
        chosen = [each for each in named if ("records" if each.records else each.name) in delete]
        if not delete or dry_run:
            return Kept(found, chosen)
        return Kept(found, collect(opened, cache, folders, delete))
