"""Several rankers fused by reciprocal rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.records import Query
from harness.retrieval.base import Chunks, Ranker, RetrieverSettings
from harness.retrieval.ranking import fuse

__all__ = ["HybridRetriever"]


class HybridRetriever(Ranker):
    """`settings` holds `depth` (ranks taken of each part) and `rrf_k`; the parts' own settings join the identity."""

    def __init__(self, chunks: Chunks, settings: RetrieverSettings, parts: Sequence[Ranker]) -> None:
        super().__init__(chunks, {**settings, "parts": [part.settings for part in parts]})
        self._parts = parts

    @property
    def index_digests(self) -> Mapping[str, str]:
        return {name: digest for part in self._parts for name, digest in part.index_digests.items()}

    def rank(self, queries: Sequence[Query], top_k: int) -> list[list[tuple[int, float]]]:
        depth = max(self.settings["depth"], top_k)
        by_part = [part.rank(queries, depth) for part in self._parts]
        return [fuse(rankings, top_k, self.settings["rrf_k"]) for rankings in zip(*by_part, strict=True)]
