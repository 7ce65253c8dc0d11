"""Leaderboards: regenerated from compact results alone, numbers by hand, stale pages found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.comparison.stored import StoredRun
from harness.digests import digest_of_question
from harness.entries.catalog import Catalog
from harness.entries.leaderboard import LeaderboardEntry
from harness.files import JsonObject
from harness.reports.leaderboard import board_tables, leaderboard_page
from harness.reports.page import html, markdown
from harness.reports.trust import Checks
from tests.conftest import QUESTIONS, TASK, Finished, write_entries, write_pack

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
        "judge_repeats": 1,
        "scale": [1, 5],
        "settings": {"decoding.max_gen_toks": 16, "prompt.doc_to_text": "p"},
        "training": {},
        "trivial": {},
        "kinds": ["short"] * 4,
        "measures": {
            "accuracy": accuracy,
            "f1": [0.5, 0.5, 0.0, 1.0],
            "answer_words": [3.0] * 4,
            "truncated": [0.0, 0, 0, 1],
        },
    }
    return StoredRun(**{**values, **changes})  # type: ignore[arg-type]


def render(
    entry: LeaderboardEntry, tasks: list[str], runs: list[StoredRun], card: JsonObject | None = None, wide: bool = True
) -> str:
    return markdown(leaderboard_page(entry, board_tables(entry, tasks, runs), Checks(card), wide))


def cells_of(page: str, model: str) -> dict[str, str]:
    """The cells of a model's row, by the heads of their columns."""
    header = next(line for line in page.splitlines() if line.startswith("|model"))
    return dict(zip([cell.strip() for cell in header.strip("|").split("|")], row_of(page, model), strict=True))


def row_of(page: str, model: str) -> list[str]:
    line = next(line for line in page.splitlines() if re.match(rf"\|{re.escape(model)} *\|", line))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_by_hand() -> None:
    """Tuned: mean of (3, 1, 5) is 3 over 3 of 4 items; paired with the base over those: (3-1, 1-1, 5-3) = +1.33. Three
    items are too few for an interval or a verdict."""
    page = render(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [3, 1, 5, None])])
    tuned = cells_of(page, "tuned")
    assert (tuned["arm"], tuned["accuracy"], tuned["Δ accuracy"]) == ("rag", "3.00", "+1.33")
    assert (tuned["verdict"], tuned["p"], tuned["scored"]) == ("too few", "–", "3/4")
    assert (tuned["f1"], tuned["words"], tuned["truncated"], tuned["empty"]) == ("0.500", "3.0", "25 %", "–")
    assert tuned["Δ accuracy, length-controlled"] == "+1.33", "all answers have one length"
    base = cells_of(page, "base")
    assert (base["accuracy"], base["Δ accuracy"], base["verdict"]) == ("2.50", "base", "")
    assert "## animals (version 1): 4 questions, judged by marks" in page
    assert "- tuned against base, accuracy: too few to tell: 3 items; Δ +1.33" in page


def many(model: str, accuracy: list[float], **changes: object) -> StoredRun:
    """A run over as many items as there are scores."""
    items = [f"q{number}" for number in range(len(accuracy))]
    measures = {"accuracy": accuracy, "truncated": [0.0] * len(items)}
    values: dict[str, object] = {
        "items": items, "clusters": items, "kinds": ["short"] * len(items), "measures": measures, "original": len(items)
    }  # fmt: skip
    return compact(model, accuracy, **{**values, **changes})  # type: ignore[arg-type]


def test_a_narrow_page_has_what_decides_and_fits_120_columns() -> None:
    """Every one of 40 items is better by 1 or 2 of 4 points: no exchange of answers in 9,999 gives as much."""
    base, tuned = [1.0, 2.0] * 20, [3.0, 3.0] * 20
    page = render(ENTRY, ["animals"], [many("base", base), many("tuned", tuned)], wide=False)
    cells = cells_of(page, "tuned")
    assert list(cells) == ["model", "arm", "n", "accuracy", "Δ accuracy", "verdict", "truncated"]
    assert (cells["n"], cells["accuracy"], cells["verdict"]) == ("40", "3.00", "better")
    assert cells["Δ accuracy"].startswith("+1.50 [")
    assert max(len(line) for line in page.splitlines() if line.startswith("|")) <= 120


