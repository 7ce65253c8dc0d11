"""Seeded random numbers that are the same on every machine and in every Python: SplitMix64 over a SHA-256 seed.

`random.Random` promises the stream of `random()` only; how `choice` and `sample` use it may change between versions,
and a world must not change with the Python that makes it.
(SplitMix64: Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["SeededRng"]

T = TypeVar("T")
_MASK = (1 << 64) - 1


class SeededRng:
    """A stream of random numbers that depends on its labels alone: `SeededRng(7, "plan", 12)`."""

    def __init__(self, *labels: object) -> None:
        text = "\x1f".join(str(label) for label in labels)
        self._state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def below(self, n: int) -> int:
        """A whole number from 0 to n-1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) * n) >> 64

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        return self.below(1_000) < per_mille

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All of them in a random order (Fisher–Yates)."""
        result = list(options)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result
