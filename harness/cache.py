"""Where derived files are, and how they are made once, under a key that covers everything they depend on.

`$HARNESS_CACHE`, else `$XDG_CACHE_HOME/harness`, else `~/.cache/harness`. Safe to delete: everything in it but the
store of answers is made again when needed, and the store only costs the work again.

A folder is built beside its place and renamed into it, so a folder that is there is whole; two processes that build
the same one both succeed and one of the two copies stays.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.digests import digest_of, digest_of_file
from harness.errors import UsageError

__all__ = ["build_once", "cache_folder", "remembered_digest"]


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


def remembered_digest(file: Path, cache: Path) -> str:
    """SHA-256 of a large file, remembered by its path, size and times, so that 15 GB are read once."""
    status = file.resolve().stat()
    note = (
        cache
        / "digests"
        / digest_of([str(file.resolve()), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns])[:32]
    )
    if note.is_file():
        return note.read_text(encoding="ascii")
    digest = digest_of_file(file)
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_suffix(f".{os.getpid()}")
    part.write_text(digest, encoding="ascii")
    part.replace(note)
    return digest


def build_once(cache: Path, kind: str, depends_on: Mapping[str, object], build: Callable[[Path], None]) -> Path:
    """The folder `cache/kind/<digest>`, made by `build(folder)` when it is not there yet."""
    target = cache / kind / digest_of(depends_on)[:32]
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    work_dir = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        build(work_dir)
        (work_dir / "depends_on.json").write_text(json.dumps(depends_on, indent=1, sort_keys=True), encoding="utf-8")
        try:
            os.rename(work_dir, target)
        except OSError:  # somebody else was first
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
    return target