def test_each_arm_is_compared_with_the_baselines_same_arm() -> None:
    runs = [
        many("base", [3.0, 4.0] * 20),
        many("base", [1.0, 2.0] * 20, arm="closed_book", run_id="c" * 64),
        many("tuned", [2.0, 3.0] * 20, arm="closed_book", run_id="d" * 64),
    ]
    entry = ENTRY.model_copy(update={"arms": ["rag", "closed_book"]})
    page = render(entry, ["animals"], runs)
    assert cells_of(page, "tuned")["Δ accuracy"].startswith("+1.00"), "from 1.5, not from 3.5"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": {"decoding.max_gen_toks": 2, "prompt.doc_to_text": "p"}}, "decoding.max_gen_toks is 16 and 2"),
        ({"settings": {"decoding.max_gen_toks": 16, "prompt.doc_to_text": "q"}}, "prompt.doc_to_text is p and q"),
        ({"task_version": 2.0}, "task version is 1.0 and 2.0"),
        ({"judge_repeats": 3}, "judge's repeats is 1 and 3"),
    ],
)
def test_a_run_that_is_not_alike_stands_in_a_table_of_its_own_that_says_why(
    changes: dict[str, object], named: str
) -> None:
    runs = [compact("base", [1, 1, 3, 5]), compact("tuned", [3, 1, 5, 5], **changes)]
    page = render(ENTRY, ["animals"], runs)
    assert page.count("\n## ") == 2
    assert f"A table of its own: {named}." in page
    assert "Δ" not in page.split("\n## ")[2].split("Scores are means")[0]


def test_a_gain_below_what_a_trivial_answer_gets_is_labelled() -> None:
    trivial = {"always_abstain": {"accuracy": 3.5}}
    page = render(
        ENTRY, ["animals"], [many("base", [1.0, 2.0] * 20, trivial=trivial), many("tuned", [3.0, 3.0] * 20)], wide=False
    )
    assert "its 3.00 is below the 3.50 of always abstaining" in page
    assert "Without a model: always abstaining gets accuracy 3.50." in page


def test_several_training_seeds_are_one_row_whose_interval_counts_the_seeds() -> None:
    """Δ of the three seeds: +0.75, +1.75, +2.75. Their variance is 1, so the seeds alone give a standard error of
    √(1/3) = 0.58; over 40 items, which are 0.25 to either side, it is 0.25/√39 = 0.04."""
    base = many("base", [1.0, 2.0] * 20)
    seeds = [
        many(f"tuned@{seed}", [1.0 + seed, 1.5 + seed] * 20, run_id=f"{seed}" * 64, model_id=f"id{seed}")
        for seed in (1, 2, 3)
    ]
    page = render(ENTRY, ["animals"], [base, *seeds])
    cells = cells_of(page, "tuned (3 seeds)")
    assert cells["Δ accuracy"].startswith("+1.75 [")
    assert "3 training seeds: Δ accuracy has a standard error of 0.04 over items and 0.58 over seeds" in page


def test_one_training_seed_is_said_to_show_no_training_variance() -> None:
    tuned = many("tuned", [3.0, 3.0] * 20, training={"base": "base", "samples": 200, "seed": 0})
    assert "One training seed each, so no training variance" in render(
        ENTRY, ["animals"], [many("base", [1.0, 2.0] * 20), tuned]
    )


def test_only_runs_that_are_shown_are_listed_as_the_pages_source() -> None:
    old = compact("base", [1, 1, 3, 5], command="the older command", date="2025-01-01T00:00:00+00:00", run_id="e" * 64)
    page = render(ENTRY, ["animals"], [old, compact("base", [1, 1, 3, 3])])
    assert "the older command" not in page


def test_text_from_data_cannot_break_the_page() -> None:
    name = "a|b<script>alert(1)</script>\n[x](http://evil)"
    run = compact(name, [1, 1, 3, 5], command="`rm`\n| x |")
    entry = ENTRY.model_copy(update={"models": [name]})
    tables = board_tables(entry, ["animals"], [run])
    page = leaderboard_page(entry, tables)
    text = markdown(page)
    assert "<script>" not in text
    assert "](http" not in text
    assert "<script>" not in html(page)
    rows = [line for line in text.splitlines() if line.startswith("|a")]
    assert len(rows) == 1


