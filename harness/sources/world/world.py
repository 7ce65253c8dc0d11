"""From a domain and a seed to entities and documents. Every value is made from (seed, kind, index, attribute) alone,
and every page from what it is about, so a world of a million documents costs what is looked at, and nothing depends on
the order of looking.

Entities come in series of three with names alike. A page states its own entity's facts, here and there a fact of a
sibling, and always one where its own has none: the nearest value of the kind asked for is then a wrong one. What leads
to an entity is named on that entity's own page. Distractors quote statements that are not in force.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from harness.records import Document, Fact, Span
from harness.sources.world.lexicon import EVALUATION, FINETUNE, Attribute, Distractor, Domain, EntityKind
from harness.sources.world.rng import SeededRng

__all__ = ["SERIES", "VERSION", "Entity", "World", "capitalised"]

VERSION = 2
"""Raise it whenever the same seed makes other documents or questions; the golden digests in the tests watch over it."""

SERIES = 3  # entities of a series
_PRESENT = 870  # per mille of attributes that a document states; the others make questions that cannot be answered
_NEIGHBOUR = 200  # per mille of attributes that a document states and that it states of a sibling too
_QUOTED = 4  # of an entity's facts that a distractor on it quotes otherwise
_EVALUATION_SHARE = 450  # per mille of facts
_OWN_WORDING = 700  # per mille of facts that the document states as the side does that may ask about them
_SIDES = (FINETUNE, EVALUATION)
_FILL = (0, 0, 1, 2)  # filler sentences before each fact and at the end of a section


def capitalised(sentence: str) -> str:
    """`procedure P-1 …` may begin a sentence."""
    return sentence[:1].upper() + sentence[1:]


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

    @property
    def call(self) -> str:
        return self.kind.call.format(n=self.name)

    @property
    def title(self) -> str:
        return self.kind.title.format(n=self.name)

    def in_own_words(self, name: str) -> bool:
        """Whether the document states a fact in the words of the side that may ask about it."""
        span = self.spans[name]
        return self.facts[name].statement == self.document.text[span.start : span.end]

    def attribute(self, name: str) -> Attribute:
        return next(attribute for attribute in self.kind.attributes if attribute.name == name)


class World:
    """`documents` documents of a domain from one seed. `twin`: every fact of the fine-tuning pool has another value
    of its kind, and nothing else differs; what links lead to stays."""

    def __init__(self, domain: Domain, documents: int, seed: int, twin: bool = False) -> None:
        self.domain, self.seed, self.twin = domain, seed, twin
        self.kinds = {kind.name: kind for kind in domain.kinds}
        self.distractors = {each.name: documents * each.share // 1_000 for each in domain.distractors}
        entities = documents - sum(self.distractors.values())
        self.counts = {name: entities * kind.share // 1_000 for name, kind in self.kinds.items()}
        self.counts[domain.kinds[0].name] += entities - sum(self.counts.values())  # what rounding left over
        self.entity = lru_cache(maxsize=4_096)(self._entity)

    def documents(self) -> Iterator[Document]:
        for kind, count in self.counts.items():
            for index in range(count):
                yield self.entity(kind, index).document
        for distractor in self.domain.distractors:
            for number in range(self.distractors[distractor.name]):
                yield self.distraction(distractor, number)

    def side_of(self, kind: str, index: int, attribute: str) -> str:
        """The one side whose questions may ask about this fact: fine-tuning and evaluation never share a fact."""
        is_evaluation = SeededRng(self.seed, "pool", kind, index, attribute).chance(_EVALUATION_SHARE)
        return EVALUATION if is_evaluation else FINETUNE

    # ---- facts ------------------------------------------------------------------------------------------------------

    def name(self, kind: str, index: int) -> str:
        series, member = divmod(index, SERIES)
        return self.kinds[kind].naming(series, member, self.counts[kind])

    def call(self, kind: str, index: int) -> str:
        return self.kinds[kind].call.format(n=self.name(kind, index))

    def states(self, kind: str, index: int, attribute: Attribute) -> bool:
        """Whether the entity's document says it; links are always there."""
        return attribute.link is not None or SeededRng(self.seed, "stated", kind, index, attribute.name).chance(
            _PRESENT
        )

    def value(self, kind: str, index: int, attribute: Attribute) -> str:
        """For a link the linked entity's name."""
        if attribute.link is not None:
            return self.name(attribute.link.kind, self.target(kind, index, attribute))
        rng = SeededRng(self.seed, "value", kind, index, attribute.name)
        value = _rolled(attribute, rng)
        if self.twin and self.side_of(kind, index, attribute.name) == FINETUNE:
            return _rolled_otherwise(attribute, rng, value)
        return value

    def sentence(self, kind: str, index: int, attribute: Attribute, side: str, value: str | None = None) -> str:
        """How a side states it; with another `value` than the true one where that is given."""
        if value is None:
            value = self.value(kind, index, attribute)
            if attribute.link is not None:
                value = self.call(attribute.link.kind, self.target(kind, index, attribute))
        return capitalised(attribute.wording(side).sentence.format(n=self.call(kind, index), v=value))

    # ---- links ------------------------------------------------------------------------------------------------------

    def target(self, kind: str, index: int, attribute: Attribute) -> int:
        """The index of the entity that a link leads to: a shuffle of the kind's indexes that can be undone, so that a
        page can name what leads to it without looking at the rest of the world."""
        assert attribute.link is not None
        count = self.counts[kind]
        factor, shift = self._shuffle(kind, attribute.name, count)
        return (factor * index + shift) % count % self.counts[attribute.link.kind]

    def sources(self, kind: str, index: int) -> list[tuple[str, Attribute, list[int]]]:
        """The links that lead to an entity, each with its kind of entity and the indexes of those that have it."""
        found = []
        for source in self.domain.kinds:
            count = self.counts[source.name]
            for attribute in source.attributes:
                if attribute.link is None or attribute.link.kind != kind:
                    continue
                factor, shift = self._shuffle(source.name, attribute.name, count)
                undo = int(pow(factor, -1, count)) if count > 1 else 0
                places = range(index, count, self.counts[kind])
                if indexes := [(place - shift) * undo % count for place in places]:
                    found.append((source.name, attribute, indexes))
        return found

    def _shuffle(self, kind: str, attribute: str, count: int) -> tuple[int, int]:
        rng = SeededRng(self.seed, "link", kind, attribute)
        factor = rng.below(count) | 1
        while math.gcd(factor, count) > 1:
            factor += 2
        return factor, rng.below(count)

    def _backlink(self, kind: EntityKind, index: int) -> str:
        """What leads to the entity, in the words of both sides; an empty text where nothing does."""
        return " ".join(
            self.sentence(source, each, attribute, side)
            for source, attribute, indexes in self.sources(kind.name, index)
            for each in indexes
            for side in _SIDES
        )

    def _sibling(self, kind: str, index: int, attribute: Attribute) -> int | None:
        """Another entity that states this, of the same series where one does."""
        first = index - index % SERIES
        candidates: list[int] = [each for each in range(first, first + SERIES) if each != index]
        candidates += [*range(first + SERIES, first + 3 * SERIES), *range(first - 1, first - 2 * SERIES, -1)]
        for each in candidates:
            if 0 <= each < self.counts[kind] and self.states(kind, each, attribute):
                return each
        return None

    # ---- documents --------------------------------------------------------------------------------------------------

    def _entity(self, kind_name: str, index: int) -> Entity:
        kind = self.kinds[kind_name]
        rng = SeededRng(self.seed, "page", kind_name, index)
        document_id = f"{kind_name}-{index:06d}"
        page = _Page(self.domain, document_id, self.call(kind_name, index), rng, self._backlink(kind, index))
        facts: dict[str, Fact] = {}
        spans: dict[str, Span] = {}
        for section in kind.sections:
            page.open_section(f"{section.heading}: {self.name(kind_name, index)}")
            for attribute in section.attributes:
                page.fill(rng.pick(_FILL))
                stated = self.states(kind_name, index, attribute)
                if stated:
                    own = self.side_of(kind_name, index, attribute.name)
                    other = FINETUNE if own == EVALUATION else EVALUATION
                    if attribute.link is not None:
                        said = [own, other]  # both, so that whoever is asked for the way there finds it
                    else:
                        said = [own] if rng.chance(_OWN_WORDING) else [other]
                    spans[attribute.name] = page.state(
                        " ".join(self.sentence(kind_name, index, attribute, side) for side in said)
                    )
                    facts[attribute.name] = self._fact(document_id, kind_name, index, attribute)
                if rng.chance(_NEIGHBOUR) or not stated:
                    self._state_of_sibling(page, rng, kind_name, index, attribute)
            page.fill(rng.pick(_FILL))
        links = [attribute for attribute in kind.attributes if attribute.link is not None]
        return Entity(
            kind,
            index,
            self.name(kind_name, index),
            Document(document_id, kind.title.format(n=self.name(kind_name, index)), page.text),
            facts,
            spans,
            {attribute.name: self.target(kind_name, index, attribute) for attribute in links},
            tuple(attribute.name for attribute in kind.attributes if attribute.name not in facts),
        )

    def _fact(self, document_id: str, kind: str, index: int, attribute: Attribute) -> Fact:
        """In the words of the side that may ask about it."""
        return Fact(
            id=f"{document_id}/{attribute.name}",
            kind=attribute.kind,
            value=self.value(kind, index, attribute),
            statement=self.sentence(kind, index, attribute, self.side_of(kind, index, attribute.name)),
            alternatives=attribute.terms,
        )

    def _state_of_sibling(self, page: _Page, rng: SeededRng, kind: str, index: int, attribute: Attribute) -> None:
        frame, side = rng.pick(self.domain.neighbour), rng.pick(_SIDES)
        sibling = self._sibling(kind, index, attribute)
        if sibling is not None:
            sentence = self.sentence(kind, sibling, attribute, side)
            page.state(frame.format(q=sentence, n=self.call(kind, sibling)))

    def distraction(self, distractor: Distractor, number: int) -> Document:
        """A document on some entity that quotes what does not hold of it. What the entity's own page does not state is
        not quoted either."""
        rng = SeededRng(self.seed, distractor.name, number)
        place = rng.below(sum(self.counts.values()))
        for kind, count in self.counts.items():  # noqa: B007  the first kind that reaches so far
            if place < count:
                break
            place -= count
        document_id = f"{distractor.name}-{number:06d}"
        call = self.call(kind, place)
        title = distractor.title.format(n=call, t=self.kinds[kind].title.format(n=self.name(kind, place)))
        page = _Page(self.domain, document_id, call, rng, distractor.opening.format(n=call))
        page.open_section(title)
        stated = [each for each in self.kinds[kind].attributes if not each.link and self.states(kind, place, each)]
        for attribute in rng.shuffled(stated)[:_QUOTED]:
            page.fill(rng.pick(_FILL))
            value = _rolled_otherwise(attribute, rng, self.value(kind, place, attribute))
            sentence = self.sentence(kind, place, attribute, rng.pick(_SIDES), value)
            page.state(rng.pick(distractor.quotes).format(q=sentence))
        page.fill(rng.pick(_FILL))
        return Document(document_id, title, page.text)


