"""`harness list tasks|groups|tags|models|judges|leaderboards`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from harness.cli.common import Subparsers, add_include_path, catalog_of

if TYPE_CHECKING:
    from harness.entries.catalog import Catalog

__all__ = ["add"]

_KINDS = ("tasks", "groups", "tags", "models", "judges", "leaderboards")


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "list", aliases=["ls"], help="list entries", description="Lists the entries of one kind."
    )
    parser.add_argument("kind", choices=_KINDS)
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.entries.catalog import FOLDERS
    from harness.entries.yaml import read_entry
    from harness.tables import markdown_table

    catalog = catalog_of(options)
    kind = options.kind[:-1]
    if kind == "tag":
        rows = [[tag, ", ".join(names)] for tag, names in sorted(_tags(catalog).items())]
        print(markdown_table(["tag", "tasks"], rows, [False, False]))
        return 0
    rows = []
    for name, path in catalog.files(FOLDERS[kind]).items():
        values = read_entry(path)  # read, not validated: a list must come up at once; `validate` checks
        is_group = "group" in values
        if (kind == "group") != is_group and kind in ("task", "group"):
            continue
        about = values.get("description") or values.get("title") or ""
        rows.append([name, " ".join(str(about).split())])
    print(markdown_table([kind, "description"], rows, [False, False]))
    return 0


def _tags(catalog: Catalog) -> dict[str, list[str]]:
    from harness.entries.yaml import read_entry

    tags: dict[str, list[str]] = {}
    for name, path in catalog.files("tasks").items():
        own = read_entry(path).get("tag") or []
        for tag in own if isinstance(own, list) else [own]:
            tags.setdefault(str(tag), []).append(name)
    return tags
