"""On a CPU, an answer and its log-probabilities are the same bits whatever is asked beside it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.transformers.rows import CHUNK, WIDTH, width_of
from harness.adapters.weights import FolderWeights, LoraCheckpoint
from harness.records import Decoding, Message, OptionRequest, Question, Request
from harness.store import Store
from tests.test_store_and_runs import PLAN, parts, result_files, run
from tests.tiny import make_lora, make_model

pytestmark = pytest.mark.torch

LETTERS = "abcdefghij klmno pqrst uvwxyz 0123456789"
OPTIONS = tuple("12345")
ARCHITECTURES = ("llama", "mistral", "mixtral", "qwen2", "qwen3")


def prompts_of_many_lengths() -> list[str]:
    """Ten texts of 1 to 400 tokens, and three that begin alike with more than a chunk."""
    draw = random.Random(0)
    texts = ["".join(draw.choices(LETTERS, k=length)) for length in (1, 2, 7, 20, 45, 90, 150, 230, 300, 400)]
    begin = "".join(draw.choices(LETTERS, k=CHUNK + 30))
    return texts + [f"{begin}{end}" for end in ("", " and so on", "?" * 60)]


TEXTS = prompts_of_many_lengths()


def adapter(folder: Path, tmp: Path, lora: Path | None = None, **settings: Any) -> TransformersAdapter:
    settings = {"dtype": "bfloat16", "device": "cpu", "gate": False, **settings}
    checkpoint = LoraCheckpoint(lora, tmp) if lora else None
    return TransformersAdapter("tiny", FolderWeights(folder, tmp), LoadSettings(**settings), checkpoint)


def requests(model: TransformersAdapter, decoding: Decoding) -> list[Request]:
    """Of all texts; the seed of each is its number, and two of them are asked with a second seed too."""
    prompts = [model.format_prompt([Message("user", text)]) for text in TEXTS]
    asked = [Request(f"{n}", prompt, len(prompt), decoding, n) for n, prompt in enumerate(prompts)]
    return asked + [replace(asked[n], key=f"{n} again", seed=90 + n) for n in (4, 11)]


def answered(model: TransformersAdapter, asked: Sequence[Request], size: int) -> dict[str, Any]:
    return {
        answer.key: answer
        for first in range(0, len(asked), size)
        for answer in model.generate(asked[first : first + size])
    }


def scored(model: TransformersAdapter, asked: Sequence[Request], size: int) -> dict[str, dict[str, float]]:
    options = [OptionRequest(request.key, request.prompt, OPTIONS) for request in asked]
    batches = [options[first : first + size] for first in range(0, len(options), size)]
    return {of.key: dict(of.logprobs) for batch in batches for of in model.score_options(batch)}


def depends_on_nothing_else(model: TransformersAdapter, decoding: Decoding) -> None:
    """One by one, by fours, and in another order by eights."""
    asked = requests(model, decoding)
    other = random.Random(1).sample(asked, len(asked))
    alone, logprobs = answered(model, asked, 1), scored(model, asked, 1)
    assert len({answer.text for answer in alone.values()}) > len(asked) / 2
    for size, order in ((4, asked), (8, other)):
        assert answered(model, order, size) == alone
        assert scored(model, order, size) == logprobs, "to the last bit"


GREEDY = Decoding(max_gen_toks=10)


def tiny(architecture: str, folder: Path) -> Path:
    """As `make_model`, and Qwen's two."""
    if not architecture.startswith("qwen"):
        return make_model(folder, architecture)
    import transformers

    make_model(folder)
    old = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads"
    shape = {name: old[name] for name in [*names.split(), "max_position_embeddings", "initializer_range"]}
    kind = architecture.title()
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**shape, bos_token_id=1, eos_token_id=2, head_dim=16)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    model.lm_head.weight.data[2] = 0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=ARCHITECTURES)
def each_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny-llama")


def make_twins(folder: Path) -> Path:
    """A model in which every token has a twin that is as likely but for rounding: a sum that is split in another way
    gives another answer."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(make_model(folder))
    torch.manual_seed(0)
    weights = model.lm_head.weight.data
    half = (len(weights) - 3) // 2
    weights[3 + half : 3 + 2 * half] = weights[3 : 3 + half] + 2e-7 * torch.randn(half, weights.shape[1])
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_answers_and_log_probabilities_do_not_depend_on_batch_size_order_or_neighbours(
    each_model: Path, tmp_path: Path, dtype: str
) -> None:
    depends_on_nothing_else(adapter(each_model, tmp_path, dtype=dtype), GREEDY)


def test_sampled_answers_depend_on_their_seed_alone(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    depends_on_nothing_else(model, Decoding(max_gen_toks=10, temperature=1.0, top_p=0.9))
    asked = requests(model, Decoding(max_gen_toks=10, temperature=1.0))
    answers = answered(model, asked, 8)
    assert answers["4"].text != answers["4 again"].text


def test_answers_of_a_lora_checkpoint_do_not_depend_on_their_batch(base: Path, tmp_path: Path) -> None:
    depends_on_nothing_else(adapter(base, tmp_path, make_lora(base, tmp_path / "lora")), GREEDY)


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_answers_of_quantised_weights_do_not_depend_on_their_batch(base: Path, tmp_path: Path, bits: str) -> None:
    depends_on_nothing_else(adapter(base, tmp_path, quantization=bits), Decoding(max_gen_toks=4))


def test_a_sequence_longer_than_a_sliding_window_does_not_decide_for_its_neighbours(base: Path, tmp_path: Path) -> None:
    """It is answered by `generate` of transformers, alone; those that fit the window are answered in rows."""
    folder = make_model(tmp_path / "sliding", "mistral")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "sliding_window": 100}), encoding="utf-8")
    depends_on_nothing_else(adapter(folder, tmp_path), Decoding(max_gen_toks=4))


def test_an_architecture_that_is_not_known_is_answered_one_by_one(base: Path, tmp_path: Path) -> None:
    import transformers

    make_model(tmp_path / "m")
    shape = {"vocab_size": 80, "n_positions": 512, "n_embd": 64, "n_layer": 2, "n_head": 4, "initializer_range": 0.5}
    config = transformers.GPT2Config(**shape, bos_token_id=1, eos_token_id=2)
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "m")
    depends_on_nothing_else(adapter(tmp_path / "m", tmp_path), Decoding(max_gen_toks=4))


def test_rows_compute_what_transformers_computes(each_model: Path, tmp_path: Path) -> None:
    """Log-probabilities of options against one plain pass, and each token of an answer against the likeliest one of a
    plain pass over all that comes before it. In float32: a wrong mask or position is off by far more."""
    model = adapter(each_model, tmp_path, dtype="float32")
    asked = requests(model, GREEDY)[: len(TEXTS)]
    answers, options = answered(model, asked, 8), scored(model, asked, 8)
    for request in asked:
        prompt = model._prompts.encode([request.prompt])[0]
        whole = model._prompts.encode([request.prompt + answers[request.key].text])[0]
        with torch.inference_mode():
            logits = model._model(input_ids=torch.tensor([whole])).logits[0].float()
        logprobs = logits[len(prompt) - 1].log_softmax(-1)
        for option, token in zip(OPTIONS, model._prompts.encode(OPTIONS), strict=True):
            assert options[request.key][option] == pytest.approx(float(logprobs[token[0]]), abs=1e-3)
        if answers[request.key].answer_tokens == len(whole) - len(prompt):  # no space at an end was stripped
            for place in range(len(prompt), len(whole)):
                assert float(logits[place - 1].max() - logits[place - 1][whole[place]]) < 1e-3


def test_prompts_that_begin_alike_share_whole_chunks_and_repeats_share_all(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    asked = requests(model, GREEDY)
    alike = asked[-5:-2]
    answered(model, alike, 3)
    assert model.usage["prompt_tokens_asked"] == sum(model.count_tokens([request.prompt for request in alike]))
    assert model.usage["prompt_tokens_computed"] == model.usage["prompt_tokens_asked"] - 2 * CHUNK
    again = adapter(base, tmp_path)
    answered(again, [replace(asked[3], key=f"{n}", seed=n) for n in range(5)], 5)
    assert again.usage["prompt_tokens_asked"] == 5 * again.usage["prompt_tokens_computed"]


def test_the_width_is_that_of_rows_which_do_not_depend_on_one_another(base: Path, tmp_path: Path) -> None:
    """A layer that adds the mean of its batch, and an expert's matrix, are seen."""
    model = adapter(base, tmp_path)._model
    assert width_of(model, eight_bit=False) == WIDTH
    assert width_of(model, eight_bit=True) == 1
    model.model.norm.register_forward_hook(lambda layer, given, found: found + found.mean(0))
    assert width_of(model, eight_bit=False) == 1
    assert width_of(adapter(make_model(tmp_path / "x", "mixtral"), tmp_path)._model, eight_bit=False) == 1


def test_stop_strings_and_limits_end_each_answer_by_itself(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    free = answered(model, requests(model, Decoding(max_gen_toks=12)), 8)
    stop = next(letter for letter in free["3"].text[2:] if letter.strip())
    cut = answered(model, requests(model, Decoding(max_gen_toks=12, until=(stop,))), 8)
    for key, answer in cut.items():
        if stop in free[key].text:
            assert answer.text == free[key].text[: free[key].text.index(stop)].strip()
            assert answer.answer_tokens < 12 or free[key].text.index(stop) == 11
        else:
            assert answer == free[key]


def test_where_rounding_decides_on_every_token_answers_do_not_depend_on_their_batch(tmp_path: Path) -> None:
    depends_on_nothing_else(adapter(make_twins(tmp_path / "twins"), tmp_path, dtype="float32"), GREEDY)


def test_a_run_after_a_smaller_one_has_the_results_of_a_fresh_one(tmp_path: Path) -> None:
    """The same 24 questions: 12 of them first, in other batches, or all at once. Equal to the byte."""
    twins = make_twins(tmp_path / "twins")
    questions = [Question(f"q{n}", f"What about {TEXTS[n % 9]} {n}?", ("x",), ("d0",)) for n in range(24)]
    plans = {limit: replace(PLAN, limit=limit, decoding=Decoding(max_gen_toks=20)) for limit in (12, 24)}

    def evaluated(store: Store, limit: int, output: Path) -> dict[str, bytes]:
        made = parts(adapter(twins, tmp_path, dtype="float32"), questions=questions)
        run(made, store, output, plans[limit])
        return result_files(output)

    with Store(tmp_path / "grown.sqlite") as grown, Store(tmp_path / "fresh.sqlite") as fresh:
        evaluated(grown, 12, tmp_path / "first")
        assert evaluated(grown, 24, tmp_path / "grown") == evaluated(fresh, 24, tmp_path / "fresh")


def test_the_identity_says_whether_answers_depend_on_their_batch(base: Path, tmp_path: Path) -> None:
    """Without a GPU being there: stored answers of the two are kept apart, and the line above the results says it."""
    here, there = adapter(base, tmp_path), adapter(base, tmp_path, device="cuda")
    assert (here.identity["depends_on_batch"], there.identity["depends_on_batch"]) == (False, True)
    assert "depends_on_batch" not in str(here.description)
    assert "'depends_on_batch': 'True'" in str(there.description)
