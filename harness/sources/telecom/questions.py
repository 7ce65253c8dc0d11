"""From a world to questions of five kinds, each with the atomic facts that a complete answer states.

    one_fact      one attribute of one entity
    several       two or three attributes of one entity, of different kinds of value
    two_hop       an attribute of an entity that is only named through another
    comparison    which of two entities has the smaller value
    unanswerable  an attribute that the entity's document does not state

A question draws on facts of one pool alone, so what is trained on is never asked. Entities are drawn at random and
tried; a world too small for the number asked for raises `DataError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

from harness.errors import DataError
from harness.records import Fact, Question, Span
from harness.sources.telecom.lexicon import ENTITY_KINDS
from harness.sources.telecom.rng import SeededRng
from harness.sources.telecom.world import Entity, World

__all__ = ["SHARES", "make_questions"]

SHARES = {"one_fact": 400, "several": 200, "two_hop": 150, "comparison": 150, "unanswerable": 100}  # per mille
_TRIES = 60  # draws for each question, before the world is called too small


def make_questions(world: World, pool: str, number: int) -> list[Question]:
    """`number` questions over the facts of a pool, all different, in a seeded random order of kinds.

    Raises `DataError` when the world has too few facts."""
    quotas = {kind: number * share // 1_000 for kind, share in SHARES.items()}
    quotas["one_fact"] += number - sum(quotas.values())
    questions: list[Question] = []
    for kind, quota in quotas.items():
        by_id: dict[str, Question] = {}
        for attempt in range(quota * _TRIES):
            if len(by_id) == quota:
                break
            question = _MAKERS[kind](_Draw(world, pool, SeededRng(world.seed, "question", pool, kind, attempt)))
            if question is not None:
                by_id.setdefault(question.id, question)
        if len(by_id) < quota:
            raise DataError(
                f"the telecom world of {sum(world.counts.values())} documents has facts for {len(by_id)} of "
                f"{quota} {kind} questions in its {pool} pool; ask for fewer `questions` or more `documents`"
            )
        questions += by_id.values()
    return SeededRng(world.seed, "order", pool).shuffled(questions)


class _Draw:
    """One attempt at a question: a random entity, and which of its facts belong to the pool."""

    def __init__(self, world: World, pool: str, rng: SeededRng) -> None:
        self.world, self.pool, self.rng = world, pool, rng

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
        """Those attributes whose facts belong to this pool."""
        return [name for name in names if self.world.pool_of(entity.kind.name, entity.index, name) == self.pool]


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
    text = draw.rng.pick(entity.attribute(name).questions).format(n=entity.name)
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
    nouns = [f"the {entity.attribute(name).noun}" for name in chosen]
    listed = ", ".join(nouns[:-1]) + f" and {nouns[-1]}"
    owner = entity.kind.title.format(n=entity.name)
    text = draw.rng.pick(("{o}: what are {l}?", "Please give {l} for {o}.")).format(o=owner, l=listed)
    facts = [entity.facts[name] for name in chosen]
    reference = " ".join(fact.statement for fact in facts)
    return _question("several", text, [reference], facts, [(entity, name) for name in chosen])


def _two_hop(draw: _Draw) -> Question | None:
    """The first hop's fact is given in the question's words, not asked for; it must belong to the pool all the same."""
    first = draw.entity()
    links = draw.ours(first, list(first.targets))
    if not links:
        return None
    link = draw.rng.pick(links)
    attribute = first.attribute(link)
    if attribute.links is None:
        raise ValueError(f"{attribute.name} has a target but no kind")
    second = draw.world.entity(attribute.links, first.targets[link])
    names = draw.ours(second, [name for name in second.facts if name not in second.targets])
    if not names:
        return None
    name = draw.rng.pick(names)
    # "procedure {n}" would read "procedure the procedure that …": the questions name the sort, the descriptor too
    wording = draw.rng.pick(second.attribute(name).questions).replace(f"{second.kind.name} {{n}}", "{n}")
    text = wording.format(n=attribute.descriptor.format(n=first.name))
    bridge, fact = first.facts[link], second.facts[name]
    references = [f"{bridge.statement} {fact.statement}", fact.statement, fact.value]
    return _question("two_hop", text, references, [fact], [(first, link), (second, name)], [bridge])


def _comparison(draw: _Draw) -> Question | None:
    first = draw.entity()
    names = [name for name in draw.ours(first, list(first.facts)) if first.attribute(name).compare]
    if not names:
        return None
    name = draw.rng.pick(names)
    second = draw.entity(first.kind.name)
    if second.index == first.index or name not in draw.ours(second, list(second.facts)):
        return None
    sizes = [_leading_number(entity.facts[name].value) for entity in (first, second)]
    if sizes[0] == sizes[1]:
        return None
    winner, loser = (first, second) if sizes[0] < sizes[1] else (second, first)
    compare = first.attribute(name).compare
    if compare is None:
        raise ValueError(f"{name} cannot be compared")
    won, lost = winner.facts[name], loser.facts[name]
    choice = Fact(
        id=f"{won.id}<{lost.id}",
        kind="choice",
        value=winner.name,
        statement=compare.verdict.format(w=winner.name, l=loser.name, x=won.value, y=lost.value),
        alternatives=(winner.name, loser.name),
    )
    text = compare.question.format(a=first.name, b=second.name)
    identity = "+".join(sorted((won.id, lost.id)))
    mentioned = [(first, name), (second, name)]
    question = _question("comparison", text, [choice.statement, winner.name], [choice], mentioned, [won, lost])
    return replace(question, id=f"comparison:{identity}")  # by the two facts; the choice follows from them


def _unanswerable(draw: _Draw) -> Question | None:
    entity = draw.entity()
    names = draw.ours(entity, list(entity.absent))
    if not names:
        return None
    name = draw.rng.pick(names)
    attribute = entity.attribute(name)
    text = draw.rng.pick(attribute.questions).format(n=entity.name)
    owner = entity.kind.title.format(n=entity.name)
    reference = f"The knowledge base does not state the {attribute.noun} of {owner}."
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
assert all(kind.sections for kind in ENTITY_KINDS.values())
