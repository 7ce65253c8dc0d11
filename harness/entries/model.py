"""Models, a kind for each engine, and the record of a model with everything filled in."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.entries.parts import Metadata, ModelName, Name, Names, Part, Positive, Revision, Whole
from harness.texts import without_credentials

__all__ = [
    "ApiEntry",
    "GgufEntry",
    "ModelEntry",
    "OpenAIModelEntry",
    "PricesEntry",
    "ResolvedModel",
    "ScriptedModelEntry",
    "TransformersModelEntry",
]


class GgufEntry(Part):
    """Weights in a GGUF file inside an installed Python package."""

    package: str
    file: str
    install: str


class PricesEntry(Part):
    """For a million tokens."""

    prompt: Annotated[float, Field(ge=0)]
    answer: Annotated[float, Field(ge=0)]


class ApiEntry(Part):
    """OpenAI's chat completions, at OpenAI or at any server that speaks them."""

    model: str
    base_url: Annotated[str, Field(pattern=r"^https?://")] = "https://api.openai.com/v1"
    key_variable: str | None = None
    """The environment variable that holds the key; default: the server wants none."""
    concurrency: Positive = 8
    timeout: Annotated[float, Field(gt=0)] = 120.0
    retries: Whole = 6
    prices: PricesEntry | None = None
    newer_limit_name: bool = False
    """True for models that want `max_completion_tokens` and not `max_tokens`."""


class _Common(Part):
    """What every model entry has."""

    model: ModelName
    model_alias: str | None = None
    tag: Names | None = None
    description: str
    licence: str
    citation: str = ""
    metadata: Metadata


class ScriptedModelEntry(_Common):
    """Answers from a list, for tests and dry runs."""

    engine: Literal["scripted"]
    script: Annotated[list[str], Field(min_length=1)]
    """The answers; which of them a prompt gets is decided by a hash of the prompt."""
    max_length: Positive = 8_192


class OpenAIModelEntry(_Common):
    """A model behind an API."""

    engine: Literal["openai"]
    api: ApiEntry
    max_length: Positive
    """Window in tokens, prompt and answer together."""


class TransformersModelEntry(_Common):
    """A base model (`pretrained` or `gguf`), or a LoRA checkpoint (`peft`) on a `base` entry."""

    engine: Literal["transformers"] = "transformers"
    base: Name | None = None
    pretrained: str | None = None
    revision: Revision | None = None
    gguf: GgufEntry | None = None
    peft: str | None = None
    """Folder of the LoRA checkpoint; `{task}` in it becomes the task's name."""
    peft_base: str | None = None
    """What the checkpoint calls its base, where that differs from the base entry's own name."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    quantization: Literal["none", "8bit", "4bit"] = "none"
    device_map: str | None = None
    """As accelerate's: `auto` spreads the layers over all devices."""
    batch_size: Positive | Literal["auto"] = "auto"
    max_length: Positive | None = None
    """Window in tokens, prompt and answer together; default: the model's own."""
    chat_template: str | None = None
    trust_remote_code: bool | None = None
    """Whether Python code that the model's repository or folder brings may be run; default: no. None and not False, so
    that entries recorded before there was this key stay equal to those of today."""
    parameters: Annotated[float, Field(gt=0)] | None = None
    """In billions; estimates of time and disk are made of it."""
    active_parameters: Annotated[float, Field(gt=0)] | None = None
    """Those that a token passes through, where not all do (a mixture of experts); in billions."""

    @model_validator(mode="after")
    def _origin(self) -> TransformersModelEntry:
        origins = [key for key in ("base", "pretrained", "gguf") if getattr(self, key) is not None]
        if len(origins) != 1:
            raise ValueError(
                f"has {' and '.join(origins) or 'nothing'} for its weights; set one of `pretrained`, `gguf`, `base`"
            )
        if (self.base is None) != (self.peft is None):
            raise ValueError("a LoRA checkpoint needs both `base` (a model entry) and `peft` (its folder)")
        return self

    @model_validator(mode="after")
    def _pinned(self) -> TransformersModelEntry:
        is_hub_id = self.pretrained is not None and re.fullmatch(r"\w[\w.-]*/[\w.-]+", self.pretrained)
        if is_hub_id and self.revision is None:
            raise ValueError("a hub model needs its `revision` (40 hex digits); a folder starts with ./ or /")
        return self

    def on(self, base: TransformersModelEntry) -> TransformersModelEntry:
        """The model that this LoRA entry's checkpoint is put on: the base, with what the entry says over it."""
        inherited = base.model_dump(exclude_unset=True, exclude={"model", "model_alias", "description", "tag"})
        own = self.model_dump(exclude_unset=True, exclude={"base", "peft"})
        return TransformersModelEntry.model_validate({**inherited, **own})


def _with_engine(values: Any) -> Any:
    return {"engine": "transformers", **values} if isinstance(values, dict) else values


ModelEntry = Annotated[
    Annotated[TransformersModelEntry | OpenAIModelEntry | ScriptedModelEntry, Field(discriminator="engine")],
    BeforeValidator(_with_engine),
]
"""One member an engine; an entry without `engine` runs on transformers."""


class ResolvedModel(Part):
    """A model with nothing left to look up."""

    entry: ModelEntry
    """Of a LoRA checkpoint: the model that it is put on, everything that the base entry says filled in."""
    base: TransformersModelEntry | None = None
    """The base entry of a LoRA entry."""
    peft: str | None = None
    """Folder of the LoRA checkpoint, `{task}` in it still open; from a LoRA entry, or `--model_args peft=`."""

    @property
    def name(self) -> str:
        return self.entry.model

    def record(self) -> dict[str, Any]:
        """As plain JSON values, for manifests and people: without the credentials that an address may hold."""
        entry = self.entry.model_dump(exclude_none=True)
        if isinstance(self.entry, OpenAIModelEntry):
            entry["api"]["base_url"] = without_credentials(self.entry.api.base_url)
        lora = {"base": self.base.model if self.base else None, "peft": self.peft}
        return {**entry, **{k: v for k, v in lora.items() if v is not None}}
