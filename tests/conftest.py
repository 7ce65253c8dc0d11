"""Fixtures that several files share. Nothing here patches the inside of anything: the fakes ship with the product."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: its threads wait for each other by spinning
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub reads it: no test waits for the hub

from harness.cli import main
from harness.store import Store

# a property holds or does not, however slow the machine is that asks
hypothesis.settings.register_profile("harness", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("harness")

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


class Silent:
    """A progress that remembers what it heard."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.notes: list[str] = []

    def start(self, stage: str, total: int, done: int = 0) -> None:
        self.stages.append((stage, total, done))

    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None:
        """Not needed."""

    def finish(self) -> None:
        """Not needed."""

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def progress() -> Silent:
    return Silent()


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache a test session, so that the embedded model is converted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("HARNESS_CACHE", str(shared_cache))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite") as opened:
        yield opened


@dataclass
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def harness(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Finished]:
    """Runs the command in an empty folder: `harness("eval", "--task", "telecom", …)`."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Finished:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return Finished(code, said.out, said.err)

    return run


DOCUMENTS = [
    {"doc_id": "d1", "title": "Otters", "text": "Sea otters hold hands while they sleep. They eat urchins and clams."},
    {"doc_id": "d2", "title": "Beavers", "text": "Beavers build dams from logs. A dam makes a pond."},
    {"doc_id": "d3", "title": "Moles", "text": "Moles dig tunnels and eat worms. They see very little."},
]
QUESTIONS = [
    {"id": f"q{n}", "question": text, "answers": [answer], "gold_doc_ids": [gold], "type": "short"}
    for n, (text, answer, gold) in enumerate(
        [
            ("What do sea otters eat?", "urchins and clams", "d1"),
            ("What do beavers build?", "dams", "d2"),
            ("What do moles eat?", "worms", "d3"),
            ("What makes a pond?", "a dam", "d2"),
        ]
    )
]


def write_pack(
    folder: Path,
    documents: Sequence[Mapping[str, Any]] = DOCUMENTS,
    questions: Sequence[Mapping[str, Any]] = QUESTIONS,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus.jsonl", documents), ("qa.jsonl", questions)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path / "pack")


TASK = """
task: animals
description: Questions on three animals.
dataset_path: nobody/animals
revision: "{revision}"
retrieval:
  retriever: {{kind: bm25}}
  top_k: 2
doc_to_text: "{{% for p in passages %}}{{{{ p.text }}}}\\n{{% endfor %}}Question: {{{{ question }}}}"
generation_kwargs: {{max_gen_toks: 16}}
metric_list: [{{metric: exact_match}}, {{metric: f1}}]
judge: marks
finetune: {{pool: 0, sizes: []}}
licence: none
citation: none
metadata: {{version: 1}}
""".format(revision="a" * 40)

MODEL = """
model: parrot
description: Says one of three things.
engine: scripted
script: [urchins and clams, dams, worms]
licence: none
metadata: {version: 1}
"""

JUDGE = """
judge: marks
description: Gives marks by a hash.
kind: scripted
script: ["1", "3", "5"]
metadata: {version: 1}
"""

BOARD = """
leaderboard: zoo
title: Zoo
tasks: [animals]
models: [parrot]
arms: [rag, closed_book]
judge: marks
baseline: parrot
"""


def write_entries(folder: Path, **files: str) -> Path:
    """`tasks__animals="…"` becomes tasks/animals.yaml."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    return write_entries(
        tmp_path / "mine", tasks__animals=TASK, models__parrot=MODEL, judges__marks=JUDGE, leaderboards__zoo=BOARD
    )
