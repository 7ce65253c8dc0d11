"""What the model sees of a pair, and what it learns to say, in each format and target; placebos. On a tiny real model,
with texts written out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.adapters.transformers import LoadSettings, TransformersAdapter
from harness.adapters.weights import FolderWeights
from harness.entries.checkpoints import FORMATS, Presentation
from harness.entries.leaderboard import StudyFinetuneEntry
from harness.errors import UsageError
from harness.finetuning.counterfactual import Donors
from harness.finetuning.evidence import evidence_of, occurrences, quote
from harness.finetuning.examples import Examples, Passages, Showing, Templates, make_examples
from harness.finetuning.placebo import exchanged
from harness.records import Fact, Passage, Query, Question, Span
from tests.tiny import make_model

pytestmark = pytest.mark.torch

ALPHA = "Alpha costs 30 euros. Its minimum term is 12 months. It has no fee."
BETA = "Beta has a term of 12 months."
GAMMA = "Gamma is sold out."
TERM, PRICE = Span("alpha", 22, 52), Span("alpha", 0, 21)
TEMPLATES = Templates(
    "{% for p in passages %}[{{ p.rank }}] {{ p.text }}\n{% endfor %}Q: {{ question }}",
    "{{ references[0] }}",
    "Answer{{ ' from the passages' if passages else '' }}.",
)


def term_of(name: str, value: str, span: Span) -> Question:
    """A pair about a term, as the synthetic world makes it."""
    fact = Fact(f"{name.lower()}/term", "duration", value, f"The term of {name} is {value}.")
    return Question(
        name, f"How long is the term of {name}?", (fact.statement, value), (span.document_id,), (span,), facts=(fact,)
    )


PAIR = term_of("Alpha", "12 months", TERM)
DONOR = term_of("Delta", "2 years", Span("delta", 0, 9))  # nothing of it is ever found


class Shelf:
    """Finds the passages that it was given, in their order, for whoever asks; nothing for Delta."""

    identity: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, *texts: tuple[str, str]) -> None:
        self.passages = [Passage(d, 0, len(t), "", t, n, 0.0) for n, (d, t) in enumerate(texts, start=1)]

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        return [[] if "Delta" in query.text else self.passages[:top_k] for query in queries]


SHELF = Shelf(("beta", BETA), ("alpha", ALPHA), ("gamma", GAMMA), ("beta", "Beta is old."))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TransformersAdapter:
    folder = tmp_path_factory.mktemp("tiny")
    weights = FolderWeights(make_model(folder / "base"), folder)
    return TransformersAdapter("tiny", weights, LoadSettings(dtype="float32", device="cpu"))


def shown(
    model: TransformersAdapter, pairs: Sequence[Question], how: Presentation, shelf: Any = SHELF, length: int = 512
) -> Examples:
    passages = Passages(shelf, shelf, top_k=3, within_document=False)
    return make_examples(pairs, Showing(how, TEMPLATES, passages), model, length)


def texts(examples: Examples, name: str = "Alpha") -> list[tuple[str, str]]:
    """(prompt, completion) of a pair, without the chat template's marks."""
    return [
        (e.prompt.split("<|user|>\n")[1].split("</s>")[0], e.completion.removesuffix("</s>"))
        for e in examples.items
        if e.id == name
    ]


QUESTION = "Q: How long is the term of Alpha?"
REFERENCE = "The term of Alpha is 12 months."


# ---- formats --------------------------------------------------------------------------------------------------------


def test_qa_shows_the_question_alone_and_its_system_instruction_speaks_of_no_passages(
    model: TransformersAdapter,
) -> None:
    examples = shown(model, [PAIR], Presentation("qa"))
    assert texts(examples) == [(QUESTION, REFERENCE)]
    assert "Answer." in examples.items[0].prompt
    assert "Answer from the passages." in shown(model, [PAIR], Presentation("rag")).items[0].prompt


def test_rag_shows_what_is_found(model: TransformersAdapter) -> None:
    assert texts(shown(model, [PAIR], Presentation("rag"))) == [
        (f"[1] {BETA}\n[2] {ALPHA}\n[3] {GAMMA}\n{QUESTION}", REFERENCE)
    ]


def test_one_chunk_makes_an_example_of_each_of_the_three_best_passages(model: TransformersAdapter) -> None:
    examples = shown(model, [PAIR], Presentation("one_chunk"))
    assert texts(examples) == [(f"[1] {text}\n{QUESTION}", REFERENCE) for text in (BETA, ALPHA, GAMMA)]


def test_one_chunk_of_a_pair_for_which_nothing_is_found_is_one_example(model: TransformersAdapter) -> None:
    (example,) = texts(shown(model, [PAIR, DONOR], Presentation("one_chunk")), "Delta")
    assert example == ("Q: How long is the term of Delta?", "The term of Delta is 2 years.")


