"""What is compared with what, checked."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.board import Table, make_table
from harness.comparison.likeness import unlike
from harness.comparison.pairing import pair
from harness.comparison.stored import StoredRun, base_name
from harness.errors import UsageError

__all__ = ["compared"]


def compared(runs: Sequence[StoredRun], baseline: str | None, margin: float) -> Table:
    """One table of runs of one task against the baseline: a model's name or the beginning of a run's id; None: the
    first run. Of several runs of the same weights in one arm the newest counts, if all are alike.

    Raises `UsageError`, a line for each, for runs that are not alike, that share no scored item with the baseline, and
    for a baseline that is not among them."""
    if len(runs) < 2:
        raise UsageError("compare: give two runs or more, one of them the baseline")
    name = _baseline(runs, baseline)
    bases = {run.arm: run for run in _by_date(runs) if _is_of(run, name)}
    others = [run for run in runs if not _is_of(run, name)]
    if not others:
        raise UsageError(f"compare: every run is of {name}, the baseline; name another model")
    problems = []
    for run in others:
        problems += _problems(run, bases)
    if problems:
        raise UsageError(*dict.fromkeys(problems))
    newest = {(run.model_id, run.model, run.arm): run for run in _by_date(runs)}
    chosen = [run for run in runs if newest[run.model_id, run.model, run.arm] is run]
    return make_table([run for part in (True, False) for run in chosen if _is_of(run, name) is part], name, margin)


def _by_date(runs: Sequence[StoredRun]) -> list[StoredRun]:
    return sorted(runs, key=lambda run: (run.date, run.run_id))


def _is_of(run: StoredRun, model: str) -> bool:
    """Whether it is of the model, a name standing for all its training seeds."""
    return model in (run.model, base_name(run.model))


def _baseline(runs: Sequence[StoredRun], baseline: str | None) -> str:
    if baseline is None:
        return runs[0].model
    models = list(dict.fromkeys(name for run in runs for name in (run.model, base_name(run.model))))
    if baseline in models:
        return baseline
    matching = {run.model for run in runs if len(baseline) >= 4 and run.run_id.startswith(baseline)}
    if len(matching) == 1:
        return matching.pop()
    raise UsageError(f"--baseline {baseline}: no run of this model was given; there are runs of {', '.join(models)}")


def _problems(run: StoredRun, bases: dict[str, StoredRun]) -> list[str]:
    """Why a run cannot be compared."""
    base = bases.get(run.arm)
    if base is None:
        name = next(iter(bases.values())).model
        return [f"{run.model}, {run.arm}: the baseline {name} has no run of this arm; evaluate it: --arm {run.arm}"]
    label = f"{run.model} and {base.model}, {run.arm}"
    if differences := unlike(run, base):
        shown = "; ".join(each.text for each in differences)
        return [f"{label}: cannot be compared: {shown}; evaluate both alike"]
    shared = set(run.items) & set(base.items)
    if not shared:
        return [f"{label}: have no item in common; evaluate both over the same questions"]
    if run.criteria and not any(pair(run, base, name).items for name in run.criteria):
        return [f"{label}: no shared item has a score in both; judge them again: harness judge RUN --judge NAME"]
    return []
