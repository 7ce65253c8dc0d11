"""One training: transformers' `Trainer` on a PEFT model, loss on the answer alone, in a working directory from which a
killed training resumes. Deterministic on a CPU: the same examples, settings and seed give the same weights to the byte.

Under `accelerate launch` the Trainer spreads the batches over the processes itself; only the first of them writes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, StorageError, is_full_disk, near_names
from harness.extras import require
from harness.files import JsonObject, make_folder, parse_json
from harness.finetuning.examples import Example
from harness.finetuning.settings import TrainingSettings
from harness.interfaces import Progress, Trainable

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = [
    "Diverged",
    "Trained",
    "TrainingPlan",
    "is_main_process",
    "process_count",
    "train",
    "with_lora",
]

IGNORED = -100  # torch's cross entropy leaves such labels out
_SAVES = 10  # checkpoints to resume from, over the whole training
_STATE = ("trainer_state.json", "adapter_model.safetensors", "optimizer.pt", "scheduler.pt")


class Diverged(HarnessError):
    """The loss is not a number any more."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """One training. `validation` are held-out pairs, empty for none; `work_dir` holds what a killed training resumes
    from; `quantized`: the base has 4-bit weights."""

    examples: Sequence[Example]
    validation: Sequence[Example]
    settings: TrainingSettings
    seed: int
    quantized: bool
    work_dir: Path


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training. `history` are the Trainer's log lines; `tokens` those that were passed through the model,
    prompts included, over all epochs."""

    model: PeftModel
    history: Sequence[Mapping[str, float]]
    steps: int
    tokens: int
    seconds: float
    loss: float
    validation_loss: float | None
    state: JsonObject


def is_main_process() -> bool:
    """Whether this process is the one that writes and prints."""
    return os.environ.get("RANK", "0") == "0"


def process_count() -> int:
    """Of `accelerate launch` or `torchrun`; 1 without them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def train(model: Trainable, plan: TrainingPlan, progress: Progress) -> Trained:
    """Trains a LoRA checkpoint. Raises `Diverged`, and `StorageError` when the work directory cannot be written."""
    transformers = require("torch", "accelerate", "transformers")
    encoded = [_encode(model, example) for example in plan.examples]
    validation = [_encode(model, example) for example in plan.validation]
    transformers.set_seed(plan.seed)  # before LoRA's A is drawn
    lora = with_lora(model.load_base(), plan.settings, plan.quantized)
    steps = _steps(len(encoded), plan.settings)
    resumed = _last_whole(plan.work_dir)
    make_folder(plan.work_dir)
    trainer = transformers.Trainer(
        model=lora,
        args=_arguments(plan, steps, on_cpu=str(lora.device) == "cpu"),
        train_dataset=_Rows(encoded),
        eval_dataset=_Rows(validation) if validation else None,
        data_collator=_collator(model.tokenizer.pad_token_id),
        callbacks=[_reporting(progress)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    progress.start("train", steps, done=_step_of(resumed))
    try:
        done = trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    except Exception as error:
        if not isinstance(error, OSError) and not is_full_disk(error):
            raise
        raise StorageError.of(
            plan.work_dir,
            error,
            "put that right and run the same command again: the training resumes from its last whole step",
        ) from error
    finally:
        progress.finish()
    validation_loss = float(trainer.evaluate()["eval_loss"]) if validation else None
    history = [dict(line) for line in trainer.state.log_history if "loss" in line]
    loss = sum(line["loss"] for line in history[-5:]) / max(1, len(history[-5:]))
    if not math.isfinite(loss):
        raise Diverged(
            f"the training's loss became {loss}; lower --learning_rate ({plan.settings.learning_rate:g}) or use "
            "bfloat16"
        )
    return Trained(
        model=trainer.accelerator.unwrap_model(trainer.model),
        history=history,
        steps=trainer.state.global_step,
        tokens=round(sum(len(row["input_ids"]) for row in encoded) * plan.settings.epochs),
        seconds=float(done.metrics.get("train_runtime", 0.0)),
        loss=loss,
        validation_loss=validation_loss,
        state=parse_json(json.dumps(asdict(trainer.state), sort_keys=True, default=str)),
    )


def _arguments(plan: TrainingPlan, steps: int, on_cpu: bool) -> TrainingArguments:
    settings = plan.settings
    return require("transformers").TrainingArguments(
        output_dir=str(plan.work_dir),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=1,  # the same mean over pairs whatever the batch that is tried
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        seed=plan.seed,
        data_seed=plan.seed,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        label_names=["labels"],
        logging_steps=1,
        save_strategy="steps",
        save_steps=max(1, steps // _SAVES),
        save_total_limit=2,
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen
        report_to="none",
        disable_tqdm=True,
        prediction_loss_only=True,
        **({"gradient_checkpointing": True} if settings.gradient_checkpointing else {}),
    )


def _steps(examples: int, settings: TrainingSettings) -> int:
    """Optimiser steps, as the Trainer counts them."""
    batches = -(-examples // (settings.batch_size * process_count()))
    an_epoch = max(1, -(-batches // settings.gradient_accumulation))
    return max(1, round(an_epoch * settings.epochs))


def _encode(model: Trainable, example: Example) -> dict[str, list[int]]:
    prompt, completion = model.encode_pair(example.prompt, example.completion)
    return {"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion}


class _Rows:
    """A list as torch's map-style data set."""

    def __init__(self, rows: Sequence[Mapping[str, list[int]]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Mapping[str, list[int]]:
        return self._rows[number]


def _collator(pad: int) -> Callable[[Sequence[Mapping[str, list[int]]]], dict[str, Tensor]]:
    """Rows to tensors (rows, longest), padded on the right."""
    torch = require("torch")

    def collate(rows: Sequence[Mapping[str, list[int]]]) -> dict[str, Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)

        def padded(key: str, filler: int) -> Tensor:
            tensor: Tensor = torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in rows])
            return tensor

        lengths = [len(row["input_ids"]) for row in rows]
        mask = torch.tensor([[1] * length + [0] * (longest - length) for length in lengths])
        return {"input_ids": padded("input_ids", pad), "labels": padded("labels", IGNORED), "attention_mask": mask}

    return collate


