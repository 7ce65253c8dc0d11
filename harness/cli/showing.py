"""`harness show KIND NAME`: an entry as it is used, includes merged, base filled in, defaults written out."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from harness.cli.common import Subparsers, add_include_path, catalog_of

if TYPE_CHECKING:
    import yaml

__all__ = ["add"]

_KINDS = ("task", "group", "model", "judge", "leaderboard")


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "show",
        help="show one entry, fully resolved",
        description="Prints an entry with its includes merged, its base filled in and its defaults written out.",
    )
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("name")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    import yaml

    from harness.entries.catalog import FOLDERS
    from harness.entries.yaml import where

    catalog = catalog_of(options)
    match options.kind:
        case "model":
            values = catalog.resolved_model(options.name).record()
        case "judge":
            values = catalog.judge(options.name).model_dump(exclude_none=True)
        case "leaderboard":
            values = catalog.leaderboard(options.name).model_dump(exclude_none=True)
        case _:
            values = catalog.task_or_group(options.name).model_dump(exclude_none=True)
    print(f"# {where(catalog.path_of(options.kind, options.name))}, of {FOLDERS[options.kind]}/")
    print(yaml.dump(values, sort_keys=False, allow_unicode=True, width=100, Dumper=_dumper()), end="")
    return 0


def _dumper() -> type[yaml.SafeDumper]:
    """Texts of several lines as blocks, which is how people write and read templates."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper
