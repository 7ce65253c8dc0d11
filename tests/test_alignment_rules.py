"""What the alignment judge does without a network: statements, stems, contraries, features, and which texts it aligns.

Word vectors are made by hand here, in two or three dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.alignment.features import FLAGS, EncodedText, features, flags
from harness.judging.alignment.planning import MOST_STATEMENTS, MOST_WORDS, alignments
from harness.judging.alignment.words import CONTRARIES, DENIAL, has_capitals, has_contrary, has_digit, stem, words
from harness.judging.statements import split_statements

# ---- statements -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("The pump runs. It is loud!", ["The pump runs.", "It is loud!"]),
        ("Some birds, e.g. Rooks, can count.", ["Some birds, e.g. Rooks, can count."]),
        ("Dr. Moss et al. Found it.", ["Dr. Moss et al. Found it."]),
        ("It was found by J. Moss in Dec. 1999.", ["It was found by J. Moss in Dec. 1999."]),
        ("It weighs 4.5 kg. Nobody knows why.", ["It weighs 4.5 kg.", "Nobody knows why."]),
        ("The node is e. coli alone", ["The node is e. coli alone"]),
        ("It is red; the lid is blue.", ["It is red", "the lid is blue."]),
        ("The code a;b is one word.", ["The code a;b is one word."]),
        ("1. Open the lid.\n2) Press it.\n- Wait.", ["Open the lid.", "Press it.", "Wait."]),
        ("(a) Open the lid\n(b) press it", ["Open the lid", "press it"]),
        ("He said \"it runs.\" Then it stopped.", ["He said \"it runs.\"", "Then it stopped."]),
        ("Is it on? (It is.) Wait.", ["Is it on?", "(It is.)", "Wait."]),
        ("See No. 5 there. It is red.", ["See No. 5 there.", "It is red."]),
        ("No. It is red.", ["No.", "It is red."]),
        ("The answer is no. It is red.", ["The answer is no.", "It is red."]),
        ("one line\n\nanother line", ["one line", "another line"]),
        ("14", ["14"]),
        ("-\n?!\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_text_is_cut_where_a_statement_ends(text: str, statements: Sequence[str]) -> None:
    assert split_statements(text) == statements


def test_a_contrast_is_cut_where_both_sides_have_four_words() -> None:
    assert split_statements("The old pump is loud, but the new one is quiet.") == [
        "The old pump is loud",
        "the new one is quiet.",
    ]
    assert split_statements("The old pump is loud whereas the new one is quiet.") == [
        "The old pump is loud",
        "the new one is quiet.",
    ]
    assert split_statements("The old pump is loud but not slow.") == ["The old pump is loud but not slow."]


@given(st.lists(st.sampled_from(["The pump is loud.", "It costs 4.5 euros!", "Is it red?"]), min_size=1, max_size=6))
def test_plain_sentences_come_back_as_they_were(sentences: Sequence[str]) -> None:
    assert split_statements(" ".join(sentences)) == list(sentences)


# ---- words ----------------------------------------------------------------------------------------------------------


def test_codes_decimals_and_compounds_are_one_word() -> None:
    assert words("R132H, 10.5 and up-regulated (1,200) it's snake_case") == [
        "R132H", "10.5", "and", "up-regulated", "1,200", "it's", "snake", "case",
    ]  # fmt: skip
    assert len(words("a " * 300)) == 200


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Increases", "increas"), ("increased", "increas"), ("cells", "cell"), ("mutations", "mutation"),
        ("binding", "bind"), ("gas", "gas"), ("uses", "uses"), ("1,200", "1200"), ("Fourteen", "14"), ("IDH1", "idh1"),
        ("families", "famil"), ("slowly", "slow"),
    ],
)  # fmt: skip
def test_stems_by_hand(word: str, expected: str) -> None:
    """An ending goes where four letters stay: of "uses" three would, of "mutations" without "ations" three as well, so
    that only its "s" goes."""
    assert stem(word) == expected


def test_what_a_word_is() -> None:
    assert [has_digit(w) for w in ("14", "IDH1", "fourteen", "pump")] == [True, True, True, False]
    assert [has_capitals(w) for w in ("BLEU", "wFST", "Pump", "pump")] == [True, True, False, False]
    denials = DENIAL.findall("It doesn't, cannot and will not; no note, nobody knows, without a knot")
    assert denials == ["n't", "cannot", "not", "no", "without"]


def test_contraries_hold_both_ways() -> None:
    assert "decreases" in CONTRARIES["increases"]
    assert "some" in CONTRARIES["all"]
    for word, others in CONTRARIES.items():
        assert word not in others
        assert all(word in CONTRARIES[other] for other in others), word
    assert has_contrary("Increases", frozenset({"it", "decreases"}))
    assert has_contrary("decreases", frozenset({"it", "increases"}))
    assert not has_contrary("increases", frozenset({"it", "increases"}))


# ---- features -------------------------------------------------------------------------------------------------------


def encoded(text: str, vectors: Mapping[str, Sequence[float]] | None = None) -> EncodedText:
    """Every word at (1, 0), but those of which `vectors` says otherwise."""
    known = vectors or {}
    rows = [known.get(word, (1.0, 0.0)) for word in words(text) or ["x"]]
    return EncodedText(text, np.array(rows, dtype=np.float32), np.array((1.0, 0.0), dtype=np.float32))


def seen(
    premise: str, hypothesis: str, question: str = "Why?", vectors: Mapping[str, Sequence[float]] | None = None
) -> dict[str, float]:
    return features(encoded(question, vectors), encoded(premise, vectors), encoded(hypothesis, vectors))


def test_exact_overlap_by_hand() -> None:
    """Premise: pump, runs, loud; hypothesis: pump, sings. One of its two words is the premise's, and it has one of the
    premise's three."""
    values = seen("The pump runs loud.", "The pump sings.")
    assert values["precision"] == pytest.approx(1 / 2)
    assert values["recall"] == pytest.approx(1 / 3)
    assert values["foreign"] == pytest.approx(math.log(2))
    assert values["missing"] == pytest.approx(math.log(3))
    assert values["foreign_share"] == pytest.approx(1 / 2)
    assert values["missing_share"] == pytest.approx(2 / 3)
    assert values["nothing_new"] == 0.0


