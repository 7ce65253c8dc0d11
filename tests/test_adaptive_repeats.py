"""Fewer repeats for the same decision, on judges whose dice are known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.evaluate import Answered
from harness.evaluate.adaptive import settled_repeats
from harness.fitting import FittedPrompt
from harness.judging.scripted import ScriptedJudge
from harness.records import Answer, Decoding, JudgeItem, Question, StopReason, TaskPlan, Verdict
from harness.store import Store
from tests.conftest import Finished, Silent, write_entries

Harness = Callable[..., Finished]
PLAN = TaskPlan("t", "t", 1, "s", "", "{{ references[0] }}", None, False, 1, None, Decoding(), ())


class Dice(ScriptedJudge):
    """The mark that the answer names, plus noise of its own for each item and repeat."""

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Verdict]:
        for item in items:
            self.judged.append(item)
            noise = random.Random(f"{item.question.id}{item.answer}{item.criterion}{item.repeat}").gauss(0, 1)
            yield Verdict(item.key, item.criterion, item.repeat, float(item.answer) + noise)


def answered(mark: float, count: int = 30) -> tuple[TaskPlan, Answered]:
    questions = [Question(f"q{n}", f"What is {n}?", ("x",)) for n in range(count)]
    answers = [Answer("", f"{mark + n / 1e6}", StopReason.EOS, 1, 1) for n in range(count)]
    prompts = [FittedPrompt("p", 1, 0, True)] * count
    return PLAN, Answered(questions, count, [()] * count, prompts, answers, 0.0)


def test_a_clear_decision_needs_two_repeats_of_ten(store: Store) -> None:
    judge = Dice([], repeats=10)
    assert settled_repeats([answered(2), answered(4)], judge, 0.05, store, Silent()) == 2
    assert len(judge.judged) == 2 * 2 * 2 * 30, "two models, two criteria, two repeats, thirty questions"


def test_models_that_are_alike_are_told_apart_by_no_fewer_repeats_than_all(store: Store) -> None:
    judge = Dice([], repeats=6)
    assert settled_repeats([answered(3), answered(3.0005)], judge, 0.05, store, Silent()) == 6


def test_one_undecided_model_keeps_all_repeating(store: Store) -> None:
    judge = Dice([], repeats=6)
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


@pytest.mark.parametrize("repeats", [1, 2])
def test_with_two_repeats_there_is_nothing_to_save(repeats: int, store: Store) -> None:
    judge = Dice([], repeats=repeats)
    assert settled_repeats([answered(2), answered(4)], judge, 0.05, store, Silent()) == repeats
    assert judge.judged == []
