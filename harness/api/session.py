"""What every function of the front door begins with: the entries that can be named, and what its parts share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.adapters.openai import Budget
from harness.build.resources import Resources
from harness.cache import cache_folder
from harness.entries.catalog import Catalog
from harness.errors import UsageError
from harness.evaluation.host import environment
from harness.interfaces import Progress
from harness.reports.progress import make_progress, no_progress
from harness.store import Store

__all__ = ["PathLike", "Session", "check_output", "checked_spec", "several"]

PathLike = str | Path
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Session:
    """One call of the front door."""

    catalog: Catalog
    resources: Resources

    @classmethod
    def open(cls, include_path: Sequence[PathLike], progress: bool, cost_limit: float | None = None) -> Session:
        """Raises `UsageError` for a folder without entries, a cache that cannot be made, a limit that is not above
        0."""
        if cost_limit is not None and cost_limit <= 0:
            raise UsageError(f"--cost_limit {cost_limit:g}: give a sum above 0")
        reporter = make_progress() if progress else no_progress()
        resources = Resources(cache=cache_folder(), progress=reporter, budget=Budget(cost_limit))
        return cls(Catalog([Path(path) for path in include_path]), resources)

    @property
    def progress(self) -> Progress:
        return self.resources.progress

    def open_store(self, path: PathLike | None) -> Store:
        """The store at the path; default: the cache's own."""
        return Store(Path(path) if path is not None else self.resources.cache / "store.sqlite", environment)


def several(value: object) -> list[Any]:
    """A list of what may be given alone: a name, a path, a dictionary, a number."""
    is_list = isinstance(value, Iterable) and not isinstance(value, str | Path | Mapping | BaseModel)
    return list(value) if is_list else [value]  # type: ignore[call-overload]


def checked_spec(kind: type[M], **fields: object) -> M:
    """A spec of the fields. Raises `UsageError` with a line for each that cannot be."""
    try:
        return kind(**fields)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')} (it is {e['input']!r})"
            for e in error.errors()
        ]
        raise UsageError(*dict.fromkeys(lines)) from error


def check_output(path: Path) -> None:
    """Raises `UsageError` when there is a file where the folder should be, or a folder that cannot be written to:
    before anything is computed."""
    there = next((folder for folder in (path, *path.parents) if folder.exists()), path)
    if not there.is_dir():
        raise UsageError(f"--output_path {path}: {there} is a file; name a folder")
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UsageError(f"--output_path {path}: {there} cannot be written to; name another folder")
