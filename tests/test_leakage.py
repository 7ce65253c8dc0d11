"""The leakage radar, corpora without training documents, and how answers fail as text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.build.leakage import radar_encoder
from harness.build.resources import Resources
from harness.build.sources import build_source, whole_source
from harness.entries.catalog import Catalog
from harness.evaluation.samples import measure
from harness.finetuning.leakage import KINDS, Encoder, counts, is_leaked, radar
from harness.metrics.style import echoes, loops
from harness.records import Answer, Passage, Question, StopReason
from harness.sources.excluding import Excluding, without_finetune_documents
from harness.sources.world.source import SyntheticWorld
from tests.conftest import SHARED_DATA, Silent
from tests.test_store_and_runs import PLAN, QUESTIONS


def question(name: str, text: str, reference: str = "x", gold: str = "d1") -> Question:
    return Question(name, text, (reference,), (gold,))


LONG = "The enzyme binds to the promoter of the gene and stops its transcription in liver cells."


def test_each_kind_of_overlap_is_found_and_named() -> None:
    pairs = [
        question("p1", "Which protein is mutated in Duchenne muscular dystrophy?", gold="a"),
        question("p2", "How do otters sleep?", LONG, gold="b"),
    ]
    evaluated = [
        question("same", "which protein is mutated in duchenne muscular dystrophy", gold="c"),
        question("near", "Which proteins are mutated in Duchenne's muscular dystrophy?", gold="c"),
        question("answer", "Why is it off?", LONG.replace("liver", "kidney"), gold="c"),
        question("document", "Who was born in Kiel in 1858?", gold="b"),
        question("clean", "Who was born in Kiel in 1859?", gold="c"),
    ]
    found = radar(pairs, evaluated, None)
    assert found == {
        "same": ("exact", "near"),
        "near": ("near",),
        "answer": ("answer",),
        "document": ("document",),
    }
    assert counts(found) == {"exact": 1, "near": 2, "similar": 0, "answer": 1, "document": 1}
    assert [name for name, kinds in found.items() if is_leaked(kinds)] == ["same", "near", "answer"]


def test_similar_means_a_cosine_of_nine_tenths() -> None:
    vectors = {"p": (1.0, 0.0), "at": (0.9, 0.19**0.5), "below": (0.89, (1 - 0.89**2) ** 0.5)}

    def encoder(texts: Sequence[str]) -> np.ndarray:
        return np.array([vectors[text] for text in texts])

    found = radar([question("p", "p")], [question(n, n, gold="z") for n in ("at", "below")], encoder)
    assert found == {"at": ("similar",)}


def test_no_pairs_share_nothing() -> None:
    assert radar([], [question("q", "What?")], lambda texts: np.zeros((len(texts), 2))) == {}


# ---- planted duplicates ---------------------------------------------------------------------------------------------


def typo(text: str, dice: random.Random) -> str:
    place = dice.randrange(1, len(text) - 2)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def shouted(text: str, dice: random.Random) -> str:
    return text.upper().replace("?", " ?!")


def polite(text: str, dice: random.Random) -> str:
    return dice.choice(["Please tell me: ", "Could you say, ", "I would like to know: "]) + text[0].lower() + text[1:]


def without_a_word(text: str, dice: random.Random) -> str:
    words = text.split()
    del words[dice.randrange(len(words))]
    return " ".join(words)


def turned_around(text: str, dice: random.Random) -> str:
    words = text.rstrip("?").split()
    middle = len(words) // 2
    return " ".join(words[middle:] + words[:middle]) + "?"


def other_words(text: str, dice: random.Random) -> str:
    swaps = {"what": "which", "is": "was", "the": "that", "how": "in what way", "which": "what", "are": "were"}
    return " ".join(swaps.get(word.lower(), word) for word in text.split())


PLANTED = (typo, shouted, polite, without_a_word, turned_around, other_words)


def telecom_questions() -> list[Question]:
    return list(SyntheticWorld("telecom", documents=300, questions=601, pool=600, seed=7).questions("finetune"))


def embedded_encoder(cache: Path) -> Encoder:
    encoder = radar_encoder(Resources(cache=cache, progress=Silent()))
    assert encoder is not None
    return encoder.open().encode


def bioasq_questions() -> list[Question]:
    if not (SHARED_DATA / "bioasq").is_dir():
        pytest.skip("the BioASQ pack is not here")
    lines = (SHARED_DATA / "bioasq" / "qa.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:600]]
    return [question(row["id"], row["question"], gold=row["id"]) for row in rows if len(row["question"].split()) >= 4]


@pytest.mark.torch
@pytest.mark.parametrize("questions", [telecom_questions, bioasq_questions])
def test_of_planted_duplicates_at_least_95_percent_are_found(
    questions: Callable[[], list[Question]], shared_cache: Path
) -> None:
    dice, asked = random.Random(0), questions()
    pairs = asked[:200]
    planted = [
        question(f"{pair.id}/{change.__name__}", change(pair.text, dice), gold="other")
        for pair in pairs
        for change in PLANTED
    ]
    encoder = embedded_encoder(shared_cache)
    found = radar(pairs, planted, encoder)
    for change in PLANTED:
        names = [q.id for q in planted if q.id.endswith(f"/{change.__name__}")]
        recall = sum(is_leaked(found.get(name, ())) for name in names) / len(names)
        assert recall >= 0.95, f"{change.__name__}: {recall:.3f}"


@pytest.mark.torch
def test_of_real_questions_that_nobody_planted_few_are_called_leaked(shared_cache: Path) -> None:
    asked = bioasq_questions()
    encoder = embedded_encoder(shared_cache)
    found = radar(asked[:200], asked[200:], encoder)
    assert sum(map(is_leaked, found.values())) / len(asked[200:]) < 0.08


# ---- the corpus without what was trained on -------------------------------------------------------------------------


def test_documents_that_answer_the_pool_alone_are_left_out() -> None:
    world = SyntheticWorld("telecom", documents=100, questions=60, pool=30, seed=3)
    needed = {name for q in world.questions("evaluation") for name in q.gold_document_ids}
    used = {name for q in world.questions("finetune") for name in q.gold_document_ids}
    source = without_finetune_documents(world, "finetune", "evaluation")
    assert isinstance(source, Excluding)
    left = {document.id for document in source.documents()}
    assert used - needed
    assert left == {document.id for document in world.documents()} - (used - needed)
    assert needed <= left
    assert source.identity["excluded_documents"] == len(used - needed)
    assert source.identity["corpus"] != world.identity["corpus"]
    assert source.questions("evaluation") == world.questions("evaluation")


def test_the_studys_tasks_leave_training_documents_out_and_the_synthetic_one_does_not() -> None:
    catalog = Catalog([])
    assert {name: catalog.task(name).finetune.corpus_excludes for name in ("bioasq", "nq", "qasper", "telecom")} == {
        "bioasq": "finetune_documents",
        "nq": "finetune_documents",
        "qasper": "finetune_documents",
        "telecom": "nothing",
    }


@pytest.mark.skipif(not (SHARED_DATA / "nq").is_dir(), reason="the NQ pack is not here")
def test_of_real_data_no_evaluated_question_loses_its_gold_documents(progress: Silent, shared_cache: Path) -> None:
    entry = Catalog([]).task("nq")
    args = (entry, SHARED_DATA / "nq", Resources(cache=shared_cache, progress=progress))
    whole = {document.id for document in whole_source(*args).documents()}
    source = build_source(*args)
    left = {document.id for document in source.documents()}
    assert all(set(q.gold_document_ids) <= left for q in source.questions(entry.test_split))
    assert 0 < len(whole - left) <= 1_000


# ---- how answers fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "is_loop"),
    [
        ("the fee is 4 the fee is 4 the fee is 4", True),
        ("a b c a b c a b c d", True),
        ("no no no", False),
        ("yes yes yes yes yes yes", True),
        ("The fee is 4 euros. It rains. The fee is 4 euros! So what. The fee is 4 euros", True),
        ("the fee is 4 euros and the fee is 5 euros", False),
        ("", False),
    ],
)
def test_a_loop_is_a_stretch_three_times(answer: str, is_loop: bool) -> None:
    assert loops(answer) is is_loop


@given(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=9, unique=True), st.integers(3, 5))
def test_any_stretch_often_enough_is_a_loop(words: list[str], times: int) -> None:
    assert loops(" ".join(words * times)) is (len(words) * times >= 6)


ASKED = "Answer in one or two short sentences. If the passages do not say it, say so.\nQuestion: What is the fee?"


@pytest.mark.parametrize(
    ("answer", "is_echo"),
    [
        ("What is the fee?", True),
        ("The fee is 4 euros.", False),
        ("answer in one or two short sentences if the fee is 4", True),
        ("In one or two short sentences, it is 4.", False),
    ],
)
def test_an_echo_repeats_the_question_or_eight_words_of_the_instruction(answer: str, is_echo: bool) -> None:
    assert echoes(answer, lambda: ASKED, "What is the fee?") is is_echo


def test_an_instruction_that_stands_only_where_passages_are_shown_can_be_echoed_and_a_passage_cannot() -> None:
    instruction = "If the passages do not say it, answer that you do not know."
    text = "one two three four five six seven eight nine"
    plan = replace(
        PLAN, doc_to_text="{% if passages %}{{ passages[0].text }} " + instruction + "{% endif %} {{ question }}"
    )
    shown = [Passage("d1", 0, len(text), "T", text, 1, 0.0)]

    def is_echo(answer: str, passages: Sequence[Passage]) -> float | None:
        return measure(plan, QUESTIONS[0], passages, 0, Answer("k", answer, StopReason.EOS, 9, 9), ())["echoes"]

    assert is_echo(instruction, shown) == 1.0
    assert is_echo(instruction, []) == 0.0, "it was not asked that"
    assert is_echo(text, shown) == 0.0, "a quotation"


def test_kinds_are_listed_in_a_fixed_order() -> None:
    assert KINDS == ("exact", "near", "similar", "answer", "document")