def test_a_counterfactual_has_another_value_in_the_gold_span_and_the_answer_and_nowhere_else(
    model: TransformersAdapter,
) -> None:
    examples = shown(model, [PAIR, DONOR], Presentation("counterfactual"))
    other = "Alpha costs 30 euros. Its minimum term is 2 years. It has no fee."
    assert texts(examples) == [
        (f"[1] {BETA}\n[2] {other}\n[3] {GAMMA}\n{QUESTION}", "The term of Alpha is 2 years."),
    ]
    assert examples.counterfactual == 1, "of Delta no passage is found: it is as in rag"
    assert texts(examples, "Delta") == texts(shown(model, [PAIR, DONOR], Presentation("rag")), "Delta")


def test_a_closed_list_of_values_is_where_another_comes_from(model: TransformersAdapter) -> None:
    (fact,) = PAIR.facts
    pair = replace(PAIR, facts=(replace(fact, alternatives=("12 months", "one week")),))
    assert texts(shown(model, [pair, DONOR], Presentation("counterfactual")))[0][1] == "The term of Alpha is one week."


def test_another_value_is_in_the_same_unit_where_there_is_one(model: TransformersAdapter) -> None:
    """Of the kind are 2 years, 5 days and 24 months."""
    donors = [DONOR, term_of("Delta 2", "5 days", Span("d", 0, 9)), term_of("Delta 3", "24 months", Span("d", 0, 9))]
    ((_, completion),) = texts(shown(model, [PAIR, *donors], Presentation("counterfactual")))
    assert completion == "The term of Alpha is 24 months."


def test_several_values_are_exchanged_together_each_in_its_span(model: TransformersAdapter) -> None:
    price = Fact("alpha/price", "money", "30 euros", "Alpha costs 30 euros.")
    pair = replace(
        PAIR,
        references=("Alpha costs 30 euros. The term of Alpha is 12 months.",),
        gold_spans=(PRICE, TERM),
        facts=(price, *PAIR.facts),
    )
    donor = replace(DONOR, facts=(*DONOR.facts, Fact("delta/price", "money", "7 euros", "")))
    ((prompt, completion),) = texts(shown(model, [pair, donor], Presentation("counterfactual")))
    assert "[2] Alpha costs 7 euros. Its minimum term is 2 years. It has no fee.\n" in prompt
    assert completion == "Alpha costs 7 euros. The term of Alpha is 2 years."


def answer_of(pair: Question) -> str:
    return pair.references[0]


def test_overlapping_chunks_agree_on_the_other_value() -> None:
    whole = Passage("alpha", 0, len(ALPHA), "", ALPHA, 1, 0.0)
    tail = Passage("alpha", 22, len(ALPHA), "", ALPHA[22:], 2, 0.0)
    made = Donors([PAIR, DONOR], answer_of, 0).counterfactual(PAIR, [whole, tail])
    assert made is not None
    assert [passage.text for passage in made.passages] == [
        "Alpha costs 30 euros. Its minimum term is 2 years. It has no fee.",
        "Its minimum term is 2 years. It has no fee.",
    ]


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (replace(PAIR, gold_spans=(Span("alpha", 0, 21),)), "its span does not hold the value"),
        (replace(PAIR, gold_spans=(TERM, Span("beta", 0, 29))), "two spans hold it"),
        (replace(PAIR, text="Is the term of Alpha 12 months?"), "the question holds it"),
        (replace(PAIR, facts=(replace(PAIR.facts[0], kind="choice"),)), "a comparison"),
        (replace(PAIR, facts=(replace(PAIR.facts[0], value=""),)), "unanswerable"),
        (replace(PAIR, facts=(replace(PAIR.facts[0], kind="date"),)), "no other pair has a value of its kind"),
        (replace(PAIR, references=("A year.",)), "the target does not say it"),
    ],
)
def test_a_pair_whose_value_cannot_be_exchanged_is_as_in_rag(
    model: TransformersAdapter, pair: Question, why: str
) -> None:
    examples = shown(model, [pair, DONOR], Presentation("counterfactual"))
    assert examples.counterfactual == 0, why
    assert examples.items == shown(model, [pair, DONOR], Presentation("rag")).items


def short(name: str, question: str, answer: str, document: str) -> Question:
    """A pair of a data pack: no facts, no spans."""
    return Question(name, question, (answer,), (document,))


