"""Published claims, tested on whatever runs there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.api.boards import stored_with
from harness.api.comparing import runs_of_task
from harness.api.session import PathLike
from harness.comparison.claims import TestedClaim, check_claims
from harness.entries.catalog import Catalog
from harness.errors import EntryError, UsageError
from harness.reports.claims import claim_cells_section, claims_section
from harness.reports.page import Page, html, markdown

__all__ = ["claims", "claims_page"]


def claims(name: str, *, results: PathLike = "results", include_path: Sequence[PathLike] = ()) -> list[TestedClaim]:
    """The claims of a leaderboard's entry, each reproduced, refuted, not to be told, or not run: on the runs that are
    stored with the leaderboard and those of its tasks and judge under `results`.

    Raises `UsageError` for an entry without claims, and `EntryError` for claims of what it does not have."""
    catalog = Catalog([Path(path) for path in include_path])
    entry = catalog.leaderboard(name)
    if not entry.claims:
        raise UsageError(f"leaderboard {name}: has no `claims`; name one that has, as fine-or-fail")
    if problems := catalog.claim_problems(entry):
        raise EntryError(*problems)
    tasks, _ = catalog.expand_tasks(entry.tasks)
    runs = {run.run_id: run for run in stored_with(catalog, name)}
    for task in tasks:
        runs |= {run.run_id: run for run in runs_of_task(task, results) if run.judge == entry.judge}
    return check_claims(entry.claims, list(runs.values()), entry.margin)


def claims_page(tested: Sequence[TestedClaim], form: str = "md") -> str:
    """As markdown (`md`) or `html`: a row for each claim, then a row for each comparison."""
    sections = [claims_section(tested)]
    sections += [claim_cells_section(tested)] if any(each.compared for each in tested) else []
    return html(Page("Claims", sections)) if form == "html" else markdown(Page("", sections))
