"""Whether a run folder's files are what a run writes, key by key, and its samples those that its results were computed
from. Each function gives a line for everything that is wrong, without the file's name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from harness.evaluation.aggregates import Aggregate
from harness.files import JsonObject
from harness.kept import MANIFEST, RESULTS, SAMPLE, problems_of_file
from harness.measures import ANSWER_METRICS, SCALE, measure_of
from harness.records import TaskPlan
from harness.shapes import check_shape, record_of
from harness.statistics import Bounds, mean

__all__ = [
    "check_compared",
    "current_name",
    "problems_of_manifest",
    "problems_of_results",
    "problems_of_rows",
    "unlike_results",
]

_PARTS = ("", "_stderr", "_ci95", "_n")
"""What results have of each measure, in lm-eval's way: `f1,none`, `f1_stderr,none`, …"""

_TASK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_COMPARED: dict[str, Any] = {
    "identities": {"source": {"corpus": Any, "questions": Any}},
    "entries": {"task": {"retrieval": dict[str, Any]}},
    "command": str,
    "date": str,
    "commit": str | None,
    "versions": dict[str, str],
}


def check_compared(manifest: JsonObject) -> None:
    """Raises `ValueError` for a manifest without what only a comparison reads."""
    check_shape(manifest, _COMPARED, "manifest")


def current_name(measure: str) -> str:
    """What a measure is called today."""
    return "loops" if measure == "repeats" else measure


def problems_of_manifest(manifest: object) -> list[str]:
    """Of `manifest.json`."""
    problems = problems_of_file(MANIFEST, manifest)
    return problems or _problems_of_plan(manifest["plan"])  # type: ignore[index]


def _problems_of_plan(plan: JsonObject) -> list[str]:
    known = {each.name for each in fields(TaskPlan)}
    problems = [f"plan.{key}: is missing" for key in known - {"arm", "limit", "seed"} - set(plan)]
    problems += [f"plan.{key}: is no key of a plan" for key in set(plan) - known]
    if problems:
        return sorted(problems)
    try:
        read = record_of(TaskPlan, plan, "plan")
    except ValueError as error:
        return [str(error)]
    if not _TASK.fullmatch(read.task):  # a folder is named after it
        return [f"plan.task: is {read.task!r}, which no task can be named"]
    return [f"plan.metrics: {name!r} is no metric" for name in read.metrics if name not in ANSWER_METRICS]


def problems_of_results(results: object, task: str) -> list[str]:
    """Of `results_*.json`, which must be of this task."""
    if problems := problems_of_file(RESULTS, results):
        return problems
    document: Any = results
    for block in ("results", "n-samples"):
        if task not in document[block]:
            return [f"{block}.{task}: is missing"]
    counts = document["n-samples"][task]
    if missing := {"original", "effective"} - set(counts):
        return [f"n-samples.{task}.{key}: is missing" for key in sorted(missing)]
    scale = document["harness"].get("scale", list(SCALE))
    if len(scale) != 2 or not scale[0] < scale[1]:
        return [f"harness.scale: is {scale}, not the lowest and the highest score"]
    return _problems_of_measures(document["results"][task], Bounds(*map(float, scale)))


def _problems_of_measures(measured: JsonObject, scale: Bounds) -> list[str]:
    names = [key.removesuffix("_n,none") for key in measured if key.endswith("_n,none")]
    expected = {f"{name}{part},none" for name in names for part in _PARTS} | {"alias", "sample_len"}
    problems = [f"{key}: is missing" for key in sorted(expected - set(measured))]
    problems += [
        f"{key}: is no measure with value, error, interval and count" for key in sorted(set(measured) - expected)
    ]
    for name in () if problems else names:
        value, error, interval, count = (measured[f"{name}{part},none"] for part in _PARTS)
        low, high = _bounds(name, scale)
        if not _is_within(value, low, high):
            problems.append(f"{name},none: is {value!r}, which is not from {low:g} to {high:g}")
        if not _is_within(error, 0.0, math.inf):
            problems.append(f"{name}_stderr,none: is {error!r}, which is not a number from 0")
        if interval is not None and not _are_numbers(interval):
            problems.append(f"{name}_ci95,none: is {interval!r}, not two numbers")
        if not _are_numbers(count) or not 0 <= count[0] <= count[1]:
            problems.append(f"{name}_n,none: is {count!r}, not the number of scored items and of all")
    return problems


def problems_of_rows(rows: Sequence[JsonObject], criteria: Collection[str]) -> list[str]:
    """Of the lines of `samples_*.jsonl`. `criteria`: of the judge."""
    problems = [] if rows else ["there is no sample"]
    for number, row in enumerate(rows, start=1):
        metrics = row.get("metrics")
        measures = (
            set(metrics) if isinstance(metrics, list) and all(isinstance(each, str) for each in metrics) else set()
        )
        wrong = problems_of_file(SAMPLE, {key: value for key, value in row.items() if key not in measures})
        wrong += [f"{name}: is missing" for name in sorted(measures - set(row))]
        if not wrong:
            wrong = [
                f"scores[{place}].criterion: is {score['criterion']!r}, which the results do not have"
                for place, score in enumerate(row["scores"])
                if score["criterion"] not in criteria
            ]
        problems += [f"line {number}: {problem}" for problem in wrong]
    return problems


def unlike_results(
    rows: Sequence[JsonObject], scores: Mapping[str, Aggregate], expected: int, scale: Bounds
) -> list[str]:
    """Rows that are missing or doubled, values outside of their scale, and means that are not those of `scores`, the
    results' own. `expected`: how many rows they are of; `scale`: the judge's."""
    if len(rows) != expected:
        return [f"{len(rows)} samples, and the results are of {expected}"]
    if len({row["question_id"] for row in rows}) < len(rows):
        return ["question_id: a question has several samples"]
    problems = []
    for number, row in enumerate(rows, start=1):
        values = [(name, row.get(name)) for name in dict.fromkeys([*row["metrics"], *scores])]
        values += [(score["criterion"], score["score"]) for score in row["scores"]]
        for name, value in values:
            low, high = _bounds(name, scale)
            if not _is_within(value, low, high):
                problems.append(f"line {number}: {name}: is {value!r}, which is not from {low:g} to {high:g}")
    for name, recorded in scores.items() if not problems else ():
        present = [value for row in rows if (value := row.get(name)) is not None]
        average = mean(present)
        if len(present) != recorded.n or (average is not None and abs(average - (recorded.value or 0.0)) > 1e-6):
            told = f"its mean is {average} over {len(present)} samples"
            problems.append(f"{name}: {told}, and the results have {recorded.value} over {recorded.n}")
    return problems


def _bounds(name: str, scale: Bounds) -> tuple[float, float]:
    return measure_of(current_name(name)).bounds(scale) or (0.0, math.inf)


def _is_within(value: object, low: float, high: float) -> bool:
    """A number on the scale, or none at all."""
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low - 1e-9 <= value <= high + 1e-9


def _are_numbers(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and None not in pair
        and all(_is_within(x, -math.inf, math.inf) for x in pair)
    )
