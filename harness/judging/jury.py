"""A panel: each member marks for itself, with its own repeats; the panel's mark is the mean of the members' means, and
the spread between them is told. Several judges of different families are harder to fool than one, and to please.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.interfaces import Judge
from harness.records import JudgeItem, Verdict
from harness.statistics import mean

__all__ = ["JuryJudge"]

VERSION = 2
"""Raise it when the same members would make another mark. 2: a repeat's dice are the member's own."""


class JuryJudge:
    """An item is unscored when fewer than half of the members mark it: then it would be somebody else's panel."""

    repeats = 1

    def __init__(self, name: str, members: Sequence[Judge], max_unscored: float) -> None:
        self.name, self.max_unscored = name, max_unscored
        self._members = list(members)

    @property
    def members(self) -> Sequence[Judge]:
        return self._members

    @property
    def criteria(self) -> tuple[str, ...]:
        """Those that every member has."""
        first, *others = self._members
        return tuple(c for c in first.criteria if all(c in other.criteria for other in others))

    @property
    def identity(self) -> Mapping[str, Any]:
        members = [{"judge": dict(m.identity), "repeats": m.repeats} for m in self._members]
        return {"kind": "jury", "version": VERSION, "members": members}

    @property
    def usage(self) -> Mapping[str, float]:
        total: dict[str, float] = {}
        for member in self._members:
            for name, value in member.usage.items():
                total[name] = total.get(name, 0) + value
        return total

    def depends_on(self, item: JudgeItem) -> Mapping[str, Any]:
        return {str(place): dict(member.depends_on(item)) for place, member in enumerate(self._members)}

    def prepare(self) -> None:
        for member in self._members:
            member.prepare()

    def combine(self, item: JudgeItem, marks: Sequence[float | None]) -> Verdict:
        given = [mark for mark in marks if mark is not None]
        said = ", ".join(
            f"{member.name} {'–' if mark is None else format(mark, '.2f')}"
            for member, mark in zip(self._members, marks, strict=True)
        )
        if 2 * len(given) < len(self._members) or not given:
            reason = f"{len(given)} of {len(self._members)} members gave a mark"
            return Verdict(item.key, item.criterion, item.repeat, None, reason, said)
        spread = f"; spread {max(given) - min(given):.2f}"
        return Verdict(item.key, item.criterion, item.repeat, mean(given), "", said + spread)

    def close(self) -> None:
        for member in self._members:
            member.close()
