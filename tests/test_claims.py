"""Published claims against runs with planted means: every outcome of every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from pydantic import TypeAdapter

from harness.comparison.claims import Gap, Outcome, TestedClaim, check_claims
from harness.comparison.seeds import seed_difference
from harness.comparison.stored import StoredRun
from harness.entries.checking import check
from harness.entries.claims import ClaimEntry, PaperPointEntry, claim_problems, paper_problems
from harness.entries.parts import Part
from harness.errors import EntryError
from harness.reports.claims import claim_cells_section, claims_section
from harness.reports.page import Page, markdown

MARGIN = 0.25
QUIET, LOUD = 0.3, 2.0
"""Standard deviations over items; of 80 items, intervals of about ±0.09 and ±0.6."""


def run(model: str, mean: float = 3.0, *, task: str = "nq", noise: float = QUIET, **other: Any) -> StoredRun:
    """A run whose mean accuracy is exactly `mean`, with noise of its own."""
    count = other.pop("items", 80)
    draws = np.random.default_rng(crc32(f"{task} {model}".encode())).normal(0, noise, count)
    items = [f"q{number}" for number in range(count)]
    fields: dict[str, Any] = {
        "run_id": f"{task}-{model}", "task": task, "task_version": 1.0, "model": model, "model_id": model, "arm": "rag",
        "judge": "marks", "judge_id": "j", "judge_is_broken": False, "judge_repeats": 1, "criteria": ["accuracy"],
        "scale": [1.0, 5.0], "original": count, "command": "", "date": "2026-01-01", "commit": None, "versions": {},
        "settings": {}, "training": {}, "trivial": {}, "items": items, "clusters": items, "kinds": [""] * count,
        "measures": {"accuracy": (mean + draws - draws.mean()).tolist()},
    }  # fmt: skip
    return StoredRun(**{**fields, **other})


def claim(kind: str, **values: Any) -> ClaimEntry:
    common = {"claim": "a-claim", "source": "study", "says": "So it is.", "tasks": "nq", "criteria": "accuracy"}
    entry: ClaimEntry = TypeAdapter(ClaimEntry).validate_python({**common, "kind": kind, **values})
    return entry


def result_of(of: ClaimEntry, *runs: StoredRun) -> TestedClaim:
    (each,) = check_claims([of], runs, MARGIN)
    return each


def outcome(of: ClaimEntry, *runs: StoredRun) -> str:
    return result_of(of, *runs).outcome.value


# ---- one cell -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "difference", "noise", "expected"),
    [
        ("not_better", -1.0, QUIET, "reproduced"),
        ("not_better", 0.0, QUIET, "reproduced"),
        ("not_better", 1.0, QUIET, "refuted"),
        ("not_better", 0.18, QUIET, "refuted"),  # smaller than the margin, and there
        ("not_better", 0.1, LOUD, "cannot tell"),
        ("no_difference", 0.0, QUIET, "reproduced"),
        ("no_difference", -1.0, QUIET, "refuted"),
        ("no_difference", 1.0, QUIET, "refuted"),
        ("no_difference", 0.0, LOUD, "cannot tell"),
        ("better", 1.0, QUIET, "reproduced"),
        ("better", 0.18, QUIET, "reproduced"),
        ("better", 0.0, QUIET, "refuted"),
        ("better", -1.0, QUIET, "refuted"),
        ("better", 0.1, LOUD, "cannot tell"),
        ("worse", -1.0, QUIET, "reproduced"),
        ("worse", 0.0, QUIET, "refuted"),
        ("worse", 1.0, QUIET, "refuted"),
        ("worse", -0.1, LOUD, "cannot tell"),
    ],
)
def test_a_checkpoint_is_compared_with_its_own_base(kind: str, difference: float, noise: float, expected: str) -> None:
    runs = [run("mixtral", 3.0, noise=noise), run("mixtral-lora-500", 3.0 + difference, noise=noise)]
    result = result_of(claim(kind, models="mixtral-lora-500"), *runs)
    assert result.outcome == expected
    (cell,) = result.compared
    assert cell.estimate == pytest.approx(difference)
    assert cell.interval is not None
    assert difference in cell.interval
    assert (list(cell.models), list(cell.than), cell.items) == (["mixtral-lora-500"], ["mixtral"], 80)


@pytest.mark.parametrize(
    ("fall", "noise", "expected"),
    [(1.5, QUIET, "reproduced"), (0.5, QUIET, "refuted"), (1.0, QUIET, "cannot tell"), (1.5, LOUD, "cannot tell")],
)
def test_a_fall_by_more_than_a_point_is_where_the_whole_interval_is(fall: float, noise: float, expected: str) -> None:
    runs = [run("llama2", 4.5, noise=noise), run("llama2-lora-200", 4.5 - fall, noise=noise)]
    result = result_of(claim("falls", models="llama2-lora-200", by=1), *runs)
    assert result.outcome == expected
    (cell,) = result.compared
    assert cell.interval is not None
    assert (cell.interval.high < -1) == (expected == "reproduced")
    assert (cell.interval.low > -1) == (expected == "refuted")


@pytest.mark.parametrize(
    ("llama", "mixtral", "noise", "expected"),
    [
        (2.0, 0.5, QUIET, "reproduced"),
        (0.5, 0.5, QUIET, "refuted"),
        (0.5, 2.0, QUIET, "refuted"),
        (0.5, 0.5, LOUD, "cannot tell"),
    ],
)
def test_two_falls_are_compared_each_from_its_own_base(
    llama: float, mixtral: float, noise: float, expected: str
) -> None:
    runs = [
        run("llama2", 4.0, noise=noise),
        run("llama2-lora-200", 4.0 - llama + 0.1, noise=noise),
        run("llama2-lora-500", 4.0 - llama - 0.1, noise=noise),
        run("mixtral", 4.5, noise=noise),
        run("mixtral-lora-200", 4.5 - mixtral, noise=noise),
    ]
    of = claim("falls_further", models=["llama2-lora-200", "llama2-lora-500"], further_than="mixtral-lora-200")
    result = result_of(of, *runs)
    assert result.outcome == expected
    assert result.compared[0].estimate == pytest.approx(mixtral - llama)


SERIES = ["llama2-lora-200", "llama2-lora-500", "llama2-lora-1000"]


def series(means: Sequence[float], noise: float = QUIET, **other: Any) -> list[StoredRun]:
    return [run(model, mean, noise=noise, **other) for model, mean in zip(SERIES, means, strict=True)]


@pytest.mark.parametrize(
    ("means", "noise", "expected"),
    [
        ((4.0, 3.5, 3.0), QUIET, "reproduced"),
        ((4.0, 3.5, 3.5), QUIET, "refuted"),
        ((4.0, 3.5, 3.9), QUIET, "refuted"),
        ((4.0, 3.9, 3.8), LOUD, "cannot tell"),
    ],
)
def test_a_series_declines_where_every_step_does(means: Sequence[float], noise: float, expected: str) -> None:
    assert outcome(claim("declines", series=[SERIES]), *series(means, noise)) == expected


@pytest.mark.parametrize(
    ("means", "noise", "expected"),
    [
        ((3.0, 3.05, 3.0), QUIET, "reproduced"),
        ((3.0, 4.0, 2.5), QUIET, "reproduced"),  # up, then down
        ((3.0, 2.5, 2.0), QUIET, "refuted"),
        ((3.0, 3.0, 4.0), QUIET, "refuted"),
        ((3.0, 3.0, 3.0), LOUD, "cannot tell"),
    ],
)
def test_a_trend_is_a_line_that_rises_or_falls(means: Sequence[float], noise: float, expected: str) -> None:
    result = result_of(claim("no_trend", series=[SERIES]), *series(means, noise))
    assert result.outcome == expected
    assert result.compared[0].estimate == pytest.approx(means[-1] - means[0])


# ---- several cells --------------------------------------------------------------------------------------------------

BOTH = ["llama2-lora-200", "llama2-lora-500"]


@pytest.mark.parametrize(
    ("cells", "differences", "expected"),
    [
        ("all", (-2.0, -2.0), "reproduced"),
        ("all", (-2.0, 0.0), "refuted"),
        ("all", (-2.0, -1.0), "cannot tell"),
        ("all", (-2.0, None), "not run"),
        ("all", (0.0, None), "refuted"),
        ("any", (-2.0, 0.0), "reproduced"),
        ("any", (0.0, 0.0), "refuted"),
        ("any", (-1.0, 0.0), "cannot tell"),
        ("any", (0.0, None), "not run"),
        ("any", (-2.0, None), "reproduced"),
    ],
)
def test_a_claim_of_all_cells_falls_with_one_and_a_claim_of_any_stands_with_one(
    cells: str, differences: Sequence[float | None], expected: str
) -> None:
    runs = [run("llama2", 4.0)]
    runs += [run(name, 4.0 + each) for name, each in zip(BOTH, differences, strict=True) if each is not None]
    result = result_of(claim("falls", models=BOTH, by=1, cells=cells), *runs)
    assert result.outcome == expected
    assert len(result.compared) + len(result.missing) == 2


def test_a_missing_cell_is_named_and_what_is_there_is_kept() -> None:
    of = claim("not_better", models=BOTH, tasks=["nq", "qasper"])
    result = result_of(of, run("llama2", 4.0), run("llama2-lora-200", 3.0), run("llama2", 4.0, task="qasper"))
    assert result.outcome is Outcome.NOT_RUN
    assert [(gap.task, list(gap.models), gap.gap) for gap in result.missing] == [
        ("nq", ["llama2-lora-500"], Gap.NO_RUN),
        ("qasper", ["llama2-lora-200"], Gap.NO_RUN),
        ("qasper", ["llama2-lora-500"], Gap.NO_RUN),
    ]
    assert [cell.outcome for cell in result.compared] == [Outcome.REPRODUCED]


def test_without_any_run_a_claim_is_not_run() -> None:
    assert outcome(claim("better", models="gpt-4", than="mixtral-lora-500")) == "not run"


def test_runs_that_are_not_alike_are_not_compared() -> None:
    runs = [run("mixtral"), run("mixtral-lora-500", 2.0, judge="another")]
    (gap,) = result_of(claim("worse", models="mixtral-lora-500"), *runs).missing
    assert gap.gap is Gap.UNLIKE


def test_another_arm_is_another_run() -> None:
    runs = [run("mixtral"), run("mixtral-lora-500", 2.0, arm="oracle")]
    (gap,) = result_of(claim("worse", models="mixtral-lora-500"), *runs).missing
    assert (gap.gap, list(gap.models)) == (Gap.NO_RUN, ["mixtral-lora-500"])


def test_a_criterion_that_nothing_was_judged_by_is_missing() -> None:
    of = claim("worse", models="mixtral-lora-500", criteria="completeness")
    (gap,) = result_of(of, run("mixtral"), run("mixtral-lora-500", 2.0)).missing
    assert gap.gap is Gap.UNSCORED


def test_too_few_items_cannot_tell() -> None:
    of = claim("worse", models="mixtral-lora-500")
    result = result_of(of, run("mixtral", items=3), run("mixtral-lora-500", 1.0, items=3))
    assert result.outcome is Outcome.CANNOT_TELL
    assert result.compared[0].interval is None


def test_p_values_are_adjusted_over_the_cells_of_a_claim() -> None:
    """One difference that is significant by itself is not among eleven others."""
    names = [f"llama2-lora-{size}" for size in range(1, 13)]
    runs = [run("llama2", noise=1.0), *(run(name, noise=1.0) for name in names[1:]), run(names[0], 3.38, noise=1.0)]
    alone = result_of(claim("better", models=names[0]), *runs)
    among = result_of(claim("better", models=names, cells="any"), *runs)
    assert alone.outcome is Outcome.REPRODUCED
    assert among.outcome is not Outcome.REPRODUCED
    first, adjusted = alone.compared[0].p_value, among.compared[0].p_value
    assert first is not None
    assert adjusted == pytest.approx(12 * first)


def test_every_cell_of_a_product_is_compared() -> None:
    of = claim("better", models=["gpt-4"], than=BOTH, tasks=["nq", "qasper"])
    runs = [
        run(name, mean, task=task)
        for task in ("nq", "qasper")
        for name, mean in (("gpt-4", 4.5), *((b, 3.0) for b in BOTH))
    ]
    result = result_of(of, *runs)
    assert result.outcome is Outcome.REPRODUCED
    assert [(cell.task, cell.than[0]) for cell in result.compared] == [(t, b) for t in ("nq", "qasper") for b in BOTH]


# ---- seeds and bases ------------------------------------------------------------------------------------------------


def two_seeds(first: float, second: float) -> list[StoredRun]:
    return [
        run("mixtral-lora-500", first, training={"seed": 0}),
        run("mixtral-lora-500@1", second, training={"seed": 1}),
    ]


def test_seeds_that_disagree_widen_the_interval() -> None:
    of = claim("worse", models="mixtral-lora-500")
    base = run("mixtral", 3.5)
    close = result_of(of, base, *two_seeds(3.1, 3.1))
    apart = result_of(of, base, *two_seeds(2.6, 3.6))
    assert [each.compared[0].estimate for each in (close, apart)] == pytest.approx([-0.4, -0.4])
    assert (close.outcome, apart.outcome) == (Outcome.REPRODUCED, Outcome.CANNOT_TELL)


def test_the_interval_over_seeds_is_that_of_the_leaderboard() -> None:
    base, seeds = run("mixtral", 3.5), two_seeds(3.0, 3.3)
    known = seed_difference(seeds, base, "accuracy")
    cell = result_of(claim("worse", models="mixtral-lora-500"), base, *seeds).compared[0]
    assert known is not None
    assert cell.interval is not None
    assert list(cell.interval) == pytest.approx(list(known.interval))
    assert cell.p_value == pytest.approx(known.p_value)


def test_a_seed_of_another_training_does_not_stand_for_the_checkpoint() -> None:
    of = claim("worse", models="mixtral-lora-500")
    runs = [run("mixtral", 3.5), run("mixtral-lora-500", 3.0), run("mixtral-lora-500@1", 1.0)]
    assert result_of(of, *runs).compared[0].estimate == pytest.approx(-0.5)


def test_a_checkpoint_in_four_bits_is_compared_with_the_base_in_four_bits() -> None:
    of = claim("worse", models="mixtral-qlora-500")
    runs = [run("mixtral", 4.0), run("mixtral-4bit", 3.0), run("mixtral-qlora-500", 3.0)]
    assert result_of(of, *runs).compared[0].than == ["mixtral-4bit"]
    assert result_of(of, runs[0], runs[2]).compared[0].than == ["mixtral"]


# ---- entries --------------------------------------------------------------------------------------------------------


class Board(Part):
    """As much of a leaderboard's entry as is needed."""

    claims: list[ClaimEntry]
    paper: list[PaperPointEntry]


