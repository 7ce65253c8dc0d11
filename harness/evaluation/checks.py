"""Whether the samples of a run folder are those that its results were computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.evaluation.aggregates import Aggregate
from harness.files import JsonObject
from harness.measures import measure_of
from harness.shapes import check_shape
from harness.statistics import Bounds, mean

__all__ = ["check_compared", "check_rows", "check_shapes"]

_PLAIN = dict[str, Any]
_MANIFEST: dict[str, Any] = {
    "plan": _PLAIN,
    "identities": {"source": _PLAIN, "retriever": Any, "model": _PLAIN},
    "entries": {"task": _PLAIN},
    "model": {"name": str},
}
_COMPARED: dict[str, Any] = {
    "identities": {"source": {"corpus": Any, "questions": Any}},
    "entries": {"task": {"retrieval": _PLAIN}},
    "command": str,
    "date": str,
    "commit": str | None,
    "versions": dict[str, str],
}
_MANIFEST_LATER: dict[str, Any] = {
    "training": _PLAIN,
    "usage": _PLAIN,
    "leakage": dict[str, list[str]] | None,
    "deviations": list[str],
    "majority_answer": str | None,
}
_OURS: dict[str, Any] = {
    "run_id": str,
    "judge": str,
    "criteria": list[str],
    "model_id": str,
    "judge_id": str,
    "judge_is_broken": bool,
    "unscored": _PLAIN,
}
_OURS_LATER = {"judge_repeats": int | None, "scale": list[float], "trivial": dict[str, dict[str, float]]}
_SCORE = {"criterion": str, "repeat": int, "score": float | None, "reason": str, "reply": str}
_ROW: dict[str, Any] = {
    "question_id": str,
    "doc": {"question": str},
    "target": str,
    "resps": list[list[str]],
    "passages": list[_PLAIN],
    "metrics": list[str],
    "stop_reason": str,
    "scores": list[_PLAIN],
    "cluster": str,
    "kind": str,
}


def check_shapes(manifest: JsonObject, results: JsonObject) -> None:
    """Raises `ValueError` for a run's two JSON files where a key that is read is missing or of another type."""
    check_shape(manifest, _MANIFEST, "manifest")
    check_shape(manifest, {key: hint for key, hint in _MANIFEST_LATER.items() if key in manifest}, "manifest")
    check_shape(manifest["plan"], {"task": str}, "plan")
    task = manifest["plan"]["task"]
    counts = {task: {"original": int, "effective": int}}
    check_shape(
        results, {"results": {task: _PLAIN}, "model_name": str, "harness": _OURS, "n-samples": counts}, "results"
    )
    ours = results["harness"]
    check_shape(ours, {key: hint for key, hint in _OURS_LATER.items() if key in ours}, "harness")
    if "scale" in ours and (len(ours["scale"]) != 2 or not ours["scale"][0] < ours["scale"][1]):
        raise ValueError(f"harness.scale is {ours['scale'][:3]}, not the lowest and the highest score")
    for key, value in results["results"][task].items():
        _check_measured(key, value)


def check_compared(manifest: JsonObject) -> None:
    """Raises `ValueError` for a manifest without what only a comparison reads."""
    check_shape(manifest, _COMPARED, "manifest")


def _check_measured(key: str, value: object) -> None:
    """The kind of number is behind the measure's name: `accuracy_ci95,none`."""
    if key.endswith(("_ci95,none", "_n,none")):
        check_shape(value, list[float] | None if key.endswith("_ci95,none") else list[int], key)
        if isinstance(value, list) and len(value) != 2:
            raise ValueError(f"{key} has {len(value)} numbers, not two")
    elif key.endswith(",none"):
        check_shape(value, float | None, key)


def check_rows(rows: Sequence[JsonObject], scores: Mapping[str, Aggregate], expected: int, scale: Bounds) -> None:
    """Raises `ValueError` for rows that are missing or doubled, values outside of their scale, and means that are not
    those of `scores`, the results' own. `expected`: how many rows they are of; `scale`: the judge's."""
    for number, row in enumerate(rows, start=1):
        check_shape(row, _ROW, f"sample {number}")
        for score in row["scores"]:
            check_shape(score, _SCORE, f"sample {number}, scores")
    if len(rows) != expected:
        raise ValueError(f"{len(rows)} samples, and the results are of {expected}")
    if len({row["question_id"] for row in rows}) < len(rows):
        raise ValueError("a question has several samples")
    for number, row in enumerate(rows, start=1):
        for name in dict.fromkeys([*row["metrics"], *scores]):
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
