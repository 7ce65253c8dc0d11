"""The names of checkpoints: what `harness finetune` calls them, and which a leaderboard trains."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from harness.entries.leaderboard import LeaderboardEntry

__all__ = ["CheckpointParts", "checkpoint_parts", "trained_models"]


class CheckpointParts(NamedTuple):
    """What the name of a checkpoint says: base, method, samples, prompt format and training seed."""

    base: str
    method: str
    samples: int
    format: str
    seed: int

    @property
    def name(self) -> str:
        """As `harness finetune` writes it."""
        form = "" if self.format == "qa" else f"-{self.format}"
        return f"{self.base}-{self.method}-{self.samples}{form}" + (f"@{self.seed}" if self.seed else "")


def checkpoint_parts(name: str) -> CheckpointParts | None:
    """None for a name that `harness finetune` would not give."""
    found = re.fullmatch(r"(.+)-(lora|qlora)-(\d+)(?:-(rag|rag_distractors))?(?:@(\d+))?", name)
    if found is None:
        return None
    base, method, samples, form, seed = found.groups()
    return CheckpointParts(base, method, int(samples), form or "qa", int(seed or 0))


def trained_models(entry: LeaderboardEntry) -> list[CheckpointParts]:
    """The checkpoints that the leaderboard trains for each of its tasks, smaller sizes first."""
    wanted = entry.finetune
    if wanted is None:
        return []
    return [
        CheckpointParts(base, method, size, form, seed)
        for base, method, form, seed, size in product(
            wanted.models, wanted.methods, wanted.formats, wanted.seeds, sorted(wanted.sizes)
        )
    ]
