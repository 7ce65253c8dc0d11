"""The synthetic world: one seed, one world, everywhere; facts where they are said to be; sides that never meet."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import pytest

from harness.build.resources import Resources
from harness.build.retrievers import build_retriever
from harness.entries.catalog import Catalog
from harness.entries.task import TaskEntry, WorldEntry
from harness.errors import DataError
from harness.evaluation.samples import measure
from harness.finetuning.leakage import is_leaked, radar
from harness.finetuning.pools import check_apart
from harness.judging.facts import true_scores
from harness.judging.values import mentions
from harness.metrics.ranking import span_recall
from harness.records import Answer, Arm, Decoding, Fact, Passage, Query, Question, StopReason, TaskPlan
from harness.sources.world.domains import DOMAINS
from harness.sources.world.lexicon import EVALUATION, FINETUNE, Attribute, Frames
from harness.sources.world.rng import SeededRng
from harness.sources.world.source import SyntheticWorld
from harness.sources.world.world import VERSION, World
from tests.conftest import Silent

SHIPPED = {"telecom": 7, "library": 11}
"""The seeds of the shipped tasks."""


@pytest.fixture(scope="module")
def world() -> SyntheticWorld:
    return SyntheticWorld("telecom", documents=300, questions=1_600, pool=1_000, seed=7)


@pytest.fixture(scope="module")
def twin() -> SyntheticWorld:
    return SyntheticWorld("telecom", documents=300, questions=1_600, pool=1_000, seed=7, twin=True)


@pytest.fixture(scope="module", params=list(SHIPPED))
def either(request: pytest.FixtureRequest) -> SyntheticWorld:
    """The world of each shipped task."""
    return SyntheticWorld(request.param, 300, 1_600, 1_000, seed=SHIPPED[request.param])


def everything(source: SyntheticWorld) -> list[Question]:
    return [*source.questions(EVALUATION), *source.questions(FINETUNE)]


def of_kind(source: SyntheticWorld, kind: str, split: str = EVALUATION) -> list[Question]:
    return [question for question in source.questions(split) if question.kind == kind]


# ---- one seed, one world --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "corpus", "questions"),
    [
        (
            "telecom",
            "ab0afda8605eee2333979488f8dc9c3350e31f9521e0e9006420a9abbfe19a06",
            "85a4ece4f72f2e93445e89de15946997c514d7c8573cecdb78a858b11c8ddf7d",
        ),
        (
            "library",
            "b279a41dc993d075852b748b11b5c520bb6e0e79ec2884fdb0efe83c7b6b0189",
            "daf7a799a9a74ed07c10f1489bc517e072e8cbbb39e810ed8b9bbb11fe57ee65",
        ),
    ],
)
def test_the_shipped_worlds_are_these_worlds_to_the_byte(domain: str, corpus: str, questions: str) -> None:
    """Golden. If it fails, the same seed makes another world: raise `world.VERSION`, then change the digests."""
    assert VERSION == 2
    identity = SyntheticWorld(domain, 300, 1_600, 1_000, seed=SHIPPED[domain]).identity
    assert (identity["corpus"], identity["questions"]) == (corpus, questions)


def test_the_shipped_tasks_have_these_worlds_and_every_domain_can_be_named_in_a_task() -> None:
    for name, seed in SHIPPED.items():
        entry = Catalog().task(name)
        assert entry.world == WorldEntry.model_validate(
            {"kind": name, "documents": 300, "questions": 1_600, "seed": seed}
        )
        assert entry.finetune.pool == 1_000
    assert set(get_args(WorldEntry.model_fields["kind"].annotation)) == set(DOMAINS)


def test_dice_follow_splitmix64() -> None:
    """From state 0 the published SplitMix64 gives 0xE220A8397B1DCDAF first, then 0x6E789E6AA1B965F4."""
    dice = SeededRng("any")
    dice._state = 0
    assert [dice.below(1 << 64), dice.below(1 << 64)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_another_seed_makes_another_world(world: SyntheticWorld) -> None:
    assert SyntheticWorld("telecom", 300, 1_600, 1_000, seed=8).identity["corpus"] != world.identity["corpus"]


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_an_entity_does_not_depend_on_which_were_looked_at_before(domain: str) -> None:
    forwards, backwards = World(DOMAINS[domain], 300, 7), World(DOMAINS[domain], 300, 7)
    documents = {document.id: document.text for document in forwards.documents()}
    kind = DOMAINS[domain].kinds[-1].name
    last = backwards.counts[kind] - 1
    assert documents[f"{kind}-{last:06d}"] == backwards.entity(kind, last).document.text


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_a_million_documents_cost_only_what_is_looked_at(domain: str) -> None:
    world = World(DOMAINS[domain], 1_000_000, 7)
    assert sum(world.counts.values()) + sum(world.distractors.values()) == 1_000_000
    for kind in (DOMAINS[domain].kinds[0].name, DOMAINS[domain].kinds[-1].name):
        entity = world.entity(kind, world.counts[kind] - 1)
        assert entity.document.text.count(entity.name) > 5
    assert world.entity.cache_info().misses == 2
    assert world.distraction(DOMAINS[domain].distractors[0], 99_999).text


@pytest.mark.parametrize(
    ("domain", "kind"), [(domain.name, kind.name) for domain in DOMAINS.values() for kind in domain.kinds]
)
def test_names_are_unique_in_a_million_documents(domain: str, kind: str) -> None:
    world = World(DOMAINS[domain], 1_000_000, 7)
    count = world.counts[kind]
    assert len({world.name(kind, index) for index in range(count)}) == count


def test_a_world_too_small_for_its_questions_says_so() -> None:
    with pytest.raises(DataError, match=r"50 documents has facts for \d+ of .* ask for fewer `questions`"):
        SyntheticWorld("telecom", 50, 1_600, 1_000, seed=7).questions(EVALUATION)


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_fifty_documents_make_a_small_world(domain: str) -> None:
    source = SyntheticWorld(domain, 50, 150, 75, seed=1)
    assert len(source.questions(EVALUATION)) == 75
    assert source.identity == SyntheticWorld(domain, 50, 150, 75, seed=1).identity


# ---- documents ------------------------------------------------------------------------------------------------------


def test_half_of_the_documents_are_longer_than_a_chunk(either: SyntheticWorld) -> None:
    lengths = sorted(len(document.text) for document in either.documents())
    assert len(lengths) == 300
    assert lengths[150] > 1_500


def test_every_fact_stands_where_its_span_says(either: SyntheticWorld) -> None:
    texts = {document.id: document.text for document in either.documents()}
    for question in everything(either):
        places = [texts[span.document_id][span.start : span.end] for span in question.gold_spans]
        for fact in (*question.facts, *question.side_facts):
            if fact.kind == "choice" or not fact.value:
                continue
            assert any(fact.value in place for place in places), (question.id, fact.value, places)


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_filler_states_nothing_that_could_be_a_fact(domain: str) -> None:
    words = DOMAINS[domain]
    terms = {term for kind in words.kinds for attribute in kind.attributes for term in attribute.terms}
    text = " ".join((*words.fillers, *(word for options in words.filler_words.values() for word in options))).lower()
    assert not any(letter.isdigit() for letter in text)
    assert not [term for term in terms if term.lower().removeprefix("the ") in text]


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_an_entitys_page_names_all_that_leads_to_it(domain: str) -> None:
    world = World(DOMAINS[domain], 300, 7)
    checked = 0
    for kind in DOMAINS[domain].kinds:
        for index in range(world.counts[kind.name]):
            source = world.entity(kind.name, index)
            for name, target in source.targets.items():
                link = source.attribute(name).link
                assert link is not None
                assert source.name in world.entity(link.kind, target).document.text
                checked += 1
    assert checked > 150


def test_a_distractor_quotes_values_that_are_not_the_true_ones_and_answers_nothing(either: SyntheticWorld) -> None:
    documents = list(either.documents())
    names = {each.name for each in DOMAINS[either.domain].distractors}
    distractors = [document for document in documents if document.id.rsplit("-", 1)[0] in names]
    assert len(distractors) == 48  # 100 and 60 per mille of 300
    gold = {name for question in everything(either) for name in question.gold_document_ids}
    assert not gold & {document.id for document in distractors}
    quoted = {quote for document in distractors for quote in re.findall("“(.+?)”", document.text)}
    assert len(quoted) > 100
    assert not quoted & {fact.statement for question in everything(either) for fact in question.facts}


# ---- questions ------------------------------------------------------------------------------------------------------


def test_all_kinds_are_there_in_their_shares_and_no_question_twice(either: SyntheticWorld) -> None:
    questions = either.questions(EVALUATION)
    expected = {"one_fact": 240, "several": 120, "two_hop": 90, "comparison": 90, "unanswerable": 60}
    assert Counter(question.kind for question in questions) == expected
    assert len({question.id for question in questions}) == 600
    assert len({question.text for question in questions}) == 600


def test_no_fact_is_on_both_sides(either: SyntheticWorld) -> None:
    def facts(split: str) -> set[str]:
        atoms = set()
        for question in either.questions(split):
            identity = question.id.split(":", 1)[1]
            atoms |= {atom for part in identity.split("+") for atom in re.split("[<>]", part)}
        return atoms

    assert facts(EVALUATION)
    assert not facts(EVALUATION) & facts(FINETUNE)


def templates(domain: str, side: str) -> Iterator[str]:
    """Every wording of a side with its slots."""

    def of_attribute(attribute: Attribute) -> Iterator[str]:
        words = attribute.wording(side)
        yield from (words.noun, words.sentence, *words.questions)
        if attribute.compare:
            yield from (attribute.compare.contrast(side).less, attribute.compare.contrast(side).more)
        if attribute.link:
            yield attribute.link.descriptor(side)

    def of_frames(frames: Frames) -> Iterator[str]:
        yield from (*frames.several, *frames.comparison, frames.verdict, frames.unstated)

    yield from of_frames(DOMAINS[domain].frames(side))
    for kind in DOMAINS[domain].kinds:
        for attribute in kind.attributes:
            yield from of_attribute(attribute)


def without_slots(template: str) -> str:
    return " ".join(re.findall(r"\w+", re.sub(r"\{\w+\}", " ", template).lower()))


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_the_sides_share_no_wording(domain: str) -> None:
    pool, evaluation = ({without_slots(each) for each in templates(domain, side)} for side in (FINETUNE, EVALUATION))
    assert len(pool) > 150
    assert len(evaluation) > 150
    assert not pool & evaluation


def pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)), re.IGNORECASE)


def test_no_evaluated_question_or_reference_is_in_a_wording_of_the_pool(either: SyntheticWorld) -> None:
    """Against the pool's templates of whole sentences, whatever stands in their slots. A reference that is a bare value
    has no wording."""
    domain = DOMAINS[either.domain]
    words = [attribute.pool for kind in domain.kinds for attribute in kind.attributes]
    sentences = [*domain.pool.several, domain.pool.verdict, domain.pool.unstated]
    sentences += [sentence for each in words for sentence in (each.sentence, *each.questions)]
    patterns = [pattern(sentence) for sentence in sentences]
    for question in either.questions(EVALUATION):
        texts = [question.text, *(fact.statement for fact in (*question.facts, *question.side_facts))]
        assert not [each.pattern for each in patterns for text in texts if each.fullmatch(text)], texts
        assert all(fact.statement in question.references[0] for fact in question.facts)
    shared = [q for q in either.questions(FINETUNE) if any(each.fullmatch(q.text) for each in patterns)]
    assert len(shared) == 850  # of the pool itself all but its comparisons: the test can fail


def test_nearly_no_evaluated_question_is_like_one_of_the_pool(either: SyntheticWorld) -> None:
    """Of version 1's questions four of five were, by their wording."""
    evaluation = either.questions(EVALUATION)
    kinds = radar(either.questions(FINETUNE), evaluation, None)
    assert sum(is_leaked(kinds.get(question.id, ())) for question in evaluation) <= 6  # of 600


