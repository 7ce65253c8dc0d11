"""From samples to aggregates: one value an item and measure, then mean, standard error and interval over items.

An item without any scored repeat is unscored: left out of the mean and taken off the coverage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.evaluation.samples import Sample
from harness.files import JsonObject
from harness.measures import CLEAN, SCALE, measure_of
from harness.records import Answer, StopReason
from harness.statistics import Bounds, Interval, mean, mean_interval, standard_error
from harness.statistics.clusters import Clusters, numbered

__all__ = ["Aggregate", "aggregate", "answers_overview", "failures_overview", "leakage_overview", "unscored_overview"]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A measure over the items of a run. `n` items of `total` have a value; `value` None: none has. The interval is a
    95 % one; None: too few to tell."""

    measure: str
    value: float | None
    standard_error: float | None
    interval: Interval | None
    n: int
    total: int

    @property
    def higher_is_better(self) -> bool | None:
        return measure_of(self.measure).higher_is_better


def aggregate(samples: Sequence[Sample], scale: Bounds = SCALE) -> list[Aggregate]:
    """One for each measure that at least one item could have had. `scale` is the judge's."""
    names = dict.fromkeys(name for sample in samples for name in sample.values)
    criteria = {score.criterion for sample in samples for score in sample.scores}
    clusters = numbered([sample.question.cluster for sample in samples])  # once for all measures
    aggregates = []
    for name in names:
        column = [sample.values.get(name) for sample in samples]
        values = [value for value in column if value is not None]
        there = clusters if len(values) == len(column) else clusters[[value is not None for value in column]]
        total = _eligible(name, samples) if name.removesuffix(CLEAN) in criteria else None
        if (computed := _aggregate(name, values, there, total, scale)) is not None:
            aggregates.append(computed)
    return aggregates


def _aggregate(
    name: str, values: Sequence[float], clusters: Clusters, eligible: int | None, scale: Bounds
) -> Aggregate | None:
    """`eligible`: of a criterion, the items that could have been scored; None: of another measure."""
    # a data set without gold documents has no recall, and no row; a criterion that no item is scored for has one
    if not values and eligible is None:
        return None
    return Aggregate(
        measure=name,
        value=mean(values),
        standard_error=standard_error(values, clusters) if values else None,
        interval=mean_interval(values, clusters, measure_of(name).bounds(scale)) if values else None,
        n=len(values),
        total=len(values) if eligible is None else eligible,
    )


def _eligible(criterion: str, samples: Sequence[Sample]) -> int:
    if not criterion.endswith(CLEAN):
        return len(samples)
    return sum(sample.values.get("leaked") == 0.0 for sample in samples)


def answers_overview(answers: Sequence[Answer]) -> JsonObject:
    """Distribution of lengths in words, and why answers ended."""
    words = sorted(len(answer.text.split()) for answer in answers)
    reasons = Counter(answer.stop_reason.value for answer in answers)
    quantiles = (
        {f"p{q}": words[min(len(words) - 1, q * len(words) // 100)] for q in (5, 25, 50, 75, 95)} if words else {}
    )
    return {"words": quantiles, "stop_reasons": dict(sorted(reasons.items()))}


def leakage_overview(leakage: Mapping[str, Sequence[str]], samples: Sequence[Sample]) -> JsonObject:
    """How many of the evaluated items share what with the training pairs, and which."""
    kinds_by_question = {sample.question.id: list(leakage.get(sample.question.id, ())) for sample in samples}
    kinds = sorted({kind for item_kinds in kinds_by_question.values() for kind in item_kinds})
    return {
        "items": {kind: sum(kind in item_kinds for item_kinds in kinds_by_question.values()) for kind in kinds},
        "leaked": {
            name: item_kinds
            for name, item_kinds in kinds_by_question.items()
            if any(kind != "document" for kind in item_kinds)
        },
    }


def failures_overview(samples: Sequence[Sample]) -> JsonObject:
    """How many answers and scores are missing because requests failed; empty where none did."""
    answers = sum(sample.answer.stop_reason == StopReason.FAILED for sample in samples)
    scores = sum(score.failed for sample in samples for score in sample.scores)
    return {"answers": answers, "scores": scores} if answers or scores else {}


def unscored_overview(samples: Sequence[Sample]) -> JsonObject:
    """How many scores were asked for, how many answers were left unscored and why, and what is remarked of scored ones
    (an empty answer scored by rule, a long one that was truncated)."""
    scores = [score for sample in samples for score in sample.scores]
    reasons = Counter(score.reason for score in scores if score.value is None)
    remarks = Counter(score.reason for score in scores if score.value is not None and score.reason)
    return {
        "scores": len(scores),
        "unscored": reasons.total(),
        "reasons": dict(sorted(reasons.items())),
        "remarks": dict(sorted(remarks.items())),
    }
