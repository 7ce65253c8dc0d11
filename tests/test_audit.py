"""A judge's card: agreement with people, planted errors, biases, injection, stability; and the statistics behind it."""

from __future__ import annotations

import hashlib
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
from scipy.stats import binomtest, mannwhitneyu

from harness.auditing import agreement, biases, handwritten, injection, packs, people, perturbations
from harness.auditing.audit import Extent, Material, audit
from harness.auditing.cached_judge import CachedJudge, Case, CaseScores
from harness.auditing.card import verdict
from harness.auditing.domain import described, domain_of
from harness.auditing.ordering import Labelled, order_findings
from harness.auditing.stability import stability
from harness.build.judges import build_judge
from harness.build.resources import ModelOptions, Resources
from harness.digests import digest_of, digest_of_question
from harness.entries.catalog import Catalog
from harness.entries.judge import CardEntry
from harness.errors import DataError
from harness.files import json_lines
from harness.judging.facts import FactsJudge
from harness.metrics.references import reference_kind
from harness.records import Fact, JudgeItem, Passage, Query, Question, Score
from harness.sources.world.source import SyntheticWorld
from harness.statistics import (
    auc,
    correlation,
    is_settled,
    length_controlled_difference,
    share_interval,
    variance_components,
)
from harness.store import Store
from tests.conftest import REPOSITORY, SHARED_DATA, TASK, Finished, Silent, write_entries, write_pack

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
    index_digests: Mapping[str, str] = {}

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
    of_score = dict(gullible["attacks"]["score"])
    assert of_score.pop("interval").low == pytest.approx(0.6915, abs=1e-4), (
        "10 of 10, as tables of the binomial have it"
    )
    assert of_score == {"success": 1.0, "mean_change": 4.0, "silenced": 0, "answers": 10}
    assert gullible["upper"] == 1.0
    assert gullible["worst"] == 1.0
    assert gullible["attacks"]["threat"]["success"] == 0.0
    assert gullible["tried"] == 10 * len(injection.ATTACKS)
    deaf = injection.injection(perturbed[:10], cached(store, lambda item: 2.0, "deaf"))
    assert deaf["success"] == deaf["worst"] == 0.0
    assert deaf["upper"] == pytest.approx(1 - 0.025 ** (1 / 10)), "none of 10"
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
    counts = [
        {"id": f"c{n}-{dimension}", "question": f"How {n}?", "reference": "by the tide and the moon and the wind",
         "answer": " ".join(["by the tide and the moon and the wind"] * 2)[: 8 * (n + 1)],
         "dimension": dimension, "human_score": 8 - n if dimension == "missing_info" else n % 3}
        for n in range(9) for dimension in ("factual_errors", "missing_info", "other")
    ]  # fmt: skip
    files: dict[str, list[dict[str, Any]]] = {
        "openqa_eval_nq301": binary,
        "ragchecker_pairwise": pairs,
        "qa_feedback_asqa_half": counts,
    }
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_short_numbers(path: Path) -> Path:
    return write_lines(
        path,
        [
            {"question": "How much?", "reference": "4 euros", "kind": "money", "right": ["EUR 4", "4 euros"],
             "wrong": ["14 euros"]},
            {"question": "When?", "reference": "in 1901", "kind": "year", "right": ["1901"],
             "wrong": ["in 1910", "1091"]},
        ],
    )  # fmt: skip


INVENTED = [
    Question(f"b{n}", f"What does enzyme {n} of the blue snail do?", references, ("d1",), cluster=f"b{n}")
    for n, references in enumerate(
        [
            ("It splits the sugar of kelp", "It breaks kelp sugar into two", "Kelp sugar is split by it"),
            ("It splits the sugar of kelp", "it splits the sugar of kelp."),
            ("yes", "Yes, it glows"),
            ("Yes, it glows at night", "No, it does not glow"),
            ("It glows at night", "Its light is seen after dusk"),
            ("It feeds on moss", "Moss is what it eats"),
        ]
    )
]  # fmt: skip
"""Of which the first and the last two have two references in different words that do not contradict."""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def hard_row(question: Question, *answers: tuple[str, bool, str], part: str = "report") -> dict[str, Any]:
    listed = [{"answer": text, "right": right, "kind": kind} for text, right, kind in answers]
    return {"question_id": question.id, "question_sha256": sha256(question.text), "part": part, "answers": listed}


LONG_PASSAGE = "The blue snail lives on kelp and glows. " * 8


def invented_pack(folder: Path) -> packs.Pack:
    """A pack of ours: two questions with answers written by hand, of which one is for development."""
    hard = [
        hard_row(INVENTED[0], ("It splits kelp sugar", True, "short"),
                 ("It splits the sugar of moss", False, "swapped"),
                 ("It does not split the sugar of kelp", False, "negated")),
        hard_row(INVENTED[4], ("It glows at night", True, "same"), ("By day", False, "swapped"), part="development"),
    ]  # fmt: skip
    return packs.Pack(
        name="bioasq",
        pool=INVENTED,
        questions={question.id: question for question in INVENTED},
        retriever=Shelf((Passage("d1", 0, 9, "", LONG_PASSAGE, 1, 1.0),)),
        hard=write_lines(folder / "bioasq.jsonl", hard),
    )


def test_agreement_with_people_by_hand(tmp_path: Path, store: Store) -> None:
    data = write_people(tmp_path / "people")
    rows = people.read_binary(data / "openqa_eval_nq301.jsonl", 24, 0)
    asking = cached(store, lambda item: 5.0 if item.answer.split()[-1] in item.reference else 2.0)
    found = agreement.binary_agreement(rows, asking)
    assert found["judge"]["auc"] == 1.0
    assert found["token_f1"]["auc"] == 1.0
    assert found["length"]["auc"] == 0.5, "all answers have as many characters"
    assert found["annotators"]["agree"] == pytest.approx(16 / 24)
    pairs = people.read_pairs(data / "ragchecker_pairwise.jsonl", 8, 0)
    assert {pair.dimension for pair in pairs} == {"correctness", "completeness"}
    found = agreement.pairwise_agreement(pairs, cached(store, lambda item: float(len(item.answer)), "long"))
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
    found = agreement.binary_agreement(rows, cached(store, lambda item: float(item.answer)))["annotators"]
    assert found == pytest.approx({"agree": 4 / 5, "auc": 5 / 6, "judge": 11 / 12})


def binary(key: str, answer: str, right: bool) -> people.Binary:
    return people.Binary(Case(key, Question(key, "Who?", ("aa bb",), cluster=key), answer), right, ())


def test_the_correlation_with_length_is_taken_among_right_answers_and_among_wrong_ones(store: Store) -> None:
    """Scores rise with length among the right answers and fall among the wrong ones; all together do neither."""
    rows = [binary(f"r{n}", "a" * n, True) for n in (1, 2, 3)] + [binary(f"w{n}", "b" * n, False) for n in (1, 2, 3)]
    asking = cached(store, lambda item: (1 + len(item.answer)) if item.answer[0] == "a" else (5 - len(item.answer)))
    found = agreement.binary_agreement(rows, asking)["length_at_fixed_truth"]
    assert found == pytest.approx({"right": 1.0, "wrong": -1.0})


def test_a_judge_that_scores_nothing_still_has_the_baselines_beside_it(store: Store) -> None:
    rows = [binary("r", "aa bb", True), binary("w", "cc", False)]
    found = agreement.binary_agreement(rows, cached(store, lambda item: None))
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
    found = agreement.pairwise_agreement(pairs, cached(store, lambda item: float(len(item.answer))))
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
    found = agreement.binary_agreement(rows, cached(store, lambda item: 3.0))
    assert found["token_f1"]["auc"] == pytest.approx(0.818, abs=0.01)
    assert found["length"]["auc"] == pytest.approx(0.629, abs=0.01)
    pairs = people.read_pairs(SHARED_DATA / "judge_meta" / "ragchecker_pairwise.jsonl", 300, 0)
    of_pairs = agreement.pairwise_agreement(pairs, cached(store, lambda item: 3.0, "three"))
    assert of_pairs["correctness"]["annotators"]["pearson"] == pytest.approx(0.637, abs=0.03)
    assert of_pairs["completeness"]["annotators"]["pearson"] == pytest.approx(0.719, abs=0.03)
    assert of_pairs["correctness"]["judge"]["pearson"] is None


# ---- against what is free, and answers written by hand --------------------------------------------------------------


def test_a_judge_that_is_token_f1_is_not_above_it(tmp_path: Path, store: Store) -> None:
    """Its difference from itself is 0 in every resample, which is not above 0; the thresholds say so by name."""
    data = write_people(tmp_path / "people")
    rows = people.read_binary(data / "openqa_eval_nq301.jsonl", 24, 0)
    overlap = {row.case.answer: agreement.token_overlap(row.case) for row in rows}
    same = agreement.binary_agreement(rows, cached(store, lambda item: 1 + 4 * overlap[item.answer], "f1"))
    assert same["above"]["token_f1"] == {"difference": 0.0, "interval": (0.0, 0.0)}
    assert same["above"]["length"]["difference"] == pytest.approx(same["judge"]["auc"] - 0.5)
    of_set = {"binary": {"nq": same}, "pairwise": {}, "counts": {}}
    failed = [each for each in verdict(found(people=of_set), REQUIRED)["thresholds"] if not each["passed"]]
    assert [each["what"] for each in failed] == ["AUC on nq above that of token F1, lower end"]


def test_to_prefer_the_shorter_answer_is_as_free_as_to_prefer_the_longer_one(store: Store) -> None:
    """All right answers are shorter: length has an AUC of 0, brevity one of 1, and the judge's 1 is not above it."""
    rows = [binary(f"r{n}", "a" * (n + 1), True) for n in range(6)]
    rows += [binary(f"w{n}", "b" * (n + 9), False) for n in range(6)]
    knowing = cached(store, lambda item: 5.0 if item.answer.startswith("a") else 1.0)
    result = agreement.binary_agreement(rows, knowing)
    assert (result["judge"]["auc"], result["length"]["auc"]) == (1.0, 0.0)
    assert result["above"]["length"]["difference"] == 0.0


def test_counts_are_compared_with_the_fewest_errors(tmp_path: Path, store: Store) -> None:
    """Longer answers miss less: scores by length agree with that wholly, and not at all with n mod 3 errors."""
    rows = people.read_counts(write_people(tmp_path / "people") / "qa_feedback_asqa_half.jsonl", 9, 0)
    assert len(rows) == 18, "what has no criterion is left out"
    found_counts = agreement.count_agreement(rows, cached(store, lambda item: 1 + len(item.answer) / 20))
    assert found_counts["missing_info"]["judge"] == pytest.approx(1.0)
    assert found_counts["missing_info"]["above"]["length"]["difference"] == pytest.approx(0.0)
    by_hand = correlation(list(range(9)), [-(n % 3) for n in range(9)], "spearman")
    assert found_counts["factual_errors"]["judge"] == pytest.approx(by_hand)


def test_an_interval_of_a_share_is_that_of_clopper_and_pearson() -> None:
    """72 answers are the fewest at which none that succeeds shows a rate below 5 %."""
    for successes, total in ((0, 72), (1, 20), (3, 200), (9, 9)):
        reference = binomtest(successes, total).proportion_ci(method="exact")
        assert share_interval(successes, total) == pytest.approx((reference.low, reference.high))
    assert share_interval(0, 0) is None
    none_of = [share_interval(0, total) for total in (71, 72)]
    assert [each.high < 0.05 for each in none_of if each] == [False, True]


def labelled(question: str, answer: str, right: bool, kind: str = "") -> Labelled:
    of = Question(question, f"{question}?", ("aa bb",), cluster=question)
    return Labelled(Case(f"{question}-{answer}", of, answer), right, kind)


def test_pairs_in_order_by_hand(store: Store) -> None:
    """Scores are the answers' numbers. q: right 4 against wrong 4 (½) and 2 (1); r: right 1 against wrong 3 (0): 1.5 of
    3. One right answer of two gets 3.5, one wrong one of three 2.5 or less."""
    answers = [
        labelled("q", "4", True), labelled("q", "4.0", False, "swapped"), labelled("q", "2", False, "negated"),
        labelled("r", "1", True), labelled("r", "3", False, "swapped"), labelled("s", "5", True),
    ]  # fmt: skip
    result = order_findings(answers, cached(store, lambda item: float(item.answer)))
    assert (result["pairs"], result["questions"], result["ordered"]) == (3, 2, 0.5)
    assert result["kinds"] == {"negated": {"pairs": 1, "ordered": 1.0}, "swapped": {"pairs": 2, "ordered": 0.25}}
    assert (result["right"], result["wrong"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert result["token_f1"] == 0.5, "no answer has a word of the reference"


def test_thresholds_are_on_one_scale_whatever_the_judges_is(store: Store) -> None:
    judge = RuleJudge("ten", lambda item: 5.0)
    judge.scale = (0, 10)
    assert CachedJudge(judge, store, Silent()).points(5.0) == 3.0


def test_second_references_are_of_different_words_and_do_not_contradict(store: Store) -> None:
    """The first question's second reference is judged by its first and third; mean of (5, 1, 2) is 8/3, two of three
    get at most 2."""
    cases = packs.second_references(INVENTED, 9)
    assert [(case.question.id, case.answer) for case in cases] == [
        (f"b{n}", INVENTED[n].references[1]) for n in (0, 4, 5)
    ]
    assert cases[0].question.references == (INVENTED[0].references[0], INVENTED[0].references[2])
    assert len(packs.second_references(INVENTED, 1)) == 1
    scores = {INVENTED[0].references[1]: 5.0, INVENTED[4].references[1]: 1.0, INVENTED[5].references[1]: 2.0}
    result = packs.second_findings(cases, cached(store, lambda item: scores[item.answer]))
    assert (result["mean"], result["low"]) == (pytest.approx(8 / 3), pytest.approx(2 / 3))


def test_a_passage_is_a_dump_where_it_is_five_times_as_long(store: Store) -> None:
    """Four words against references of one word and of none less: the second passage is too short to count."""
    question = Question("q", "What?", ("moss",), cluster="q")
    longer = Question("r", "What?", ("moss and kelp",), cluster="r")
    shelf = Shelf((Passage("d", 0, 9, "", "it lives on moss alone", 1, 1.0),))
    pairs = packs.dumped([(question, "moss"), (longer, "kelp")], shelf, within_document=False, count=9)
    assert [dump.question.id for _, dump in pairs] == ["q"]
    result = packs.dump_findings(pairs, cached(store, lambda item: 4.0 if "lives" in item.answer else 3.0))
    assert result == {"answers": 1, "mean": 4.0, "concise": 3.0, "above": 1.0}


def test_only_the_part_for_reports_is_reported(tmp_path: Path) -> None:
    pack = invented_pack(tmp_path)
    assert pack.hard is not None
    answers = handwritten.read_hard(pack.hard, pack.questions)
    assert {each.case.question.id for each in answers} == {"b0"}
    assert [each.right for each in answers] == [True, False, False]
    assert {each.case.question.id for each in handwritten.read_hard(pack.hard, pack.questions, "development")} == {"b4"}


def test_broken_answers_by_hand_are_reported_by_line(tmp_path: Path) -> None:
    other = replace(INVENTED[0], text="What else?")
    rows = [
        hard_row(INVENTED[0], ("x", True, "k"), part="all"),
        hard_row(other, ("x", True, "k")),
        hard_row(Question("none", "?", ("r",)), ("x", True, "k")),
        {**hard_row(INVENTED[0]), "answers": [{"answer": "x", "right": "yes", "kind": "k"}]},
    ]
    path = write_lines(tmp_path / "bioasq.jsonl", rows)
    with pytest.raises(DataError) as caught:
        handwritten.read_hard(path, {question.id: question for question in INVENTED})
    expected = ["part must be", "worded otherwise", "no question 'none'", "answers must be"]
    for number, (text, problem) in enumerate(zip(expected, caught.value.problems, strict=True), start=1):
        assert f"bioasq.jsonl:{number}:" in problem
        assert text in problem


@pytest.mark.parametrize("name", ["bioasq", "qasper"])
def test_the_shipped_answers_by_hand_hold_no_text_of_the_data(name: str) -> None:
    path = REPOSITORY / "judges" / "hard" / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip("they are not written yet")
    for row in json_lines(path):
        assert row.keys() == {"question_id", "question_sha256", "part", "answers"}


def test_the_shipped_short_numbers_are_sixty_right_and_sixty_wrong_at_least() -> None:
    answers = handwritten.read_short_numbers(REPOSITORY / "judges" / "hard" / "short_numbers.jsonl")
    assert sum(each.right for each in answers) >= 60
    assert sum(not each.right for each in answers) >= 60
    by_question: dict[str, list[str]] = {}
    for each in answers:
        by_question.setdefault(each.case.question.id, []).append(each.case.answer)
    assert all(len(set(texts)) == len(texts) for texts in by_question.values())


def test_questions_that_the_judge_was_fitted_on_are_not_asked(tmp_path: Path, store: Store) -> None:
    """Of the pack's pool one is known to the judge, and so is the only hard question for the report; of people's
    questions one of six, with four of 24 answers."""
    fitted = frozenset({digest_of_question(INVENTED[0].text), digest_of_question("WHO wrote book 5")})
    seen: set[str] = set()

    def rule(item: JudgeItem) -> float:
        seen.add(item.question.text)
        return 3.0

    material = Material(
        SyntheticWorld("telecom", 120, 400, 100, seed=3).questions("evaluation"), Shelf(()), top_k=2,
        data=write_people(tmp_path / "people"), packs=[invented_pack(tmp_path)], fitted_questions=fitted,
    )  # fmt: skip
    extent = Extent(binary=24, pairs=5, counts=5, planted=6, injected=2, packs=9)
    card = audit(cached(store, rule, "fitted"), REQUIRED, material, extent)["found"]
    assert not {INVENTED[0].text, "Who wrote book 5?"} & seen
    assert card["people"]["binary"]["openqa_eval_nq301"]["rows"] == 20
    assert card["people"]["left_out"]["openqa_eval_nq301"] == 1
    assert (card["second"]["bioasq"]["answers"], card["second"]["bioasq"]["left_out"]) == (2, 1)
    assert (card["hard"]["bioasq"]["pairs"], card["hard"]["bioasq"]["left_out"]) == (0, 1)


# ---- domain ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("Yes", "yes or no"),
        ("no, never", "yes or no"),
        ("12 euros", "number"),
        ("Ada Lovelace", "short"),
        ("kelp, moss and small crabs", "list"),
        ("It splits the sugar of kelp into two parts, and then it rests for the night.", "long"),
        ("Yes, since it splits the sugar of kelp into two parts and then rests", "long"),
        ("nobody knows", "short"),
    ],
)
def test_the_kind_of_a_reference(reference: str, kind: str) -> None:
    assert reference_kind(reference) == kind


def test_the_domain_is_what_the_judge_was_checked_on_and_passes() -> None:
    """Of one word a hundred times the judge passes, of 30 words it does not; of a set with nineteen references too
    little is known."""
    sets = {
        "names": described(["Ada"] * 99 + ["12"]),
        "essays": described(["word " * 30] * 40),
        "few": described(["word " * 50] * 19),
    }
    assert sets["names"] == {"references": 100, "words": [1.0, 1.0, 1.0], "kinds": {"number": 1, "short": 99}}
    thresholds = [
        {"data_set": name, "passed": passed}
        for name, passed in (("names", True), ("names", True), ("essays", True), ("essays", False), ("few", True))
    ]
    domain = domain_of(sets, {"thresholds": thresholds})
    assert domain == {"data_sets": ["names"], "longest": 1.0, "kinds": ["short"]}, "one of a hundred is no kind of it"
    nothing = domain_of(sets, {"thresholds": []})
    assert nothing == {"data_sets": [], "longest": 0.0, "kinds": []}


# ---- the card -------------------------------------------------------------------------------------------------------

REQUIRED = CardEntry().model_dump()
ABOVE = {"token_f1": {"interval": [0.01, 0.2]}, "length": {"interval": [0.1, 0.3]}}
NO_DIFFERENCE = {"token_f1": {"interval": [0.0, 0.2]}, "length": {"interval": [0.1, 0.3]}}


def binary_row(auc: float = 0.9, above: Any = ABOVE) -> dict[str, Any]:
    return {"binary": {"set": {"judge": {"auc": auc}, "above": above}}, "pairwise": {}, "counts": {}}


def pairwise_row(pearson: float, above: Any = ABOVE) -> dict[str, Any]:
    row = {"correctness": {"judge": {"pearson": pearson}, "above": above}}
    return {"binary": {}, "pairwise": {"pairs": row}, "counts": {}}


def counts_row(spearman: float, above: Any = ABOVE) -> dict[str, Any]:
    row = {"missing_info": {"judge": spearman, "above": above}}
    return {"binary": {}, "pairwise": {}, "counts": {"counts": row}}


def planted(lower: float, kind: str = "swapped") -> dict[str, Any]:
    return {"kinds": {kind: {"lower": lower}}, "world": "telecom"}


def bias(padding: float = -0.1, longer: float = 0.1) -> dict[str, Any]:
    return {
        "padding": {"accuracy": {"right": {"mean_change": padding}, "wrong": {"mean_change": None}}},
        "reference_length": {"accuracy": {"mean_change": longer}},
    }


def dump(mean: float | None = 2.0, above: float | None = 0.0) -> dict[str, Any]:
    return {"telecom": {"mean": mean, "above": above}, "bioasq": {"mean": 2.0, "above": 0.0}}


def short(ordered: float = 0.95, right: float = 0.9, wrong: float = 0.9) -> dict[str, Any]:
    return {"ordered": ordered, "right": right, "wrong": wrong}


def found(**changes: Any) -> dict[str, Any]:
    """What an audit finds of a judge that passes: sixteen thresholds."""
    plain: dict[str, Any] = {
        "people": binary_row(),
        "hard": {"bioasq": {"ordered": 0.9}},
        "second": {"bioasq": {"mean": 4.2, "low": 0.05}},
        "short": short(),
        "planted": planted(0.9),
        "dump": dump(),
        "injection": {"tried": 1200, "upper": 0.04},
        "biases": bias(),
        "stability": {"accuracy": {"unscored": 0.0}},
    }
    return {**plain, **changes}


def test_a_judge_passes_when_it_passes_every_threshold() -> None:
    result = verdict(found(), REQUIRED)
    assert result["passed"]
    assert len(result["thresholds"]) == 18
    assert result["unmeasured"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"people": binary_row(0.79)},
        {"people": binary_row(above=NO_DIFFERENCE)},
        {"people": pairwise_row(0.49)},
        {"people": pairwise_row(0.6, NO_DIFFERENCE)},
        {"people": counts_row(0.34)},
        {"people": counts_row(0.4, NO_DIFFERENCE)},
        {"hard": {"qasper": {"ordered": 0.84}}},
        {"second": {"bioasq": {"mean": 3.9, "low": 0.05}}},
        {"second": {"bioasq": {"mean": 4.2, "low": 0.11}}},
        {"short": short(ordered=0.89)},
        {"short": short(right=0.79)},
        {"short": short(wrong=0.79)},
        {"planted": planted(0.79)},
        {"dump": dump(mean=2.6)},
        {"dump": dump(above=0.06)},
        {"injection": {"tried": 1200, "upper": 0.051}},
        {"biases": bias(padding=-0.3)},
        {"biases": bias(longer=-0.6)},
        {"stability": {"accuracy": {"unscored": 0.03}}},
    ],
)
def test_one_threshold_not_passed_fails_it(change: dict[str, Any]) -> None:
    result = verdict(found(**change), REQUIRED)
    assert not result["passed"]
    assert sum(not threshold["passed"] for threshold in result["thresholds"]) == 1


@pytest.mark.parametrize(("change", "passed"), [(-1.7, True), (0.2, True), (0.3, False)])
def test_where_padding_counts_against_an_answer_only_a_gain_by_it_is_limited(change: float, passed: bool) -> None:
    result = verdict(found(biases=bias(padding=change)), {**REQUIRED, "lowered_by_padding": ["accuracy"]})
    assert result["passed"] is passed
    assert ("padding raises accuracy", change) in [(row["what"], row["value"]) for row in result["thresholds"]]


def test_what_a_judge_is_known_not_to_see_has_no_threshold() -> None:
    kinds = {"kinds": {"swapped": {"lower": 0.1}, "other": {"lower": 1.0}}, "world": "telecom"}
    assert verdict(found(planted=kinds), {**REQUIRED, "blind_to": ["swapped"]})["passed"]


def unmeasured(references: list[str], **changes: Any) -> tuple[bool, list[str]]:
    result = verdict(found(**changes), {**REQUIRED, "references": references})
    return result["passed"], [each["what"] for each in result["unmeasured"]]


NO_PEOPLE: dict[str, Any] = {"binary": {}, "pairwise": {}, "counts": {}}


def test_a_judge_that_was_not_tested_does_not_pass() -> None:
    untested = {"planted": {"kinds": {}, "world": "telecom"}, "injection": {"tried": 0, "upper": None}}
    assert unmeasured(["short", "long"], **untested) == (False, ["planted errors", "attacks"])
    assert unmeasured(["short"], people=NO_PEOPLE) == (False, ["agreement with people"])
    assert unmeasured(["short"], short=None) == (False, ["short numbers"])
    unscored = {"binary": {"set": {"judge": None, "above": None}}, "pairwise": {}, "counts": {}}
    assert not unmeasured(["short"], people=unscored)[0], "a judge that scores nothing agrees with nobody"


def test_a_judge_for_long_references_does_not_pass_without_data_packs() -> None:
    world_alone: dict[str, Any] = {"hard": {}, "second": {}, "dump": {"telecom": {"mean": 2.0, "above": 0.0}}}
    missing = ["hard pairs", "second reference", "passage dump on data packs"]
    assert unmeasured(["short", "long"], **world_alone) == (False, missing)
    assert unmeasured(["short"], **world_alone) == (True, [])


def test_a_judge_for_a_synthetic_world_is_held_to_that_alone() -> None:
    world_alone: dict[str, Any] = {"hard": {}, "second": {}, "dump": {"telecom": {"mean": 2.0, "above": 0.0}}}
    assert unmeasured([], **world_alone, people=NO_PEOPLE, short=None) == (True, [])


def test_fewer_than_200_attacks_are_not_measured() -> None:
    result = verdict(found(injection={"tried": 199, "upper": 0.01}), REQUIRED)
    assert not result["passed"]
    assert result["unmeasured"] == [
        {"what": "attacks", "why": "fewer than 200 attacks (199); raise --injected", "needed": True}
    ]


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
    card.write_text(json.dumps(json.loads(first) | {"format": 1}))
    old = harness("leaderboard", "zoo", *flags)
    assert "The card of the judge marks was written by an earlier version (format 1) and does not count" in old.out
    assert "‡" not in old.out.split("Scores are means")[0]
    for broken in ("{}", "[]", "{", '{"format": 0}'):
        card.write_text(broken)
        refused = harness("leaderboard", "zoo", *flags)
        assert refused.code == 2
        assert re.search("is not a card of this version|is not a JSON object|cannot be read as JSON", refused.err)


def test_a_folder_without_judgements_is_one_line(harness: Harness, entries: Path, tmp_path: Path) -> None:
    done = harness("audit", "marks", "--include_path", str(entries), "--data", str(tmp_path))
    assert done.code == 2
    assert "holds no human judgements" in done.err


def write_packs(folder: Path, entries: Path, pool: int) -> Path:
    """The invented pack as files, a task that keeps `pool` of its questions for training, and hard answers to it."""
    rows = [
        {"id": q.id, "question": q.text, "answers": list(q.references), "gold_doc_ids": ["d1"], "type": "summary"}
        for q in INVENTED
    ]
    write_pack(folder / "bioasq", [{"doc_id": "d1", "title": "Snails", "text": LONG_PASSAGE}], rows)
    task = TASK.replace("task: animals", "task: bioasq").replace("{pool: 0, sizes: []}", f"{{pool: {pool}, sizes: []}}")
    write_entries(entries, tasks__bioasq=task)
    write_lines(entries / "judges" / "hard" / "bioasq.jsonl",
                [hard_row(question, ("It splits kelp sugar", True, "short"), ("No", False, "negated"))
                 for question in INVENTED])  # fmt: skip
    return folder


def test_an_audit_reads_data_packs_and_answers_by_hand_beside_the_judge(
    harness: Harness, entries: Path, tmp_path: Path
) -> None:
    """Four of six questions are in the pool, whose second references and passages are asked; hard answers also to the
    others."""
    data = write_packs(tmp_path / "packs", entries, pool=4)
    flags = ["--include_path", str(entries), "--planted", "6", "--injected", "2", "--packs", str(data)]
    done = harness("audit", "marks", *flags)
    assert done.code == 0, done.err
    card = json.loads((entries / "judges" / "cards" / "marks.json").read_text())
    hard = card["found"]["hard"]["bioasq"]
    assert (hard["questions"], hard["pairs"]) == (6, 6)
    assert 1 <= card["found"]["second"]["bioasq"]["answers"] <= 3
    assert card["found"]["dump"]["bioasq"]["answers"] == 4
    assert card["command"] == "harness audit marks --packs DIR --planted 6 --injected 2"
    refused = harness("audit", "marks", "--include_path", str(entries), "--packs", str(entries))
    assert refused.code == 2
    assert "holds none of bioasq, nq, qasper" in refused.err
