"""A LoRA checkpoint as a plain PEFT folder, which `PeftModel.from_pretrained` loads without us, and beside the weights
what a reader needs to trust them:

    adapter_model.safetensors  adapter_config.json      PEFT's own
    tokenizer files                                      the base's, as they were in training
    README.md                                            a card in the hub's form
    training.json                                        the manifest: pairs, base, settings, losses, digests
    trainer_state.json  loss.png                         the Trainer's log, and its loss as a picture

A folder appears whole or not at all: it is written under another name and renamed. One that is there is never written
over in silence.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.digests import digest_of, digest_of_file, digest_of_lines, short
from harness.entries.checkpoints import Presentation
from harness.errors import StorageError, UsageError, is_full_disk
from harness.extras import require
from harness.files import JsonObject, parse_json, sync, unique_part
from harness.finetuning.examples import Examples
from harness.finetuning.settings import TrainingSettings
from harness.finetuning.training import Trained
from harness.interfaces import Identity

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["MANIFEST", "BaseRecord", "Recipe", "holds_checkpoint", "work_dir_of", "write_checkpoint"]

MANIFEST = "training.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """The base of a training: its entry's name, what people call its weights, the hub's repository and revision where
    it is of the hub, identity, precision and licence."""

    name: str
    label: str
    repository: str | None
    revision: str | None
    identity: Identity
    dtype: str
    quantization: str
    licence: str

    def record(self) -> JsonObject:
        """As a manifest holds it."""
        return {key: value for key, value in asdict(self).items() if key != "licence"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a checkpoint depends on."""

    task: str
    method: str
    presentation: Presentation
    settings: TrainingSettings
    seed: int
    base: BaseRecord
    source: Identity
    tokenizer: JsonObject
    prompt_start_ids: Sequence[int]
    """The first token ids of a prompt, for the gate: a doubled BOS shows there."""
    examples: Examples
    questions: Sequence[str]
    """A digest of each pair's question and own references, by which another data set's question of the same id is told
    apart."""
    processes: int = 1

    @property
    def identity(self) -> str:
        """The same for two trainings that must give the same weights."""
        return digest_of(
            {
                "format": FORMAT,
                "method": self.method,
                "settings": self.settings.resolved(),
                "seed": self.seed,
                "processes": self.processes,
                "base": {key: getattr(self.base, key) for key in ("identity", "dtype", "quantization")},
                "tokenizer": self.tokenizer,
                "pairs": self.pairs_digest,
            }
        )

    @property
    def pairs_digest(self) -> str:
        """Of what was learnt, word for word and in this order."""
        return digest_of_lines(json.dumps([e.id, e.prompt, e.completion]) for e in self.examples.items)

    @property
    def pair_ids(self) -> list[str]:
        """Of the pairs that are trained on; a pair may have several examples."""
        return list(dict.fromkeys(example.id for example in self.examples.items))

    @property
    def described(self) -> str:
        """Pairs and how they are shown, for people."""
        shown, examples = self.presentation, self.examples
        parts = [f"{len(self.pair_ids)} pairs", f"format {shown.format}"]
        if len(examples.items) > len(self.pair_ids):
            parts[0] += f" in {len(examples.items)} examples"
        if examples.counterfactual is not None:
            parts[-1] += f" ({examples.counterfactual} with another value, the others as in rag)"
        if shown.target != "reference":
            parts.append(f"target {shown.target} ({examples.target_is_reference} without: the reference)")
        if shown.shuffle_answers:
            parts.append("placebo: answers exchanged between pairs")
        if shown.domain is not None:
            parts.append(f"placebo: pairs of {shown.domain}")
        return ", ".join(parts)


def work_dir_of(folder: Path, identity: str) -> Path:
    """Where a training of `folder` keeps what it resumes from, apart by what is trained."""
    return folder.parent / f".{folder.name}.training" / short(identity)


