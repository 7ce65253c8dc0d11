"""The one table of measures: every number that a run holds is in it, or is a criterion's score."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.measures import MEASURES, measure_of, reserved_names
from harness.metrics.answers import ANSWER_METRICS
from tests.conftest import REPOSITORY, Finished

Harness = Callable[..., Finished]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 4.0, "4.00"),
        ("recall@5", 0.5, "0.500"),
        ("answer_words", 12.25, "12.2"),
        ("loops", 0.25, "25 %"),
        ("loops", None, "–"),
    ],
)
def test_a_measure_is_shown_in_its_own_format(name: str, value: float | None, text: str) -> None:
    assert measure_of(name).text(value) == text


def test_a_cutoff_is_part_of_the_name_and_a_criterion_is_what_is_not_in_the_table() -> None:
    assert (measure_of("ndcg@10").name, measure_of("ndcg@10").kind) == ("ndcg@10", "metric")
    assert (measure_of("helpfulness").kind, measure_of("helpfulness").higher_is_better) == ("score", True)


def test_every_answer_metric_has_a_row_and_every_row_its_function() -> None:
    rows = {measure.name for measure in MEASURES if measure.kind == "metric" and "{k}" not in measure.name}
    assert rows == set(ANSWER_METRICS)


def test_every_measure_and_field_of_a_sample_is_reserved(harness: Harness, entries: Path, pack: Path) -> None:
    done = harness("eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot", "--data", str(pack))
    assert done.code == 0, done.err
    import json

    (file,) = Path("results").rglob("samples_*.jsonl")
    row = json.loads(file.read_text().splitlines()[0])
    names = {re.sub(r"@\d+$", "@{k}", name) for name in row} - {"accuracy", "completeness"}
    assert names <= reserved_names()


def test_the_page_on_results_lists_every_measure() -> None:
    page = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    for measure in MEASURES:
        assert f"`{measure.name.replace('{k}', 'k')}`" in page, measure.name
