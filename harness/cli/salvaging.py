"""`harness salvage`: what can be read of a damaged store, in a new one."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.common import Subparsers

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "salvage",
        help="copy what can be read of a damaged store into a new one",
        description="Copies every record of a damaged store that is whole into a new store, and leaves the damaged one "
        "as it is. Pass the new one with --store, or put it in the place of the old one; what is missing is computed "
        "again.",
    )
    parser.add_argument("store", type=Path, metavar="STORE", help="the damaged store file")
    parser.add_argument("to", type=Path, metavar="NEW", help="the new store file, which must not exist")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.store.salvage import salvage

    copied = salvage(options.store, options.to)
    print(f"{options.to}: " + ", ".join(f"{count} {kind}" for kind, count in copied.items()))
    return 0
