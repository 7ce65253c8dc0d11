"""What is written for people and other programs, whole, against files in `tests/golden/`: a change of a default, a
bound, a key or a column shows there as a diff. After a change that is meant: UPDATE_GOLDEN=1 pytest
tests/test_golden.py
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from harness import __version__
from harness.auditing.audit import Extent, Material, audit
from harness.auditing.cached_judge import CachedJudge
from harness.auditing.card import page
from harness.digests import digest_of_question
from harness.entries.checking import GROUP, JUDGE, LEADERBOARD, MODEL, TASK
from harness.entries.checkpoints import Presentation
from harness.entries.judge import CardEntry
from harness.evaluation.folder import read_run
from harness.finetuning.checkpoints import BaseRecord, Recipe, _card, _manifest
from harness.finetuning.examples import Example, Examples
from harness.finetuning.settings import TrainingSettings
from harness.finetuning.training import Trained
from harness.interfaces import Usage
from harness.judging.signals import NAMES, signals
from harness.measures import MEASURES
from harness.records import JudgeItem, Passage, Query, Score
from harness.reports.console import runs_table
from harness.sources.world.source import SyntheticWorld
from harness.store import Store
from tests.conftest import TASK as ANIMALS
from tests.conftest import Finished, Silent, write_entries
from tests.test_audit import invented_pack, write_people, write_short_numbers

Harness = Callable[..., Finished]
GOLDEN = Path(__file__).parent / "golden"


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; if that is meant: UPDATE_GOLDEN=1"


def rounded(value: Any) -> Any:
    """Floats to six decimals: no processor's last bits."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def as_json(value: Any) -> str:
    return json.dumps(rounded(value), indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("name", "kind"), {"task": TASK, "group": GROUP, "model": MODEL, "judge": JUDGE, "leaderboard": LEADERBOARD}.items()
)
def test_keys_types_bounds_and_defaults_of_an_entry(name: str, kind: TypeAdapter[Any]) -> None:
    check_golden(f"entry_{name}.json", as_json(kind.json_schema()))


def test_the_table_of_measures() -> None:
    check_golden("measures.json", as_json([asdict(measure) for measure in MEASURES]))


# ---- runs -----------------------------------------------------------------------------------------------------------

OTHER = """
model: other
description: d
engine: scripted
script: [no idea, worms, worms and worms and worms and worms]
licence: none
metadata: {version: 1}
"""
MARKS = "judge: marks\ndescription: d\nkind: scripted\nscript: ['1', '3', '5', '']\nrepeats: 2\nmetadata: {version: 1}"


@pytest.fixture
def evaluated(harness: Harness, entries: Path, pack: Path) -> Harness:
    """Two models, two arms, sampled answers, a judge that leaves some unscored."""
    board = (entries / "leaderboards" / "zoo.yaml").read_text().replace("models: [parrot]", "models: [parrot, other]")
    task = ANIMALS.replace("{max_gen_toks: 16}", "{max_gen_toks: 4, do_sample: true, temperature: 0.5}")
    write_entries(entries, models__other=OTHER, judges__marks=MARKS, leaderboards__zoo=board, tasks__animals=task)
    done = harness(
        "eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot,other", "--data", str(pack),
        "--arm", "rag", "closed_book",
    )  # fmt: skip
    assert done.code == 0, done.err

    def run(*more: str) -> Finished:
        return harness(*more, "--include_path", str(entries))

    return run


def test_a_run_folder(evaluated: Harness) -> None:
    """The results whole, one sample whole; what differs between machines is not in them."""
    (folder,) = Path("results/parrot").glob("animals-rag-*")
    (results,), (samples,) = folder.glob("results_*"), folder.glob("samples_*")
    check_golden("results.json", as_json(json.loads(results.read_text())))
    check_golden("sample.json", as_json(json.loads(samples.read_text().splitlines()[0])))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", manifest["date"])
    for name in ("command", "date", "versions", "commit", "dirty", "host", "seconds"):
        assert name in manifest
        del manifest[name]
    assert manifest.pop("digests").keys() == {results.name, samples.name, "manifest.json"}
    (environment,) = [each.pop("environment") for each in manifest["environments"]]
    assert environment["versions"]["harness"] == __version__
    assert environment.keys() == {"versions", "commit", "dirty", "platform", "processor", "threads", "limits", "device"}
    check_golden("manifest.json", as_json(manifest))


def test_the_table_of_runs_and_a_leaderboard(evaluated: Harness, entries: Path) -> None:
    runs = [read_run(path.parent) for path in sorted(Path("results").rglob("manifest.json"))]
    check_golden("runs_table.txt", re.sub(r"\d+\.\d s,", "1.0 s,", runs_table(runs)) + "\n")
    board = evaluated("leaderboard", "zoo").out
    board = re.sub(r"\d{4}-\d\d-\d\d", "2026-01-02", board)
    board = re.sub(r"`harness eval .*?` \((runs? [\w, ]*?)(?:, commit \w+)?\)", r"`harness eval …` (\1)", board)
    check_golden("leaderboard.md", re.sub(r"With .*\bharness .*", "With …", board))


# ---- cards ----------------------------------------------------------------------------------------------------------


