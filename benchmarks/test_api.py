"""Requests to an API in a sliding window, against a server (in a process of its own) that takes 200 ms give or take a
quarter: the time beside the ideal one, requests × 0.2 s / concurrency. `extra_info` has the share of the ideal."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from harness.adapters.openai import ApiSettings, OpenAIAdapter
from harness.records import Answer, Decoding, Request

DELAY, JITTER = 0.2, 0.25


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.api_server", str(DELAY), str(JITTER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.mark.benchmark(group="requests of 200 ms each")
@pytest.mark.parametrize(("concurrency", "count"), [(8, 400), (32, 1_600), (128, 6_400)])
def test_the_window_is_full(benchmark: Any, address: str, concurrency: int, count: int) -> None:
    adapter = OpenAIAdapter("m", ApiSettings("gpt", address, None, 8_192, concurrency=concurrency))

    def requests(number: int) -> list[Request]:
        prompts = [json.dumps([{"role": "user", "content": f"{n} {'word ' * 400}"}]) for n in range(number)]
        return [Request(str(n), prompt, 700, Decoding(max_gen_toks=8)) for n, prompt in enumerate(prompts)]

    def run() -> None:
        results = list(adapter.generate(requests(count)))
        assert [type(each) for each in results] == [Answer] * count

    list(adapter.generate(requests(concurrency)))  # connections are made before the clock starts
    benchmark.pedantic(run, rounds=1, iterations=1)
    adapter.close()
    if benchmark.stats is not None:
        benchmark.extra_info["share of the ideal"] = round(count * DELAY / concurrency / benchmark.stats["mean"], 3)
