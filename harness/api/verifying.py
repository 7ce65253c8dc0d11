"""Verifying finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.api.session import PathLike, Session, several
from harness.evaluation.verification import Verification, verify_runs

__all__ = ["verify"]


def verify(
    runs: PathLike | Sequence[PathLike], *, include_path: Sequence[PathLike] = (), progress: bool = True
) -> Verification:
    """Whether run folders, or one, are still what was written: any changed byte of manifest (with the entries), results
    and samples, and of the weights where they are on this machine. `differs` of the result has a line for each."""
    session = Session.open(include_path, progress)
    return verify_runs([Path(each) for each in several(runs)], session.catalog, session.progress)
