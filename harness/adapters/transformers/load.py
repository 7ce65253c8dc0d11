"""Weights into memory: precision, quantisation by bitsandbytes, placement by accelerate, LoRA checkpoints by PEFT."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.adapters.weights import LoraCheckpoint
from harness.digests import digest_of
from harness.errors import CheckpointMismatch, HarnessError, UsageError
from harness.extras import require
from harness.interfaces import Weights
from harness.remote_code import check_references, names_code, only_trusted_code

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import BitsAndBytesConfig, PreTrainedModel

__all__ = ["LoadSettings", "Loader"]


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How weights are loaded. `device` goes over `device_map`; both None: a GPU if there is one. `max_length` None: the
    model's own window."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    quantization: Literal["none", "8bit", "4bit"] = "none"
    device: str | None = None
    device_map: str | None = None
    batch_size: int | Literal["auto"] = "auto"
    max_length: int | None = None
    chat_template: str | None = None
    licence: str = ""
    gate: bool = True
    """Whether a LoRA checkpoint must pass `adapters.gate` before it answers."""

    @property
    def narrows_lora(self) -> bool:
        """Whether A and B are computed in the base's 16 bits. PEFT widens them to 32, which training needs; in
        evaluation every layer would be computed in both precisions. Beside 8-bit weights PEFT has them in 32 bits
        whatever is asked."""
        return self.dtype != "float32" and self.quantization != "8bit"


class Loader:
    """One base and the LoRA checkpoint that belongs on it, if any; `name` is for messages."""

    def __init__(self, name: str, weights: Weights, settings: LoadSettings, lora: LoraCheckpoint | None) -> None:
        self._name, self._weights, self._settings, self._lora = name, weights, settings, lora

    @cached_property
    def device(self) -> str:
        """Raises `UsageError` when the device that was asked for is not there."""
        torch = require("torch")
        if (device := self._settings.device) is not None:
            there = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
            there += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
            if device not in there:
                raise UsageError(
                    f"--device {device}: there is no such device on this machine; try {' or '.join(there)}"
                )
            return device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def _placement(self) -> str:
        """As accelerate's `device_map`; a device that was asked for wins over the entry's."""
        return (self._settings.device_map if self._settings.device is None else None) or self.device

    @cached_property
    def uses_gpu(self) -> bool:
        """What `device` is, without importing torch where it is built for CPUs alone."""
        if (device := self._settings.device) is not None:
            return device != "cpu"
        return _built_for_gpus() and self.device != "cpu"

    @cached_property
    def weights_key(self) -> str:
        """Names what is in memory, LoRA checkpoints that share their base apart."""
        settings = self._settings
        return digest_of(
            {
                "weights": dict(self._weights.identity),
                "dtype": settings.dtype,
                "quantization": settings.quantization,
                "device": self._placement,
                **({} if self._lora is None or self._lora.shares_base else self._lora.identity),
            }
        )

    def check_code(self) -> None:
        """Raises `UsageError` when the model needs code of its own that may not be run: before anything is loaded."""
        folder, trusted = self._weights.folder(), self._weights.trust_remote_code
        if trusted:
            check_references(folder, self._weights.label)
        elif names_code(folder):
            with only_trusted_code(self._weights.label):
                require("transformers").AutoConfig.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )

    def load_base(self, eos_token_id: int | None, pad_token_id: int | None) -> PreTrainedModel:
        """The base as its entry says, with no decoding settings of its own but its end tokens."""
        torch = require("torch")
        transformers = require("accelerate", "transformers")
        settings = self._settings
        quantized = {} if settings.quantization == "none" else {"quantization_config": self._quantization()}
        with only_trusted_code(self._weights.label):
            model = transformers.AutoModelForCausalLM.from_pretrained(
                self._weights.folder(),
                dtype=getattr(torch, settings.dtype),
                device_map=self._placement,
                local_files_only=True,
                trust_remote_code=self._weights.trust_remote_code,
                **quantized,
            )
        if settings.quantization != "none":
            self._check_quantized(model)
        ends = model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends]) | {eos_token_id}
        model.generation_config = transformers.GenerationConfig(
            eos_token_id=sorted(end for end in ends if end is not None), pad_token_id=pad_token_id
        )
        return model.eval()

    def _quantization(self) -> BitsAndBytesConfig:
        require("bitsandbytes")
        return require("transformers").BitsAndBytesConfig(
            load_in_4bit=self._settings.quantization == "4bit",
            load_in_8bit=self._settings.quantization == "8bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=getattr(require("torch"), self._settings.dtype),
        )

    def _check_quantized(self, model: PreTrainedModel) -> None:
        """bitsandbytes quantises linear layers and passes over the rest in silence: of Mixtral, whose experts are fused
        into one parameter, it leaves most at 16 bits. Such a model is not what its entry says."""
        embeddings = {id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings()) if part}
        weights = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in embeddings]
        packing = 2 if self._settings.quantization == "4bit" else 1  # 4-bit weights lie two in a byte
        whole = sum(p.numel() for p in weights if p.dtype.is_floating_point)
        quantized = sum(p.numel() * packing for p in weights if not p.dtype.is_floating_point)
        if whole > 0.25 * (whole + quantized):
            raise HarnessError(
                f"{self._name}: bitsandbytes leaves {100 * whole / (whole + quantized):.0f} % of the weights of "
                f"{self._weights.label} at 16 bits (fused experts?); it would not be the "
                f"{self._settings.quantization} model that its entry names"
            )

    def attach(self, model: PreTrainedModel | PeftModel, name: str) -> PeftModel:
        """The model with the checkpoint on it under `name`, beside those that are there already, and active. Raises
        `CheckpointMismatch` when it does not have the shape of the base."""
        lora, peft = self._lora, require("peft")
        if lora is None:
            raise ValueError("a base model has no checkpoint to attach")
        narrow = {"autocast_adapter_dtype": not self._settings.narrows_lora}
        try:
            if isinstance(model, peft.PeftModel):
                model.load_adapter(str(lora.path), adapter_name=name, **narrow)
                model.base_model.enable_adapter_layers()
                model.set_adapter(name)
            else:
                model = peft.PeftModel.from_pretrained(model, str(lora.path), adapter_name=name, **narrow)
        except RuntimeError as error:
            if "size mismatch" not in str(error):
                raise
            raise CheckpointMismatch(
                f"{lora.path}: this LoRA checkpoint does not have the shape of {self._weights.label}; "
                "it belongs to another base"
            ) from error
        return model.eval()


def _built_for_gpus() -> bool:
    """By the file in which torch says what it was built for."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    version = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    return any(re.search(rf"^{kind}\b[^=]*=(?! *None)", version, re.MULTILINE) for kind in ("cuda", "hip"))
