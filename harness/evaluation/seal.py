"""A run folder's seal: the manifest holds the digests of the run's other files, and in its last line its own, so that a
changed byte of any of them is seen. It is no signature: who can write a folder can seal it again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from harness.digests import digest_of_file
from harness.files import JsonObject

__all__ = ["broken_seal", "sealed"]

_MANIFEST = "manifest.json"
_OPEN = "0" * 64
"""Stands in the place of the manifest's own digest while that is taken."""
_END = re.compile(rb'    "manifest\.json": "([0-9a-f]{64})"\n  \}\n\}\Z')


def sealed(manifest: Mapping[str, object], digests: Mapping[str, str]) -> str:
    """The manifest's text with the digests of the run's other files, by name, and its own."""
    document = {**manifest, "digests": {**digests, _MANIFEST: _OPEN}}
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    head, _, tail = text.rpartition(_OPEN)
    return head + hashlib.sha256(text.encode()).hexdigest() + tail


def broken_seal(folder: Path) -> list[str]:
    """A line for each file of a run folder that is not as it was written."""
    path = folder / _MANIFEST
    try:
        data = path.read_bytes()
    except OSError as error:
        return [f"{path}: cannot be read ({error.strerror}); run the same command again"]
    match = _END.search(data)
    if match is None:
        why = "its seal is damaged" if b'"digests"' in data else "was written before runs were sealed"
        return [f"{path}: {why}; run the same command again, which computes nothing that is stored"]
    if hashlib.sha256(data[: match.start(1)] + _OPEN.encode() + data[match.end(1) :]).hexdigest().encode() != match[1]:
        return [f"{path}: was changed after it was written"]  # what it says of the other files counts for nothing
    digests: JsonObject = json.loads(data)["digests"]
    lines = [
        f"{folder / name}: {why}"
        for name in digests
        if name != _MANIFEST and (why := _changed(folder / name, digests[name]))
    ]
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return lines + [f"{folder / name}: is no file of this run; move it away" for name in sorted(there - set(digests))]


def _changed(path: Path, digest: str) -> str:
    try:
        return "" if digest_of_file(path) == digest else "was changed after it was written"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
