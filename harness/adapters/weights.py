"""Where a model's weights come from: the hub at a pinned commit, a local folder, or a GGUF file in a package.

Each knows its identity without torch and without loading anything, and gives a folder in the hub's layout
(`config.json`, tokenizer files, `*.safetensors`) when asked for one.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.cache import build_once, remember, remembered_digest
from harness.digests import digest_of
from harness.errors import CheckpointMismatch, MissingPart, one_line
from harness.extras import package_folder, require
from harness.files import JsonObject, make_folder, parse_json, read_json, whole_file, write_json
from harness.hub import Repository, surplus_weights
from harness.interfaces import Identity, Weights
from harness.kept import read_training
from harness.shapes import check_shape

__all__ = [
    "FolderWeights",
    "GgufWeights",
    "HubWeights",
    "LoraCheckpoint",
    "adapter_config",
    "copy_weights",
    "tensor_header",
]

PATTERNS = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
"""What is read of a repository or folder. No pickles: loading one runs what is in it."""
CODE = "*.py"
"""Read as well where the user trusts the code that a model brings."""
ORIGIN = "harness_origin.json"
"""Beside fetched weights: the identity of where they came from and the digests of the files."""


def copy_weights(weights: Weights, to: Path, cache: Path) -> Path:
    """The weights' files copied into a new folder, with a note of their origin; for machines without a network."""
    source = weights.folder()
    make_folder(to)
    files: dict[str, str] = {}
    paths = {str(path.relative_to(source)): path for path in _files(source, weights.trust_remote_code)}
    for name in set(paths) - {ORIGIN, "depends_on.json", *surplus_weights(list(paths))}:
        make_folder((to / name).parent)
        with whole_file(to / name) as part:
            shutil.copyfile(paths[name], part)
        files[name] = remembered_digest(to / name, cache)
    note = {"identity": dict(weights.identity), "label": weights.label, "files": files}
    write_json(to / ORIGIN, note)
    return to


def _files(folder: Path, with_code: bool) -> list[Path]:
    files = {path for pattern in PATTERNS for path in folder.glob(pattern)}
    code = set(folder.rglob(CODE)) if with_code else set()
    return sorted(path for path in files | code if path.is_file())


def _trust(trust_remote_code: bool) -> Identity:
    """What code may do is part of a model; of one without code, nothing is added."""
    return {"trust_remote_code": True} if trust_remote_code else {}