@pytest.mark.parametrize("split", [EVALUATION, FINETUNE])
def test_comparisons_ask_both_ways_and_put_the_right_one_first_half_of_the_time(
    either: SyntheticWorld, split: str
) -> None:
    """The number-th question of the kind takes one of four in turn, so they differ by one at most."""
    cells: Counter[tuple[bool, bool]] = Counter()
    for question in of_kind(either, "comparison", split):
        (choice,) = question.facts
        first, second = choice.alternatives
        assert question.text.index(first) < question.text.index(second)
        cells["<" in choice.id, choice.value == first] += 1
    assert sum(cells.values()) == {EVALUATION: 90, FINETUNE: 150}[split]
    assert len(cells) == 4
    assert max(cells.values()) - min(cells.values()) <= 1


def test_a_comparisons_reference_names_the_right_one_and_both_values(either: SyntheticWorld) -> None:
    for question in of_kind(either, "comparison"):
        (choice,) = question.facts
        won, lost = question.side_facts
        right, wrong = (float(fact.value.split()[0].replace(",", "")) for fact in (won, lost))
        assert (right < wrong) == ("<" in choice.id)
        reference = question.references[0]
        assert all(part in reference for part in (*choice.alternatives, won.value, lost.value))
        assert reference.index(choice.value) < reference.index(
            next(a for a in choice.alternatives if a != choice.value)
        )


