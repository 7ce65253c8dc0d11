"""From a world to questions of five kinds, each with the atomic facts that a complete answer states.

    one_fact      one attribute of one entity
    several       two or three attributes of one entity, of different kinds of value
    two_hop       an attribute of an entity that is only named through another
    comparison    which of two entities has the smaller or the larger value
    unanswerable  an attribute that the entity's document does not state, but that of a sibling

A question draws on facts of one side alone and is worded as that side words things, so neither what is trained on nor
how it was said is ever asked. Entities are drawn at random and tried; a world too small for the number asked for raises
`DataError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

from harness.errors import DataError
from harness.records import Fact, Question, Span
from harness.sources.world.rng import SeededRng
from harness.sources.world.world import Entity, World, capitalised

__all__ = ["SHARES", "make_questions"]

SHARES = {"one_fact": 400, "several": 200, "two_hop": 150, "comparison": 150, "unanswerable": 100}  # per mille
_TRIES = 60  # draws for each question, before the world is called too small


def make_questions(world: World, side: str, number: int) -> list[Question]:
    """`number` questions over the facts of a side, all different, in a seeded random order of kinds.

    Raises `DataError` when the world has too few facts."""
    quotas = {kind: number * share // 1_000 for kind, share in SHARES.items()}
    quotas["one_fact"] += number - sum(quotas.values())
    questions: list[Question] = []
    for kind, quota in quotas.items():
        by_id: dict[str, Question] = {}
        for attempt in range(quota * _TRIES):
            if len(by_id) == quota:
                break
            rng = SeededRng(world.seed, "question", side, kind, attempt)
            question = _MAKERS[kind](_Draw(world, side, rng, len(by_id)))
            if question is not None:
                by_id.setdefault(question.id, question)
        if len(by_id) < quota:
            raise DataError(
                f"the {world.domain.name} world of {sum(world.counts.values()) + sum(world.distractors.values())} "
                f"documents has facts for {len(by_id)} of {quota} {kind} questions on its {side} side; ask for fewer "
                "`questions` or more `documents`"
            )
        questions += by_id.values()
    return SeededRng(world.seed, "order", side).shuffled(questions)


class _Draw:
    """One attempt at the `number`-th question of a kind: a random entity, and which of its facts belong to the side."""

    def __init__(self, world: World, side: str, rng: SeededRng, number: int) -> None:
        self.world, self.side, self.rng, self.number = world, side, rng, number
        self.frames = world.domain.frames(side)

    def entity(self, kind: str | None = None) -> Entity:
        """A random entity, of any kind where none is named."""
        if kind is not None:
            return self.world.entity(kind, self.rng.below(self.world.counts[kind]))
        index = self.rng.below(sum(self.world.counts.values()))
        for name, count in self.world.counts.items():
            if index < count:
                return self.world.entity(name, index)
            index -= count
        raise AssertionError("the counts add up to their sum")

    def ours(self, entity: Entity, names: Sequence[str]) -> list[str]:
        """Those attributes whose facts belong to this side."""
        return [name for name in names if self.world.side_of(entity.kind.name, entity.index, name) == self.side]

    def asked(self, entity: Entity, name: str, call: str) -> str:
        """One of this side's questions for an attribute of what is called so."""
        return capitalised(self.rng.pick(entity.attribute(name).wording(self.side).questions).format(n=call))


def _question(
    kind: str,
    text: str,
    references: Sequence[str],
    facts: Sequence[Fact],
    mentioned: Sequence[tuple[Entity, str]],
    side_facts: Sequence[Fact] = (),
) -> Question:
    identity = "+".join(sorted(f.id for f in (*side_facts, *facts)))
    spans: list[Span] = [entity.spans[name] for entity, name in mentioned if name in entity.spans]
    documents = tuple(dict.fromkeys(entity.document.id for entity, _ in mentioned))
    return Question(
        id=f"{kind}:{identity}",
        text=text,
        references=tuple(references),
        gold_document_ids=documents,
        gold_spans=tuple(spans),
        kind=kind,
        cluster=documents[0],
        answerable=kind != "unanswerable",
        facts=tuple(facts),
        side_facts=tuple(side_facts),
    )


def _one_fact(draw: _Draw) -> Question | None:
    entity = draw.entity()
    names = draw.ours(entity, list(entity.facts))
    if not names:
        return None
    name = draw.rng.pick(names)
    fact = entity.facts[name]
    text = draw.asked(entity, name, entity.call)
    return _question("one_fact", text, [fact.statement, fact.value], [fact], [(entity, name)])


