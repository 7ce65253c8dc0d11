"""Finished runs against one another: which may stand together, what their differences come to, and in which words."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.comparison.board import Row, Table, trivial_bar
from harness.comparison.kinds import Abstention, abstention, by_kind
from harness.comparison.likeness import Unlike, alike, tables, unlike
from harness.comparison.pairing import Paired, pair
from harness.comparison.request import compared
from harness.comparison.seeds import by_seed, merged, seed_difference
from harness.comparison.stored import Setting, StoredRun, base_name, training_seed
from harness.comparison.verdicts import Difference, Verdict, family
from harness.errors import DataError, UsageError
from harness.reports.comparison import comparison_sections
from harness.reports.wording import sentence, short_verdict
from tests.comparing import SETTINGS, Column, stored_run

MARGIN = 0.25


def of_accuracy(model: str, accuracy: Column, **changes: object) -> StoredRun:
    return stored_run(model, {"accuracy": accuracy}, **changes)


def rising(items: int, sign: int = 1) -> Paired:
    """Differences of 0.1, 0.2, … of one sign. No exchange but all and none has as large a mean, so the exact p of the
    permutation test is 2 / 2^items; the interval's is smaller."""
    tuned = [3 + sign * (number + 1) / 10 for number in range(items)]
    return pair(of_accuracy("tuned", tuned), of_accuracy("base", [3] * items), "accuracy")


# ---- like with like -------------------------------------------------------------------------------------------------

SAME = of_accuracy("base", [1, 2])
DIFFERING = {
    "task version": {"task_version": 2.0},
    "prompt.doc_to_text": {"settings": {**SETTINGS, "prompt.doc_to_text": "p1"}},
    "decoding.max_gen_toks": {"settings": {**SETTINGS, "decoding.max_gen_toks": 32}},
    "retrieval.chunk_chars": {"settings": {**SETTINGS, "retrieval.chunk_chars": 400}},
    "source.questions": {"settings": {**SETTINGS, "source.questions": "q1"}},
    "retriever": {"settings": {**SETTINGS, "retriever": "r1"}},
    "judge": {"judge": "other"},
    "judge's identity": {"judge_id": "j1"},
    "judge's repeats": {"judge_repeats": 3},
}


@pytest.mark.parametrize("name", DIFFERING)
def test_a_setting_that_differs_keeps_two_runs_apart_and_is_named(name: str) -> None:
    other = replace(of_accuracy("tuned", [3, 4]), **DIFFERING[name])  # type: ignore[arg-type]
    assert [each.name for each in unlike(SAME, other)] == [name]
    assert not alike([SAME, other])
    assert [len(group) for group in tables([SAME, other])] == [1, 1]
    with pytest.raises(UsageError, match=rf"tuned and base, rag: cannot be compared: {name} is .* and .*; evaluate"):
        compared([SAME, other], "base", MARGIN)


def test_model_training_date_and_command_may_differ() -> None:
    other = of_accuracy("tuned", [3, 4], training={"samples": 200}, date="2027-01-01", command="other", commit="abc")
    assert unlike(SAME, other) == []
    assert alike([SAME, other])


def test_both_values_of_a_setting_are_named_also_where_one_was_not_recorded() -> None:
    older = {name: value for name, value in SETTINGS.items() if name != "decoding.max_gen_toks"}
    other = of_accuracy("tuned", [3, 4], settings=older)
    assert unlike(SAME, other) == [Unlike("decoding.max_gen_toks", 64, None)]
    with pytest.raises(UsageError, match=r"decoding\.max_gen_toks is not recorded and 64"):
        compared([SAME, other], "base", MARGIN)


def test_what_ranked_counts_within_one_arm_alone() -> None:
    """The oracle arm has a retriever of its own."""
    changed = {**SETTINGS, "retriever": "r1"}
    assert unlike(SAME, of_accuracy("base", [1, 2], arm="oracle", settings=changed)) == []
    assert unlike(SAME, of_accuracy("base", [1, 2], settings=changed)) == [Unlike("retriever", "r0", "r1")]


def test_what_follows_from_another_difference_is_not_named() -> None:
    chunks: dict[str, Setting] = {**SETTINGS, "retrieval.chunk_chars": 400, "retriever": "r1"}
    data: dict[str, Setting] = {**SETTINGS, "source.corpus": "c1", "retriever": "r1"}
    assert [each.name for each in unlike(SAME, replace(SAME, settings=chunks))] == ["retrieval.chunk_chars"]
    assert [each.name for each in unlike(SAME, replace(SAME, settings=data))] == ["source.corpus"]
    assert [each.name for each in unlike(SAME, replace(SAME, judge="other", judge_id="j1"))] == ["judge"]


def test_tables_are_of_alike_runs_over_the_same_items_the_largest_first() -> None:
    small = [of_accuracy(name, [1, 2]) for name in ("base", "tuned", "other")]
    large = [of_accuracy(name, [1, 2, 3], run_id=f"large-{name}") for name in ("base", "tuned")]
    strict = of_accuracy("base", [1, 2, 3], run_id="strict", judge="strict")
    groups = [[run.run_id for run in group] for group in tables([*small, strict, *large])]
    assert groups == [["large-base", "large-tuned"], ["strict"], ["base-rag", "other-rag", "tuned-rag"]]


def test_items_in_another_order_are_the_same_items() -> None:
    turned = of_accuracy("tuned", [3, 4], items=["q001", "q000"], clusters=["q001", "q000"])
    assert len(tables([SAME, turned])) == 1
    assert pair(turned, SAME, "accuracy").values == (4, 3)


def test_the_newest_run_of_a_model_and_arm_is_shown() -> None:
    old, new = (of_accuracy("base", [1, 2], date=f"2026-0{month}-01", run_id=f"run-{month}") for month in (1, 2))
    oracle = of_accuracy("base", [1, 2], arm="oracle", date="2025-01-01")
    (group,) = tables([new, oracle, old])
    assert [run.run_id for run in group] == ["base-oracle", "run-2"]


# ---- stored runs ----------------------------------------------------------------------------------------------------


def test_a_stored_run_comes_back_from_json_as_it_was() -> None:
    run = stored_run("tuned", {"accuracy": [1.0, None, 5.0], "answer_words": [3.0, 4.0, 5.0]})
    assert run.problems() == []
    assert StoredRun.from_json(json.loads(json.dumps(run.to_json())), "x.json") == run


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"items": ["a", "a"]}, "items: a question is there several times"),
        ({"items": [], "clusters": [], "kinds": [], "measures": {}}, "items: there is none"),
        ({"reference_words": [4]}, "reference_words: 1 values for 2 items"),
        ({"clusters": ["a"]}, "clusters: 1 values for 2 items"),
        ({"kinds": ["a"] * 3}, "kinds: 3 values for 2 items"),
        ({"measures": {"accuracy": [1.0]}}, "accuracy: 1 values for 2 items"),
        ({"measures": {"accuracy": [1.0, 500.0]}}, "accuracy: 500.0 is not from 1 to 5"),
        ({"measures": {"accuracy": [0.5, 3.0]}}, "accuracy: 0.5 is not from 1 to 5"),
        ({"measures": {"accuracy": [math.nan, 3.0]}}, "accuracy: nan is not from 1 to 5"),
        ({"measures": {"accuracy": [True, 3.0]}}, "accuracy: True is not from 1 to 5"),
        ({"measures": {"accuracy": ["3", 3.0]}}, "accuracy: '3' is not from 1 to 5"),
        ({"measures": {"f1": [0.0, 1.5]}}, "f1: 1.5 is not from 0 to 1"),
        ({"measures": {"answer_words": [-1.0, 1.0]}}, "answer_words: -1.0 is not from 0 to inf"),
        ({"measures": {"accuracy": [11.0, 3.0]}, "scale": [1, 10]}, "accuracy: 11.0 is not from 1 to 10"),
    ],
)
def test_what_cannot_be_in_a_stored_run_is_named_with_its_file(changes: dict[str, object], problem: str) -> None:
    run = replace(SAME, **changes)  # type: ignore[arg-type]
    assert problem in run.problems()
    with pytest.raises(DataError) as error:
        StoredRun.from_json(run.to_json(), "x.json")
    remedy = "delete it, and run `harness leaderboard` again where the run folder is"
    assert f"x.json: {problem}; {remedy}" in error.value.problems


def test_keys_of_another_version_are_named() -> None:
    values = SAME.to_json()
    fewer = {name: value for name, value in values.items() if name not in ("scale", "trivial")}
    with pytest.raises(DataError, match=r"x.json: was stored by another version \(without scale, trivial\); delete"):
        StoredRun.from_json(fewer, "x.json")
    with pytest.raises(DataError, match=r"x.json: has keys that no stored run has \(colour\); delete"):
        StoredRun.from_json({**values, "colour": "red"}, "x.json")


# ---- pairs ----------------------------------------------------------------------------------------------------------


def test_a_pair_is_over_the_items_that_are_scored_in_both_in_the_baselines_order() -> None:
    """q3 is missing in the run, q1 is unscored there, and q0 in the baseline."""
    run = of_accuracy("tuned", [5, 4, None, 2], items=["q4", "q2", "q1", "q0"], clusters=["x"] * 4)
    base = of_accuracy("base", [None, 1, 2, 3, 3.5], items=["q0", "q1", "q2", "q3", "q4"], clusters=list("abcde"))
    paired = pair(run, base, "accuracy")
    assert (paired.items, paired.clusters) == (("q2", "q4"), ("c", "e"))
    assert (paired.differences, paired.estimate, paired.interval) == ([2, 1.5], 1.75, None)
    assert pair(run, base, "accuracy", {"q4", "q1"}).items == ("q4",)
    assert pair(run, base, "completeness").estimate is None


SCORES = st.none() | st.integers(1, 5).map(float)


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=25))
def test_a_pair_seen_from_the_other_side_has_the_opposite_differences(rows: list[tuple[float | None, ...]]) -> None:
    run, base = (of_accuracy(name, [row[side] for row in rows]) for side, name in enumerate(("tuned", "base")))
    there, back = pair(run, base, "accuracy"), pair(base, run, "accuracy")
    assert there.items == back.items
    assert there.differences == [-each for each in back.differences]
    verdicts = [family({"x": each}, MARGIN)["x"] for each in (there, back)]
    assert verdicts[0].p_value == verdicts[1].p_value
    swapped = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    assert verdicts[1].verdict is swapped.get(verdicts[0].verdict, verdicts[0].verdict)


# ---- verdicts -------------------------------------------------------------------------------------------------------


def test_p_values_of_a_table_are_adjusted_together_by_hand() -> None:
    """2/2^6, 2/2^8 and 2/2^10: the smallest times three, the next times two, the largest as it is."""
    found = family({6: rising(6), 8: rising(8), 10: rising(10)}, MARGIN)
    assert {items: each.raw_p_value for items, each in found.items()} == {6: 2 / 64, 8: 2 / 256, 10: 2 / 1024}
    assert {items: each.p_value for items, each in found.items()} == {6: 2 / 64, 8: 4 / 256, 10: 6 / 1024}
    assert {each.verdict for each in found.values()} == {Verdict.BETTER}


def test_a_difference_that_is_found_alone_may_not_be_in_a_larger_table() -> None:
    (alone,) = family({"a": rising(6)}, MARGIN).values()
    assert (alone.p_value, alone.verdict) == (2 / 64, Verdict.BETTER)
    for each in family({"a": rising(6), "b": rising(6)}, MARGIN).values():
        assert (each.p_value, each.verdict) == (4 / 64, Verdict.CANNOT_TELL)


def test_a_pair_without_a_p_value_does_not_count_in_the_family() -> None:
    few = pair(of_accuracy("tuned", [3, 4]), of_accuracy("base", [1, 1]), "accuracy")
    found = family({"a": rising(6), "few": few}, MARGIN)
    assert found["a"].p_value == 2 / 64
    assert (found["few"].p_value, found["few"].verdict) == (None, Verdict.TOO_FEW)


def evenly(size: float, items: int) -> Paired:
    """Differences of ±size, as many of either."""
    tuned = [3 + size, 3 - size] * (items // 2)
    return pair(of_accuracy("tuned", tuned), of_accuracy("base", [3] * items), "accuracy")


def test_each_verdict_from_data_that_deserve_it() -> None:
    def verdict(paired: Paired) -> Verdict:
        return family({"x": paired}, MARGIN)["x"].verdict

    assert verdict(rising(10)) is Verdict.BETTER
    assert verdict(rising(10, sign=-1)) is Verdict.WORSE
    assert verdict(evenly(0.25, 100)) is Verdict.NO_DIFFERENCE
    assert verdict(evenly(2, 20)) is Verdict.CANNOT_TELL
    assert verdict(rising(4)) is Verdict.TOO_FEW


def test_what_an_undecided_difference_would_have_needed_by_hand() -> None:
    """20 differences of ±2: standard error √(4/19) = .4588. A difference is found, or shown to be below the margin, by
    20 · (2.9264 · .4588 / .25)² = 577 items; 20 show one of (2.0930 + .8610) · .4588 = 1.355."""
    found = family({"x": evenly(2, 20)}, MARGIN)["x"]
    assert (found.estimate, found.raw_p_value, found.items, found.differing, found.clusters) == (0, 1, 20, 20, 20)
    assert found.needed == 577
    assert found.detectable == pytest.approx(1.3554, abs=1e-4)
    decided = family({"x": rising(10)}, MARGIN)["x"]
    assert decided.needed is None


def test_more_of_what_is_better_low_is_worse() -> None:
    """In 8 of 12 items the tuned model's answer is cut off and the base's is not."""
    cut = stored_run("tuned", {"truncated": [1] * 8 + [0] * 4})
    whole = stored_run("base", {"truncated": [0] * 12})
    more = family({"x": pair(cut, whole, "truncated")}, 0.01)["x"]
    assert (more.estimate, more.verdict) == (8 / 12, Verdict.WORSE)
    assert family({"x": pair(whole, cut, "truncated")}, 0.01)["x"].verdict is Verdict.BETTER


# ---- what is compared with what -------------------------------------------------------------------------------------


def only_difference(table: Table) -> tuple[Row, Difference]:
    ((row, difference),) = [(row, each) for row in table.rows for each in row.differences.values()]
    return row, difference


def test_each_arm_is_compared_with_the_baselines_same_arm() -> None:
    runs = [
        of_accuracy(model, [mark, mark + 1], arm=arm)
        for arm, mark in (("rag", 3), ("closed_book", 1))
        for model in ("tuned", "base")
    ]
    table = compared(runs, "base", MARGIN)
    assert [(row.run.model, row.run.arm, row.is_baseline) for row in table.rows] == [
        ("base", "rag", True),
        ("base", "closed_book", True),
        ("tuned", "rag", False),
        ("tuned", "closed_book", False),
    ]
    assert [row.baseline.arm for row in table.rows[2:] if row.baseline is not None] == ["rag", "closed_book"]
    assert [row.differences["accuracy"].estimate for row in table.rows[2:]] == [0, 0]


def test_the_first_run_is_the_baseline_where_none_is_named_and_a_run_id_names_one_too() -> None:
    runs = [of_accuracy("one", [1, 2]), of_accuracy("two", [3, 4])]
    assert compared(runs, None, MARGIN).rows[0].run.model == "one"
    assert compared(runs, "two-rag", MARGIN).rows[0].run.model == "two"


def test_of_several_runs_of_a_model_the_newest_is_compared() -> None:
    old = of_accuracy("tuned", [1, 1], run_id="old", date="2025-01-01")
    new = of_accuracy("tuned", [4, 4], run_id="new", date="2026-06-01")
    row, difference = only_difference(compared([new, old, of_accuracy("base", [2, 2])], "base", MARGIN))
    assert (row.run.run_id, difference.estimate) == ("new", 2)


@pytest.mark.parametrize(
    ("runs", "baseline", "message"),
    [
        ([of_accuracy("base", [1])], None, "compare: give two runs or more, one of them the baseline"),
        (
            [of_accuracy("base", [1]), of_accuracy("base", [1], arm="oracle")],
            None,
            "compare: every run is of base, the baseline; name another model",
        ),
        (
            [of_accuracy("base", [1]), of_accuracy("tuned", [1])],
            "bass",
            "--baseline bass: no run of this model was given; there are runs of base, tuned",
        ),
        (
            [of_accuracy("base", [1]), of_accuracy("tuned", [1], arm="oracle")],
            "base",
            "tuned, oracle: the baseline base has no run of this arm; evaluate it: --arm oracle",
        ),
        (
            [of_accuracy("base", [1]), of_accuracy("tuned", [1], items=["z"], clusters=["z"])],
            "base",
            "tuned and base, rag: have no item in common; evaluate both over the same questions",
        ),
        (
            [of_accuracy("base", [1, None]), of_accuracy("tuned", [None, 1])],
            "base",
            "tuned and base, rag: no shared item has a score in both; judge them again: harness judge RUN --judge NAME",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_remedy(
    runs: Sequence[StoredRun], baseline: str | None, message: str
) -> None:
    with pytest.raises(UsageError) as error:
        compared(runs, baseline, MARGIN)
    assert error.value.problems == (message,)


def test_all_that_cannot_be_compared_is_named_at_once() -> None:
    runs = [SAME, replace(SAME, model="a", judge="other"), replace(SAME, model="b", arm="oracle")]
    with pytest.raises(UsageError) as error:
        compared(runs, "base", MARGIN)
    assert [problem.split(":")[0] for problem in error.value.problems] == ["a and base, rag", "b, oracle"]


def test_runs_over_other_items_are_compared_over_those_they_share() -> None:
    """Of four items, one is missing in the one run and one is unscored in the other."""
    base = of_accuracy("base", [1, 2, 3, None])
    tuned = of_accuracy("tuned", [3, 3, 3], items=["q003", "q001", "q000"], clusters=["q003", "q001", "q000"])
    _, difference = only_difference(compared([base, tuned], "base", MARGIN))
    assert (difference.items, difference.estimate) == (2, 1.5)


# ---- seeds ----------------------------------------------------------------------------------------------------------

OFFSETS = (-0.5, 0.0, 0.5)
GAINS = (0, 1, 2, 0, 1, 2)


def seeds_of(name: str = "tuned") -> list[StoredRun]:
    """Three trainings, each better by the same in every item but for an offset of the seed's own."""
    return [
        of_accuracy(f"{name}@{seed}", [2 + gain + offset for gain in GAINS], run_id=f"seed{seed}")
        for seed, offset in enumerate(OFFSETS, start=1)
    ]


def test_a_difference_over_three_seeds_by_hand() -> None:
    """Over items: the mean gain is 1 and its variance .8 / 6. Over seeds: differences of .5, 1 and 1.5, of variance
    .25, over 3. Degrees of freedom (.1333 + .0833)² / (.1333² / 5 + .0833² / 2) = 6.68."""
    base = of_accuracy("base", [2] * 6)
    found = seed_difference(seeds_of(), base, "accuracy")
    assert found is not None
    assert (found.estimate, found.differences) == (1, [0.5, 1, 1.5])
    assert found.item_error == pytest.approx(math.sqrt(0.8 / 6))
    assert found.seed_error == pytest.approx(math.sqrt(0.25 / 3))
    error, freedom = math.sqrt(0.8 / 6 + 0.25 / 3), 6.679842
    assert found.interval == pytest.approx(
        (1 - stats.t.ppf(0.975, freedom) * error, 1 + stats.t.ppf(0.975, freedom) * error)
    )
    assert found.p_value == pytest.approx(2 * stats.t.sf(1 / error, freedom))
    assert seed_difference(seeds_of()[:1], base, "accuracy") is None


def test_seeds_of_one_training_are_one_row_with_the_means_of_their_items() -> None:
    table = compared([of_accuracy("base", [2] * 6), *seeds_of()], "base", MARGIN)
    row, difference = only_difference(table)
    assert (row.run.model, [run.model for run in row.seeds]) == ("tuned", ["tuned@1", "tuned@2", "tuned@3"])
    assert row.run.measures["accuracy"] == [2 + gain for gain in GAINS]
    over_seeds = row.over_seeds["accuracy"]
    assert (difference.estimate, difference.interval, difference.p_value) == (
        1,
        over_seeds.interval,
        over_seeds.p_value,
    )


def test_an_item_that_a_seed_has_no_score_for_has_none_in_the_row() -> None:
    one, two, three = seeds_of()
    two = replace(two, measures={"accuracy": [None, *two.measures["accuracy"][1:]]}, judge_is_broken=True)
    row = merged([one, two, three])
    assert row.measures["accuracy"] == [None, *(2 + gain for gain in GAINS[1:])]
    assert row.judge_is_broken
    assert row.run_id not in {run.run_id for run in (one, two, three)}
    assert merged([one]) is one


def test_what_differs_in_more_than_the_seed_is_apart() -> None:
    one, two, three = seeds_of()
    other = of_accuracy("base", [2] * 6)
    more = replace(three, training={"samples": 500, "seed": 3})
    assert [[run.model for run in group] for group in by_seed([other, two, one, more])] == [
        ["base"],
        ["tuned@1", "tuned@2"],
        ["tuned@3"],
    ]
    twice = replace(two, run_id="again", model_id="again")
    assert [len(group) for group in by_seed([two, twice])] == [1, 1], "one seed twice: nobody knows what differs"
    oracle = replace(two, arm="oracle")
    assert [len(group) for group in by_seed([one, oracle])] == [1, 1]


def test_a_seed_is_in_the_training_or_behind_the_name() -> None:
    assert [base_name(name) for name in ("x@1", "x", "x@y", "a@b@2")] == ["x", "x", "x@y", "a@b"]
    assert training_seed(of_accuracy("x@7", [1])) == 7
    assert training_seed(of_accuracy("x@7", [1], training={"seed": 3})) == 3
    assert training_seed(of_accuracy("x", [1])) is None


# ---- kinds and abstention -------------------------------------------------------------------------------------------


def test_differences_by_kind_of_question_by_hand() -> None:
    kinds = ["why", "who", "who", "", "who"]
    base = of_accuracy("base", [1, 2, 3, 1, None], kinds=kinds)
    found = by_kind(of_accuracy("tuned", [2, 4, 3, 5, 5], kinds=kinds), base, "accuracy")
    assert [(each.kind, len(each.paired.items), each.baseline_mean, each.mean) for each in found] == [
        ("who", 2, 2.5, 3.5),
        ("why", 1, 1, 2),
    ]
    assert by_kind(SAME, SAME, "accuracy") == [], "all questions are of one kind"


def test_precision_and_recall_of_abstention_by_hand() -> None:
    """Of seven answers one is not known. Three questions cannot be answered; three answers say so, two of them
    rightly."""
    run = stored_run("m", {"unanswerable": [1, 1, 1, 0, 0, 0, 1], "abstained": [1, 1, 0, 1, 0, 0, None]})
    found = abstention(run)
    assert found == Abstention(items=6, should=3, does=3, rightly=2)
    assert (found.precision, found.recall) == (2 / 3, 2 / 3)
    never = abstention(stored_run("m", {"unanswerable": [0, 0], "abstained": [0, 0]}))
    assert never is not None
    assert (never.precision, never.recall) == (None, None)
    assert abstention(stored_run("m", {"abstained": [1]})) is None


# ---- in words -------------------------------------------------------------------------------------------------------


def said(tuned: Column, base: Column, margin: float = MARGIN, **changes: object) -> str:
    table = compared([of_accuracy("base", base, **changes), of_accuracy("tuned", tuned, **changes)], "base", margin)
    return sentence(*only_difference(table))


def test_better_and_worse_in_words() -> None:
    tuned = [3 + (number + 1) / 10 for number in range(10)]
    assert said(tuned, [3] * 10).startswith("tuned against base, accuracy: better by +0.55 [+0.")
    assert said(tuned, [3] * 10).endswith("], p 0.002")
    assert said([6 - mark for mark in tuned], [3] * 10).startswith("tuned against base, accuracy: worse by -0.55 [-0.")
    assert said(tuned, [3] * 10, margin=1).endswith("], p 0.002, but smaller than the margin of 1")


def test_the_other_verdicts_in_words() -> None:
    assert said([3.25, 2.75] * 50, [3] * 100).startswith(
        "tuned against base, accuracy: no difference larger than 0.25: Δ +0.00 ["
    )
    undecided = said([5, 1] * 10, [3] * 20)
    assert undecided.startswith(
        "tuned against base, accuracy: cannot tell with 20 items: 577 would be needed; Δ +0.00 ["
    )
    assert undecided.endswith("], and 1.36 is the smallest that these show with a power of 80 %")
    assert said([3, 4], [2, 2]) == "tuned against base, accuracy: too few to tell: 2 items; Δ +1.50"
    assert said([4], [2]) == "tuned against base, accuracy: too few to tell: 1 item; Δ +2.00"
    assert said([4] * 9, [4] * 9) == "tuned against base, accuracy: the same on all 9 items"
    two_papers = said([5, 4, 3, 2, 1, 2], [1] * 6, clusters=list("aaabbb"))
    assert two_papers == "tuned against base, accuracy: too few to tell: 6 items in 2 clusters; Δ +1.83"


def test_another_arm_is_named() -> None:
    assert said([4] * 9, [4] * 9, arm="oracle").startswith("tuned against base, oracle, accuracy: ")


def test_what_a_checkpoint_has_over_its_placebo_is_named_and_is_the_difference_of_their_differences() -> None:
    """By hand: 4 - 2 less 3.5 - 2 is 0.5. The placebo of another size is none of its."""
    training = {"base": "base", "samples": 200, "method": "lora", "format": "qa", "seed": 0}
    runs = [
        of_accuracy("base", [2] * 10),
        of_accuracy("real", [4] * 10, training=training),
        of_accuracy("form", [3, 4] * 5, training=training | {"shuffle_answers": True, "seed": 1}),
        of_accuracy("smaller", [3] * 10, training=training | {"samples": 100, "domain": "clinic"}),
    ]
    notes = comparison_sections(compared(runs, "base", MARGIN))[0].after
    (note,) = [note for note in notes if "placebo" in note]
    assert note.startswith("real less its placebo form, rag, accuracy: +0.50. `harness compare` with the placebo as")
    without = comparison_sections(compared([runs[0], runs[1], runs[3]], "base", MARGIN))[0].after
    assert not [note for note in without if "placebo" in note]


def test_a_short_verdict_for_a_column() -> None:
    words = {short_verdict(family({"x": paired}, MARGIN)["x"]) for paired in (rising(4), rising(10), evenly(2, 20))}
    assert words == {"too few", "better", "cannot tell"}


def test_a_gain_below_what_a_trivial_answer_has_is_labelled() -> None:
    """The tuned model has 3.55; copying the first passage has 4."""
    trivial = {"always_abstain": {"accuracy": 1.0}, "copy_top_passage": {"accuracy": 4.0, "f1": 0.1}}
    tuned = [3 + (number + 1) / 10 for number in range(10)]
    base = of_accuracy("base", [3] * 10, trivial=trivial)
    assert trivial_bar(base, "accuracy") == ("copy_top_passage", 4.0)
    assert trivial_bar(base, "completeness") is None
    assert said(tuned, [3] * 10, trivial=trivial).endswith("; its 3.55 is below the 4.00 of copying the first passage")
    higher = {"copy_question": {"accuracy": 3.5}}
    assert "below" not in said(tuned, [3] * 10, trivial=higher)
    assert "below" not in said([6 - mark for mark in tuned], [3] * 10, trivial=trivial), "no gain"


def test_seeds_whose_differences_are_all_small_show_that_there_is_none_to_speak_of() -> None:
    """Three rows of three seeds each, Δ between -0.02 and 0.02: far within the margin, also after Holm."""
    start = [2.0, 3.0, 4.0, 3.0] * 10
    wobble = [0.01, -0.02, 0.03, -0.02] * 10
    seeds = [
        replace(
            of_accuracy(f"t{row}@{seed}", [a + b + 0.02 * (seed - 2) for a, b in zip(start, wobble, strict=True)]),
            model_id=f"{row}-{seed}",
            run_id=f"{row}{seed}" * 32,
        )
        for row in (1, 2, 3)
        for seed in (1, 2, 3)
    ]
    table = compared([of_accuracy("base", start), *seeds], "base", MARGIN)
    assert [each.verdict for row in table.rows for each in row.differences.values()] == [Verdict.NO_DIFFERENCE] * 3
    assert [len(row.seeds) for row in table.rows] == [1, 3, 3, 3]


def test_a_baseline_of_several_seeds_is_one_row_and_not_compared_with_itself() -> None:
    first, second = of_accuracy("base", [2.0, 3.0] * 20, training={"seed": 0}), of_accuracy("base@1", [2.5, 3.5] * 20)
    second = replace(second, training={"seed": 1}, run_id="f" * 64)
    table = compared([first, second, of_accuracy("tuned", [3.0, 4.0] * 20)], "base", MARGIN)
    assert [(row.run.model, row.is_baseline, len(row.seeds)) for row in table.rows] == [
        ("base", True, 2),
        ("tuned", False, 1),
    ]
    assert table.rows[1].differences["accuracy"].estimate == pytest.approx(0.75), "from the mean of 2.5 and 3.0"
