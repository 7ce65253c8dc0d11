"""Δ anchored in people's labels: a judge's difference corrected by what people said of some of the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.comparison.pairing import Paired, pair
from harness.comparison.stored import StoredRun
from harness.errors import DataError, UsageError
from harness.files import numbered_rows
from harness.statistics import Corrected, corrected_difference, transport_gap

__all__ = ["Anchored", "Labels", "anchored", "read_labels"]

TRANSPORT_ALPHA = 0.05
FEWEST_LABELS = 20


@dataclass(frozen=True, slots=True)
class Labels:
    """People's labels by (question id, model)."""

    path: Path
    values: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Anchored:
    """Δ in people's labels. `gap` is by how much more the judge errs in favour of the run's answers than of the
    baseline's, in the labels' unit, and `gap_p_value` that of its being 0."""

    measure: str
    items: int
    labels: int
    judged: Paired
    corrected: Corrected
    gap: float
    gap_p_value: float

    @property
    def transports(self) -> bool:
        """Whether, so far as can be told, a score means the same of both models' answers; where not, the judge's own Δ
        is not to be shown."""
        return self.gap_p_value > TRANSPORT_ALPHA


def read_labels(path: Path) -> Labels:
    """JSON lines `{"question_id": …, "model": …, "score": …}`, one for each answer that a person scored; all are of one
    arm. Raises `DataError` with all that is wrong."""
    if not path.is_file():
        raise UsageError(f"--labels {path}: there is no such file")
    problems: list[str] = []
    values: dict[tuple[str, str], float] = {}
    for number, row in numbered_rows(path, problems):
        question, model, score = (row.get(key) for key in ("question_id", "model", "score"))
        if not isinstance(question, str) or not isinstance(model, str):
            problems.append(f"{path}:{number}: question_id and model: must be text")
        elif isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            problems.append(f"{path}:{number}: score: is {score!r}; it must be a number")
        elif (question, model) in values:
            problems.append(f"{path}:{number}: {question}, {model}: has a label already; give the mean of several")
        else:
            values[question, model] = float(score)
    if problems or not values:
        raise DataError.of(problems or [f"{path}: holds no label"])
    return Labels(path, values)


def anchored(run: StoredRun, baseline: StoredRun, measure: str, labels: Labels) -> Anchored:
    """Raises `UsageError` where the labels are of other questions or models, and where fewer than 20 items have a label
    of both answers."""
    paired = pair(run, baseline, measure)
    both: list[tuple[float, float] | None] = [_both(labels, item, run.model, baseline.model) for item in paired.items]
    known = [each for each in both if each is not None]
    if len(known) < FEWEST_LABELS:
        raise UsageError(
            f"--labels {labels.path}: {len(known)} of {len(paired.items)} items have a label of both "
            f"{run.model} and {baseline.model}; {FEWEST_LABELS} are needed" + _whose(labels, run, baseline)
        )
    differences = [None if each is None else each[0] - each[1] for each in both]
    corrected = corrected_difference(paired.differences, differences, paired.clusters)
    rows = [n for n, each in enumerate(both) if each is not None]
    gap = transport_gap(
        [(base, own) for own, base in known],
        [(paired.baseline[n], paired.values[n]) for n in rows],
        [paired.clusters[n] for n in rows],
    )
    if corrected is None or gap is None:
        raise UsageError(
            f"--labels {labels.path}: the labels of {run.model} and {baseline.model} are too few, or too much alike, "
            "to tell"
        )
    return Anchored(measure, len(paired.items), len(known), paired, corrected, *gap)


def _both(labels: Labels, item: str, model: str, baseline: str) -> tuple[float, float] | None:
    own, base = labels.values.get((item, model)), labels.values.get((item, baseline))
    return None if own is None or base is None else (own, base)


def _whose(labels: Labels, run: StoredRun, baseline: StoredRun) -> str:
    models: Sequence[str] = sorted({model for _, model in labels.values})
    if not {run.model, baseline.model} <= set(models):
        return f"; its labels are of {', '.join(models[:5])}"
    if not {question for question, _ in labels.values} & set(run.items):
        return "; its labels are of other questions"
    return ""