def test_all_that_is_wrong_with_claims_is_said_at_once() -> None:
    sound = {"claim": "a", "source": "study", "says": "So.", "tasks": "nq", "criteria": "accuracy"}
    values: Mapping[str, object] = {
        "claims": [
            {**sound, "kind": "falls", "models": "x-lora-1"},
            {**sound, "kind": "wins", "models": "x"},
            {**sound, "kind": "better", "models": "x", "criteria": "f1"},
            {**sound, "kind": "declines", "series": [["x"]]},
            {**sound, "kind": "not_better", "models": "x", "baseline": "y"},
        ],
        "paper": [{"task": "nq", "model": "x", "criterion": "accuracy", "value": "high"}],
    }
    with pytest.raises(EntryError) as caught:
        check(TypeAdapter(Board), values, "board.yaml")
    lines = caught.value.problems
    for expected in (
        "claims[0].by: is missing",
        "claims[1]: kind is 'wins'",
        "claims[2].criteria: 'f1' is computed, not judged",
        "claims[3].series[0]: needs at least 2",
        "claims[4].baseline: unknown key",
        "paper[0].value: must be a number",
    ):
        assert any(expected in line for line in lines), (expected, lines)
    assert len(lines) == 6


def test_a_claim_of_what_the_leaderboard_does_not_have_is_a_problem() -> None:
    claims = [
        claim("not_better", models=["mixtral-lora-500", "mixtrl-lora-200"], tasks=["nq", "qaspr"]),
        claim("better", models="gpt-4", than="mixtral-lora-500", claim="another"),
        claim("worse", models="gpt-4"),
    ]
    models = ["mixtral", "gpt-4", "mixtral-lora-500@1", "mixtral-lora-200"]
    lines = claim_problems(claims, models, ["nq", "qasper"])
    assert [line.split(";")[0] for line in lines] == [
        "claims[0].tasks: the leaderboard has no task 'qaspr'",
        "claims[0].models: the leaderboard has no model 'mixtrl-lora-200'",
        "claims[0].models: the leaderboard has no model 'mixtrl'",
        "claims[2].claim: 'a-claim' is the name of an earlier claim",
        "claims[2].models: 'gpt-4' is not the name of a checkpoint, so it has no base",
    ]
    assert "near it: qasper" in lines[0]