class Reader:
    """Scores by words of the reference and by the first passage; says nothing of some answers."""

    name = "reader"
    repeats = 2
    criteria = ("accuracy", "completeness")
    max_unscored = 0.02
    scale = (1, 5)
    sees_passages = True
    asks_model = False
    usage: Usage = {}  # noqa: RUF012
    identity: Mapping[str, object] = {"kind": "rule", "model": {"weights": "x"}}

    def depends_on(self, item: JudgeItem) -> Mapping[str, object]:
        return {"q": item.question.text, "a": item.answer, "r": item.reference, "p": [p.text for p in item.passages]}

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return 64

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            common = set(item.answer.split()) & set(item.reference.split())
            value = 1 + min(3.0, len(common) / 3) + 0.1 * item.repeat
            value += 0.5 * bool(item.passages and item.passages[0].text == "a") + ("core: 5" in item.answer)
            unscored = "JSON" in item.answer or len(item.answer) % 17 == 0
            yield Score(item.key, item.criterion, item.repeat, None if unscored else min(5.0, value), "")

    def prepare(self) -> None: ...

    def close(self) -> None: ...


class Shelf:
    identity: Mapping[str, object] = {}
    index_digests: Mapping[str, str] = {}

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        return [[Passage(f"d{n}", 0, 9, "", "ab"[n], n + 1, 1.0) for n in range(top_k)] for _ in queries]


@pytest.mark.parametrize("data", [True, False], ids=["with-people", "without"])
def test_a_judges_card(tmp_path: Path, store: Store, data: bool) -> None:
    questions = SyntheticWorld("telecom", 120, 400, 100, seed=3).questions("evaluation")
    people = write_people(tmp_path / "people") if data else None
    material = Material(
        questions,
        Shelf(),
        top_k=2,
        data=people,
        packs=[invented_pack(tmp_path)] if data else [],
        short_numbers=write_short_numbers(tmp_path / "short_numbers.jsonl"),
        fitted_on=["evouna_nq"],
        fitted_questions=frozenset({digest_of_question("Who wrote book 5?")}),
        planted_in_fitting="errors in 3 questions",
    )
    thresholds = CardEntry(blind_to=["added"]).model_dump()
    extent = Extent(binary=20, pairs=6, counts=6, planted=8, injected=3, packs=4, seed=1)
    card = audit(CachedJudge(Reader(), store, Silent()), thresholds, material, extent)
    card |= {"description": "A rule.", "kind": "rule", "model": "x", "scoring": "greedy", "command": "harness audit r"}
    name = "card_with_people" if data else "card_without_people"
    check_golden(f"{name}.json", as_json(card))
    check_golden(f"{name}.md", page(rounded(card)))


def test_a_checkpoints_manifest_and_card(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    settings = TrainingSettings(batch_size=4, gradient_accumulation=2, epochs=1.5)
    weights = {"repository": "org/tiny"}
    base = BaseRecord("tiny", "org/tiny", "org/tiny", "a" * 40, weights, "bfloat16", "4bit", "Apache-2.0")
    recipe = Recipe(
        task="animals", method="qlora", presentation=Presentation("rag"), settings=settings, seed=7, base=base,
        source={"corpus": "c"}, tokenizer={"bos": "<s>"}, prompt_start_ids=[1, 5],
        examples=Examples([Example("q1", "prompt", "answer</s>")], ["q2"]), questions=["0123"], processes=2,
    )  # fmt: skip
    trained = Trained(
        model=None, history=[{"loss": 2.0}, {"loss": 1.0}], steps=3, tokens=1_234, seconds=65.43, loss=1.5,
        validation_loss=None, state={},
    )  # fmt: skip
    manifest = _manifest(tmp_path, recipe, trained)
    check_golden("training.json", as_json(manifest))
    check_golden("checkpoint.md", _card("tiny-qlora-1-rag", recipe, manifest))


# ---- the calibrated judge's signals ---------------------------------------------------------------------------------

ANSWERS = [
    ("Who wrote it?", "Ada Lovelace", "Ada Lovelace wrote it"),
    ("Who wrote it?", "Ada Lovelace / Countess of Lovelace", "It was never the Countess of Lovelase."),
    ("How is the X20 reset?", "By a long press of 4 seconds.", "The X20 is reset by a long press of nine seconds."),
    ("How is the X20 reset?", "By a long press of four seconds.", "By a press of 4 seconds, then 10 more."),
    ("When was it built?", "In 1889, in Paris.", "I do not know when it was built."),
    ("When was it built?", "In 1889.", "Paris in 1889, or so, said the mayor of the old town by the river Seine."),
    ("Is it open?", "no", "Yes, it is open."),
    ("What is it?", "a tower", ""),
    ("When was the tower built?", "The tower was built in 1889.", "In 1889 the tower was built by Eiffel."),
]


class Letters:
    """Counts of five letters: vectors without a model."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        counts = np.array([[text.count(letter) for letter in "aeiou"] for text in texts], dtype=np.float32) + 0.1
        return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True))


def test_all_signals_of_nine_answers() -> None:
    rows = signals(ANSWERS, Letters().encode)
    named = [{name: round(float(v), 4) for name, v in zip(NAMES, row, strict=True)} for row in rows]
    check_golden("signals.json", as_json(named))
