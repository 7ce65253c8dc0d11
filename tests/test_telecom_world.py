"""The synthetic world: one seed, one world, everywhere; facts where they are said to be; pools that never meet."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.digests import digest_of
from harness.errors import DataError
from harness.sources.telecom.lexicon import ENTITY_KINDS, FILLER_WORDS, FILLERS, entity_name
from harness.sources.telecom.rng import SeededRng
from harness.sources.telecom.source import TelecomWorld
from harness.sources.telecom.world import VERSION, World


@pytest.fixture(scope="module")
def world() -> TelecomWorld:
    return TelecomWorld(documents=300, questions=1_600, pool=1_000, seed=7)


def test_the_default_world_is_this_world_to_the_byte(world: TelecomWorld) -> None:
    """Golden. If it fails, the same seed makes another world: raise `world.VERSION`, then change the digests."""
    assert VERSION == 1
    assert world.identity["corpus"] == "7473e79b9ccdf61bf3c51ec5c6ceb0a35877ae297cdc98b74aebb924bb57ff12"
    assert world.identity["questions"] == "c5d76a3c25d9e79dca4b68f53994919d3a198dc646a51c546152b90ad04723ea"


def test_dice_follow_splitmix64() -> None:
    """From state 0 the published SplitMix64 gives 0xE220A8397B1DCDAF first, then 0x6E789E6AA1B965F4."""
    dice = SeededRng("any")
    dice._state = 0
    assert [dice.below(1 << 64), dice.below(1 << 64)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_documents_are_long_enough_that_chunking_matters(world: TelecomWorld) -> None:
    lengths = sorted(len(document.text) for document in world.documents())
    assert len(lengths) == 300
    assert lengths[0] > 1_500
    assert lengths[150] > 3_000


def test_every_fact_stands_where_its_span_says(world: TelecomWorld) -> None:
    texts = {document.id: document.text for document in world.documents()}
    for question in [*world.questions("evaluation"), *world.questions("finetune")]:
        places = [texts[span.document_id][span.start : span.end] for span in question.gold_spans]
        for fact in (*question.facts, *question.side_facts):
            if fact.kind == "choice" or not fact.value:
                continue
            assert any(fact.value in place for place in places), (question.id, fact.value, places)


def test_no_fact_is_in_both_pools(world: TelecomWorld) -> None:
    def facts(split: str) -> set[str]:
        atoms = set()
        for question in world.questions(split):
            identity = question.id.split(":", 1)[1]
            atoms |= {atom for part in identity.split("+") for atom in part.split("<")}
        return atoms

    assert facts("evaluation")
    assert not facts("evaluation") & facts("finetune")


def test_all_kinds_are_there_in_their_shares_and_no_question_twice(world: TelecomWorld) -> None:
    questions = world.questions("evaluation")
    expected = {"one_fact": 240, "several": 120, "two_hop": 90, "comparison": 90, "unanswerable": 60}
    assert Counter(question.kind for question in questions) == expected
    assert len({question.id for question in questions}) == 600


def test_what_is_unanswerable_is_stated_nowhere_in_the_document(world: TelecomWorld) -> None:
    for question in world.questions("evaluation"):
        if question.kind == "unanswerable":
            document_id, attribute = question.id.removeprefix("unanswerable:").split("/")
            kind, index = document_id.rsplit("-", 1)
            entity = World(300, 7).entity(kind, int(index))
            assert attribute in entity.absent
            assert attribute not in entity.facts


def test_another_seed_makes_another_world(world: TelecomWorld) -> None:
    assert TelecomWorld(300, 1_600, 1_000, seed=8).identity["corpus"] != world.identity["corpus"]


def test_an_entity_does_not_depend_on_which_were_looked_at_before() -> None:
    forwards, backwards = World(300, 7), World(300, 7)
    documents = [document.text for document in forwards.documents()]
    last = backwards.entity("policy", 29).document.text
    assert documents[-1] == last


def test_a_million_documents_cost_only_what_is_looked_at() -> None:
    world = World(1_000_000, 7)
    assert sum(world.counts.values()) == 1_000_000
    first = world.entity("error", 219_999)
    assert first.document.text.count(first.name) > 5


@pytest.mark.parametrize("kind", list(ENTITY_KINDS))
def test_names_are_unique_in_a_million_documents(kind: str) -> None:
    count = 1_000_000 * ENTITY_KINDS[kind].share // 1_000
    assert len({entity_name(kind, index, count) for index in range(count)}) == count


def test_filler_states_nothing_that_could_be_a_fact() -> None:
    terms = {term for kind in ENTITY_KINDS.values() for attribute in kind.attributes for term in attribute.terms}
    text = " ".join((*FILLERS, *(word for words in FILLER_WORDS.values() for word in words))).lower()
    assert not any(letter.isdigit() for letter in text)
    assert not [term for term in terms if term.lower().removeprefix("the ") in text]


def test_a_world_too_small_for_its_questions_says_so() -> None:
    with pytest.raises(DataError, match=r"50 documents has facts for \d+ of .* ask for fewer `questions`"):
        TelecomWorld(50, 1_600, 1_000, seed=7).questions("evaluation")


def test_fifty_documents_make_a_small_world() -> None:
    source = TelecomWorld(50, 150, 75, seed=1)
    assert len(source.questions("evaluation")) == 75


def test_the_worlds_digest_is_of_its_text() -> None:
    source = TelecomWorld(50, 60, 20, seed=1)
    assert source.identity["corpus"] != digest_of("")
    assert source.identity == TelecomWorld(50, 60, 20, seed=1).identity
