"""Fewer repeats for the same decision, on judges whose random numbers are known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.evaluation.adaptive import settled_repeats
from harness.evaluation.scoring import JudgeInput
from harness.judging.scripted import ScriptedJudge
from harness.records import Answer, JudgeItem, Question, Score, StopReason
from harness.store import Store
from tests.conftest import Finished, Silent, write_entries

Harness = Callable[..., Finished]


class Noisy(ScriptedJudge):
    """The score that the answer names, plus noise of its own for each item and repeat."""

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            self.judged.append(item)
            noise = random.Random(f"{item.question.id}{item.answer}{item.criterion}{item.repeat}").gauss(0, 1)
            yield Score(item.key, item.criterion, item.repeat, float(item.answer) + noise)


def answered(score: float, count: int = 30) -> JudgeInput:
    questions = [Question(f"q{n}", f"What is {n}?", ("x",)) for n in range(count)]
    answers = [Answer("", f"{score + n / 1e6}", StopReason.EOS, 1, 1) for n in range(count)]
    return JudgeInput(["x"] * count, questions, [()] * count, answers)


def test_a_clear_decision_needs_two_repeats_of_ten(store: Store) -> None:
    judge = Noisy([], repeats=10)
    assert settled_repeats([answered(2), answered(4)], judge, 0.05, store, Silent()) == 2
    assert len(judge.judged) == 2 * 2 * 2 * 30, "two models, two criteria, two repeats, thirty questions"


def test_models_that_are_alike_are_distinguished_by_no_fewer_repeats_than_all(store: Store) -> None:
    judge = Noisy([], repeats=6)
    assert settled_repeats([answered(3), answered(3.0005)], judge, 0.05, store, Silent()) == 6


def test_one_undecided_model_keeps_all_repeating(store: Store) -> None:
    judge = Noisy([], repeats=6)
    runs = [answered(3), answered(4.5), answered(3.0005)]
    assert settled_repeats(runs, judge, 0.05, store, Silent()) == 6


OTHER = (
    "model: other\ndescription: d\nengine: scripted\nscript: [no idea, who knows]\nlicence: n\nmetadata: {version: 1}\n"
)


def test_the_flag_tells_how_many_repeats_were_needed(harness: Harness, entries: Path, pack: Path) -> None:
    judge = (
        "judge: marks\ndescription: d\nkind: scripted\nscript: ['1', '3', '5']\nrepeats: 5\nmetadata: {version: 1}\n"
    )
    write_entries(entries, models__other=OTHER, judges__marks=judge)
    flags = ["--include_path", str(entries), "--data", str(pack), "--task", "animals", "--model", "parrot,other"]
    done = harness("eval", *flags, "--adaptive_repeats", "0.05")
    assert done.code == 0, done.err
    assert " of 5 repeats decide at an error rate of 0.05" in done.err
    assert harness("eval", *flags, "--adaptive_repeats", "0.7").code == 2
    alone = harness("eval", *flags[:-1], "parrot", "--adaptive_repeats", "0.05", "-o", "alone")
    assert alone.code == 0
    assert "repeats decide" not in alone.err, "one model has nothing to be decided about"


@pytest.mark.parametrize("repeats", [1, 2])
def test_with_two_repeats_there_is_nothing_to_save(repeats: int, store: Store) -> None:
    judge = Noisy([], repeats=repeats)
    assert settled_repeats([answered(2), answered(4)], judge, 0.05, store, Silent()) == repeats
    assert judge.judged == []
