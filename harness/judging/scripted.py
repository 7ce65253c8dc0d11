"""A judge whose scores come from a script: the fake that ships."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from harness.interfaces import Identity, Usage
from harness.records import JudgeItem, Score

__all__ = ["ScriptedJudge"]


class ScriptedJudge:
    """Each score is one of `script`, chosen by a hash of answer, criterion and repeat; "" is unscored."""

    max_unscored = 1.0
    scale = (1, 5)
    sees_passages = False
    asks_model = True  # it stands for a judge that does

    def __init__(
        self,
        script: Sequence[str],
        *,
        name: str = "scripted",
        repeats: int = 1,
        criteria: tuple[str, ...] = ("accuracy", "completeness"),
    ) -> None:
        self.name, self.repeats, self.criteria = name, repeats, criteria
        self.judged: list[JudgeItem] = []
        self._script = list(script)

    @property
    def identity(self) -> Identity:
        return {"kind": "scripted", "script": self._script}

    @property
    def usage(self) -> Usage:
        return {}

    def depends_on(self, item: JudgeItem) -> Identity:
        return {"question": item.question.text, "answer": item.answer}

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return 8

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            self.judged.append(item)
            chance = hashlib.sha256(f"{item.answer}|{item.criterion}|{item.repeat}".encode()).digest()
            reply = self._script[int.from_bytes(chance[:8], "big") % len(self._script)]
            value = float(reply) if reply else None
            yield Score(item.key, item.criterion, item.repeat, value, "" if reply else "scripted as unscored", reply)

    def prepare(self) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is loaded."""
