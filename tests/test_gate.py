"""Before a LoRA checkpoint is evaluated: ten seeded faults, each named; and several checkpoints on one loaded base."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.adapters import gate
from harness.adapters.bases import BaseHolder
from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import FolderWeights, LoraCheckpoint
from harness.cli import main
from harness.digests import digest_of_file
from harness.errors import CheckpointMismatch
from harness.records import Decoding, Message, Request
from tests.conftest import TASK, Finished, write_entries, write_pack
from tests.tiny import CHAT, make_lora, make_model

Harness = Callable[..., Finished]

pytestmark = pytest.mark.torch
WEIGHTS = "adapter_model.safetensors"

ENTRIES = {
    "tasks__animals": TASK.replace("finetune: {pool: 0, sizes: []}", "finetune: {pool: 8, sizes: [4, 8]}"),
    "judges__marks": "judge: marks\ndescription: d\nkind: scripted\nscript: ['3']\nmetadata: {version: 1}\n",
    "models__tiny": "model: tiny\ndescription: d\npretrained: BASE\ndtype: float32\nlicence: none\n"
    "metadata: {version: 1}\n",
    "models__tiny-lora-8": "model: tiny-lora-8\ndescription: d\nbase: tiny\npeft: checkpoints/{task}/tiny-lora-8\n"
    "licence: none\nmetadata: {version: 1}\n",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> tuple[Path, list[str]]:
    """(folder with a checkpoint that `harness finetune` made, flags of its task). The tokenizer puts BOS in front by
    itself and has a pad token of its own, as Llama's do."""
    from transformers import AutoTokenizer

    home = tmp_path_factory.mktemp("gate")
    base = make_model(home / "base", bos=True)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = "<unk>"
    tokenizer.save_pretrained(base)
    entries = {name: text.replace("BASE", str(base)) for name, text in ENTRIES.items()}
    folder = write_entries(home / "mine", **entries)
    rows = [
        {"id": f"q{n}", "question": f"What is {n}?", "answers": [f"It is {n}."], "gold_doc_ids": ["d1"]}
        for n in range(12)
    ]
    pack = write_pack(home / "pack", questions=rows)
    flags = ["--task", "animals", "--include_path", str(folder)]
    before = Path.cwd(), os.environ.get("HARNESS_CACHE")
    os.chdir(home)
    os.environ["HARNESS_CACHE"] = str(shared_cache)
    try:
        knobs = ["--samples", "8", "--batch_size", "4", "--lora_r", "4", "--learning_rate", "5e-3"]
        assert main(["finetune", *flags, "--data", str(pack), "--model", "tiny", *knobs]) == 0
    finally:
        os.chdir(before[0])
        os.environ["HARNESS_CACHE"] = before[1] or ""
    return home, [*flags, "--data", str(pack)]


@pytest.fixture
def lora(trained: tuple[Path, list[str]], harness: Harness) -> Path:
    """A copy of the checkpoint in the folder in which the commands run."""
    copy = Path("checkpoints/animals/tiny-lora-8").absolute()
    shutil.copytree(trained[0] / "checkpoints/animals/tiny-lora-8", copy)
    return copy


