"""`harness study NAME`: everything that a leaderboard needs. `harness claims NAME`: published claims, tested."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cli.common import (
    Subparsers,
    add_cost_limit,
    add_device,
    add_include_path,
    add_output_path,
    add_store,
    names_of,
)
from harness.errors import UsageError

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds both commands and their options."""
    parser = commands.add_parser(
        "study",
        help="train, evaluate, judge and compare all that a leaderboard needs",
        description="Trains the checkpoints that the leaderboard's entry names, evaluates every model on every task, "
        "judges, compares, and writes the page and its figures. What is done is not done again, so the same command "
        "resumes; a cell that fails does not stop the others (exit code 1, and a table of what failed).",
    )
    parser.add_argument("name", metavar="NAME", help="a leaderboard entry, as fine-or-fail")
    parser.add_argument("--dry_run", action="store_true", help="only list the cells, with what each will take")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="STAGE", help="train, eval, judge, compare (default: all of them)"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder with a data pack for each task")
    parser.add_argument("--limit", "-L", metavar="N", help="evaluate only the first N questions; for testing")
    parser.add_argument(
        "--tflops", type=float, default=100.0, help="what the machine sustains, for the estimates (default: 100)"
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=Path("checkpoints"),
        metavar="DIR",
        help="of trainings (default: checkpoints)",
    )
    add_cost_limit(parser)
    add_device(parser)
    add_output_path(parser, "for run folders", "results")
    add_store(parser)
    add_include_path(parser)
    parser.set_defaults(run=run)
    claims = commands.add_parser(
        "claims",
        help="published claims: reproduced, refuted, cannot tell, not run",
        description="Tests the claims of a leaderboard's entry on the runs that are stored with it and on those in the "
        "results folder.",
    )
    claims.add_argument("name", metavar="NAME", help="a leaderboard entry with `claims`")
    claims.add_argument("--format", choices=("md", "html"), default="md", help="(default: md)")
    add_output_path(claims, "where run folders are", "results")
    add_include_path(claims)
    claims.set_defaults(run=run_claims)


def run(options: argparse.Namespace) -> int:
    """Runs the study. Returns 1 when a cell failed."""
    from harness.api.studying import StudyOptions, study
    from harness.reports.page import Page, Section, markdown
    from harness.reports.study import cells_grid, failures_grid, total_line

    limit = None
    if options.limit is not None:
        if not options.limit.isdigit() or int(options.limit) < 1:
            raise UsageError(f"--limit {options.limit}: give a whole number from 1")
        limit = int(options.limit)
    chosen = StudyOptions(
        only=names_of(options.only),
        data=options.data,
        limit=limit,
        device=options.device,
        cost_limit=options.cost_limit,
        results=options.output_path,
        checkpoints=options.checkpoints,
        store=options.store,
        tflops=options.tflops,
        include_path=options.include_path,
        command=options.command_line,
    )
    report = study(options.name, dry_run=options.dry_run, options=chosen)
    cells = [(each.cell, each.effort) for each in report.cells]
    if options.dry_run:
        section = Section(paragraphs=[total_line(cells, options.tflops)], grid=cells_grid(cells))
        print(markdown(Page("", [section])), end="")
        return 0
    for path in report.written:
        print(f"written: {path}", file=sys.stderr)
    done = sum(cell.state.value == "done" for cell, _ in cells)
    print(f"study {report.name}: {done} of {len(cells)} cells are done", file=sys.stderr)
    if report.failed:
        print(markdown(Page("", [Section("What failed", grid=failures_grid(report.failed))])), end="")
    return 1 if report.failed else 0


def run_claims(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api.claims import claims, claims_page

    tested = claims(options.name, results=options.output_path, include_path=options.include_path)
    print(claims_page(tested, options.format), end="")
    return 0
