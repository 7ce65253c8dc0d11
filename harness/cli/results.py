"""The table at the end of `harness eval`: lm-eval's columns, and ours to the right of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.tables import markdown_table

if TYPE_CHECKING:
    from harness.evaluate import Outcome
    from harness.evaluate.scores import Score
    from harness.schema import GroupEntry

__all__ = ["print_outcomes"]

_HEADERS = ["Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", " ", "Stderr", "95% CI", "n", "Judge"]
_RIGHT = [False, True, False, True, False, False, True, False, True, False, True, False]
_ARROWS = {True: "↑", False: "↓", None: " "}


def print_outcomes(
    outcomes: Sequence[Outcome],
    groups: Iterable[GroupEntry],
    members: Mapping[str, Sequence[str]],
    options: argparse.Namespace,
) -> None:
    """A table for each model and arm, a second one for groups where there are any, and where the files are. `members`
    are the tasks of each group, inner groups opened."""
    groups = list(groups)
    by_model: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        by_model.setdefault((outcome.model, outcome.plan.arm.value), []).append(outcome)
    for (model, arm), of_model in by_model.items():
        print(f"\n{_heading(model, of_model[0])}, arm: {arm}, batch_size: {options.batch_size or 'auto'}")
        print(markdown_table(_HEADERS, [row for outcome in of_model for row in _rows(outcome)], _RIGHT))
        of_groups = [row for group in groups for row in _group_rows(group, members[group.group], of_model)]
        if of_groups:
            print("\n" + markdown_table(["Groups", *_HEADERS[1:]], of_groups, _RIGHT))
        for outcome in of_model:
            print(f"{outcome.seconds:.1f} s, files in {outcome.folder}")


def _heading(model: str, outcome: Outcome) -> str:
    """The line above lm-eval's table: what a name stands for, and how answers were decoded."""
    arguments = ",".join(f"{key}={value}" for key, value in outcome.description.get("model_args", {}).items())
    decoding = outcome.plan.decoding
    sampling = "" if decoding.greedy else f",temperature={decoding.temperature:g},top_p={decoding.top_p:g}"
    return (
        f"{model}: {outcome.description['engine']} ({arguments}), gen_kwargs: (max_gen_toks={decoding.max_gen_toks}"
        f"{sampling}), limit: {outcome.plan.limit}, num_fewshot: 0"
    )


def _rows(outcome: Outcome) -> list[list[str]]:
    criteria = {
        score.measure for score in outcome.scores if score.n < score.total or score.measure in _criteria(outcome)
    }
    rows = []
    for number, score in enumerate(outcome.scores):
        first = number == 0
        head = [outcome.plan.task, f"{outcome.plan.version:g}"] if first else ["", ""]
        judge = outcome.judge if score.measure in criteria else ""
        rows.append([*head, "none", "0", *_numbers(score), judge])
    return rows


def _criteria(outcome: Outcome) -> set[str]:
    """The measures that come from the judge: those before the first plain metric."""
    names = [score.measure for score in outcome.scores]
    return set(names[: names.index(outcome.plan.metrics[0])]) if outcome.plan.metrics[0] in names else set()


def _numbers(score: Score) -> list[str]:
    interval = f"[{score.interval.low:.4f}, {score.interval.high:.4f}]" if score.interval else ""
    return [
        score.measure,
        _ARROWS[score.higher_is_better],
        f"{score.value:.4f}" if score.value is not None else "N/A",
        "±",
        f"{score.standard_error:.4f}" if score.standard_error is not None else "N/A",
        interval,
        f"{score.n}/{score.total}",
    ]


def _group_rows(group: GroupEntry, tasks: Sequence[str], outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Means over the group's tasks, unweighted unless the entry says `weight_by_size`."""
    rows: list[list[str]] = []
    members = [outcome for outcome in outcomes if outcome.plan.task in tasks]
    for aggregate in group.aggregate_metric_list:
        scores = [
            s for outcome in members for s in outcome.scores if s.measure == aggregate.metric and s.value is not None
        ]
        if not scores or len(scores) < len(tasks):
            continue  # a mean over part of a group is not the group's
        weights = [score.n if aggregate.weight_by_size else 1 for score in scores]
        value = sum(w * s.value for w, s in zip(weights, scores, strict=True) if s.value is not None) / sum(weights)
        head = [group.group_alias or group.group, f"{group.metadata.version:g}"] if not rows else ["", ""]
        arrow = _ARROWS[scores[0].higher_is_better]
        count = f"{sum(score.n for score in scores)}/{sum(score.total for score in scores)}"
        rows.append([*head, "none", "0", aggregate.metric, arrow, f"{value:.4f}", "±", "N/A", "", count, ""])
    return rows
