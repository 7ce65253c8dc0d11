"""`harness runs`: a table of run folders. `harness gc`: what is kept, and what of it can go."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.common import Subparsers, add_output_path, add_store

if TYPE_CHECKING:
    from harness.evaluation.keeping import Holding, RunFolder

__all__ = ["add"]

_DELETABLE = ("records", "indexes", "chunks", "vectors", "weights", "unfinished")


def add(commands: Subparsers) -> None:
    """Adds the commands and their options."""
    parser = commands.add_parser(
        "runs",
        help="list run folders",
        description="Lists the run folders with task, model, arm, judge, date, questions and size; of one that is not "
        "whole it says why.",
    )
    add_output_path(parser, "where run folders are", "results")
    parser.set_defaults(run=list_runs)
    parser = commands.add_parser(
        "gc",
        help="show what is stored, and delete what no run needs",
        description="Shows what the store and the cache hold, how large it is, and what no run in the results folders "
        "needs. Deletes nothing without --delete, and never what a run needs. Records of audits, of `harness score` "
        "and of unfinished runs are kept.",
    )
    parser.add_argument(
        "--results", nargs="+", type=Path, default=[Path("results")], metavar="DIR",
        help="all folders that hold run folders (default: results)",
    )  # fmt: skip
    parser.add_argument(
        "--delete", nargs="+", choices=_DELETABLE, default=[],
        help="delete what no run needs of these; records: of runs whose folders are gone",
    )  # fmt: skip
    parser.add_argument("--dry_run", action="store_true", help="with --delete: show what would go, and keep it")
    add_store(parser)
    parser.set_defaults(run=clean)


def list_runs(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api.keeping import list_runs
    from harness.tables import markdown_table

    heads = ["task", "model", "arm", "judge", "date", "questions", "size", "state", "folder"]
    rows = [_row(each) for each in list_runs(options.output_path)]
    print(markdown_table(heads, rows, [False] * 5 + [True, True, False, False]))
    return 0


def _row(each: RunFolder) -> list[str]:
    if each.run is None:
        return ["", "", "", "", "", "", _bytes(each.size), f"not whole: {each.problem}", each.path.name]
    run = each.run
    date, count = str(run.manifest["date"])[:10], run.results["n-samples"][run.task]["effective"]
    what = [run.task, run.model, run.plan.arm.value, run.judge, date, str(count)]
    return [*what, _bytes(each.size), "complete", each.path.name]


def clean(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api.keeping import clean
    from harness.tables import markdown_table

    kept = clean(results=options.results, store=options.store, delete=options.delete, dry_run=options.dry_run)
    rows = [_holding(each) for each in kept.holdings if each.items]
    print(markdown_table(["what", "state", "items", "size"], rows, [False, False, True, True]))
    verb = "would be deleted" if options.dry_run else "deleted"
    for each in kept.deleted if options.delete else ():
        print(f"{verb}: {each.name}, {each.why}: {each.items}, {_bytes(each.size)}")
    if options.delete and not kept.deleted:
        print("nothing to delete: a run needs all of it, or there is none")
    return 0


def _holding(each: Holding) -> list[str]:
    return [each.name, each.why, f"{each.items:,}", _bytes(each.size)]


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
