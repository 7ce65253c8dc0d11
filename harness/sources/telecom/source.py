"""The telecom world as a `Source`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property

from harness.digests import canonical, digest_of_lines
from harness.errors import DataError
from harness.interfaces import Identity
from harness.records import Document, Question
from harness.sources.telecom.questions import make_questions
from harness.sources.telecom.world import EVALUATION, FINETUNE, VERSION, World

__all__ = ["TelecomWorld"]


class TelecomWorld:
    """`questions` questions in all, `pool` of them for fine-tuning and the rest for evaluation."""

    def __init__(self, documents: int, questions: int, pool: int, seed: int) -> None:
        if questions <= pool:
            raise DataError(
                f"world: {questions} questions less a fine-tuning pool of {pool} leaves none to evaluate on"
            )
        self._world = World(documents, seed)
        self._numbers = {EVALUATION: questions - pool, FINETUNE: pool}
        self._questions: dict[str, list[Question]] = {}

    @cached_property
    def identity(self) -> Identity:
        return {
            "kind": "telecom-world",
            "version": VERSION,
            "corpus": digest_of_lines(canonical(asdict(document)) for document in self.documents()),
            "questions": digest_of_lines(canonical(asdict(question)) for question in self.questions(EVALUATION)),
        }

    def documents(self) -> Iterator[Document]:
        return self._world.documents()

    def questions(self, split: str) -> Sequence[Question]:
        if split not in self._numbers:
            raise DataError(f"the telecom world has no split {split!r}; it has {EVALUATION} and {FINETUNE}")
        if split not in self._questions:
            self._questions[split] = make_questions(self._world, split, self._numbers[split])
        return self._questions[split]
