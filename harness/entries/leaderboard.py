"""Leaderboards: which runs stand in a table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.entries.parts import Name, Names, Part

__all__ = ["LeaderboardEntry"]


class LeaderboardEntry(Part):
    leaderboard: Name
    title: str
    description: str = ""
    tasks: Names
    models: Names
    arms: Annotated[list[Literal["rag", "closed_book", "oracle"]], Field(min_length=1)] = ["rag"]
    judge: Name
    baseline: Name | None = None
    """The model that the others are compared with, item by item; where one model has several arms, `rag` is."""

    @model_validator(mode="after")
    def _baseline_is_a_model_of_the_board(self) -> LeaderboardEntry:
        if self.baseline is not None and self.baseline not in self.models:
            raise ValueError(f"baseline {self.baseline!r} is not in `models`; add it there")
        return self
