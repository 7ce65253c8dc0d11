"""The chunks of a corpus on disk, memory-mapped: opening a million of them costs nothing.

    documents.json  ids and titles, in the order of ids
    spans.npy       int64 (n, 5): document, start and end in code points, start and end in the bytes of texts.bin
    texts.bin       the chunks' texts, UTF-8, one after the other, in the order in which documents came

Chunks are in the order of document id and offset: that is the order in which equal scores are broken.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.records import Document, Passage, Span
from harness.retrieval.chunking import Chunker

__all__ = ["ChunkStore"]


class _Titles(NamedTuple):
    ids: list[str]
    titles: list[str]


class ChunkStore:
    """Reads what `build` wrote."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # plain views of the mapped files: a memmap makes an object of its own class of every number that is read
        self._spans: np.ndarray = np.load(folder / "spans.npy", mmap_mode="r").view(np.ndarray)
        texts = folder / "texts.bin"
        self._texts: np.ndarray = (
            np.memmap(texts, dtype=np.uint8, mode="r").view(np.ndarray)
            if texts.stat().st_size
            else np.zeros(0, np.uint8)
        )

    @staticmethod
    def build(folder: Path, documents: Iterable[Document], chunker: Chunker) -> None:
        """Writes the three files as documents stream by, in any order; what stays in memory are their offsets."""
        names: list[tuple[str, str]] = []
        rows = array("q")
        written = 0
        with (folder / "texts.bin").open("wb") as stream:
            for number, document in enumerate(documents):
                names.append((document.id, document.title))
                for start, end in chunker.spans(document.text):
                    data = document.text[start:end].encode()
                    stream.write(data)
                    rows.extend((number, start, end, written, written + len(data)))
                    written += len(data)
        order = sorted(range(len(names)), key=lambda number: names[number][0])
        rank_of = np.empty(len(names), dtype=np.int64)
        rank_of[order] = np.arange(len(names))
        spans = np.array(rows, dtype=np.int64).reshape(-1, 5)
        spans[:, 0] = rank_of[spans[:, 0]]
        np.save(folder / "spans.npy", spans[np.lexsort((spans[:, 1], spans[:, 0]))])
        sorted_names = _Titles([names[number][0] for number in order], [names[number][1] for number in order])
        (folder / "documents.json").write_text(json.dumps(sorted_names._asdict(), ensure_ascii=False), encoding="utf-8")

    @cached_property
    def _documents(self) -> _Titles:
        return _Titles(**json.loads((self._folder / "documents.json").read_text(encoding="utf-8")))

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self._documents.ids)}

    def __len__(self) -> int:
        return len(self._spans)

    def lengths(self) -> np.ndarray:
        """Characters of each chunk."""
        return np.asarray(self._spans[:, 2] - self._spans[:, 1])

    def text(self, chunk: int) -> str:
        _, _, _, first, last = self._spans[chunk]
        return bytes(self._texts[first:last]).decode()

    def indexed_text(self, chunk: int) -> str:
        """What a retriever indexes: the document's title, if it has one, above the chunk's text. A title often holds
        the one name that a paragraph calls "it"."""
        title = self._documents.titles[int(self._spans[chunk][0])]
        return f"{title}\n{self.text(chunk)}" if title else self.text(chunk)

    def passage(self, chunk: int, rank: int, score: float) -> Passage:
        number, start, end, first, last = self._spans[chunk].tolist()
        names, text = self._documents, self._texts[first:last].tobytes().decode()
        return Passage(names.ids[number], start, end, names.titles[number], text, rank, score)

    def of_documents(self, ids: Sequence[str]) -> np.ndarray:
        """The chunks of these documents, ascending. An id that the corpus lacks has none."""
        numbers = sorted({self._number_of[name] for name in ids if name in self._number_of})
        column = self._spans[:, 0]
        ranges = [
            np.arange(np.searchsorted(column, number), np.searchsorted(column, number, side="right"))
            for number in numbers
        ]
        return np.concatenate(ranges) if ranges else np.zeros(0, dtype=np.int64)

    def overlapping(self, span: Span) -> list[int]:
        """The chunks that share at least one character with a span, ascending."""
        chunks = self.of_documents([span.document_id])
        rows = self._spans[chunks] if len(chunks) else self._spans[:0]
        return [int(c) for c, row in zip(chunks, rows, strict=True) if row[1] < span.end and row[2] > span.start]
