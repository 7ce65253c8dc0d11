"""Vector similarity search: a sentence-transformers encoder and a FAISS index over unit vectors (inner product is
cosine). `flat` is exact; `hnsw` and `ivf` are FAISS's approximate indexes for large corpora.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.cache import build_once
from harness.extras import require
from harness.interfaces import Progress
from harness.records import Query
from harness.retrieval.base import Chunks, Ranker
from harness.retrieval.ranking import best

__all__ = ["DenseRetriever", "Encoder", "SentenceEncoder"]

_BATCH = 64
_SLICE = 2_048  # chunks between two reports of progress
_SPARE = 32  # ranks fetched beyond top_k, so that ties at the edge are broken by chunk and not by FAISS


class Encoder(Protocol):
    """Texts to unit vectors, float32 (n, dimensions)."""

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


class SentenceEncoder:
    """A sentence-transformers model in a local folder."""

    def __init__(self, folder: Path, max_seq_length: int | None = None) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(folder), local_files_only=True)
        if max_seq_length is not None:
            self._model.max_seq_length = max_seq_length

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._model.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)


class DenseRetriever(Ranker):
    """`open_encoder` is called when the first vector is needed. `settings` holds the encoder's digest and `index`."""

    def __init__(
        self,
        chunks: Chunks,
        settings: Mapping[str, Any],
        cache: Path,
        open_encoder: Callable[[], Encoder],
        progress: Progress,
    ) -> None:
        super().__init__(chunks, settings)
        self._cache, self._open_encoder, self._progress = cache, open_encoder, progress

    @cached_property
    def _encoder(self) -> Encoder:
        return self._open_encoder()

    @cached_property
    def _index(self) -> Any:
        faiss = require("faiss")
        folder = build_once(self._cache, "indexes", {"format": 1, **self.identity}, self._build)
        return faiss.read_index(str(folder / "index.faiss"), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)

    def _build(self, folder: Path) -> None:
        faiss = require("faiss")
        vectors = self._encode_all()
        count, dimensions = vectors.shape
        index: Any
        match self.settings["index"]:
            case "flat":
                index = faiss.IndexFlatIP(dimensions)
            case "hnsw":
                index = faiss.IndexHNSWFlat(dimensions, 32, faiss.METRIC_INNER_PRODUCT)
                index.hnsw.efConstruction, index.hnsw.efSearch = 200, 128
            case _:
                lists = max(1, min(4_096, int(4 * count**0.5), count // 39))  # FAISS wants 39 points a list to train
                index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimensions), dimensions, lists, faiss.METRIC_INNER_PRODUCT)
                index.train(vectors)
                index.nprobe = min(lists, 16)
        index.add(vectors)
        faiss.write_index(index, str(folder / "index.faiss"))

    def _encode_all(self) -> np.ndarray:
        """Vectors of all chunks, in chunk order; encoded from long to short, so that a batch pads little."""
        store = self._chunks.store
        texts = [store.indexed_text(chunk) for chunk in range(len(store))]
        by_length = sorted(range(len(texts)), key=lambda chunk: (-len(texts[chunk]), chunk))
        vectors: np.ndarray | None = None
        self._progress.start("embed", len(texts))
        for first in range(0, len(by_length), _SLICE):
            chunks = by_length[first : first + _SLICE]
            encoded = self._encoder.encode([texts[chunk] for chunk in chunks])
            if vectors is None:
                vectors = np.empty((len(texts), encoded.shape[1]), dtype=np.float32)
            vectors[chunks] = encoded
            self._progress.advance(len(chunks))
        self._progress.finish()
        return vectors if vectors is not None else np.zeros((0, 1), dtype=np.float32)

    def rank(self, queries: Sequence[Query], top_k: int) -> list[list[tuple[int, float]]]:
        index = self._index
        vectors = self._encoder.encode([query.text for query in queries])
        return [
            self._rank(index, vector, self._within(query), top_k)
            for vector, query in zip(vectors, queries, strict=True)
        ]

    @staticmethod
    def _rank(index: Any, vector: np.ndarray, within: np.ndarray | None, top_k: int) -> list[tuple[int, float]]:
        faiss = require("faiss")
        if within is not None:  # few chunks: exact, whatever the index
            stored = (
                np.stack([index.reconstruct(int(chunk)) for chunk in within])
                if len(within)
                else np.zeros((0, len(vector)))
            )
            return [(int(within[i]), score) for i, score in best(stored @ vector, top_k)]
        wanted = min(top_k + _SPARE, index.ntotal)
        parameters = (
            faiss.SearchParametersHNSW(efSearch=max(128, wanted)) if isinstance(index, faiss.IndexHNSWFlat) else None
        )
        scores, chunks = index.search(vector[None, :], wanted, params=parameters)
        found = chunks[0] >= 0  # an approximate index may find fewer and fills up with -1
        order = np.lexsort((chunks[0][found], -scores[0][found]))[:top_k]
        return [(int(chunks[0][found][i]), float(scores[0][found][i])) for i in order]
