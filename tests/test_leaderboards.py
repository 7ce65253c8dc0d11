"""Leaderboards: regenerated from compact results alone, numbers by hand, stale pages found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.entries.catalog import Catalog
from harness.entries.leaderboard import LeaderboardEntry
from harness.reports.leaderboard import render_leaderboard
from harness.reports.stored import StoredRun
from tests.conftest import Finished

Harness = Callable[..., Finished]
ENTRY = LeaderboardEntry(
    leaderboard="zoo", title="Zoo", tasks=["animals"], models=["base", "tuned"], judge="marks", baseline="base"
)


def compact(model: str, accuracy: list[float | None], **changes: object) -> StoredRun:
    values: dict[str, object] = {
        "run_id": f"{model:0<64}",
        "task": "animals",
        "task_version": 1.0,
        "model": model,
        "model_id": f"id-{model}",
        "arm": "rag",
        "judge": "marks",
        "judge_id": "j",
        "judge_is_broken": False,
        "criteria": ["accuracy"],
        "original": 4,
        "command": f"harness eval --task animals --model {model}",
        "date": "2026-01-02T03:04:05+00:00",
        "commit": None,
        "versions": {"harness": "0.1.0"},
        "items": ["a", "b", "c", "d"],
        "clusters": ["a", "b", "c", "d"],
        "measures": {
            "accuracy": accuracy,
            "f1": [0.5, 0.5, 0.0, 1.0],
            "answer_words": [3.0] * 4,
            "truncated": [0.0, 0, 0, 1],
        },
    }
    return StoredRun(**{**values, **changes})  # type: ignore[arg-type]


def row_of(page: str, model: str) -> list[str]:
    line = next(line for line in page.splitlines() if re.match(rf"\|{model} *\|", line))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_by_hand() -> None:
    """Tuned: mean of (3, 1, 5) is 3 over 3 of 4 items; paired with the base over those: (3-1, 1-1, 5-3) = +1.33."""
    page = render_leaderboard(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [3, 1, 5, None])])
    tuned = row_of(page, "tuned")
    assert tuned[1] == "rag"
    assert tuned[2].startswith("3.00 [")
    assert tuned[3].startswith("+1.33 [")
    assert tuned[4:] == ["+1.33", "3/4", "0.500", "3.0", "25 %", "–", "–", "–"], "all answers have one length"
    base = row_of(page, "base")
    assert base[2].startswith("2.50 [")
    assert base[3] == "base"
    assert "## animals (version 1): 4 questions, judged by marks" in page


def test_a_trained_models_row_has_its_clean_scores_by_hand() -> None:
    """One of four items is like a training pair; the clean mean is of 1 and 4."""
    measures = {
        "accuracy": [5.0, 1.0, 4.0, None],
        "leaked": [1.0, 0.0, 0.0, 0.0],
        "accuracy_clean": [None, 1.0, 4.0, None],
        "loops": [0.0, 1.0, 0.0, 1.0],
    }
    page = render_leaderboard(
        ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [], measures=measures)]
    )
    header = next(line for line in page.splitlines() if line.startswith("|model"))
    names = [cell.strip() for cell in header.strip("|").split("|")]
    tuned = dict(zip(names, row_of(page, "tuned"), strict=True))
    assert tuned["accuracy, clean"].startswith("2.50 [")
    assert (tuned["leaked"], tuned["loops"]) == ("25 %", "50 %")
    assert dict(zip(names, row_of(page, "base"), strict=True))["accuracy, clean"] == "–"


def test_runs_over_other_items_stand_in_another_table() -> None:
    few = compact("tuned", [3.0, 1.0], items=["a", "b"], clusters=["a", "b"], measures={"accuracy": [3.0, 1.0]})
    page = render_leaderboard(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), few])
    assert page.count("\n## ") == 2
    assert "the first 2 of 4 questions" in page
    assert "Δ" not in page.split("the first 2 of 4")[1].split("Scores are means")[0]


def test_different_judges_never_share_a_table() -> None:
    page = render_leaderboard(
        ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [1, 1, 3, 5], judge_id="other")]
    )
    assert page.count("\n## ") == 2


def test_two_models_of_one_name_are_distinguished() -> None:
    other = compact("base", [1, 1, 1, 1], model_id="different-weights", run_id="f" * 64)
    page = render_leaderboard(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), other])
    assert "base (id-base)" in page
    assert "base (different-we)" in page


def test_a_broken_judge_has_a_dagger() -> None:
    page = render_leaderboard(ENTRY, ["animals"], [compact("base", [None] * 4, judge_is_broken=True)])
    assert "|base †" in page
    assert "† The judge left more answers unscored than its entry allows: base." in page


def test_a_card_of_another_version_of_the_judge_is_noted_where_it_scored_some_runs() -> None:
    card = {
        "judge_id": "j",
        "repeats": 1,
        "verdict": {"passed": False, "thresholds": [{"what": "it guesses", "passed": False}]},
    }
    note = "The card is of another version of the judge than scored some of these runs."
    its_own, anothers = compact("base", [1, 1, 3, 5]), compact("tuned", [3, 1, 5, None], judge_id="other")
    assert note not in render_leaderboard(ENTRY, ["animals"], [its_own], card)
    page = render_leaderboard(ENTRY, ["animals"], [its_own, anothers], card)
    assert note in page
    assert page.count("judged by marks ‡\n") == 1, "what the card says is of its own version alone"
    assert page.count("judged by marks\n") == 1
    assert note in render_leaderboard(ENTRY, ["animals"], [anothers], card)


def test_a_difference_at_one_length_needs_the_lengths_of_both() -> None:
    page = render_leaderboard(
        ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [], measures={"accuracy": [3, 1, 5, 5]})]
    )
    header = [cell.strip() for cell in page.splitlines()[4].strip("|").split("|")]
    assert dict(zip(header, row_of(page, "tuned"), strict=True))["Δ accuracy, length-controlled"] == "–"


def test_the_order_of_runs_does_not_matter() -> None:
    runs = [compact("base", [1, 1, 3, 5]), compact("tuned", [3, 1, 5, None])]
    assert render_leaderboard(ENTRY, ["animals"], runs) == render_leaderboard(ENTRY, ["animals"], runs[::-1])


@pytest.fixture
def board(harness: Harness, entries: Path, pack: Path) -> Harness:
    """Evaluates both arms, then runs `harness leaderboard zoo`."""
    done = harness(
        "eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot", "--data", str(pack),
        "--arm", "rag", "closed_book",
    )  # fmt: skip
    assert done.code == 0, done.err

    def run(*more: str) -> Finished:
        return harness("leaderboard", "zoo", "--include_path", str(entries), *more)

    return run


def test_a_leaderboard_is_made_beside_its_entry_and_kept_without_text(board: Harness, entries: Path) -> None:
    done = board()
    assert done.code == 0
    page = (entries / "leaderboards" / "zoo.md").read_text()
    assert done.out.strip() == page.strip()
    kept = sorted((entries / "leaderboards" / "results" / "zoo").glob("*.json"))
    assert len(kept) == 2
    text = "".join(path.read_text() for path in kept)
    assert "urchins" not in text
    assert "otters" not in text
    assert len(json.loads(kept[0].read_text())["items"]) == 4


def test_it_is_regenerated_from_what_is_kept_alone(board: Harness, entries: Path) -> None:
    board()
    page = entries / "leaderboards" / "zoo.md"
    before = page.read_bytes()
    page.unlink()
    assert board("--output_path", "nothing-here").code == 0
    assert page.read_bytes() == before


def test_check_finds_a_stale_page_and_writes_nothing(board: Harness, entries: Path) -> None:
    assert board("--check").code == 2  # nothing kept yet
    board()
    assert board("--check").code == 0
    page = entries / "leaderboards" / "zoo.md"
    page.write_text(page.read_text().replace("Zoo", "Zooo"))
    done = board("--check")
    assert done.code == 1
    assert "leaderboard zoo is stale; run: harness leaderboard zoo" in done.err
    assert "Zooo" in page.read_text()


def test_a_run_kept_once_keeps_its_date(board: Harness, entries: Path) -> None:
    board()
    (kept, *_) = (entries / "leaderboards" / "results" / "zoo").glob("*.json")
    before = kept.read_bytes()
    for manifest in Path("results").rglob("manifest.json"):
        manifest.write_text(manifest.read_text().replace('"date": "20', '"date": "30'))
    assert "0 new or changed runs" in board().err
    assert kept.read_bytes() == before


def test_a_run_whose_values_changed_is_written_again(board: Harness, entries: Path) -> None:
    board()
    (kept, *_) = (entries / "leaderboards" / "results" / "zoo").glob("*.json")
    before = kept.read_bytes()
    run = json.loads(before)
    run["measures"]["accuracy"] = [1.5] * len(run["measures"]["accuracy"])
    kept.write_text(json.dumps(run))
    assert "1 new or changed runs" in board().err
    assert kept.read_bytes() == before


def test_a_board_without_results_says_what_to_run(harness: Harness, entries: Path) -> None:
    done = harness("leaderboard", "zoo", "--include_path", str(entries))
    assert done.code == 2
    assert "no results yet; run `harness eval` for one of its tasks (animals)" in done.err


@pytest.mark.parametrize("name", sorted(Catalog().files("leaderboards")))
def test_committed_leaderboards_are_what_their_results_give(harness: Harness, name: str) -> None:
    done = harness("leaderboard", name, "--check")
    assert done.code == 0, done.err
