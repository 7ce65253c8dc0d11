"""What a user can put right, as a tree. A bug is none of these and keeps its traceback.

HarnessError              shown as one line a problem, exit code 2
├── EntryError            a YAML entry has something that cannot be used
├── UnknownEntry          a name that no entry has; names the near ones
├── DataError             a data pack or a data set is broken: file, line, what
├── MissingPart           a package, weights file or checkpoint is missing; names what to install
├── CheckpointMismatch    a LoRA checkpoint was trained on another base; names both
├── StorageError          a file cannot be written or read: no room, no permission, damaged
│   └── StoreError        the same of the store, on which all runs of a command depend
└── UsageError            a flag's value cannot be used
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = [
    "CheckpointMismatch",
    "DataError",
    "EntryError",
    "HarnessError",
    "MissingPart",
    "StorageError",
    "StoreError",
    "UnknownEntry",
    "UsageError",
    "is_full_disk",
    "near_names",
    "one_line",
]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class HarnessError(Exception):
    """Something the user can put right. `problems` holds one line for each thing that is wrong."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: tuple[str, ...] = problems


class EntryError(HarnessError):
    """`file: key: what is wrong; what to do`, one line for each mistake of the file."""


class UnknownEntry(HarnessError):
    """No entry has that name."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownEntry:
        names = sorted(known)
        return cls(f"no {kind} named {name!r}{near_names(name, names)}; `harness list {kind}s` shows all {len(names)}")


class DataError(HarnessError):
    """`file:line: what is wrong; what to do`, one line for each, the first few of many."""

    SHOWN = 20

    @classmethod
    def of(cls, problems: Sequence[str]) -> DataError:
        """All problems where they are few, else the first `SHOWN` and a count of the rest."""
        listed = list(problems[: cls.SHOWN])
        if len(problems) > cls.SHOWN:
            listed.append(f"… and {len(problems) - cls.SHOWN} more of the kind")
        return cls(*listed)


class MissingPart(HarnessError):
    """A package, a file of weights or a checkpoint is not there."""


class CheckpointMismatch(HarnessError):
    """A LoRA checkpoint belongs to another base than the entry says."""


class StorageError(HarnessError):
    """A file or folder cannot be written or read."""

    @classmethod
    def of(cls, path: Path, error: Exception, remedy: str | None = None) -> StorageError:
        """Of what could not be written; `remedy` None: by the kind of error."""
        number = error.errno if isinstance(error, OSError) else None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if remedy is None and (is_full_disk(error) or number is None):
            remedy = "make room and run the same command again"
        elif remedy is None and number in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "name a folder that you can write to"
        elif remedy is None:
            remedy = "put it right, or name another folder"
        return cls(f"{path}: cannot be written ({reason}); what was there before is kept; {remedy}")


class StoreError(StorageError):
    """The store cannot be written or read."""


class UsageError(HarnessError):
    """A flag's value cannot be used."""


def is_full_disk(error: Exception) -> bool:
    """Whether a file could not be written for want of room. safetensors, torch and faiss have errors of their own for
    that."""
    text = str(error)
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    if type(error).__name__ == "SafetensorError":
        return any(f"os error {number}" in text for number in _NO_ROOM)
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("PytorchStreamWriter", *map(os.strerror, _NO_ROOM))
    )


def near_names(name: str, known: Iterable[str]) -> str:
    """`; near it: a, b` for the known names that look like `name`, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; near it: {', '.join(near)}" if near else ""


def one_line(text: object, most: int = 400) -> str:
    """Text from outside as a message can show it: on one line, with nothing that moves a terminal's cursor, cut."""
    line = " ".join(str(text).split())
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line[: most + 1])
    return line if len(line) <= most else f"{line[:most]}…"