def test_a_trained_models_row_has_its_clean_scores_by_hand() -> None:
    """One of four items is like a training pair; the clean mean is of 1 and 4, the base's over the same two is 2, so Δ
    is +0.50."""
    measures = {
        "accuracy": [5.0, 1.0, 4.0, None],
        "leaked": [1.0, 0.0, 0.0, 0.0],
        "accuracy_clean": [None, 1.0, 4.0, None],
        "loops": [0.0, 1.0, 0.0, 1.0],
    }
    page = render(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [], measures=measures)])
    tuned = cells_of(page, "tuned")
    assert (tuned["accuracy, clean"], tuned["Δ accuracy, clean"]) == ("2.50", "+0.50")
    assert (tuned["leaked"], tuned["loops"]) == ("25 %", "50 %")
    assert cells_of(page, "base")["accuracy, clean"] == "–"


def test_runs_over_other_items_stand_in_another_table() -> None:
    two = {"items": ["a", "b"], "clusters": ["a", "b"], "kinds": ["", ""], "measures": {"accuracy": [3.0, 1.0]}}
    few = compact("tuned", [3.0, 1.0], **two)
    page = render(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), few])
    assert page.count("\n## ") == 2
    assert "the first 2 of 4 questions" in page
    assert "Δ" not in page.split("the first 2 of 4")[1].split("Scores are means")[0]


def test_different_judges_never_share_a_table() -> None:
    page = render(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [1, 1, 3, 5], judge_id="other")])
    assert page.count("\n## ") == 2


def test_two_models_of_one_name_are_distinguished() -> None:
    other = compact("base", [1, 1, 1, 1], model_id="different-weights", run_id="f" * 64)
    page = render(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), other])
    assert "base (id-base)" in page
    assert "base (different-we)" in page


def test_a_broken_judge_has_a_dagger() -> None:
    page = render(ENTRY, ["animals"], [compact("base", [None] * 4, judge_is_broken=True)])
    assert "|base †" in page
    assert "† The judge left more answers unscored than its entry allows: base." in page


def test_a_card_of_another_version_of_the_judge_is_noted_where_it_scored_some_runs() -> None:
    card = {
        "judge_id": "j",
        "repeats": 1,
        "verdict": {"passed": False, "thresholds": [{"what": "it guesses", "passed": False}], "unmeasured": []},
    }
    note = "The card is of another version of the judge than gave some of these scores."
    its_own, anothers = compact("base", [1, 1, 3, 5]), compact("tuned", [3, 1, 5, None], judge_id="other")
    assert note not in render(ENTRY, ["animals"], [its_own], card)
    page = render(ENTRY, ["animals"], [its_own, anothers], card)
    assert note in page
    assert page.count("judged by marks ‡\n") == 1, "what the card says is of its own version alone"
    assert page.count("judged by marks\n") == 1
    assert note in render(ENTRY, ["animals"], [anothers], card)


SHORT_DOMAIN = {"data_sets": ["names"], "longest": 3.0, "kinds": ["short", "number"]}


def passed_card(**changes: object) -> JsonObject:
    verdict = {"passed": True, "thresholds": [], "unmeasured": [], "blind_to": []}
    return {"judge_id": "j", "repeats": 1, "verdict": verdict, "domain": SHORT_DOMAIN, **changes}


def described_run(words: list[int], kinds: list[str], **changes: object) -> StoredRun:
    digests = [digest_of_question(text) for text in ("Who?", "When?", "Where?", "Why?")]
    return compact(
        "base", [1, 1, 3, 5], reference_words=words, reference_kinds=kinds, question_digests=digests, **changes
    )


def test_scores_outside_the_judges_card_are_marked() -> None:
    """Three of four references are longer than the three words of the card, two are of a kind that is not on it."""
    run = described_run([2, 9, 30, 40], ["short", "short", "long", "long"])
    page = render(ENTRY, ["animals"], [run], passed_card())
    assert cells_of(page, "base")["accuracy"] == "2.50 §"
    assert (
        "§ Outside the card of marks: 75 % of these references are longer than 3 words and 50 % are of a kind that is "
        "not on it (long)." in page
    )


