"""Retrieval: bm25s against rank-bm25 on the same chunks of the same world, side by side in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.records import Query
from harness.retrieval.base import Chunks
from harness.retrieval.bm25 import Bm25Retriever, RankBm25Retriever
from harness.retrieval.chunk_store import ChunkStore
from harness.retrieval.chunking import Chunker
from harness.sources.world.source import SyntheticWorld

SETTINGS = {"variant": "bm25+", "k1": 1.5, "b": 0.75, "delta": 1.0}


@pytest.fixture(scope="module")
def world() -> SyntheticWorld:
    return SyntheticWorld("telecom", documents=1_000, questions=400, pool=200, seed=7)


@pytest.fixture(scope="module")
def chunks(world: SyntheticWorld, tmp_path_factory: pytest.TempPathFactory) -> Chunks:
    folder = tmp_path_factory.mktemp("chunks")
    ChunkStore.build(folder, world.documents(), Chunker())
    return Chunks({"corpus": "benchmark"}, lambda: ChunkStore(folder))


@pytest.mark.benchmark(group="search: 50 queries, 1,000 documents")
@pytest.mark.parametrize("kind", ["bm25s", "rank_bm25"])
def test_search(benchmark: Any, world: SyntheticWorld, chunks: Chunks, tmp_path: Path, kind: str) -> None:
    retriever: Any = (
        Bm25Retriever(chunks, {"kind": "bm25", **SETTINGS}, tmp_path)
        if kind == "bm25s"
        else RankBm25Retriever(chunks, {"kind": "rank_bm25", **SETTINGS})
    )
    queries = [Query(question.text) for question in world.questions("evaluation")[:50]]
    retriever.search(queries[:1], 5)  # the index is built before the clock starts
    benchmark.pedantic(retriever.search, args=(queries, 5), rounds=3, iterations=1)


@pytest.mark.benchmark(group="making the world")
@pytest.mark.parametrize("documents", [300, 3_000])
def test_make_documents(benchmark: Any, documents: int) -> None:
    benchmark.pedantic(
        lambda: sum(1 for _ in SyntheticWorld("telecom", documents, 60, 20, 7).documents()), rounds=2, iterations=1
    )
