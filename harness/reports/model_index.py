"""`model-index`: a leaderboard's rows as the metadata of a model's card on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from harness.comparison.board import Row, Table
from harness.files import JsonObject

__all__ = ["model_index"]


def model_index(tables: Sequence[Table], data_sets: Mapping[str, tuple[str, str]]) -> str:
    """YAML for the head of a README.md, one entry a model. `data_sets`: by task, the name that people read and the
    repository. The metrics of a row are its criteria and F1; `verified` is for the hub to say."""
    models: dict[str, list[JsonObject]] = {}
    for table in tables:
        for row in table.rows:
            models.setdefault(row.run.model, []).append(_result(row, table, data_sets))
    index = [{"name": name, "results": results} for name, results in models.items()]
    return str(yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=110))


def _result(row: Row, table: Table, data_sets: Mapping[str, tuple[str, str]]) -> JsonObject:
    run = row.run
    name, repository = data_sets[run.task]
    metrics = []
    for measure in (*table.criteria, "f1"):
        found = row.mean(measure)
        if found.value is None:
            continue
        metric: JsonObject = {"type": measure, "value": round(found.value, 4)}
        metric["name"] = (
            f"{measure}, {run.arm}, judged by {run.judge}" if measure in table.criteria else f"{measure}, {run.arm}"
        )
        if found.interval is not None:
            metric["args"] = {"confidence_interval": [round(end, 4) for end in found.interval], "n": found.n}
        metrics.append(metric)
    return {
        "task": {"type": "text-generation", "name": "Retrieval-augmented question answering"},
        "dataset": {"name": name, "type": repository, "args": {"questions": len(run.items)}},
        "metrics": metrics,
    }
