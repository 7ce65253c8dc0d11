"""A kept file with a key that is missing or unknown, a value out of its scale or rows that are not those of the results
is refused with one line: file, key, what is wrong, what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness as package
from harness.adapters.weights import LoraCheckpoint
from harness.comparison.stored import StoredRun
from harness.entries.checking import JUDGE, check
from harness.entries.yaml import read_entry
from harness.errors import DataError, EntryError
from harness.evaluation.folder import read_run
from harness.finetuning.job import Checkpoint
from harness.kept import CARD, TRAINING, problems_of_file
from harness.store import Store
from tests.conftest import REPOSITORY, Finished
from tests.test_store_and_runs import parts, run

Harness = Callable[..., Finished]
Change = Callable[[Any], object]
REMEDY = "the folder is not a whole run folder of this version; run its command again, or delete it"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run with a judge that gives 1, 3, 5 or nothing, by their kinds."""
    folder = tmp_path_factory.mktemp("run")
    with Store(folder / "store") as store:
        made = run(parts(), store, folder / "results")
    return {path.name: path.read_bytes() for path in made.folder.iterdir()}


def damaged(written: dict[str, bytes], folder: Path, kind: str, change: Change) -> tuple[Path, DataError]:
    """The error at a run of which one file was changed: samples as the list of their rows."""
    changed = folder / "nothing"
    for name, data in written.items():
        (folder / name).write_bytes(data)
        if name.startswith(kind):
            changed = folder / name
            content = [json.loads(line) for line in data.splitlines()] if kind == "samples" else json.loads(data)
            result = change(content)
            content = result if kind == "samples" and isinstance(result, list) else content
            text = "".join(json.dumps(row) + "\n" for row in content) if kind == "samples" else json.dumps(content)
            changed.write_text(text)
    with pytest.raises(DataError) as error:
        _ = read_run(folder).samples
    return changed, error.value


@pytest.mark.parametrize(
    ("kind", "change", "problem"),
    [
        ("manifest", lambda m: m.pop("identities"), "identities: is missing"),
        ("manifest", lambda m: m.update(identites={}), "identites: is no key of such a file; near it: identities"),
        ("manifest", lambda m: m["identities"].pop("judge"), "identities.judge: is missing"),
        ("manifest", lambda m: m["plan"].pop("decoding"), "plan.decoding: is missing"),
        ("manifest", lambda m: m["plan"].update(colour="red"), "plan.colour: is no key of a plan"),
        ("manifest", lambda m: m.update(seconds="1"), "seconds: input should be a valid number, and is '1'"),
        ("results", lambda r: r.pop("harness"), "harness: is missing"),
        ("results", lambda r: r.update(colour="red"), "colour: is no key of such a file"),
        ("results", lambda r: r["harness"].update(colour="red"), "harness.colour: is no key of such a file"),
        ("results", lambda r: r["harness"].pop("criteria"), "harness.criteria: is missing"),
        ("results", lambda r: r["results"]["toy"].pop("f1_stderr,none"), "f1_stderr,none: is missing"),
        (
            "results",
            lambda r: r["results"]["toy"].update({"accuracy,none": 6}),
            "accuracy,none: is 6, which is not from 1 to 5",
        ),
        ("samples", lambda rows: rows[:-1], "39 samples, and the results are of 40"),
        ("samples", lambda rows: [*rows, rows[0]], "41 samples, and the results are of 40"),
        ("samples", lambda rows: rows[4].pop("target"), "line 5: target: is missing"),
        ("samples", lambda rows: rows[4].update(colour="red"), "line 5: colour: is no key of such a file"),
        ("samples", lambda rows: rows[0].pop("f1"), "line 1: f1: is missing"),
        (
            "samples",
            lambda rows: rows[0]["scores"][0].update(criterion="beauty"),
            "line 1: scores[0].criterion: is 'beauty', which the results do not have",
        ),
        ("samples", lambda rows: rows[0]["scores"][0].pop("repeat"), "line 1: scores[0].repeat: is missing"),
        (
            "samples",
            lambda rows: rows[0]["scores"][0].update(mark=3),
            "line 1: scores[0].mark: is no key of such a file",
        ),
        (
            "samples",
            lambda rows: rows[0]["scores"][0].update(score=5.5),
            "line 1: accuracy: is 5.5, which is not from 1 to 5",
        ),
        ("samples", lambda rows: rows[0].update(f1=1.5), "line 1: f1: is 1.5, which is not from 0 to 1"),
    ],
)
def test_a_run_folder_that_cannot_be_is_refused_with_file_key_and_remedy(
    written: dict[str, bytes], tmp_path: Path, kind: str, change: Change, problem: str
) -> None:
    path, error = damaged(written, tmp_path, kind, change)
    assert any(line.startswith(f"{path}: {problem}") and line.endswith(f"; {REMEDY}") for line in error.problems)


def test_all_mistakes_of_a_file_are_told_at_once(written: dict[str, bytes], tmp_path: Path) -> None:
    _, error = damaged(written, tmp_path, "manifest", lambda m: (m.pop("date"), m.pop("command")))
    assert len(error.problems) == 2


# ---- what is stored with a leaderboard, cards, checkpoints ----------------------------------------------------------

