"""What the parts of one command share, so that nothing is loaded or paid for twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.adapters.bases import BaseHolder
from harness.adapters.openai import Budget
from harness.interfaces import Progress

__all__ = ["BatchSize", "ModelOptions", "Resources"]

BatchSize = int | Literal["auto"]
"""Prompts in a batch; "auto" measures it, whatever the model's entry says."""


@dataclass(frozen=True, slots=True)
class Resources:
    """`cache` is the folder of derived files; `holder` keeps the one loaded base; `budget` is the spending limit of all
    models behind APIs together."""

    cache: Path
    progress: Progress
    holder: BaseHolder = field(default_factory=BaseHolder)
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What a command sets over a model's entry; None: what the entry says. `gate` False: a LoRA checkpoint answers even
    if it does not pass the gate."""

    device: str | None = None
    batch_size: BatchSize | None = None
    gate: bool = True
