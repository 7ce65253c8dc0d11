"""What a difference is made of, in worlds where it is known because it was put there.

A world is a tuned and a base model over 1,000 questions in three arms. Scores, lengths, token recall and the flags vary
by chance, for both alike; then a cause adds a point to what the tuned model scores above the base on some of the items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api.comparing import compare, stored
from harness.comparison.causes import Causes, Part, causes
from harness.comparison.pairing import pair
from harness.comparison.stored import StoredRun
from tests.comparing import Column, stored_run
from tests.conftest import QUESTIONS, Finished, write_entries, write_pack

ITEMS = 1_000
ARMS = ("rag", "closed_book", "oracle")
PARTS = (
    "abstention",
    "truncation and format",
    "length",
    "parametric knowledge",
    "passages that do not help",
    "reading",
    "distraction",
)
SHARE = 0.3
"""Of all items, those that one cause moves, where it may have any."""
FLAGS = ("abstained", "truncated", "empty", "loops", "echoes")


@dataclass
class Side:
    """One model's columns in one arm, (items,)."""

    accuracy: np.ndarray
    words: np.ndarray
    recall: np.ndarray
    flags: dict[str, np.ndarray]

    def run(self, model: str, arm: str, retrieved: np.ndarray) -> StoredRun:
        columns = {"accuracy": self.accuracy, "answer_words": self.words, "token_recall": self.recall, **self.flags}
        if arm == "rag":
            columns = {**columns, "recall@5": retrieved}
        return stored_run(model, {name: column.tolist() for name, column in columns.items()}, arm=arm)


class World:
    """`planted`: by part, what it adds to Δ."""

    def __init__(self, seed: int, items: int = ITEMS) -> None:
        self.random = np.random.default_rng(seed)
        self.items = items
        self.missed = self.random.random(items) < 0.45
        self.base = {arm: self._side() for arm in ARMS}
        self.tuned = {arm: self._like(self.base[arm]) for arm in ARMS}
        self.free = np.ones(items, dtype=bool)
        self.spoilt = np.zeros(items, dtype=bool)
        self.planted: dict[str, float] = {}

    def _side(self) -> Side:
        random, items = self.random, self.items
        flags = {name: (random.random(items) < 0.03).astype(float) for name in FLAGS}
        return Side(
            accuracy=random.integers(2, 4, items).astype(float),
            words=1 + np.round(random.lognormal(3.3, 0.5, items)),
            recall=random.choice([0.0, 0.5, 1.0], items),
            flags=flags,
        )

    def _like(self, side: Side) -> Side:
        """Another answer as good: of another length, now and then of other content and another score."""
        random, items = self.random, self.items
        other = random.choice([0.0, 0.5, 1.0], items)
        return Side(
            accuracy=side.accuracy + random.choice([-0.5, 0.0, 0.5], items, p=[0.1, 0.8, 0.1]),
            words=1 + np.round(random.lognormal(3.3, 0.5, items)),
            recall=np.where(random.random(items) < 0.3, other, side.recall),
            flags={name: flag.copy() for name, flag in side.flags.items()},
        )

    def plant(self, name: str) -> None:
        if name == "length":
            self._pay_for_words()
            return
        among = {
            "parametric knowledge": self.missed,
            "passages that do not help": self.missed,
            "reading": ~self.missed,
            "distraction": ~self.missed,
        }.get(name, np.ones(self.items, dtype=bool))
        which = self.free & among & (self.random.random(self.items) < SHARE / among.mean())
        self.free &= ~which
        self.planted[name] = float(which.mean())
        if name in ("abstention", "truncation and format"):
            self._spoil(name, which)
            return
        arms = {"parametric knowledge": ("rag", "closed_book"), "reading": ("rag", "oracle")}.get(name, ("rag",))
        for arm in arms:
            side = self.tuned[arm]
            side.accuracy[which] += 1
            side.recall[which] = np.minimum(1.0, self.base[arm].recall[which] + 0.5)

    def _spoil(self, name: str, which: np.ndarray) -> None:
        """The base model's answers."""
        side, tuned = self.base["rag"], self.tuned["rag"]
        flag, words = ("abstained", 8.0) if name == "abstention" else ("truncated", 90.0)
        side.flags[flag][which], tuned.flags[flag][which] = 1.0, 0.0
        side.accuracy[which] -= 1
        self.spoilt |= which
        side.words[which], side.recall[which] = words, 0.0

    def _pay_for_words(self) -> None:
        """The tuned model says half as much again, in every arm, and the judge pays for each word that an answer has
        more than the base's; not against one that is spoilt, whose part that would be."""
        for arm in ARMS:
            base, tuned = self.base[arm], self.tuned[arm]
            plain = ~self.spoilt if arm == "rag" else np.ones(self.items, dtype=bool)
            tuned.words = np.where(plain, 1 + np.round(1.5 * tuned.words), tuned.words)
            paid = np.clip(tuned.accuracy + np.where(plain, 0.02 * (tuned.words - base.words), 0), 1, 5)
            if arm == "rag":
                self.planted["length"] = float((paid - tuned.accuracy).mean())
            tuned.accuracy = paid

    def split(self, *arms: str) -> Causes:
        retrieved = (~self.missed).astype(float)
        runs = {
            arm: (self.tuned[arm].run("tuned", arm, retrieved), self.base[arm].run("base", arm, retrieved))
            for arm in ARMS
        }
        found = causes("accuracy", *runs["rag"], {arm: runs[arm] for arm in arms or ARMS[1:]})
        assert found is not None
        return found


def effects(found: Causes) -> dict[str, float]:
    return {part.name: part.effect for part in found.parts}


def part_of(found: Causes, name: str) -> Part:
    return next(part for part in found.parts if part.name == name)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", PARTS)
def test_a_cause_that_is_alone_gets_nine_tenths_of_the_difference(name: str, seed: int) -> None:
    world = World(seed)
    world.plant(name)
    found = world.split()
    assert found.total > 0.2
    part = part_of(found, name).effect
    assert part >= 0.9 * found.total, effects(found)
    assert part >= 0.9 * world.planted[name], effects(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("one", "other"), list(combinations(PARTS, 2)))
def test_two_causes_get_nine_tenths_of_their_own_effect_each(one: str, other: str, seed: int) -> None:
    world = World(100 + seed, items=4_000)
    for name in sorted((one, other), key=lambda name: name == "length"):  # what is spoilt is not paid for
        world.plant(name)
    found = world.split()
    for name in (one, other):
        assert part_of(found, name).effect == pytest.approx(world.planted[name], rel=0.1), effects(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["parametric knowledge", "reading", "distraction"])
def test_longer_answers_that_the_judge_does_not_pay_for_are_no_cause(name: str, seed: int) -> None:
    """The tuned model is better at the same token recall, and says half as much again: that is not its length."""
    world = World(seed)
    for arm in ARMS:
        world.tuned[arm].words = 1 + np.round(1.5 * world.tuned[arm].words)
    world.plant(name)
    for arm in ARMS:
        world.tuned[arm].recall = world.base[arm].recall.copy()
    found = world.split()
    assert part_of(found, name).effect == pytest.approx(world.planted[name], rel=0.1), effects(found)
    assert abs(part_of(found, "length").effect) < 0.05


def test_where_one_model_is_always_the_longer_what_differs_at_equal_content_is_put_down_to_length() -> None:
    """Nothing there tells a better answer from a longer one."""
    world = World(0)
    world.tuned["rag"].words = world.base["rag"].words + world.random.integers(40, 60, ITEMS)
    world.tuned["rag"].accuracy += 0.5
    for side in (world.base, world.tuned):
        side["rag"].recall = np.ones(ITEMS)
    found = world.split()
    assert part_of(found, "length").effect == pytest.approx(found.total, rel=0.1)


def test_the_interval_of_length_counts_the_error_of_its_slope() -> None:
    """Nothing is planted and the tuned model is the longer one: 0 is inside in 95 of 100 worlds, give or take three
    standard errors of .022. The interval of a slope taken as known is a tenth as wide, and would miss it in most."""
    inside = []
    for seed in range(100):
        world = World(1_000 + seed, items=300)
        world.tuned["rag"].words = 1 + np.round(1.5 * world.tuned["rag"].words)
        interval = part_of(world.split(), "length").interval
        assert interval is not None
        inside.append(0.0 in interval)
    assert sum(inside) >= 88


# ---- by hand --------------------------------------------------------------------------------------------------------


def two(tuned: Mapping[str, Column], base: Mapping[str, Column]) -> tuple[StoredRun, StoredRun]:
    return stored_run("tuned", tuned), stored_run("base", base)


def by_hand(found: Causes | None) -> dict[str, tuple[float, int, bool]]:
    assert found is not None
    return {part.name: (round(part.effect, 9), part.items, part.known) for part in found.parts}


def test_a_split_by_hand() -> None:
    """Four questions, Δ (+4, -2, +1, +1). In the first the base abstains, and is cut off as well: the first part that
    claims it has it. The second is cut off. The third has no gold document among its passages, and closed book the
    models differ by +3; the fourth has, and oracle they differ by +0.5."""
    run, base = two(
        {"accuracy": [5, 1, 3, 4], "abstained": [0] * 4, "truncated": [0, 1, 0, 0], "recall@5": [1, 1, 0, 0.5]},
        {"accuracy": [1, 3, 2, 3], "abstained": [1, 0, 0, 0], "truncated": [1, 0, 0, 0], "recall@5": [1, 1, 0, 0.5]},
    )
    closed = two({"accuracy": [1, 1, 5, 1]}, {"accuracy": [5, 5, 2, 5]})
    oracle = two({"accuracy": [1, 1, 1, 3.5]}, {"accuracy": [5, 5, 5, 3]})
    found = causes("accuracy", run, base, {"closed_book": closed, "oracle": oracle})
    assert found is not None
    assert (found.total, found.items) == (1.0, 4)
    assert by_hand(found) == {
        "abstention": (1.0, 1, True),
        "truncation and format": (-0.5, 1, True),
        "length": (0.0, 0, False),
        "parametric knowledge": (0.75, 1, True),
        "passages that do not help": (-0.5, 1, True),
        "reading, where part was retrieved": (0.125, 1, True),
        "the part that was not": (0.125, 1, True),
        "reading": (0.0, 0, True),
        "distraction": (0.0, 0, True),
        "remainder": (0.0, 0, True),
    }


def test_without_the_other_arms_their_parts_are_not_known_and_what_is_left_is_together() -> None:
    run, base = two({"accuracy": [3, 4], "recall@5": [0, 1]}, {"accuracy": [1, 1], "recall@5": [0, 1]})
    assert by_hand(causes("accuracy", run, base, {})) == {
        "abstention": (0.0, 0, False),
        "truncation and format": (0.0, 0, False),
        "length": (0.0, 0, False),
        "parametric knowledge": (0.0, 0, False),
        "passages that do not help": (1.0, 1, True),
        "reading": (0.0, 0, False),
        "distraction": (1.5, 1, True),
        "remainder": (0.0, 0, True),
    }


def test_an_item_without_a_value_in_another_arm_is_left_to_the_remainder() -> None:
    run, base = two({"accuracy": [3, 4]}, {"accuracy": [1, 1]})
    oracle = two({"accuracy": [3, None]}, {"accuracy": [2, 1]})
    found = by_hand(causes("accuracy", run, base, {"oracle": oracle}))
    assert (found["reading"], found["distraction"]) == ((0.5, 1, True), (0.5, 1, True))
    assert found["remainder"] == (1.5, 1, True)


def test_gold_spans_tell_what_was_retrieved_before_gold_documents_do() -> None:
    columns: dict[str, Column] = {"accuracy": [3.0, 3.0], "recall@5": [1.0, 0.0], "span_recall@5": [0.0, None]}
    run, base = two(columns, {**columns, "accuracy": [1.0, 2.0]})
    found = by_hand(causes("accuracy", run, base, {}))
    assert (found["passages that do not help"], found["distraction"]) == ((1.5, 2, True), (0.0, 0, True))


def test_no_part_is_put_down_to_length_where_no_length_differs() -> None:
    same = {"answer_words": [7.0] * 4, "token_recall": [1.0] * 4}
    run, base = two({"accuracy": [3, 4, 3, 4], **same}, {"accuracy": [1, 1, 2, 2], **same})
    assert by_hand(causes("accuracy", run, base, {}))["length"] == (0.0, 0, True)


def test_a_slope_of_few_items_is_not_tried() -> None:
    run, base = two(
        {"accuracy": [3] * 9, "answer_words": [9] * 9, "token_recall": [1] * 9},
        {"accuracy": [1] * 9, "answer_words": [5] * 9, "token_recall": [1] * 9},
    )
    assert by_hand(causes("accuracy", run, base, {}))["length"] == (0.0, 0, False)


def test_a_slope_by_hand() -> None:
    """Ten items at equal content, half of them 10 words longer and half 10 shorter: tanh(±10/10) = ±tanh 1. The judge
    pays +1.5 for longer and takes 0.5 for shorter, so the line is 0.5 at equal length ± 1. An eleventh has other
    content and is 10 words longer: of its +3, 1 is length."""
    run, base = two(
        {"accuracy": [3.5] * 5 + [1.5] * 5 + [5], "answer_words": [20] * 5 + [10] * 5 + [20],
         "token_recall": [1] * 11},
        {"accuracy": [2] * 11, "answer_words": [10] * 5 + [20] * 5 + [10], "token_recall": [1] * 10 + [0]},
    )  # fmt: skip
    found = by_hand(causes("accuracy", run, base, {}))
    assert found["length"] == (round(1 / 11, 9), 11, True)
    assert found["distraction"] == (round((10 * 0.5 + 2) / 11, 9), 11, True)


def test_what_length_adds_in_the_oracle_arm_too_is_not_reading() -> None:
    """The same ten items; in the oracle arm the judge pays as much, and nothing else differs there."""
    words = {"answer_words": [20] * 7 + [10] * 3, "token_recall": [1] * 10}
    base_words = {"answer_words": [10] * 7 + [20] * 3, "token_recall": [1] * 10}
    run, base = two({"accuracy": [3.5] * 7 + [1.5] * 3, **words}, {"accuracy": [2] * 10, **base_words})
    oracle = two({"accuracy": [3] * 7 + [1] * 3, **words}, {"accuracy": [2] * 10, **base_words})
    found = by_hand(causes("accuracy", run, base, {"oracle": oracle}))
    assert (found["length"], found["reading"], found["distraction"]) == (
        (0.4, 10, True),
        (0.0, 10, True),
        (0.5, 10, True),
    )


def test_nothing_is_split_where_no_item_has_both_scores() -> None:
    assert causes("accuracy", *two({"accuracy": [1, None]}, {"accuracy": [None, 1]}), {}) is None


# ---- properties -----------------------------------------------------------------------------------------------------

SCORES = st.none() | st.sampled_from([1.0, 1.5, 2.0, 3.0, 4.5, 5.0])
COLUMNS = {
    "accuracy": SCORES,
    "answer_words": st.none() | st.integers(0, 300).map(float),
    "token_recall": st.none() | st.sampled_from([0.0, 1 / 3, 1.0]),
    "recall@5": st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    "abstained": st.none() | st.sampled_from([0.0, 1.0]),
    "truncated": st.none() | st.sampled_from([0.0, 1.0]),
    "loops": st.none() | st.sampled_from([0.0, 1.0]),
}


@st.composite
def any_runs(draw: st.DrawFn) -> dict[str, tuple[StoredRun, StoredRun]]:
    """Pairs of runs by arm, over as many items, with missing values, columns and arms; each cluster has two items."""
    count = draw(st.integers(1, 30))
    arms = ["rag", *draw(st.lists(st.sampled_from(ARMS[1:]), unique=True))]

    def run(model: str, arm: str) -> StoredRun:
        kept = ["accuracy", *draw(st.lists(st.sampled_from(list(COLUMNS)), unique=True))]
        columns = {name: draw(st.lists(COLUMNS[name], min_size=count, max_size=count)) for name in kept}
        return stored_run(model, columns, arm=arm, clusters=[f"c{number // 2}" for number in range(count)])

    return {arm: (run("tuned", arm), run("base", arm)) for arm in arms}


@given(any_runs())
def test_parts_and_remainder_add_up_to_the_difference_whatever_is_missing(
    runs: dict[str, tuple[StoredRun, StoredRun]],
) -> None:
    others = {arm: pairs for arm, pairs in runs.items() if arm != "rag"}
    found = causes("accuracy", *runs["rag"], others)
    paired = pair(*runs["rag"], "accuracy")
    if not paired.items:
        assert found is None
        return
    assert found is not None
    partly = {"reading, where part was retrieved", "the part that was not"}
    assert [part.name for part in found.parts if part.name not in partly] == [*PARTS, "remainder"]
    assert paired.estimate == pytest.approx(found.total, abs=1e-9)
    assert math.fsum(part.effect for part in found.parts) == pytest.approx(found.total, abs=1e-9)
    for part in found.parts:
        assert 0 <= part.items <= found.items
        assert part.known or (part.effect, part.items, part.interval) == (0.0, 0, None)
        if part.interval is not None:
            assert part.interval.low - 1e-6 <= part.effect <= part.interval.high + 1e-6


@given(any_runs())
def test_a_difference_seen_from_the_other_side_has_the_opposite_parts(
    runs: dict[str, tuple[StoredRun, StoredRun]],
) -> None:
    """Where retrieval is the same for both, as it is assumed to be."""
    run, base = runs["rag"]
    retrieved = base.measures.get("recall@5", [None] * len(base.items))
    run, base = (stored_run(r.model, {**r.measures, "recall@5": retrieved}) for r in (run, base))
    others = {arm: pairs for arm, pairs in runs.items() if arm != "rag"}
    found = causes("accuracy", run, base, others)
    back = causes("accuracy", base, run, {arm: (other, own) for arm, (own, other) in others.items()})
    if found is None:
        assert back is None
        return
    assert back is not None
    assert [part.effect for part in back.parts] == pytest.approx([-part.effect for part in found.parts], abs=1e-9)
    assert [part.items for part in back.parts] == [part.items for part in found.parts]


# ---- from the command -----------------------------------------------------------------------------------------------

SILENT = """
model: silent
description: d
engine: scripted
script: [The passages do not say.]
licence: none
metadata: {version: 1}
"""
MANY = [{**QUESTIONS[number % 4], "id": f"q{number}", "question": f"What is number {number}?"} for number in range(12)]


def test_a_model_that_never_answers_differs_by_abstention_alone(
    harness: Callable[..., Finished], entries: Path, tmp_path: Path
) -> None:
    write_entries(entries, models__silent=SILENT)
    data = write_pack(tmp_path / "many", questions=MANY)
    done = harness(
        "eval", "--include_path", str(entries), "-t", "animals", "-M", "silent,parrot", "--data", str(data),
        "--arm", "rag", "closed_book", "oracle",
    )  # fmt: skip
    assert done.code == 0, done.err
    folders = [manifest.parent for manifest in sorted(Path("results").glob("*/*/manifest.json"))]
    runs = [stored(folder) for folder in folders]
    comparison = compare([run for run in runs if run.arm == "rag"], baseline="silent", why=True, beside=runs)
    found = comparison.causes["parrot", "rag", "accuracy"]
    assert {run.arm for run in runs} == set(ARMS)
    assert part_of(found, "abstention").effect == pytest.approx(found.total)
    assert part_of(found, "abstention").items == found.items == 12
    assert all(part.known for part in found.parts), "all three arms were run"
    shown = harness(
        "compare", "--include_path", str(entries), "-t", "animals", "--baseline", "silent", "parrot", "--why"
    )
    row = next(line for line in shown.out.splitlines() if "abstention" in line and line.startswith("|parrot"))
    assert [cell.strip() for cell in row.strip("|").split("|")][4:] == ["100%", "12"], shown.out
