"""The Python front door: what the command line does, as functions. Everything is keyword-only but what a function is
about, and typed; entries may be given by name, as a dictionary or by the path of a YAML file. `harness/__init__.py`
hands these names on; the command line is their thinnest caller.

Names are imported when they are first used: an evaluation has no use for what makes judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api.alignment import fit_alignment_judge
    from harness.api.boards import leaderboard
    from harness.api.comparing import compare
    from harness.api.judges import audit, fit_judge, write_judge_steps
    from harness.api.runs import RunsFailed, evaluate, load_run, rejudge
    from harness.api.scoring import score
    from harness.api.studying import study
    from harness.api.training import finetune
    from harness.api.verifying import verify

__all__ = [
    "RunsFailed",
    "audit",
    "compare",
    "evaluate",
    "finetune",
    "fit_alignment_judge",
    "fit_judge",
    "leaderboard",
    "load_run",
    "rejudge",
    "score",
    "study",
    "verify",
    "write_judge_steps",
]

_HOMES = {
    "alignment": ("fit_alignment_judge",),
    "boards": ("leaderboard",),
    "comparing": ("compare",),
    "judges": ("audit", "fit_judge", "write_judge_steps"),
    "runs": ("RunsFailed", "evaluate", "load_run", "rejudge"),
    "scoring": ("score",),
    "studying": ("study",),
    "training": ("finetune",),
    "verifying": ("verify",),
}


def __getattr__(name: str) -> object:
    import importlib

    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'harness.api' has no attribute {name!r}")
    return getattr(importlib.import_module(f"harness.api.{home}"), name)
