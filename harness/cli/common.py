"""What several subcommands share: flags and their values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.interfaces import Judge, Progress
    from harness.registry import Catalog

__all__ = ["add_include_path", "beside", "catalog_of", "check_output", "names_of", "warn_of_self_preference"]


def add_include_path(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--include_path",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="a folder with your own tasks/, models/, judges/ or leaderboards/; its entries win over shipped ones "
        "(may be given several times)",
    )


def catalog_of(options: argparse.Namespace) -> Catalog:
    from harness.registry import Catalog

    return Catalog(options.include_path)


def beside(entry_file: Path, folder: str, instead: Path) -> Path:
    """`folder` beside an entry's file; `instead` where that is inside an installed package, which is not ours."""
    return instead if entry_file.parent.parent.name == "_catalog" else entry_file.parent / folder


def names_of(values: list[str]) -> list[str]:
    """Names given with spaces, commas or both, each once."""
    return list(dict.fromkeys(name for value in values for name in value.split(",") if name))


def check_output(path: Path) -> None:
    """Raises `UsageError` when a file stands where the folder is to be."""
    from harness.errors import UsageError

    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise UsageError(f"--output_path {path}: {place} is a file; name a folder")


def warn_of_self_preference(judge: Judge, model: Mapping[str, Any], progress: Progress) -> None:
    """Says so when the judge, or a member of a jury, has the weights of the model (an identity) that it judges."""
    from harness.interfaces import Panel

    for member in judge.members if isinstance(judge, Panel) else [judge]:
        weights = member.identity.get("model", {}).get("weights")
        if weights is not None and weights == model.get("weights"):
            progress.note(
                f"the judge {member.name} has the weights of the model that it judges and may prefer its answers"
            )
