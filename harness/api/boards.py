"""Leaderboards: regenerated from stored runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.api.session import PathLike
from harness.auditing.card import FORMAT, verdict
from harness.auditing.domain import domain_of
from harness.auditing.fitted import fitted_file, read_fitted
from harness.comparison.board import Table
from harness.comparison.stored import StoredRun
from harness.entries.catalog import Catalog
from harness.entries.judge import JudgeEntry, PanelJudgeEntry
from harness.errors import DataError, UsageError
from harness.files import JsonObject, read_json, write_atomically
from harness.kept import CARD, problems_of_file
from harness.reports.leaderboard import board_tables, leaderboard_page
from harness.reports.model_index import model_index
from harness.reports.page import html, markdown
from harness.reports.stored import collect, stored_runs
from harness.reports.tabular import csv_text, json_text
from harness.reports.trust import Checks

__all__ = ["FORMATS", "Board", "beside", "is_stale", "leaderboard", "leaderboard_view", "stored_with", "tables_of"]


FORMATS = ("md", "csv", "json", "html", "model-index")


class Board(NamedTuple):
    """A regenerated page. `changed`: how many runs are new or changed."""

    page: Path
    text: str
    changed: int


def leaderboard(name: str, *, results: PathLike = "results", include_path: Sequence[PathLike] = ()) -> Board:
    """Takes the runs that the entry names from the folder of run folders, keeps each in compact form beside the entry
    (in ./leaderboards where the entry is inside an installed package), and writes NAME.md there. Of an installed
    package's leaderboard, the rows that were shipped stand beside one's own."""
    catalog = Catalog([Path(path) for path in include_path])
    changed = _collect(catalog, name, results)
    page, _ = _files(catalog, name)
    text = _text(catalog, name, "md", wide=False)
    write_atomically(page, text)
    return Board(page, text, changed)


def leaderboard_view(
    name: str,
    *,
    form: str = "md",
    wide: bool = True,
    results: PathLike = "results",
    include_path: Sequence[PathLike] = (),
) -> str:
    """The leaderboard as text, without writing its page: every measure where it is `wide`. `form`: md or html; csv and
    json for numbers; model-index for the metadata of a model's card on the hub."""
    if form not in FORMATS:
        raise UsageError(f"--format {form}: it can be {', '.join(FORMATS)}")
    catalog = Catalog([Path(path) for path in include_path])
    _collect(catalog, name, results)
    return _text(catalog, name, form, wide)


def is_stale(name: str, *, include_path: Sequence[PathLike] = ()) -> bool:
    """Whether the page is not what its stored runs give; nothing is written."""
    catalog = Catalog([Path(path) for path in include_path])
    page, _ = _files(catalog, name)
    text = _text(catalog, name, "md", wide=False)  # raises where there is nothing to render, page or no page
    return not page.is_file() or page.read_bytes() != text.encode()


def _collect(catalog: Catalog, name: str, results: PathLike) -> int:
    entry = catalog.leaderboard(name)
    tasks, _ = catalog.expand_tasks(entry.tasks)
    _, kept = _files(catalog, name)
    return collect(Path(results), entry, tasks, kept)


def _files(catalog: Catalog, name: str) -> tuple[Path, Path]:
    """(the page, the folder of its stored runs)."""
    folder = beside(catalog.path_of("leaderboard", name), ".", Path("leaderboards"))
    return folder / f"{name}.md", folder / "results" / name


def tables_of(catalog: Catalog, name: str) -> list[Table]:
    """The leaderboard as numbers, from the runs that are stored with it."""
    entry = catalog.leaderboard(name)
    tasks, _ = catalog.expand_tasks(entry.tasks)
    return board_tables(entry, tasks, stored_with(catalog, name))


def stored_with(catalog: Catalog, name: str) -> list[StoredRun]:
    """The runs that are stored with a leaderboard: those that were shipped and one's own."""
    entry = catalog.leaderboard(name)
    tasks, _ = catalog.expand_tasks(entry.tasks)
    _, kept = _files(catalog, name)
    shipped = catalog.path_of("leaderboard", name).parent / "results" / name
    runs = {run.run_id: run for folder in (shipped, kept) for run in stored_runs(folder, entry, tasks)}
    return list(runs.values())


def _text(catalog: Catalog, name: str, form: str, wide: bool) -> str:
    entry, tables = catalog.leaderboard(name), tables_of(catalog, name)
    if form == "csv":
        return csv_text(tables)
    if form == "json":
        return json_text(tables)
    if form == "model-index":
        data_sets = {task: catalog.task(task) for task in dict.fromkeys(table.first.task for table in tables)}
        return model_index(
            tables, {task: (t.task_alias or task, t.dataset_path or task) for task, t in data_sets.items()}
        )
    judge = catalog.judge(entry.judge)
    page = leaderboard_page(entry, tables, Checks(card_of(catalog, judge), _fitted(catalog, judge)), wide)
    return html(page) if form == "html" else markdown(page)


def beside(entry_file: Path, folder: str, instead: Path) -> Path:
    """`folder` beside an entry's file; `instead` where that is inside an installed package, which is not ours."""
    return instead if entry_file.parent.parent.name == "_catalog" else entry_file.parent / folder


def card_of(catalog: Catalog, entry: JudgeEntry) -> JsonObject | None:
    """The judge's card, its verdict by the entry's thresholds of today, and where it can be relied on (`domain`).
    None where nobody has audited it; `format` and judge alone where it is of an earlier format, whose verdict does not
    count any more. It is beside the entry, or, of an installed copy, where `harness audit` writes it."""
    file = f"{entry.judge}.json"
    entry_file = catalog.files("judges").get(entry.judge)  # None: of an entry that was given by its path
    beside_entry = [] if entry_file is None else [entry_file.parent / "cards" / file]
    path = next((p for p in (Path("judges/cards") / file, *beside_entry) if p.is_file()), None)
    if path is None:
        return None
    remedy = f"write it again: harness audit {entry.judge}"
    card = read_json(path, remedy)
    if card.get("format") == FORMAT and (problems := problems_of_file(CARD, card)):
        raise DataError(*(f"{path}: {problem}; is not a card of this version: {remedy}" for problem in problems))
    try:
        if card["format"] in range(1, FORMAT):
            return {"format": card["format"], "judge_id": card["judge_id"]}
        if card["format"] != FORMAT:
            raise ValueError(f"its format is {card['format']}, not {FORMAT}")
        of_today = verdict(card["found"], entry.card.model_dump())
        domain = domain_of(card["found"]["domain"], of_today)
        return {**card, "verdict": of_today, "domain": domain}
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: is not a card of this version ({reason}); {remedy}") from error


def _fitted(catalog: Catalog, entry: JudgeEntry) -> frozenset[str]:
    """Digests of the questions that the judge, or a member of it, was fitted on."""
    names = entry.members if isinstance(entry, PanelJudgeEntry) else [entry.judge]
    return frozenset().union(*(read_fitted(fitted_file(catalog.path_of("judge", name))) for name in names))
