"""The hub through the real clients and a stand-in on loopback: the study's data sets and weights, and what a user sees
when the hub misbehaves. Commands run as processes, since the clients read `HF_ENDPOINT` when they are imported."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.entries.catalog import Catalog
from harness.sources.hub.readers import READERS
from tests.conftest import JUDGE, MODEL, REPOSITORY, write_entries
from tests.hub_rows import NOTHING, Span, nq_row, write_bioasq, write_nq, write_qasper
from tests.standin_hub import StandInHub, serve
from tests.tiny import make_lora, make_model

BIOASQ = "rag-datasets/rag-mini-bioasq"
BIOASQ_COMMIT = "224a87f64a5c3a720b5bc627cf760f543b2f1e79"
QASPER = "allenai/qasper"
QASPER_COMMIT = "06806e4608976fc2fac0a090ac425d5b2b29caf4"
NQ = "google-research-datasets/natural_questions"
NQ_COMMIT = "e8103d566bef4154c2c12b17c6095ec5275840cc"
MISTRAL = "mistralai/Mistral-7B-Instruct-v0.2"
MISTRAL_COMMIT = "3ad372fc79158a2148299e3318516c786aeded6c"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    write_bioasq(root / "datasets" / BIOASQ)
    write_qasper(root / "datasets" / QASPER)
    write_nq(root / "datasets" / NQ)
    make_model(root / "models" / MISTRAL, "mistral", bos=True)
    return root


@pytest.fixture
def hub(repositories: Path) -> Iterator[StandInHub]:
    with serve(repositories) as running:
        running.commits = {BIOASQ: BIOASQ_COMMIT, QASPER: QASPER_COMMIT, NQ: NQ_COMMIT, MISTRAL: MISTRAL_COMMIT}
        yield running


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, hub: StandInHub) -> Run:
    """`harness …` in an empty folder with an empty cache, against the stand-in. The study's tasks keep nothing back
    for training here, since the stand-in's are small, and use BM25 and a scripted judge, to be quick."""
    entries = tmp_path / "entries"
    for name in ("bioasq", "nq", "qasper"):
        values = yaml.safe_load((REPOSITORY / "tasks" / f"{name}.yaml").read_text())
        values |= {"finetune": {"pool": 0, "sizes": []}, "judge": "marks"}
        values["retrieval"] = {**values.get("retrieval", {}), "retriever": {"kind": "bm25"}}
        write_entries(entries, **{f"tasks__{name}": yaml.safe_dump(values)})
    (entries / "tasks" / "_study.yaml").write_text(
        (REPOSITORY / "tasks" / "_study.yaml").read_text().split("retrieval:")[0]
        + "retrieval: {}\n"
        + (REPOSITORY / "tasks" / "_study.yaml").read_text().split("  top_k: 5\n")[1]
    )
    write_entries(entries, models__parrot=MODEL, judges__marks=JUDGE)

    def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        clean |= {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HARNESS_CACHE": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        }
        own = [] if "fetch" in arguments else ["--include_path", str(entries)]
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments, *own],
            cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return start


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def packs(tmp_path: Path) -> dict[str, Path]:
    return {json.loads((p / "source.json").read_text())["reader"]: p for p in (tmp_path / "cache" / "packs").iterdir()}


def test_bioasq_is_read_with_empty_and_repeated_passages_left_out(run: Run, tmp_path: Path) -> None:
    done = run("eval", "--task", "bioasq", "--model", "parrot")
    assert done.returncode == 0, done.stderr
    assert (
        "8 documents, 6 questions; left out: 2 empty passages, 1 duplicate passages, 1 questions without" in done.stderr
    )
    questions = rows(packs(tmp_path)["rag-mini-bioasq"], "qa.jsonl")
    assert questions[0]["gold_doc_ids"] == ["100"]  # the empty passage 200 is gone
    assert questions[1]["gold_doc_ids"] == ["101"]  # 202 says the same as 101 and is 101