def test_in_a_data_pack_the_whole_answer_is_exchanged_wherever_it_is_shown(model: TransformersAdapter) -> None:
    who = short("Alpha", "Who wrote Emma?", "Jane Austen", "emma")
    other = short("Delta", "Who wrote Ulysses? Delta", "James Joyce", "delta")
    number = short("Gamma", "Delta: when?", "May 1815", "gamma")  # two words, but with a digit: not of its form
    shelf = Shelf(("emma", "Emma is by Jane Austen."), ("list", "Jane Austen wrote six."))
    examples = shown(model, [who, other, number], Presentation("counterfactual"), shelf)
    assert texts(examples) == [
        ("[1] Emma is by James Joyce.\n[2] James Joyce wrote six.\nQ: Who wrote Emma?", "James Joyce")
    ]
    assert examples.counterfactual == 1


@pytest.mark.parametrize(
    ("question", "answer"),
    [("Is it dear?", "Yes"), ("Is it Jane Austen or James Joyce?", "Jane Austen"), ("Who?", "Austen, Jane")],
)
def test_yes_a_choice_and_other_words_than_the_passages_are_not_exchanged(question: str, answer: str) -> None:
    pair, other = short("a", question, answer, "emma"), short("b", "Delta?", "James Joyce", "d")
    found = [Passage("emma", 0, 50, "", "Yes, Emma is by Jane Austen.", 1, 0.0)]
    assert Donors([pair, other, short("c", "?", "Joyce, James", "d")], answer_of, 0).counterfactual(pair, found) is None


def test_an_answer_in_a_passage_that_is_not_gold_is_not_exchanged() -> None:
    pair, other = short("a", "Who?", "Jane Austen", "emma"), short("b", "Delta?", "James Joyce", "d")
    found = [Passage("list", 0, 50, "", "Jane Austen wrote six.", 1, 0.0)]
    assert Donors([pair, other], answer_of, 0).counterfactual(pair, found) is None


def test_a_value_is_a_whole_word_and_a_number_a_whole_number() -> None:
    assert occurrences("3", "3 or 13, 3.5, 3,000 and 3.") == [(0, 1), (24, 25)]
    assert occurrences("", "anything") == []


# ---- targets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "completion"),
    [
        ("reference", "The term of Alpha is 12 months."),
        ("quote", '"Its minimum term is 12 months." The term of Alpha is 12 months.'),
        ("cited", "The term of Alpha is 12 months. [2]"),
    ],
)
def test_what_each_target_says(model: TransformersAdapter, target: Any, completion: str) -> None:
    examples = shown(model, [PAIR], Presentation("rag", target))
    assert texts(examples) == [(f"[1] {BETA}\n[2] {ALPHA}\n[3] {GAMMA}\n{QUESTION}", completion)]
    assert examples.target_is_reference == (None if target == "reference" else 0)


@pytest.mark.parametrize("target", ["quote", "cited"])
def test_where_the_gold_passage_is_not_shown_the_target_is_the_reference(
    model: TransformersAdapter, target: Any
) -> None:
    examples = shown(model, [PAIR], Presentation("rag", target), Shelf(("beta", BETA), ("gamma", GAMMA)))
    assert texts(examples) == [(f"[1] {BETA}\n[2] {GAMMA}\n{QUESTION}", REFERENCE)]
    assert examples.target_is_reference == 1


@pytest.mark.parametrize(
    "how", [Presentation("rag", "quote"), Presentation("rag", "cited"), Presentation("counterfactual")]
)
def test_a_gold_passage_that_was_cut_off_for_length_is_not_shown(model: TransformersAdapter, how: Presentation) -> None:
    """The tiny model's tokens are letters. The second of three passages is the gold one: with room for the first alone
    there is nothing to quote, to cite or to exchange a value in."""
    (whole,) = shown(model, [PAIR], Presentation("rag")).items
    length = len(model.encode_pair(whole.prompt, whole.completion)[0]) - len(GAMMA)
    (cut,) = shown(model, [PAIR], Presentation("rag"), length=length).items
    assert f"[1] {BETA}\n{QUESTION}" in cut.prompt, "the reference takes room too"
    examples = shown(model, [PAIR, DONOR], how, length=length)
    assert texts(examples) == [(f"[1] {BETA}\n{QUESTION}", REFERENCE)]
    assert examples.counterfactual in (None, 0)
    assert examples.target_is_reference in (None, 2)


def test_a_quotation_too_long_for_the_prompt_gives_way_to_the_reference(model: TransformersAdapter) -> None:
    prompt = shown(model, [PAIR], Presentation("qa")).items[0]
    length = len(model.encode_pair(prompt.prompt, "")[0]) + 40  # the reference has 31 letters, with the quotation 64
    examples = shown(model, [PAIR], Presentation("rag", "quote"), length=length)
    assert texts(examples) == [(QUESTION, REFERENCE)]
    assert (examples.left_out, examples.target_is_reference) == ([], 1)


