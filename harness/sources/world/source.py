"""The synthetic world as a `Source`, and its counterfactual twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property

from harness.digests import canonical, digest_of_lines
from harness.errors import DataError
from harness.interfaces import Identity
from harness.records import Document, Question
from harness.sources.world.domains import DOMAINS
from harness.sources.world.lexicon import EVALUATION, FINETUNE
from harness.sources.world.questions import make_questions
from harness.sources.world.world import VERSION, World

__all__ = ["SyntheticWorld"]


class SyntheticWorld:
    """`questions` questions in all, `pool` of them for fine-tuning and the rest for evaluation.

    With `twin` the documents are those of the counterfactual twin, where every fact of the pool has another value of
    its kind, and the evaluation split holds questions of the pool as the twin's documents answer them, at most as many
    as without: those whose every asked fact was swapped. They keep their ids, and `replaced` holds the facts that a
    model trained on the pool was told. The fine-tuning split is the pool as it was."""

    def __init__(
        self, domain: str, documents: int, questions: int, pool: int, seed: int, *, twin: bool = False
    ) -> None:
        if questions <= pool:
            raise DataError(
                f"world: {questions} questions less a fine-tuning pool of {pool} leaves none to evaluate on"
            )
        if twin and not pool:
            raise DataError("world: `twins` asks the questions of the fine-tuning pool, and `finetune.pool` is 0")
        self.domain = domain
        self._world = World(DOMAINS[domain], documents, seed)
        self._twin = World(DOMAINS[domain], documents, seed, twin=True) if twin else None
        self._numbers = {EVALUATION: questions - pool, FINETUNE: pool}
        self._questions: dict[str, list[Question]] = {}

    @cached_property
    def identity(self) -> Identity:
        return {
            "kind": f"{self.domain}-world",
            "version": VERSION,
            "corpus": digest_of_lines(canonical(asdict(document)) for document in self.documents()),
            "questions": digest_of_lines(canonical(asdict(question)) for question in self.questions(EVALUATION)),
        }

    def documents(self) -> Iterator[Document]:
        return (self._twin or self._world).documents()

    def questions(self, split: str) -> Sequence[Question]:
        if split not in self._numbers:
            raise DataError(f"the {self.domain} world has no split {split!r}; it has {EVALUATION} and {FINETUNE}")
        if split not in self._questions:
            counterfactual = self._twin is not None and split == EVALUATION
            make = self._swapped if counterfactual else self._plain
            self._questions[split] = make(split)
        return self._questions[split]

    def _plain(self, split: str) -> list[Question]:
        return make_questions(self._world, split, self._numbers[split])

    def _swapped(self, split: str) -> list[Question]:
        assert self._twin is not None
        told = {question.id: question for question in self.questions(FINETUNE)}
        swapped = []
        for question in make_questions(self._twin, FINETUNE, self._numbers[FINETUNE]):
            before = told.get(question.id)
            if before is None or question.kind not in ("one_fact", "several", "two_hop"):
                continue
            if all(new.value != old.value for new, old in zip(question.facts, before.facts, strict=True)):
                swapped.append(replace(question, replaced=before.facts))
        return swapped[: self._numbers[split]]
