"""Where a model's weights come from: the hub at a pinned commit, a local folder, or a GGUF file in a package.

Each knows its identity without torch and without loading anything, and gives a folder in the hub's layout
(`config.json`, tokenizer files, `*.safetensors`) when asked for one.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.cache import build_once, remember, remembered_digest
from harness.digests import digest_of
from harness.errors import CheckpointMismatch, MissingPart
from harness.extras import package_folder, require
from harness.files import JsonObject, make_folder, parse_json, read_json, whole_file, write_json
from harness.hub import snapshot
from harness.interfaces import Identity, Weights

__all__ = ["FolderWeights", "GgufWeights", "HubWeights", "LoraCheckpoint", "copy_weights", "tensor_header"]

PATTERNS = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
"""What is read of a repository or folder. No pickles: loading one runs what is in it."""
ORIGIN = "harness_origin.json"
"""Beside fetched weights: the identity of where they came from and the digests of the files."""


def copy_weights(weights: Weights, to: Path, cache: Path) -> Path:
    """The weights' files copied into a new folder, with a note of their origin; for machines without a network."""
    source = weights.folder()
    make_folder(to)
    files: dict[str, str] = {}
    for path in _files(source):
        if path.name not in (ORIGIN, "depends_on.json"):
            with whole_file(to / path.name) as part:
                shutil.copyfile(path, part)
            files[path.name] = remembered_digest(to / path.name, cache)
    note = {"identity": dict(weights.identity), "label": weights.label, "files": files}
    write_json(to / ORIGIN, note)
    return to


def _files(folder: Path) -> list[Path]:
    return sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()})


class HubWeights:
    """A repository at a commit. The commit is its identity: the hub never changes what a commit holds."""

    def __init__(self, repository: str, revision: str) -> None:
        self.label = f"{repository}@{revision[:8]}"
        self._repository, self._revision = repository, revision

    @property
    def identity(self) -> Identity:
        return {"repository": self._repository, "revision": self._revision}

    def folder(self) -> Path:
        return snapshot(self._repository, self._revision, PATTERNS, "model").folder


class FolderWeights:
    """A local folder in the hub's layout; its identity is what the files hold, not where they lie. A folder that
    `harness fetch` wrote and that holds what was fetched has the identity of the repository: the same model on a
    machine without a network finds the same results."""

    def __init__(self, path: Path, cache: Path) -> None:
        self.label = str(path)
        self._path, self._cache = path, cache
        if not (path / "config.json").is_file() or not list(path.glob("*.safetensors")):
            raise MissingPart(f"{path}: holds no model; a folder with config.json and *.safetensors is needed")

    @property
    def identity(self) -> Identity:
        files = {path.name: remembered_digest(path, self._cache) for path in _files(self._path)}
        origin = files.pop(ORIGIN, None)
        if origin is not None:
            fetched = read_json(self._path / ORIGIN, "fetch it again (harness fetch)")
            if fetched.get("files") == files:
                return dict(fetched["identity"])
        return {"folder": digest_of(files)}

    def folder(self) -> Path:
        return self._path


class GgufWeights:
    """A GGUF file in an installed package, dequantised once to float32 safetensors, which is exact, in the cache."""

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
                **origin, dtype="float32", quantization_config=transformers.GgufConfig(dequantize=True)
            )
        model.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(**origin).save_pretrained(folder)


def tensor_header(file: Path) -> tuple[JsonObject | None, list[str]]:
    """A safetensors file's header (name to dtype, shape, offsets; None if unreadable), and what is wrong with it."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= size - 8:
                raise ValueError("its header is truncated")
            header = json.loads(stream.read(length))
    except ValueError as error:
        return None, [f"adapter_model.safetensors is truncated or not a safetensors file ({error})"]
    header.pop("__metadata__", None)
    end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if end > size:
        return None, [f"adapter_model.safetensors is truncated: it has {size:,} of {end:,} bytes"]
    return header, []


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
            config = json.loads((self.path / "adapter_config.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointMismatch(f"{self.path}: adapter_config.json is not valid JSON ({error})") from error
        return dict(config)

    @property
    def files(self) -> Mapping[str, str]:
        """Digests of everything that the gate reads."""
        names = ("adapter_config.json", "adapter_model.safetensors", "training.json", "tokenizer.json",
                 "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")  # fmt: skip
        present = [name for name in names if (self.path / name).is_file()]
        return {name: remembered_digest(self.path / name, self._cache) for name in present}

    @property
    def training_record(self) -> JsonObject:
        """What `harness finetune` wrote of the training; empty for a checkpoint from elsewhere."""
        try:
            record = parse_json((self.path / "training.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) and "pairs" in record else {}

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
