"""Everything expensive, computed once: a SQLite file of records under keys that cover all they depend on.

A record is `(kind, key) -> JSON`. What is in a key is decided where the record is made (`evaluation/stages.py`,
`scoring.py`) and written down in `docs/architecture.md`. The first record under a key stays: a later one is the same
thing computed again. WAL with one writer at a time; a batch of records is one transaction, so a killed run leaves whole
batches. Each record carries the environment that computed it, and each run is on record with what it needs. Each value
ends with a seal; a store that is damaged is refused and not written to.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple

from harness.digests import canonical
from harness.errors import StoreError, one_line
from harness.store.faults import damaged, explained
from harness.store.seals import opened, sealed

__all__ = ["KINDS", "UNKNOWN", "Environment", "Kind", "Needs", "Store", "Usage", "unknown_environment"]

Kind = Literal["passages", "prompts", "answers", "scores", "plans"]
KINDS: tuple[Kind, ...] = ("passages", "prompts", "answers", "scores", "plans")
_STORED: tuple[Kind, ...] = ("passages", "prompts", "answers", "scores")
"""Kinds that are large; a plan is a number, and stays."""
_FORMAT = 3
"""2: scores were called verdicts before. 3: records have an environment and a seal, and runs are on record. A store of
an older format is migrated in place when it is opened."""
_SLICE = 500  # keys a query; SQLite's limit of variables is higher everywhere
UNKNOWN = 0  # id of the environment of records that were stored before it was recorded

Environment = Mapping[str, Any]
"""What computed a record: versions, platform, processor, device (`evaluation/host.py`)."""
Needs = Mapping[Kind, Iterable[int]]
"""The records that something was made of: the first 64 bits of their keys, by kind."""


class Usage(NamedTuple):
    """By kind of record, and by whether they are `needed` by a run that is there, by one that is `gone`, or by none on
    record (`other`): how many, and how many bytes. `on_record`: the runs of which it is known."""

    counts: Mapping[str, Mapping[str, tuple[int, int]]]
    on_record: set[str]


def unknown_environment() -> Environment:
    """Of records that nobody says more of."""
    return {}


class Store:
    """One file; use it as a context manager. `environment` is asked at each batch that is stored: what computed it."""

    def __init__(self, path: Path, environment: Callable[[], Environment] = unknown_environment) -> None:
        self.path = path
        self._environment = environment
        self._environment_ids: dict[str, int] = {}
        self._noted: dict[Kind, array[int]] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise explained(path, error) from error
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise explained(path, error) from error
        except StoreError:
            self.close()
            raise

    def _prepare(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in range(_FORMAT + 1):
            raise StoreError(f"{self.path}: written by another version of the harness (format {version}); pass --store")
        if version != _FORMAT:
            self._migrate()
            return
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        if missing := [name for name in (*KINDS, "environments", "runs") if name not in tables]:
            raise damaged(self.path, f"it has no table {missing[0]}")
        # written although it is so already: a store that cannot be written to is found before anything is computed
        self._connection.execute(f"PRAGMA user_version={_FORMAT}")

    def _migrate(self) -> None:
        """To the format of today, from none on. Two processes may open a store at once: whoever comes second finds it
        done."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version == 1:
            execute("ALTER TABLE verdicts RENAME TO scores")
        if version in (1, 2):
            for kind in KINDS:
                execute(f"ALTER TABLE {kind} ADD COLUMN environment INTEGER NOT NULL DEFAULT {UNKNOWN}")
        if version != _FORMAT:
            for kind in KINDS:
                execute(
                    f"CREATE TABLE IF NOT EXISTS {kind} (key TEXT PRIMARY KEY, value TEXT NOT NULL, "
                    f"environment INTEGER NOT NULL DEFAULT {UNKNOWN})"
                )
            execute("CREATE TABLE IF NOT EXISTS environments (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE)")
            execute("CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, needs BLOB NOT NULL)")
            execute(f"PRAGMA user_version={_FORMAT}")
        execute("COMMIT")

    def get(self, kind: Kind, keys: Iterable[str]) -> dict[str, Any]:
        """The records that are there, by key. Raises `StoreError` for a damaged one."""
        distinct: Sequence[str] = list(dict.fromkeys(keys))
        if self._noted is not None:
            self._noted.setdefault(kind, array("Q")).extend(map(_bits, distinct))
        records: dict[str, Any] = {}
        try:
            for first in range(0, len(distinct), _SLICE):
                part = distinct[first : first + _SLICE]
                slots = ",".join("?" * len(part))
                rows = self._connection.execute(f"SELECT key, value FROM {kind} WHERE key IN ({slots})", part)
                records.update((key, opened(key, value)) for key, value in rows)
        except sqlite3.Error as error:
            raise explained(self.path, error) from error
        except ValueError as error:
            raise damaged(self.path, f"in the table {kind}, {one_line(error, 200)}") from error
        return records

    def damaged(self, kind: Kind, reason: object) -> StoreError:
        """For a record that is not what its kind is."""
        return damaged(self.path, f"a record of {kind}: {one_line(reason, 200)}")

    def put(self, kind: Kind, records: Mapping[str, object]) -> None:
        """Adds records in one transaction. Raises `StoreError` when they cannot be stored."""
        rows = [(key, sealed(key, value)) for key, value in records.items()]
        environment = canonical(self._environment())
        try:
            with self._transaction():
                number = self._number_of(environment)
                self._connection.executemany(
                    f"INSERT OR IGNORE INTO {kind} VALUES (?, ?, ?)", [(*row, number) for row in rows]
                )
        except BaseException:
            self._environment_ids.clear()  # their rows are rolled back with the records
            raise

    def remove(self, kind: Kind, keys: Iterable[str]) -> None:
        """Takes records out that do not count any more, in one transaction."""
        with self._transaction():
            self._connection.executemany(f"DELETE FROM {kind} WHERE key = ?", [(key,) for key in keys])

    def copy(self, table: str, rows: Iterable[tuple[object, ...]]) -> int:
        """Adds rows of another store as they are; returns how many."""
        count = 0
        with self._transaction():
            for row in rows:
                slots = ",".join("?" * len(row))
                count += self._connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({slots})", row).rowcount
        return count

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise explained(self.path, error) from error
        finally:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def _number_of(self, environment: str) -> int:
        """The environment's id in this store, within a transaction."""
        if environment == "{}":
            return UNKNOWN
        if environment not in self._environment_ids:
            self._connection.execute("INSERT OR IGNORE INTO environments (value) VALUES (?)", (environment,))
            query = "SELECT id FROM environments WHERE value = ?"
            ((number,),) = self._connection.execute(query, (environment,))
            self._environment_ids[environment] = number
        return self._environment_ids[environment]

    # ---- what records are of ----------------------------------------------------------------------------------------

    def environments(self, kind: Kind, keys: Iterable[str]) -> dict[str, int]:
        """How many of the records each environment computed, by its canonical JSON; `{}` is unknown."""
        distinct, counts = list(dict.fromkeys(keys)), Counter[str]()
        for first in range(0, len(distinct), _SLICE):
            part = distinct[first : first + _SLICE]
            rows = self._connection.execute(
                f"SELECT coalesce(e.value, '{{}}'), count(*) FROM {kind} r LEFT JOIN environments e "
                f"ON e.id = r.environment WHERE r.key IN ({','.join('?' * len(part))}) GROUP BY r.environment",
                part,
            )
            counts.update(dict(rows.fetchall()))
        return dict(counts)

    @contextmanager
    def noting(self) -> Iterator[dict[Kind, array[int]]]:
        """What is asked for meanwhile, as `Needs`."""
        before, self._noted = self._noted, {}
        noted = self._noted
        try:
            yield noted
        finally:
            self._noted = before
            if before is not None:
                for kind, bits in noted.items():
                    before.setdefault(kind, array("Q")).extend(bits)

    def remember(self, run_id: str, *needs: Needs) -> None:
        """Puts on record what a run was made of."""
        together: dict[str, set[int]] = {}
        for each in needs:
            for kind, bits in each.items():
                together.setdefault(kind, set()).update(bits)
        packed = zlib.compress(json.dumps({kind: sorted(bits) for kind, bits in together.items()}).encode())
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (run_id, packed))

    def usage(self, present: Collection[str]) -> Usage:
        """What runs need of the records; `present` are the ids of the runs that are still there."""
        needed, gone, on_record = self._needs(present)
        counts: dict[str, dict[str, tuple[int, int]]] = {}
        for kind in _STORED:
            items, sizes = Counter[str](), Counter[str]()
            query = f"SELECT key, length(CAST(value AS BLOB)) + length(key) FROM {kind}"
            for key, size in self._connection.execute(query):
                bits = _bits(key)
                is_of = "needed" if bits in needed[kind] else "gone" if bits in gone[kind] else "other"
                items[is_of] += 1
                sizes[is_of] += size
            counts[kind] = {is_of: (items[is_of], sizes[is_of]) for is_of in ("needed", "gone", "other")}
        return Usage(counts, on_record)

    def forget(self, present: Collection[str]) -> None:
        """Deletes the records that were needed by runs which are gone, and by none that is there; then gives the space
        back to the disk."""
        needed, gone, on_record = self._needs(present)
        with self._transaction():
            for kind in _STORED:
                keys = [(key,) for (key,) in self._connection.execute(f"SELECT key FROM {kind}")]
                loose = gone[kind] - needed[kind]
                self._connection.executemany(
                    f"DELETE FROM {kind} WHERE key = ?", [key for key in keys if _bits(key[0]) in loose]
                )
            absent = [(run,) for run in on_record - set(present)]
            self._connection.executemany("DELETE FROM runs WHERE id = ?", absent)
        try:
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"{self.path}: the records are deleted, but the file is as large as before ({error}); repeat the "
                "command when no other process uses the store"
            ) from error

    def _needs(self, present: Collection[str]) -> tuple[dict[Kind, set[int]], dict[Kind, set[int]], set[str]]:
        """(needed by runs that are there, by others, the runs on record)."""
        needed: dict[Kind, set[int]] = {kind: set() for kind in KINDS}
        gone: dict[Kind, set[int]] = {kind: set() for kind in KINDS}
        on_record = set()
        for run_id, packed in self._connection.execute("SELECT id, needs FROM runs"):
            on_record.add(run_id)
            for kind, bits in json.loads(zlib.decompress(packed)).items():
                (needed if run_id in present else gone)[kind].update(bits)
        return needed, gone, on_record

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _bits(key: str) -> int:
    """The first 64 bits of a key, which is a digest: two of a store's are the same by chance once in 10^7 stores of a
    million records, and then a record is kept that could go."""
    return int(key[:16], 16)
