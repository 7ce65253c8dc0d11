"""The ends of a scale, and an interval."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Bounds", "Interval"]


class Interval(NamedTuple):
    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


class Bounds(NamedTuple):
    """The ends of a measure's scale."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low
