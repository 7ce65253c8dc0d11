"""Retrievers: the rankers of `retrieval:` blocks, and the two arms that do not rank."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from harness.build.encoders import build_encoder
from harness.build.resources import Resources
from harness.cache import Derived
from harness.entries.task import Bm25Entry, DenseEntry, HybridEntry, RankBm25Entry, RetrievalEntry, RetrieverEntry
from harness.interfaces import Retriever, Source
from harness.records import Arm
from harness.retrieval.base import Chunks, NoRetriever, OracleRetriever, Ranker
from harness.retrieval.bm25 import Bm25Retriever, RankBm25Retriever
from harness.retrieval.chunk_store import ChunkStore
from harness.retrieval.chunking import Chunker
from harness.retrieval.dense import DenseRetriever
from harness.retrieval.hybrid import HybridRetriever

__all__ = ["build_retriever"]


def build_retriever(entry: RetrievalEntry, source: Source, arm: Arm, resources: Resources) -> Retriever:
    """What gives an arm its passages. Nothing is cut into chunks, indexed or encoded before the first search."""
    match arm:
        case Arm.CLOSED_BOOK:
            return NoRetriever()
        case Arm.ORACLE:
            return OracleRetriever(_chunks(entry, source, resources))
        case Arm.RAG:
            return _ranker(entry.retriever, _chunks(entry, source, resources), resources)
        case unknown:
            assert_never(unknown)


def _chunks(entry: RetrievalEntry, source: Source, resources: Resources) -> Chunks:
    chunker = Chunker(entry.chunk_chars, entry.chunk_overlap)
    identity = {
        "format": 1,
        "corpus": source.identity["corpus"],
        "chunker": {"rule": "paragraph-sentence-word", "chars": chunker.chars, "overlap": chunker.overlap},
    }

    def build(folder: Path) -> None:
        ChunkStore.build(folder, source.documents(), chunker)

    files = Derived(resources.cache, "chunks", identity, build)
    return Chunks(identity, lambda: ChunkStore(files.folder()), files.contents)


def _ranker(entry: RetrieverEntry, chunks: Chunks, resources: Resources) -> Ranker:
    match entry:
        case Bm25Entry():
            return Bm25Retriever(chunks, entry.model_dump(), resources.cache)
        case RankBm25Entry():
            return RankBm25Retriever(chunks, entry.model_dump())
        case DenseEntry():
            encoder = build_encoder(entry.encoder, resources)
            settings = {"kind": "dense", "index": entry.index, "encoder": encoder.identity}
            return DenseRetriever(chunks, settings, resources.cache, encoder.open, resources.progress)
        case HybridEntry():
            parts = [_ranker(part, chunks, resources) for part in entry.parts]
            return HybridRetriever(chunks, {"kind": "hybrid", "depth": entry.depth, "rrf_k": entry.rrf_k}, parts)
        case unknown:
            assert_never(unknown)
