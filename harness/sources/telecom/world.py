"""From a seed to entities and documents. Every entity is made from (seed, kind, index) alone, so a world of a million
documents costs what is looked at, and nothing depends on the order of looking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from harness.records import Document, Fact, Span
from harness.sources.telecom.lexicon import ENTITY_KINDS, FILLER_WORDS, FILLERS, Attribute, EntityKind, entity_name
from harness.sources.telecom.rng import SeededRng

__all__ = ["EVALUATION", "FINETUNE", "VERSION", "Entity", "World"]

VERSION = 1
"""Raise it whenever the same seed makes other documents or questions; the golden digests in the tests watch over it."""

EVALUATION, FINETUNE = "evaluation", "finetune"
_PRESENT = 870  # per mille of attributes that a document states; the others make questions that cannot be answered
_EVALUATION_SHARE = 450  # per mille of facts


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity and its document. `facts` and `spans` are by attribute name, in the document's order; `targets` are
    the indexes of the entities that links lead to; `absent` are the attributes that the document does not state."""

    kind: EntityKind
    index: int
    name: str
    document: Document
    facts: dict[str, Fact]
    spans: dict[str, Span]
    targets: dict[str, int]
    absent: tuple[str, ...]

    def attribute(self, name: str) -> Attribute:
        return next(attribute for attribute in self.kind.attributes if attribute.name == name)


class World:
    """`documents` documents from one seed."""

    def __init__(self, documents: int, seed: int) -> None:
        self.seed = seed
        self.counts: dict[str, int] = {}
        left = documents
        for name, kind in ENTITY_KINDS.items():
            self.counts[name] = documents * kind.share // 1_000
            left -= self.counts[name]
        self.counts["plan"] += left  # what rounding left over
        self.entity = lru_cache(maxsize=4_096)(self._entity)

    def documents(self) -> Iterator[Document]:
        for kind, count in self.counts.items():
            for index in range(count):
                yield self.entity(kind, index).document

    def pool_of(self, kind: str, index: int, attribute: str) -> str:
        """The one pool whose questions may ask about this fact: fine-tuning and evaluation never share a fact."""
        is_evaluation = SeededRng(self.seed, "pool", kind, index, attribute).chance(_EVALUATION_SHARE)
        return EVALUATION if is_evaluation else FINETUNE

    # ---- making one entity ------------------------------------------------------------------------------------------

    def _entity(self, kind_name: str, index: int) -> Entity:
        kind = ENTITY_KINDS[kind_name]
        rng = SeededRng(self.seed, "entity", kind_name, index)
        name = entity_name(kind_name, index, self.counts[kind_name])
        document_id = f"{kind_name}-{index:06d}"
        page = _Page(document_id, name, rng)
        facts: dict[str, Fact] = {}
        spans: dict[str, Span] = {}
        targets: dict[str, int] = {}
        absent: list[str] = []
        for section in kind.sections:
            page.open_section(section.heading)
            for attribute in section.attributes:
                page.fill(rng.between(2, 5))
                if attribute.links is None and not rng.chance(_PRESENT):
                    absent.append(attribute.name)
                    continue
                if attribute.links is not None:
                    targets[attribute.name] = rng.below(self.counts[attribute.links])
                value = self._value(attribute, rng, targets.get(attribute.name))
                sentence = rng.pick(attribute.sentences).format(n=name, v=value)
                spans[attribute.name] = page.state(sentence)
                facts[attribute.name] = Fact(
                    id=f"{document_id}/{attribute.name}",
                    kind=attribute.kind,
                    value=value,
                    statement=attribute.sentences[0].format(n=name, v=value),
                    alternatives=attribute.terms,
                )
            page.fill(rng.between(2, 6))
        title = kind.title.format(n=name)
        return Entity(kind, index, name, Document(document_id, title, page.text), facts, spans, targets, tuple(absent))

    def _value(self, attribute: Attribute, rng: SeededRng, target: int | None) -> str:
        if attribute.links is not None and target is not None:
            return entity_name(attribute.links, target, self.counts[attribute.links])
        if attribute.terms:
            return rng.pick(attribute.terms)
        if attribute.roll is None:
            raise ValueError(f"attribute {attribute.name} has no way to get a value")
        return attribute.roll(rng)


class _Page:
    """A document as it is written: sentences run on in paragraphs, and a fact's offsets are known as it is written."""

    def __init__(self, document_id: str, name: str, rng: SeededRng) -> None:
        self._id, self._name, self._rng = document_id, name, rng
        self._parts: list[str] = []
        self._length = 0
        self._sentences_in_paragraph = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def _put(self, text: str) -> int:
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        return start

    def open_section(self, heading: str) -> None:
        self._put(("\n\n" if self._parts else "") + f"## {heading}: {self._name}\n\n")
        self._sentences_in_paragraph = 0

    def state(self, sentence: str) -> Span:
        if self._sentences_in_paragraph == 5:
            self._put("\n\n")
            self._sentences_in_paragraph = 0
        elif self._sentences_in_paragraph:
            self._put(" ")
        self._sentences_in_paragraph += 1
        start = self._put(sentence)
        return Span(self._id, start, start + len(sentence))

    def fill(self, sentences: int) -> None:
        for _ in range(sentences):
            words = {slot: self._rng.pick(options) for slot, options in FILLER_WORDS.items()}
            self.state(self._rng.pick(FILLERS).format(n=self._name, **words))
