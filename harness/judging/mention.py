"""A value that a text mentions."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Mention"]


class Mention(NamedTuple):
    """Where a value stands in a plain text, and what it may mean in canonical form, the likeliest first: "04/10/2033"
    is a day in October or in April."""

    start: int
    end: int
    readings: tuple[str, ...]
