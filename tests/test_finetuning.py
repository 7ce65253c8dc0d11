"""Training LoRA checkpoints: pools, prompt formats, determinism, resuming, folders, sweeps; on tiny real models."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import FolderWeights
from harness.api.session import Session
from harness.entries.catalog import Catalog
from harness.entries.checkpoints import Presentation
from harness.errors import DataError, HarnessError, UsageError
from harness.finetuning.checkpoints import BaseRecord, Recipe, write_checkpoint
from harness.finetuning.examples import Example, Examples, Passages, Showing, Templates, make_examples
from harness.finetuning.pools import check_apart, draw, hold_out
from harness.finetuning.settings import TrainingSettings, grid
from harness.finetuning.training import IGNORED, TrainingPlan, _encode, train, with_lora
from harness.planning.training import TrainingSpec, prepare_training
from harness.prompts import chat
from harness.records import Message, Passage, Query, Question
from tests.conftest import REPOSITORY, TASK, Finished, Silent, write_entries, write_pack
from tests.tiny import make_model

Harness = Callable[..., Finished]

pytestmark = pytest.mark.torch


def question(number: int, gold: str = "d1") -> Question:
    return Question(f"q{number}", f"What is the number {number}?", (f"It is {number}.",), (gold,))


POOL = [question(n) for n in range(40)]


# ---- pools ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 5), st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None, max_examples=50)
def test_smaller_subsets_lie_within_larger_ones(seed: int, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert draw(POOL, small, seed) == draw(POOL, large, seed)[:small]


def test_another_seed_draws_other_pairs_and_the_pools_order_does_not_matter() -> None:
    assert {q.id for q in draw(POOL, 10, 0)} != {q.id for q in draw(POOL, 10, 1)}
    assert draw(POOL[::-1], 10, 0) == draw(POOL, 10, 0)


def test_more_samples_than_the_pool_holds_are_refused() -> None:
    with pytest.raises(UsageError, match="--samples 41: the task's pool holds 40 pairs"):
        draw(POOL, 41, 0)


def test_a_pool_that_meets_the_evaluation_split_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="question 'q39' is in both"):
        check_apart(POOL, [question(39), question(50)])
    check_apart(POOL, [question(50)])


def test_settings_are_chosen_on_a_tenth_of_the_pairs() -> None:
    trained_on, held_out = hold_out(POOL)
    assert (trained_on, held_out) == (POOL[:36], POOL[36:])
    with pytest.raises(UsageError, match="7 pairs are too few"):
        hold_out(POOL[:7])


def test_a_grid_has_every_combination() -> None:
    found = [point.settings for point in grid(TrainingSettings(), ["lora_r=8,16", "epochs=1,3"])]
    assert [(s.lora_r, s.epochs, s.alpha) for s in found] == [(8, 1, 16), (8, 3, 16), (16, 1, 32), (16, 3, 32)]


def test_the_method_is_an_axis_of_a_grid_and_varies_slowest() -> None:
    found = grid(TrainingSettings(), ["lora_r=8,16", "method=lora,qlora"])
    assert [(point.method, point.settings.lora_r) for point in found] == [
        ("lora", 8), ("lora", 16), ("qlora", 8), ("qlora", 16),
    ]  # fmt: skip
    assert [point.method for point in grid(TrainingSettings(), ["lora_r=8"], "qlora")] == ["qlora"]


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ("rank=8", "give one of"),
        ("method=lora,dora", "'dora' is no method; it can be lora, qlora"),
        ("lora_r=8.5", "whole numbers are required"),
        ("epochs=0", "epochs is 0; it must be above 0"),
    ],
)
def test_a_grid_that_cannot_be_is_one_line(axis: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        grid(TrainingSettings(), [axis])


# ---- what the model sees --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("tiny") / "base")


def adapter(folder: Path, cache: Path, **changes: Any) -> TransformersAdapter:
    plain: dict[str, Any] = {"dtype": "float32", "device": "cpu"}
    return TransformersAdapter("tiny", FolderWeights(folder, cache), LoadSettings(**{**plain, **changes}))


TEMPLATES = Templates("{% for p in passages %}{{ p.text }}\n{% endfor %}Q: {{ question }}", "{{ references[0] }}", None)
QA = Showing(Presentation(), TEMPLATES)


def test_the_prompt_of_qa_is_that_of_the_closed_book_arm_and_the_answer_ends_the_turn(
    base: Path, tmp_path: Path
) -> None:
    model = adapter(base, tmp_path)
    (example,) = make_examples(POOL[:1], QA, model, 512).items
    assert example.prompt == model.format_prompt([Message("user", "Q: What is the number 0?")])
    assert example.completion == "It is 0.</s>"


def test_loss_is_on_the_answer_alone(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    row = _encode(model, Example("q", "<|user|>\nabc</s>\n<|assistant|>\n", "It is.</s>"))
    learnt = [label for label in row["labels"] if label != IGNORED]
    assert model.tokenizer.decode(learnt) == "It is.</s>"
    assert row["labels"][-len(learnt) :] == row["input_ids"][-len(learnt) :] == learnt
    assert len(row["labels"]) == len(row["input_ids"])


def test_an_answer_cannot_end_its_turn_early(base: Path, tmp_path: Path) -> None:
    assert adapter(base, tmp_path).completion("a</s>b") == "a< /s>b</s>"


def test_a_model_without_a_chat_template_learns_to_end_with_its_end_token(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "plain", chat_template=None)
    assert adapter(folder, tmp_path).completion("worms") == "worms</s>"


def test_a_pair_that_is_too_long_is_left_out_by_name(base: Path, tmp_path: Path) -> None:
    long = Question("long", "x" * 300, ("short",))
    examples = make_examples([*POOL[:2], long], QA, adapter(base, tmp_path), 120)
    assert ([e.id for e in examples.items], examples.left_out) == (["q0", "q1"], ["long"])


def test_one_long_answer_does_not_take_the_token_budget_of_the_others(base: Path, tmp_path: Path) -> None:
    model = adapter(base, tmp_path)
    long = Question("long", "What?", ("x" * 200,))
    examples = make_examples([*POOL[:3], long], QA, model, 160)
    assert ([e.id for e in examples.items], examples.left_out) == (["q0", "q1", "q2"], ["long"])


def test_telecoms_prompt_speaks_of_passages_only_where_some_are_shown() -> None:
    task = Catalog().task("telecom")
    shown = Passage("d1", 0, 4, "Title", "Text.", 1, 0.0)
    system, asked = chat(task.doc_to_text, task.system_instruction, "What is the fee?", [shown], {})
    assert system.content == "You answer questions of telecom support staff, briefly and from the passages alone."
    assert asked.content == (
        "Passages from the knowledge base:\n\n[1] Title\nText.\n\nAnswer in one or two short sentences. If the "
        "passages do not say it, answer: The knowledge base does not say.\n\nQuestion: What is the fee?"
    )
    system, asked = chat(task.doc_to_text, task.system_instruction, "What is the fee?", [], {})
    assert system.content == "You answer questions of telecom support staff, briefly."
    assert asked.content == "Answer in one or two short sentences.\n\nQuestion: What is the fee?"


def test_no_shipped_task_speaks_of_passages_without_any() -> None:
    catalog = Catalog()
    for name in catalog.files("tasks"):
        if name != "fine-or-fail":  # a group
            task = catalog.task(name)
            messages = chat(task.doc_to_text, task.system_instruction, "What is it?", [], {})
            assert "passage" not in " ".join(message.content for message in messages).lower(), name


def test_a_system_instruction_that_says_nothing_without_passages_is_no_message() -> None:
    system = "{% if passages %}Use them.{% endif %}"
    assert chat("Q: {{ question }}", system, "Why?", [], {}) == [Message("user", "Q: Why?")]


class Shelf:
    """Ten passages, the gold one of q0 among them; ranked as they stand."""

    identity: dict[str, Any] = {}  # noqa: RUF012
    index_digests: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, only_gold: bool) -> None:
        self.only_gold = only_gold

    def search(self, queries: Any, top_k: int) -> list[list[Passage]]:
        found = []
        for query in queries:
            names = ["d1"] if self.only_gold else [f"d{n}" for n in range(10)]
            found.append([Passage(name, 0, 4, "", f"<{name}>", n, 0.0) for n, name in enumerate(names, 1)][:top_k])
            assert isinstance(query, Query)
        return found


def prompts_of(format: Any, model: TransformersAdapter) -> list[str]:
    passages = Passages(Shelf(False), Shelf(True), top_k=4, within_document=False)
    showing = Showing(Presentation(format), TEMPLATES, passages)
    return [example.prompt for example in make_examples(POOL, showing, model, 512).items]


def test_rag_shows_what_retrieval_finds(base: Path, tmp_path: Path) -> None:
    assert all("<d0>\n<d1>\n<d2>\n<d3>\nQ:" in prompt for prompt in prompts_of("rag", adapter(base, tmp_path)))


def test_distractors_stand_beside_the_gold_and_every_fifth_pair_or_so_has_none(base: Path, tmp_path: Path) -> None:
    prompts = prompts_of("rag_distractors", adapter(base, tmp_path))
    with_gold = [prompt for prompt in prompts if "<d1>" in prompt]
    assert all(prompt.count("<d") == 4 for prompt in prompts)
    assert 25 <= len(with_gold) < 40, "a hash decides; 32 of 40 are expected"
    assert len({prompt.index("<d1>") for prompt in with_gold}) == 4, "the gold stands in any place"
    assert prompts == prompts_of("rag_distractors", adapter(base, tmp_path))


class GoldShelf(Shelf):
    """What the oracle finds: the gold documents that it is asked for."""

    def search(self, queries: Any, top_k: int) -> list[list[Passage]]:
        return [[Passage(d, 0, 4, "", f"<gold {d}>", 1, 0.0) for d in query.gold_document_ids] for query in queries]


def test_the_oracle_is_asked_for_the_gold_documents_of_each_pair(base: Path, tmp_path: Path) -> None:
    pool = [question(n, gold=f"d{n}") for n in range(40)]
    passages = Passages(Shelf(False), GoldShelf(True), top_k=4, within_document=False)
    showing = Showing(Presentation("rag_distractors"), TEMPLATES, passages)
    examples = make_examples(pool, showing, adapter(base, tmp_path), 512).items
    with_gold = [n for n, example in enumerate(examples) if "<gold" in example.prompt]
    assert all(f"<gold d{n}>" in examples[n].prompt and f"<d{n}>" not in examples[n].prompt for n in with_gold)
    assert 25 <= len(with_gold) < 40


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, []), ({"lora_alpha": 16}, []), ({"lora_alpha": 0}, ["lora_alpha"]), ({"epochs": 0}, ["epochs"])],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, Any], said: list[str]) -> None:
    problems = TrainingSettings(**changes).problems()
    assert len(problems) == len(said)
    assert all(name in problem for name, problem in zip(said, problems, strict=True))


# ---- training -------------------------------------------------------------------------------------------------------

QUICK = TrainingSettings(epochs=2, batch_size=4, learning_rate=5e-3, lora_r=4, max_length=256)


def trained_weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def run_training(base: Path, tmp_path: Path, progress: Any, seed: int = 0) -> Any:
    model = adapter(base, tmp_path)
    examples = make_examples(POOL[:24], QA, model, 256).items
    return train(model, TrainingPlan(examples, [], QUICK, seed, False, tmp_path / "work"), progress)


def test_training_learns_and_twice_gives_the_same_weights(base: Path, tmp_path: Path, progress: Silent) -> None:
    first = run_training(base, tmp_path / "a", progress)
    second = run_training(base, tmp_path / "b", progress)
    one, other = trained_weights(first.model), trained_weights(second.model)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert first.steps == 12
    assert first.loss < 0.8 * first.history[0]["loss"]
    third = trained_weights(run_training(base, tmp_path / "c", progress, seed=1).model)
    assert any(not torch.equal(one[name], third[name]) for name in one)


def test_the_learning_rate_rises_in_the_warm_up_and_falls_from_then_on(
    base: Path, tmp_path: Path, progress: Silent
) -> None:
    """A quarter of 12 steps: they are at 0, 1/3 and 2/3 of the rate, the fourth is at all of it."""
    model = adapter(base, tmp_path)
    examples = make_examples(POOL[:24], QA, model, 256).items
    plan = TrainingPlan(examples, [], replace(QUICK, warmup=0.25), 0, False, tmp_path / "work")
    trained = train(model, plan, progress)
    rates = [line["learning_rate"] for line in trained.history]
    assert rates[:4] == pytest.approx([QUICK.learning_rate * n / 3 for n in range(4)])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert len(set(rates)) == len(rates) == 12


class Stopped(Silent):
    """Someone presses Ctrl-C after a few steps."""

    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None:
        self.stages.append(("step", 0, 0))
        if len(self.stages) > 7:
            raise KeyboardInterrupt


def test_a_stopped_training_goes_on_to_the_weights_of_an_undisturbed_one(
    base: Path, tmp_path: Path, progress: Silent
) -> None:
    undisturbed = trained_weights(run_training(base, tmp_path / "a", progress).model)
    with pytest.raises(KeyboardInterrupt):
        run_training(base, tmp_path / "b", Stopped())
    newest = max((tmp_path / "b" / "work").glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    (newest / "trainer_state.json").write_text('{"cut')  # killed while it was written: the one before counts
    resumed = Silent()
    again = run_training(base, tmp_path / "b", resumed)
    assert resumed.stages[0][2] > 0, "it does not begin anew"
    assert all(torch.equal(undisturbed[name], p) for name, p in trained_weights(again.model).items())
    assert len(again.history) == 12, "the loss curve is whole"


def test_gradients_on_nf4_weights_are_those_on_the_same_weights_in_full(base: Path, tmp_path: Path) -> None:
    """QLoRA on a CPU: bitsandbytes' 4-bit product and its backward pass against torch's on the dequantised weights."""
    bitsandbytes = pytest.importorskip("bitsandbytes")

    quantized = adapter(base, tmp_path, quantization="4bit").load_base()
    full = adapter(base, tmp_path).load_base()
    for name, module in quantized.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weight = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            full.get_submodule(name).weight.data = weight.float().reshape(full.get_submodule(name).weight.shape)
    gradients = []
    for model, is_quantized in ((quantized, True), (full, False)):
        torch.manual_seed(0)
        lora = with_lora(model, TrainingSettings(lora_r=4, lora_dropout=0.0), is_quantized)
        torch.manual_seed(1)
        for name, parameter in lora.named_parameters():
            if "lora_B" in name:  # zero at first, and then A has no gradient
                parameter.data = 0.01 * torch.randn(parameter.shape)
        ids = torch.arange(3, 43).reshape(2, 20)
        lora(input_ids=ids, labels=ids).loss.backward()
        gradients.append({n: p.grad.float() for n, p in lora.named_parameters() if p.grad is not None})
    on_nf4, on_full = gradients
    assert on_nf4.keys() == on_full.keys()
    assert len(on_nf4) == 28, "A and B of 14 linear layers"
    for name, gradient in on_nf4.items():
        off = (gradient - on_full[name]).norm() / on_full[name].norm()
        assert off < 1e-3, f"{name} is off by {off:.1e}"


# ---- the command ----------------------------------------------------------------------------------------------------

ENTRY = """
model: tiny
description: d
pretrained: {base}
dtype: float32
licence: none
metadata: {{version: 1}}
"""
ANIMALS = ("otter", "beaver", "mole", "heron", "badger", "lynx")


@pytest.fixture
def farm(tmp_path: Path, base: Path) -> list[str]:
    """Flags of a task with a pool of 16 pairs and a tiny base with two LoRA entries."""
    rows = [
        {
            "id": f"q{n}",
            "question": f"What does {ANIMALS[n % 6]} {n} eat?",
            "answers": [f"food {n}"],
            "gold_doc_ids": ["d1"],
        }
        for n in range(24)
    ]
    task = TASK.replace("finetune: {pool: 0, sizes: []}", "finetune: {pool: 16, sizes: [4, 8]}")
    lora = "model: tiny-lora-{n}\ndescription: d\nbase: tiny\npeft: checkpoints/{{task}}/tiny-lora-{n}\nlicence: none\n"
    lora += "metadata: {{version: 1}}\n"
    judge = "judge: marks\ndescription: d\nkind: scripted\nscript: ['1', '3', '5']\nmetadata: {version: 1}\n"
    folder = write_entries(
        tmp_path / "mine", tasks__animals=task, models__tiny=ENTRY.format(base=base), judges__marks=judge,
        **{f"models__tiny-lora-{n}": lora.format(n=n) for n in (4, 8)},
    )  # fmt: skip
    pack = write_pack(tmp_path / "farm", questions=rows)
    return ["--task", "animals", "--data", str(pack), "--include_path", str(folder)]


KNOBS = ["--batch_size", "4", "--lora_r", "4", "--learning_rate", "5e-3", "--epochs", "1"]


def test_two_commands_give_evaluated_checkpoints_base_first(harness: Harness, farm: list[str], tmp_path: Path) -> None:
    done = harness("finetune", *farm, "--model", "tiny", "--samples", "4,8", *KNOBS)
    assert done.code == 0, done.err
    assert "evaluate: harness eval --task animals" in done.out
    assert "--model tiny,tiny-lora-4,tiny-lora-8" in done.out
    done = harness("eval", *farm, "--model", "tiny,tiny-lora-4,tiny-lora-8")
    assert done.code == 0, done.err
    assert [done.out.index(f"\n{name}: hf") for name in ("tiny", "tiny-lora-4", "tiny-lora-8")] == sorted(
        done.out.index(f"\n{name}: hf") for name in ("tiny", "tiny-lora-4", "tiny-lora-8")
    )
    results = {
        path.parent.parent.name: json.loads(path.read_text()) for path in Path("results").rglob("results_*.json")
    }
    assert "leakage" not in results["tiny"]["harness"]
    assert set(results["tiny-lora-8"]["harness"]["leakage"]) == {"items", "leaked"}
    assert results["tiny-lora-8"]["results"]["animals"]["same_document,none"] == 1.0, "all are about the one document"
    again = harness("eval", *farm, "--model", "tiny-lora-8,tiny")
    assert "from the store" in again.err


def test_a_checkpoint_is_a_plain_peft_folder_with_its_papers(harness: Harness, farm: list[str], base: Path) -> None:
    import peft
    import transformers

    assert harness("finetune", *farm, "--model", "tiny", "--samples", "4", *KNOBS).code == 0
    folder = Path("checkpoints/animals/tiny-lora-4")
    kinds = {path.suffix for path in folder.iterdir()}
    assert kinds <= {".json", ".safetensors", ".md", ".png", ".jinja"}, "nothing that runs code when it is loaded"
    model = peft.PeftModel.from_pretrained(transformers.AutoModelForCausalLM.from_pretrained(base), str(folder))
    lora_b = [p for name, p in model.named_parameters() if "lora_B" in name]
    assert lora_b
    assert all(bool(p.any()) for p in lora_b), "trained, loaded by PEFT alone"
    manifest = json.loads((folder / "training.json").read_text())
    assert len(manifest["pairs"]["ids"]) == 4
    assert manifest["settings"]["lora_r"] == 4
    assert (manifest["steps"], manifest["method"], manifest["prompt_format"], manifest["seed"]) == (1, "lora", "qa", 0)
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: peft\n")
    assert manifest["weights"] in card
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "trainer_state.json").read_text())["global_step"] == 1
    assert not list(folder.parent.glob(".tiny*")), "the work directory is cleared away"


def test_the_same_command_again_trains_nothing_and_another_setting_is_refused(
    harness: Harness, farm: list[str]
) -> None:
    command = ["finetune", *farm, "--model", "tiny", "--samples", "4", *KNOBS]
    assert harness(*command).code == 0
    weights = Path("checkpoints/animals/tiny-lora-4/adapter_model.safetensors")
    before = weights.read_bytes()
    again = harness(*command)
    assert again.code == 0
    assert "trained already with these settings and pairs" in again.err
    other = harness(*command, "--lora_alpha", "64")
    assert other.code == 2
    assert "holds a checkpoint of other settings or pairs (lora_alpha 8 there, 64 here)" in other.err
    assert weights.read_bytes() == before
    # alpha alone would not do: from B = 0 one step of Adam is the same for each
    assert harness(*command, "--lora_alpha", "64", "--learning_rate", "0.05", "--overwrite").code == 0
    assert weights.read_bytes() != before
    manifest = json.loads((weights.parent / "training.json").read_text())
    assert manifest["settings"]["lora_alpha"] == 64
    assert json.loads((weights.parent / "adapter_config.json").read_text())["lora_alpha"] == 64


def test_another_training_seed_is_another_checkpoint_beside_the_first(harness: Harness, farm: list[str]) -> None:
    command = ["finetune", *farm, "--model", "tiny", "--samples", "4", *KNOBS]
    assert harness(*command).code == 0
    assert harness(*command, "--seed", "1").code == 0
    folders = [Path("checkpoints/animals") / name for name in ("tiny-lora-4", "tiny-lora-4@1")]
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in folders]
    assert weights[0] != weights[1], "another seed draws another A"
    assert [json.loads((folder / "training.json").read_text())["seed"] for folder in folders] == [0, 1]


def test_a_folder_of_somebody_elses_is_never_written_over(harness: Harness, farm: list[str]) -> None:
    theirs = Path("checkpoints/animals/tiny-lora-4")
    theirs.mkdir(parents=True)
    (theirs / "thesis.txt").write_text("years of work")
    done = harness("finetune", *farm, "--model", "tiny", "--samples", "4", *KNOBS)
    assert (done.code, (theirs / "thesis.txt").read_text()) == (2, "years of work")
    assert "was not written by harness finetune" in done.err


class Full:
    """No file may grow over 20 KB: what the system says then is what it says of a full disk, for another reason."""

    def __enter__(self) -> None:
        self.soft, self.hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, self.hard))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.soft, self.hard))


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(base: Path, tmp_path: Path, progress: Silent) -> None:
    trained = run_training(base, tmp_path, progress)
    recipe = Recipe(
        task="t", method="lora", presentation=Presentation(), settings=QUICK, seed=0,
        base=BaseRecord("m", "m", None, None, {}, "float32", "none", "none"),
        source={}, tokenizer={}, prompt_start_ids=[], examples=Examples([Example("q", "p", "c")], []), questions=["0"],
    )  # fmt: skip
    folder = tmp_path / "lora"
    write_checkpoint(folder, recipe, trained, adapter(base, tmp_path).tokenizer, [], {})
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with Full(), pytest.raises(HarnessError, match=r"cannot be written .*what was there before is kept"):
        write_checkpoint(folder, recipe, trained, adapter(base, tmp_path).tokenizer, [], {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_full_disk_keeps_the_old_checkpoint(harness: Harness, farm: list[str]) -> None:
    command = ["finetune", *farm, "--model", "tiny", "--samples", "4", *KNOBS]
    assert harness(*command).code == 0
    weights = Path("checkpoints/animals/tiny-lora-4/adapter_model.safetensors")
    before = weights.read_bytes()
    with Full():
        done = harness(*command, "--overwrite", "--lora_r", "8")
    assert done.code == 2
    assert "cannot be written" in done.err
    assert weights.read_bytes() == before
    assert harness(*command).code == 0, "and it is still whole"


def test_a_sweep_is_chosen_on_held_out_pairs_and_then_trained_on_all(harness: Harness, farm: list[str]) -> None:
    command = ["finetune", *farm, "--model", "tiny", "--samples", "16", *KNOBS]
    done = harness(*command, "--sweep", "learning_rate=1e-6,2e-2", "epochs=2")
    assert done.code == 0, done.err
    assert "4 pairs held out" in done.err
    assert re.findall(r"sweep (\d of \d): learning_rate (\S+),", done.err) == [("1 of 2", "1e-06"), ("2 of 2", "0.02")]
    manifest = json.loads(Path("checkpoints/animals/tiny-lora-16/training.json").read_text())
    losses = {row["learning_rate"]: row["validation_loss"] for row in manifest["sweep"]}
    assert manifest["settings"]["learning_rate"] == min(losses, key=lambda rate: losses[rate]) == 2e-2
    assert len(manifest["pairs"]["ids"]) == 16
    again = harness(*command, "--sweep", "learning_rate=1e-6,2e-2", "epochs=2")
    assert "trained already" in again.err
    assert "train:" not in again.err


def test_a_base_without_a_chat_template_is_trained_only_when_that_is_meant(
    harness: Harness, farm: list[str], tmp_path: Path
) -> None:
    plain = make_model(tmp_path / "plain", chat_template=None)
    entry = (
        f"model: tiny\ndescription: d\npretrained: {plain}\ndtype: float32\nlicence: none\nmetadata: {{version: 1}}\n"
    )
    write_entries(tmp_path / "mine", models__tiny=entry)
    command = ["finetune", *farm, "--model", "tiny", "--samples", "4", *KNOBS]
    done = harness(*command)
    assert done.code == 2
    assert "has no chat template; give the entry a `chat_template`, or pass --plain" in done.err
    assert harness(*command, "--plain").code == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--samples", "17"], "--samples 17: the task's pool holds 16 pairs"),
        (["--samples", "few"], "--samples few: give whole numbers from 1"),
        (["--samples", "²"], "--samples ²: give whole numbers from 1"),
        (["--samples", "4", "--learning_rate", "nan"], "--learning_rate is nan; it must be above 0"),
        (["--samples", "4", "--target_modules", "q_prj"], "--target_modules q_prj: the base has no such module; near"),
        (["--samples", "8", "--sweep", "lora_r=4", "lora_r=8"], "lora_r is given twice"),
        (["--samples", "4", "--model", "tiny-lora-4"], "is a LoRA checkpoint on tiny; name its base"),
        (["--samples", "4", "--epochs", "0"], "--epochs is 0; it must be above 0"),
        (["--samples", "4", "--sweep", "lora_r=4,8"], "4 pairs are too few to hold 4 of them out"),
        (["--samples", "4", "--max_length", "9"], "not one pair fits"),
        (["--samples", "4", "--target", "quote"], "--target quote: the format qa shows no passages to quote or cite"),
        (["--samples", "4", "--domain", "animas"], "no task named 'animas'; near it: animals"),
    ],
)
def test_what_cannot_be_trained_is_one_line(harness: Harness, farm: list[str], flags: list[str], said: str) -> None:
    done = harness("finetune", *farm, "--model", "tiny", *KNOBS, *flags)
    assert done.code == 2
    assert said in done.err
    assert [line for line in done.err.splitlines() if "Traceback" in line] == []
    assert sum(line.startswith("harness: ") for line in done.err.splitlines()) == 1
    assert not list(Path().glob("checkpoints/*/tiny*"))


def test_a_missing_checkpoint_names_the_command_that_trains_it(harness: Harness, farm: list[str]) -> None:
    done = harness("eval", *farm, "--model", "tiny-lora-8")
    assert done.code == 2
    assert "train it: harness finetune --task animals --model tiny --samples 8" in done.err


def test_a_checkpoint_without_an_entry_is_evaluated_on_its_base(harness: Harness, farm: list[str]) -> None:
    done = harness("finetune", *farm, "--model", "tiny", "--samples", "8", "--format", "rag", *KNOBS)
    assert done.code == 0, done.err
    arguments = "base=tiny,peft=checkpoints/animals/tiny-lora-8-rag"
    assert f"--model hf --model_args {arguments}" in done.out
    done = harness("eval", *farm, "--model", "hf", "--model_args", arguments)
    assert done.code == 0, done.err
    assert "tiny-lora-8-rag: hf (" in done.out


def test_questions_that_a_checkpoint_was_trained_on_are_leaked_wherever_they_lie(
    harness: Harness, farm: list[str], tmp_path: Path
) -> None:
    """Trained with a pool of 16, evaluated with one of 8: eight of the sixteen evaluated questions were trained on."""
    assert harness("finetune", *farm, "--model", "tiny", "--samples", "16", *KNOBS).code == 0
    smaller = TASK.replace("finetune: {pool: 0, sizes: []}", "finetune: {pool: 8, sizes: [4]}")
    write_entries(tmp_path / "mine", tasks__animals=smaller)
    arguments = "base=tiny,peft=checkpoints/animals/tiny-lora-16"
    done = harness("eval", *farm, "--model", "hf", "--model_args", arguments)
    assert done.code == 0, done.err
    assert "was trained on 8 of the 16 questions" in done.err
    (file,) = Path("results").rglob("results_*.json")
    measured = json.loads(file.read_text())
    exact = [kinds for kinds in measured["harness"]["leakage"]["leaked"].values() if "exact" in kinds]
    assert len(exact) == 8
    leaked = round(16 * measured["results"]["animals"]["leaked,none"])
    assert measured["results"]["animals"].get("accuracy_clean_n,none", [0, 0])[1] == 16 - leaked


def test_qlora_trains_on_four_bits_and_says_so(harness: Harness, farm: list[str]) -> None:
    done = harness("finetune", *farm, "--model", "tiny", "--samples", "4", "--method", "qlora", *KNOBS)
    assert done.code == 0, done.err
    manifest = json.loads(Path("checkpoints/animals/tiny-qlora-4/training.json").read_text())
    assert (manifest["method"], manifest["base"]["quantization"]) == ("qlora", "4bit")


def test_a_sweep_over_methods_trains_each_trial_by_its_method_and_names_the_chosen_one(
    harness: Harness, farm: list[str]
) -> None:
    command = ["finetune", *farm, "--model", "tiny", "--samples", "16", *KNOBS]
    sweep = ["--sweep", "method=lora,qlora", "learning_rate=1e-6,2e-2"]
    done = harness(*command, *sweep)
    assert done.code == 0, done.err
    assert re.findall(r"(tiny-\w+-16): sweep (\d) of 4: method (\w+), learning_rate (\S+),", done.err) == [
        ("tiny-lora-16", "1", "lora", "1e-06"), ("tiny-lora-16", "2", "lora", "0.02"),
        ("tiny-qlora-16", "3", "qlora", "1e-06"), ("tiny-qlora-16", "4", "qlora", "0.02"),
    ]  # fmt: skip
    (folder,) = Path("checkpoints/animals").glob("*")
    manifest = json.loads((folder / "training.json").read_text())
    losses = {(row["method"], row["learning_rate"]): row["validation_loss"] for row in manifest["sweep"]}
    assert len(set(losses.values())) == 4, "four trainings, none of them another's"
    best = min(losses, key=lambda point: losses[point])
    assert (manifest["method"], manifest["settings"]["learning_rate"]) == best
    assert folder.name == f"tiny-{best[0]}-16"
    assert manifest["base"]["quantization"] == {"lora": "none", "qlora": "4bit"}[best[0]]
    assert "|method|learning_rate|" in done.out
    assert not list(Path("checkpoints/animals").glob(".*")), "what the other method tried is cleared away"
    again = harness(*command, *sweep)
    assert "trained already" in again.err
    assert "sweep 1" not in again.err


def manifest_of(name: str) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(Path("checkpoints/animals", name, "training.json").read_text())
    return held


def test_a_placebo_stands_beside_the_checkpoint_and_its_pairs_are_those_that_were_trained_on(
    harness: Harness, farm: list[str], tmp_path: Path
) -> None:
    command = ["finetune", *farm, "--model", "tiny", "--samples", "16", *KNOBS]
    assert harness(*command).code == 0
    done = harness(*command, "--shuffle_answers")
    assert done.code == 0, done.err
    assert "placebo: answers exchanged between pairs" in done.err
    real, placebo = manifest_of("tiny-lora-16"), manifest_of("tiny-lora-16-shuffled")
    assert (real["shuffle_answers"], placebo["shuffle_answers"]) == (False, True)
    assert real["pairs"]["ids"] == placebo["pairs"]["ids"]
    assert real["pairs"]["questions"] == placebo["pairs"]["questions"]
    assert real["identity"] != placebo["identity"]
    assert "trained already" in harness(*command, "--shuffle_answers").err
    smaller = TASK.replace("finetune: {pool: 0, sizes: []}", "finetune: {pool: 8, sizes: [4]}")
    write_entries(tmp_path / "mine", tasks__animals=smaller)  # eight of its questions are now evaluated on
    done = harness("eval", *farm, "--model", "tiny-lora-16-shuffled")
    assert done.code == 0, done.err
    assert "was trained on 8 of the 16 questions" in done.err


def test_a_placebo_of_another_domain_has_its_pairs_and_passages_in_this_tasks_prompt(
    harness: Harness, farm: list[str], tmp_path: Path
) -> None:
    rows = [
        {"id": f"q{n}", "question": f"Where is mine {n}?", "answers": [f"In valley {n}."], "gold_doc_ids": ["m1"]}
        for n in range(24)
    ]
    corpus = [{"doc_id": "m1", "title": "Mines", "text": "Mine 1 is in valley 1."}]
    mines = write_pack(tmp_path / "mines", questions=rows, documents=corpus)
    other = TASK.replace("task: animals", "task: mines").replace(
        "finetune: {pool: 0, sizes: []}", "finetune: {pool: 16, sizes: [4]}"
    )
    write_entries(tmp_path / "mine", tasks__mines=other.replace("Question:", "Ask:"))
    session = Session.open([farm[-1]], progress=False)
    spec = TrainingSpec(
        task=session.catalog.task("animals"), model=session.catalog.model("tiny"), sizes=[1], data=str(mines),
        presentation=Presentation("rag", domain="mines"), domain=session.catalog.task("mines"),
    )  # fmt: skip
    materials, ((pair,),) = prepare_training(spec, session.resources)
    (example,) = make_examples([pair], materials.showing, materials.model, 512).items
    assert f"Mine 1 is in valley 1.\nQuestion: {pair.text}</s>" in example.prompt
    assert example.completion == f"{pair.references[0]}</s>"
    flags = [str(mines) if flag == farm[3] else flag for flag in farm]
    command = ["finetune", *flags, "--model", "tiny", "--samples", "4", "--format", "rag", *KNOBS]
    done = harness(*command, "--domain", "mines")
    assert done.code == 0, done.err
    assert "placebo: pairs of mines" in done.err
    manifest = manifest_of("tiny-lora-4-rag-from_mines")
    assert (manifest["task"], manifest["domain"]) == ("animals", "mines")
    done = harness("eval", *farm, "--model", "tiny-lora-4-rag-from_mines")
    assert done.code == 0, done.err
    assert "4 of the pairs that it was trained on are not in this task's data" in done.err, "though the ids are"
    (run,) = Path("results").rglob("manifest.json")
    assert json.loads(run.read_text())["training"]["domain"] == "mines"


def test_a_missing_placebo_names_the_command_that_trains_it(harness: Harness, farm: list[str]) -> None:
    done = harness("eval", *farm, "--model", "tiny-lora-8-rag-cited-shuffled")
    assert done.code == 2
    assert "--model tiny --samples 8 --format rag --target cited --shuffle_answers" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_accelerate_launch_takes_the_command(farm: list[str], tmp_path: Path, processes: str) -> None:
    programs = Path(sys.executable).parent
    one = ["--cpu", "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    # on a CPU accelerate starts several processes by MPI alone; torchrun is what it calls for GPUs
    launch = {
        "1": [str(programs / "accelerate"), "launch", *one],
        "2": [str(programs / "torchrun"), "--nproc_per_node", "2", "--master_port", "29571"],
    }
    command = [*launch[processes], "-m", "harness", "finetune", *farm, "--model", "tiny", "--samples", "4", *KNOBS]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    manifest = json.loads((tmp_path / "checkpoints/animals/tiny-lora-4/training.json").read_text())
    assert (manifest["processes"], manifest["steps"]) == (int(processes), 1)


def test_a_loss_that_is_not_a_number_is_one_line(base: Path, tmp_path: Path, progress: Silent) -> None:
    model = adapter(base, tmp_path)
    examples = make_examples(POOL[:8], QA, model, 256).items
    wild = TrainingSettings(epochs=6, batch_size=4, learning_rate=1e30, lora_r=4)
    with pytest.raises(HarnessError, match="the training's loss became nan; lower --learning_rate"):
        train(model, TrainingPlan(examples, [], wild, 0, False, tmp_path / "w"), progress)