def change(lora: Path, mend: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    save_file(mend(load_file(lora / WEIGHTS)), lora / WEIGHTS)
    change_json(lora / "training.json", weights=digest_of_file(lora / WEIGHTS))  # that fault is seeded apart


def change_json(path: Path, **values: Any) -> None:
    held = json.loads(path.read_text())
    held.update(values)
    path.write_text(json.dumps({key: value for key, value in held.items() if value is not None}))


# ---- ten faults -----------------------------------------------------------------------------------------------------


def zero_b(lora: Path) -> None:
    change(lora, lambda tensors: {n: t * 0 if "lora_B" in n else t for n, t in tensors.items()})


def zero_a(lora: Path) -> None:
    change(lora, lambda tensors: {n: t * 0 if "lora_A" in n else t for n, t in tensors.items()})


def another_base(lora: Path) -> None:
    held = json.loads((lora / "training.json").read_text())
    change_json(lora / "training.json", base={**held["base"], "identity": {"folder": "0" * 64}})


def renamed_modules(lora: Path) -> None:
    change(lora, lambda tensors: {n.replace("q_proj", "query"): t for n, t in tensors.items()})


def renamed_targets(lora: Path) -> None:
    change_json(lora / "adapter_config.json", target_modules=["query", "value"])


def doubled_bos(lora: Path) -> None:
    (lora / "chat_template.jinja").write_text("<s>" + CHAT)


def swapped_pad_and_eos(lora: Path) -> None:
    change_json(lora / "tokenizer_config.json", eos_token="<unk>", pad_token="</s>")


def truncated(lora: Path) -> None:
    held = (lora / WEIGHTS).read_bytes()
    (lora / WEIGHTS).write_bytes(held[: len(held) * 2 // 3])


def truncated_header(lora: Path) -> None:
    (lora / WEIGHTS).write_bytes((lora / WEIGHTS).read_bytes()[:40])


def overflow(lora: Path) -> None:
    change(
        lora,
        lambda tensors: {n: torch.full_like(t, float("inf")) if "layers.1" in n else t for n, t in tensors.items()},
    )


def anothers_weights(lora: Path) -> None:
    held = load_file(lora / WEIGHTS)
    save_file({name: tensor * 1.5 for name, tensor in held.items()}, lora / WEIGHTS)


def trained_in_four_bits(lora: Path) -> None:
    held = json.loads((lora / "training.json").read_text())
    change_json(lora / "training.json", base={**held["base"], "quantization": "4bit"})


def another_template_in_training(lora: Path) -> None:
    held = json.loads((lora / "training.json").read_text())
    change_json(lora / "training.json", tokenizer={**held["tokenizer"], "chat_template": "0" * 64})


def another_template(lora: Path) -> None:
    (lora / "chat_template.jinja").write_text(CHAT.replace("|assistant|", "|bot|"))


def broken_config(lora: Path) -> None:
    (lora / "adapter_config.json").write_text("{")


def alpha_lost(lora: Path) -> None:
    change_json(lora / "adapter_config.json", lora_alpha=None)


def alpha_changed(lora: Path) -> None:
    change_json(lora / "adapter_config.json", lora_alpha=64)


def half_the_keys(lora: Path) -> None:
    change(lora, lambda tensors: {n: t for n, t in tensors.items() if "layers.0" in n})


def larger_vocabulary(lora: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(lora)
    tokenizer.add_tokens([f"<new{n}>" for n in range(5)])
    tokenizer.save_pretrained(lora)


FAULTS: dict[Callable[[Path], None], str] = {
    zero_b: "B is zero in every layer, as before the first step of training",
    zero_a: "its logits on the probe prompts are those of the base to the last digit: it does nothing",
    another_base: "it was trained on other weights (",
    renamed_modules: "tensors belong to modules that the base has not",
    renamed_targets: "its target modules are not in the base",
    doubled_bos: "BOS is doubled: its tokenizer puts one in front",
    swapped_pad_and_eos: "pad and eos are swapped: its eos is '<unk>', the base's '</s>'",
    truncated: "is truncated: it has ",
    truncated_header: "is truncated or not a safetensors file (its header is truncated)",
    overflow: "14 tensors hold NaN or infinities, as after an overflow in float16",
    alpha_lost: "has lost lora_alpha: PEFT would take its default, 8, in silence",
    alpha_changed: "has lora_alpha 64, but it was trained with 8",
    half_the_keys: "only a part would be loaded: 14 of 28 tensors are missing",
    anothers_weights: "is not the one that training.json records",
    trained_in_four_bits: "it was trained on the base with quantization 4bit, and here it is none",
    another_template_in_training: "its chat template in training was '000",
    another_template: "it was trained with another chat template than the base's",
    broken_config: "adapter_config.json is not valid JSON",
    larger_vocabulary: "its tokenizer knows 85 tokens and the base embeds 80: wrong vocabulary size",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_faulty_checkpoint_is_caught_by_name(
    fault: Callable[[Path], None], lora: Path, trained: tuple[Path, list[str]], harness: Harness
) -> None:
    fault(lora)
    checked = harness("gate", *[f for f in trained[1] if "pack" not in f and f != "--data"], "--model", "tiny-lora-8")
    assert checked.code in (1, 2)
    assert FAULTS[fault] in checked.err
    done = harness("eval", *trained[1], "--model", "tiny-lora-8", "--limit", "2")
    assert done.code == 2
    assert FAULTS[fault] in done.err
    assert "Traceback" not in done.err


def test_a_sound_checkpoint_passes(lora: Path, trained: tuple[Path, list[str]], harness: Harness) -> None:
    flags = [flag for flag in trained[1] if "pack" not in flag and flag != "--data"]
    checked = harness("gate", *flags, "--model", "tiny-lora-8")
    assert (checked.code, checked.err) == (0, "")
    assert "tiny-lora-8: passes" in checked.out


def test_a_task_can_evaluate_the_checkpoints_of_another(
    lora: Path, trained: tuple[Path, list[str]], harness: Harness, tmp_path: Path
) -> None:
    twins = ENTRIES["tasks__animals"].replace("task: animals", "task: twins")
    more = write_entries(tmp_path / "more", tasks__twins=twins + "checkpoints_of: animals\n")
    flags = ["--task", "twins", "--include_path", str(more), *trained[1][2:4], "--model"]
    checked = harness("gate", *flags, "tiny-lora-8")
    assert (checked.code, checked.err) == (0, "")
    done = harness("eval", *flags, "tiny-lora-8", "--limit", "2", *trained[1][4:])
    assert done.code == 0, done.err
    refused = harness("finetune", *flags, "tiny", "--samples", "8", *trained[1][4:])
    assert (refused.code, "train on that" in refused.err) == (2, True), refused.err


def added_pad_token(lora: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(lora)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(lora)


def marks_for_training(lora: Path) -> None:
    marked = CHAT.replace("{{ m.content }}", "{% generation %}{{ m.content }}{% endgeneration %}")
    (lora / "chat_template.jinja").write_text(marked)


def no_tokenizer(lora: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (lora / name).unlink()


def no_manifest(lora: Path) -> None:
    (lora / "training.json").unlink()


@pytest.mark.parametrize("change", [added_pad_token, marks_for_training, no_tokenizer, no_manifest])
def test_what_other_trainers_leave_behind_passes(
    change: Callable[[Path], None], lora: Path, trained: tuple[Path, list[str]], harness: Harness
) -> None:
    change(lora)
    flags = [flag for flag in trained[1] if "pack" not in flag and flag != "--data"]
    checked = harness("gate", *flags, "--model", "tiny-lora-8")
    assert (checked.code, checked.err) == (0, "")


def test_answers_of_an_opened_gate_do_not_pass_a_closed_one(
    lora: Path, trained: tuple[Path, list[str]], harness: Harness
) -> None:
    zero_a(lora)
    command = ["eval", *trained[1], "--model", "tiny-lora-8", "--limit", "2"]
    opened = harness(*command, "--no_gate")
    assert opened.code == 0, opened.err
    assert "gate=skipped" in opened.out
    assert harness(*command).code == 2


def test_a_layer_that_merges_into_something_else_than_it_computes_is_named(
    lora: Path, trained: tuple[Path, list[str]]
) -> None:
    """One layer would merge twice what it computes."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained[0] / "base")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(trained[0] / "base"), lora)

    def encode(texts: Sequence[str]) -> list[list[int]]:
        return [list(ids) for ids in tokenizer(list(texts))["input_ids"]]

    assert gate.faults_of_model(model, encode, "float32") == []
    for name, layer in model.named_modules():
        if name.endswith("layers.0.self_attn.q_proj"):
            merged = layer.get_delta_weight
            layer.get_delta_weight = lambda adapter, merged=merged: 2 * merged(adapter)
    (fault,) = gate.faults_of_model(model, encode, "float32")
    assert fault.startswith("merged and unmerged disagree by 50.0%")
    assert "layers.0.self_attn.q_proj" in fault


def test_the_gate_can_be_opened_by_hand(lora: Path, trained: tuple[Path, list[str]], harness: Harness) -> None:
    zero_b(lora)
    done = harness("eval", *trained[1], "--model", "tiny-lora-8", "--limit", "2", "--no_gate")
    assert done.code == 0, done.err


def test_numbers_that_are_too_large_for_the_entrys_float16_are_caught(
    lora: Path, trained: tuple[Path, list[str]], tmp_path: Path
) -> None:
    change(lora, lambda tensors: {n: t * 1e7 if "lora_B" in n else t for n, t in tensors.items()})
    weights = FolderWeights(trained[0] / "base", tmp_path)
    half = TransformersAdapter("t", weights, LoadSettings(dtype="float16"), LoraCheckpoint(lora, tmp_path))
    with pytest.raises(CheckpointMismatch, match="tensors hold numbers that overflow float16, the entry's dtype"):
        half.prepare()


def test_a_gate_that_was_passed_is_not_asked_again(lora: Path, trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    weights = FolderWeights(trained[0] / "base", tmp_path)
    checkpoint = LoraCheckpoint(lora, tmp_path)
    asked = []
    for _ in range(2):
        checkpoint.remembered_faults({"model": "m"}, lambda: asked.append(1) or [])  # type: ignore[func-returns-value]
    assert asked == [1]
    TransformersAdapter("t", weights, LoadSettings(dtype="float32"), checkpoint).prepare()


# ---- one base, several checkpoints ----------------------------------------------------------------------------------


def says(adapter: TransformersAdapter) -> list[str]:
    prompts = [adapter.format_prompt([Message("user", text)]) for text in ("What is 7?", "Who eats worms?", "abc")]
    asked = [Request(str(n), p, len(p), Decoding(max_gen_toks=12)) for n, p in enumerate(prompts)]
    return [answer.text for answer in sorted(adapter.generate(asked), key=lambda answer: answer.key)]


def test_checkpoints_on_one_loaded_base_say_what_they_say_alone(tmp_path: Path) -> None:
    base = make_model(tmp_path / "base")
    loras = [None, *(LoraCheckpoint(make_lora(base, tmp_path / f"l{n}", seed=n), tmp_path) for n in (1, 2))]
    plain = LoadSettings(dtype="float32", device="cpu")

    def adapters(holder: BaseHolder | None) -> list[TransformersAdapter]:
        return [TransformersAdapter("t", FolderWeights(base, tmp_path), plain, lora, holder) for lora in loras]

    alone = [says(adapter) for adapter in adapters(None)]
    assert len({tuple(answers) for answers in alone}) == 3, "the three differ, or nothing is shown"
    holder = BaseHolder()
    together = adapters(holder)
    in_turn = [says(adapter) for adapter in together]
    back = [says(adapter) for adapter in reversed(together)]
    assert in_turn == alone
    assert back[::-1] == alone
    assert holder.load_count == 1


def test_a_checkpoint_that_writes_to_its_base_has_one_of_its_own(tmp_path: Path) -> None:
    """Trained biases stay on when the LoRA layers are switched off, so such a base is nobody else's."""
    holder, plain = BaseHolder(), LoadSettings(dtype="float32", device="cpu")
    base = make_model(tmp_path / "base")
    pissa = make_lora(base, tmp_path / "pissa")
    change_json(pissa / "adapter_config.json", init_lora_weights="pissa")
    writer = TransformersAdapter("t", FolderWeights(base, tmp_path), plain, LoraCheckpoint(pissa, tmp_path), holder)
    alone = TransformersAdapter("t", FolderWeights(base, tmp_path), plain)
    after = TransformersAdapter("t", FolderWeights(base, tmp_path), plain, None, holder)
    says(writer)
    assert says(after) == says(alone)
    assert holder.load_count == 2


def test_another_base_puts_the_first_one_out(tmp_path: Path) -> None:
    holder, plain = BaseHolder(), LoadSettings(dtype="float32", device="cpu")
    first, second = (
        TransformersAdapter("t", FolderWeights(make_model(tmp_path / name, name), tmp_path), plain, None, holder)
        for name in ("llama", "mistral")
    )
    before = says(first)
    says(second)
    assert holder.holds(second.weights_key)
    assert not holder.holds(first.weights_key)
    assert says(first) == before
    assert holder.load_count == 3
