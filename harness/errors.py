"""What a user can put right, as a tree. A bug is none of these and keeps its traceback.

HarnessError              shown as one line a problem, exit code 2
├── EntryError            a YAML entry has something that cannot be used
├── UnknownEntry          a name that no entry has; names the near ones
├── DataError             a data pack or a data set is broken: file, line, what
├── MissingPart           a package, weights file or checkpoint is missing; names what to install
├── CheckpointMismatch    a LoRA checkpoint was trained on another base; names both
└── UsageError            a flag's value cannot be used
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "CheckpointMismatch",
    "DataError",
    "EntryError",
    "HarnessError",
    "MissingPart",
    "UnknownEntry",
    "UsageError",
    "near_names",
    "one_line",
]


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


class UsageError(HarnessError):
    """A flag's value cannot be used."""


def near_names(name: str, known: Iterable[str]) -> str:
    """`; near it: a, b` for the known names that look like `name`, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; near it: {', '.join(near)}" if near else ""


def one_line(text: object, most: int = 400) -> str:
    """Text from outside as a message can show it: on one line, with nothing that moves a terminal's cursor, cut."""
    line = " ".join(str(text).split())
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line[: most + 1])
    return line if len(line) <= most else f"{line[:most]}…"