def _several(draw: _Draw) -> Question | None:
    """Values of different kinds alone, so that an answer that swaps two of them cannot pass for a right one."""
    entity = draw.entity()
    names = draw.ours(entity, list(entity.facts))
    size = draw.rng.between(2, 3)
    groups = [
        group for group in combinations(names, size) if len({entity.facts[name].kind for name in group}) == len(group)
    ]
    if not groups:
        return None
    chosen = draw.rng.pick(groups)
    nouns = [f"the {entity.attribute(name).wording(draw.side).noun}" for name in chosen]
    listed = ", ".join(nouns[:-1]) + f" and {nouns[-1]}"
    text = draw.rng.pick(draw.frames.several).format(o=entity.title, l=listed)
    facts = [entity.facts[name] for name in chosen]
    reference = " ".join(fact.statement for fact in facts)
    return _question("several", text, [reference], facts, [(entity, name) for name in chosen])


def _two_hop(draw: _Draw) -> Question | None:
    """The first hop's fact is given in the question's words, not asked for; it must belong to the side all the same.
    The second document states its fact in the side's words: two hops are hard enough for a retriever."""
    first = draw.entity()
    hops = draw.ours(first, list(first.targets))
    if not hops:
        return None
    hop = draw.rng.pick(hops)
    link = first.attribute(hop).link
    if link is None:
        raise ValueError(f"{hop} has a target but no link")
    second = draw.world.entity(link.kind, first.targets[hop])
    plain = [name for name in second.facts if name not in second.targets and second.in_own_words(name)]
    names = draw.ours(second, plain)
    if not names:
        return None
    name = draw.rng.pick(names)
    text = draw.asked(second, name, link.descriptor(draw.side).format(n=first.call))
    bridge, fact = first.facts[hop], second.facts[name]
    references = [f"{bridge.statement} {fact.statement}", fact.statement, fact.value]
    return _question("two_hop", text, references, [fact], [(first, hop), (second, name)], [bridge])


def _comparison(draw: _Draw) -> Question | None:
    """Both ways of asking and both places of the right one in turn, so that each meets each equally often."""
    asks_less, right_first = draw.number % 2 == 0, draw.number // 2 % 2 == 0
    one = draw.entity()
    names = [name for name in draw.ours(one, list(one.facts)) if one.attribute(name).compare]
    if not names:
        return None
    name = draw.rng.pick(names)
    other = draw.entity(one.kind.name)
    if other.index == one.index or name not in draw.ours(other, list(other.facts)):
        return None
    less, more = sorted((one, other), key=lambda entity: _leading_number(entity.facts[name].value))
    if _leading_number(less.facts[name].value) == _leading_number(more.facts[name].value):
        return None
    compare = one.attribute(name).compare
    if compare is None:
        raise ValueError(f"{name} cannot be compared")
    contrast = compare.contrast(draw.side)
    predicate = contrast.less if asks_less else contrast.more
    winner, loser = (less, more) if asks_less else (more, less)
    won, lost = winner.facts[name], loser.facts[name]
    listed = (winner, loser) if right_first else (loser, winner)
    verdict = draw.frames.verdict.format(w=winner.name, z=loser.name, p=predicate, x=won.value, y=lost.value)
    choice = Fact(
        id=f"{won.id}{'<' if asks_less else '>'}{lost.id}",
        kind="choice",
        value=winner.name,
        statement=verdict,
        alternatives=tuple(entity.name for entity in listed),
    )
    frame = draw.rng.pick(draw.frames.comparison)
    text = frame.format(sort=one.kind.sort, p=predicate, a=listed[0].name, b=listed[1].name)
    question = _question(
        "comparison", text, [verdict, winner.name], [choice], [(entity, name) for entity in listed], [won, lost]
    )
    # by the two facts; the choice follows from them
    return replace(question, id=f"comparison:{'+'.join(sorted((won.id, lost.id)))}")


def _unanswerable(draw: _Draw) -> Question | None:
    entity = draw.entity()
    names = draw.ours(entity, list(entity.absent))
    if not names:
        return None
    name = draw.rng.pick(names)
    attribute = entity.attribute(name)
    text = draw.asked(entity, name, entity.call)
    reference = draw.frames.unstated.format(noun=attribute.wording(draw.side).noun, o=entity.title)
    # a fact without a value: what kind of value an answer must not make up
    missing = Fact(f"{entity.document.id}/{name}", attribute.kind, "", reference, attribute.terms)
    return _question("unanswerable", text, [reference], [missing], [(entity, name)])


def _leading_number(value: str) -> float:
    return float(value.split(maxsplit=1)[0].replace(",", ""))


_MAKERS: dict[str, Callable[[_Draw], Question | None]] = {
    "one_fact": _one_fact,
    "several": _several,
    "two_hop": _two_hop,
    "comparison": _comparison,
    "unanswerable": _unanswerable,
}
assert set(_MAKERS) == set(SHARES), "every kind of question needs its share"