def test_what_is_unanswerable_is_stated_nowhere_in_the_document(either: SyntheticWorld) -> None:
    world = World(DOMAINS[either.domain], 300, SHIPPED[either.domain])
    for question in of_kind(either, "unanswerable"):
        document_id, attribute = question.id.removeprefix("unanswerable:").split("/")
        kind, index = document_id.rsplit("-", 1)
        entity = world.entity(kind, int(index))
        assert attribute in entity.absent
        assert attribute not in entity.facts
        for side in (EVALUATION, FINETUNE):
            value = re.escape("{v}")
            sentence = re.escape(entity.attribute(attribute).wording(side).sentence.replace("{n}", entity.call))
            assert not re.search(sentence.replace(value, r"[^.]{1,40}"), entity.document.text, re.IGNORECASE)


def test_every_reference_gets_full_marks_from_the_judge_that_knows_the_facts(either: SyntheticWorld) -> None:
    for question in everything(either):
        assert true_scores(question, question.references[0]) == (5.0, 5.0), question


# ---- retrieval ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(either: SyntheticWorld) -> dict[str, tuple[Passage, ...]]:
    """What the shipped task's own retriever finds for each question, the evaluation's and the pool's."""
    entry: TaskEntry = Catalog().task(either.domain)
    with tempfile.TemporaryDirectory() as cache:
        retriever = build_retriever(entry.retrieval, either, Arm.RAG, Resources(Path(cache), Silent()))
        questions = list(either.questions(EVALUATION))
        passages = retriever.search([Query(question.text) for question in questions], entry.retrieval.top_k)
        return {question.id: tuple(each) for question, each in zip(questions, passages, strict=True)}