def test_scores_inside_the_judges_card_are_not_marked() -> None:
    inside = render(
        ENTRY, ["animals"], [described_run([1, 2, 3, 3], ["short", "number", "short", "short"])], passed_card()
    )
    another = render(ENTRY, ["animals"], [described_run([40] * 4, ["long"] * 4, judge_id="other")], passed_card())
    for page in (inside, another):
        assert "§" not in page
        assert cells_of(page, "base")["accuracy"] == "2.50"
    assert "it is not known whether their references" not in inside
    nothing = {"data_sets": [], "longest": 0.0, "kinds": []}
    page = render(ENTRY, ["animals"], [described_run([1] * 4, ["short"] * 4)], passed_card(domain=nothing))
    assert "§ Outside the card of marks: the judge passes on no data set of its card." in page
    fails: JsonObject = {**passed_card(domain=nothing)["verdict"], "passed": False}
    page = render(
        ENTRY, ["animals"], [described_run([1] * 4, ["short"] * 4)], passed_card(domain=nothing, verdict=fails)
    )
    assert "‡" in page
    assert "§" not in page, "that it fails is said already"


def test_of_a_run_that_was_stored_earlier_it_says_what_is_not_known() -> None:
    page = render(ENTRY, ["animals"], [compact("base", [1, 1, 3, 5])], passed_card())
    assert "Of some runs here it is not known whether their references are like those on the card" in page
    assert cells_of(page, "base")["accuracy"] == "2.50"


def test_questions_in_the_judges_fitting_data_are_counted() -> None:
    run = described_run([1] * 4, ["short"] * 4)
    fitted = frozenset({digest_of_question("who"), digest_of_question("  WHY ?"), digest_of_question("How?")})
    page = markdown(leaderboard_page(ENTRY, board_tables(ENTRY, ["animals"], [run]), Checks(None, fitted)))
    assert "2 of these 4 questions were in the fitting data of marks." in page


def test_a_difference_at_one_length_needs_the_lengths_of_both() -> None:
    page = render(
        ENTRY, ["animals"], [compact("base", [1, 1, 3, 5]), compact("tuned", [], measures={"accuracy": [3, 1, 5, 5]})]
    )
    assert cells_of(page, "tuned")["Δ accuracy, length-controlled"] == "–"


def test_the_order_of_runs_does_not_matter() -> None:
    runs = [compact("base", [1, 1, 3, 5]), compact("tuned", [3, 1, 5, None])]
    assert render(ENTRY, ["animals"], runs) == render(ENTRY, ["animals"], runs[::-1])


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


def test_where_a_task_differs_from_what_it_reproduces_stands_below_its_table(
    harness: Harness, entries: Path, tmp_path: Path
) -> None:
    """Three documents, of which one answers the pool's only question and no evaluated one."""
    own = (
        "deviations:\n"
        "  - '{{ documents }} of {{ all_documents }} documents are searched, not 9.'\n"
        "  - '{{ questions }} questions are evaluated; the pool has {{ pool }}.'\n"
    )
    excluding = TASK.replace("sizes: []", "sizes: [], corpus_excludes: finetune_documents")
    write_entries(entries, tasks__animals=excluding + own)
    splits = {"d1": "evaluation", "d2": "finetune", "d3": "evaluation"}
    rows = [{**row, "split": splits[row["gold_doc_ids"][0]]} for row in QUESTIONS[:3]]
    pack = write_pack(tmp_path / "pack", questions=rows)
    done = harness("eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot", "--data", str(pack))
    assert done.code == 0, done.err
    page = harness("leaderboard", "zoo", "--include_path", str(entries)).out
    note = "Not as published: 2 of 3 documents are searched, not 9. 2 questions are evaluated; the pool has 1."
    assert page.index("|parrot") < page.index(note)
    (run,) = (tmp_path / "results").rglob("manifest.json")
    assert harness("judge", str(run.parent), "--include_path", str(entries), "--judge", "marks").code == 0
    assert all(len(json.loads(m.read_text())["deviations"]) == 2 for m in (tmp_path / "results").rglob("manifest.json"))


