"""What is wrong with a store, in a line that says what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness.errors import StoreError

__all__ = ["damaged", "explained"]


def explained(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    """For an error of SQLite's or of the disk. Raises the error itself where it is a bug of ours."""
    if isinstance(error, sqlite3.ProgrammingError):
        raise error
    name = getattr(error, "sqlite_errorname", "")
    if isinstance(error, OSError) or name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        remedy = "pass --store with a file in a folder that you can write to"
    elif name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        remedy = "make room on its disk and run the same command again; what was stored before is kept"
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        remedy = "another process has been writing to it for a minute: run the same command again when it has finished"
    else:
        return damaged(path, str(error))
    return StoreError(f"{path}: cannot be used as a store ({error}); {remedy}")


def damaged(path: Path, fault: str) -> StoreError:
    """For a store in which something is not what was stored."""
    return StoreError(
        f"{path}: cannot be used as a store: it is damaged ({fault}); nothing more is written to it; copy what can be "
        f"read of it (harness salvage {path} NEW.sqlite, then --store NEW.sqlite), or move it away with its -wal file"
    )
