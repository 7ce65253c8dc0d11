"""Planted errors and the examples that an alignment judge is trained on: what is changed, and which label it gets."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.auditing.alignment_examples import SHARES, Example, Material, examples_of, materials_of
from harness.auditing.planting import KINDS, plant, planted
from harness.records import Document, Question

SEEDS = range(40)
RELATED = ["Marla Oake keeps 12 otters near the weir.", "The valve B7 was closed by Tilda Reed."]


def outcomes(kind: str, text: str, related: Sequence[str] = ()) -> set[str]:
    """All texts that some seeds give."""
    return {changed for seed in SEEDS if (changed := plant(kind, text, related, random.Random(seed))) is not None}


def differing(first: str, second: str) -> list[tuple[str, str]]:
    """The words in which two texts of the same number of words differ."""
    left, right = first.split(), second.split()
    assert len(left) == len(right), (first, second)
    return [(a, b) for a, b in zip(left, right, strict=True) if a != b]


def test_a_planted_number_is_the_one_word_that_changes() -> None:
    text = "It took 14 days at 3.5 volts in IDH1 cells."
    found = outcomes("number", text)
    assert len(found) > 5
    for changed in found:
        ((old, new),) = differing(text, changed)
        assert old in ("14", "3.5")
        assert re.fullmatch(r"\d+(\.\d+)?", new)
        assert len(new) == len(old)
    assert "It took 12 days at 3.5 volts in IDH1 cells." in outcomes("number", text, RELATED)


@pytest.mark.parametrize("text", ["It took 0 days.", "It took 7 days.", "In 1999.", "It cost 1,200 euros."])
def test_a_planted_number_never_begins_with_a_zero(text: str) -> None:
    assert outcomes("number", text)
    for changed in outcomes("number", text):
        ((_, new),) = differing(text, changed)
        assert new[0] != "0"


def test_a_planted_identifier_is_of_the_same_shape_or_a_related_one() -> None:
    text = "The gene IDH1 is active on 14 days."
    found = outcomes("identifier", text)
    assert len(found) > 3
    for changed in found:
        ((old, new),) = differing(text, changed)
        assert old == "IDH1"
        assert re.fullmatch(r"[A-Z]{3}\d", new)
    assert "The gene B7 is active on 14 days." in outcomes("identifier", text, RELATED)


def test_a_planted_entity_comes_from_a_related_text() -> None:
    text = "It was built by Hugo Marsh in the harbour."
    found = outcomes("entity", text, RELATED)
    assert (
        "It was built by Marla Oake in the harbour." in found or "It was built by Tilda Reed in the harbour." in found
    )
    words = set(" ".join(RELATED).replace(".", "").split())
    for changed in found:
        new = set(changed.replace(".", "").split()) - set(text.replace(".", "").split())
        assert new
        assert new <= words, changed
    assert outcomes("entity", text) == set(), "no related text, no hold"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("Yes", {"No"}),
        ("no, it is not.", {"yes, it is not."}),
        ("The pump is not loud.", {"The pump is loud."}),
        ("The pump cannot run.", {"The pump can run."}),
        ("The pump can't run.", {"The pump can run."}),
        ("The pump won't run.", {"The pump will run."}),
        ("The pump isn't loud.", {"The pump is loud."}),
        ("The pump never stops.", {"The pump stops."}),
        ("The pump is loud.", {"The pump is not loud."}),
        ("The pump has been loud.", {"The pump has not been loud."}),
        ("The pump hums.", set()),
    ],
)
def test_a_planted_polarity_negates_or_takes_the_negation_away(text: str, changed: set[str]) -> None:
    assert outcomes("polarity", text) == changed


def test_a_planted_relation_is_the_contrary_in_its_case() -> None:
    assert outcomes("relation", "Higher doses help.") == {"Lower doses help."}
    assert outcomes("relation", "It increases and inhibits.") == {
        "It decreases and inhibits.",
        "It increases and activates.",
    }
    assert outcomes("relation", "It is red.") == set()


def test_a_planted_quantifier_is_another_quantity() -> None:
    assert outcomes("quantifier", "All pumps run.") == {"Some pumps run."}
    assert outcomes("quantifier", "It is often red.") == {"It is rarely red."}
    assert outcomes("quantifier", "The pump runs.") == set()


def test_a_planted_role_swaps_two_names_of_one_statement() -> None:
    assert outcomes("role", "Marla pays the rent of Hugo today.") == {"Hugo pays the rent of Marla today."}
    assert outcomes("role", "It has Marla, Hugo and Tilda.") == set(), "a list may be in any order"
    assert outcomes("role", "Marla pays the rent.") == set()
    assert outcomes("role", "The rent is paid by Hugo.") == set(), "a first word is no name"
    assert outcomes("role", "Marla pays the rent. It was seen by Hugo.") == set(), "two statements"


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(
        st.sampled_from(["The gene IDH1 is active.", "Marla met Hugo in 1999.", "All pumps increase it.", "No.", "14"]),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 1_000),
)
def test_what_is_planted_is_never_the_same_text_and_depends_on_the_seed_alone(
    kind: str, sentences: Sequence[str], seed: int
) -> None:
    text = " ".join(sentences)
    changed = plant(kind, text, RELATED, random.Random(seed))
    assert changed != text
    assert changed == plant(kind, text, RELATED, random.Random(seed))


def test_several_errors_are_of_different_kinds_and_at_most_as_many() -> None:
    text = "All of Marla's 14 pumps are louder in IDH1 than that of Hugo."
    for seed in SEEDS:
        found = planted(text, RELATED, random.Random(seed), 3)
        assert len(found) == 3
        assert len({kind for kind, _ in found}) == 3
        assert all(changed != text for _, changed in found)
    assert planted("hums", [], random.Random(0), 3) == []


# ---- material -------------------------------------------------------------------------------------------------------


def question(name: str, text: str, *references: str, document: str = "d1", **row: object) -> Question:
    return Question(name, text, references, gold_document_ids=(document,), row=row)


DOCUMENTS = [
    Document("d1", "Weir", "The weir at Oake was built by Hugo Marsh in 1961. It holds back 14 ponds of the valley. "
             "Nobody has ever painted the old gate at the weir."),
    Document("d2", "Mill", "The mill of Tilda Reed grinds oats in winter alone. Its wheel was replaced in 1987 by a "
             "larger one of steel."),
]  # fmt: skip
POOL = [
    question("q1", "Who built the weir at Oake?", "It was built by Hugo Marsh.", "Hugo Marsh built it in 1961."),
    question("q2", "How many ponds does the weir hold back?", "14", "fourteen ponds"),
    question("q3", "Is the gate of the weir painted?", "No, nobody has ever painted it.", "No", exact_answer="no"),
    question("q4", "What does the mill grind?", "The mill of Tilda Reed grinds oats. It does so in winter alone.",
             document="d2"),
    question("q5", "Was the wheel replaced?", "Yes", "No", document="d2"),
    question("q6", "What of the wheel?", "word " * 111, document="d2"),
]  # fmt: skip


def test_contradicting_and_overlong_references_are_no_material() -> None:
    materials = {each.question.id: each for each in materials_of(POOL, DOCUMENTS)}
    assert set(materials) == {"q1", "q2", "q3", "q4"}
    assert materials["q3"].polarity == "no"
    assert materials["q1"].polarity is None
    assert materials["q2"].short_answers == ["14", "fourteen ponds"]
    assert materials["q1"].short_answers == []


def test_evidence_is_that_of_the_row_else_the_gold_documents() -> None:
    own = question("q7", "Who?", "Hugo", gold_snippets=["The row has a sentence of its own here. Not this."])
    materials = {each.question.id: each for each in materials_of([*POOL, own], DOCUMENTS)}
    assert materials["q7"].evidence == ["The row has a sentence of its own here."], "of five words or fewer none"
    assert len(materials["q1"].evidence) == 3
    assert "It was built by Hugo Marsh." in materials["q2"].near
    assert "It was built by Hugo Marsh." not in materials["q1"].near
    assert materials["q4"].near == [], "its neighbour is left out"


# ---- examples -------------------------------------------------------------------------------------------------------


def many_examples() -> list[Example]:
    materials = materials_of(POOL, DOCUMENTS)
    return [each for seed in range(30) for each in examples_of(materials, seed)]


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_an_example_names_its_question_by_which_it_can_be_held_out() -> None:
    texts = {each.id: each.text for each in POOL}
    examples = many_examples()
    assert {each.group for each in examples} == {"q1", "q2", "q3", "q4"}
    assert all(each.question == texts[each.group] for each in examples)


def test_labels_of_examples_are_as_the_rules_say() -> None:
    labels: dict[str, Counter[tuple[bool | None, bool | None]]] = {}
    for each in many_examples():
        labels.setdefault(each.kind, Counter())[each.right, each.stated] += 1
    for kind in ("same", "premise_same"):
        assert set(labels[kind]) == {(True, True)}, kind
    for kind in ("other_reference", "evidence", "part"):
        assert set(labels[kind]) == {(True, None)}, kind
    for kind in ("question", "abstention", "stranger", "neighbour"):
        assert set(labels[kind]) == {(False, False)}, kind
    assert set(labels["dropped"]) == {(None, False)}
    assert set(labels["kept"]) == {(None, True)}
    assert set(labels["yes_no"]) == {(True, True), (False, False)}
    for kind in KINDS:
        assert {right for right, _ in labels.get(kind, ())} <= {False}, kind
        assert {right for right, _ in labels.get(f"premise_{kind}", ())} <= {False}, kind


def test_no_wrong_answer_is_a_reference_of_its_question() -> None:
    known = {each.id: {plain(reference) for reference in each.references} for each in POOL}
    for each in many_examples():
        if each.right is False and not each.kind.startswith("premise_"):
            assert plain(each.hypothesis) not in known[each.group], each


def test_an_error_in_the_premise_never_makes_another_reference_of_it() -> None:
    """References 1990 to 1999: a number planted into one may be another, by which the first is right as well."""
    years = question("q8", "When was it?", *(f"In 199{n}" for n in range(8)))
    material = Material(years, years.references)
    premises = {e.premise for seed in range(200) for e in examples_of([material], seed) if e.kind == "premise_number"}
    assert premises
    assert not premises & set(years.references)


def test_yes_and_no_follow_the_questions_polarity() -> None:
    for each in many_examples():
        if each.kind == "yes_no":
            assert each.group == "q3"
            assert each.right == each.hypothesis.lower().startswith("no")


def test_an_unanswerable_question_is_rightly_abstained_from() -> None:
    unanswerable = Question("q9", "Who painted it?", ("Unanswerable",), answerable=False)
    material = Material(unanswerable, ["Unanswerable"], near=["It was built by Hugo Marsh."])
    found = {(e.kind, e.right, e.stated) for seed in SEEDS for e in examples_of([material], seed)}
    assert found == {("abstention", True, True), ("claim", False, False)}


def test_examples_are_seeded_and_those_that_teach_little_are_thinned_out() -> None:
    materials = materials_of(POOL, DOCUMENTS)
    assert examples_of(materials, 3) == examples_of(materials, 3)
    assert examples_of(materials, 3) != examples_of(materials, 4)
    kinds = Counter(each.kind for each in many_examples())
    references = 2 + 2 + 2 + 1  # each gives one example of the question itself, of which a quarter is kept
    expected = 30 * references * SHARES["question"]
    assert abs(kinds["question"] - expected) < 5 * (expected * (1 - SHARES["question"])) ** 0.5
