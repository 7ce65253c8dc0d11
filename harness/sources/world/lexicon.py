"""What a domain of the synthetic world is made of: kinds of entities, their attributes, how values are rolled and said.

In every sentence and question `{n}` is how an entity is called and `{v}` the value. Each attribute has two wordings,
one for each side: what the fine-tuning pool asks and answers in, and what the evaluation does. They share none, so a
model that learnt the pool's wordings by heart has learnt nothing about the evaluation's. Filler sentences hold no digit
and no value of any attribute, so that nothing in a document but its facts can answer a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.sources.world.rng import SeededRng

__all__ = [
    "EVALUATION",
    "FINETUNE",
    "Attribute",
    "Comparison",
    "Contrast",
    "Distractor",
    "Domain",
    "EntityKind",
    "Frames",
    "Link",
    "Section",
    "Syllables",
    "Wording",
    "code_name",
    "dates",
    "money",
    "number",
    "span",
    "times",
    "wording",
]

EVALUATION, FINETUNE = "evaluation", "finetune"
"""The two sides of a world: no fact and no wording is on both."""

Roll = Callable[[SeededRng], str]
Naming = Callable[[int, int, int], str]
"""(series, member of the series, how many entities of the kind) to a name."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How one side names an attribute in a list, states it and asks for it."""

    noun: str
    sentence: str
    questions: tuple[str, ...]


def wording(noun: str, sentence: str, *questions: str) -> Wording:
    """Reads better in a lexicon than the class itself."""
    return Wording(noun, sentence, questions)


@dataclass(frozen=True, slots=True)
class Contrast:
    """What is said of the one of two that has the smaller value, and of the one that has the larger."""

    less: str
    more: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How an attribute's values, which begin with a number, are compared on each side."""

    pool: Contrast
    evaluation: Contrast

    def contrast(self, side: str) -> Contrast:
        return self.evaluation if side == EVALUATION else self.pool


@dataclass(frozen=True, slots=True)
class Link:
    """The value is an entity of that kind. `pool` and `evaluation` say that entity through this one (`{n}`);
    `backlink` is what the linked entity's own page says of those that lead to it (`{s}`)."""

    kind: str
    pool: str
    evaluation: str
    backlink: str

    def descriptor(self, side: str) -> str:
        return self.evaluation if side == EVALUATION else self.pool


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that is true of an entity. `kind` is the kind of value (see `judging.values`)."""

    name: str
    kind: str
    pool: Wording
    evaluation: Wording
    roll: Roll | None = None
    terms: tuple[str, ...] = ()
    compare: Comparison | None = None
    link: Link | None = None

    def wording(self, side: str) -> Wording:
        return self.evaluation if side == EVALUATION else self.pool


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class EntityKind:
    """A sort of document. `share` is its part of the entities, in per mille; `call` is how a sentence names one, and
    `sort` what it is one of."""

    name: str
    sort: str
    share: int
    title: str
    call: str
    naming: Naming
    sections: tuple[Section, ...]

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return tuple(attribute for section in self.sections for attribute in section.attributes)


@dataclass(frozen=True, slots=True)
class Distractor:
    """A sort of document that nothing is asked about: it quotes statements on an entity (`{q}`) that are not in force,
    with other values than the true ones. `share` is its part of all documents, in per mille."""

    name: str
    share: int
    title: str
    opening: str
    quotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frames:
    """How one side asks for several attributes (`{o}` whose, `{l}` which), compares (`{sort}`, `{p}` what is said of
    the right one, `{a}`, `{b}`), gives the verdict (`{w}` with `{x}`, `{z}` with `{y}`) and says that nothing is known.
    """

    several: tuple[str, ...]
    comparison: tuple[str, ...]
    verdict: str
    unstated: str


@dataclass(frozen=True, slots=True)
class Domain:
    """All words of one fictional house."""

    name: str
    kinds: tuple[EntityKind, ...]
    pool: Frames
    evaluation: Frames
    neighbour: tuple[str, ...]
    """How a page sets apart what it says of a sibling: `{q}` the statement, `{n}` the sibling."""
    distractors: tuple[Distractor, ...]
    fillers: tuple[str, ...]
    filler_words: Mapping[str, tuple[str, ...]]

    def frames(self, side: str) -> Frames:
        return self.evaluation if side == EVALUATION else self.pool


# ---- names ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Syllables:
    """Invented words: each onset with each middle with each ending."""

    onsets: tuple[str, ...]
    middles: tuple[str, ...]
    ends: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.onsets) * len(self.middles) * len(self.ends)

    def word(self, index: int) -> str:
        """Neighbours in index share nothing. Every index below the number of words has a word of its own, as long as
        that number and the step below have no common factor."""
        rest, end = divmod((index * 1_327 + 611) % len(self), len(self.ends))
        onset, middle = divmod(rest, len(self.middles))
        return self.onsets[onset] + self.middles[middle] + self.ends[end]


def code_name(prefix: str, shift: int) -> Naming:
    """Codes such as E-4711; those of one series are neighbours. Kinds with shifts of their own share few numbers."""

    def name(series: int, member: int, count: int) -> str:
        cells, low = (2_250, 1_000) if count <= 6_000 else (225_000, 100_000)
        return f"{prefix}-{low + (series * 571 + shift) % cells * 4 + member}"

    return name


# ---- values ---------------------------------------------------------------------------------------------------------


def money(low: int, high: int, step: int = 1) -> Roll:
    """Euros with cents."""
    return lambda rng: f"{low + step * rng.below((high - low) // step + 1)}.{rng.pick(('00', '50', '90'))} EUR"


def number(values: tuple[int, ...], unit: str = "") -> Roll:
    """One of these numbers."""
    return lambda rng: f"{rng.pick(values)}{unit}"


def span(low: int, high: int, unit: str = "", step: int = 1) -> Roll:
    """A number from `low` to `high`."""
    return lambda rng: f"{low + step * rng.below((high - low) // step + 1):,}{unit}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def dates(first: int, last: int) -> Roll:
    """A day in these years."""
    return lambda rng: f"{rng.between(1, 28)} {rng.pick(_MONTHS)} {rng.between(first, last)}"


def times(first: int = 0, last: int = 23) -> Roll:
    """A quarter of an hour of the day."""
    return lambda rng: f"{rng.between(first, last):02d}:{rng.pick(('00', '15', '30', '45'))}"
