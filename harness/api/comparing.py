"""Comparing finished runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.api.session import PathLike, several
from harness.comparison.anchored import Anchored, Labels, anchored, read_labels
from harness.comparison.board import Row, Table
from harness.comparison.causes import Causes, causes
from harness.comparison.likeness import tables, unlike
from harness.comparison.multiverse import Multiverse, multiverse
from harness.comparison.request import compared
from harness.comparison.stored import StoredRun, base_name
from harness.comparison.verdicts import Difference, Verdict
from harness.entries.catalog import Catalog
from harness.errors import DataError, UsageError
from harness.evaluation.folder import Run, read_run
from harness.files import JsonObject, read_json
from harness.records import Arm

__all__ = ["MARGIN", "Comparison", "compare", "find_runs", "is_of_task", "runs_of_task", "stored"]

MARGIN = 0.25
"""Points of the scale of 1 to 5: the largest difference that does not matter, unless an entry or a user says so."""


@dataclass(frozen=True)
class Comparison:
    """`table.rows[1].differences["accuracy"]` has estimate, interval, p value and verdict. The others are there where
    they were asked for, by (model, arm, criterion)."""

    table: Table
    causes: dict[tuple[str, str, str], Causes]
    multiverses: dict[tuple[str, str], Multiverse]
    anchored: dict[tuple[str, str, str], Anchored]


def compare(
    runs: Sequence[Run | StoredRun | PathLike],
    *,
    baseline: str | None = None,
    margin: float = MARGIN,
    why: bool = False,
    stability: bool = False,
    labels: PathLike | None = None,
    beside: Sequence[Run | StoredRun | PathLike] = (),
) -> Comparison:
    """The runs of one task against the baseline, each arm against its same arm.

    `runs`: run folders, or what `evaluate` and `load_run` return. `baseline`: a model's name; None: that of the first
    run. `margin`: the largest difference that does not matter. `why`: also what Δ is made of. `stability`: also Δ under
    every defensible choice, with the scores of other judges among `beside`. `labels`: a file of people's labels, which
    correct the judge's Δ. `beside`: further runs of the same models: other arms, for `why`, and other judges.

    Raises `UsageError` for runs that are not alike (another prompt, data, decoding, retrieval or judge), and
    `DataError` for a folder that is not whole."""
    if not 0 < margin < math.inf:
        raise UsageError(f"--margin {margin:g}: give a difference above 0, in points of the judge's scale")
    read = None if labels is None else read_labels(Path(labels))
    chosen = [stored(run) for run in several(runs)]
    table = compared(chosen, baseline, margin)
    everything = {run.run_id: run for run in [*(stored(run) for run in beside), *chosen]}
    others = list(everything.values())
    rows = [row for row in table.rows if row.differences]
    if read is not None and len({row.run.arm for row in rows}) > 1:
        raise UsageError(f"--labels {read.path}: labels are of one arm's answers; compare one arm: --arm rag")
    corrected = {} if read is None else _anchored(rows, read)
    return Comparison(
        _without_withheld(table, corrected),
        _causes(rows, others) if why else {},
        {(row.run.model, row.run.arm): multiverse(_judged_by_all(row, others)) for row in rows}
        if stability or why
        else {},
        corrected,
    )


def _without_withheld(table: Table, corrected: Mapping[tuple[str, str, str], Anchored]) -> Table:
    """The table without the judge's own Δ where a score does not mean the same of both models' answers."""

    def shown(row: Row, name: str, difference: Difference) -> Difference:
        found = corrected.get((row.run.model, row.run.arm, name))
        if found is None or found.transports:
            return difference
        return replace(
            difference,
            estimate=None,
            interval=None,
            raw_p_value=None,
            p_value=None,
            equivalence_p_value=None,
            detectable=None,
            needed=None,
            verdict=Verdict.WITHHELD,
        )

    rows = [
        replace(row, differences={name: shown(row, name, each) for name, each in row.differences.items()})
        for row in table.rows
    ]
    return replace(table, rows=rows)


def stored(run: Run | StoredRun | PathLike) -> StoredRun:
    """A run as comparisons take it."""
    if isinstance(run, StoredRun):
        return run
    return StoredRun.of(run if isinstance(run, Run) else read_run(Path(run)))


def _causes(rows: Sequence[Row], others: Sequence[StoredRun]) -> dict[tuple[str, str, str], Causes]:
    found = {}
    for row in rows:
        if row.baseline is None or row.run.arm != Arm.RAG:
            continue
        arms = {}
        for arm in (Arm.CLOSED_BOOK, Arm.ORACLE):
            own, base = (_in_arm(run, arm, others) for run in (row.run, row.baseline))
            if own is not None and base is not None:
                arms[arm.value] = (own, base)
        for name in row.differences:
            if (split := causes(name, row.run, row.baseline, arms)) is not None:
                found[row.run.model, row.run.arm, name] = split
    return found


def _in_arm(run: StoredRun, arm: Arm, others: Sequence[StoredRun]) -> StoredRun | None:
    """The newest run of the same model that differs in the arm alone."""
    alike = [
        each
        for each in others
        if (each.model, each.arm) == (run.model, arm.value) and not unlike(each, run) and each.item_set == run.item_set
    ]
    return max(alike, key=lambda each: (each.date, each.run_id), default=None)


def _judged_by_all(row: Row, others: Sequence[StoredRun]) -> list[tuple[StoredRun, StoredRun]]:
    """The pair of runs of the row, then those of the same answers under other judges."""
    assert row.baseline is not None, "the row has differences"
    pairs = {row.run.judge_id: (row.run, row.baseline)}
    sides = [{each.judge_id: each for each in others if _same_answers(each, run)} for run in (row.run, row.baseline)]
    for judge_id in sorted(set(sides[0]) & set(sides[1])):
        pairs.setdefault(judge_id, (sides[0][judge_id], sides[1][judge_id]))
    return list(pairs.values())


def _same_answers(each: StoredRun, run: StoredRun) -> bool:
    alike = (each.model_id, each.arm, each.item_set) == (run.model_id, run.arm, run.item_set)
    return alike and all(difference.name.startswith("judge") for difference in unlike(each, run))


def _anchored(rows: Sequence[Row], labels: Labels) -> dict[tuple[str, str, str], Anchored]:
    return {
        (row.run.model, row.run.arm, name): anchored(row.run, row.baseline, name, labels)
        for row in rows
        for name in row.differences
        if row.baseline is not None
    }


# ---- finding runs ---------------------------------------------------------------------------------------------------


def find_runs(
    *,
    task: str,
    models: Sequence[str],
    arms: Sequence[str] = ("rag",),
    judge: str | None = None,
    results: PathLike = "results",
    include_path: Sequence[PathLike] = (),
) -> list[StoredRun]:
    """The finished runs of these models on a task; `judge` None: the task's own. Of several runs of a model those are
    taken that are alike and over the most questions. A model's name stands for all its training seeds.

    Raises `UsageError`, a line each, for a model that has no run in an arm."""
    entry = Catalog([Path(path) for path in include_path]).task(task)
    judged_by = judge if judge is not None else entry.judge
    of_task = runs_of_task(entry.task, results, models)
    found = [
        run
        for run in of_task
        if run.judge == judged_by and run.arm in arms and (run.model in models or base_name(run.model) in models)
    ]
    missing = [
        f"no run of {model} on {entry.task}, {arm}, judged by {judged_by} in {results}; "
        + _remedy(model, arm, of_task, entry.task)
        for model in models
        for arm in arms
        if not any(_is_of(run, model, arm) for run in found)
    ]
    if missing:
        raise UsageError(*missing)
    return _comparable(found, models, arms)


def _is_of(run: StoredRun, model: str, arm: str) -> bool:
    return model in (run.model, base_name(run.model)) and run.arm == arm


def _remedy(model: str, arm: str, runs: Sequence[StoredRun], task: str) -> str:
    """Another judge's run, where there is one, or the command that makes it."""
    judges = sorted({run.judge for run in runs if _is_of(run, model, arm)})
    if judges:
        return f"there is one judged by {judges[0]}: pass --judge {judges[0]}, or judge it again (harness judge)"
    return f"evaluate it: harness eval --task {task} --model {model}" + ("" if arm == Arm.RAG else f" --arm {arm}")


