"""A judge asked for fewer repeats than it makes. Its identity is that of the judge, so scores are stored and found as
the judge's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.interfaces import Identity, SingleJudge, Usage, Windowed
from harness.records import Failure, JudgeItem, Score

__all__ = ["LimitedJudge"]


class LimitedJudge:
    """`judge` with this number of repeats."""

    def __init__(self, judge: SingleJudge, repeats: int) -> None:
        self._judge, self.repeats = judge, repeats
        self.name, self.criteria, self.max_unscored = judge.name, judge.criteria, judge.max_unscored
        self.scale, self.sees_passages, self.asks_model = judge.scale, judge.sees_passages, judge.asks_model
        self.window: int | None = judge.window if isinstance(judge, Windowed) else None
        self.window_setting: Identity = judge.window_setting if isinstance(judge, Windowed) else {}

    @property
    def identity(self) -> Identity:
        return self._judge.identity

    @property
    def usage(self) -> Usage:
        return self._judge.usage

    def depends_on(self, item: JudgeItem) -> Identity:
        return self._judge.depends_on(item)

    def prepare(self) -> None:
        self._judge.prepare()

    def batch_size(self, items: Sequence[JudgeItem]) -> int | None:
        return self._judge.batch_size(items)

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score | Failure]:
        return self._judge.judge(items)

    def close(self) -> None:
        self._judge.close()