def test_whose_answers_can_change_with_their_batch_stands_below_the_table(board: Harness, entries: Path) -> None:
    board()
    assert "padded batches" not in board("--output_path", "nothing-here").out
    for kept in (entries / "leaderboards" / "results" / "zoo").glob("*.json"):
        kept.write_text(json.dumps({**json.loads(kept.read_text()), "depends_on_batch": True}))
    page = board("--output_path", "nothing-here").out
    note = "Answered in padded batches, in which a neighbour can change a greedy answer by rounding: parrot. A run in"
    assert page.count(note) == 1
    assert page.index("|parrot") < page.index(note)


def test_runs_that_were_stored_without_deviations_are_read(board: Harness, entries: Path) -> None:
    board()
    for kept in (entries / "leaderboards" / "results" / "zoo").glob("*.json"):
        run = json.loads(kept.read_text())
        del run["deviations"]
        kept.write_text(json.dumps(run))
    done = board("--output_path", "nothing-here")
    assert done.code == 0, done.err
    assert "Not as published" not in done.out
    assert board().err.startswith("0 new or changed runs")  # and stay as they are
    assert "deviations" not in kept.read_text()


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


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: run["items"].append(run["items"][0]), "a question is there several times"),
        (lambda run: run["measures"]["accuracy"].pop(), "accuracy: 3 values for 4 items"),
        (lambda run: run["measures"]["accuracy"].__setitem__(0, 500), "accuracy: 500 is not from 1 to 5"),
        (lambda run: run.pop("settings"), "was stored by another version (without settings)"),
        (lambda run: run.update(colour="red"), "has keys that no stored run has (colour)"),
    ],
)
def test_a_stored_run_that_cannot_be_is_named(
    board: Harness, entries: Path, spoil: Callable[[dict[str, object]], object], said: str
) -> None:
    board()
    (kept, *_) = (entries / "leaderboards" / "results" / "zoo").glob("*.json")
    run = json.loads(kept.read_text())
    spoil(run)
    kept.write_text(json.dumps(run))
    done = board("--output_path", "nothing-here")
    assert done.code == 2
    assert str(kept) in done.err
    assert said in done.err


def test_rows_that_an_installed_package_ships_stand_beside_ones_own(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    installed = tmp_path / "_catalog"
    entries.rename(installed)
    run = compact("parrot", [1, 1, 3, 5], arm="closed_book", model_id="theirs")
    kept = installed / "leaderboards" / "results" / "zoo"
    kept.mkdir(parents=True)
    (kept / "theirs.json").write_text(json.dumps(run.to_json()))
    flags = ["--include_path", str(installed)]
    assert harness("eval", *flags, "-t", "animals", "-M", "parrot", "--data", str(pack)).code == 0
    done = harness("leaderboard", "zoo", *flags)
    assert done.code == 0, done.err
    rows = [line for line in done.out.splitlines() if line.startswith("|parrot")]
    assert sorted(row.split("|")[2].strip() for row in rows) == ["closed_book", "rag"]
    assert Path("leaderboards/zoo.md").is_file(), "the package is not ours to write to"
    assert not (installed / "leaderboards" / "zoo.md").exists()


@pytest.mark.parametrize("form", ["csv", "json", "html", "model-index"])
def test_every_form_has_the_models_numbers(board: Harness, form: str) -> None:
    board()
    done = board("--format", form)
    assert done.code == 0
    assert "parrot" in done.out
    if form == "json":
        (row, *_) = json.loads(done.out)
        assert (row["model"], row["items"], row["f1_n"]) == ("parrot", 4, 4)


def test_a_board_without_results_says_what_to_run(harness: Harness, entries: Path) -> None:
    done = harness("leaderboard", "zoo", "--include_path", str(entries))
    assert done.code == 2
    assert "no results yet; run `harness eval` for one of its tasks (animals)" in done.err


@pytest.mark.parametrize(
    "name", sorted(n for n, p in Catalog().files("leaderboards").items() if p.with_suffix(".md").is_file())
)
def test_committed_leaderboards_are_what_their_results_give(harness: Harness, name: str) -> None:
    done = harness("leaderboard", name, "--check")
    assert done.code == 0, done.err