def with_lora(base: PreTrainedModel, settings: TrainingSettings, quantized: bool) -> PeftModel:
    """The base with fresh LoRA layers that are trained, everything else frozen."""
    peft = require("peft")
    if quantized:
        base = peft.prepare_model_for_kbit_training(base, use_gradient_checkpointing=settings.gradient_checkpointing)
    if quantized or settings.gradient_checkpointing:
        # also without checkpointing: a layer whose input needs no gradient takes bitsandbytes' inference kernel on a
        # CPU, which is less exact (docs/log.md)
        base.enable_input_require_grads()
    base.config.use_cache = False
    listed = [name.strip() for name in settings.target_modules.split(",")]
    names = {name.split(".")[-1] for name, _ in base.named_modules()}
    if listed != ["all-linear"] and (unknown := [name for name in listed if name not in names]):
        raise HarnessError(
            f"--target_modules {unknown[0]}: the base has no such module{near_names(unknown[0], names)}; pass "
            "all-linear"
        )
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear" if listed == ["all-linear"] else listed,
        bias="none",
    )
    return peft.get_peft_model(base, config)


def _reporting(progress: Progress) -> TrainerCallback:
    transformers = require("transformers")

    class Reporting(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        """Hands steps and loss on to the progress."""

        def on_log(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            logs: Mapping[str, float] | None = None,
            **_: object,
        ) -> None:
            if logs and "loss" in logs:
                progress.advance(1, detail=f"loss {float(logs['loss']):.3f}")

    return Reporting()


def _last_whole(work_dir: Path) -> Path | None:
    """The newest checkpoint of a killed training that was written to its end."""
    checkpoints = sorted(work_dir.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for path in checkpoints:
        # every process of a parallel training has its own random state
        rng = (
            [path / "rng_state.pth"]
            if process_count() == 1
            else [path / f"rng_state_{n}.pth" for n in range(process_count())]
        )
        if all(p.is_file() for p in (*(path / name for name in _STATE), *rng)) and _readable(path / _STATE[0]):
            return path
    return None


def _readable(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _step_of(checkpoint: Path | None) -> int:
    return int(checkpoint.name.split("-")[1]) if checkpoint else 0
