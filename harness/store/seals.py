"""A stored value's seal: a digest of key and value behind it, since SQLite does not notice when bytes of a text change.

JSON of ours has no line end, so what follows one is the seal. Values of stores before format 3 have none.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from harness.files import parse_json

__all__ = ["is_whole", "opened", "sealed"]


def sealed(key: str, value: object) -> str:
    """The value as JSON, with its seal. Raises `ValueError` for NaN and infinities."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return f"{text}\n{_seal(key, text)}"


def opened(key: object, stored: object) -> Any:
    """The value. Raises `ValueError` for what is damaged."""
    if not isinstance(key, str) or not isinstance(stored, str):
        raise ValueError(f"the record {key!r} is no text")
    text, is_sealed, seal = stored.partition("\n")
    if is_sealed and seal != _seal(key, text):
        raise ValueError(f"the record {key} is not what was stored")
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"the record {key} is not what was stored") from error


def is_whole(key: object, stored: object) -> bool:
    """Whether a record is what was stored."""
    try:
        opened(key, stored)
    except ValueError:
        return False
    return True


def _seal(key: str, text: str) -> str:
    return hashlib.blake2b(f"{key}\n{text}".encode(errors="surrogatepass"), digest_size=8).hexdigest()
