"""What makes two things the same thing: digests of values and of files.

Every stored result is kept under `digest_of(...)` of all that it depends on (`docs/architecture.md`, "Identity of
results"). Canonical JSON, so that the order of keys, the machine and the Python version do not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "canonical",
    "digest_of",
    "digest_of_file",
    "digest_of_lines",
    "digest_of_question",
    "plain_question",
    "seed_of",
    "short",
]


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces, text as it is. Raises `TypeError` or `ValueError` for what JSON cannot
    hold (sets, NaN): an identity must never depend on how such a thing happens to print."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of_lines(lines: Iterable[str]) -> str:
    """SHA-256 of text lines as they stream by; a line may hold anything but a line end."""
    running = hashlib.sha256()
    for line in lines:
        running.update(line.encode())
        running.update(b"\n")
    return running.hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain_question(text: str) -> str:
    """A question as it is compared with others: without case, spaces that say nothing and a question mark."""
    return " ".join(text.lower().strip(" ?").split())


def digest_of_question(text: str) -> str:
    """Eight bytes of the SHA-256 of the plain question, 16 hex digits: two lists of questions can be compared without
    either being shown."""
    return hashlib.sha256(plain_question(text).encode()).hexdigest()[:16]


def seed_of(digest: str) -> int:
    """A seed for random numbers, 63 bits, that belongs to what has this digest and to nothing else. With one seed for
    a whole run, all its items would share their luck, and an interval over items would not see it."""
    return int(digest[:16], 16) >> 1


def short(digest: str) -> str:
    """The first twelve digits, for names of folders and for people."""
    return digest[:12]