def _rolled(attribute: Attribute, rng: SeededRng) -> str:
    if attribute.terms:
        return rng.pick(attribute.terms)
    if attribute.roll is None:
        raise ValueError(f"attribute {attribute.name} has no way to get a value")
    return attribute.roll(rng)


def _rolled_otherwise(attribute: Attribute, rng: SeededRng, value: str) -> str:
    while (other := _rolled(attribute, rng)) == value:
        pass
    return other


class _Page:
    """A document as it is written: a paragraph a section, and a fact's offsets are known as it is written. Each
    paragraph begins with `lead`, so that whatever is cut out of the page says what it is about."""

    def __init__(self, domain: Domain, document_id: str, call: str, rng: SeededRng, lead: str) -> None:
        self._domain, self._id, self._call, self._rng, self._lead = domain, document_id, call, rng, lead
        self._parts: list[str] = []
        self._length = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def _put(self, text: str) -> int:
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        return start

    def open_section(self, heading: str) -> None:
        self._put(("\n\n" if self._parts else "") + f"## {heading}\n\n")
        self._put(self._lead or self._filler())

    def state(self, sentence: str) -> Span:
        self._put(" ")
        start = self._put(sentence)
        return Span(self._id, start, start + len(sentence))

    def fill(self, sentences: int) -> None:
        for _ in range(sentences):
            self.state(self._filler())

    def _filler(self) -> str:
        words = {slot: self._rng.pick(options) for slot, options in self._domain.filler_words.items()}
        return capitalised(self._rng.pick(self._domain.fillers).format(n=self._call, **words))
