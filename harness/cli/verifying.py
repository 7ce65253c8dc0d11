"""`harness verify`: are finished runs still what was written?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cli.common import Subparsers, add_include_path

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "verify",
        help="check that finished runs are what was written",
        description="Digests the files of run folders again, and the weights that they were made with where these are "
        "on this machine. Exits with 1 and one line for each thing that differs. A digest is no signature: who can "
        "write a folder can write its digests too.",
    )
    parser.add_argument("run_folder", nargs="+", type=Path, metavar="RUN", help="results/MODEL/TASK-ARM-ID")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api.verifying import verify

    found = verify(options.run_folder, include_path=options.include_path)
    for line in found.differs:
        print(f"harness: {line}", file=sys.stderr)
    for line in found.unchecked:
        print(line)
    if not found.differs:
        count = len(options.run_folder)
        print(f"{count} run{'' if count == 1 else 's'} as written")
    return 1 if found.differs else 0
