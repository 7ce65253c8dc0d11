"""Repeats against items: how much of a mark is the judge's dice, and what more repeats would buy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness.audit.asking import Asked
from harness.statistics import variance_components

__all__ = ["stability"]


def stability(asked: Iterable[Asked], criteria: Sequence[str], repeats: int) -> dict[str, Any]:
    """By criterion: share of unscored verdicts, variance over items and over repeats of one item (one-way random
    effects), and the standard error of a mean over 200 items with 1, 3, 10 and 30 repeats each."""
    rows = list(asked)
    found: dict[str, Any] = {}
    for criterion in criteria:
        verdicts = [verdict for row in rows for verdict in row.verdicts.get(criterion, ())]
        if not verdicts:
            continue
        groups = [
            [verdict.score for verdict in row.verdicts[criterion] if verdict.score is not None] for row in rows
            if criterion in row.verdicts
        ]  # fmt: skip
        between, within = variance_components([group for group in groups if group])
        found[criterion] = {
            "verdicts": len(verdicts),
            "unscored": sum(verdict.score is None for verdict in verdicts) / len(verdicts),
            "repeats": repeats,
            "variance_over_items": between,
            "variance_over_repeats": within,
            "standard_error_of_200_items": {str(n): math.sqrt((between + within / n) / 200) for n in (1, 3, 10, 30)}
            if between is not None and within is not None
            else None,
        }
    return found
