"""The knobs of a training, and grids of them. They are the study's: epochs, effective batch (batch × accumulation),
LoRA or QLoRA, rank and alpha; and the learning rate, which it does not name.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from harness.errors import UsageError, near_names

__all__ = ["SWEPT", "TrainingSettings", "grid"]

Format = Literal["qa", "rag", "rag_distractors"]
FORMATS: tuple[Format, ...] = ("qa", "rag", "rag_distractors")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """`lora_alpha` None: twice the rank. `max_length` in tokens, prompt and answer together."""

    epochs: float = 2.0
    batch_size: int = 8
    gradient_accumulation: int = 1
    learning_rate: float = 2e-4
    lora_r: int = 16
    lora_alpha: int | None = None
    lora_dropout: float = 0.05
    target_modules: str = "all-linear"
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; after them it falls to 0 along a cosine."""
    weight_decay: float = 0.0
    max_length: int = 2_048
    gradient_checkpointing: bool = False

    @property
    def alpha(self) -> int:
        return self.lora_alpha if self.lora_alpha is not None else 2 * self.lora_r

    def resolved(self) -> dict[str, Any]:
        """As plain values, alpha written out: two ways to write one training are the same."""
        return {**asdict(self), "lora_alpha": self.alpha}

    def problems(self) -> list[str]:
        """What cannot be, a phrase each."""
        values = asdict(self)
        above = ("epochs", "batch_size", "gradient_accumulation", "learning_rate", "lora_r", "max_length")
        problems = [
            f"{name} is {values[name]:g}; it must be above 0" for name in above if not 0 < values[name] < math.inf
        ]
        if self.lora_alpha is not None and self.lora_alpha <= 0:
            problems.append(f"lora_alpha is {self.lora_alpha}; it must be above 0")
        problems += [
            f"{name} is {values[name]:g}; it must be from 0 to below 1"
            for name in ("lora_dropout", "warmup")
            if not 0 <= values[name] < 1
        ]
        return problems


SWEPT = ("epochs", "batch_size", "gradient_accumulation", "learning_rate", "lora_r", "lora_alpha", "lora_dropout")
_WHOLE = {"batch_size", "gradient_accumulation", "lora_r", "lora_alpha"}


def grid(base: TrainingSettings, axes: Sequence[str]) -> list[TrainingSettings]:
    """`lora_r=8,16 epochs=1,3`: every combination, the last axis fastest; `[base]` without axes. Raises
    `UsageError`."""
    values: dict[str, list[Any]] = {}
    for axis in axes:
        name, equals, listed = axis.partition("=")
        if name in values:
            raise UsageError(f"--sweep {axis}: {name} is given twice; list all its values at once, as {name}=A,B")
        if name not in SWEPT or not equals:
            known = [f.name for f in fields(TrainingSettings) if f.name in SWEPT]
            raise UsageError(f"--sweep {axis}: give one of {', '.join(known)} as NAME=A,B,…{near_names(name, known)}")
        try:
            values[name] = [int(value) if name in _WHOLE else float(value) for value in listed.split(",")]
        except ValueError as error:
            raise UsageError(
                f"--sweep {axis}: {'whole numbers' if name in _WHOLE else 'numbers'} are required"
            ) from error
    combinations = [
        replace(base, **dict(zip(values, point, strict=True))) for point in itertools.product(*values.values())
    ]
    if problems := [problem for settings in combinations for problem in settings.problems()]:
        raise UsageError(*(f"--sweep: {problem}" for problem in dict.fromkeys(problems)))
    return combinations
