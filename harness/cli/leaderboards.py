"""`harness leaderboard NAME`: regenerates the markdown; `--check` says whether it is stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from harness.cli.common import add_include_path, beside, catalog_of

__all__ = ["add"]


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "leaderboard",
        help="regenerate a leaderboard's markdown",
        description="Takes the runs that the entry names from the results folder, keeps each in compact form beside "
        "the entry, and writes NAME.md there. In an installed copy, where the entry's folder is not yours to write, "
        "the files go to ./leaderboards.",
    )
    parser.add_argument("name", nargs="+")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when NAME.md is stale")
    parser.add_argument(
        "--output_path",
        "-o",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="where run folders are (default results)",
    )
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from harness.evaluate.folder import write_atomically
    from harness.leaderboard import collect, render_leaderboard, stored_runs

    catalog = catalog_of(options)
    stale = False
    for name in options.name:
        entry = catalog.leaderboard(name)
        tasks, _ = catalog.expand_tasks(entry.tasks)
        card = _card(catalog, catalog.judge(entry.judge))
        place = beside(catalog.path_of("leaderboard", name), ".", Path("leaderboards"))
        page, kept = place / f"{name}.md", place / "results" / name
        if options.check:
            text = render_leaderboard(entry, tasks, stored_runs(kept, entry, tasks), card)
            if not page.is_file() or page.read_text(encoding="utf-8") != text:
                stale = True
                print(f"harness: {page} is stale; run: harness leaderboard {name}", file=sys.stderr)
            continue
        changed = collect(options.output_path, entry, tasks, kept)
        text = render_leaderboard(entry, tasks, stored_runs(kept, entry, tasks), card)
        write_atomically(page, text)
        print(text)
        print(f"{changed} new or changed runs; written to {page}", file=sys.stderr)
    return 1 if stale else 0


def _card(catalog: Any, entry: Any) -> Any:
    """The judge's card, its verdict by the entry's hurdles of today; None where nobody has audited it. It lies beside
    the entry, or, of an installed copy, where `harness audit` writes it."""
    import json

    from harness.audit.card import FORMAT, verdict
    from harness.errors import DataError

    beside = catalog.path_of("judge", entry.judge).parent / "cards" / f"{entry.judge}.json"
    path = next((p for p in (Path("judges/cards") / beside.name, beside) if p.is_file()), None)
    if path is None:
        return None
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ValueError(f"its format is {card['format']}, not {FORMAT}")
        return {**card, "verdict": verdict(card["found"], entry.card.model_dump())}
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path}: is no card of this version ({reason}); write it anew: harness audit {entry.judge}"
        ) from error
