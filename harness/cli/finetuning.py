"""`harness finetune`: from a task's pool and a base model to LoRA checkpoints that `harness eval` finds by name."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.common import (
    Subparsers,
    add_device,
    add_include_path,
    add_output_path,
    catalog_of,
    names_of,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.files import JsonObject
    from harness.finetuning.job import Checkpoint

__all__ = ["add"]

_DESCRIPTION = """Trains a LoRA checkpoint for each number of samples, on nested subsets of the task's fine-tuning pool,
which is never evaluated on. The loss is on the answers alone. Finished checkpoints are kept; interrupted training
resumes. On several GPUs: accelerate launch -m harness finetune …"""

_NUMBERS: dict[str, tuple[type, str]] = {
    "epochs": (float, "passes over the pairs"),
    "batch_size": (int, "pairs per forward pass and process"),
    "gradient_accumulation": (int, "batches per optimiser step; the effective batch is this times --batch_size"),
    "learning_rate": (float, "peak learning rate"),
    "lora_r": (int, "LoRA rank"),
    "lora_alpha": (int, "LoRA alpha (default: twice the rank)"),
    "lora_dropout": (float, "dropout on the input of A"),
    "max_length": (int, "tokens in prompt and answer; passages are dropped until they fit"),
}
_DEFAULT_OUTPUT = "checkpoints"


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser("finetune", help="train LoRA checkpoints on a task's pool", description=_DESCRIPTION)
    _add_what(parser.add_argument_group("what"))
    _add_presentation(parser.add_argument_group("what the model sees"))
    _add_knobs(parser.add_argument_group("knobs"))
    how = parser.add_argument_group("how")
    add_device(how)
    add_output_path(how, "checkpoints are written to DIR/TASK/MODEL-METHOD-N…", _DEFAULT_OUTPUT)
    how.add_argument("--overwrite", action="store_true", help="replace checkpoints trained with other settings")
    how.add_argument(
        "--plain", action="store_true", help="train a base without a chat template on plain prompts (add-a-model.md)"
    )
    add_include_path(how)
    parser.set_defaults(run=run)


def _add_what(group: argparse._ArgumentGroup) -> None:
    from harness.entries.checkpoints import METHODS

    group.add_argument("--task", "-t", required=True, metavar="NAME", help="a task entry")
    group.add_argument("--model", "-M", required=True, metavar="NAME", help="the base: a model entry")
    group.add_argument(
        "--samples", nargs="+", metavar="N", help="numbers of pairs, e.g. 200,500,1000 (default: the task's sizes)"
    )
    group.add_argument(
        "--method",
        choices=METHODS,
        default="lora",
        help="lora, or qlora: on the base in 4 bits (NF4) (default: lora)",
    )
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="read the pairs, those of --domain where that is given, from this pack"
    )
    group.add_argument(
        "--seed", type=int, default=0, help="seed for the choice of pairs and everything else random (default: 0)"
    )


def _add_presentation(group: argparse._ArgumentGroup) -> None:
    from harness.entries.checkpoints import FORMATS, TARGETS

    group.add_argument(
        "--format",
        choices=FORMATS,
        default="qa",
        help="prompt format: qa (the question alone; default), rag (with retrieved passages), one_chunk (one of the "
        "three best passages: three examples a pair), rag_distractors (gold passages among distractors; every fifth "
        "pair without gold), counterfactual (rag, with another value in passage and answer where that can be done); "
        "the study does not state its training format",
    )
    group.add_argument(
        "--target",
        choices=TARGETS,
        default="reference",
        help="what is learnt: the reference (default), quote (the gold evidence in quotation marks before it), cited "
        "(the ranks of the passages that hold the evidence behind it)",
    )
    group.add_argument(
        "--shuffle_answers",
        action="store_true",
        help="a placebo: each pair gets another's answer, so only form is learnt",
    )
    group.add_argument(
        "--domain", metavar="NAME", help="a placebo: the pairs and passages of this task, in --task's prompt"
    )


def _add_knobs(group: argparse._ArgumentGroup) -> None:
    from harness.finetuning.settings import TrainingSettings

    defaults = asdict(TrainingSettings())
    for name, (kind, text) in _NUMBERS.items():
        default = "" if defaults[name] is None else f" (default: {defaults[name]:g})"
        group.add_argument(f"--{name}", type=kind, metavar="N", help=text + default)
    group.add_argument(
        "--target_modules",
        metavar="A,B",
        help="modules that get LoRA layers (default: all-linear, every linear layer but the head)",
    )
    group.add_argument("--gradient_checkpointing", action="store_true", help="use less memory and more time")
    group.add_argument(
        "--sweep",
        nargs="+",
        default=[],
        metavar="K=A,B",
        help="grid search, e.g. method=lora,qlora lora_r=8,16: the best by loss on a held-out tenth of the pairs is "
        "trained on all of them; a method here is in place of --method",
    )


def _sizes(values: list[str] | None) -> list[int] | None:
    if values is None:
        return None
    sizes = names_of(values)
    if wrong := [size for size in sizes if not size.isascii() or not size.isdigit() or int(size) < 1]:
        raise UsageError(f"--samples {wrong[0]}: give whole numbers from 1, e.g. 200,500,1000")
    return [int(size) for size in sizes]


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api import finetune
    from harness.entries.checkpoints import Presentation
    from harness.finetuning.training import is_main_process

    def report(checkpoint: Checkpoint, trials: Sequence[JsonObject]) -> None:
        if trials:
            print(_sweep_table(checkpoint, trials, [axis.partition("=")[0] for axis in options.sweep]))
        if not checkpoint.reused:
            print(_summary(checkpoint), flush=True)

    names = [*_NUMBERS, "target_modules"]
    settings: dict[str, object] = {name: value for name in names if (value := getattr(options, name)) is not None}
    checkpoints = finetune(
        task=options.task,
        model=options.model,
        samples=_sizes(options.samples),
        method=options.method,
        format=Presentation(options.format, options.target, options.shuffle_answers, options.domain),
        settings={**settings, "gradient_checkpointing": options.gradient_checkpointing},
        sweep=options.sweep,
        seed=options.seed,
        data=options.data,
        device=options.device,
        output=options.output_path,
        overwrite=options.overwrite,
        plain=options.plain,
        include_path=options.include_path,
        report=report if is_main_process() else None,
        command=options.command_line,
    )
    if is_main_process():
        _print_how_to_evaluate(options, checkpoints)
    return 0


def _sweep_table(checkpoint: Checkpoint, trials: Sequence[JsonObject], names: list[str]) -> str:
    from harness.finetuning.sweep import as_text
    from harness.tables import markdown_table

    chosen = {"method": checkpoint.manifest["method"], **checkpoint.manifest["settings"]}
    rows = [
        [
            *(as_text(row[name]) for name in names),
            *("diverged" if row[key] is None else f"{row[key]:.3f}" for key in ("loss", "validation_loss")),
            "chosen" if all(row[name] == chosen[name] for name in names) else "",
        ]
        for row in trials
    ]
    table = markdown_table([*names, "loss", "validation loss", ""], rows, [True] * (len(names) + 2) + [False])
    return f"\n{checkpoint.name}: loss on held-out pairs of the pool\n{table}"


def _summary(checkpoint: Checkpoint) -> str:
    manifest = checkpoint.manifest
    return (
        f"{checkpoint.folder}: {manifest['steps']} steps, {manifest['tokens']:,} tokens in {manifest['seconds']:.0f} s,"
        f" loss {manifest['loss']['first']:.3f} → {manifest['loss']['last']:.3f}, weights {manifest['weights'][:12]}"
    )


def _print_how_to_evaluate(options: argparse.Namespace, checkpoints: list[Checkpoint]) -> None:
    """By name where an entry has the checkpoint's name and looks for it there, else by its folder."""
    data = f" --data {options.data}" if options.data and options.domain is None else ""
    entries = catalog_of(options).files("models") if options.output_path == Path(_DEFAULT_OUTPUT) else {}
    named = [checkpoint.name for checkpoint in checkpoints if checkpoint.name in entries]
    if named:
        print(f"\nevaluate: harness eval --task {options.task}{data} --model {','.join([options.model, *named])}")
    for checkpoint in checkpoints:
        if checkpoint.name not in named:
            quantized = ",load_in_4bit=True" if checkpoint.manifest["method"] == "qlora" else ""
            arguments = f"base={options.model},peft={checkpoint.folder}{quantized}"
            print(f"\nevaluate: harness eval --task {options.task}{data} --model hf --model_args {arguments}")
