"""Stands in for a judge whose model cannot be had here: every mark is unscored, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.records import JudgeItem, Verdict

__all__ = ["UnavailableJudge"]


class UnavailableJudge:
    """The answers and the metrics of a run are still worth having; its marks can be made later, from the store."""

    repeats = 1
    max_unscored = 1.0

    def __init__(self, name: str, criteria: tuple[str, ...], reason: str) -> None:
        self.name, self.criteria = name, criteria
        self._reason = reason

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "unavailable", "reason": self._reason}

    @property
    def usage(self) -> Mapping[str, float]:
        return {}

    def depends_on(self, item: JudgeItem) -> Mapping[str, Any]:
        return {}

    def prepare(self) -> None:
        """Nothing is needed."""

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return max(1, len(items))

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Verdict]:
        for item in items:
            yield Verdict(item.key, item.criterion, item.repeat, None, self._reason)

    def close(self) -> None:
        """Nothing is loaded."""
