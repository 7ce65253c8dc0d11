"""A panel: each member marks for itself, with its own repeats; the panel's mark is the mean of the members' means, and
the spread between them is told. Several judges of different families are harder to fool than one, and to please.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.digests import digest_of
from harness.interfaces import Judge
from harness.records import JudgeItem, Verdict
from harness.statistics import mean

__all__ = ["JuryJudge"]


_BATCH = 512


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
        return {"kind": "jury", "members": members}

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

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        """Many at once: members on different bases load them anew for each batch."""
        return _BATCH

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Verdict]:
        marks: dict[str, list[float | None]] = {item.key: [] for item in items}
        for member in self._members:
            for key, mark in self._marks_of(member, items).items():
                marks[key].append(mark)
        for item in items:
            given = [mark for mark in marks[item.key] if mark is not None]
            said = ", ".join(
                f"{member.name} {'–' if mark is None else format(mark, '.2f')}"
                for member, mark in zip(self._members, marks[item.key], strict=True)
            )
            if 2 * len(given) < len(self._members) or not given:
                reason = f"{len(given)} of {len(self._members)} members gave a mark"
                yield Verdict(item.key, item.criterion, item.repeat, None, reason, said)
                continue
            spread = f"; spread {max(given) - min(given):.2f}"
            yield Verdict(item.key, item.criterion, item.repeat, mean(given), "", said + spread)

    @staticmethod
    def _marks_of(member: Judge, items: Sequence[JudgeItem]) -> dict[str, float | None]:
        """One member's mean over its repeats, by the panel's key. A repeat's key seeds its sampling."""
        asked = {
            digest_of([item.key, member.name, repeat]): (item, repeat)
            for item in items
            for repeat in range(member.repeats)
        }
        scores: dict[str, list[float]] = {item.key: [] for item in items}
        wanted = [replace(item, key=key, repeat=repeat) for key, (item, repeat) in asked.items()]
        size = member.batch_size(wanted)
        for first in range(0, len(wanted), size):
            for verdict in member.judge(wanted[first : first + size]):
                if verdict.score is not None:
                    scores[asked[verdict.key][0].key].append(verdict.score)
        return {key: mean(values) for key, values in scores.items()}

    def close(self) -> None:
        for member in self._members:
            member.close()
