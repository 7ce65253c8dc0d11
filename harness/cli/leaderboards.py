"""`harness leaderboard NAME`: regenerates the markdown; `--check` reports whether it is stale."""

from __future__ import annotations

import argparse
import sys

from harness.cli.common import Subparsers, add_include_path, add_output_path

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "leaderboard",
        help="regenerate a leaderboard's markdown",
        description="Takes the runs that the entry names from the results folder, stores each in compact form beside "
        "the entry, and writes NAME.md there. If the entry is inside an installed package, the files go to "
        "./leaderboards.",
    )
    parser.add_argument("name", nargs="+")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if NAME.md is stale")
    parser.add_argument("--wide", action="store_true", help="print every measure; NAME.md stays as it is")
    parser.add_argument(
        "--format",
        choices=("md", "csv", "json", "html", "model-index"),
        help="print it in this form; NAME.md stays as it is (model-index: metadata of a model's card on the hub)",
    )
    add_output_path(parser, "where run folders are", "results")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api.boards import is_stale, leaderboard, leaderboard_view

    stale = False
    for name in options.name:
        if options.check:
            if is_stale(name, include_path=options.include_path):
                stale = True
                print(f"harness: leaderboard {name} is stale; run: harness leaderboard {name}", file=sys.stderr)
            continue
        if options.wide or options.format is not None:
            form, results, include_path = options.format or "md", options.output_path, options.include_path
            print(
                leaderboard_view(name, form=form, wide=options.wide, results=results, include_path=include_path), end=""
            )
            continue
        board = leaderboard(name, results=options.output_path, include_path=options.include_path)
        print(board.text)
        print(f"{board.changed} new or changed runs; written to {board.page}", file=sys.stderr)
    return 1 if stale else 0
