"""What a comparison comes to: better, worse, no difference that matters, or not to be told with so many items.

All comparisons of one table are one family: their p values are adjusted together (Holm), so that under the null the
whole table shows a difference in at most 5 % of cases. Showing that a difference is too small to matter is a family of
its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from harness.comparison.pairing import Paired
from harness.comparison.seeds import SeedDifference
from harness.measures import measure_of
from harness.statistics import (
    Interval,
    detectable_difference,
    difference_p_value,
    equivalence_p_value,
    holm,
    items_needed,
)

__all__ = ["ALPHA", "Difference", "Verdict", "family"]

ALPHA = 0.05
K = TypeVar("K", bound=Hashable)


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference"
    """None larger than the margin."""
    CANNOT_TELL = "cannot tell"
    TOO_FEW = "too few to tell"
    """No method holds for so few items, or for so few that differ."""
    WITHHELD = "withheld"
    """A score does not mean the same of both models' answers, by people's labels."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One run against its baseline by one measure, over `items` shared items in `clusters`, of which `differing`
    differ. `p_value` is adjusted; `raw_p_value` is not. `detectable`: the difference that so many items find with a
    power of 80 %, `needed`: the items that would decide, None where the verdict is one or more items would not help;
    both at Bonferroni's share of 5 %, so that they count in a table of so many comparisons. `seeds`: of training."""

    measure: str
    estimate: float | None
    interval: Interval | None
    raw_p_value: float | None
    p_value: float | None
    equivalence_p_value: float | None
    margin: float
    detectable: float | None
    needed: int | None
    items: int
    differing: int
    clusters: int
    seeds: int
    verdict: Verdict


def family(
    pairs: Mapping[K, Paired], margin: float, over_seeds: Mapping[K, SeedDifference] | None = None
) -> dict[K, Difference]:
    """The differences of one table, by the keys of their pairs. `margin`: the largest difference that does not matter,
    in points of the scale. `over_seeds`: of rows that are of several training seeds, whose variance counts too."""
    seeds = over_seeds or {}
    raw = {key: _p_value(paired, seeds.get(key)) for key, paired in pairs.items()}
    same = {key: _equivalence(paired, seeds.get(key), margin) for key, paired in pairs.items()}
    adjusted, adjusted_same = _adjusted(raw), _adjusted(same)
    alpha = ALPHA / max(1, sum(p is not None for p in raw.values()))
    return {
        key: _difference(paired, seeds.get(key), _PValues(raw[key], adjusted[key], adjusted_same[key], alpha), margin)
        for key, paired in pairs.items()
    }


def _p_value(paired: Paired, over_seeds: SeedDifference | None) -> float | None:
    if over_seeds is not None:
        return None if paired.interval is None else over_seeds.p_value
    return difference_p_value(paired.differences, paired.clusters, paired.bounds)


def _equivalence(paired: Paired, over_seeds: SeedDifference | None, margin: float) -> float | None:
    if over_seeds is not None:
        return None if paired.interval is None else over_seeds.equivalence_p_value(margin)
    return equivalence_p_value(paired.differences, paired.clusters, paired.bounds, margin)


def _adjusted(p_values: Mapping[K, float | None]) -> dict[K, float | None]:
    known = {key: p for key, p in p_values.items() if p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    return {key: adjusted.get(key) for key in p_values}


class _PValues(NamedTuple):
    """`alpha`: the level at which each comparison of the family is sure to count (Bonferroni's share)."""

    raw: float | None
    adjusted: float | None
    same: float | None
    alpha: float


def _difference(paired: Paired, over_seeds: SeedDifference | None, p_values: _PValues, margin: float) -> Difference:
    differences, clusters = paired.differences, paired.clusters
    verdict = _verdict(paired, p_values.adjusted, p_values.same)
    interval = over_seeds.interval if over_seeds is not None and paired.interval is not None else paired.interval
    detectable = needed = None
    if interval is not None and over_seeds is not None:
        detectable = over_seeds.detectable(p_values.alpha)  # more items do not help against few seeds
    elif interval is not None:
        detectable = detectable_difference(differences, clusters, p_values.alpha)
        if verdict is Verdict.CANNOT_TELL:
            needed = items_needed(differences, clusters, margin, p_values.alpha)
    return Difference(
        measure=paired.measure,
        estimate=paired.estimate,
        interval=interval,
        raw_p_value=p_values.raw,
        p_value=p_values.adjusted,
        equivalence_p_value=p_values.same,
        margin=margin,
        detectable=detectable,
        needed=needed,
        items=len(differences),
        differing=sum(each != 0.0 for each in differences),
        clusters=len(set(clusters)),
        seeds=1 if over_seeds is None else len(over_seeds.differences),
        verdict=verdict,
    )


def _verdict(paired: Paired, p_value: float | None, same: float | None) -> Verdict:
    if p_value is None or paired.estimate is None:
        return Verdict.TOO_FEW
    if p_value <= ALPHA:
        rises = paired.estimate > 0
        return Verdict.BETTER if rises == (measure_of(paired.measure).higher_is_better is not False) else Verdict.WORSE
    if same is not None and same <= ALPHA:
        return Verdict.NO_DIFFERENCE
    return Verdict.CANNOT_TELL
