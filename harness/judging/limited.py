"""A judge asked for less than it can do: some of its criteria, another number of repeats. Its identity is that of the
judge, so verdicts are stored and found as the judge's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.interfaces import Judge
from harness.records import JudgeItem, Verdict

__all__ = ["LimitedJudge"]


class LimitedJudge:
    """`judge` with these `criteria` and `repeats`, its own where they are None."""

    def __init__(self, judge: Judge, criteria: tuple[str, ...] | None = None, repeats: int | None = None) -> None:
        self._judge = judge
        self.criteria = judge.criteria if criteria is None else criteria
        self.repeats = judge.repeats if repeats is None else repeats
        self.name, self.max_unscored = judge.name, judge.max_unscored

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._judge.identity

    @property
    def usage(self) -> Mapping[str, float]:
        return self._judge.usage

    def depends_on(self, item: JudgeItem) -> Mapping[str, Any]:
        return self._judge.depends_on(item)

    def prepare(self) -> None:
        self._judge.prepare()

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return self._judge.batch_size(items)

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Verdict]:
        return self._judge.judge(items)

    def close(self) -> None:
        self._judge.close()
