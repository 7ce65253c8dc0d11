"""A source whose questions are one cluster where they share a gold document, directly or through other questions: their
scores rest on the same passages, so they are no independent evidence.

Clusters are formed within a split, over all of it: `--limit` never changes which questions belong together. The split
itself is made before and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.interfaces import Identity, Source
from harness.records import Document, Question

__all__ = ["Sharing", "joined"]


class Sharing:
    """`source` with the clusters of `joined`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._questions: dict[str, list[Question]] = {}

    @property
    def identity(self) -> Identity:
        return self._source.identity

    def documents(self) -> Iterator[Document]:
        return self._source.documents()

    def questions(self, split: str) -> Sequence[Question]:
        if split not in self._questions:
            self._questions[split] = joined(self._source.questions(split))
        return self._questions[split]


def joined(questions: Sequence[Question]) -> list[Question]:
    """The questions, in their order, with clusters joined that share a gold document: the connected components. A
    joined cluster has the name that sorts first of those that it is made of."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    cluster_of_document: dict[str, str] = {}
    for question in questions:
        for document in question.gold_document_ids:
            names = root(question.cluster), root(cluster_of_document.setdefault(document, question.cluster))
            parent[max(names)] = min(names)
    return [replace(question, cluster=root(question.cluster)) for question in questions]