class HubWeights:
    """A repository at a revision. The commit that it is now is its identity: the hub never changes what a commit
    holds. `note` is told what was fetched another way than asked."""

    def __init__(
        self,
        repository: str,
        revision: str,
        note: Callable[[str], None] | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self._repository = Repository(repository, revision, "model", *([note] if note else []))
        self.label = self._repository.label
        self.trust_remote_code = trust_remote_code

    @cached_property
    def _pinned(self) -> Repository:
        return replace(self._repository, revision=self._repository.commit())

    @property
    def identity(self) -> Identity:
        return {
            "repository": self._pinned.name,
            "revision": self._pinned.revision,
            **_trust(self.trust_remote_code),
        }

    def folder(self) -> Path:
        return self._pinned.snapshot([*PATTERNS, *([CODE] if self.trust_remote_code else [])]).folder


class FolderWeights:
    """A local folder in the hub's layout; its identity is what the files hold, not where they lie. A folder that
    `harness fetch` wrote and that holds what was fetched has the identity of the repository: the same model on a
    machine without a network finds the same results."""

    def __init__(self, path: Path, cache: Path, trust_remote_code: bool = False) -> None:
        self.label = str(path)
        self._path, self._cache = path, cache
        self.trust_remote_code = trust_remote_code
        if not (path / "config.json").is_file() or not list(path.glob("*.safetensors")):
            raise MissingPart(f"{path}: holds no model; a folder with config.json and *.safetensors is needed")

    @property
    def identity(self) -> Identity:
        found = _files(self._path, self.trust_remote_code)
        files = {str(path.relative_to(self._path)): remembered_digest(path, self._cache) for path in found}
        origin = files.pop(ORIGIN, None)
        if origin is not None:
            fetched = read_json(self._path / ORIGIN, "fetch it again (harness fetch)")
            if fetched.get("files") == files:
                return dict(fetched["identity"])
        return {"folder": digest_of(files), **_trust(self.trust_remote_code)}

    def folder(self) -> Path:
        return self._path


class GgufWeights:
    """A GGUF file in an installed package, dequantised once to float32 safetensors, which is exact, in the cache."""

    trust_remote_code = False

    def __init__(self, package: str, file: str, install: str, cache: Path) -> None:
        self.label = f"{package}/{file}"
        self._cache = cache
        self._file = package_folder(package, install) / file
        if not self._file.is_file():
            raise MissingPart(f"the package {package} holds no {file}; run: {install}")

    @property
    def identity(self) -> Identity:
        return {"gguf": remembered_digest(self._file, self._cache)}

    def folder(self) -> Path:
        return build_once(self._cache, "weights", {"format": 1, **self.identity}, self._convert)

    def _convert(self, folder: Path) -> None:
        require("gguf")
        transformers = require("torch", "transformers")
        origin = {"pretrained_model_name_or_path": str(self._file.parent), "gguf_file": self._file.name}
        with contextlib.redirect_stderr(io.StringIO()):  # gguf draws a bar that nothing else can turn off
            model = transformers.AutoModelForCausalLM.from_pretrained(
                **origin,
                trust_remote_code=False,
                dtype="float32",
                quantization_config=transformers.GgufConfig(dequantize=True),
            )
        model.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(**origin, trust_remote_code=False).save_pretrained(folder)


def tensor_header(file: Path) -> tuple[JsonObject | None, list[str]]:
    """A safetensors file's header (name to dtype, shape, offsets; None if unreadable), and what is wrong with it."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= size - 8:
                raise ValueError("its header is truncated")
            header = parse_json(stream.read(length).decode("utf-8"))
        if isinstance(header, dict):
            header.pop("__metadata__", None)
        check_shape(header, dict[str, dict[str, Any]], "its header")
        for name, entry in header.items():
            check_shape(entry, {"dtype": str, "shape": list[int], "data_offsets": list[int]}, name[:100])
            if (
                len(offsets := entry["data_offsets"]) != 2
                or not 0 <= offsets[0] <= offsets[1]
                or min(entry["shape"], default=0) < 0
            ):
                raise ValueError(f"{name[:100]} has the shape {entry['shape']} at {offsets}")
    except ValueError as error:
        said = one_line(error, 200)
        return None, [f"adapter_model.safetensors is truncated or not a safetensors file ({said})"]
    end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if end > size:
        return None, [f"adapter_model.safetensors is truncated: it has {size:,} of {end:,} bytes"]
    return header, []


_CONFIG: dict[str, Any] = {
    "peft_type": str,
    "base_model_name_or_path": str | None,
    "bias": str,
    "fan_in_fan_out": bool,
    "init_lora_weights": bool | str,
    "layers_to_transform": list[int] | int | None,
    "layers_pattern": list[str] | str | None,
    "lora_alpha": float | None,
    "lora_dropout": float,
    "modules_to_save": list[str] | None,
    "r": int,
    "rank_pattern": dict[str, int] | None,
    "alpha_pattern": dict[str, float] | None,
    "target_modules": list[str] | str | None,
    "target_parameters": list[str] | None,
    "task_type": str | None,
    "trainable_token_indices": list[int] | dict[str, list[int]] | None,
    "use_dora": bool,
    "use_rslora": bool,
}
"""Types of what is read of an adapter_config.json here; PEFT itself looks at none."""


def adapter_config(folder: Path) -> JsonObject:
    """A checkpoint's configuration. Raises `ValueError` for what cannot be one, and for what would make PEFT import a
    module that the file names."""
    try:
        config = parse_json((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"adapter_config.json is not valid JSON ({error})") from error
    try:
        check_shape(config, {})
        check_shape(config, {key: hint for key, hint in _CONFIG.items() if key in config})
    except ValueError as error:
        raise ValueError(f"adapter_config.json: {error}") from error
    if config.get("megatron_config") is not None:
        raise ValueError(
            "adapter_config.json: megatron_config is set, which makes PEFT import megatron_core; remove it"
        )
    return dict(config)


class LoraCheckpoint:
    """A PEFT folder. Raises `MissingPart` when it is not whole; `made_by` is the command that makes it."""

    def __init__(self, path: Path, cache: Path, made_by: str | None = None) -> None:
        self.path = path
        self._cache = cache
        missing = [n for n in ("adapter_config.json", "adapter_model.safetensors") if not (path / n).is_file()]
        if missing:
            remedy = f"train it: {made_by}" if made_by else "train it (harness finetune) or fetch it first"
            raise MissingPart(f"{path}: no LoRA checkpoint there (lacks {' and '.join(missing)}); {remedy}")

    @property
    def identity(self) -> Identity:
        names = ("adapter_config.json", "adapter_model.safetensors", "tokenizer_config.json", "chat_template.jinja")
        present = [self.path / name for name in names if (self.path / name).is_file()]
        return {"lora": digest_of({path.name: remembered_digest(path, self._cache) for path in present})}

    @property
    def shares_base(self) -> bool:
        """Whether the base is the same with this checkpoint switched off. It is not where loading the checkpoint writes
        to the base: trained biases or embeddings, and initialisations that take their start out of the base's weights
        (PiSSA, OLoRA, CorDA, LoftQ)."""
        config = self._config()
        header, _ = tensor_header(self.path / "adapter_model.safetensors")  # the gate reports what is wrong with it
        plain = config.get("init_lora_weights", True) in (True, False, "gaussian", "orthogonal", "eva")
        extra = config.get("modules_to_save") or config.get("trainable_token_indices")
        return (
            plain
            and not extra
            and config.get("bias", "none") == "none"
            and config.get("peft_type") == "LORA"
            and (not any("embed" in name or "lm_head" in name for name in header or ()))
        )

    def _config(self) -> JsonObject:
        try:
            return adapter_config(self.path)
        except ValueError as error:
            raise CheckpointMismatch(f"{self.path}: {one_line(error)}") from error

    @property
    def files(self) -> Mapping[str, str]:
        """Digests of everything that the gate reads."""
        names = ("adapter_config.json", "adapter_model.safetensors", "training.json", "tokenizer.json",
                 "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")  # fmt: skip
        present = [name for name in names if (self.path / name).is_file()]
        return {name: remembered_digest(self.path / name, self._cache) for name in present}

    @property
    def training_record(self) -> JsonObject:
        """What `harness finetune` wrote of the training; empty for a checkpoint from elsewhere, which has none. Raises
        `DataError` for one that cannot be read: what is leaked could not be told without it."""
        path = self.path / "training.json"
        return read_training(path) if path.is_file() else {}

    def remembered_faults(self, depends_on: Mapping[str, object], ask: Callable[[], list[str]]) -> list[str]:
        """What `ask` finds wrong; that nothing is wrong is remembered, so that it is checked once."""
        passed = self._cache / "gates" / digest_of(depends_on)[:32]
        if passed.is_file():
            return []
        if not (faults := ask()):
            remember(passed, "")
        return faults

    def check_base(self, accepted: Sequence[str], base: str) -> None:
        """Raises `CheckpointMismatch` when the checkpoint names a base that is none of `accepted`."""
        trained_on = self._config().get("base_model_name_or_path")
        same_place = {str(Path(name).expanduser().resolve()) for name in accepted}
        if trained_on and trained_on not in accepted and str(Path(trained_on).expanduser().resolve()) not in same_place:
            raise CheckpointMismatch(
                f"{self.path}: this LoRA checkpoint was trained on {trained_on!r}, and here it is put on {base!r}; "
                f"give it its base, or set `peft_base: {trained_on}` in the model entry if they are the same"
            )
