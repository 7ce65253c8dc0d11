"""Packages that are extras: imported when first needed, and when one is missing the error names what to install."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import warnings
from pathlib import Path
from types import ModuleType

from harness.errors import MissingPart

__all__ = ["package_folder", "require"]

_EXTRA_OF = {
    "torch": "transformers",
    "transformers": "transformers",
    "peft": "transformers",
    "accelerate": "transformers",
    "huggingface_hub": "transformers",
    "httpx2": "transformers",  # what huggingface_hub speaks with
    "gguf": "transformers",
    "bitsandbytes": "quantization",
    "sentence_transformers": "dense",
    "faiss": "dense",
    "sklearn": "dense",
    "datasets": "hub",
    "openai": "openai",
    "tenacity": "openai",
    "matplotlib": "finetune",
    "datasketch": "finetune",
    "safetensors": "transformers",
}


def require(*modules: str) -> ModuleType:
    """Imports the modules and returns the last. Raises `MissingPart` for one that is not installed; an import that
    fails for another reason keeps its traceback."""
    for name in modules:
        package = name.split(".")[0]
        if importlib.util.find_spec(package) is None:
            extra = _EXTRA_OF[package]
            raise MissingPart(f"the package {package} is not installed; run: pip install 'fine-or-fail[{extra}]'")
    # its CPU kernels look for an optional package and warn where nobody asked for 4 bits
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    imported = {name: importlib.import_module(name) for name in modules}
    if "transformers" in imported:
        imported["transformers"].utils.logging.disable_progress_bar()  # the stages have bars of their own
    if "peft" in imported:
        # peft 0.21 asks transformers 5.23 for an attribute by its old name; nothing that a user could fix
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    return imported[modules[-1]]


def package_folder(package: str, install: str) -> Path:
    """The folder of an installed package, without importing it. Raises `MissingPart` with the command to install it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingPart(f"the package {package} is not installed; run: {install}")
    return Path(spec.origin).parent