def test_qasper_is_read_from_its_parquet_conversion(run: Run, tmp_path: Path) -> None:
    done = run("eval", "--task", "qasper", "--model", "parrot")
    assert done.returncode == 0, done.stderr
    pack = packs(tmp_path)["qasper"]
    document = rows(pack, "corpus.jsonl")[0]
    assert document["text"] == (
        "## Abstract\n\nWe study small things.\n\n## Introduction\n\nSmall things matter.\n\nWe use the corpus Tiny."
        "\n\nThe score is 3."
    )
    found = {(row["question"], tuple(row["answers"]), row["type"]) for row in rows(pack, "qa.jsonl")}
    assert found == {
        ("Which corpus?", ("Tiny, corpus",), "extractive"),  # the vote for "unanswerable" is left out
        ("Is it small?", ("Yes", "No"), "yesno"),
        ("What is the score?", ("Three.",), "freeform"),
        ("Who paid?", ("Unanswerable",), "unanswerable"),
    }
    assert Catalog().task("qasper-abstain").abstention == "Unanswerable"  # as the references of such questions say it
    (results,) = (tmp_path / "results").rglob("results_*.json")
    always = json.loads(results.read_text())["harness"]["trivial"]["always_abstain"]
    assert always["exact_match"] == 0.25  # one of a test paper's four questions is unanswerable
    (samples,) = (tmp_path / "results").rglob("samples_*.jsonl")
    spans = [json.loads(line).get("span_recall@5") for line in samples.read_text().splitlines()]
    assert sorted(value for value in spans if value is not None) == [1.0] * 3  # one question a test paper has evidence


def test_natural_questions_pages_answers_and_what_is_left_out(run: Run, tmp_path: Path) -> None:
    done = run("eval", "--task", "nq", "--model", "parrot")
    assert done.returncode == 0, done.stderr
    assert (
        "14 documents, 21 questions; left out: 7 unanswerable questions, 7 questions that one annotator answered, "
        "7 repeated pages" in done.stderr
    )
    pack = packs(tmp_path)["natural-questions"]
    text = rows(pack, "corpus.jsonl")[0]["text"]
    assert text == 'The Otter\n\nSea otters (of the sea) eat urchins, clams and "worms".\n\nThey don\'t fly.\n\nShard0'
    short, long, yes_no = rows(pack, "qa.jsonl")[:3]
    assert (short["answers"], short["type"]) == (["urchins, clams", "urchins"], "short")  # two votes and one
    assert (long["answers"], long["type"]) == (['Sea otters (of the sea) eat urchins, clams and "worms".'], "long")
    assert (yes_no["answers"], yes_no["type"]) == (["No"], "yesno")
    assert yes_no["evidence"] == long["answers"]  # yes or no counts although a long answer is there too


ANIMALS = ["<P>", "Otters", "and", "rats", "swim", ".", "</P>", "<P>", "Cats", "do", "n't", ".", "</P>"]
OTTERS, RATS, SWIMMERS, CATS = (1, 2), (3, 4), (0, 7), (7, 13)


@pytest.mark.parametrize(
    ("long", "short", "yes_no", "answers", "kind"),
    [
        ([SWIMMERS, *[NOTHING] * 4], [[OTTERS], *[[]] * 4], [-1] * 5, None, ""),  # one short answer alone
        ([SWIMMERS, *[NOTHING] * 4], [[]] * 5, [-1] * 5, None, ""),  # one long answer alone
        ([SWIMMERS] * 2 + [NOTHING] * 3, [[OTTERS], *[[]] * 4], [-1] * 5, ["Otters and rats swim."], "long"),
        ([CATS, SWIMMERS, SWIMMERS] + [NOTHING] * 2, [[]] * 5, [-1] * 5,
         ["Otters and rats swim.", "Cats don't."], "long"),  # the one with more votes first
        ([SWIMMERS] * 5, [[]] * 5, [1, -1, -1, -1, -1], ["Otters and rats swim."], "long"),  # one yes alone
        ([SWIMMERS] * 5, [[]] * 5, [1, 0, 0, -1, -1], ["No", "Yes"], "yesno"),  # contradicting ones are both kept
        ([SWIMMERS] * 2 + [NOTHING] * 3, [[OTTERS], *[[]] * 4], [-1, 1, -1, -1, -1], ["Otters", "Yes"], "short"),
        ([SWIMMERS] * 2 + [NOTHING] * 3, [[OTTERS, RATS], [RATS], *[[]] * 3], [-1] * 5, ["rats", "Otters"], "short"),
    ],
)  # fmt: skip
def test_an_answer_of_natural_questions_needs_two_of_its_five_annotators(
    long: list[Span], short: list[list[Span]], yes_no: list[int], answers: list[str] | None, kind: str
) -> None:
    put: list[dict[str, Any]] = []
    row = nq_row("1", ANIMALS, "who swims", long, short, yes_no)
    left_out = READERS["natural-questions"].read(
        lambda part: [row], lambda what, row: put.append(row) if what == "question" else None
    )
    assert [(each["answers"], each["type"]) for each in put] == ([] if answers is None else [(answers, kind)])
    assert left_out["questions that one annotator answered"] == (answers is None)


