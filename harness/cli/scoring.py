"""`harness score`: answers of any system, scored by a judge."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cli.common import Subparsers, add_cost_limit, add_device, add_include_path, add_store, catalog_of

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "score",
        help="score answers of any system",
        description="Reads answers that any system gave, one a line as JSON: id, question, references, answer and, for "
        "a judge that sees them, passages. Scores them with a judge and writes a line for each: id, scores, reasons. "
        "Stored scores are reused. With --task, questions are looked up by id in the task's evaluation split.",
    )
    parser.add_argument("answers", type=Path, metavar="FILE", help="the answers, as JSON lines")
    parser.add_argument("--judge", required=True, metavar="NAME", help="a judge entry")
    parser.add_argument("--task", metavar="NAME", help="the task whose questions these are")
    parser.add_argument("--data", type=Path, metavar="DIR", help="with --task: the data pack that it is read from")
    parser.add_argument("--output_path", "-o", type=Path, required=True, metavar="FILE", help="for the scores")
    add_device(parser)
    add_cost_limit(parser)
    add_store(parser)
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api import score
    from harness.api.boards import card_of
    from harness.reports.scored import scored_table

    catalog = catalog_of(options)
    card = card_of(catalog, catalog.judge(options.judge))
    scored = score(
        options.answers,
        judge=options.judge,
        task=options.task,
        data=options.data,
        device=options.device,
        cost_limit=options.cost_limit,
        output=options.output_path,
        store=options.store,
        include_path=options.include_path,
    )
    print(scored_table(scored, card))
    print(f"written to {options.output_path}", file=sys.stderr)
    if scored.failures:
        missing = scored.failures["scores"]
        print(
            f"harness: {missing} scores are missing, because requests failed; what arrived is stored, and the same "
            "command asks for these alone",
            file=sys.stderr,
        )
        return 1
    return 0
