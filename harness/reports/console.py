"""The table at the end of `harness eval`: lm-eval's columns, and ours to the right of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.build.resources import BatchSize
from harness.entries.task import AggregateEntry, GroupEntry
from harness.evaluation.aggregates import Aggregate
from harness.evaluation.environments import described
from harness.evaluation.folder import Run
from harness.tables import markdown_table

__all__ = ["Group", "runs_table"]

_HEADERS = ["Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", " ", "Stderr", "95% CI", "n", "Judge"]
_RIGHT = [False, True, False, True, False, False, True, False, True, False, True, False]
_ARROWS = {True: "↑", False: "↓", None: " "}


class Group(NamedTuple):
    """A group of tasks, inner groups opened."""

    entry: GroupEntry
    tasks: Sequence[str]


def runs_table(runs: Sequence[Run], groups: Sequence[Group] = (), batch_size: BatchSize | None = None) -> str:
    """A table for each model and arm, a second one for groups where there are any, and where the files are."""
    by_model: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        by_model.setdefault((run.model, run.plan.arm.value), []).append(run)
    parts: list[str] = []
    for (_, arm), model_runs in by_model.items():
        parts.append(f"\n{_heading(model_runs[0])}, arm: {arm}, batch_size: {batch_size or 'auto'}")
        parts.append(markdown_table(_HEADERS, [row for run in model_runs for row in _rows(run)], _RIGHT))
        if group_rows := [row for group in groups for row in _group_rows(group, model_runs)]:
            parts.append("\n" + markdown_table(["Groups", *_HEADERS[1:]], group_rows, _RIGHT))
        for run in model_runs:
            parts.append(f"{run.seconds:.1f} s, files in {run.folder}")
            parts += [f"{run.folder.name}: {several}"] if (several := described(run.environments)) else []
    return "\n".join(parts)


def _heading(run: Run) -> str:
    """The line above lm-eval's table: what a name stands for, and how answers were decoded."""
    model, decoding = run.manifest["model"], run.plan.decoding
    arguments = ",".join(f"{key}={value}" for key, value in model.get("model_args", {}).items())
    sampling = "" if decoding.greedy else f",temperature={decoding.temperature:g},top_p={decoding.top_p:g}"
    return (
        f"{run.model}: {model['engine']} ({arguments}), gen_kwargs: (max_gen_toks={decoding.max_gen_toks}"
        f"{sampling}), limit: {run.plan.limit}, num_fewshot: 0"
    )


def _rows(run: Run) -> list[list[str]]:
    rows = []
    for number, each in enumerate(run.scores.values()):
        head = [run.task, f"{run.plan.version:g}"] if number == 0 else ["", ""]
        judge = run.judge if each.measure in run.criteria else ""
        rows.append([*head, "none", "0", *_numbers(each), judge])
    return rows


def _numbers(each: Aggregate) -> list[str]:
    interval = f"[{each.interval.low:.4f}, {each.interval.high:.4f}]" if each.interval else ""
    return [
        each.measure,
        _ARROWS[each.higher_is_better],
        f"{each.value:.4f}" if each.value is not None else "N/A",
        "±",
        f"{each.standard_error:.4f}" if each.standard_error is not None else "N/A",
        interval,
        f"{each.n}/{each.total}",
    ]


def _group_rows(group: Group, runs: Sequence[Run]) -> list[list[str]]:
    """Means over the group's tasks, unweighted unless the entry says `weight_by_size`."""
    rows: list[list[str]] = []
    for aggregate in group.entry.aggregate_metric_list:
        scores = [
            run.scores[aggregate.metric] for run in runs if run.task in group.tasks and aggregate.metric in run.scores
        ]
        known = [each for each in scores if each.value is not None]
        if not known or len(known) < len(group.tasks):
            continue  # a mean over part of a group is not the group's
        entry = group.entry
        head = [entry.group_alias or entry.group, f"{entry.metadata.version:g}"] if not rows else ["", ""]
        arrow = _ARROWS[known[0].higher_is_better]
        count = f"{sum(each.n for each in known)}/{sum(each.total for each in known)}"
        value = f"{_group_mean(aggregate, known):.4f}"
        rows.append([*head, "none", "0", aggregate.metric, arrow, value, "±", "N/A", "", count, ""])
    return rows


def _group_mean(aggregate: AggregateEntry, scores: Sequence[Aggregate]) -> float:
    weights = [each.n if aggregate.weight_by_size else 1 for each in scores]
    return sum(w * each.value for w, each in zip(weights, scores, strict=True) if each.value is not None) / sum(weights)
