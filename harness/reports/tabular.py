"""Tables as records of numbers, for programs: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from harness.comparison.board import Row, Table
from harness.files import JsonObject

__all__ = ["csv_text", "json_text", "records"]


def records(tables: Sequence[Table]) -> list[JsonObject]:
    """One for each row of each table, flat: `accuracy`, `accuracy_low`, `delta_accuracy`, `verdict_accuracy`, …"""
    return [_record(number, table, row) for number, table in enumerate(tables, start=1) for row in table.rows]


def _record(number: int, table: Table, row: Row) -> JsonObject:
    run = row.run
    record: JsonObject = {
        "table": number,
        "task": run.task,
        "task_version": run.task_version,
        "model": run.model,
        "seeds": len(row.seeds),
        "arm": run.arm,
        "judge": run.judge,
        "baseline": None if row.baseline is None else row.baseline.model,
        "items": len(run.items),
        "run_ids": " ".join(each.run_id for each in row.seeds),
    }
    for name in run.measures:
        found = row.mean(name)
        low, high = found.interval or (None, None)
        record |= {name: found.value, f"{name}_low": low, f"{name}_high": high, f"{name}_n": found.n}
    for name, each in row.differences.items():
        low, high = each.interval or (None, None)
        record |= {
            f"delta_{name}": each.estimate,
            f"delta_{name}_low": low,
            f"delta_{name}_high": high,
            f"p_{name}": each.p_value,
            f"equivalence_p_{name}": each.equivalence_p_value,
            f"detectable_{name}": each.detectable,
            f"items_needed_{name}": each.needed,
            f"verdict_{name}": each.verdict.value,
        }
    return record


def json_text(tables: Sequence[Table], details: Mapping[tuple[str, str], JsonObject] | None = None) -> str:
    """A JSON list of the records; `details` go into those of their (model, arm)."""
    rows = [row | (details or {}).get((row["model"], row["arm"]), {}) for row in records(tables)]
    return json.dumps(rows, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def csv_text(tables: Sequence[Table]) -> str:
    """The records with a column for every key that any of them has. A cell that a spreadsheet would read as a formula
    has an apostrophe in front."""
    rows = records(tables)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
