"""Answer and ranking metrics against hand-worked numbers and the reference implementations."""

from __future__ import annotations

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from torchmetrics.functional.text import squad

from harness.metrics.answers import exact_match, f1, normalise, rouge_l
from harness.metrics.ranking import ndcg, ranked_documents, recall, reciprocal_rank, span_recall
from harness.records import Passage, Span

sentences = st.lists(
    st.sampled_from(["the", "a", "cat", "dog,", "sat", "on", "Mat.", "an", "U.S.", "1990s", "–"]), max_size=12
).map(" ".join)


def test_squad_normalisation_by_hand() -> None:
    assert normalise("The  Cat, an U.S. icon!") == "cat us icon"


def test_f1_by_hand() -> None:
    """ "cat sat on mat" against "cat mat": 2 of 4 said, 2 of 2 wanted: 2·2/(4+2)."""
    assert f1("The cat sat on the mat.", ["a cat mat", "nothing"]) == pytest.approx(2 / 3)


@given(sentences, st.lists(sentences, min_size=1, max_size=3))
def test_em_and_f1_are_squads(answer: str, references: list[str]) -> None:
    said = [{"prediction_text": answer, "id": "1"}]
    wanted = [{"answers": {"answer_start": [0] * len(references), "text": references}, "id": "1"}]
    theirs = squad(said, wanted)
    assert 100 * exact_match(answer, references) == pytest.approx(float(theirs["exact_match"]))
    assert 100 * f1(answer, references) == pytest.approx(float(theirs["f1"]), abs=1e-4)


@given(sentences, sentences)
def test_rouge_l_is_the_reference_implementations(answer: str, reference: str) -> None:
    theirs = RougeScorer(["rougeL"], use_stemmer=False).score(reference, answer)["rougeL"].fmeasure
    assert rouge_l(answer, [reference]) == pytest.approx(theirs)


def test_the_best_of_several_references_counts() -> None:
    references = ["completely different", "the cat"]
    assert exact_match("Cat", references) == f1("Cat", references) == 1.0
    assert rouge_l("the cat", references) == 1.0


def test_metrics_of_nothing_are_zero() -> None:
    assert exact_match("x", []) == f1("x", []) == rouge_l("x", []) == 0.0


rankings = st.lists(st.sampled_from([f"d{n}" for n in range(9)]), unique=True, min_size=1, max_size=5)
golds = st.lists(st.sampled_from([f"d{n}" for n in range(9)]), unique=True, min_size=1, max_size=6)


@given(rankings, golds)
def test_ranking_metrics_are_trec_evals(ranked: list[str], gold: list[str]) -> None:
    qrels = [ir_measures.Qrel("q", document, 1) for document in gold]
    run = [ir_measures.ScoredDoc("q", document, float(-rank)) for rank, document in enumerate(ranked)]
    measures = [ir_measures.R @ 5, ir_measures.RR @ 5, ir_measures.nDCG @ 5]
    theirs = ir_measures.calc_aggregate(measures, qrels, run)
    assert recall(ranked, gold) == pytest.approx(theirs[ir_measures.R @ 5])
    assert reciprocal_rank(ranked, gold) == pytest.approx(theirs[ir_measures.RR @ 5])
    assert ndcg(ranked, gold, 5) == pytest.approx(theirs[ir_measures.nDCG @ 5])


def passage(document: str, start: int, end: int) -> Passage:
    return Passage(document, start, end, "", "", 1, 0.0)


def test_documents_rank_by_their_first_passage() -> None:
    assert ranked_documents([passage("b", 0, 9), passage("a", 0, 9), passage("b", 9, 20)]) == ["b", "a"]


def test_a_span_is_found_when_half_of_it_was_retrieved() -> None:
    found = [passage("d", 0, 100), passage("d", 50, 120), passage("e", 0, 500)]
    assert span_recall(found, [Span("d", 90, 150)]) == 1.0  # 30 of 60 characters, those in both passages once
    assert span_recall(found, [Span("d", 100, 141)]) == 0.0  # 20 of 41
    assert span_recall(found, [Span("d", 0, 10), Span("f", 0, 10)]) == 0.5
