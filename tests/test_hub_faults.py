"""What a user sees when the hub, its Xet storage or a host between misbehaves: `harness fetch` as a process of its own,
with the real clients, against a stand-in on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.hub import surplus_weights
from tests.conftest import write_entries
from tests.standin_hub import StandInHub, serve

NAME = "org/tiny"
COMMIT = "b" * 40
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
ENTRY = """
model: tiny
description: Two shards.
pretrained: org/tiny
revision: "{revision}"
licence: none
metadata: {{version: 1}}
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StandInHub]:
    folder = tmp_path / "hub" / "models" / NAME
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    for number, name in enumerate((*SHARDS, "consolidated.safetensors")):
        (folder / name).write_bytes(bytes([number]) * 5_000)
    (folder / "original").mkdir()
    (folder / "original" / "model.safetensors").write_bytes(b"o" * 5_000)
    for name in ("pytorch_model.bin", "tiny.Q4.gguf", "model.onnx"):
        (folder / name).write_bytes(b"x" * 5_000)
    with serve(tmp_path / "hub") as running:
        running.commits = {NAME: COMMIT}
        yield running


Fetch = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def fetch(tmp_path: Path, hub: StandInHub) -> Fetch:
    """`harness fetch --model tiny --to usb` in an empty folder with empty caches."""

    def start(revision: str = COMMIT, **environment: str) -> subprocess.CompletedProcess[str]:
        entries = write_entries(tmp_path / "entries", models__tiny=ENTRY.format(revision=revision))
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        clean = {key: value for key, value in clean.items() if "proxy" not in key.lower()}
        clean |= {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HARNESS_CACHE": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        }
        return subprocess.run(
            [sys.executable, "-m", "harness", "fetch", "--model=tiny", "--to=usb", f"--include_path={entries}"],
            cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    return start


def fetched(tmp_path: Path) -> dict[str, int]:
    """The weights that were fetched, with their first byte."""
    return {path.name: path.read_bytes()[0] for path in (tmp_path / "usb/models/tiny").rglob("*.safetensors")}


WHOLE = dict(zip(SHARDS, (0, 1), strict=True))


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stderr.splitlines()


# ---- Xet ------------------------------------------------------------------------------------------------------------


def took_http_instead(done: subprocess.CompletedProcess[str], host: str, tmp_path: Path) -> None:
    assert done.returncode == 0, done.stderr
    assert lines(done) == [
        f"{NAME}@{COMMIT[:8]}: the Xet storage {host} does not give its files (blocked?); fetching by plain HTTP "
        "instead. To do so at once: HF_HUB_DISABLE_XET=1"
    ]
    assert fetched(tmp_path) == WHOLE


def test_an_unreachable_xet_host_is_named_and_plain_http_taken_instead(
    fetch: Fetch, hub: StandInHub, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hub.xet = f"http://127.0.0.1:{port}"  # closed again: nobody listens there
    took_http_instead(fetch(), f"127.0.0.1:{port}", tmp_path)


@pytest.mark.slow
def test_a_xet_host_that_never_answers_is_named_and_plain_http_taken_instead(
    fetch: Fetch, hub: StandInHub, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dead:
        hub.xet = f"http://127.0.0.1:{dead.getsockname()[1]}"
        took_http_instead(fetch(), hub.xet.removeprefix("http://"), tmp_path)


@pytest.mark.parametrize(("where", "trouble"), [("/cas/", 403), ("xet-read-token", 404)])
def test_a_xet_host_that_refuses_is_named_and_plain_http_taken_instead(
    fetch: Fetch, hub: StandInHub, tmp_path: Path, where: str, trouble: int
) -> None:
    hub.xet, hub.trouble = f"{hub.address}/cas", {where: trouble}
    took_http_instead(fetch(), hub.address.removeprefix("http://"), tmp_path)


@pytest.mark.slow
def test_a_xet_answer_that_is_cut_short_leads_to_plain_http(fetch: Fetch, hub: StandInHub, tmp_path: Path) -> None:
    hub.xet, hub.trouble = f"{hub.address}/cas", {"/cas/": "cut"}
    took_http_instead(fetch(), hub.address.removeprefix("http://"), tmp_path)


def test_with_xet_switched_off_nobody_asks_for_it(fetch: Fetch, hub: StandInHub, tmp_path: Path) -> None:
    hub.xet = "http://127.0.0.1:1"
    done = fetch(HF_HUB_DISABLE_XET="1")
    assert (done.returncode, lines(done), fetched(tmp_path)) == (0, [], WHOLE)


# ---- plain HTTP -----------------------------------------------------------------------------------------------------


def test_a_body_that_came_short_once_is_asked_for_again(fetch: Fetch, hub: StandInHub, tmp_path: Path) -> None:
    hub.trouble = {f"cdn/models/{NAME}/{SHARDS[0]}": "short-once"}
    done = fetch()
    assert (done.returncode, lines(done), fetched(tmp_path)) == (0, [], WHOLE)


def test_a_body_that_comes_short_again_is_one_line(fetch: Fetch, hub: StandInHub) -> None:
    hub.trouble = {f"cdn/models/{NAME}/{SHARDS[0]}": "short"}
    done = fetch()
    assert (done.returncode, lines(done)) == (
        2,
        [
            f"harness: {NAME}@{COMMIT[:8]}: a file came short twice; does a proxy cut large files? Run the same "
            "command again"
        ],
    )


def test_a_connection_that_is_lost_is_one_line_that_names_the_host(fetch: Fetch, hub: StandInHub) -> None:
    hub.trouble = {f"cdn/models/{NAME}/{SHARDS[0]}": "cut"}
    host = hub.address.removeprefix("http://").replace("127.0.0.1", "localhost")
    done = fetch()
    assert (done.returncode, lines(done)) == (
        2,
        [
            f"harness: {NAME}@{COMMIT[:8]}: the connection to {host}, where the hub keeps large files, was lost while "
            "fetching; run the same command again, it resumes"
        ],
    )


@pytest.mark.slow  # the client tries these again for half a minute before it gives up
@pytest.mark.parametrize(("trouble", "said"), [(429, "too many requests to the hub (429)"), (503, "returned 503")])
def test_no_line_of_the_client_precedes_ours(fetch: Fetch, hub: StandInHub, trouble: int, said: str) -> None:
    hub.trouble = {"resolve": trouble}
    done = fetch()
    (line,) = lines(done)
    assert done.returncode == 2
    assert line.startswith(f"harness: {NAME}@{COMMIT[:8]}")
    assert said in line


def test_an_answer_that_is_not_the_hub_s_is_one_line(fetch: Fetch, hub: StandInHub) -> None:
    hub.trouble = {"/api/": 200}  # as from the log-in page of a hotel
    (line,) = lines(fetch())
    assert "does not answer as the hub does; check HF_ENDPOINT" in line


# ---- what is fetched, and from where --------------------------------------------------------------------------------


def test_weights_beside_the_shards_are_not_fetched(fetch: Fetch, hub: StandInHub, tmp_path: Path) -> None:
    assert fetch().returncode == 0
    assert fetched(tmp_path) == WHOLE
    got = {request.rpartition("/")[2] for request in hub.requests if "/cdn/" in request}
    assert got == set(SHARDS)
    assert not [request for request in hub.requests if "original" in request]


@pytest.mark.parametrize(
    ("names", "surplus"),
    [
        (["model.safetensors", "consolidated.safetensors"], ["consolidated.safetensors"]),
        (["model.safetensors", "model.fp16.safetensors"], ["model.fp16.safetensors"]),
        (["model.safetensors", *SHARDS], list(SHARDS)),  # the one file is read, and the shards are not
        ([*SHARDS, "metal/model.bin", "original/model.safetensors"], ["original/model.safetensors"]),
        (["model.safetensors", "2_Dense/model.safetensors"], []),  # a module of sentence-transformers
        (["weights.safetensors", "consolidated.safetensors"], []),  # unknown names: everything is kept
        (["data/test.parquet"], []),
    ],
)
def test_surplus_weights_are_those_that_nothing_reads(names: list[str], surplus: list[str]) -> None:
    assert surplus_weights(names) == surplus


def test_what_the_client_s_cache_has_is_used_when_the_hub_is_dead(fetch: Fetch, tmp_path: Path) -> None:
    assert fetch().returncode == 0
    for environment in ({"HF_ENDPOINT": "http://127.0.0.1:1"}, {"HF_HUB_OFFLINE": "1"}):
        fresh = tmp_path / f"cache-{len(environment)}-{next(iter(environment))}"
        done = fetch(HARNESS_CACHE=str(fresh), **environment)
        assert (done.returncode, lines(done), fetched(tmp_path)) == (0, [], WHOLE)


def test_a_part_in_the_client_s_cache_is_called_a_part(fetch: Fetch, tmp_path: Path) -> None:
    assert fetch().returncode == 0
    (shard,) = (tmp_path / "hf/hub").rglob(f"snapshots/{COMMIT}/{SHARDS[1]}")
    shard.unlink()
    (line,) = lines(fetch(HARNESS_CACHE=str(tmp_path / "fresh"), HF_ENDPOINT="http://127.0.0.1:1"))
    assert line.startswith(f"harness: {NAME}@{COMMIT[:8]}: the local cache holds only a part of it; ")
    assert "the hub cannot be reached" in line
    for tree in (tmp_path / "hf/hub").rglob("trees"):
        tree.rename(tree.with_name("forgotten"))  # as an older client leaves the cache: without a list of the files
    (line,) = lines(fetch(HARNESS_CACHE=str(tmp_path / "fresh"), HF_HUB_OFFLINE="1"))
    assert "the local cache holds 1 of 2 shards of model; " in line


# ---- a revision that moves ------------------------------------------------------------------------------------------


def identity(tmp_path: Path) -> dict[str, str]:
    recorded: dict[str, str] = json.loads((tmp_path / "usb/models/tiny/harness_origin.json").read_text())["identity"]
    return recorded


def test_a_revision_that_moved_is_another_model_and_stays_where_it_was_when_the_hub_is_dead(
    fetch: Fetch, hub: StandInHub, tmp_path: Path
) -> None:
    assert fetch("refs/pr/1").returncode == 0
    assert identity(tmp_path) == {"repository": NAME, "revision": COMMIT}
    (tmp_path / "hub/models" / NAME / SHARDS[0]).write_bytes(b"\7" * 5_000)
    hub.commits = {NAME: "c" * 40}
    assert fetch("refs/pr/1").returncode == 0
    assert identity(tmp_path) == {"repository": NAME, "revision": "c" * 40}
    assert fetched(tmp_path) == {**WHOLE, SHARDS[0]: 7}
    done = fetch("refs/pr/1", HF_ENDPOINT="http://127.0.0.1:1")
    assert (done.returncode, identity(tmp_path)["revision"]) == (0, "c" * 40)
    (line,) = lines(done)
    assert line.startswith(f"{NAME}@refs/pr/1: taken at commit cccccccc, where it was last: ")
    reference = tmp_path / "hf/hub/models--org--tiny/refs/refs/pr/1"  # as the client notes it
    reference.parent.mkdir(parents=True)
    reference.write_text(COMMIT)
    for note in (tmp_path / "cache/hub").rglob("*"):
        if note.is_file():
            note.write_text("damaged")
    done = fetch("refs/pr/1", HF_ENDPOINT="http://127.0.0.1:1")
    assert (done.returncode, identity(tmp_path)["revision"]) == (0, COMMIT)
