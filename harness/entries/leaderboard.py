"""Leaderboards: which runs stand in a table, what a study trains for it, and what it claims."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.entries.checkpoints import Format, Method, Presentation, Target
from harness.entries.claims import ClaimEntry, PaperPointEntry
from harness.entries.parts import ModelName, ModelNames, Name, Names, Part, Positive, Whole

__all__ = ["LeaderboardEntry", "StudyFinetuneEntry"]


_FROM = "from_"
Placebo = Annotated[str, Field(pattern=rf"^(none|shuffled|{_FROM}[A-Za-z0-9][A-Za-z0-9._-]*)$")]


def _domain_of(placebo: str) -> str | None:
    return placebo.removeprefix(_FROM) if placebo.startswith(_FROM) else None


class CheckpointGrid(Part):
    """A checkpoint of every base for each size, format, target, placebo, method and seed."""

    sizes: Annotated[list[Positive], Field(min_length=1)]
    formats: Annotated[list[Format], Field(min_length=1)] = ["qa"]
    targets: Annotated[list[Target], Field(min_length=1)] = ["reference"]
    placebos: Annotated[list[Placebo], Field(min_length=1)] = ["none"]
    """Beside `none`, which is no placebo: `shuffled`, or `from_TASK` for the pairs of another task."""
    methods: Annotated[list[Method], Field(min_length=1)] = ["lora"]
    seeds: Annotated[list[Whole], Field(min_length=1)] = [0]

    @property
    def presentations(self) -> list[Presentation]:
        """Every way in which pairs are shown; without passages there is nothing to quote or cite."""
        every = [
            Presentation(format, target, placebo == "shuffled", _domain_of(placebo))
            for format, target, placebo in product(self.formats, self.targets, self.placebos)
        ]
        return [presentation for presentation in every if not presentation.problems()]

    @model_validator(mode="after")
    def _something_is_trained(self) -> Self:
        if not self.presentations:
            raise ValueError(
                "the format qa shows no passages to quote or cite; add a format that does, or the target reference"
            )
        return self


class StudyFinetuneEntry(CheckpointGrid):
    """What `harness study` trains for each task: one full grid of checkpoints, and what is wanted outside of it."""

    models: Names
    """Bases, of the leaderboard's models."""
    settings: dict[str, int | float | str | bool] = {}
    """Of the training, over the defaults of `harness finetune`: `epochs`, `lora_r`, …"""
    also: list[CheckpointGrid] = []
    """Further grids, such as a second seed at one size; they take nothing from the first but its models and
    settings."""

    @property
    def grids(self) -> list[CheckpointGrid]:
        """All of them, the full one first."""
        return [self, *self.also]

    @property
    def domains(self) -> list[str]:
        """The tasks that lend their pairs."""
        placebos = dict.fromkeys(placebo for grid in self.grids for placebo in grid.placebos)
        return [domain for placebo in placebos if (domain := _domain_of(placebo)) is not None]


class LeaderboardEntry(Part):
    leaderboard: Name
    title: str
    description: str = ""
    tasks: Names
    models: ModelNames
    """What is evaluated and is not trained for this leaderboard, bases among it."""
    arms: Annotated[list[Literal["rag", "closed_book", "oracle"]], Field(min_length=1)] = ["rag"]
    judge: Name
    baseline: ModelName | None = None
    """The model that the others are compared with, item by item, each arm with its same arm. A checkpoint that is
    trained by `finetune` is compared with its own base."""
    margin: Annotated[float, Field(gt=0)] = 0.25
    """The largest difference that does not matter, in points of the judge's scale."""
    finetune: StudyFinetuneEntry | None = None
    paper: list[PaperPointEntry] = []
    """Published means, drawn beside one's own."""
    claims: list[ClaimEntry] = []
    """Published claims, tested by `harness claims`."""

    @model_validator(mode="after")
    def _names_fit(self) -> LeaderboardEntry:
        if self.baseline is not None and self.baseline not in self.models:
            raise ValueError(f"baseline {self.baseline!r} is not in `models`; add it there")
        if self.finetune is not None and (missing := [n for n in self.finetune.models if n not in self.models]):
            raise ValueError(f"finetune: models: {missing[0]!r} is not in `models`; add it there")
        return self
