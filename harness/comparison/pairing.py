"""Two runs, item by item."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from harness.comparison.stored import StoredRun
from harness.statistics import Bounds, Interval, difference_interval, mean

__all__ = ["Paired", "pair"]


class Paired(NamedTuple):
    """The values of one measure in two runs, over the items that have one in both, in the baseline's order."""

    measure: str
    items: Sequence[str]
    clusters: Sequence[str]
    values: Sequence[float]
    baseline: Sequence[float]
    bounds: Bounds | None

    @property
    def differences(self) -> list[float]:
        """The value less the baseline's."""
        return [value - base for value, base in zip(self.values, self.baseline, strict=True)]

    @property
    def estimate(self) -> float | None:
        """The mean difference; None of no items."""
        return mean(self.differences)

    @property
    def interval(self) -> Interval | None:
        """Its 95 % interval; None: too few to tell."""
        return difference_interval(self.differences, self.clusters, self.bounds)


def pair(run: StoredRun, baseline: StoredRun, measure: str, among: Collection[str] | None = None) -> Paired:
    """Over the items of `among`, None: all."""
    rows = [
        (item, cluster, value, base)
        for item, cluster, base in zip(
            baseline.items, baseline.clusters, baseline.measures.get(measure, [None] * len(baseline.items)), strict=True
        )
        if base is not None and (among is None or item in among) and (value := run.value(measure, item)) is not None
    ]
    items, clusters, values, base_values = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Paired(measure, items, clusters, values, base_values, baseline.bounds(measure))