def test_keywords_find_four_of_five_places_that_a_two_hop_question_needs(
    either: SyntheticWorld, found: dict[str, tuple[Passage, ...]]
) -> None:
    recalls = [span_recall(found[question.id], question.gold_spans) for question in of_kind(either, "two_hop")]
    assert sum(recalls) / len(recalls) >= 0.8
    assert sum(recall == 1.0 for recall in recalls) / len(recalls) >= 0.7


def test_passages_of_an_unanswerable_question_hold_a_value_of_the_kind_asked_for(
    either: SyntheticWorld, found: dict[str, tuple[Passage, ...]]
) -> None:
    near = [
        bool(
            mentions(
                question.facts[0].kind, "\n".join(p.text for p in found[question.id]), question.facts[0].alternatives
            )
        )
        for question in of_kind(either, "unanswerable")
    ]
    assert sum(near) / len(near) >= 0.9


# ---- what can be had without reading --------------------------------------------------------------------------------


def mean_accuracy(questions: Sequence[Question], answer: Callable[[Question], str]) -> float:
    return sum(true_scores(question, answer(question))[0] for question in questions) / len(questions)


def test_what_anyone_could_write_scores_next_to_nothing(either: SyntheticWorld) -> None:
    questions = [question for question in either.questions(EVALUATION) if question.answerable]
    values = Counter(fact.value for question in either.questions(FINETUNE) for fact in question.facts if fact.value)
    ((majority, times),) = values.most_common(1)
    assert times / sum(values.values()) < 0.02
    assert mean_accuracy(questions, lambda question: "The knowledge base does not say.") == 1.0
    assert mean_accuracy(questions, lambda question: question.text) <= 1.5
    assert mean_accuracy(questions, lambda question: majority) <= 1.1


