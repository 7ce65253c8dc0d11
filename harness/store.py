"""Everything expensive, computed once: a SQLite file of records under keys that cover all they depend on.

A record is `(kind, key) -> JSON`. What is in a key is decided where the record is made (`evaluate/stages.py`,
`scoring.py`) and written down in `docs/architecture.md`. The first record under a key stays: a later one is the same
thing computed again. WAL with one writer at a time; a batch of records is one transaction, so a killed run leaves whole
batches.

Each value ends with a seal, a digest of key and value: SQLite does not notice when bytes of a text change. A store that
is damaged is refused and not written to; `salvage` copies what can be read of it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from harness.errors import StoreError, UsageError

__all__ = ["Kind", "Store", "salvage"]

Kind = Literal["passages", "prompts", "answers", "scores", "plans"]
_KINDS: tuple[Kind, ...] = ("passages", "prompts", "answers", "scores", "plans")
_FORMAT = 3
"""2: scores were called verdicts before; a store of format 1 is renamed in place when it is opened. 3: values have
seals; those of earlier formats are read without."""
_LAST_ROW = 2**62
_PATIENCE = 5_000  # rows that are passed over one by one before the steps grow
_SLICE = 500  # keys a query; SQLite's limit of variables is higher everywhere


class Store:
    """One file; use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise _explained(path, error) from error
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise _explained(path, error) from error
        except StoreError:
            self.close()
            raise

    def _prepare(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in range(_FORMAT + 1):
            raise StoreError(f"{self.path}: written by another version of the harness (format {version}); pass --store")
        if version == 1:
            self._rename_verdicts()
        if version == _FORMAT:
            tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
            if missing := [kind for kind in _KINDS if kind not in tables]:
                raise _damaged(self.path, f"it has no table {missing[0]}")
        for kind in _KINDS:
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {kind} (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        # written even where it is so already: a store that cannot be written to is found before anything is computed
        self._connection.execute(f"PRAGMA user_version={_FORMAT}")

    def _rename_verdicts(self) -> None:
        """Two processes may open an old store at once: whoever comes second finds it done."""
        self._connection.execute("BEGIN IMMEDIATE")
        if self._connection.execute("PRAGMA user_version").fetchone() == (1,):
            self._connection.execute("ALTER TABLE verdicts RENAME TO scores")
            self._connection.execute("PRAGMA user_version=2")
        self._connection.execute("COMMIT")

    def get(self, kind: Kind, keys: Iterable[str]) -> dict[str, Any]:
        """The records that are there, by key. Raises `StoreError` for a damaged one."""
        distinct: Sequence[str] = list(dict.fromkeys(keys))
        records: dict[str, Any] = {}
        try:
            for first in range(0, len(distinct), _SLICE):
                part = distinct[first : first + _SLICE]
                slots = ",".join("?" * len(part))
                rows = self._connection.execute(f"SELECT key, value FROM {kind} WHERE key IN ({slots})", part)
                records.update((key, _opened(key, value)) for key, value in rows)
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error
        except ValueError as error:
            raise _damaged(self.path, f"in the table {kind}, {error}") from error
        return records

    def put(self, kind: Kind, records: Mapping[str, object]) -> None:
        """Adds records in one transaction."""
        rows = [(key, _sealed(key, value)) for key, value in records.items()]
        with self._transaction():
            self._connection.executemany(f"INSERT OR IGNORE INTO {kind} VALUES (?, ?)", rows)

    def remove(self, kind: Kind, keys: Iterable[str]) -> None:
        """Takes records out that do not count any more, in one transaction."""
        with self._transaction():
            self._connection.executemany(f"DELETE FROM {kind} WHERE key = ?", [(key,) for key in keys])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error
        finally:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def copy(self, kind: str, rows: Iterable[tuple[str, ...]]) -> int:
        """Adds rows of another store as they are; returns how many."""
        count = 0
        with self._transaction():
            for row in rows:
                slots = ",".join("?" * len(row))
                count += self._connection.execute(f"INSERT OR IGNORE INTO {kind} VALUES ({slots})", row).rowcount
        return count

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# ---- seals ----------------------------------------------------------------------------------------------------------


def _sealed(key: str, value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return f"{text}\n{_seal(key, text)}"


def _seal(key: str, text: str) -> str:
    return hashlib.blake2b(f"{key}\n{text}".encode(), digest_size=8).hexdigest()


def _opened(key: object, stored: object) -> Any:
    """The value; JSON has no line end, so what follows one is the seal. Raises `ValueError` for what is damaged."""
    if not isinstance(key, str) or not isinstance(stored, str):
        raise ValueError(f"the record {key!r} is no text")
    text, is_sealed, seal = stored.partition("\n")
    if is_sealed and seal != _seal(key, text):
        raise ValueError(f"the record {key} is not what was stored")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the record {key} is not what was stored") from error


def _is_whole(key: object, stored: object) -> bool:
    try:
        _opened(key, stored)
    except ValueError:
        return False
    return True


# ---- faults ---------------------------------------------------------------------------------------------------------


def _explained(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    if isinstance(error, sqlite3.ProgrammingError):
        raise error  # a bug of ours
    name = getattr(error, "sqlite_errorname", "")
    if isinstance(error, OSError) or name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        remedy = "pass --store with a file in a folder that you can write to"
    elif name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        remedy = "make room on its disk and run the same command again; what was stored before is kept"
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        remedy = "another process has been writing to it for a minute: run the same command again when it has finished"
    else:
        return _damaged(path, str(error))
    return StoreError(f"{path}: cannot be used as a store ({error}); {remedy}")


def _damaged(path: Path, fault: str) -> StoreError:
    return StoreError(
        f"{path}: cannot be used as a store: it is damaged ({fault}); nothing more is written to it; copy what can be "
        f"read of it (harness salvage {path} NEW.sqlite, then --store NEW.sqlite), or move it away with its -wal file"
    )


def salvage(path: Path, to: Path) -> dict[str, int]:
    """Copies every record that is whole from a damaged store into a new one; returns how many, by kind. Raises
    `StoreError` where nothing can be read, `UsageError` where `to` exists."""
    if to.exists():
        raise UsageError(f"{to}: already exists; name a new file")
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file")
    damaged = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    copied: dict[str, int] = dict.fromkeys(_KINDS, 0)
    try:
        damaged.execute("PRAGMA schema_version").fetchone()
        with Store(to) as whole:
            for kind in copied:
                copied[kind] = whole.copy(kind, _readable(damaged, kind))
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: cannot be read at all ({error}); try sqlite3's own `.recover`, or move it away"
        ) from error
    finally:
        damaged.close()
    return copied


def _readable(damaged: sqlite3.Connection, table: str) -> Iterator[tuple[str, ...]]:
    """The whole rows of a table, in the order in which they were stored, past all that cannot be read."""
    last, step, failures = -1, 1, 0
    while last < _LAST_ROW:
        try:
            rows = damaged.execute(f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid", (last,))
            for number, *row in rows:
                if number <= last:
                    raise sqlite3.DatabaseError("its pages point to one another in a circle")
                last, step, failures = number, 1, 0
                if _is_whole(*row[:2]):
                    yield tuple(row)
            return
        except sqlite3.Error:
            failures += 1
            step = step * 2 if failures > _PATIENCE else 1
            last += step
