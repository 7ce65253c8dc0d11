"""What all rankers share: chunks, scope, and passages out of chunk numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from harness.interfaces import Identity
from harness.records import Passage, Query
from harness.retrieval.chunk_store import ChunkStore

__all__ = ["Chunks", "NoRetriever", "OracleRetriever", "Ranker", "RetrieverSettings"]


RetrieverSettings = Mapping[str, Any]
"""A retriever's parameters as its entry has them; all of them are part of its identity."""


class Chunks:
    """The chunks of a corpus, cut when they are first needed. `identity` names the corpus and the cut; `contents` is
    the digest of their files, by name."""

    def __init__(
        self,
        identity: Identity,
        open_store: Callable[[], ChunkStore],
        contents: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.identity = dict(identity)
        self._open_store = open_store
        self.contents = contents

    @cached_property
    def store(self) -> ChunkStore:
        return self._open_store()


class Ranker(ABC):
    """A retriever over chunks. Subclasses define how a batch of queries ranks chunk numbers."""

    def __init__(self, chunks: Chunks, settings: RetrieverSettings) -> None:
        self._chunks = chunks
        self.settings = dict(settings)

    @property
    def identity(self) -> Identity:
        return {"chunks": self._chunks.identity, "retriever": self.settings}

    @property
    def index_digests(self) -> Mapping[str, str]:
        return self._chunks.contents()

    @abstractmethod
    def rank(self, queries: Sequence[Query], top_k: int) -> list[list[tuple[int, float]]]:
        """(chunk number, score) for each query, best first, ties by chunk number."""

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        store = self._chunks.store
        return [
            [store.passage(chunk, rank, score) for rank, (chunk, score) in enumerate(ranking, start=1)]
            for ranking in self.rank(queries, top_k)
        ]

    def _within(self, query: Query) -> np.ndarray | None:
        """The chunks that a query is limited to, or None for all."""
        return self._chunks.store.of_documents(query.within) if query.within is not None else None


class OracleRetriever(Ranker):
    """The gold passages, for the `oracle` arm: the chunks that hold the gold spans, else the gold documents' first
    chunks, document by document. The score is 0: there is no ranking."""

    def __init__(self, chunks: Chunks) -> None:
        super().__init__(chunks, {"kind": "oracle"})

    def rank(self, queries: Sequence[Query], top_k: int) -> list[list[tuple[int, float]]]:
        return [[(chunk, 0.0) for chunk in self._gold(query)[:top_k]] for query in queries]

    def _gold(self, query: Query) -> list[int]:
        store = self._chunks.store
        if query.gold_spans:
            return list(dict.fromkeys(chunk for span in query.gold_spans for chunk in store.overlapping(span)))
        chunk_ranges = [store.of_documents([name]) for name in query.gold_document_ids]
        longest = max((len(chunks) for chunks in chunk_ranges), default=0)
        # first chunks of all gold documents, then their second chunks, and so on
        return [int(chunks[i]) for i in range(longest) for chunks in chunk_ranges if i < len(chunks)]


class NoRetriever:
    """Nothing, for the `closed_book` arm."""

    @property
    def identity(self) -> Identity:
        return {"retriever": {"kind": "none"}}

    @property
    def index_digests(self) -> Mapping[str, str]:
        return {}

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        return [[] for _ in queries]
