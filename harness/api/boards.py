"""Leaderboards: regenerated from stored runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.api.session import PathLike
from harness.auditing.card import FORMAT, verdict
from harness.entries.catalog import Catalog
from harness.entries.judge import JudgeEntry
from harness.errors import DataError
from harness.files import JsonObject, read_json, write_atomically
from harness.reports.leaderboard import render_leaderboard
from harness.reports.stored import collect, stored_runs

__all__ = ["Board", "beside", "is_stale", "leaderboard"]


class Board(NamedTuple):
    """A regenerated page. `changed`: how many runs are new or changed."""

    page: Path
    text: str
    changed: int


def leaderboard(name: str, *, results: PathLike = "results", include_path: Sequence[PathLike] = ()) -> Board:
    """Takes the runs that the entry names from the folder of run folders, keeps each in compact form beside the entry
    (in ./leaderboards where the entry is inside an installed package), and writes NAME.md there."""
    catalog = Catalog([Path(path) for path in include_path])
    entry = catalog.leaderboard(name)
    tasks, _ = catalog.expand_tasks(entry.tasks)
    page, kept = _files(catalog, name)
    changed = collect(Path(results), entry, tasks, kept)
    text = _render(catalog, name)
    write_atomically(page, text)
    return Board(page, text, changed)


def is_stale(name: str, *, include_path: Sequence[PathLike] = ()) -> bool:
    """Whether the page is not what its stored runs give; nothing is written."""
    catalog = Catalog([Path(path) for path in include_path])
    page, _ = _files(catalog, name)
    text = _render(catalog, name)  # raises where there is nothing to render, page or no page
    return not page.is_file() or page.read_text(encoding="utf-8") != text


def _files(catalog: Catalog, name: str) -> tuple[Path, Path]:
    """(the page, the folder of its stored runs)."""
    folder = beside(catalog.path_of("leaderboard", name), ".", Path("leaderboards"))
    return folder / f"{name}.md", folder / "results" / name


def _render(catalog: Catalog, name: str) -> str:
    entry = catalog.leaderboard(name)
    tasks, _ = catalog.expand_tasks(entry.tasks)
    _, kept = _files(catalog, name)
    card = _card(catalog, catalog.judge(entry.judge))
    return render_leaderboard(entry, tasks, stored_runs(kept, entry, tasks), card)


def beside(entry_file: Path, folder: str, instead: Path) -> Path:
    """`folder` beside an entry's file; `instead` where that is inside an installed package, which is not ours."""
    return instead if entry_file.parent.parent.name == "_catalog" else entry_file.parent / folder


def _card(catalog: Catalog, entry: JudgeEntry) -> JsonObject | None:
    """The judge's card, its verdict by the entry's thresholds of today; None where nobody has audited it. It is
    beside the entry, or, of an installed copy, where `harness audit` writes it."""
    shipped = catalog.path_of("judge", entry.judge).parent / "cards" / f"{entry.judge}.json"
    path = next((p for p in (Path("judges/cards") / shipped.name, shipped) if p.is_file()), None)
    if path is None:
        return None
    remedy = f"write it again: harness audit {entry.judge}"
    card = read_json(path, remedy)
    try:
        if card["format"] != FORMAT:
            raise ValueError(f"its format is {card['format']}, not {FORMAT}")
        return {**card, "verdict": verdict(card["found"], entry.card.model_dump())}
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: is not a card of this version ({reason}); {remedy}") from error