def test_a_second_run_asks_the_hub_nothing_even_when_it_is_dead(run: Run, hub: StandInHub) -> None:
    assert run("eval", "--task", "bioasq", "--model", "parrot").returncode == 0
    asked = len(hub.requests)
    with socket.create_server(("127.0.0.1", 0)) as dead:  # takes connections and never says a word
        endpoint = f"http://127.0.0.1:{dead.getsockname()[1]}"
        done = run("eval", "--task", "bioasq", "--model", "parrot", HF_ENDPOINT=endpoint)
        assert done.returncode == 0, done.stderr
        assert len(hub.requests) == asked
        dead.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has knocked
            dead.accept()


def test_offline_works_from_the_cache_and_says_so_where_it_cannot(run: Run) -> None:
    done = run("eval", "--task", "bioasq", "--model", "parrot", HF_HUB_OFFLINE="1")
    assert only(done) == (
        f"{BIOASQ}@{BIOASQ_COMMIT[:8]} is not in the local cache and HF_HUB_OFFLINE is set; fetch it on a connected "
        "machine (`harness fetch`), or unset HF_HUB_OFFLINE"
    )
    assert run("eval", "--task", "bioasq", "--model", "parrot").returncode == 0
    assert run("eval", "--task", "bioasq", "--model", "parrot", HF_HUB_OFFLINE="1").returncode == 0


