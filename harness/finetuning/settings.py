"""The knobs of a training, and grids of them. They are the study's: epochs, effective batch (batch × accumulation),
LoRA or QLoRA, rank and alpha; and the learning rate, which it does not name. Its training format it does not state
either; ours are in `finetuning/examples.py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from harness.entries.checkpoints import METHODS, Method
from harness.errors import UsageError, near_names

__all__ = ["SWEPT", "Point", "TrainingSettings", "grid"]


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
METHOD = "method"
_WHOLE = {"batch_size", "gradient_accumulation", "lora_r", "lora_alpha"}


class Point(NamedTuple):
    """One of a grid. The method is apart from the settings: it decides how the base is loaded."""

    method: Method
    settings: TrainingSettings

    @property
    def values(self) -> dict[str, Any]:
        """Of the method and each setting, by name."""
        return {METHOD: self.method, **asdict(self.settings)}


def grid(base: TrainingSettings, axes: Sequence[str], method: Method = "lora") -> list[Point]:
    """`method=lora,qlora lora_r=8,16`: every combination, the methods slowest, the last axis fastest; `base` and
    `method` alone without axes. Raises `UsageError`."""
    values: dict[str, list[Any]] = {}
    for axis in axes:
        name, equals, listed = axis.partition("=")
        if name in values:
            raise UsageError(f"--sweep {axis}: {name} is given twice; list all its values at once, as {name}=A,B")
        known = [METHOD, *(f.name for f in fields(TrainingSettings) if f.name in SWEPT)]
        if name not in known or not equals:
            raise UsageError(f"--sweep {axis}: give one of {', '.join(known)} as NAME=A,B,…{near_names(name, known)}")
        if name == METHOD:
            values[name] = _methods(axis, listed.split(","))
            continue
        try:
            values[name] = [int(value) if name in _WHOLE else float(value) for value in listed.split(",")]
        except ValueError as error:
            raise UsageError(
                f"--sweep {axis}: {'whole numbers' if name in _WHOLE else 'numbers'} are required"
            ) from error
    methods = values.pop(METHOD, [method])
    combinations = [
        replace(base, **dict(zip(values, point, strict=True))) for point in itertools.product(*values.values())
    ]
    if problems := [problem for settings in combinations for problem in settings.problems()]:
        raise UsageError(*(f"--sweep: {problem}" for problem in dict.fromkeys(problems)))
    return [Point(method, settings) for method in methods for settings in combinations]


def _methods(axis: str, listed: Sequence[str]) -> list[str]:
    if wrong := [name for name in listed if name not in METHODS]:
        raise UsageError(f"--sweep {axis}: {wrong[0]!r} is no method; it can be {', '.join(METHODS)}")
    return list(dict.fromkeys(listed))
