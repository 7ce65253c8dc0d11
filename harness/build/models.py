"""Model adapters, one branch an engine, and where weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from harness.adapters.openai import ApiSettings, OpenAIAdapter
from harness.adapters.scripted import ScriptedAdapter
from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import FolderWeights, GgufWeights, HubWeights, LoraCheckpoint
from harness.build.encoders import is_local
from harness.build.resources import ModelOptions, Resources
from harness.entries.checkpoints import checkpoint_parts
from harness.entries.model import OpenAIModelEntry, ResolvedModel, ScriptedModelEntry, TransformersModelEntry
from harness.entries.parts import DecodingEntry
from harness.errors import UsageError
from harness.interfaces import ModelAdapter, Weights
from harness.records import Decoding

__all__ = ["build_model", "build_trainable", "build_weights", "decoding_of"]


def decoding_of(entry: DecodingEntry) -> Decoding:
    """`generation_kwargs` as plain values."""
    return Decoding(
        max_gen_toks=entry.max_gen_toks,
        temperature=entry.temperature if entry.do_sample else 0.0,
        top_p=entry.top_p,
        until=tuple(entry.until),
    )


def build_model(model: ResolvedModel, task: str, resources: Resources, options: ModelOptions) -> ModelAdapter:
    """`task` is what `{task}` in a LoRA entry's path becomes. Raises `MissingPart` or `CheckpointMismatch`."""
    match model.entry:
        case ScriptedModelEntry() as entry:
            return ScriptedAdapter(entry.script, name=entry.model, window=entry.max_length, licence=entry.licence)
        case OpenAIModelEntry() as entry:
            return OpenAIAdapter(entry.model, _api_settings(entry), resources.budget, resources.progress)
        case TransformersModelEntry() as entry:
            return _transformers(model, entry, task, resources, options)
        case unknown:
            assert_never(unknown)


def build_trainable(entry: TransformersModelEntry, resources: Resources, options: ModelOptions) -> TransformersAdapter:
    """A base to train on, as the adapter that evaluation uses too."""
    return _transformers(ResolvedModel(entry=entry), entry, "", resources, options)


def _transformers(
    model: ResolvedModel, entry: TransformersModelEntry, task: str, resources: Resources, options: ModelOptions
) -> TransformersAdapter:
    settings = LoadSettings(
        dtype=entry.dtype,
        quantization=entry.quantization,
        device=options.device,
        device_map=entry.device_map,
        batch_size=options.batch_size or entry.batch_size,
        max_length=entry.max_length,
        chat_template=entry.chat_template,
        licence=entry.licence,
        gate=options.gate,
    )
    weights, lora = build_weights(entry, resources), _lora(model, entry, task, resources)
    return TransformersAdapter(entry.model, weights, settings, lora, resources.holder)


def _lora(
    model: ResolvedModel, entry: TransformersModelEntry, task: str, resources: Resources
) -> LoraCheckpoint | None:
    if model.peft is None:
        return None
    command = _training_command(model, task)
    checkpoint = LoraCheckpoint(Path(model.peft.replace("{task}", task)).expanduser(), resources.cache, command)
    names = [model.base.model, model.base.pretrained] if model.base else [entry.pretrained]
    accepted = [name for name in (*names, entry.peft_base) if name]
    checkpoint.check_base(accepted, accepted[0])
    return checkpoint


def _training_command(model: ResolvedModel, task: str) -> str | None:
    """What trains the checkpoint of an entry that has the name which `harness finetune` would give it."""
    parts = checkpoint_parts(model.name)
    if model.base is None or parts is None:
        return None
    options = " --method qlora" if parts.method == "qlora" else ""
    options += parts.presentation.flags
    options += f" --seed {parts.seed}" if parts.seed else ""
    return f"harness finetune --task {task} --model {parts.base} --samples {parts.samples}{options}"


def _api_settings(entry: OpenAIModelEntry) -> ApiSettings:
    api = entry.api
    return ApiSettings(
        model=api.model,
        base_url=api.base_url,
        key_variable=api.key_variable,
        window=entry.max_length,
        concurrency=api.concurrency,
        timeout=api.timeout,
        retries=api.retries,
        prices=(api.prices.prompt, api.prices.answer) if api.prices else (0.0, 0.0),
        newer_limit_name=api.newer_limit_name,
        licence=entry.licence,
    )


def build_weights(entry: TransformersModelEntry, resources: Resources) -> Weights:
    """Where a model's weights, of a LoRA entry its base's, come from."""
    if entry.gguf is not None:
        return GgufWeights(entry.gguf.package, entry.gguf.file, entry.gguf.install, resources.cache)
    pretrained = str(entry.pretrained)
    if is_local(pretrained):
        return FolderWeights(Path(pretrained).expanduser(), resources.cache, bool(entry.trust_remote_code))
    if entry.revision is None:
        raise UsageError(
            f"model {entry.model}: {pretrained} is a hub id without a `revision`, and there is no folder of that name"
        )
    return HubWeights(pretrained, entry.revision, resources.progress.note, bool(entry.trust_remote_code))