def test_soft_overlap_takes_the_nearest_word() -> None:
    """ "sings" is at cosine 0.8 to "runs" and 0.6 to "loud"; "pump" is in both and counts 1."""
    vectors = {"The": (0.0, 0.0), "pump": (0.0, 0.0), "runs": (1.0, 0.0), "loud": (0.0, 1.0), "sings": (0.8, 0.6)}
    values = seen("The pump runs loud.", "The pump sings.", vectors=vectors)
    assert values["soft_precision"] == pytest.approx((1 + 0.8) / 2)
    assert values["least_precision"] == pytest.approx(0.8)
    assert values["soft_recall"] == pytest.approx((1 + 0.8 + 0.6) / 3)
    assert values["least_recall"] == pytest.approx(0.6)


def test_words_of_the_question_count_for_neither_side() -> None:
    values = seen("The pump runs.", "The pump.", question="What does the pump do?")
    assert (values["nothing_new"], values["precision"], values["soft_precision"]) == (1.0, 0.0, 0.0)
    assert values["recall"] == 0.0, "only that it runs is asked for"
    assert values["question_recall"] == pytest.approx(2 / 5), "the and pump, of what, does, the, pump, do"


def test_a_word_in_anothers_place_is_seen() -> None:
    """ "bolts" stands where "nuts" stood, between "holds" and "tight"."""
    vectors = {"nuts": (1.0, 0.0), "bolts": (0.6, 0.8)}
    values = seen("It holds nuts tight.", "It holds bolts tight.", vectors=vectors)
    assert values["replacement_context"] == 3.0, "it, holds and tight"
    assert values["replacement_similarity"] == pytest.approx(0.6)
    same = seen("It holds nuts tight.", "It holds nuts tight.")
    assert (same["replacement_context"], same["replacement_similarity"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("premise", "hypothesis", "question", "expected"),
    [
        ("It is IDH1.", "It is IDH2.", "Why?", {"code_conflict", "code_foreign", "code_missing"}),
        ("It is IDH1.", "It is IDH1.", "Why?", {"code_agrees"}),
        ("It is IDH1.", "It is one.", "Why?", {"code_conflict", "code_foreign", "code_missing"}),
        ("It takes fourteen days.", "It takes 14 days.", "Why?", {"code_agrees"}),
        ("It takes 14 days.", "It takes long.", "Why?", {"code_missing"}),
        ("It takes long.", "It takes 14 days.", "Why?", {"code_foreign"}),
        ("The X20 beeps.", "The X30 beeps.", "What does the X20 do?", {"code_foreign", "asked_code_replaced"}),
        ("The X20 beeps.", "The X20 beeps.", "What does the X20 do?", set()),
        ("It took 1,200 steps.", "It took 1200 steps.", "Why?", {"code_agrees"}),
    ],
)
def test_numbers_and_codes_agree_or_conflict(premise: str, hypothesis: str, question: str, expected: set[str]) -> None:
    names = {"code_conflict", "code_foreign", "code_missing", "code_agrees", "asked_code_replaced"}
    values = seen(premise, hypothesis, question)
    assert {name for name in names if values[name]} == expected


def test_names_agree_or_conflict() -> None:
    other = seen("It uses BLEU by Moss.", "It uses ROUGE by Reed.")
    assert (other["capitals_conflict"], other["capitals_agree"]) == (1.0, 0.0)
    assert (other["capitals_foreign_share"], other["capitals_missing_share"]) == (1.0, 1.0)
    assert (other["name_conflict"], other["name_agrees"]) == (1.0, 0.0)
    same = seen("It uses BLEU by Moss.", "Moss built BLEU.")
    assert (same["capitals_conflict"], same["capitals_agree"]) == (0.0, 1.0)
    assert (same["name_conflict"], same["name_agrees"]) == (0.0, 1.0), "a first word is no name"


@pytest.mark.parametrize(
    ("premise", "hypothesis", "contrary"),
    [
        ("The dose increases.", "The dose decreases.", 1.0),
        ("The dose decreases.", "The dose increases.", 1.0),
        ("The dose increases.", "The dose increases.", 0.0),
        ("It increases, then decreases.", "It decreases.", 0.0),
        ("All pumps run.", "Some pumps run.", 1.0),
        ("Some pumps run.", "All pumps run.", 1.0),
    ],
)
def test_a_contrary_is_seen_both_ways(premise: str, hypothesis: str, contrary: float) -> None:
    assert seen(premise, hypothesis)["contrary"] == contrary


def test_a_contrary_of_the_questions_word_is_seen_where_the_premise_does_not_have_it() -> None:
    question = "Which gene increases it?"
    assert seen("It is the first one.", "The gene decreases it.", question)["contrary_to_question"] == 1.0
    assert seen("The gene decreases it.", "The gene decreases it.", question)["contrary_to_question"] == 0.0


def test_denials_are_counted_on_both_sides() -> None:
    plain, denied, twice = "The pump runs.", "The pump does not run.", "No pump does not run."
    names = ("denial_differs", "more_denials", "fewer_denials")

    def of(premise: str, hypothesis: str) -> tuple[float, ...]:
        values = seen(premise, hypothesis)
        return tuple(values[name] for name in names)

    assert of(plain, denied) == (1.0, 1.0, 0.0)
    assert of(denied, plain) == (1.0, 0.0, 1.0)
    assert of(denied, denied) == (0.0, 0.0, 0.0)
    assert of(denied, twice) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("premise", "hypothesis", "same", "other", "implied"),
    [
        ("Yes.", "Yes, it runs.", 1.0, 0.0, 0.0),
        ("Yes.", "No.", 0.0, 1.0, 1.0),
        ("Yes.", "It runs.", 0.0, 0.0, 0.0),
        ("Yes.", "It does not run.", 0.0, 0.0, 1.0),
        ("It does not run.", "No, never.", 0.0, 0.0, 0.0),
        ("It runs.", "It does not run.", 0.0, 0.0, 0.0),
        ("Nothing runs.", "\"Yes\"", 0.0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_yes_and_no_are_compared_with_what_a_sentence_implies(
    premise: str, hypothesis: str, same: float, other: float, implied: float
) -> None:
    values = seen(premise, hypothesis)
    assert (values["same_yes_or_no"], values["other_yes_or_no"]) == (same, other)
    assert values["implied_polarity_differs"] == implied


def test_shared_words_in_another_order_are_inversions() -> None:
    """Of cats, chase, dogs the first text has all three pairs in order, the second none, the third two of three."""
    premise = "Cats chase dogs."
    assert seen(premise, "Cats chase dogs.")["inversions"] == 0.0
    assert seen(premise, "Dogs chase cats.")["inversions"] == 1.0
    assert seen(premise, "Cats: dogs chase.")["inversions"] == pytest.approx(1 / 3)
    assert seen(premise, "Cats sleep.")["inversions"] == 0.0


def test_products_are_of_the_values_that_they_name() -> None:
    values = seen("The dose increases in IDH1.", "The dose decreases in IDH2.")
    products = [name for name in values if "*" in name]
    assert len(products) == 9
    for name in products:
        first, second = name.split("*")
        assert values[name] == pytest.approx(values[first] * values[second])


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_features_of_any_texts_are_finite_and_of_one_length(question: str, premise: str, hypothesis: str) -> None:
    values = seen(premise, hypothesis, question)
    assert list(values) == list(seen("a", "b"))
    assert all(math.isfinite(value) for value in values.values())


def test_flags_by_hand() -> None:
    """In the other text, in the question, a stop word, a code, inner capitals, a denial, a contrary, a capital."""
    text, other = encoded("The IDH1 not increases"), encoded("idh1 decreases")
    shown = flags(text, other, encoded("What increases?"))
    assert shown.shape == (4, FLAGS)
    assert shown.tolist() == [
        [0, 0, 1, 0, 0, 0, 0, 1],
        [1, 0, 0, 1, 1, 0, 0, 1],
        [0, 0, 1, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0, 0, 1, 0],
    ]


def test_words_without_a_vector_are_not_looked_at() -> None:
    text = EncodedText("one two three", np.eye(2, dtype=np.float32), np.ones(2, dtype=np.float32))
    assert text.words == ["one", "two"]
    assert text.stems == ["1", "2"]


# ---- planning -------------------------------------------------------------------------------------------------------


def sentence(number: int, count: int) -> str:
    """`count` words that no other sentence has."""
    return " ".join(["Item", *(f"w{number}x{n}" for n in range(count - 1))]) + "."


def test_answer_and_reference_are_aligned_whole_and_by_statements() -> None:
    plan = alignments("Why?", "It is red. It is loud.", "It is blue.")
    assert plan.whole == ("Why?", "It is red. It is loud.", "It is blue.")
    assert plan.of_answer == (("Why?", "It is red. It is loud.", "It is blue."),)
    assert plan.of_reference == (("Why?", "It is blue.", "It is red."), ("Why?", "It is blue.", "It is loud."))


def test_a_long_premise_keeps_the_statements_that_share_most_in_their_order() -> None:
    """Three statements of 30 words: two fit into 80."""
    reference = " ".join(sentence(n, 30) for n in range(3))
    hypothesis = "It has w2x1 and w2x2 and w0x1."
    (pair,) = alignments("Why?", reference, hypothesis).of_answer
    assert pair.premise == f"{sentence(0, 30)} {sentence(2, 30)}"
    exactly = " ".join(sentence(n, 40) for n in range(2))
    (pair,) = alignments("Why?", exactly, hypothesis).of_answer
    assert pair.premise == exactly, "80 words are not too long"


def test_the_nearest_statement_is_kept_however_long() -> None:
    long = sentence(1, 100)
    (pair,) = alignments("Why?", f"It is red. {long}", "w1x1 w1x2").of_answer
    assert pair.premise == long


def test_an_answer_of_more_than_80_words_is_not_aligned_whole() -> None:
    assert alignments("Why?", "It is red.", " ".join(["word"] * MOST_WORDS)).whole is not None
    assert alignments("Why?", "It is red.", " ".join(["word"] * (MOST_WORDS + 1))).whole is None


def test_statements_beyond_the_24th_are_not_looked_at() -> None:
    many = " ".join(f"It is number {n}." for n in range(MOST_STATEMENTS + 6))
    plan = alignments("Why?", "It is red.", many)
    assert len(plan.of_answer) == 24
    assert plan.of_answer[-1].hypothesis == "It is number 23."


def test_a_text_without_a_statement_is_aligned_as_it_is() -> None:
    plan = alignments("Why?", "It is red.", "?!")
    assert [pair.hypothesis for pair in plan.of_answer] == ["?!"]
    assert [pair.premise for pair in plan.of_reference] == ["?!"]
