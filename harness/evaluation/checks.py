"""Whether the samples of a run folder are those that its results were computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.evaluation.aggregates import Aggregate
from harness.files import JsonObject
from harness.measures import measure_of
from harness.statistics import Bounds, mean

__all__ = ["check_rows"]


def check_rows(rows: Sequence[JsonObject], scores: Mapping[str, Aggregate], expected: int, scale: Bounds) -> None:
    """Raises `ValueError` for rows that are missing or doubled, values outside of their scale, and means that are not
    those of `scores`, the results' own. `expected`: how many rows they are of; `scale`: the judge's."""
    if len(rows) != expected:
        raise ValueError(f"{len(rows)} samples, and the results are of {expected}")
    if len({row["question_id"] for row in rows}) < len(rows):
        raise ValueError("a question has several samples")
    for number, row in enumerate(rows, start=1):
        for name in row["metrics"]:
            _check_value(number, name, row.get(name), scale)
        for score in row["scores"]:
            _check_value(number, score["criterion"], score["score"], scale)
    for name, recorded in scores.items():
        values = [value for row in rows if (value := row.get(name)) is not None]
        average = mean(values)
        if len(values) != recorded.n or (average is not None and abs(average - (recorded.value or 0.0)) > 1e-6):
            raise ValueError(
                f"the mean of {name} is {average} over {len(values)} samples; the results have {recorded.value} over "
                f"{recorded.n}"
            )


def _check_value(number: int, name: str, value: object, scale: Bounds) -> None:
    if value is None:
        return
    low, high = measure_of(name).bounds(scale) or (0.0, math.inf)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low - 1e-9 <= value <= high + 1e-9:
        raise ValueError(f"sample {number}: {name} is {value!r}, which is not from {low:g} to {high:g}")
