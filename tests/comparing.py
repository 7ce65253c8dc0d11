"""Stored runs from a few columns, for tests of what compares runs. Everything else about them is alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.comparison.stored import Setting, StoredRun

__all__ = ["SETTINGS", "Column", "stored_run"]

Column = Sequence[float | None]

SETTINGS: Mapping[str, Setting] = {
    "split": "test",
    "source.corpus": "c0",
    "source.questions": "q0",
    "prompt.doc_to_text": "p0",
    "decoding.max_gen_toks": 64,
    "retrieval.chunk_chars": 800,
    "retriever": "r0",
}


def stored_run(model: str, measures: Mapping[str, Column], **changes: object) -> StoredRun:
    """A run of the rag arm. Items are q000, q001, …, as many as the columns are long, each its own cluster; criteria
    are the measures `accuracy` and `completeness` where they are there. `changes`: any field of `StoredRun`."""
    count = max(map(len, measures.values()), default=0)
    items = [f"q{number:03d}" for number in range(count)]
    arm = changes.get("arm", "rag")
    values: dict[str, object] = {
        "run_id": f"{model}-{arm}",
        "task": "animals",
        "task_version": 1.0,
        "model": model,
        "model_id": f"id-{model}",
        "arm": arm,
        "judge": "marks",
        "judge_id": "j0",
        "judge_is_broken": False,
        "judge_repeats": 1,
        "criteria": [name for name in ("accuracy", "completeness") if name in measures],
        "scale": [1, 5],
        "original": count,
        "command": f"harness eval --task animals --model {model}",
        "date": "2026-01-02T03:04:05+00:00",
        "commit": None,
        "versions": {"harness": "0.1.0"},
        "settings": SETTINGS,
        "training": {},
        "trivial": {},
        "items": items,
        "clusters": items,
        "kinds": ["short"] * count,
        "measures": {name: list(column) for name, column in measures.items()},
    }
    return StoredRun(**{**values, **changes})  # type: ignore[arg-type]
