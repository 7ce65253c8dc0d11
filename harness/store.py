"""Everything expensive, computed once: a SQLite file of records under keys that cover all they depend on.

A record is `(kind, key) -> JSON`. What is in a key is decided where the record is made (`evaluate/stages.py`,
`scoring.py`) and written down in `docs/architecture.md`. The first record under a key stays: a later one is the same
thing computed again. WAL with one writer at a time; a batch of records is one transaction, so a killed run leaves whole
batches.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from harness.errors import HarnessError, one_line
from harness.files import parse_json

__all__ = ["Kind", "Store"]

Kind = Literal["passages", "prompts", "answers", "scores", "plans"]
_KINDS: tuple[Kind, ...] = ("passages", "prompts", "answers", "scores", "plans")
_FORMAT = 2
"""2: scores were called verdicts before; a store of format 1 is renamed in place when it is opened."""
_SLICE = 500  # keys a query; SQLite's limit of variables is higher everywhere


class Store:
    """One file; use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._prepare()
        except (sqlite3.DatabaseError, OSError) as error:
            raise HarnessError(f"{path}: cannot be used as a store ({error}); move it away, or pass --store") from error

    def _prepare(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, 1, _FORMAT):
            raise HarnessError(
                f"{self.path}: written by another version of the harness (format {version}); pass --store"
            )
        if version == 1:
            self._rename_verdicts()
        for kind in _KINDS:
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {kind} (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        self._connection.execute(f"PRAGMA user_version={_FORMAT}")

    def _rename_verdicts(self) -> None:
        """Two processes may open an old store at once: whoever comes second finds it done."""
        self._connection.execute("BEGIN IMMEDIATE")
        if self._connection.execute("PRAGMA user_version").fetchone() == (1,):
            self._connection.execute("ALTER TABLE verdicts RENAME TO scores")
            self._connection.execute(f"PRAGMA user_version={_FORMAT}")
        self._connection.execute("COMMIT")

    def get(self, kind: Kind, keys: Iterable[str]) -> dict[str, Any]:
        """The records that are there, by key."""
        distinct: Sequence[str] = list(dict.fromkeys(keys))
        records: dict[str, Any] = {}
        for first in range(0, len(distinct), _SLICE):
            part = distinct[first : first + _SLICE]
            slots = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT key, value FROM {kind} WHERE key IN ({slots})", part)
            for key, value in rows:
                try:
                    records[key] = parse_json(value)
                except (ValueError, TypeError) as error:  # TypeError: a value that is not text
                    raise self.damaged(kind, error) from error
        return records

    def damaged(self, kind: Kind, reason: object) -> HarnessError:
        """For a record that is not what its kind is."""
        return HarnessError(
            f"{self.path}: a record of {kind} is damaged ({one_line(reason, 200)}); move the store away, or pass "
            "--store, and what is missing is computed again"
        )

    def put(self, kind: Kind, records: Mapping[str, object]) -> None:
        """Adds records in one transaction."""
        rows = [(key, json.dumps(value, ensure_ascii=False, allow_nan=False)) for key, value in records.items()]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(f"INSERT OR IGNORE INTO {kind} VALUES (?, ?)", rows)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
