"""Which questions a judge was fitted on: `fitted/NAME.txt` beside its entry, a digest a line, no text.

A judge that has seen a question with its right and wrong answers scores answers to it better than others. So an audit
leaves such questions out, and a leaderboard says how many of a run's questions are among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from harness.digests import digest_of_question
from harness.errors import DataError
from harness.files import make_folder, write_atomically

__all__ = ["fitted_file", "read_fitted", "write_fitted"]

_HEAD = "# Digests of the questions that this judge was fitted on (harness/digests.py, digest_of_question).\n"


def fitted_file(entry_file: Path) -> Path:
    """The list that belongs to a judge's entry."""
    return entry_file.parent / "fitted" / f"{entry_file.stem}.txt"


def write_fitted(path: Path, questions: Iterable[str]) -> int:
    """Writes the list; returns how many different questions there are."""
    digests = sorted({digest_of_question(text) for text in questions})
    make_folder(path.parent)
    write_atomically(path, _HEAD + "".join(f"{digest}\n" for digest in digests))
    return len(digests)


def read_fitted(path: Path) -> frozenset[str]:
    """The digests; none where there is no list. Raises `DataError` for a line that is not one."""
    if not path.is_file():
        return frozenset()
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); fit the judge again") from error
    if wrong := next((line for line in lines if not re.fullmatch(r"[0-9a-f]{16}", line)), None):
        raise DataError(f"{path}: {wrong!r} is no digest of a question (16 hex digits); fit the judge again")
    return frozenset(lines)
