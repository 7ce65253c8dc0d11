"""A panel: each member scores for itself, with its own repeats; the panel's score is the mean of the members' means,
and its reply states the spread between them. Several judges of different families are harder to fool than one.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.interfaces import Identity, Judge, Usage
from harness.records import JudgeItem, Score
from harness.statistics import mean

__all__ = ["PanelJudge"]

VERSION = 2
"""Raise it when the same members would make another score. 2: a repeat's random numbers are the member's own."""


class PanelJudge:
    """An item is unscored when fewer than half of the members score it: it would be the score of another panel."""

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
    def scale(self) -> tuple[int, int]:
        return min(m.scale[0] for m in self._members), max(m.scale[1] for m in self._members)

    @property
    def asks_model(self) -> bool:
        return any(member.asks_model for member in self._members)

    @property
    def sees_passages(self) -> bool:
        return any(member.sees_passages for member in self._members)

    @property
    def identity(self) -> Identity:
        members = [{"judge": dict(m.identity), "repeats": m.repeats} for m in self._members]
        return {"kind": "panel", "version": VERSION, "members": members}

    @property
    def usage(self) -> Usage:
        total: dict[str, float] = {}
        for member in self._members:
            for name, value in member.usage.items():
                total[name] = total.get(name, 0) + value
        return total

    def depends_on(self, item: JudgeItem) -> Identity:
        return {str(number): dict(member.depends_on(item)) for number, member in enumerate(self._members)}

    def prepare(self) -> None:
        for member in self._members:
            member.prepare()

    def combine(self, item: JudgeItem, values: Sequence[float | None]) -> Score:
        scored = [value for value in values if value is not None]
        reply = ", ".join(
            f"{member.name} {'–' if value is None else format(value, '.2f')}"
            for member, value in zip(self._members, values, strict=True)
        )
        if 2 * len(scored) < len(self._members) or not scored:
            reason = f"{len(scored)} of {len(self._members)} members gave a score"
            return Score(item.key, item.criterion, item.repeat, None, reason, reply)
        spread = f"; spread {max(scored) - min(scored):.2f}"
        return Score(item.key, item.criterion, item.repeat, mean(scored), "", reply + spread)

    def close(self) -> None:
        for member in self._members:
            member.close()
