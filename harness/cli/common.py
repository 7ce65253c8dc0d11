"""What several subcommands share: flags and their values."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.texts import printable

if TYPE_CHECKING:
    from harness.entries.catalog import Catalog
    from harness.evaluation.folder import Run

__all__ = [
    "Subparsers",
    "add_cost_limit",
    "add_device",
    "add_include_path",
    "add_output_path",
    "add_store",
    "announce_failures",
    "catalog_of",
    "key_values",
    "names_of",
]

Subparsers = Any
"""argparse's own class for this is private."""


def add_include_path(parser: argparse._ActionsContainer) -> None:
    """Adds `--include_path`."""
    parser.add_argument(
        "--include_path",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="a folder with your own tasks/, models/, judges/ or leaderboards/; its entries override the shipped "
        "ones (may be given several times)",
    )


def add_store(parser: argparse._ActionsContainer) -> None:
    """Adds the options of the store."""
    parser.add_argument("--store", type=Path, metavar="FILE", help="the store file (default: in the cache folder)")


def add_device(parser: argparse._ActionsContainer) -> None:
    """Adds `--device`."""
    parser.add_argument("--device", metavar="DEV", help="cpu, cuda, cuda:1 (default: a GPU if there is one)")


def add_cost_limit(parser: argparse._ActionsContainer) -> None:
    """Adds `--cost_limit`."""
    parser.add_argument(
        "--cost_limit",
        type=float,
        metavar="SUM",
        help="stop before API calls cost more than SUM, by the prices in the model entries",
    )


def add_output_path(parser: argparse._ActionsContainer, what: str, default: str) -> None:
    """Adds `--output_path` for `what`."""
    parser.add_argument(
        "--output_path", "-o", type=Path, default=Path(default), metavar="DIR", help=f"{what} (default: {default})"
    )


def catalog_of(options: argparse.Namespace) -> Catalog:
    """The catalog of the entries that ship and those of `--include_path`."""
    from harness.entries.catalog import Catalog

    return Catalog(options.include_path)


def announce_failures(runs: Iterable[Run], again: str = "the same command asks for these alone") -> int:
    """Says of which runs requests failed, and how to go on (`again`). The exit code: 1 when some did."""
    failed = [run for run in runs if run.failures]
    for run in failed:
        print(
            printable(
                f"harness: {run.task} × {run.model}, {run.plan.arm}: {run.failures['answers']} answers and "
                f"{run.failures['scores']} scores are missing, because requests failed; what arrived is stored, and "
                f"{again}"
            ),
            file=sys.stderr,
        )
    return 1 if failed else 0


def names_of(values: list[str]) -> list[str]:
    """Names given with spaces, commas or both, each once."""
    return list(dict.fromkeys(name for value in values for name in value.split(",") if name))


def key_values(text: str | None, flag: str) -> dict[str, object]:
    """`a=1,b=x` with values read as YAML reads them. Raises `UsageError`."""
    import yaml

    pairs: dict[str, object] = {}
    for part in (text or "").split(","):
        if not part:
            continue
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{flag}: {part!r} is not key=value")
        try:
            pairs[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"{flag}: {part!r} has a value that cannot be read") from error
    return pairs