def test_all_gold_spans_must_be_shown_and_each_is_quoted_and_cited(model: TransformersAdapter) -> None:
    both = replace(PAIR, gold_spans=(TERM, Span("beta", 0, 29)))
    ((_, quoted),) = texts(shown(model, [both], Presentation("rag", "quote")))
    assert quoted == f'"Its minimum term is 12 months." "{BETA}" {REFERENCE}'
    ((_, cited),) = texts(shown(model, [both], Presentation("rag", "cited")))
    assert cited == f"{REFERENCE} [1] [2]"
    ((_, other),) = texts(shown(model, [both], Presentation("rag", "cited"), Shelf(("alpha", ALPHA))))
    assert other == REFERENCE


def test_without_gold_spans_the_sentence_that_holds_the_answer_is_quoted(model: TransformersAdapter) -> None:
    pair = short("Alpha", "How long?", "12 months", "alpha")
    ((_, quoted),) = texts(shown(model, [pair], Presentation("rag", "quote")))
    assert quoted == '"Its minimum term is 12 months." 12 months'
    assert evidence_of(pair, SHELF.passages[:1], "12 months") == [], "Beta's passage is not of a gold document"


def test_a_quotation_longer_than_300_characters_is_its_sentence_with_most_words_of_the_answer() -> None:
    paragraph = "x " * 150 + "ends. The cat sat\non the mat. A dog slept."
    assert quote([paragraph], "The cat sat.") == '"The cat sat on the mat." The cat sat.'


def test_one_chunk_cites_the_only_passage_where_it_is_gold(model: TransformersAdapter) -> None:
    completions = [completion for _, completion in texts(shown(model, [PAIR], Presentation("one_chunk", "cited")))]
    assert completions == [REFERENCE, f"{REFERENCE} [1]", REFERENCE]


def test_a_counterfactual_is_quoted_as_it_is_shown(model: TransformersAdapter) -> None:
    ((_, completion),) = texts(shown(model, [PAIR, DONOR], Presentation("counterfactual", "quote")))
    assert completion == '"Its minimum term is 2 years." The term of Alpha is 2 years.'


def test_qa_has_nothing_to_quote() -> None:
    (problem,) = Presentation("qa", "quote").problems()
    assert problem.startswith("--target quote: the format qa shows no passages to quote or cite; pass another --format")


# ---- placebos -------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30), st.integers(0, 9))
@settings(deadline=None, max_examples=200)
def test_exchanged_answers_are_a_permutation_that_leaves_no_pair_its_own_words(answers: list[str], seed: int) -> None:
    ids = [f"q{n}" for n in range(len(answers))]
    if 2 * max(answers.count(answer) for answer in answers) > len(answers):
        with pytest.raises(UsageError, match=f"of {len(answers)} pairs have the answer"):
            exchanged(ids, answers, seed)
        return
    donors = exchanged(ids, answers, seed)
    assert sorted(donors) == list(range(len(answers)))
    assert all(answers[donor] != answer for donor, answer in zip(donors, answers, strict=True))


def test_another_seed_exchanges_answers_otherwise() -> None:
    ids = [f"q{n}" for n in range(20)]
    assert exchanged(ids, ids, 0) == exchanged(ids, ids, 0) != exchanged(ids, ids, 1)


@pytest.mark.parametrize("format", FORMATS)
def test_shuffled_pairs_keep_their_prompts_and_the_targets_as_a_whole(model: TransformersAdapter, format: Any) -> None:
    pairs = [PAIR, DONOR, *(short(f"q{n}", f"What is {n}?", f"It is {n}.", "beta") for n in range(8))]
    real = shown(model, pairs, Presentation(format))
    placebo = shown(model, pairs, Presentation(format, shuffle_answers=True))
    assert [(e.id, e.prompt) for e in placebo.items] == [(e.id, e.prompt) for e in real.items]
    assert {e.completion for e in placebo.items} == {e.completion for e in real.items}
    assert all(a.completion != b.completion for a, b in zip(real.items, placebo.items, strict=True))


def test_a_shuffled_target_keeps_its_citation(model: TransformersAdapter) -> None:
    other = short("q", "What of gamma?", "sold out", "gamma")
    examples = shown(model, [PAIR, other], Presentation("rag", "cited", shuffle_answers=True))
    assert [e.completion for e in examples.items] == ["sold out [3]</s>", f"{REFERENCE} [2]</s>"]


def test_a_study_trains_every_presentation_that_can_be() -> None:
    wanted = StudyFinetuneEntry(
        models=["m"], sizes=[4], formats=["qa", "rag"], targets=["reference", "cited"], placebos=["none", "from_clinic"]
    )
    assert [presentation.suffix for presentation in wanted.presentations] == [
        "", "-from_clinic", "-rag", "-rag-from_clinic", "-rag-cited", "-rag-cited-from_clinic",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="the format qa shows no passages to quote or cite"):
        StudyFinetuneEntry(models=["m"], sizes=[4], targets=["quote"])
