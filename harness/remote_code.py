"""Models that bring Python code of their own (`auto_map`): it runs only where the user said that it may.

The client libraries ask on the terminal when they are not told, and take `yes |` for an answer. So whoever loads a
folder says `trust_remote_code` explicitly, inside `only_trusted_code`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UsageError

__all__ = ["check_references", "names_code", "only_trusted_code"]

_TRUST = "pass --trust_remote_code with --model hf, or set `trust_remote_code: true` in its entry"


@contextmanager
def only_trusted_code(label: str, remedy: str = f"read it, and if you trust it, {_TRUST}") -> Iterator[None]:
    """Raises `UsageError` when what is loaded inside cannot be had without running its own code."""
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise UsageError(f"{label}: brings Python code of its own, which is not run unasked; {remedy}") from error


def names_code(folder: Path) -> list[str]:
    """The classes of its own that a model's folder names, as `modeling.Class`, or `owner/name--modeling.Class` where
    they lie in another repository."""
    named: list[str] = []
    for name in ("config.json", "tokenizer_config.json"):
        try:
            values = json.loads((folder / name).read_text(encoding="utf-8")).get("auto_map") or {}
        except (OSError, ValueError, AttributeError):
            continue  # whoever loads it reports what is wrong with it
        for reference in values.values() if isinstance(values, dict) else values:
            named += reference if isinstance(reference, list) else [reference]
    return [reference for reference in named if isinstance(reference, str)]


def check_references(folder: Path, label: str) -> None:
    """Raises `UsageError` when the code of a trusted model lies in another repository, where it can change."""
    elsewhere = [reference for reference in names_code(folder) if "--" in reference]
    if elsewhere:
        raise UsageError(
            f"{label}: its code lies in another repository ({elsewhere[0]}), at no commit; copy the code into the "
            "model's folder"
        )