def holds_checkpoint(folder: Path, recipe: Recipe, overwrite: bool) -> bool:
    """True when the folder holds this very checkpoint, whole. Raises `UsageError` when it holds something else, unless
    that is to be overwritten."""
    if not folder.exists():
        return False
    if overwrite:
        try:
            return holds_checkpoint(folder, recipe, overwrite=False)
        except UsageError:
            return False
    try:
        manifest: JsonObject = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(
            f"{folder}: exists and was not written by harness finetune; move it away, or pass --overwrite"
        ) from None
    if manifest.get("identity") != recipe.identity:
        raise UsageError(
            f"{folder}: holds a checkpoint of other settings or pairs ({_difference(manifest, recipe)}); pass another "
            "--output_path, or --overwrite"
        )
    weights = folder / "adapter_model.safetensors"
    if not weights.is_file() or digest_of_file(weights) != manifest.get("weights"):
        raise UsageError(f"{folder}: its weights are not those that were trained; pass --overwrite to train them again")
    return True


def _difference(manifest: JsonObject, recipe: Recipe) -> str:
    """How the checkpoint that is there differs from the one asked for, for people."""
    before, now = manifest.get("settings", {}), recipe.settings.resolved()
    changed = [f"{key} {before.get(key)} there, {now[key]} here" for key in now if before.get(key) != now[key]]
    for key, value in (
        ("method", recipe.method),
        *_presentation_of(recipe).items(),
        ("seed", recipe.seed),
        ("processes", recipe.processes),
    ):
        if manifest.get(key, _BEFORE.get(key)) != value:
            changed.append(f"{key} {manifest.get(key)} there, {value} here")
    if manifest.get("base", {}).get("identity") != dict(recipe.base.identity):
        changed.append("another base")
    if manifest.get("pairs", {}).get("digest") != recipe.pairs_digest:
        changed.append("other pairs or prompts")
    return "; ".join(changed[:4]) or "another tokenizer"


