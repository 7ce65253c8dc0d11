"""A source without the documents that were used for fine-tuning: "the data set, without what was used for
fine-tuning", as the study's corpus is. A document that also answers an evaluated question stays, or that question could
not be answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.digests import digest_of
from harness.errors import DataError
from harness.interfaces import Identity, Source
from harness.records import Document, Question

__all__ = ["Excluding", "without_finetune_documents"]


class Excluding:
    """`source` less the documents of these ids."""

    def __init__(self, source: Source, document_ids: frozenset[str]) -> None:
        self._source, self.excluded = source, document_ids

    @property
    def identity(self) -> Identity:
        own = dict(self._source.identity)
        corpus = digest_of({"corpus": own["corpus"], "excluded": sorted(self.excluded)})
        return {**own, "corpus": corpus, "excluded_documents": len(self.excluded)}

    def documents(self) -> Iterator[Document]:
        return (document for document in self._source.documents() if document.id not in self.excluded)

    def questions(self, split: str) -> Sequence[Question]:
        return self._source.questions(split)


def without_finetune_documents(source: Source, training_split: str, test_split: str) -> Source:
    """`source` itself where no document answers the pool's questions alone."""
    needed = {name for question in source.questions(test_split) for name in question.gold_document_ids}
    try:
        pool = source.questions(training_split)
    except DataError:  # a pack may declare its splits and have no such one: then nothing is trained on
        return source
    used = {name for question in pool for name in question.gold_document_ids}
    return Excluding(source, frozenset(used - needed)) if used - needed else source