# ---- counterfactual twins -------------------------------------------------------------------------------------------


def test_a_twin_asks_the_pools_questions_and_has_another_value_for_each_fact_asked_for(
    world: SyntheticWorld, twin: SyntheticWorld
) -> None:
    pool = {question.id: question for question in world.questions(FINETUNE)}
    asked = twin.questions(EVALUATION)
    assert len(asked) == 600
    texts = {document.id: document.text for document in twin.documents()}
    for question in asked:
        before = pool[question.id]
        assert question.text == before.text
        assert question.replaced == before.facts
        for new, old in zip(question.facts, question.replaced, strict=True):
            assert (new.id, new.kind) == (old.id, old.kind)
            assert new.value != old.value
        places = [texts[span.document_id][span.start : span.end] for span in question.gold_spans]
        assert all(any(fact.value in place for place in places) for fact in question.facts)


def test_a_twins_pages_differ_from_the_worlds_in_the_pools_facts_alone() -> None:
    world, twin = (World(DOMAINS["telecom"], 300, 7, twin=twin) for twin in (False, True))
    changed: Counter[bool] = Counter()
    for kind, count in world.counts.items():
        for index in range(count):
            before, after = world.entity(kind, index), twin.entity(kind, index)
            assert before.targets == after.targets
            for name, fact in before.facts.items():
                swaps = world.side_of(kind, index, name) == FINETUNE and name not in before.targets
                assert (after.facts[name].value != fact.value) == swaps
                changed[swaps] += 1
    assert changed[True] > 500
    assert changed[False] > 500


def test_there_is_nothing_to_train_on_in_a_twin(world: SyntheticWorld, twin: SyntheticWorld) -> None:
    assert twin.questions(FINETUNE) == world.questions(FINETUNE)
    with pytest.raises(DataError, match="the fine-tuning pool meets the evaluation split"):
        check_apart(twin.questions(FINETUNE), twin.questions(EVALUATION))


OLD = (Fact("p/price", "money", "19.90 EUR", ""), Fact("p/term", "duration", "12 months", ""))
NEW = (Fact("p/price", "money", "33.00 EUR", ""), Fact("p/term", "duration", "24 months", ""))
PLAN = TaskPlan("t", "t", 1, EVALUATION, "{{ question }}", "{{ references[0] }}", None, False, 5, None, Decoding(), ())


@pytest.mark.parametrize(
    ("answer", "from_context", "from_weights"),
    [
        ("33 euros a month, for 24 months.", 1.0, 0.0),
        ("19.90 EUR, for two years.", 0.5, 0.5),  # the old price and the new term
        ("It costs €19.90 for one year.", 0.0, 1.0),
        ("33.00 EUR; it used to be 19.90 EUR.", 0.5, 0.5),
        ("It is not 19.90 EUR but 33 euros.", 0.5, 0.0),  # what is denied is not stated
        ("The knowledge base does not say.", 0.0, 0.0),
    ],
)
def test_an_answer_to_a_twin_is_from_the_page_or_from_the_weights(
    answer: str, from_context: float, from_weights: float
) -> None:
    question = Question("q", "What are price and term?", ("…",), kind="several", facts=NEW, replaced=OLD)
    values = measure(PLAN, question, (), 0, Answer("", answer, StopReason.EOS, 1, 1), ())
    assert (values["from_context"], values["from_weights"]) == (from_context, from_weights)


def test_only_a_twins_question_can_be_answered_from_the_weights() -> None:
    question = Question("q", "What is the price?", ("…",), facts=NEW[:1])
    values = measure(PLAN, question, (), 0, Answer("", "33 euros", StopReason.EOS, 1, 1), ())
    assert "from_weights" not in values
