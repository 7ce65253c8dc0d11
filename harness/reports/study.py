"""A study's cells as tables."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cells import Cell, Effort
from harness.reports.page import Grid

__all__ = ["cells_grid", "failures_grid", "total_line"]


def cells_grid(cells: Sequence[tuple[Cell, Effort]]) -> Grid:
    """Every cell, where it stands and what it takes."""
    headers = ["stage", "task", "model", "arm", "state", "tokens", "time", "cost", "disk"]
    rows = [
        [
            cell.stage,
            cell.task,
            cell.model,
            cell.arm or "–",
            cell.state.value,
            *_effort(effort),
        ]
        for cell, effort in cells
    ]
    return Grid(headers, rows, 5)


def _effort(effort: Effort) -> list[str]:
    return [
        "?" if effort.tokens is None else _short(effort.tokens),
        "?" if effort.hours is None else _time(effort.hours),
        "–" if effort.cost is None else f"{effort.cost:.2f}",
        "?" if effort.bytes is None else f"{_short(effort.bytes)}B",
    ]


def _time(hours: float) -> str:
    """`1.5 h`, `3 min`."""
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1, round(60 * hours))} min"


def _short(number: float) -> str:
    """`1.2M` of 1,200,000."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def total_line(cells: Sequence[tuple[Cell, Effort]], tflops: float) -> str:
    """What all that is missing takes."""
    missing = [(cell, effort) for cell, effort in cells if cell.state.value == "missing"]
    known = [effort for _, effort in missing]
    hours = sum(effort.hours or 0.0 for effort in known)
    cost = sum(effort.cost or 0.0 for effort in known)
    size = sum(effort.bytes or 0 for effort in known)
    unknown = sum(effort.tokens is None for effort in known)
    if known and unknown == len(known):
        return f"{len(cells)} cells, {len(missing)} missing; the data is not here, so nothing is known (--data DIR)."
    text = (
        f"{len(cells)} cells, {len(missing)} missing: {_short(sum(e.tokens or 0 for e in known))} tokens, about "
        f"{_time(hours)} at {tflops:g} TFLOP/s sustained, {cost:.2f} for APIs, {_short(size)}B on disk."
    )
    return text + (f" Of {unknown} of them the data is not here, so nothing is known (?)." if unknown else "")


def failures_grid(cells: Sequence[Cell]) -> Grid:
    """What failed, and why."""
    return Grid(
        ["stage", "task", "model", "arm", "why"], [[c.stage, c.task, c.model, c.arm or "–", c.reason] for c in cells], 5
    )
