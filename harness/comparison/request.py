"""What is compared with what, checked."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.board import Table, make_table
from harness.comparison.likeness import unlike
from harness.comparison.pairing import pair
from harness.comparison.stored import StoredRun
from harness.errors import UsageError

__all__ = ["compared"]


def compared(runs: Sequence[StoredRun], baseline: str | None, margin: float) -> Table:
    """One table of runs of one task against the baseline: a model's name or the beginning of a run's id; None: the
    first run. Of several runs of one model and arm the newest counts.

    Raises `UsageError`, a line for each, for runs that are not alike, that share no scored item with the baseline, and
    for a baseline that is not among them."""
    if len(runs) < 2:
        raise UsageError("compare: give two runs or more, one of them the baseline")
    name = _baseline(runs, baseline)
    newest: dict[tuple[str, str], StoredRun] = {}
    for run in sorted(runs, key=lambda run: (run.date, run.run_id)):
        newest[run.model, run.arm] = run
    chosen = [run for run in runs if newest[run.model, run.arm] is run]
    bases = {run.arm: run for run in chosen if run.model == name}
    others = [run for run in chosen if run.model != name]
    if not others:
        raise UsageError(f"compare: every run is of {name}, the baseline; name another model")
    problems = []
    for run in others:
        problems += _problems(run, bases)
    if problems:
        raise UsageError(*dict.fromkeys(problems))
    return make_table([*bases.values(), *others], name, margin)


def _baseline(runs: Sequence[StoredRun], baseline: str | None) -> str:
    if baseline is None:
        return runs[0].model
    models = list(dict.fromkeys(run.model for run in runs))
    if baseline in models:
        return baseline
    matching = {run.model for run in runs if len(baseline) >= 4 and run.run_id.startswith(baseline)}
    if len(matching) == 1:
        return matching.pop()
    raise UsageError(f"--baseline {baseline}: no run of it is here; there are runs of {', '.join(models)}")


def _problems(run: StoredRun, bases: dict[str, StoredRun]) -> list[str]:
    """Why a run cannot be compared."""
    base = bases.get(run.arm)
    if base is None:
        name = next(iter(bases.values())).model
        return [f"{run.model}, {run.arm}: the baseline {name} has no run of this arm; evaluate it: --arm {run.arm}"]
    label = f"{run.model} and {base.model}, {run.arm}"
    if differences := unlike(run, base):
        shown = "; ".join(f"{each.name} is {_text(each.value)} and {_text(each.other)}" for each in differences)
        return [f"{label}: cannot be compared: {shown}; evaluate both alike"]
    shared = set(run.items) & set(base.items)
    if not shared:
        return [f"{label}: have no item in common; evaluate both over the same questions"]
    if run.criteria and not any(pair(run, base, name).items for name in run.criteria):
        return [f"{label}: no shared item has a score in both; judge them again: harness judge RUN --judge NAME"]
    return []


def _text(value: object) -> str:
    return "not recorded" if value is None else str(value)
