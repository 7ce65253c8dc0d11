"""A table of alike runs as text: the narrow and the wide form, kinds of questions, abstention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.comparison.board import Mean, Row, Table
from harness.comparison.kinds import abstention, by_kind
from harness.comparison.verdicts import Verdict
from harness.digests import short
from harness.measures import CLEAN, measure_of
from harness.reports.page import Grid, Section
from harness.reports.wording import difference_text, interval_text, p_text, short_verdict

__all__ = ["kind_sections", "measure_grid"]


class _Column(NamedTuple):
    head: str
    cell: Callable[[Row], str]


def _grid(columns: Sequence[_Column], table: Table) -> Grid:
    return Grid([column.head for column in columns], [[column.cell(row) for column in columns] for row in table.rows])


def measure_grid(table: Table, wide: bool, mark: Callable[[Row], str] = lambda row: "") -> Grid:
    """The table itself: what decides, or every measure. `mark`: what stands behind a score of the judge."""
    return _wide_grid(table, mark) if wide else _narrow_grid(table, mark)


def _narrow_grid(table: Table, mark: Callable[[Row], str]) -> Grid:
    """What decides, within 120 columns: the first criterion with its interval and Δ, the others as means."""
    first, *others = table.criteria or ("f1",)
    compared = any(row.differences for row in table.rows)
    columns = [
        *_names(table),
        _Column("n", lambda row: _scored(row, table.criteria)),
        _Column(first, _marked(_with_interval(first), mark)),
        *(_Column(name, _marked(_plain(name), mark)) for name in others),
        *(
            [_Column("Δ" if others else f"Δ {first}", _delta(first)), _Column("verdict", _verdict(first))]
            if compared
            else []
        ),
        _Column("truncated", _plain("truncated")),
    ]
    return _grid(columns, table)


def _wide_grid(table: Table, mark: Callable[[Row], str]) -> Grid:
    names = list(dict.fromkeys(name for row in table.rows for name in row.run.measures))
    clean = [name for name in table.criteria if f"{name}{CLEAN}" in names]
    columns = [*_names(table), *(_Column(name, _marked(_with_interval(name), mark)) for name in table.criteria)]
    if any(row.differences for row in table.rows):
        for name in table.criteria:
            columns += [_Column(f"Δ {name}", _delta(name)), _Column("p", _p_value(name))]
            columns += [_Column("verdict", _verdict(name))]
        columns += [_Column(f"Δ {name}, length-controlled", _length_controlled(name)) for name in table.criteria]
    columns += [_Column(f"{name}, clean", _marked(_with_interval(f"{name}{CLEAN}"), mark)) for name in clean]
    columns += [_Column(f"Δ {name}, clean", _clean_delta(name)) for name in clean]
    columns += [_Column("leaked", _plain("leaked"))] if clean else []
    columns.append(_Column("scored", lambda row: _scored(row, table.criteria)))
    metrics = [name for name in names if measure_of(name).kind == "metric"]
    properties = ["answer_words", "truncated", "empty", "abstained", "loops", "echoes"]
    columns += [_Column(measure_of(name).label or name, _plain(name)) for name in (*metrics, *properties)]
    return _grid(columns, table)


def _names(table: Table) -> list[_Column]:
    return [
        _Column("model", lambda row: _model_name(row, table) + (" †" if row.run.judge_is_broken else "")),
        _Column("arm", lambda row: row.run.arm),
    ]


def _model_name(row: Row, table: Table) -> str:
    """Two models of one name and different weights are distinguished by their identity."""
    if len(row.seeds) > 1:
        return f"{row.run.model} ({len(row.seeds)} seeds)"
    twins = {other.run.model_id for other in table.rows if other.run.model == row.run.model}
    return row.run.model if len(twins) == 1 else f"{row.run.model} ({short(row.run.model_id)})"


def _score_text(found: Mean) -> str:
    return "–" if found.value is None else f"{found.value:.2f}{interval_text(found.interval)}"


def _marked(text: Callable[[Row], str], mark: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: text(row) + mark(row)


def _with_interval(name: str) -> Callable[[Row], str]:
    return lambda row: _score_text(row.mean(name))


def _plain(name: str) -> Callable[[Row], str]:
    return lambda row: measure_of(name).text(row.mean(name).value)


def _of_difference(name: str, text: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: "base" if row.is_baseline else text(row) if name in row.differences else "–"


def _delta(name: str) -> Callable[[Row], str]:
    return _of_difference(
        name, lambda row: difference_text(row.differences[name].estimate, row.differences[name].interval)
    )


def _p_value(name: str) -> Callable[[Row], str]:
    return _of_difference(name, lambda row: p_text(row.differences[name].p_value))


def _verdict(name: str) -> Callable[[Row], str]:
    return lambda row: short_verdict(row.differences[name]) if name in row.differences else ""


def _length_controlled(name: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        found = row.length_controlled(name)
        return "–" if found is None else difference_text(*found)

    return _of_difference(name, text)


def _clean_delta(name: str) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        paired = row.clean(name)
        return "–" if paired is None or not paired.items else difference_text(paired.estimate, paired.interval)

    return _of_difference(name, text)


def _scored(row: Row, criteria: Sequence[str]) -> str:
    """How many items have a score, by the criterion that has the fewest."""
    total = len(row.run.items)
    least = min((row.mean(name).n for name in criteria), default=total)
    return str(total) if least == total else f"{least}/{total}"


def kind_sections(table: Table, level: int = 2) -> list[Section]:
    """Δ by kind of question for each criterion, and abstention, where there is something to show."""
    sections = [
        Section(f"{name.capitalize()} by kind of question", grid=grid, level=level)
        for name in table.criteria
        if (grid := _kind_grid(table, name)) is not None
    ]
    if (grid := _abstention_grid(table)) is not None:
        sections.append(Section("Abstention", grid=grid, level=level))
    return sections


def _kind_grid(table: Table, name: str) -> Grid | None:
    """Δ by kind of question, each with its own interval; None for questions of one kind."""
    rows = [
        [
            row.run.model,
            row.run.arm,
            each.kind,
            str(len(each.paired.items)),
            measure_of(name).text(each.mean),
            measure_of(name).text(each.baseline_mean),
            difference_text(each.paired.estimate, each.paired.interval)
            + ("" if each.paired.interval is not None else ", too few to tell"),
        ]
        for row in table.rows
        if row.baseline is not None and name in row.differences
        if row.differences[name].verdict is not Verdict.WITHHELD
        for each in by_kind(row.run, row.baseline, name)
    ]
    return Grid(["model", "arm", "kind", "n", name, "baseline", "Δ"], rows, 3) if rows else None


def _abstention_grid(table: Table) -> Grid | None:
    """How often answers abstain, how often they should; None where neither ever happens."""
    found = [(row, each) for row in table.rows if (each := abstention(row.run)) is not None and each.should + each.does]
    percent = measure_of("abstained").text
    rows = [
        [row.run.model, row.run.arm, f"{each.should}/{each.items}", f"{each.does}/{each.items}",
         percent(each.precision), percent(each.recall)]
        for row, each in found
    ]  # fmt: skip
    return Grid(["model", "arm", "should abstain", "does", "precision", "recall"], rows) if rows else None