def test_sound_claims_have_no_problem() -> None:
    claims = [
        claim("falls_further", models=BOTH, further_than="mixtral-lora-200"),
        claim("no_trend", series=[BOTH], claim="b"),
    ]
    assert claim_problems(claims, [*BOTH, "llama2", "mixtral", "mixtral-lora-200"], ["nq"]) == []


def test_a_point_of_the_paper_for_an_unknown_task_is_a_problem() -> None:
    point = PaperPointEntry(task="qaspr", model="mixtral", criterion="accuracy", value=4.04)
    (line,) = paper_problems([point], ["qasper"])
    assert line.startswith("paper[0].task: the leaderboard has no task 'qaspr'; near it: qasper")


# ---- words ----------------------------------------------------------------------------------------------------------


def test_a_claim_is_shown_with_its_outcome_what_was_compared_and_what_is_missing() -> None:
    of = claim("not_better", models=BOTH, says="No checkpoint | beats its base.")
    result = result_of(of, run("llama2", 4.0), run("llama2-lora-200", 3.0))
    text = markdown(Page("", [claims_section([result]), claim_cells_section([result])]))
    for expected in (
        "No checkpoint \\| beats its base. (study)",
        "not run",
        "2 comparisons: 1 reproduced, 1 missing",
        "llama2-lora-200 against llama2, nq, accuracy: -1.00 [",
        "missing: nq × llama2-lora-500",
    ):
        assert expected in text


def test_what_refutes_a_claim_comes_first() -> None:
    result = result_of(
        claim("not_better", models=BOTH), run("llama2", 3.0), run("llama2-lora-200", 2.0), run("llama2-lora-500", 4.0)
    )
    grid = claims_section([result]).grid
    assert grid is not None
    assert grid.rows[0][3].startswith(
        "2 comparisons: 1 reproduced, 1 refuted; llama2-lora-500 against llama2, nq, accuracy: +1.00 ["
    )
