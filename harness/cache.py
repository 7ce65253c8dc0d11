"""Where derived files are, and how they are made once, under a key that covers everything they depend on.

`$HARNESS_CACHE`, else `$XDG_CACHE_HOME/harness`, else `~/.cache/harness`. Safe to delete: everything in it but the
store of answers is made again when needed, and the store only costs the work again.

A folder is built beside its place, written to the disk and renamed into it; two processes that build the same one both
succeed and one of the two copies stays. Beside its files is `MANIFEST` with their sizes and SHA-256: whenever a
folder is opened, its files are compared with it, and it is made again if they are others. A large file is not read
for that again while its path, inode, size and times are those with which it was read before.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from harness.digests import digest_of, digest_of_file
from harness.errors import HarnessError, StorageError, UsageError, is_full_disk
from harness.files import JsonObject, make_folder, parse_json, sync, unique_part

__all__ = ["Derived", "build_once", "cache_folder", "remember", "remembered_digest"]

_LIST = "MANIFEST"  # JSON, but no *.json, which are a model's files in a folder of weights
_REMEDY = "make room, or set HARNESS_CACHE to a folder that you can write to"
_YOUNG = 100_000_000  # ns; a file that was written so lately may be written again within the same tick of its times
_PLACES = 5  # attempts to put a folder into its place while others do the same
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The cache's root, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("HARNESS_CACHE") or Path(base) / "harness")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cache folder {folder}: {error.strerror}; set HARNESS_CACHE to a folder that you can write to"
        ) from error
    return folder


# ---- digests of files -----------------------------------------------------------------------------------------------


def remember(note: Path, text: str) -> None:
    """Writes a note that only saves time: where it cannot be written, the next command does the same work again."""
    part = unique_part(note)
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(note)
    with suppress(OSError):
        part.unlink(missing_ok=True)


def remembered_digest(file: Path, cache: Path) -> str:
    """SHA-256 of a large file, remembered by its path, inode, size and times, so that 15 GB are read once."""
    status = file.resolve().stat()
    note = _note_of(file, status, cache)
    with suppress(OSError, ValueError):
        digest, check = note.read_text(encoding="ascii").split()
        if check == _check(note, digest):
            return digest
    digest = digest_of_file(file)
    _remember_digest(note, status, digest)
    return digest


def _note_of(file: Path, status: os.stat_result, cache: Path) -> Path:
    stamp = [str(file.resolve()), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return cache / "digests" / digest_of(stamp)[:32]


def _remember_digest(note: Path, status: os.stat_result, digest: str) -> None:
    if not 0 <= time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _YOUNG:
        remember(note, f"{digest} {_check(note, digest)}")


def _check(note: Path, digest: str) -> str:
    """A note that was damaged does not have it."""
    return digest_of([note.name, digest])[:16]


# ---- folders --------------------------------------------------------------------------------------------------------


def build_once(cache: Path, kind: str, depends_on: Mapping[str, object], build: Callable[[Path], None]) -> Path:
    """The folder `cache/kind/<digest>`, made by `build(folder)` when it is not there whole."""
    return Derived(cache, kind, depends_on, build).folder()


class Derived:
    """The folder `cache/kind/<digest of what it depends on>`, which `build(folder)` fills. Nothing happens before it is
    asked for."""

    def __init__(self, cache: Path, kind: str, depends_on: Mapping[str, object], build: Callable[[Path], None]) -> None:
        self._cache, self._depends_on, self._build = cache, depends_on, build
        self._name = f"{kind}/{digest_of(depends_on)[:32]}"
        self._path = cache / self._name
        self._opened = False

    def folder(self) -> Path:
        """The folder with the files that were written into it, made where it is not there. Raises `StorageError`."""
        there = os.path.lexists(self._path)
        fault = self._fault() if there else "is not there"
        if there and fault:
            _log.warning("%s: %s; it is made again", self._path, fault)
        if fault:
            self._make()
        self._opened = True
        return self._path

    def contents(self) -> dict[str, str]:
        """The folder's name in the cache and the digest of its files, where it is there and whole; else nothing. Raises
        `StorageError` if it was opened whole and is not any more."""
        fault = self._fault()
        if fault is None:
            return {self._name: digest_of(self._listed())[:32]}
        if self._opened:
            raise StorageError(
                f"{self._path}: {fault}, since it was opened; what was read of it is not kept; run the same command "
                "again: it is made anew"
            )
        return {}

    def _listed(self) -> dict[str, JsonObject]:
        """Sizes and digests as they were written."""
        note = parse_json((self._path / _LIST).read_text(encoding="utf-8"))
        listed: dict[str, JsonObject] = note["files"]
        if note["digest"] != digest_of(listed):
            raise ValueError("it is damaged")
        return listed

    def _fault(self) -> str | None:
        """What is wrong with the folder; None: it holds what was written."""
        if not (self._path / _LIST).is_file():
            return f"has no {_LIST}, so it is not whole or of an earlier version"
        try:
            listed = self._listed()
        except (OSError, ValueError, LookupError, TypeError) as error:
            return f"{_LIST} cannot be read ({error})"
        for name, written in listed.items():
            try:
                file = self._path / name
                if (size := file.stat().st_size) != written["bytes"]:
                    return f"{name} has {size:,} of {written['bytes']:,} bytes"
                if remembered_digest(file, self._cache) != written["sha256"]:
                    return f"{name} is not what was written (its SHA-256 is another)"
            except OSError as error:
                return f"{name} cannot be read ({error.strerror})"
        return None

    def _make(self) -> None:
        make_folder(self._path.parent, _REMEDY)
        work_dir = self._path.with_name(f".building-{unique_part(self._path).name}")
        try:
            work_dir.mkdir()
            self._build(work_dir)
            text = json.dumps(self._depends_on, indent=1, sort_keys=True)
            (work_dir / "depends_on.json").write_text(text, encoding="utf-8")
            written = _written(work_dir)
            self._place(work_dir)
        except HarnessError:
            raise
        except Exception as error:
            if not isinstance(error, OSError) and not is_full_disk(error):
                raise
            raise StorageError.of(self._path, error, _REMEDY) from error
        finally:
            shutil.rmtree(work_dir, ignore_errors=True)
        for name, (status, digest) in written.items():  # so that it is not read again when it is next opened
            _remember_digest(_note_of(self._path / name, status, self._cache), status, digest)

    def _place(self, work_dir: Path) -> None:
        """Into its place, unless somebody else was first; what is damaged there makes room."""
        for attempt in range(_PLACES):
            try:
                os.rename(work_dir, self._path)
                sync(self._path.parent)
                return
            except OSError:
                if not os.path.lexists(self._path) and attempt == _PLACES - 1:
                    raise
            if self._fault() is None:
                return
            aside = unique_part(self._path)
            with suppress(FileNotFoundError):
                os.rename(self._path, aside)
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(OSError):
                aside.unlink(missing_ok=True)
        raise StorageError(f"{self._path}: others replace it all the time; run the same command again")


def _written(folder: Path) -> dict[str, tuple[os.stat_result, str]]:
    """Status and digest of each file by name, all of them on the disk and listed in `MANIFEST`."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
            files[str(path.relative_to(folder))] = path.stat(), hashlib.file_digest(stream, "sha256").hexdigest()
    listed = {name: {"bytes": status.st_size, "sha256": digest} for name, (status, digest) in files.items()}
    note = {"digest": digest_of(listed), "files": listed}
    (folder / _LIST).write_text(json.dumps(note, indent=1, sort_keys=True), encoding="utf-8")
    for path in (folder / _LIST, *(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync(path)
    return files
