"""`harness show KIND NAME`: an entry as it is used, includes merged, base filled in, defaults written out."""

from __future__ import annotations

import argparse
from typing import Any

from harness.cli.common import add_include_path, catalog_of

__all__ = ["add"]

_KINDS = ("task", "group", "model", "judge", "leaderboard")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "show",
        help="show one entry, resolved",
        description="Prints an entry with its includes merged, its base filled in and its defaults written out.",
    )
    parser.add_argument("kind", choices=_KINDS)
    parser.add_argument("name")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import yaml

    from harness.build import resolved_model
    from harness.registry import FOLDERS
    from harness.yaml_files import where

    catalog = catalog_of(options)
    entry: Any
    match options.kind:
        case "task" | "group":
            entry = catalog.task_or_group(options.name)
        case "model":
            entry, _ = resolved_model(catalog, catalog.model(options.name))
        case kind:
            entry = getattr(catalog, kind)(options.name)
    values = entry.model_dump(exclude_none=True)
    print(f"# {where(catalog.path_of(options.kind, options.name))}, of {FOLDERS[options.kind]}/")
    print(yaml.dump(values, sort_keys=False, allow_unicode=True, width=100, Dumper=_dumper()), end="")
    return 0


def _dumper() -> Any:
    """Texts of several lines as blocks, which is how people write and read templates."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper
