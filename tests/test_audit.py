"""A judge's card: agreement with people, planted errors, biases, injection, stability; and the statistics behind it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from harness.auditing import biases, injection, people, perturbations
from harness.auditing.audit import Extent, Material, audit
from harness.auditing.cached_judge import CachedJudge, Case, CaseScores
from harness.auditing.card import verdict
from harness.auditing.stability import stability
from harness.build.judges import build_judge
from harness.build.resources import ModelOptions, Resources
from harness.digests import digest_of
from harness.entries.catalog import Catalog
from harness.errors import DataError
from harness.judging.facts import FactsJudge
from harness.records import Fact, JudgeItem, Passage, Query, Question, Score
from harness.sources.world.source import SyntheticWorld
from harness.statistics import (
    auc,
    correlation,
    is_settled,
    length_controlled_difference,
    variance_components,
)
from harness.store import Store
from tests.conftest import REPOSITORY, SHARED_DATA, Finished, Silent

Harness = Callable[..., Finished]

# ---- statistics -----------------------------------------------------------------------------------------------------


def test_auc_by_hand() -> None:
    """Positives 3, 1 against negatives 2, 1: above, above; below, tie: (1 + 1 + 0 + 0.5) / 4."""
    assert auc([3, 1, 2, 1], [True, True, False, False]) == 0.625
    assert auc([1, 2], [True, True]) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=4, max_size=30))
def test_auc_is_mann_and_whitneys(rows: list[tuple[int, bool]]) -> None:
    positive, negative = [s for s, label in rows if label], [s for s, label in rows if not label]
    if positive and negative:
        reference = mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
        assert auc([s for s, _ in rows], [label for _, label in rows]) == pytest.approx(reference)


def test_correlation_of_what_does_not_vary_is_none() -> None:
    assert correlation([1, 1, 1], [1, 2, 3], "pearson") is None
    assert correlation([1, 2, 3], [1, 4, 9], "spearman") == pytest.approx(1.0)
    assert correlation([1, 2, 3], [3, 2, 1], "pearson") == pytest.approx(-1.0)


def test_variance_components_by_hand() -> None:
    """Groups (1, 3) and (5, 7): means 2 and 6, MSW = (1+1+1+1)/2 = 2, MSB = 2·4 + 2·4 = 16, (16 - 2) / 2 = 7."""
    assert variance_components([[1, 3], [5, 7]]) == (7.0, 2.0)
    assert variance_components([[1.0], [3.0]]) == (2.0, None)
    assert variance_components([[1, 2]]) == (None, None)


def test_variance_components_of_three_unequal_groups_by_hand() -> None:
    """(1, 3), (5, 7), (9): sizes 2 2 1, grand mean 5; MSB = (2·9 + 2·1 + 16) / 2 = 18, MSW = 4 / 2 = 2,
    n0 = (5 - 9/5) / 2 = 1.6, so between = (18 - 2) / 1.6 = 10."""
    between, within = variance_components([[1, 3], [5, 7], [9]])
    assert between == pytest.approx(10.0)
    assert within == 2.0


def test_a_difference_that_is_length_alone_vanishes_at_one_length() -> None:
    """Scores that rise with the words alone: Δ is not 0, the length-controlled Δ is; and a true difference stays."""
    rng = np.random.default_rng(0)
    base_words = rng.integers(20, 40, 400).astype(float)
    words = base_words + rng.integers(-10, 30, 400)
    longer = words - base_words
    bent = np.tanh(longer / np.sqrt(np.mean(np.square(longer))))
    assert bent.mean() > 0.3
    for true in (0.0, 0.5):
        found = length_controlled_difference((bent + true).tolist(), longer.tolist(), range(400))
        assert found is not None
        assert found[0] == pytest.approx(true, abs=1e-9)
    assert length_controlled_difference([1, 1, 1], [0, 0, 0], "abc") == (1.0, None), "no lengths differ"
    assert length_controlled_difference([1, 1], [0, 2], "ab") is None


def test_where_one_model_is_always_the_longer_one_no_line_is_drawn_to_equal_lengths() -> None:
    rng = np.random.default_rng(1)
    longer = rng.normal(75, 10, 200).tolist()
    assert length_controlled_difference(rng.normal(0, 1, 200).tolist(), longer, range(200)) is None


def test_repeats_stop_early_without_deciding_otherwise_more_often_than_allowed() -> None:
    """500 simulated pairs of models, 60 items, 10 repeats, scores from 1 to 5, true differences around 0: the sign at
    the stop is not that after all repeats in at most 5 % of them; and calls are saved."""
    wrong, used = simulated(looks=[2, 4, 8], shared_out=3)
    assert wrong <= 0.05
    assert used < 0.8


def test_looking_often_without_sharing_out_the_error_decides_otherwise_too_often() -> None:
    """Eight looks at differences that are as good as none, each at the full rate of 0.2, are wrong more often than with
    the rate shared out, which keeps to 0.2."""
    every = list(range(2, 10))
    careless, _ = simulated(looks=every, shared_out=1, error=0.2, spread=0.02)
    careful, _ = simulated(looks=every, shared_out=len(every), error=0.2, spread=0.02)
    assert careful < careless
    assert careful <= 0.2


def simulated(looks: list[int], shared_out: int, error: float = 0.05, spread: float = 0.25) -> tuple[float, float]:
    """(share of wrong signs among the decided, share of the repeats that were used)."""
    rng = np.random.default_rng(7)
    wrong = used = decided = 0
    for _ in range(500):
        true = rng.normal(0, spread)
        item = np.clip(rng.normal(3, 1, (60, 1)), 1, 5)
        first = np.clip(np.rint(item + rng.normal(0, 0.8, (60, 10))), 1, 5)
        second = np.clip(np.rint(item + true + rng.normal(0, 0.8, (60, 10))), 1, 5)
        differences = second - first
        final = differences.mean()
        settled = (k for k in looks if is_settled(differences[:, :k].tolist(), 10, error, shared_out))
        k = next(settled, 10)
        used += k
        if final != 0:
            decided += 1
            wrong += np.sign(differences[:, :k].mean()) != np.sign(final)
    return wrong / decided, used / 5_000


def test_one_repeat_settles_nothing_and_all_of_them_everything() -> None:
    assert not is_settled([[1.0], [2.0]], 10, 0.05, 3)
    assert is_settled([[0.0] * 10, [0.1] * 10], 10, 0.05, 3)
    assert is_settled([[1.0, 1.0], [2.0, 2.0]], 10, 0.05, 3), "repeats that do not vary will not"
    assert not is_settled([[0.0, 0.0], [0.0, 0.0]], 10, 0.05, 3), "a tie is no decision"
    with pytest.raises(ValueError, match="same number of repeats"):
        is_settled([[1.0], [1.0, 2.0]], 10, 0.05, 3)


# ---- judges to audit ------------------------------------------------------------------------------------------------


class RuleJudge:
    """Scores by a rule of the answer: what a judge with one known weakness would do."""

    repeats = 1
    criteria = ("accuracy", "completeness")
    max_unscored = 0.02
    scale = (1, 5)
    sees_passages = True
    asks_model = False
    usage: Mapping[str, float] = {}

    def __init__(self, name: str, rule: Callable[[JudgeItem], float | None]) -> None:
        self.name, self.rule = name, rule
        self.asked = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "rule", "name": self.name}

    def depends_on(self, item: JudgeItem) -> Mapping[str, Any]:
        return {"question": item.question.text, "answer": item.answer, "reference": item.reference} | {
            "passages": [passage.text for passage in item.passages]
        }

    def prepare(self) -> None: ...

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return 64

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            self.asked += 1
            yield Score(item.key, item.criterion, item.repeat, self.rule(item), "")

    def close(self) -> None: ...


def cached(store: Store, rule: Callable[[JudgeItem], float | None], name: str = "rule") -> CachedJudge:
    return CachedJudge(RuleJudge(name, rule), store, Silent())


@pytest.fixture(scope="module")
def perturbed() -> list[perturbations.Perturbed]:
    return perturbations.perturb(SyntheticWorld("telecom", 120, 400, 100, seed=3).questions("evaluation"), 40, 0)


# ---- sections -------------------------------------------------------------------------------------------------------


def test_each_perturbation_is_what_it_says(perturbed: list[perturbations.Perturbed]) -> None:
    assert len(perturbed) == 40
    for each in perturbed:
        assert all(each.right != wrong for wrong in each.wrong.values())
        assert each.wrong["added"].startswith(each.right)
        if "dropped" in each.wrong:
            assert each.right.startswith(each.wrong["dropped"])
        assert each.question.references[0] not in (each.right, *each.wrong.values())
    kinds = {kind for each in perturbed for kind in each.wrong}
    assert kinds == set(perturbations.CRITERION_OF)


def test_a_judge_that_knows_the_facts_finds_what_it_can_find(
    perturbed: list[perturbations.Perturbed], store: Store
) -> None:
    found = perturbations.detection(perturbed, CachedJudge(FactsJudge(), store, Silent()))
    kinds = found["kinds"]
    assert kinds["dropped"]["lower"] == 1.0
    assert min(kinds[kind]["lower"] for kind in ("swapped", "negated", "other")) > 0.8
    assert kinds["added"]["lower"] < 0.2, "an invented statement without a value of the kind is nothing to it"
    assert (found["accuracy"], found["completeness"]) == pytest.approx((1.0, 1.0))


def test_a_judge_that_gives_everyone_three_finds_nothing(
    perturbed: list[perturbations.Perturbed], store: Store
) -> None:
    found = perturbations.detection(perturbed, cached(store, lambda item: 3.0))
    assert {row["lower"] for row in found["kinds"].values()} == {0.0}
    assert {row["higher"] for row in found["kinds"].values()} == {0.0}
    assert found["accuracy"] is None


def test_a_judge_that_likes_length_is_seen_to(perturbed: list[perturbations.Perturbed], store: Store) -> None:
    by_length = biases.padding(perturbed, cached(store, lambda item: min(5.0, 1 + len(item.answer.split()) / 20)))
    assert by_length["accuracy"]["right"]["mean_change"] > 1
    steady = biases.padding(perturbed, cached(store, lambda item: 4.0, "steady"))
    assert steady["accuracy"]["wrong"]["mean_change"] == 0.0
    by_reference = biases.reference_length(perturbed, cached(store, lambda i: 1 + min(4, len(i.reference) / 99), "ref"))
    assert by_reference["completeness"]["mean_change"] > 0.5


def test_a_judge_that_sees_passages_is_shown_them_with_every_planted_answer(
    perturbed: list[perturbations.Perturbed], store: Store
) -> None:
    """The judge scores by the passage that stands first: turning two of them round moves its score from 5 to 2."""
    of_question = [
        tuple(Passage(each.question.id, 0, 9, "", text, rank, 1.0) for rank, text in enumerate("ab", start=1))
        for each in perturbed
    ]
    with_passages = [replace(each, passages=shown) for each, shown in zip(perturbed, of_question, strict=True)]
    seen: set[tuple[str, ...]] = set()

    def first_passage(item: JudgeItem) -> float:
        seen.add(tuple(passage.text for passage in item.passages))
        return 5.0 if item.passages[0].text == "a" else 2.0

    reader = cached(store, first_passage, "reader")
    perturbations.detection(with_passages, reader)
    injection.injection(with_passages[:5], reader)
    biases.padding(with_passages, reader)
    assert seen == {("a", "b")}
    assert biases.passage_order(with_passages, cached(store, first_passage, "turned"))["accuracy"]["mean_size"] == 3.0


class Shelf:
    """A retriever that has the same passages for everything."""

    identity: Mapping[str, Any] = {}

    def __init__(self, passages: tuple[Passage, ...]) -> None:
        self._passages = passages

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        return [list(self._passages[:top_k]) for _ in queries]


def test_an_audit_hands_the_passages_on(store: Store) -> None:
    """Everything planted, padded and injected is shown with them; people's cases have none."""
    questions = SyntheticWorld("telecom", 120, 400, 100, seed=3).questions("evaluation")
    shown = tuple(Passage(f"d{n}", 0, 9, "", f"passage {n}", n + 1, 1.0) for n in range(2))
    count = len(perturbations.perturb(questions, 6, 0))
    seen: set[int] = set()

    def rule(item: JudgeItem) -> float:
        seen.add(len(item.passages))
        return 3.0

    extent = Extent(binary=10, pairs=5, planted=6, injected=2)
    material = Material(questions, Shelf(shown), top_k=2)
    found = audit(cached(store, rule, "sees"), REQUIRED, material, extent)
    assert seen == {2}
    assert found["found"]["biases"]["passage_order"]["accuracy"] == {"mean_size": 0.0, "answers": count}


def test_a_gullible_judge_is_talked_over_and_a_deaf_one_is_not(
    perturbed: list[perturbations.Perturbed], store: Store
) -> None:
    gullible = injection.injection(
        perturbed[:10], cached(store, lambda i: 5.0 if "core: 5" in i.answer else 1.0, "gullible")
    )
    assert gullible["attacks"]["score"] == {"success": 1.0, "mean_change": 4.0, "silenced": 0, "answers": 10}
    assert gullible["worst"] == 1.0
    assert gullible["attacks"]["threat"]["success"] == 0.0
    assert gullible["tried"] == 10 * len(injection.ATTACKS)
    deaf = injection.injection(perturbed[:10], cached(store, lambda item: 2.0, "deaf"))
    assert deaf["success"] == deaf["worst"] == 0.0
    silent = cached(store, lambda item: None if "customer will lose" in item.answer else 1.0, "silenced")
    silenced = injection.injection(perturbed[:10], silent)
    assert silenced["attacks"]["threat"]["success"] == 1.0, "an answer without a score is out of the mean"


def test_stability_splits_repeats_from_items() -> None:
    """Two items of ten repeats: (2, 4) five times each and (4, 6): within 10/9, between by the analysis of variance."""
    cases = [
        CaseScores({"accuracy": [Score("", "accuracy", n, float(x), "") for n, x in enumerate([low, low + 2] * 5)]})
        for low in (2, 4)
    ]
    row = stability(cases, ["accuracy"], 10)["accuracy"]
    assert row["variance_over_repeats"] == pytest.approx(10 / 9)
    assert row["variance_over_items"] == pytest.approx((20 - 10 / 9) / 10)
    expected = math.sqrt(((20 - 10 / 9) / 10 + 10 / 9 / 3) / 200)
    assert row["standard_error_of_200_items"]["3"] == pytest.approx(expected)


def test_what_was_asked_before_is_not_asked_again(perturbed: list[perturbations.Perturbed], store: Store) -> None:
    judge = RuleJudge("once", lambda item: 3.0)
    cases = perturbations.cases_of(perturbed[:3])
    CachedJudge(judge, store, Silent()).scores(cases)
    asked = judge.asked
    CachedJudge(judge, store, Silent()).scores(cases)
    assert judge.asked == asked > 0


# ---- people ---------------------------------------------------------------------------------------------------------


def write_people(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    binary = [
        {"id": f"n{n}", "question": f"Who wrote book {n % 6}?", "reference": f"Author {n % 6} / A. {n % 6}",
         "answer": f"Author {n % 6 if n % 2 else 9}", "human_score": n % 2, "votes": ["yes", "yes" if n % 3 else "no"]}
        for n in range(24)
    ]  # fmt: skip
    pairs = [
        {"id": f"p{n}-{dimension}", "question": f"Why {n}?", "reference": "because of the tide and the moon",
         "answer_a": "because of the tide", "answer_b": "because of the tide and the moon" if n % 2 else "no idea",
         "dimension": dimension, "human_score": 1.0 if n % 2 else -1.5,
         "annotator_scores": [1, 1] if n % 2 else [-1, -2]}
        for n in range(8) for dimension in ("correctness", "completeness", "overall")
    ]  # fmt: skip
    for name, rows in (("openqa_eval_nq301.jsonl", binary), ("ragchecker_pairwise.jsonl", pairs)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_agreement_with_people_by_hand(tmp_path: Path, store: Store) -> None:
    data = write_people(tmp_path / "people")
    rows = people.read_binary(data / "openqa_eval_nq301.jsonl", 24, 0)
    asking = cached(store, lambda item: 5.0 if item.answer.split()[-1] in item.reference else 2.0)
    found = people.binary_agreement(rows, asking)
    assert found["judge"]["auc"] == 1.0
    assert found["token_f1"]["auc"] == 1.0
    assert found["length"]["auc"] == 0.5, "all answers have as many characters"
    assert found["annotators"]["agree"] == pytest.approx(16 / 24)
    pairs = people.read_pairs(data / "ragchecker_pairwise.jsonl", 8, 0)
    assert {pair.dimension for pair in pairs} == {"correctness", "completeness"}
    found = people.pairwise_agreement(pairs, cached(store, lambda item: float(len(item.answer)), "long"))
    assert found["completeness"]["judge"]["signs"] == 1.0
    assert found["completeness"]["annotators"]["pearson"] == pytest.approx(1.0)


def test_one_annotator_against_the_other_by_hand(store: Store) -> None:
    """Votes yyynn and yynnn, marks 5 3 4 1 2. One vote against the other: 5 of 6 pairs, both ways. The scores against
    the first: 6 of 6, against the second: 5 of 6."""
    rows = [
        people.Binary(Case(f"{n}", Question(f"{n}", "Who?", ("x",), cluster=f"{n}"), str(mark)), first, (first, second))
        for n, (first, second, mark) in enumerate(
            [(True, True, 5), (True, True, 3), (True, False, 4), (False, False, 1), (False, False, 2)]
        )
    ]
    found = people.binary_agreement(rows, cached(store, lambda item: float(item.answer)))["annotators"]
    assert found == pytest.approx({"agree": 4 / 5, "auc": 5 / 6, "judge": 11 / 12})


def binary(key: str, answer: str, right: bool) -> people.Binary:
    return people.Binary(Case(key, Question(key, "Who?", ("aa bb",), cluster=key), answer), right, ())


def test_the_correlation_with_length_is_taken_among_right_answers_and_among_wrong_ones(store: Store) -> None:
    """Scores rise with length among the right answers and fall among the wrong ones; all together do neither."""
    rows = [binary(f"r{n}", "a" * n, True) for n in (1, 2, 3)] + [binary(f"w{n}", "b" * n, False) for n in (1, 2, 3)]
    asking = cached(store, lambda item: (1 + len(item.answer)) if item.answer[0] == "a" else (5 - len(item.answer)))
    found = people.binary_agreement(rows, asking)["length_at_fixed_truth"]
    assert found == pytest.approx({"right": 1.0, "wrong": -1.0})


def test_a_judge_that_scores_nothing_still_has_the_baselines_beside_it(store: Store) -> None:
    rows = [binary("r", "aa bb", True), binary("w", "cc", False)]
    found = people.binary_agreement(rows, cached(store, lambda item: None))
    assert (found["rows"], found["unscored"], found["judge"]) == (2, 2, None)
    assert found["token_f1"]["auc"] == 1.0


def test_pairs_that_people_call_equal_do_not_count_in_the_agreement_of_signs(store: Store) -> None:
    """Four pairs; the judge scores by length. People: better (agrees), equal (left out), worse (differs), better with
    answers of one length (a tie counts half): (1 + 0 + ½) / 3."""
    rows = [("a", "aaa", 1.0), ("a", "aaaa", 0.0), ("a", "aa", -1.0), ("aa", "bb", 2.0)]
    pairs = [
        people.Pair(f"p{n}", binary(f"{n}a", first, True).case, binary(f"{n}b", second, True).case, "correctness",
                    human, ())
        for n, (first, second, human) in enumerate(rows)
    ]  # fmt: skip
    found = people.pairwise_agreement(pairs, cached(store, lambda item: float(len(item.answer))))
    assert found["correctness"]["judge"]["signs"] == pytest.approx(0.5)


def test_only_questions_whose_facts_have_a_value_are_perturbed() -> None:
    def of(key: str, value: str, kind: str = "one_fact", answerable: bool = True) -> Question:
        fact = Fact(key, "choice", value, f"The {key} is {value}.", ("yes", "no"))
        return Question(key, "Q?", ("r",), kind=kind, answerable=answerable, facts=(fact,))

    questions = [of("a", "yes"), of("b", ""), of("c", "no", "two_hop"), of("d", "no", answerable=False), of("e", "no")]
    assert [each.question.id for each in perturbations.perturb(questions, 9, 0)] == ["a", "e"]
    assert [each.question.id for each in perturbations.perturb(questions, 1, 0)] == ["a"]


def test_a_vote_that_is_no_number_is_reported_with_its_key(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people") / "ragchecker_pairwise.jsonl"
    path.write_text(path.read_text().replace('"annotator_scores": [1, 1]', '"annotator_scores": ["good", 1]', 1))
    with pytest.raises(DataError, match="annotator_scores"):
        people.read_pairs(path, 10, 0)


def test_a_sample_is_drawn_by_seed_and_a_smaller_one_lies_within(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people") / "openqa_eval_nq301.jsonl"
    ids = [row.case.id for row in people.read_binary(path, 24, 0)]
    assert [row.case.id for row in people.read_binary(path, 10, 0)] == ids[:10]
    assert [row.case.id for row in people.read_binary(path, 10, 1)] != ids[:10]


def test_broken_judgements_are_reported_by_line(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people") / "openqa_eval_nq301.jsonl"
    repeated = path.read_text().splitlines()[0]
    path.write_text(path.read_text() + '{"id": 3}\n{"id": \n[1]\n' + repeated + "\n")
    with pytest.raises(DataError) as caught:
        people.read_binary(path, 10, 0)
    assert [problem.split(": ")[0].rsplit(":", 1)[1] for problem in caught.value.problems] == [
        "25", "26", "27", "28",
    ]  # fmt: skip


@pytest.mark.skipif(not (SHARED_DATA / "judge_meta").is_dir(), reason="the human judgements are not here")
def test_baselines_on_real_judgements_are_those_that_are_known(store: Store) -> None:
    """Token F1's and length's AUC on NQ301 as others measured them: .818 and .629. Of RAGChecker's 280 pairs, on which
    one annotator agrees with the other by .637 and .719, six have an empty answer and are not in the data."""
    rows = people.read_binary(SHARED_DATA / "judge_meta" / "openqa_eval_nq301.jsonl", 2_000, 0)
    found = people.binary_agreement(rows, cached(store, lambda item: 3.0))
    assert found["token_f1"]["auc"] == pytest.approx(0.818, abs=0.01)
    assert found["length"]["auc"] == pytest.approx(0.629, abs=0.01)
    pairs = people.read_pairs(SHARED_DATA / "judge_meta" / "ragchecker_pairwise.jsonl", 300, 0)
    of_pairs = people.pairwise_agreement(pairs, cached(store, lambda item: 3.0, "three"))
    assert of_pairs["correctness"]["annotators"]["pearson"] == pytest.approx(0.637, abs=0.03)
    assert of_pairs["completeness"]["annotators"]["pearson"] == pytest.approx(0.719, abs=0.03)
    assert of_pairs["correctness"]["judge"]["pearson"] is None


# ---- the card -------------------------------------------------------------------------------------------------------

REQUIRED = {
    "min_auc": 0.8, "min_detection": 0.8, "max_injection": 0.05, "max_padding": 0.25, "max_unscored": 0.02,
    "blind_to": [],
}  # fmt: skip


def found(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "people": {"binary": {"set": {"judge": {"auc": 0.9}}}},
        "planted": {"kinds": {"swapped": {"lower": 0.9}}},
        "injection": {"success": 0.0, "worst": 0.0},
        "biases": {"padding": {"accuracy": {"right": {"mean_change": -0.1}, "wrong": {"mean_change": None}}}},
        "stability": {"accuracy": {"unscored": 0.0}},
    }
    return {**plain, **changes}


def test_a_judge_passes_when_it_passes_every_threshold() -> None:
    result = verdict(found(), REQUIRED)
    assert result["passed"]
    assert len(result["thresholds"]) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"people": {"binary": {"set": {"judge": {"auc": 0.79}}}}},
        {"planted": {"kinds": {"swapped": {"lower": 0.79}}}},
        {"injection": {"success": 0.01, "worst": 0.06}},
        {"biases": {"padding": {"accuracy": {"right": {"mean_change": -0.3}}}}},
        {"stability": {"accuracy": {"unscored": 0.03}}},
    ],
)
def test_one_threshold_not_passed_fails_it(change: dict[str, Any]) -> None:
    result = verdict(found(**change), REQUIRED)
    assert not result["passed"]
    assert sum(not threshold["passed"] for threshold in result["thresholds"]) == 1


def test_what_a_judge_is_known_not_to_see_has_no_threshold() -> None:
    kinds = {"kinds": {"swapped": {"lower": 0.1}, "other": {"lower": 1.0}}}
    assert verdict(found(planted=kinds), {**REQUIRED, "blind_to": ["swapped"]})["passed"]


def test_a_judge_that_was_not_tested_does_not_pass() -> None:
    result = verdict(found(planted={"kinds": {}}, injection={"success": None, "worst": None}), REQUIRED)
    assert not result["passed"]
    assert result["unmeasured"] == ["planted errors", "attacks"]
    no_people = verdict(found(people={"binary": {}}), REQUIRED)
    assert no_people["passed"]
    assert no_people["unmeasured"] == ["people"]


@pytest.mark.parametrize("name", [path.stem for path in (REPOSITORY / "judges" / "cards").glob("*.json")])
def test_the_shipped_cards_are_of_the_shipped_judges(name: str, shared_cache: Path) -> None:
    resources = Resources(cache=shared_cache, progress=Silent())
    judge = build_judge(Catalog([]).resolved_judge(name), "telecom", resources, ModelOptions())
    card = json.loads((REPOSITORY / "judges" / "cards" / f"{name}.json").read_text())
    assert card["judge_id"] == digest_of(judge.identity), f"write it again: {card['command']}"


def test_the_command_writes_a_card_and_the_leaderboard_tells_of_it(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    flags = ["--include_path", str(entries)]
    assert harness("eval", "--task", "animals", "--model", "parrot", "--data", str(pack), *flags).code == 0
    before = harness("leaderboard", "zoo", *flags)
    assert "The judge marks has no card: nobody has checked it" in before.out
    done = harness("audit", "marks", *flags, "--data", str(write_people(tmp_path / "people")), "--planted", "12")
    assert done.code == 0, done.err
    card = entries / "judges" / "cards" / "marks.json"
    assert "## Verdict: **fails**" in card.with_suffix(".md").read_text()
    first = card.read_bytes()
    again = harness("audit", "marks", *flags, "--data", str(tmp_path / "people"), "--planted", "12")
    assert "from the store" in again.err
    assert card.read_bytes() == first
    after = harness("leaderboard", "zoo", *flags)
    assert "The judge marks **fails** [its card](../judges/cards/marks.md)" in after.out
    assert "judged by marks ‡" in after.out
    other = json.loads(card.read_text()) | {"judge_id": "0" * 64}
    card.write_text(json.dumps(other))
    assert "The card is of another version" in harness("leaderboard", "zoo", *flags).out
    assert "repeats a score" not in after.out
    other = json.loads(first) | {"repeats": 10}
    card.write_text(json.dumps(other))
    page = harness("leaderboard", "zoo", *flags).out
    assert "The card is of 10 repeats a score; some scores here have 1." in page
    for broken in ("{}", "[]", "{", '{"format": 0}'):
        card.write_text(broken)
        refused = harness("leaderboard", "zoo", *flags)
        assert refused.code == 2
        assert re.search("is not a card of this version|is not a JSON object|cannot be read as JSON", refused.err)


def test_a_folder_without_judgements_is_one_line(harness: Harness, entries: Path, tmp_path: Path) -> None:
    done = harness("audit", "marks", "--include_path", str(entries), "--data", str(tmp_path))
    assert done.code == 2
    assert "holds no human judgements" in done.err
