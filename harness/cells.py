"""A study as a grid of cells: what a leaderboard needs trained and evaluated, what of it is there, and what the rest
will take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Literal

from harness.entries.checkpoints import CheckpointParts, trained_models
from harness.entries.leaderboard import LeaderboardEntry
from harness.finetuning.checkpoints import MANIFEST

__all__ = ["STAGES", "Cell", "Effort", "Extent", "Speed", "Stage", "State", "effort", "grid"]

Stage = Literal["train", "eval"]
STAGES = ("train", "eval", "judge", "compare")
"""What a study does, in order; `judge` scores finished answers again, by the leaderboard's judge."""


class State(StrEnum):
    DONE = "done"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Cell:
    """One training, or one evaluation of a model on a task in an arm. `checkpoint`: of a model that the study
    trains."""

    stage: Stage
    task: str
    model: str
    arm: str = ""
    checkpoint: CheckpointParts | None = None
    state: State = State.MISSING
    reason: str = ""


def grid(entry: LeaderboardEntry, tasks: Mapping[str, str]) -> Iterator[Cell]:
    """Every cell, trainings first; `tasks` are the entry's, groups opened, and whose checkpoints each evaluates."""
    checkpoints = trained_models(entry)
    for task, parts in product(dict.fromkeys(tasks.values()), checkpoints):
        yield Cell("train", task, parts.name, checkpoint=parts)
    for task in tasks:
        names: list[tuple[str, CheckpointParts | None]] = [(model, None) for model in entry.models]
        names += [(parts.name, parts) for parts in checkpoints]
        for (model, own), arm in product(names, entry.arms):
            yield Cell("eval", task, model, str(arm), own)


def is_trained(folder: Path) -> bool:
    """Whether the folder holds a checkpoint that `harness finetune` finished."""
    return (folder / MANIFEST).is_file() and (folder / "adapter_model.safetensors").is_file()


# ---- what it takes --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extent:
    """How much text a cell has, counted in its data at four characters a token: `items` prompts of `prompt_tokens`
    together, and at most `answer_tokens`."""

    items: int
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Of a machine: `tflops` sustained, in 10^12 operations a second."""

    tflops: float


@dataclass(frozen=True, slots=True)
class Effort:
    """An estimate; None: not known. `hours` at the assumed speed, `cost` in the currency of the entry's prices, `bytes`
    that stay on disk."""

    tokens: int | None = None
    hours: float | None = None
    cost: float | None = None
    bytes: int | None = None


def effort(
    cell: Cell,
    extent: Extent | None,
    parameters: tuple[float, float] | None,
    prices: tuple[float, float] | None,
    speed: Speed,
) -> Effort:
    """`parameters`: all and the active ones, in billions; `prices`: for a million tokens of prompt and of answer.

    A token costs 2 operations a parameter to read or write, and 6 to train on (Kaplan et al. 2020, arXiv:2001.08361),
    which is a little too many for LoRA. A rank-16 checkpoint on all linear layers has about 0.6 % of the parameters of
    a base of 7 billion, in 4 bytes, and grows with the root of the base's size; a sample in a run folder has 15 kB
    with five passages."""
    if extent is None:
        return Effort()
    tokens = extent.prompt_tokens + extent.answer_tokens
    operations = 6 if cell.stage == "train" else 2
    hours = None
    if parameters is not None:
        hours = operations * parameters[1] * 1e9 * tokens / (speed.tflops * 1e12) / 3_600
    cost = None
    if prices is not None:
        cost = (extent.prompt_tokens * prices[0] + extent.answer_tokens * prices[1]) / 1e6
    size = 15_000 * extent.items
    if cell.stage == "train":
        size = int(4 * 0.0058 * (7.24 * parameters[0]) ** 0.5 * 1e9) if parameters is not None else 0
    return Effort(tokens, hours, cost, size)
