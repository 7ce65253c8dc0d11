"""BM25 by two libraries: `bm25s` (sparse scores computed when indexing, memory-mapped) and `rank-bm25` (plain Python,
the reference that the tests compare with, for small corpora).

Robertson, Zaragoza 2009, doi:10.1561/1500000019; the variants are those of Kamphuis et al. 2020,
doi:10.1007/978-3-030-45442-5_4. A chunk without any word of the query scores 0 and may still be returned, last, so
that a query always gets `top_k` passages where the corpus has so many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.cache import Derived
from harness.errors import DataError
from harness.records import Query
from harness.retrieval.base import Chunks, Ranker, RetrieverSettings
from harness.retrieval.ranking import best
from harness.retrieval.tokens import words

if TYPE_CHECKING:
    import bm25s
    import rank_bm25

__all__ = ["Bm25Retriever", "RankBm25Retriever"]


def _tokens(chunks: Chunks) -> list[list[str]]:
    store = chunks.store
    tokens = [words(store.indexed_text(chunk)) for chunk in range(len(store))]
    if not any(tokens):
        raise DataError("the corpus holds no word; there is nothing to retrieve from")
    return tokens


class _SparseRanker(Ranker):
    def _scores(self, tokens: list[str]) -> np.ndarray:
        raise NotImplementedError

    def rank(self, queries: Sequence[Query], top_k: int) -> list[list[tuple[int, float]]]:
        return [best(self._scores(words(query.text)), top_k, self._within(query)) for query in queries]


class Bm25Retriever(_SparseRanker):
    """`variant`, `k1`, `b`, `delta` as bm25s names them (`delta` is used by bm25l and bm25+ alone)."""

    def __init__(self, chunks: Chunks, settings: RetrieverSettings, cache: Path) -> None:
        super().__init__(chunks, settings)
        self._files = Derived(cache, "indexes", {"format": 1, **self.identity}, self._build)

    @property
    def index_digests(self) -> Mapping[str, str]:
        return {**super().index_digests, **self._files.contents()}

    @cached_property
    def _index(self) -> bm25s.BM25:
        import bm25s

        return bm25s.BM25.load(self._files.folder(), mmap=True, load_vocab=True)

    def _build(self, folder: Path) -> None:
        import bm25s

        index = bm25s.BM25(
            method=self.settings["variant"],
            k1=self.settings["k1"],
            b=self.settings["b"],
            delta=self.settings["delta"],
            backend="numpy",
        )
        index.index(_tokens(self._chunks), show_progress=False)
        index.save(folder, show_progress=False)

    def _scores(self, tokens: list[str]) -> np.ndarray:
        known = [token for token in tokens if token in self._index.vocab_dict]
        if not known:
            return np.zeros(len(self._chunks.store), dtype=np.float32)
        scores: np.ndarray = self._index.get_scores(known)
        return scores


class RankBm25Retriever(_SparseRanker):
    """`rank_bm25`'s classes. Kept in memory and built again in each process: it is the reference, not the fast one."""

    @cached_property
    def _index(self) -> rank_bm25.BM25:
        import rank_bm25

        settings = self.settings
        tokens = _tokens(self._chunks)
        match settings["variant"]:
            case "okapi":
                return rank_bm25.BM25Okapi(tokens, k1=settings["k1"], b=settings["b"])
            case "bm25l":
                return rank_bm25.BM25L(tokens, k1=settings["k1"], b=settings["b"], delta=settings["delta"])
            case "bm25+":
                return rank_bm25.BM25Plus(tokens, k1=settings["k1"], b=settings["b"], delta=settings["delta"])
            case variant:
                raise ValueError(f"rank_bm25 has no variant {variant!r}")

    def _scores(self, tokens: list[str]) -> np.ndarray:
        return np.asarray(self._index.get_scores(tokens))