def only(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that the user sees."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
    return line.removeprefix("harness: ")


@pytest.mark.parametrize(
    ("where", "trouble", "said"),
    [
        ("/api/", 429, "too many requests to the hub (429); try again after 7 seconds"),
        ("/api/", 503, "the hub returned 503"),
        ("/api/", 404, "the hub has no such repository; check the entry's name"),
        ("/api/", 401, "the hub does not know it or you may not read it (401)"),
        # the client tries these again for half a minute before it gives up
        pytest.param("resolve", 429, "too many requests to the hub (429)", marks=pytest.mark.slow),
        pytest.param("resolve", 503, "the hub returned 503", marks=pytest.mark.slow),
        pytest.param("/api/", "slow", "the hub is too slow to answer; try again later", marks=pytest.mark.slow),
        ("test.parquet", "cut", "the connection to the hub was lost while fetching; run the same command again"),
    ],
)
def test_what_the_user_sees_when_the_hub_misbehaves(
    run: Run, hub: StandInHub, where: str, trouble: int | str, said: str
) -> None:
    hub.trouble = {where: trouble}
    line = only(run("eval", "--task", "bioasq", "--model", "parrot"))
    assert line.startswith(f"{BIOASQ}@{BIOASQ_COMMIT[:8]}")
    assert said in line


def test_a_download_cut_once_is_taken_up_again(run: Run, hub: StandInHub, tmp_path: Path) -> None:
    hub.trouble = {"passages.parquet": "cut-once"}
    done = run("eval", "--task", "bioasq", "--model", "parrot")
    assert done.returncode == 0, done.stderr
    assert len(rows(packs(tmp_path)["rag-mini-bioasq"], "corpus.jsonl")) == 8


def test_a_dead_hub_is_reported_at_once(run: Run) -> None:
    done = run("eval", "--task", "bioasq", "--model", "parrot", HF_ENDPOINT="http://127.0.0.1:1")
    line = only(done)
    assert "the hub cannot be reached; connect, or fetch it on a connected machine" in line
    assert "Retry" not in done.stderr, "what the client says when it waits and tries again"


def test_a_wrong_revision_is_reported(run: Run, hub: StandInHub) -> None:
    hub.commits[NQ] = "0" * 40
    line = only(run("eval", "--task", "nq", "--model", "parrot"))
    assert line == f"{NQ}@{NQ_COMMIT[:8]}: the hub has no such revision; check the entry's name and `revision`"


def test_a_gated_model_says_how_to_get_access(run: Run, hub: StandInHub) -> None:
    hub.gated = {MISTRAL}
    line = only(run("eval", "--task", "telecom", "--model", "mistral", "--limit", "1"))
    assert line == f"{MISTRAL}@3ad372fc is gated: ask for access on its hub page, then run `hf auth login`"
    done = run(
        "eval", "--task", "telecom", "--model", "mistral", "--limit", "1", "--judge", "facts", HF_TOKEN="hf_secret"
    )
    assert done.returncode == 0, done.stderr
    assert "hf_secret" not in done.stderr + done.stdout


@pytest.mark.torch
def test_the_main_command_of_the_study(run: Run, tmp_path: Path) -> None:
    """`harness eval --task bioasq --model mistral-lora-500`: data set, base and judge from the hub, the checkpoint from
    its folder; a checkpoint that is not there says what is missing."""
    line = only(run("eval", "--task", "bioasq", "--model", "mistral-lora-500"))
    assert line.startswith("checkpoints/bioasq/mistral-lora-500: no LoRA checkpoint there")
    base = make_model(tmp_path / "base", "mistral", bos=True)
    make_lora(base, tmp_path / "checkpoints/bioasq/mistral-lora-500", base_name=MISTRAL)
    done = run("eval", "--task", "bioasq", "--model", "mistral-lora-500", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    (manifest,) = (tmp_path / "results").rglob("manifest.json")
    identity = json.loads(manifest.read_text())["identities"]["model"]
    assert identity["weights"] == {"repository": MISTRAL, "revision": MISTRAL_COMMIT}
    assert len(identity["lora"]) == 64


@pytest.mark.torch
def test_what_is_fetched_gives_the_same_results_without_a_network(run: Run, tmp_path: Path) -> None:
    online = run("eval", "--task", "bioasq", "--model", "mistral", "--device", "cpu", "--limit", "3", "-o", "online")
    assert online.returncode == 0, online.stderr
    fetched = run("fetch", "--task", "bioasq", "--model", "mistral", "--to", "usb")
    assert fetched.returncode == 0, fetched.stderr
    elsewhere = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf2"), "HARNESS_CACHE": str(tmp_path / "cache2")}
    offline = run(
        "eval", "--task", "bioasq", "--data", "usb/data/bioasq", "--model", "hf", "--model_args",
        "pretrained=usb/models/mistral,dtype=bfloat16", "--device", "cpu", "--limit", "3", "-o", "offline", **elsewhere,
    )  # fmt: skip
    assert offline.returncode == 0, offline.stderr
    sides = [json.loads(next((tmp_path / side).rglob("manifest.json")).read_text()) for side in ("online", "offline")]
    assert sides[0]["identities"]["source"] == sides[1]["identities"]["source"]
    assert sides[0]["identities"]["model"]["weights"] == sides[1]["identities"]["model"]["weights"]
    texts = [next((tmp_path / side).rglob("samples_*.jsonl")).read_text() for side in ("online", "offline")]
    assert texts[0] == texts[1]


def test_validate_deep_reads_all_of_the_study_through_the_hub(run: Run) -> None:
    done = run("validate", "--deep")
    assert done.returncode == 0, done.stderr
    for name in ("bioasq", "nq", "qasper", "telecom"):
        assert f"{name}: " in done.stdout
        assert f"{name}: not tried" not in done.stdout
