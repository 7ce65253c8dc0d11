"""Does fine-tuning help my RAG system, how sure are we, and if not, why?

`harness eval --task bioasq --model mistral-lora-500` is the main door; `docs/python.md` has the same for Python, and
`docs/architecture.md` is the map. Names are imported when they are first used: `import harness` loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api import (
        RunsFailed,
        audit,
        compare,
        evaluate,
        finetune,
        fit_alignment_judge,
        fit_judge,
        leaderboard,
        load_run,
        rejudge,
        score,
        study,
        verify,
        write_judge_steps,
    )
    from harness.errors import HarnessError
    from harness.evaluation.folder import Run
    from harness.finetuning.job import Checkpoint

__version__ = "0.1.0"
__all__ = [
    "Checkpoint",
    "HarnessError",
    "Run",
    "RunsFailed",
    "__version__",
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
    "Run": "harness.evaluation.folder",
    "Checkpoint": "harness.finetuning.job",
    "HarnessError": "harness.errors",
}


def __getattr__(name: str) -> object:
    if name.startswith("__") or name not in __all__:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES.get(name, "harness.api")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
