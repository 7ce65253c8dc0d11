"""The table at the end of `harness score`: the judge's means, and beside them what is free."""

from __future__ import annotations

from harness.evaluation.external import ScoredAnswers
from harness.files import JsonObject
from harness.measures import measure_of
from harness.reports.trust import Checks
from harness.tables import markdown_table

__all__ = ["scored_table"]

_HEADERS = ["measure", "mean", "95% CI", "n", "by"]
_RIGHT = [False, True, True, True, False]


def scored_table(scored: ScoredAnswers, card: JsonObject | None) -> str:
    """A row for each criterion, then the free measures; below, what the judge's card says (None: it has none)."""
    rows = []
    for name, each in scored.measures.items():
        measure = measure_of(name)
        interval = f"[{measure.text(each.interval.low)}, {measure.text(each.interval.high)}]" if each.interval else ""
        by = scored.judge if measure.kind == "score" else "no model"
        rows.append([measure.label or name, measure.text(each.value), interval, f"{each.n}/{each.total}", by])
    table = markdown_table(_HEADERS, rows, _RIGHT)
    return f"{table}\n\n{Checks(card).judge_note(scored.judge, [scored])}"
