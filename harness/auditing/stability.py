"""Repeats against items: how much of a score is the judge's random numbers, and what more repeats would buy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.auditing.cached_judge import CaseScores
from harness.files import JsonObject
from harness.statistics import variance_components

__all__ = ["stability"]


def stability(cases: Iterable[CaseScores], criteria: Sequence[str], repeats: int) -> JsonObject:
    """By criterion: share of unscored repeats, variance over items and over repeats of one item (one-way random
    effects), and the standard error of a mean over 200 items with 1, 3, 10 and 30 repeats each."""
    rows = list(cases)
    findings: JsonObject = {}
    for criterion in criteria:
        scores = [score for row in rows for score in row.by_criterion.get(criterion, ())]
        if not scores:
            continue
        groups = [
            [score.value for score in row.by_criterion[criterion] if score.value is not None] for row in rows
            if criterion in row.by_criterion
        ]  # fmt: skip
        between, within = variance_components([group for group in groups if group])
        findings[criterion] = {
            "verdicts": len(scores),
            "unscored": sum(score.value is None for score in scores) / len(scores),
            "repeats": repeats,
            "variance_over_items": between,
            "variance_over_repeats": within,
            "standard_error_of_200_items": {str(n): math.sqrt((between + within / n) / 200) for n in (1, 3, 10, 30)}
            if between is not None and within is not None
            else None,
        }
    return findings