STORED = sorted((REPOSITORY / "leaderboards" / "results").rglob("*.json"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.name)
def test_what_is_stored_with_the_leaderboards_is_read(path: Path) -> None:
    assert StoredRun.from_json(json.loads(path.read_text()), str(path)).items


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda run: run.update(items=5), "items: input should be a valid array, and is 5"),
        (lambda run: run.update(scale=None), "scale: input should be"),
        (lambda run: run.update(measures=[]), "measures: input should be"),
        (lambda run: run["measures"].update(accuracy=3), "measures.accuracy: input should be"),
        (lambda run: run["settings"].update(split=[]), "settings.split"),
        (
            lambda run: run.update(environments=[{"environment": {"versions": 5}, "answers": 1, "scores": 1}]),
            "environments: [0].environment.versions: input should be a valid dictionary, and is 5",
        ),
        (lambda run: run.update(task_version="one"), "task_version: input should be a valid number, and is 'one'"),
    ],
)
def test_a_stored_run_with_values_of_another_kind_is_one_line(change: Change, problem: str) -> None:
    run = json.loads(STORED[0].read_text())
    change(run)
    with pytest.raises(DataError) as error:
        StoredRun.from_json(run, "kept.json")
    assert error.value.problems[0].startswith(f"kept.json: {problem}")
    assert error.value.problems[0].endswith("; delete it, and run `harness leaderboard` again where the run folder is")


@pytest.mark.parametrize("path", sorted((REPOSITORY / "judges" / "cards").glob("*.json")), ids=lambda path: path.name)
def test_the_shipped_cards_have_the_keys_of_a_card(path: Path) -> None:
    assert problems_of_file(CARD, json.loads(path.read_text())) == []


def test_a_card_with_an_unknown_or_missing_key_is_refused(harness: Harness, entries: Path, pack: Path) -> None:
    done = harness("eval", "-t", "animals", "-M", "parrot", "--data", str(pack), "--include_path", str(entries))
    assert done.code == 0
    card = json.loads((REPOSITORY / "judges" / "cards" / "facts.json").read_text())
    card["found"]["colour"] = card["found"].pop("hard")
    (entries / "judges" / "cards").mkdir()
    (entries / "judges" / "cards" / "marks.json").write_text(json.dumps(card))
    refused = harness("leaderboard", "zoo", "--include_path", str(entries))
    assert refused.code == 2
    lines = refused.err.splitlines()
    assert [line.split("marks.json: ")[1].split(";")[0] for line in lines] == [
        "found.hard: is missing",
        "found.colour: is no key of such a file",
    ]
    assert all(line.endswith("write it again: harness audit marks") for line in lines)


TRAINED = REPOSITORY / "tests" / "golden" / "training.json"


def checkpoint(folder: Path, **changes: Any) -> Path:
    """A checkpoint's folder with what `harness finetune` writes, but for the changes; None takes a key away."""
    manifest = {**json.loads(TRAINED.read_text()), **changes}
    manifest = {key: value for key, value in manifest.items() if value is not None or key == "domain"}
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_text("{}")
    (folder / "training.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"pairs": None}, "pairs: is missing"),
        ({"colour": "red"}, "colour: is no key of such a file"),
        ({"seed": "0"}, "seed: input should be a valid integer, and is '0'"),
        ({"pairs": {"digest": "d", "ids": [1]}}, "pairs.ids[0]: input should be a valid string, and is 1"),
    ],
)
def test_a_checkpoints_manifest_that_cannot_be_is_refused_where_it_is_read(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    """Its pairs say what is leaked: as if there were none, leaked questions would pass for clean ones."""
    folder = checkpoint(tmp_path, **changes)
    for read in (lambda: LoraCheckpoint(folder, tmp_path).training_record, lambda: Checkpoint.read(folder)):
        with pytest.raises(DataError) as error:
            read()
        assert error.value.problems[0].startswith(f"{folder / 'training.json'}: {problem}; ")
        assert "; train it again with --overwrite" in error.value.problems[0]


def test_a_checkpoint_from_elsewhere_has_no_manifest_and_none_is_asked_for(tmp_path: Path) -> None:
    (checkpoint(tmp_path) / "training.json").unlink()
    assert LoraCheckpoint(tmp_path, tmp_path).training_record == {}


def test_the_golden_manifest_of_a_checkpoint_has_the_keys_of_one() -> None:
    assert problems_of_file(TRAINING, json.loads(TRAINED.read_text())) == []


# ---- criteria -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c.update(levls={}), "criteria.accuracy.levls: unknown key"),
        (lambda c: c.pop("title"), "criteria.accuracy.title: is missing; add it"),
        (lambda c: c["levels"].update({6: "too much"}), "criteria.accuracy.levels describes [1, 2, 3, 4, 5, 6]"),
    ],
)
def test_a_criterion_with_unknown_or_missing_keys_or_marks_out_of_scale_is_refused(
    change: Change, problem: str
) -> None:
    values: Any = read_entry(REPOSITORY / "judges" / "geval-gpt4.yaml")
    change(values["criteria"]["accuracy"])
    with pytest.raises(EntryError) as error:
        check(JUDGE, values, "judges/geval-gpt4.yaml")
    assert any(line.startswith(f"judges/geval-gpt4.yaml: {problem}") for line in error.value.problems)


def test_loading_from_python_refuses_the_same(written: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in written.items():
        (tmp_path / name).write_bytes(data)
    assert package.load_run(tmp_path).available == 40
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match=r"manifest.json: the file: input should be a valid dictionary, and is \[\]"):
        package.load_run(tmp_path)
