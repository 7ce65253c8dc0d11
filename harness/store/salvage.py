"""What can be read of a damaged store, copied into a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import StoreError, UsageError
from harness.store.seals import is_whole
from harness.store.store import KINDS, UNKNOWN, Store

__all__ = ["salvage"]

_LAST_ROW = 2**62
_PATIENCE = 5_000  # rows that are passed over one by one before the steps grow

Row = tuple[object, ...]


def salvage(path: Path, to: Path) -> dict[str, int]:
    """Copies every record that is whole from a damaged store into a new one; returns how many, by kind. Raises
    `StoreError` where nothing can be read, `UsageError` where `to` exists."""
    if to.exists():
        raise UsageError(f"{to}: already exists; name a new file")
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    copied: dict[str, int] = dict.fromkeys(KINDS, 0)
    try:
        source.execute("PRAGMA schema_version").fetchone()
        with Store(to) as whole:
            whole.copy("environments", _readable(source, "environments", lambda row: row))
            whole.copy("runs", _readable(source, "runs", lambda row: row))
            for kind in copied:
                copied[kind] = whole.copy(kind, _readable(source, kind, _record))
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: cannot be read at all ({error}); try sqlite3's own `.recover`, or move it away"
        ) from error
    finally:
        source.close()
    return copied


def _record(row: Row) -> Row | None:
    """With an environment, which stores of old did not have; None for a record that is damaged."""
    return (*row, UNKNOWN)[:3] if is_whole(*row[:2]) else None


def _readable(source: sqlite3.Connection, table: str, checked: Callable[[Row], Row | None]) -> Iterator[Row]:
    """The whole rows of a table, in the order in which they were stored, past all that cannot be read."""
    last, step, failures = -1, 1, 0
    while last < _LAST_ROW:
        try:
            rows = source.execute(f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid", (last,))
            for number, *row in rows:
                if number <= last:
                    raise sqlite3.DatabaseError("its pages point to one another in a circle")
                last, step, failures = number, 1, 0
                if (whole := checked(tuple(row))) is not None:
                    yield whole
            return
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return
            failures, step, last = _passed_over(failures, step, last)
        except sqlite3.Error:
            failures, step, last = _passed_over(failures, step, last)


def _passed_over(failures: int, step: int, last: int) -> tuple[int, int, int]:
    failures += 1
    step = step * 2 if failures > _PATIENCE else 1
    return failures, step, last + step
