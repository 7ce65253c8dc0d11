"""Stands in for a judge whose model is not available here: every answer is left unscored, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.interfaces import Identity, Usage
from harness.records import JudgeItem, Score

__all__ = ["UnavailableJudge"]


class UnavailableJudge:
    """The answers and the metrics of a run are still worth having; the scores can be had later, without a generator."""

    repeats = 1
    max_unscored = 1.0
    scale = (1, 5)
    sees_passages = False
    asks_model = True

    def __init__(self, name: str, criteria: tuple[str, ...], reason: str) -> None:
        self.name, self.criteria = name, criteria
        self._reason = reason

    @property
    def identity(self) -> Identity:
        # not the reason: its wording, and what a server says, would give the same run another id
        return {"kind": "unavailable", "criteria": list(self.criteria)}

    @property
    def usage(self) -> Usage:
        return {}

    def depends_on(self, item: JudgeItem) -> Identity:
        return {}

    def prepare(self) -> None:
        """Nothing is needed."""

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return max(1, len(items))

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            yield Score(item.key, item.criterion, item.repeat, None, self._reason)

    def close(self) -> None:
        """Nothing is loaded."""
