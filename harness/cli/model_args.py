"""`--model hf --model_args pretrained=…,peft=…`: a model without an entry, in lm-eval's way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import EntryError, UsageError, near_names
from harness.files import safe_name

if TYPE_CHECKING:
    from harness.entries.catalog import Catalog
    from harness.entries.model import ResolvedModel

__all__ = ["model_from_arguments"]

_KNOWN = ("base", "device_map", "dtype", "load_in_4bit", "load_in_8bit", "max_length", "peft", "peft_base",
          "pretrained", "revision", "trust_remote_code")  # fmt: skip
_ON_BASE = {"base", "peft", "load_in_4bit", "load_in_8bit", "trust_remote_code"}


def model_from_arguments(catalog: Catalog, arguments: Mapping[str, object]) -> ResolvedModel:
    """Raises `UsageError` for what cannot be put together."""
    unknown = [f"{key}{near_names(key, _KNOWN)}" for key in arguments if key not in _KNOWN]
    on_base = arguments.get("base") is not None
    if on_base and (unknown or set(arguments) - _ON_BASE or not arguments.get("peft")):
        raise UsageError(
            "--model_args: base= (a model entry) goes with peft= (a checkpoint's folder), and with load_in_4bit=True "
            "or load_in_8bit=True"
        )
    if not on_base and (unknown or "pretrained" not in arguments):
        wrong = f"unknown {', '.join(unknown)}" if unknown else "pretrained= is missing"
        raise UsageError(f"--model_args: {wrong}; it can have {', '.join(_KNOWN)}")
    if "peft" in arguments and not arguments["peft"]:
        raise UsageError("--model_args: peft= is empty; name the checkpoint's folder, or leave it out for the base")
    values = {key: value for key, value in arguments.items() if not key.startswith("load_in_")}
    bits = [name for name in ("4bit", "8bit") if arguments.get(f"load_in_{name}")]
    peft = str(values["peft"]) if "peft" in values else None
    if peft is not None and not on_base:
        del values["peft"]  # not a LoRA entry: its weights are its own
    values |= {
        "model": _name(arguments, peft),
        "description": "from --model_args",
        "licence": "not stated",
        "metadata": {"version": 0},
        **({"quantization": bits[0]} if bits else {}),
    }
    try:
        return catalog.resolved_model(values, peft=None if on_base else peft)
    except EntryError as error:
        named = f"model {values['model']}: "
        raise UsageError(*(f"--model_args: {line.removeprefix(named)}" for line in error.problems)) from error


def _name(arguments: Mapping[str, object], peft: str | None) -> str:
    """The folder's or repository's last part, and the checkpoint's behind it."""
    checkpoint = Path(peft).name if peft else ""
    if arguments.get("base") is not None:
        return safe_name(checkpoint)
    own = str(arguments["pretrained"]).strip("/.").split("/")[-1]
    return safe_name(f"{own}-{checkpoint}" if checkpoint else own)
