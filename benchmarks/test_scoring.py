"""`harness score` on 1,000 answers by a judge without a language model, nothing of it in the store."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.entries.catalog import Catalog
from harness.sources.world.source import SyntheticWorld

POOL, ROWS = 1_000, 1_000


@pytest.mark.benchmark(group="1,000 answers of one or two sentences")
@pytest.mark.parametrize("judge", ["facts", "calibrated"])
def test_score(benchmark: Any, tmp_path: Path, judge: str) -> None:
    entry = Catalog().task("telecom").model_dump(exclude_none=True)
    entry["world"]["questions"] = POOL + ROWS
    world = SyntheticWorld("telecom", entry["world"]["documents"], POOL + ROWS, POOL, entry["world"]["seed"])
    questions = world.questions("evaluation")
    answers = [questions[n if n % 3 else n - 1].references[0] for n in range(ROWS)]  # every third is another's
    rows = [{"id": question.id, "answer": answer} for question, answer in zip(questions, answers, strict=True)]
    stores = count()

    def run() -> None:
        store = tmp_path / f"{next(stores)}.sqlite"
        harness.score(rows, judge=judge, task=entry, store=store, progress=False)

    benchmark.pedantic(run, rounds=1, iterations=1)
