"""Vector similarity search: a sentence-transformers encoder and a FAISS index over unit vectors (inner product is
cosine). `flat` is exact; `hnsw` and `ivf` are FAISS's approximate indexes for large corpora. A query that is limited to
documents (`scope: document`) needs their vectors alone, which are kept document by document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.cache import Derived, build_once
from harness.errors import DataError
from harness.extras import require
from harness.interfaces import Encoder, Progress
from harness.records import Query
from harness.remote_code import only_trusted_code
from harness.retrieval.base import Chunks, Ranker, RetrieverSettings
from harness.retrieval.ranking import best

if TYPE_CHECKING:
    from faiss import Index

__all__ = ["DenseRetriever", "SentenceEncoder"]

_BATCH = 64
_SLICE = 2_048  # chunks between two reports of progress
_SPARE = 32  # ranks fetched beyond top_k, so that ties at the edge are broken by chunk and not by FAISS


class SentenceEncoder:
    """A sentence-transformers model in a local folder."""

    def __init__(self, folder: Path, max_seq_length: int | None = None, trust_remote_code: bool = False) -> None:
        from sentence_transformers import SentenceTransformer

        with only_trusted_code(str(folder)):
            self._model = SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=trust_remote_code)
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
        settings: RetrieverSettings,
        cache: Path,
        open_encoder: Callable[[], Encoder],
        progress: Progress,
    ) -> None:
        super().__init__(chunks, settings)
        self._cache, self._open_encoder, self._progress = cache, open_encoder, progress
        self._files = Derived(cache, "indexes", {"format": 1, **self.identity}, self._build)

    @property
    def index_digests(self) -> Mapping[str, str]:
        return {**super().index_digests, **self._files.contents()}

    @cached_property
    def _encoder(self) -> Encoder:
        return self._open_encoder()

    @cached_property
    def _index(self) -> Index:
        faiss = require("faiss")
        file = self._files.folder() / "index.faiss"
        index: Index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        return index

    def _build(self, folder: Path) -> None:
        faiss = require("faiss")
        vectors = self._encode_all()
        count, dimensions = vectors.shape
        match self.settings["index"]:
            case "flat":
                index = faiss.IndexFlatIP(dimensions)
            case "hnsw":
                index = faiss.IndexHNSWFlat(dimensions, 32, faiss.METRIC_INNER_PRODUCT)
                index.hnsw.efConstruction, index.hnsw.efSearch = 200, 128
            case "ivf":
                lists = max(1, min(4_096, int(4 * count**0.5), count // 39))  # FAISS wants 39 points a list to train
                index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimensions), dimensions, lists, faiss.METRIC_INNER_PRODUCT)
                index.train(vectors)
                index.nprobe = min(lists, 16)
            case kind:
                raise ValueError(f"there is no index of kind {kind!r}")
        index.add(vectors)
        faiss.write_index(index, str(folder / "index.faiss"))

    def _encode_all(self) -> np.ndarray:
        """Vectors of all chunks, in chunk order; encoded from long to short, so that a batch pads little."""
        store = self._chunks.store
        if not len(store):
            raise DataError("the corpus holds no text; there is nothing to retrieve from")
        by_length = np.argsort(-store.lengths(), kind="stable")
        vectors: np.ndarray | None = None
        self._progress.start("embed", len(store))
        for first in range(0, len(by_length), _SLICE):
            chunks = by_length[first : first + _SLICE]
            encoded = self._encoder.encode([store.indexed_text(int(chunk)) for chunk in chunks])
            if vectors is None:
                vectors = np.empty((len(store), encoded.shape[1]), dtype=np.float32)
            vectors[chunks] = encoded
            self._progress.advance(len(chunks))
        self._progress.finish()
        return vectors if vectors is not None else np.zeros((0, 1), dtype=np.float32)

    def rank(self, queries: Sequence[Query], top_k: int) -> list[list[tuple[int, float]]]:
        vectors = self._encoder.encode([query.text for query in queries])
        return [
            self._rank_all(vector, top_k) if query.within is None else self._rank_within(vector, query.within, top_k)
            for vector, query in zip(vectors, queries, strict=True)
        ]

    def _rank_within(self, vector: np.ndarray, documents: Sequence[str], top_k: int) -> list[tuple[int, float]]:
        """Exact, over the vectors of these documents alone: the rest of the corpus is never encoded for it."""
        store = self._chunks.store
        scores: list[tuple[int, float]] = []
        for document in documents:
            chunks = store.of_documents([document])
            if len(chunks):
                ranking = best(self._vectors_of(document, chunks) @ vector, top_k)
                scores += [(int(chunks[number]), score) for number, score in ranking]
        return sorted(scores, key=lambda item: (-item[1], item[0]))[:top_k]

    def _vectors_of(self, document: str, chunks: np.ndarray) -> np.ndarray:
        store = self._chunks.store

        def build(folder: Path) -> None:
            vectors = self._encoder.encode([store.indexed_text(int(chunk)) for chunk in chunks])
            np.save(folder / "vectors.npy", vectors)

        folder = build_once(self._cache, "vectors", {"format": 1, **self.identity, "document": document}, build)
        vectors: np.ndarray = np.load(folder / "vectors.npy", mmap_mode="r")
        return vectors

    def _rank_all(self, vector: np.ndarray, top_k: int) -> list[tuple[int, float]]:
        faiss = require("faiss")
        index = self._index
        count = min(top_k + _SPARE, index.ntotal)
        options = {}
        if isinstance(index, faiss.IndexHNSW):
            options["params"] = faiss.SearchParametersHNSW(efSearch=max(128, count))
        scores, chunks = index.search(vector[None, :], count, **options)
        filled = chunks[0] >= 0  # an approximate index may find fewer and fills up with -1
        order = np.lexsort((chunks[0][filled], -scores[0][filled]))[:top_k]
        return [(int(chunks[0][filled][number]), float(scores[0][filled][number])) for number in order]
