"""What makes two things the same thing: digests of values and of files.

Every stored result is kept under `digest_of(...)` of all that it depends on (`docs/architecture.md`, "Identity of
results"). Canonical JSON, so that the order of keys, the machine and the Python version do not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = [
    "DigestTemplate",
    "canonical",
    "digest_of",
    "digest_of_file",
    "digest_of_lines",
    "digest_of_question",
    "plain_question",
    "seed_of",
    "short",
]


# one for all: `json.dumps` with arguments makes an encoder for each call
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces, text as it is. Raises `TypeError` or `ValueError` for what JSON cannot
    hold (sets, NaN): an identity must never depend on how such a thing happens to print."""
    return _ENCODER.encode(value)


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class DigestTemplate:
    """`digest_of({**shared, **own})` of many things that share most of it: what is shared is made canonical once.
    `own` are the names of the rest."""

    def __init__(self, shared: Mapping[str, object], *own: str) -> None:
        self._own: list[str] = []
        self._before: list[str] = []  # the text before each of them
        text = "{"
        for name in sorted({*shared, *own}):
            text += f"{'' if text == '{' and not self._own else ','}{canonical(name)}:"
            if name in own:
                self._own.append(name)
                self._before.append(text)
                text = ""
            else:
                text += canonical(shared[name])
        self._end = text + "}"

    def digest(self, **canonical_texts: str) -> str:
        """Of a thing whose own values have these canonical texts."""
        parts = [before + canonical_texts[name] for before, name in zip(self._before, self._own, strict=True)]
        return hashlib.sha256(("".join(parts) + self._end).encode()).hexdigest()


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
