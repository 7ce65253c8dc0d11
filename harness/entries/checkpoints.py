"""The names of checkpoints: what `harness finetune` calls them, and which a leaderboard trains."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple, cast, get_args

if TYPE_CHECKING:
    from harness.entries.leaderboard import LeaderboardEntry

__all__ = [
    "FORMATS",
    "METHODS",
    "TARGETS",
    "CheckpointParts",
    "Format",
    "Method",
    "Presentation",
    "Target",
    "checkpoint_parts",
    "trained_models",
]

Method = Literal["lora", "qlora"]
Format = Literal["qa", "rag", "one_chunk", "rag_distractors", "counterfactual"]
Target = Literal["reference", "quote", "cited"]
METHODS: tuple[Method, ...] = get_args(Method)
FORMATS: tuple[Format, ...] = get_args(Format)
TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, slots=True)
class Presentation:
    """What the model sees of a pair and what it learns to say (`finetuning/examples.py` describes each).

    The last two make placebos. `shuffle_answers`: each pair is given another's answer. `domain`: the task whose pairs
    and passages are shown, in place of the task's own."""

    format: Format = "qa"
    target: Target = "reference"
    shuffle_answers: bool = False
    domain: str | None = None

    @property
    def suffix(self) -> str:
        """As the name of a checkpoint has it; empty for the defaults."""
        parts: list[str] = [self.format] if self.format != "qa" else []
        parts += [self.target] if self.target != "reference" else []
        parts += ["shuffled"] if self.shuffle_answers else []
        parts += [f"from_{self.domain}"] if self.domain is not None else []
        return "".join(f"-{part}" for part in parts)

    @property
    def flags(self) -> str:
        """As `harness finetune` takes it, a space before each; empty for the defaults."""
        flags = f" --format {self.format}" if self.format != "qa" else ""
        flags += f" --target {self.target}" if self.target != "reference" else ""
        flags += " --shuffle_answers" if self.shuffle_answers else ""
        return flags + (f" --domain {self.domain}" if self.domain is not None else "")

    def problems(self) -> list[str]:
        """What cannot be, a phrase each."""
        if self.format == "qa" and self.target != "reference":
            return [
                f"--target {self.target}: the format qa shows no passages to quote or cite; pass another --format "
                f"({', '.join(FORMATS[1:])})"
            ]
        return []


class CheckpointParts(NamedTuple):
    """What the name of a checkpoint says: base, method, samples, how the pairs were shown, and training seed."""

    base: str
    method: Method
    samples: int
    presentation: Presentation = Presentation()
    seed: int = 0

    @property
    def name(self) -> str:
        """As `harness finetune` writes it."""
        seed = f"@{self.seed}" if self.seed else ""
        return f"{self.base}-{self.method}-{self.samples}{self.presentation.suffix}{seed}"


_NAME = re.compile(
    rf"(?P<base>.+)-(?P<method>{'|'.join(METHODS)})-(?P<samples>\d+)"
    rf"(?:-(?P<format>{'|'.join(FORMATS[1:])}))?(?:-(?P<target>{'|'.join(TARGETS[1:])}))?"
    r"(?P<shuffled>-shuffled)?(?:-from_(?P<domain>[A-Za-z0-9][A-Za-z0-9._-]*))?(?:@(?P<seed>\d+))?"
)


def checkpoint_parts(name: str) -> CheckpointParts | None:
    """None for a name that `harness finetune` would not give."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    presentation = Presentation(
        format=cast(Format, found["format"] or "qa"),
        target=cast(Target, found["target"] or "reference"),
        shuffle_answers=found["shuffled"] is not None,
        domain=found["domain"],
    )
    if presentation.problems():
        return None
    method = cast(Method, found["method"])
    return CheckpointParts(found["base"], method, int(found["samples"]), presentation, int(found["seed"] or 0))


def trained_models(entry: LeaderboardEntry) -> list[CheckpointParts]:
    """The checkpoints that the leaderboard trains for each of its tasks, smaller sizes of a grid first."""
    wanted = entry.finetune
    if wanted is None:
        return []
    named = [
        CheckpointParts(base, method, size, presentation, seed)
        for grid in wanted.grids
        for base, method, presentation, seed, size in product(
            wanted.models, grid.methods, grid.presentations, grid.seeds, sorted(grid.sizes)
        )
    ]
    return list(dict.fromkeys(named))