def runs_of_task(task: str, results: PathLike = "results", models: Sequence[str] | None = None) -> list[StoredRun]:
    """All finished runs of a task in a folder of run folders. Raises `DataError` for a folder that is not whole, where
    it is of one of these models; None: of any."""
    runs = []
    for manifest in sorted(Path(results).glob("*/*/manifest.json")):
        head = read_json(manifest, "delete the folder and run again")
        if not is_of_task(head, task):
            continue
        try:
            runs.append(StoredRun.of(read_run(manifest.parent)))
        except DataError:
            name = head.get("model", {}).get("name") if isinstance(head.get("model"), dict) else None
            if models is None or name is None or {str(name), base_name(str(name))} & set(models):
                raise  # a broken folder of another model does not stand in the way
    return runs


def is_of_task(manifest: JsonObject, task: str) -> bool:
    """Whether it is the manifest of a run of the task."""
    plan = manifest.get("plan")
    return isinstance(plan, dict) and plan.get("task") == task


def _comparable(found: Sequence[StoredRun], models: Sequence[str], arms: Sequence[str]) -> list[StoredRun]:
    """The alike runs over one set of items that have every model and arm, over the most items, the newest of several;
    where there are none, those that differ least, which a comparison then refuses by name. In the order of
    `models`."""
    wanted = {(model, arm) for model in models for arm in arms}

    def has_all(group: Sequence[StoredRun]) -> bool:
        there = {(name, run.arm) for run in group for name in (run.model, base_name(run.model))}
        return wanted <= there

    chosen = next((group for group in tables(found) if has_all(group)), None)
    if chosen is None:
        by_size = sorted(found, key=lambda run: (len(run.items), run.date))
        first = [run for run in by_size if models[0] in (run.model, base_name(run.model))][-1]
        nearest = sorted(by_size, key=lambda run: -len(unlike(run, first)))  # the last of each model and arm is taken
        chosen = list({(run.model, run.arm): run for run in nearest}.values())

    def order(run: StoredRun) -> tuple[int, str, int]:
        name = run.model if run.model in models else base_name(run.model)
        return list(models).index(name), run.model, list(arms).index(run.arm)

    return sorted(chosen, key=order)
