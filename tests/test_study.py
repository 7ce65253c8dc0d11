"""A study: its grid, what is done already, what fails, and what it writes; on tiny real models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.cells import Cell, Extent, Speed, effort, grid
from harness.entries.catalog import Catalog
from harness.entries.checkpoints import CheckpointParts, Presentation, checkpoint_parts, trained_models
from harness.entries.leaderboard import LeaderboardEntry
from tests.conftest import TASK, Finished, write_entries, write_pack
from tests.tiny import make_model

Harness = Callable[..., Finished]

BASE = """model: {name}
description: d
pretrained: {folder}
dtype: float32
batch_size: 4
licence: none
metadata: {{version: 1}}
"""
JUDGE = "judge: {name}\ndescription: d\nkind: scripted\nscript: [{script}]\nmetadata: {{version: 1}}\n"
BOARD = """leaderboard: zoo
title: Zoo
tasks: [animals]
models: [{models}]
arms: [rag, closed_book]
judge: marks
baseline: tiny
finetune:
  models: [tiny]
  sizes: [4, 8]
  settings: {{batch_size: 4, lora_r: 4, learning_rate: 0.005, epochs: 1}}
"""


def test_a_grid_has_a_training_for_each_size_and_an_evaluation_of_every_model_in_every_arm() -> None:
    entry = LeaderboardEntry.model_validate(
        {
            "leaderboard": "b", "title": "B", "tasks": ["t", "u"], "models": ["base", "api"], "judge": "j",
            "arms": ["rag", "oracle"], "finetune": {"models": ["base"], "sizes": [500, 200], "seeds": [0, 1]},
        }
    )  # fmt: skip
    cells = list(grid(entry, {"t": "t", "u": "u"}))
    trained = [cell.model for cell in cells if cell.stage == "train" and cell.task == "t"]
    assert trained == ["base-lora-200", "base-lora-500", "base-lora-200@1", "base-lora-500@1"]
    assert len(cells) == 2 * 4 + 2 * (2 + 4) * 2
    shared = list(grid(entry, {"t": "v", "u": "v"}))
    assert [cell.task for cell in shared if cell.stage == "train"] == ["v"] * 4, "checkpoints of one task, once"
    assert shared[4:] == cells[8:]


def test_cells_outside_of_the_grid_are_trained_once_and_take_only_its_models_and_settings() -> None:
    wanted = {
        "models": ["base"], "sizes": [200, 500], "settings": {"epochs": 1},
        "also": [{"sizes": [500], "seeds": [0, 1]}, {"sizes": [500], "placebos": ["shuffled", "from_u"]}],
    }  # fmt: skip
    board = {"leaderboard": "b", "title": "B", "tasks": ["t"], "models": ["base"], "judge": "j", "finetune": wanted}
    entry = LeaderboardEntry.model_validate(board)
    assert [parts.name for parts in trained_models(entry)] == [
        "base-lora-200", "base-lora-500", "base-lora-500@1", "base-lora-500-shuffled", "base-lora-500-from_u",
    ]  # fmt: skip
    assert entry.finetune is not None
    assert entry.finetune.domains == ["u"]
    wrong = [{"sizes": [500], "models": ["other"]}, {"seeds": [1]}, {"sizes": [5], "targets": ["quote"]}]
    with pytest.raises(ValidationError, match="3 validation errors"):
        LeaderboardEntry.model_validate({**board, "finetune": {**wanted, "also": wrong}})


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("mistral-lora-500", CheckpointParts("mistral", "lora", 500, Presentation(), 0)),
        ("mistral-qlora-200-rag@3", CheckpointParts("mistral", "qlora", 200, Presentation("rag"), 3)),
        (
            "smollm2-135m-lora-30-rag_distractors",
            CheckpointParts("smollm2-135m", "lora", 30, Presentation("rag_distractors"), 0),
        ),
        ("m-lora-30-shuffled", CheckpointParts("m", "lora", 30, Presentation(shuffle_answers=True))),
        (
            "m-lora-30-one_chunk-cited-shuffled-from_my-clinic_2@4",
            CheckpointParts("m", "lora", 30, Presentation("one_chunk", "cited", True, "my-clinic_2"), 4),
        ),
        ("m-lora-30-quote", None),
        ("gpt-4", None),
        ("mistral-4bit", None),
    ],
)
def test_a_checkpoints_name_says_what_it_is(name: str, parts: CheckpointParts | None) -> None:
    assert checkpoint_parts(name) == parts
    if parts is not None:
        assert parts.name == name


def test_a_checkpoint_of_another_seed_or_size_needs_no_entry_of_its_own() -> None:
    catalog = Catalog()
    seeded = catalog.resolved_model("mistral-lora-500@1")
    assert (seeded.name, seeded.peft) == ("mistral-lora-500@1", "checkpoints/{task}/mistral-lora-500@1")
    other = catalog.resolved_model("mistral-qlora-300-rag")
    assert other.base is not None
    assert (other.base.model, other.entry.quantization) == ("mistral-4bit", "4bit")  # type: ignore[union-attr]
    assert other.peft == "checkpoints/{task}/mistral-qlora-300-rag"


def test_what_a_cell_takes_by_hand() -> None:
    """1,000 prompts of 2,000 tokens and answers of 100: 2.1 million tokens, at 7 billion parameters 2 · 7e9 · 2.1e6 =
    2.94e16 operations, 0.08167 hours at 100 TFLOP/s; at 30 and 60 a million tokens 60 + 6."""
    found = effort(Cell("eval", "t", "m"), Extent(1_000, 2_000_000, 100_000), (7.0, 7.0), (30.0, 60.0), Speed(100.0))
    assert found.tokens == 2_100_000
    assert found.hours == pytest.approx(0.08167, rel=1e-3)
    assert found.cost == pytest.approx(66.0)
    assert found.bytes == 15_000_000
    assert effort(Cell("eval", "t", "m"), None, None, None, Speed(1.0)).tokens is None


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def zoo(tmp_path: Path, base: Path) -> Callable[..., list[str]]:
    """Flags of a study with so many models."""

    def make(models: str = "tiny", **entries: str) -> list[str]:
        rows = [
            {"id": f"q{n}", "question": f"What does animal {n} eat?", "answers": [f"food {n}"], "gold_doc_ids": ["d1"]}
            for n in range(24)
        ]
        folder = write_entries(
            tmp_path / "mine",
            tasks__animals=TASK.replace("finetune: {pool: 0, sizes: []}", "finetune: {pool: 16, sizes: [4, 8]}"),
            models__tiny=BASE.format(name="tiny", folder=base),
            judges__marks=JUDGE.format(name="marks", script="'1', '3', '5'"),
            leaderboards__zoo=BOARD.format(models=models),
            **entries,
        )
        pack = write_pack(tmp_path / "packs" / "animals", questions=rows)
        return ["zoo", "--data", str(pack.parent), "--include_path", str(folder)]

    return make


@pytest.mark.torch
def test_one_command_trains_evaluates_judges_and_writes_the_page_and_again_takes_nothing(
    harness: Harness, zoo: Callable[..., list[str]], tmp_path: Path
) -> None:
    flags = zoo()
    planned = harness("study", *flags, "--dry_run")
    assert planned.code == 0, planned.err
    assert "8 cells, 8 missing" in planned.out
    assert not Path("results").exists()
    done = harness("study", *flags)
    assert done.code == 0, done.err
    assert "8 of 8 cells are done" in done.err
    assert sorted(path.name for path in Path("checkpoints/animals").iterdir()) == ["tiny-lora-4", "tiny-lora-8"]
    assert len(list(Path("results").rglob("manifest.json"))) == 6
    page = (tmp_path / "mine" / "leaderboards" / "zoo.md").read_text()
    assert "tiny-lora-8" in page
    assert "One training seed each" in page
    weights = Path("checkpoints/animals/tiny-lora-8/adapter_model.safetensors").stat().st_mtime_ns
    again = harness("study", *flags)
    assert again.code == 0
    assert "generate" not in again.err
    assert "training 1" not in again.err
    assert Path("checkpoints/animals/tiny-lora-8/adapter_model.safetensors").stat().st_mtime_ns == weights
    assert "8 cells, 0 missing" in harness("study", *flags, "--dry_run").out


@pytest.mark.torch
def test_a_cell_that_fails_is_named_and_does_not_stop_the_others(
    harness: Harness, zoo: Callable[..., list[str]]
) -> None:
    gone = BASE.format(name="gone", folder="/nowhere/at/all")
    done = harness("study", *zoo("tiny, gone", models__gone=gone))
    assert done.code == 1
    assert "8 of 10 cells are done" in done.err
    failed = [line for line in done.out.splitlines() if line.startswith("|eval")]
    assert len(failed) == 2
    assert all("gone" in line and "/nowhere/at/all" in line for line in failed)


@pytest.mark.torch
def test_stages_can_be_run_one_at_a_time(harness: Harness, zoo: Callable[..., list[str]], tmp_path: Path) -> None:
    flags = zoo()
    assert harness("study", *flags, "--only", "train").code == 0
    assert not Path("results").exists()
    assert harness("study", *flags, "--only", "eval").code == 0
    page = tmp_path / "mine" / "leaderboards" / "zoo.md"
    assert not page.exists()
    assert harness("study", *flags, "--only", "compare").code == 0
    assert page.exists()


@pytest.mark.torch
def test_answers_without_scores_are_judged_later_without_a_generator(
    harness: Harness, zoo: Callable[..., list[str]], tmp_path: Path
) -> None:
    flags = zoo()
    other = tmp_path / "mine" / "judges" / "other.yaml"
    other.write_text(JUDGE.format(name="other", script="'2'"))
    assert harness("study", *flags, "--only", "train,eval").code == 0
    board = tmp_path / "mine" / "leaderboards" / "zoo.yaml"
    board.write_text(board.read_text().replace("judge: marks", "judge: other"))
    done = harness("study", *flags, "--only", "judge")
    assert done.code == 0, done.err
    assert "generate" not in done.err
    judges = [json.loads(p.read_text())["harness"]["judge"] for p in Path("results").rglob("results_*.json")]
    assert sorted(judges) == ["marks"] * 6 + ["other"] * 6


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["nosuch"], "nosuch"),
        (["telecom", "--only", "dance"], "--only dance: it can be train, eval, judge, compare"),
        (["telecom", "--tflops", "0"], "--tflops 0: give a number above 0"),
        (["telecom", "--limit", "x"], "--limit x: give a whole number from 1"),
    ],
)
def test_bad_input_is_one_line(harness: Harness, flags: list[str], said: str) -> None:
    done = harness("study", *flags)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert said in done.err


@pytest.mark.torch
def test_a_run_under_another_prompt_is_not_what_a_study_wants(
    harness: Harness, zoo: Callable[..., list[str]], tmp_path: Path
) -> None:
    flags = zoo()
    assert harness("study", *flags, "--only", "train,eval").code == 0
    assert "8 cells, 0 missing" in harness("study", *flags, "--dry_run").out
    task = tmp_path / "mine" / "tasks" / "animals.yaml"
    task.write_text(task.read_text().replace("Question: {{ question }}", "Q: {{ question }}"))
    assert "8 cells, 6 missing" in harness("study", *flags, "--dry_run").out
