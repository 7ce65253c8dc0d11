"""`harness finetune`: from a task's pool and a base model to LoRA checkpoints that `harness eval` finds by name."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.common import add_include_path, catalog_of, check_output, names_of
from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.finetuning.checkpoints import Recipe
    from harness.finetuning.settings import TrainingSettings
    from harness.interfaces import Progress
    from harness.records import Question
    from harness.schema import ModelEntry, TaskEntry

__all__ = ["add"]

_DESCRIPTION = """Trains a LoRA checkpoint for each number of samples: nested subsets of the task's fine-tuning pool,
which is never evaluated on; loss on the answers alone. What is trained already is left as it is; a stopped training
goes on where it was. On several GPUs: accelerate launch -m harness finetune …"""

_NUMBERS: dict[str, tuple[type, str]] = {
    "epochs": (float, "passes over the pairs"),
    "batch_size": (int, "pairs a forward pass and process"),
    "gradient_accumulation": (int, "batches an optimiser step; times --batch_size it is the effective batch"),
    "learning_rate": (float, "its peak"),
    "lora_r": (int, "rank"),
    "lora_alpha": (int, "twice the rank where it is not said"),
    "lora_dropout": (float, "share of inputs dropped before A"),
    "max_length": (int, "tokens of prompt and answer; passages are dropped until they fit"),
}


def add(commands: Any) -> None:
    from harness.finetuning.settings import FORMATS, TrainingSettings

    defaults = asdict(TrainingSettings())
    parser = commands.add_parser("finetune", help="train LoRA checkpoints on a task's pool", description=_DESCRIPTION)
    what = parser.add_argument_group("what")
    what.add_argument("--task", "-t", required=True, metavar="NAME", help="a task entry")
    what.add_argument("--model", "-M", required=True, metavar="NAME", help="the base: a model entry")
    what.add_argument(
        "--samples", nargs="+", metavar="N", help="numbers of pairs, as 200,500,1000; the task's sizes if not said"
    )
    what.add_argument("--method", choices=("lora", "qlora"), default="lora", help="qlora: on the base in 4 bits (NF4)")
    what.add_argument(
        "--format",
        choices=FORMATS,
        default="qa",
        help="what the model sees of a pair: qa (default; the question alone, as in the study), rag (with retrieved "
        "passages), rag_distractors (gold among distractors, every fifth without gold)",
    )
    what.add_argument("--data", type=Path, metavar="DIR", help="read the task from this data pack")
    what.add_argument("--seed", type=int, default=0, help="draws the pairs and everything random (default 0)")
    knobs = parser.add_argument_group("knobs")
    for name, (kind, text) in _NUMBERS.items():
        default = "" if defaults[name] is None else f" (default {defaults[name]:g})"
        knobs.add_argument(f"--{name}", type=kind, metavar="N", help=text + default)
    knobs.add_argument(
        "--target_modules", metavar="A,B", help="modules that get LoRA layers (default all-linear: all but the head)"
    )
    knobs.add_argument("--gradient_checkpointing", action="store_true", help="less memory, more time")
    knobs.add_argument(
        "--sweep",
        nargs="+",
        default=[],
        metavar="K=A,B",
        help="try a grid, as lora_r=8,16 epochs=1,3; chosen by the loss on a tenth of the pairs that is held out, "
        "then trained on all of them",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--device", metavar="DEV", help="cpu, cuda, cuda:1; a GPU if there is one where it is not said")
    how.add_argument(
        "--output_path",
        "-o",
        type=Path,
        default=Path("checkpoints"),
        metavar="DIR",
        help="checkpoints go to DIR/TASK/MODEL-METHOD-N (default checkpoints)",
    )
    how.add_argument("--overwrite", action="store_true", help="replace checkpoints of other settings")
    how.add_argument(
        "--plain", action="store_true", help="train a base without a chat template, in the plain form of docs"
    )
    add_include_path(how)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from harness.build import whole_source
    from harness.cache import cache_folder
    from harness.cli.console import make_progress, no_progress
    from harness.extras import require
    from harness.finetuning import checkpoints, pools
    from harness.finetuning.settings import grid
    from harness.finetuning.training import is_main_process

    check_output(options.output_path)
    catalog, cache = catalog_of(options), cache_folder()
    progress = make_progress() if is_main_process() else no_progress()
    task, entry = catalog.task(options.task), _base(catalog.model(options.model), options)
    settings = _settings(options)
    tried = grid(settings, options.sweep)
    source = whole_source(task, options.data, cache, progress)
    evaluation, pool = source.questions(task.test_split), source.questions(task.training_split)
    pools.check_apart(pool, evaluation)
    subsets = [pools.draw(pool, size, options.seed) for size in _sizes(options, task)]
    for subset in subsets if options.sweep else []:
        pools.hold_out(subset)  # too few pairs are told before the first training begins
    require("matplotlib")
    model = _Model(catalog, entry, options, cache)
    if not model.adapter.has_chat_template and not options.plain:
        raise UsageError(
            f"model {entry.model}: its tokenizer has no chat template; give the entry a `chat_template`, or say "
            '--plain to train in the plain form (question, blank line, "Answer: ")'
        )
    retrievers = _passages(task, source, options, cache, progress)
    jobs = [_Job(options, task, model, source, subset, retrievers, progress) for subset in subsets]
    # without a sweep all recipes are known: a folder that holds something else is told before the first begins
    recipes = {} if options.sweep else {job.folder: job.recipe(settings) for job in jobs}
    for folder, recipe in recipes.items():
        checkpoints.is_there(folder, recipe, options.overwrite)
    for job in jobs:
        chosen, table = job.choose(tried) if options.sweep else (settings, [])
        recipe = recipes.get(job.folder) or job.recipe(chosen)
        if checkpoints.is_there(job.folder, recipe, options.overwrite):
            progress.note(f"{job.folder}: trained already with these settings and pairs")
            continue
        job.train(recipe, table)
    if is_main_process():
        _say_how_to_evaluate(options, jobs, set(catalog.files("models")))
    return 0


# ---- flags ----------------------------------------------------------------------------------------------------------


def _base(entry: ModelEntry, options: argparse.Namespace) -> ModelEntry:
    if entry.base is not None:
        raise UsageError(f"--model {entry.model}: is a LoRA checkpoint on {entry.base}; name its base")
    if entry.engine != "transformers":
        raise UsageError(f"--model {entry.model}: runs on {entry.engine}; only models of transformers can be trained")
    if options.method == "lora":
        return entry
    if entry.quantization != "none":
        raise UsageError(f"--model {entry.model}: is quantised already; with --method qlora name the 16-bit base")
    return entry.model_copy(update={"quantization": "4bit"})


def _settings(options: argparse.Namespace) -> TrainingSettings:
    from harness.finetuning.settings import TrainingSettings

    names = [*_NUMBERS, "target_modules"]
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    settings = replace(TrainingSettings(gradient_checkpointing=options.gradient_checkpointing), **given)
    if problems := settings.problems():
        raise UsageError(*(f"--{problem}" for problem in problems))
    return settings


def _sizes(options: argparse.Namespace, task: TaskEntry) -> list[int]:
    if options.samples is None:
        if not task.finetune.sizes:
            raise UsageError(f"task {task.task} names no sizes; say --samples")
        return list(task.finetune.sizes)
    sizes = names_of(options.samples)
    if wrong := [size for size in sizes if not size.isascii() or not size.isdigit() or int(size) < 1]:
        raise UsageError(f"--samples {wrong[0]}: give whole numbers from 1, as 200,500,1000")
    return [int(size) for size in sizes]


# ---- parts ----------------------------------------------------------------------------------------------------------


class _Model:
    """The base, as the adapter that evaluation uses too: prompts in training are those of evaluation."""

    def __init__(self, catalog: Any, entry: ModelEntry, options: argparse.Namespace, cache: Path) -> None:
        import os

        from harness.build import ModelOverrides, build_model, build_weights

        rank = os.environ.get("LOCAL_RANK")  # accelerate launch: a GPU a process
        device = options.device or (f"cuda:{rank}" if rank is not None and _has_gpu() else None)
        self.entry = entry.model_copy(update={"device_map": None}) if rank is not None else entry
        self.adapter: Any = build_model(catalog, self.entry, options.task, cache, ModelOverrides(device=device))
        self.adapter.prepare()
        self.quantized = entry.quantization != "none"
        weights = build_weights(entry, cache)
        self.facts = {
            "name": entry.model,
            "label": entry.pretrained or entry.model,
            "repository": entry.pretrained if entry.revision else None,
            "revision": entry.revision,
            "identity": dict(weights.identity),
            "dtype": entry.dtype,
            "quantization": entry.quantization,
        }


def _has_gpu() -> bool:
    from harness.extras import require

    return bool(require("torch").cuda.is_available())


def _passages(task: TaskEntry, source: Any, options: argparse.Namespace, cache: Path, progress: Progress) -> Any:
    """Retrievers for the formats that show passages; the whole corpus, since what a pair is about must be in it."""
    from harness.build import build_retriever
    from harness.finetuning.examples import Passages
    from harness.records import Arm

    if options.format == "qa":
        return None
    return Passages(
        ranker=build_retriever(task.retrieval, source, Arm.RAG, cache, progress),
        gold=build_retriever(task.retrieval, source, Arm.ORACLE, cache, progress),
        top_k=task.retrieval.top_k,
        within_document=task.retrieval.scope == "document",
        seed=options.seed,
    )


class _Job:
    """One checkpoint: its pairs, its folder, what it is made with."""

    def __init__(
        self,
        options: argparse.Namespace,
        task: TaskEntry,
        model: _Model,
        source: Any,
        subset: list[Question],
        passages: Any,
        progress: Progress,
    ) -> None:
        self.options, self.task, self.model, self.source = options, task, model, source
        self.subset, self.passages, self.progress = subset, passages, progress
        suffix = "" if options.format == "qa" else f"-{options.format}"
        name = f"{model.entry.model}-{options.method}-{len(subset)}{suffix}"
        self.folder: Path = options.output_path / task.task / name

    def _examples(self, pairs: list[Question], settings: TrainingSettings) -> tuple[list[Any], list[str]]:
        from harness.finetuning.examples import Templates, make_examples

        templates = Templates(self.task.doc_to_text, self.task.doc_to_target, self.task.system_instruction)
        room = min(settings.max_length, self.model.adapter.window)
        return make_examples(pairs, self.options.format, templates, self.passages, self.model.adapter, room)

    def recipe(self, settings: TrainingSettings, pairs: list[Question] | None = None) -> Recipe:
        from harness.digests import digest_of, short
        from harness.finetuning.checkpoints import Recipe
        from harness.finetuning.training import process_count

        chosen = self.subset if pairs is None else pairs
        examples, left_out = self._examples(chosen, settings)
        if not examples:
            raise UsageError(f"--max_length {settings.max_length}: not one pair fits; give more")
        return Recipe(
            task=self.task.task,
            model=self.model.entry.model,
            method=self.options.method,
            format=self.options.format,
            settings=settings,
            seed=self.options.seed,
            base=self.model.facts,
            source=self.source.identity,
            tokenizer=self.model.adapter.tokenizer_facts(),
            starts=self.model.adapter.starts(),
            examples=examples,
            questions=[short(digest_of([q.text, list(q.references)])) for q in chosen if q.id not in left_out],
            left_out=left_out,
            licence=self.model.entry.licence,
            processes=process_count(),
        )

    def _train(self, recipe: Recipe, validation: list[Any]) -> Any:
        from harness.finetuning.checkpoints import workshop_of
        from harness.finetuning.training import train

        return train(
            self.model.adapter,
            recipe.examples,
            validation,
            recipe.settings,
            recipe.seed,
            self.model.quantized,
            workshop_of(self.folder, recipe.identity),
            self.progress,
        )

    def choose(self, tried: list[TrainingSettings]) -> tuple[TrainingSettings, list[dict[str, Any]]]:
        """The settings of the grid with the least loss on the held-out pairs; and the whole table. What was tried
        before, in a finished training or before a kill, is read again."""
        from harness.finetuning.training import is_main_process

        if (table := self._earlier_sweep(tried)) is None:
            table = [self._try(settings, f"{number} of {len(tried)}") for number, settings in enumerate(tried, start=1)]
        losses = [math.inf if row["validation_loss"] is None else row["validation_loss"] for row in table]
        if min(losses) == math.inf:
            raise HarnessError(f"{self.folder.name}: every training of the sweep diverged; lower --learning_rate")
        best = losses.index(min(losses))
        if is_main_process():
            self._print_sweep(table, best)
        return tried[best], table

    def _earlier_sweep(self, tried: list[TrainingSettings]) -> list[dict[str, Any]] | None:
        """The table of a finished checkpoint that was chosen from this very grid."""
        import json

        from harness.finetuning.checkpoints import MANIFEST

        try:
            rows = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))["sweep"]
        except (OSError, ValueError, KeyError):
            return None
        by_settings = {json.dumps({k: row[k] for k in asdict(tried[0])}, sort_keys=True): row for row in rows}
        found = [by_settings.get(json.dumps(asdict(settings), sort_keys=True)) for settings in tried]
        return [row for row in found if row is not None] if None not in found else None

    def _try(self, settings: TrainingSettings, place: str) -> dict[str, Any]:
        """One point of the grid; a training that diverges has no loss."""
        import gc
        import json
        import shutil

        from harness.evaluate.folder import write_atomically
        from harness.finetuning.checkpoints import workshop_of
        from harness.finetuning.pools import hold_out
        from harness.finetuning.training import Diverged, is_main_process

        trained_on, held_out = hold_out(self.subset)
        recipe, (examples, _) = self.recipe(settings, trained_on), self._examples(held_out, settings)
        if not examples:
            raise UsageError(f"--max_length {settings.max_length}: not one held-out pair fits; give more")
        note = self.folder.parent / f".{self.folder.name}.training" / f"{recipe.identity[:12]}.json"
        if note.is_file():
            return dict(json.loads(note.read_text(encoding="utf-8")))
        names = [axis.partition("=")[0] for axis in self.options.sweep]
        shown = ", ".join(f"{name} {getattr(settings, name):g}" for name in names)
        self.progress.note(f"{self.folder.name}: sweep {place}: {shown}, {len(examples)} pairs held out")
        try:
            trained = self._train(recipe, examples)
            row = {**asdict(settings), "validation_loss": trained.validation_loss, "loss": trained.loss}
            del trained
        except Diverged:
            row = {**asdict(settings), "validation_loss": None, "loss": None}
        gc.collect()  # the next point loads the base anew: not two at a time
        if is_main_process():
            note.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(note, json.dumps(row))
            shutil.rmtree(workshop_of(self.folder, recipe.identity), ignore_errors=True)
        return row

    def _print_sweep(self, table: list[dict[str, Any]], best: int) -> None:
        from harness.tables import markdown_table

        names = [axis.partition("=")[0] for axis in self.options.sweep]
        rows = [
            [
                *(f"{row[name]:g}" for name in names),
                *("diverged" if row[key] is None else f"{row[key]:.3f}" for key in ("loss", "validation_loss")),
                "chosen" if number == best else "",
            ]
            for number, row in enumerate(table)
        ]
        print(f"\n{self.folder.name}: loss on held-out pairs of the pool")
        print(markdown_table([*names, "loss", "validation loss", ""], rows, [True] * (len(names) + 2) + [False]))

    def train(self, recipe: Recipe, sweep: list[dict[str, Any]]) -> None:
        import shutil

        from harness.cli.host import host_facts
        from harness.finetuning.checkpoints import workshop_of, write_checkpoint
        from harness.finetuning.training import is_main_process

        if recipe.left_out:
            self.progress.note(
                f"{self.folder.name}: {len(recipe.left_out)} of {len(self.subset)} pairs are longer than "
                f"{recipe.settings.max_length} tokens and left out"
            )
        self.progress.note(f"{self.folder.name}: {len(recipe.examples)} pairs, format {recipe.format}")
        trained = self._train(recipe, [])
        if not is_main_process():
            return
        host = host_facts(self.options.command_line)
        manifest = write_checkpoint(self.folder, recipe, trained, self.model.adapter.tokenizer, sweep, host)
        shutil.rmtree(workshop_of(self.folder, recipe.identity).parent, ignore_errors=True)
        print(
            f"{self.folder}: {manifest['steps']} steps, {manifest['tokens']:,} tokens in {manifest['seconds']:.0f} s, "
            f"loss {manifest['loss']['first']:.3f} → {manifest['loss']['last']:.3f}, weights {manifest['weights'][:12]}"
        )


def _say_how_to_evaluate(options: argparse.Namespace, jobs: list[_Job], entries: set[str]) -> None:
    """By name where an entry has the checkpoint's name and looks for it there, else by its folder."""
    data = f" --data {options.data}" if options.data else ""
    named = [job.folder.name for job in jobs if job.folder.name in entries] if _usual_place(options) else []
    if named:
        print(f"\nevaluate: harness eval --task {options.task}{data} --model {','.join([options.model, *named])}")
    for job in jobs:
        if job.folder.name not in named:
            quantized = ",load_in_4bit=True" if options.method == "qlora" else ""
            arguments = f"base={options.model},peft={job.folder}{quantized}"
            print(f"\nevaluate: harness eval --task {options.task}{data} --model hf --model_args {arguments}")


def _usual_place(options: argparse.Namespace) -> bool:
    return bool(options.output_path == Path("checkpoints"))