def write_checkpoint(
    folder: Path,
    recipe: Recipe,
    trained: Trained,
    tokenizer: PreTrainedTokenizerBase,
    sweep: Sequence[JsonObject],
    host: JsonObject,
) -> JsonObject:
    """Writes the folder and returns its manifest; `sweep` is the grid that was tried, if any. Raises `StorageError`
    when it cannot be written; then what was there before is there still."""
    part = folder.with_name(f"{unique_part(folder).name}.writing")
    try:
        part.mkdir(parents=True)
        trained.model.save_pretrained(part, safe_serialization=True)
        _sort_config(part / "adapter_config.json", recipe.base.label)
        tokenizer.save_pretrained(part)
        for path in part.iterdir():
            path.chmod(0o644)  # safetensors writes for its owner alone
        manifest = {**_manifest(part, recipe, trained), **({"sweep": list(sweep)} if sweep else {}), **host}
        _write_json(part / MANIFEST, manifest)
        _write_json(part / "trainer_state.json", trained.state)
        draw_loss(part / "loss.png", trained.history, f"{folder.name}, {recipe.task}")
        (part / "README.md").write_text(_card(folder.name, recipe, manifest), encoding="utf-8")
        for path in (*part.iterdir(), part):
            sync(path)
        _replace(folder, part)
    except Exception as error:
        if not isinstance(error, OSError) and not is_full_disk(error):
            raise
        raise StorageError.of(
            folder, error, "put that right and run the same command again: the training resumes from its last step"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _replace(folder: Path, part: Path) -> None:
    """`part` in the place of `folder`; if that fails, the old folder is put back."""
    old = folder.with_name(f"{unique_part(folder).name}.old")
    if folder.exists():
        folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _presentation_of(recipe: Recipe) -> JsonObject:
    """As a manifest holds it."""
    shown = recipe.presentation
    return {
        "prompt_format": shown.format,
        "target": shown.target,
        "shuffle_answers": shown.shuffle_answers,
        "domain": shown.domain,
    }


_BEFORE = {"target": "reference", "shuffle_answers": False}
"""What manifests mean that were written before there was a choice."""


def _manifest(part: Path, recipe: Recipe, trained: Trained) -> JsonObject:
    return {
        "format": FORMAT,
        "identity": recipe.identity,
        "weights": digest_of_file(part / "adapter_model.safetensors"),
        "task": recipe.task,
        "model": recipe.base.name,
        "method": recipe.method,
        **_presentation_of(recipe),
        "settings": recipe.settings.resolved(),
        "seed": recipe.seed,
        "processes": recipe.processes,
        "base": recipe.base.record(),
        "tokenizer": dict(recipe.tokenizer),
        "prompt_start_ids": list(recipe.prompt_start_ids),
        "source": dict(recipe.source),
        "pairs": {
            "digest": recipe.pairs_digest,
            "ids": recipe.pair_ids,
            "questions": list(recipe.questions),
            "left_out": list(recipe.examples.left_out),
            "examples": len(recipe.examples.items),
            "counterfactual": recipe.examples.counterfactual,
            "target_is_reference": recipe.examples.target_is_reference,
        },
        "loss": {"first": trained.history[0]["loss"] if trained.history else None, "last": trained.loss},
        "steps": trained.steps,
        "tokens": trained.tokens,
        "seconds": round(trained.seconds, 1),
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")


def _sort_config(path: Path, base: str) -> None:
    """PEFT writes a set of modules in an order of the day; sorted, the same training writes the same file. A base
    without a name of its own (built from a GGUF file, in the cache) gets the one that people call it by."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    config["base_model_name_or_path"] = base
    _write_json(path, config)


def draw_loss(path: Path, history: Sequence[Mapping[str, float]], title: str) -> None:
    """Loss by step, each one thin and a running mean of a tenth of the steps thick."""
    require("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    losses = [float(line["loss"]) for line in history]
    width = max(1, len(losses) // 10)
    running = [sum(losses[max(0, n - width + 1) : n + 1]) / (n + 1 - max(0, n - width + 1)) for n in range(len(losses))]
    figure = Figure(figsize=(6.4, 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    steps = range(1, len(losses) + 1)
    axes.plot(steps, losses, color="0.75", linewidth=0.8, label="each step")
    axes.plot(steps, running, color="tab:blue", linewidth=1.8, label=f"mean of {width} steps")
    axes.set(xlabel="optimiser step", ylabel="loss on answers (nats a token)", title=title)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)


def _card(name: str, recipe: Recipe, manifest: JsonObject) -> str:
    """A model card with the hub's front matter."""
    settings = recipe.settings
    hub_base = recipe.base.repository
    front = ["---", "library_name: peft", *([f"base_model: {hub_base}"] if hub_base else []), "tags: [lora, harness]"]
    front += [f"license: {recipe.base.licence.lower()}" if " " not in recipe.base.licence else "license: other", "---"]
    loss = manifest["loss"]
    left_out = recipe.examples.left_out
    too_long = f"{len(left_out)} pairs longer than {settings.max_length} tokens"
    rows = {
        "task": recipe.task,
        "base": f"{recipe.base.name} ({recipe.base.label}), {recipe.base.dtype}"
        + (f", {recipe.base.quantization}" if recipe.base.quantization != "none" else ""),
        "pairs": f"{recipe.described}; digest {short(recipe.pairs_digest)}",
        "left out": too_long if left_out else "none",
        "epochs": f"{settings.epochs:g}, {manifest['steps']} steps",
        "effective batch": f"{settings.batch_size} × {settings.gradient_accumulation}"
        + (f" × {recipe.processes} processes" if recipe.processes > 1 else ""),
        "learning rate": f"{settings.learning_rate:g}, cosine after {settings.warmup:.0%} of the steps",
        "LoRA": f"r {settings.lora_r}, alpha {settings.alpha}, dropout {settings.lora_dropout:g}, "
        f"on {settings.target_modules}",
        "seed": str(recipe.seed),
        "tokens, time": f"{manifest['tokens']:,}, {manifest['seconds']:,.0f} s",
        "loss": f"{loss['first']:.3f} at first, {loss['last']:.3f} over the last five steps",
        "weights": f"SHA-256 {manifest['weights']}",
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return (
        "\n".join(front)
        + f"\n\n# {name}\n\nA LoRA checkpoint made by `harness finetune` to measure what fine-tuning does to "
        "retrieval-augmented answers; loss on the answers alone.\n\n| | |\n| --- | --- |\n"
        + f"{table}\n\n![loss](loss.png)\n\n`training.json` holds the ids of the pairs; they are never evaluated on.\n"
    )
