"""Judges that are made: panels, calibrated judges, steps written by a model; and finished runs under another judge."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from harness.adapters.scripted import ScriptedAdapter
from harness.auditing.fitted import fitted_file, read_fitted, write_fitted
from harness.auditing.fitting import (
    PLANTED,
    REQUIRED,
    SHARES,
    _Errors,
    _halves,
    _with_planted,
    fit,
    least_share,
    training_rows,
)
from harness.auditing.perturbations import perturb
from harness.digests import digest_of_lines, digest_of_question
from harness.errors import DataError
from harness.evaluation.scoring import JudgeInput, judge_run
from harness.interfaces import Judge
from harness.judging.calibrated import CalibratedJudge, Weights
from harness.judging.geval import CriterionText
from harness.judging.panel import PanelJudge
from harness.judging.scripted import ScriptedJudge
from harness.judging.signals import NAMES, content_words, signals, words
from harness.judging.steps import steps_in, write_steps
from harness.records import Answer, JudgeItem, Question, Score, StopReason
from harness.sources.world.source import SyntheticWorld
from harness.store import Store
from tests.conftest import REPOSITORY, SHARED_DATA, TASK, Finished, Silent, write_entries

Harness = Callable[..., Finished]


def item(answer: str, key: str = "k", question: str = "Who?", reference: str = "Ada Lovelace") -> JudgeItem:
    return JudgeItem(key, Question("q", question, (reference,)), reference, answer, (), "accuracy", 0)


# ---- panels ---------------------------------------------------------------------------------------------------------


def scored_by(judge: Judge, answers: Sequence[str], store: Store) -> list[list[Score]]:
    questions = [Question(f"q{n}", f"Who is {n}?", ("Ada Lovelace",)) for n in range(len(answers))]
    given = [Answer("", answer, StopReason.EOS, 1, 1) for answer in answers]
    judged = JudgeInput(["Ada Lovelace"] * len(answers), questions, [()] * len(answers), given)
    return judge_run(judged, judge, store, Silent())


def test_a_panels_score_is_the_mean_of_its_members_means(store: Store) -> None:
    """One member always says 2; another, with ten repeats of 4 and 5, has a mean that its own scores give."""
    always, ten = ScriptedJudge(["2"], name="always"), ScriptedJudge(["4", "5"], name="ten", repeats=10)
    (score, _), *_ = scored_by(PanelJudge("panel", [always, ten], 0.02), ["x"], store)
    (own, *_) = scored_by(ten, ["x"], store)
    values = [s.value for s in own if s.criterion == "accuracy" and s.value is not None]
    assert len(values) == 10
    mean = sum(values) / 10
    assert 4 < mean < 5
    assert score.value == pytest.approx((2 + mean) / 2)
    assert score.reply == f"always 2.00, ten {mean:.2f}; spread {mean - 2:.2f}"


def test_a_panel_does_not_ask_its_members_again_for_what_they_scored_alone(store: Store) -> None:
    alone, other = ScriptedJudge(["2"], name="alone", repeats=3), ScriptedJudge(["4"], name="other")
    scored_by(alone, ["x", "y"], store)
    asked_alone = len(alone.judged)
    scored_by(PanelJudge("panel", [alone, other], 0.02), ["x", "y", "z"], store)
    assert (asked_alone, len(alone.judged)) == (2 * 2 * 3, 3 * 2 * 3), "z alone was new"
    assert len(other.judged) == 3 * 2
    scored_by(PanelJudge("another panel", [other, alone], 0.02), ["x", "y", "z"], store)
    assert (len(alone.judged), len(other.judged)) == (3 * 2 * 3, 3 * 2)


def test_a_panel_of_which_fewer_than_half_score_is_unscored(store: Store) -> None:
    members = [ScriptedJudge(["5"], name="a"), ScriptedJudge([""], name="b"), ScriptedJudge(["", ""], name="c")]
    (score, _), *_ = scored_by(PanelJudge("panel", members, 0.02), ["x"], store)
    assert (score.value, score.reason) == (None, "1 of 3 members gave a score")


def test_half_the_members_are_enough_for_a_panels_score(store: Store) -> None:
    members = [ScriptedJudge(["5"], name="a"), ScriptedJudge([""], name="b")]
    (score, _), *_ = scored_by(PanelJudge("panel", members, 0.02), ["x"], store)
    assert (score.value, score.reply) == (5.0, "a 5.00, b –; spread 0.00")


def test_panels_of_other_members_are_other_judges() -> None:
    one, two = ScriptedJudge(["5"], name="a"), ScriptedJudge(["4"], name="b")
    three = ScriptedJudge(["4"], name="b", repeats=3)
    assert PanelJudge("p", [one, two], 0.02).identity != PanelJudge("p", [one, three], 0.02).identity
    assert PanelJudge("p", [one, two], 0.02).identity == PanelJudge("other name", [one, two], 0.02).identity


def test_a_panel_of_one_judge_under_two_names_is_refused(harness: Harness, entries: Path) -> None:
    one = "judge: {n}\ndescription: d\nkind: scripted\nscript: ['4']\nmetadata: {{version: 1}}\n"
    write_entries(
        entries,
        judges__a=one.format(n="a"),
        judges__b=one.format(n="b"),
        judges__twice=PANEL.format(name="twice", members="a, b"),
    )
    done = harness("audit", "twice", "--include_path", str(entries), "--planted", "2")
    assert done.code == 2
    assert "two of them are the same judge under two names" in done.err


PANEL = "judge: {name}\ndescription: d\nkind: panel\nmembers: [{members}]\nmetadata: {{version: 1}}\n"


def test_a_panel_judges_a_run_and_none_may_sit_on_another(harness: Harness, entries: Path, pack: Path) -> None:
    second = "judge: more\ndescription: d\nkind: scripted\nscript: ['2', '4']\nmetadata: {version: 1}\n"
    write_entries(entries, judges__more=second, judges__panel=PANEL.format(name="panel", members="marks, more"))
    flags = ["--include_path", str(entries)]
    done = harness("eval", "--task", "animals", "--model", "parrot", "--judge", "panel", "--data", str(pack), *flags)
    assert done.code == 0, done.err
    (file,) = Path("results").rglob("samples_*.jsonl")
    score = json.loads(file.read_text().splitlines()[0])["scores"][0]
    assert score["reply"].startswith("marks ")
    write_entries(entries, judges__court=PANEL.format(name="court", members="panel, more"))
    assert "is itself a panel" in harness("validate", *flags).err
    asked = harness("eval", "--task", "animals", "--model", "parrot", "--judge", "court", "--data", str(pack), *flags)
    assert asked.code == 2
    assert "is itself a panel" in asked.err
    write_entries(entries, judges__court=PANEL.format(name="court", members="more, more"))
    assert "`members`: name two judges or more" in harness("validate", *flags).err


# ---- calibrated judges ----------------------------------------------------------------------------------------------


class Flat:
    """An encoder for which all texts are alike."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1))


def test_a_calibrated_score_by_hand() -> None:
    """recall of "Ada Lovelace" in "Ada" is 1/2; p = 1/(1 + exp(-(0.5 + 2·(0.5 - 0.25)/0.5))) = 1/(1 + exp(-1.5))."""
    weights = {"accuracy": Weights(0.5, {"recall": 2.0}, {"recall": 0.25}, {"recall": 0.5})}
    judge = CalibratedJudge("c", weights, Flat, {}, 0.02)
    scores = {s.key: s for s in judge.judge([item("Ada", "a"), item(" ", "b")])}
    assert scores["a"].value == pytest.approx(1 + 4 / (1 + math.exp(-1.5)), abs=1e-6)
    assert (scores["b"].value, scores["b"].reason) == (1.0, "empty answer: lowest score by rule")


def test_words_are_read_as_people_mean_them() -> None:
    assert words("The Twenty first, 1,200 dogs of São Paulo on the 3rd") == [
        "20", "first", "1200", "dogs", "of", "sao", "paulo", "on", "3",
    ]  # fmt: skip


def test_planted_answers_weigh_their_share_of_the_whole() -> None:
    """Six judged answers at x = 0, half of them right; two planted ones at x = 1, both wrong, with half the weight of
    the whole, thus 3 each. Without a penalty worth naming the regression gives 1/2 at 0 and nearly 0 at 1; a share of a
    tenth weighs 1/3 each and, with a penalty, pulls less."""
    values, right = np.zeros((6, 1)), np.array([True, False] * 3)
    errors = _Errors(["swapped", "swapped"], [("a", False), ("b", False)], np.ones((2, 1)))
    half, tenth = (_with_planted(values, right, errors, share, 1.0) for share in (0.5, 0.1))
    weights = {share: share / (1 - share) * 6 / 2 for share in (0.5, 0.1)}
    assert weights == pytest.approx({0.5: 3.0, 0.1: 1 / 3})
    for fitted, weight in ((half, 3.0), (tenth, 1 / 3)):
        stacked = (np.array([[0.0]] * 6 + [[1.0]] * 2) - 0.25) / np.std([0] * 6 + [1] * 2)
        labels = np.append(right, [False, False])
        reference = LogisticRegression(C=1.0, max_iter=5_000).fit(stacked, labels, [1] * 6 + [weight] * 2)
        assert fitted.model.coef_[0][0] == pytest.approx(reference.coef_[0][0], rel=1e-3)
    assert half.probabilities(np.ones((1, 1)))[0] < tenth.probabilities(np.ones((1, 1)))[0] < 0.5


@pytest.mark.parametrize(
    ("answer", "name", "value"),
    [
        ("Ada Lovelace wrote it", "contained", 1.0),
        ("It was Ada", "recall", 0.5),
        ("I do not know", "abstains", 1.0),
        ("Ada Lovelace", "f1", 1.0),
        ("Ada Lovelase", "fuzzy_recall", 1.0),
        ("It was never Ada Lovelace", "negation", 1.0),
        ("It was never Ada Lovelace", "denied", 1.0),
        ("Ada Lovelace, and do not ask again", "denied", 0.0),
        ("Ada Lovelace", "replaced", 0.0),
        ("Charles Babbage", "replaced", 0.0),
    ],
)
def test_signals_by_hand(answer: str, name: str, value: float) -> None:
    (row,) = signals([("Who wrote it?", "Ada Lovelace", answer)], Flat().encode)
    assert dict(zip(NAMES, row, strict=True))[name] == value


@pytest.mark.parametrize(
    ("answer", "replaced"),
    [
        ("According to us, the X20 is reset by a long press of four seconds.", 0),
        ("According to us, the X20 is reset by a long press of nine seconds.", 1),
        ("The X30 is reset by a long press of nine seconds.", 1),
        ("The button of the X20, down for nine seconds.", 0),
        ("Nobody knows.", 0),
    ],
)
def test_a_value_replaced_between_the_references_own_words_is_seen(answer: str, replaced: int) -> None:
    (row,) = signals([("How?", "The X20 is reset by a long press of four seconds.", answer)], Flat().encode)
    assert dict(zip(NAMES, row, strict=True))["replaced"] == replaced


def test_of_several_references_the_best_counts() -> None:
    (row,) = signals([("Who?", "Ada Lovelace / Countess of Lovelace", "the Countess of Lovelace")], Flat().encode)
    assert dict(zip(NAMES, row, strict=True))["f1"] == 1.0


def letters(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of letter counts: in place of the real encoder, which takes minutes over all that is planted."""
    counts = np.array([[1 + text.lower().count(letter) for letter in ascii_lowercase] for text in texts], dtype=float)
    unit: np.ndarray = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    return unit


@pytest.mark.skipif(not (SHARED_DATA / "judge_meta").is_dir(), reason="the human judgements are not here")
def test_a_fitted_judge_agrees_with_people_and_finds_what_is_planted() -> None:
    pool = SyntheticWorld("telecom", 300, 1600, 1000, seed=7).questions("finetune")
    people, _ = training_rows(SHARED_DATA / "judge_meta", 400, 0, {})
    fitted, chosen = fit(people, pool, letters, Silent())
    assert fitted.keys() == chosen.keys() == {"accuracy", "completeness"}
    assert 0.9 < chosen["accuracy"]["auc_of_correctness_on_held_out_questions"] < 1
    for of_criterion in chosen.values():
        assert min(of_criterion["found_in_held_out_documents"].values()) >= REQUIRED


def write_judgements(folder: Path) -> Path:
    """Three questions to fit on; one is in a data set that cards report on."""
    rows = {
        "evouna_nq": ["Who wrote it?", "When was it?", "Where is it?"],
        "openqa_eval_nq301": ["when was it"],
        "ragchecker_pairwise": ["Why?"],
        "qa_feedback_asqa_half": ["How?"],
    }
    folder.mkdir()
    for name, questions in rows.items():
        lines = [
            {"id": f"{name}{n}", "question": text, "reference": "r", "answer": "a", "answer_a": "a", "answer_b": "b",
             "dimension": "correctness", "human_score": 1}
            for n, text in enumerate(questions)
        ]  # fmt: skip
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_questions_of_cards_and_of_tasks_are_left_out_of_the_fitting(tmp_path: Path) -> None:
    data = write_judgements(tmp_path / "data")

    def questions(evaluated: Mapping[str, frozenset[str]]) -> set[str]:
        return {row.case.question.text for row in training_rows(data, None, 0, evaluated)[0]}

    assert questions({}) == {"Who wrote it?", "Where is it?"}
    assert questions({"nq": frozenset({digest_of_question("where is it")})}) == {"Who wrote it?"}
    assert training_rows(data, None, 0, {"nq": frozenset()})[1][-1] == "nq (evaluation)"
    (data / "qa_feedback_asqa_half.jsonl").unlink()
    with pytest.raises(DataError, match=r"holds no qa_feedback_asqa_half\.jsonl"):
        training_rows(data, None, 0, {})


def test_a_list_of_fitted_questions_holds_digests_alone(tmp_path: Path) -> None:
    path = fitted_file(tmp_path / "judges" / "mine.yaml")
    assert read_fitted(path) == frozenset(), "a judge without a list was fitted on no question"
    assert write_fitted(path, ["Who wrote it?", "who  wrote it", "When?"]) == 2
    assert read_fitted(path) == {digest_of_question("Who wrote it"), digest_of_question("when")}
    assert "wrote" not in path.read_text()
    path.write_text("Who wrote it?\n")
    with pytest.raises(DataError, match="is no digest of a question"):
        read_fitted(path)


def test_tasks_that_are_left_out_need_their_data_packs(harness: Harness, tmp_path: Path) -> None:
    data = str(write_judgements(tmp_path / "data"))
    done = harness("fit-judge", "mine", "--data", data, "--without_tasks", "nq")
    assert done.code == 2
    assert "--without_tasks: give --packs" in done.err
    done = harness("fit-judge", "mine", "--data", data, "--without_tasks", "nq", "--packs", str(tmp_path))
    assert done.code == 2
    assert "holds no folder nq" in done.err


def test_the_shipped_list_is_of_the_shipped_judge() -> None:
    """Every question of the 13,800 rows, of which several are answers to one question."""
    assert len(read_fitted(fitted_file(REPOSITORY / "judges" / "calibrated.yaml"))) == 2761


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED_DATA / "judge_meta").is_dir(), reason="the human judgements are not here")
def test_a_judge_is_fitted_audited_and_better_than_token_f1(harness: Harness, tmp_path: Path) -> None:
    data = str(SHARED_DATA / "judge_meta")
    done = harness("fit-judge", "mine", "--data", data, "--rows", "400", "-o", str(tmp_path / "own" / "judges"))
    assert done.code == 0, done.err
    assert harness("fit-judge", "mine", "--data", data, "-o", str(tmp_path / "own" / "judges")).code == 2
    chosen = yaml.safe_load((tmp_path / "own" / "judges" / "mine.yaml").read_text())["fitted_on"]["chosen"]
    assert 0.9 < chosen["accuracy"]["auc_of_correctness_on_held_out_questions"] < 1
    for of_criterion in chosen.values():
        assert min(of_criterion["found_in_held_out_documents"].values()) >= REQUIRED
    flags = ["--include_path", str(tmp_path / "own")]
    small = ["--rows", "300", "--pairs", "10", "--planted", "10", "--injected", "2"]
    done = harness("audit", "mine", "--data", data, *flags, *small)
    assert done.code == 0, done.err
    card = json.loads((tmp_path / "own" / "judges" / "cards" / "mine.json").read_text())
    row = card["found"]["people"]["binary"]["openqa_eval_nq301"]
    assert row["judge"]["auc"] > row["token_f1"]["auc"]


@pytest.mark.parametrize(("needed", "share"), [(0.0, SHARES[0]), (0.012, 0.015), (9.0, SHARES[-1])])
def test_planted_answers_count_as_little_as_suffices(needed: float, share: float) -> None:
    """Here everything is found from the share `needed` on, and one kind is found by half below it."""
    tried: list[float] = []

    def found(share: float) -> Mapping[str, float]:
        tried.append(share)
        return {"swapped": 1.0 if share >= needed else 0.5, "other": 1.0}

    assert least_share(found) == (share, {"swapped": 1.0 if needed < 1 else 0.5, "other": 1.0})
    assert tried == [each for each in SHARES if each <= share]


def test_errors_are_looked_for_in_documents_that_were_not_fitted_on() -> None:
    pool = SyntheticWorld("telecom", 300, 1600, 1000, seed=7).questions("finetune")
    fitted_on, held_out = _halves([each.question for each in perturb(pool, len(pool), 0)])
    assert len(fitted_on) == PLANTED
    assert len(held_out) > 100
    facts = [{fact.statement for question in half for fact in question.facts} for half in (fitted_on, held_out)]
    assert not facts[0] & facts[1]


@pytest.mark.torch
def test_the_shipped_calibrated_judge_needs_no_data(harness: Harness, entries: Path, pack: Path) -> None:
    flags = ["--include_path", str(entries), "--data", str(pack), "--judge", "calibrated"]
    done = harness("eval", "--task", "animals", "--model", "parrot", *flags)
    assert done.code == 0, done.err
    (file,) = Path("results").rglob("samples_*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    right = [row["accuracy"] for row in rows if row["exact_match"] == 1.0]
    wrong = [row["accuracy"] for row in rows if row["resps"][0][0][:3] not in row["target"]]  # "dams" is "a dam" to it
    assert min(right) > 3.5 > 2.5 > max(wrong)


# ---- steps ----------------------------------------------------------------------------------------------------------


def test_steps_are_the_items_of_the_list_that_begins_with_one() -> None:
    reply = "1. **Read** the question.\n2) Compare.\n\n2. Compare again?\n3. Mark.\nDone."
    assert steps_in(reply) == ["Read the question.", "Compare.", "Mark."]
    assert steps_in("No list.") == []


def test_a_step_without_words_ends_the_list() -> None:
    assert steps_in("1. Read.\n2. **\n3. Score.") == ["Read."]


def test_words_of_function_carry_no_content() -> None:
    assert content_words("Which of these have they had, and when did he do it?") <= {"these", "they", "he"}
    assert content_words("Where does the red router stand?") == {"red", "router", "stand"}


def test_the_calibrated_judge_reads_no_passages() -> None:
    assert not CalibratedJudge.sees_passages


def test_a_models_own_numbering_is_not_doubled() -> None:
    model = ScriptedAdapter(["1. Read it.\n2. Compare.\n3. Mark."])
    criterion = CriterionText("accuracy", "Accuracy", "Is it right?", {1: "no", 5: "yes"}, ("x",))
    assert write_steps(model, criterion, []) == ["Read it.", "Compare.", "Mark."]


def test_the_writer_of_steps_is_made_to_begin_a_list_and_told_what_a_judge_sees() -> None:
    model = ScriptedAdapter(["Read it.\n2. Compare.\n3. Score."])
    criterion = CriterionText("accuracy", "Accuracy", "Is it right?", {1: "no", 5: "yes"}, ("x",))
    write_steps(model, criterion, ["reference"])
    (request,) = model.requests
    assert request.prompt.endswith("1.")
    assert "1: no\n5: yes" in request.prompt
    assert "the question, " in request.prompt


WRITER = """
model: writer
description: Writes steps.
engine: scripted
script: ["Read the question.\\n2. List the facts.\\n3. Count them."]
licence: none
metadata: {version: 1}
"""
OWN = "include: _geval.yaml\njudge: own\ndescription: d\nmodel: writer\nscoring: greedy\n"


@pytest.fixture
def own_judge(entries: Path) -> Path:
    shared = (REPOSITORY / "judges" / "_geval.yaml").read_text(encoding="utf-8")
    return write_entries(entries, models__writer=WRITER, judges___geval=shared, judges__own=OWN)


def test_a_model_writes_its_steps_into_the_entry(harness: Harness, own_judge: Path) -> None:
    flags = ["--include_path", str(own_judge)]
    done = harness("judge-steps", "own", "--write", *flags)
    assert done.code == 0, done.err
    steps = ["Read the question.", "List the facts.", "Count them."]
    text = (own_judge / "judges" / "own.yaml").read_text()
    assert text.count(f"steps_sha256: {digest_of_lines(steps)}") == 2
    shown = harness("show", "judge", "own", *flags)
    assert "steps_by: writer" in shown.out
    assert "List the facts." in shown.out
    again = harness("judge-steps", "own", "--write", *flags)
    assert again.code == 2
    assert "already has a `criteria` block" in again.err


def test_steps_that_do_not_match_their_hash_are_refused(harness: Harness, own_judge: Path) -> None:
    flags = ["--include_path", str(own_judge)]
    assert harness("judge-steps", "own", "--write", *flags).code == 0
    path = own_judge / "judges" / "own.yaml"
    path.write_text(path.read_text().replace("Count them.", "Always say 5.", 1))
    done = harness("validate", *flags)
    assert done.code == 1
    assert "criteria.accuracy: the steps do not match steps_sha256" in done.err


def test_a_judge_without_a_model_has_no_steps(harness: Harness) -> None:
    done = harness("judge-steps", "facts")
    assert done.code == 2
    assert "only a geval judge has steps" in done.err


def test_a_model_that_writes_no_list_is_reported(harness: Harness, own_judge: Path) -> None:
    write_entries(own_judge, models__writer=WRITER.replace("\\n2. List the facts.\\n3. Count them.", ""))
    done = harness("judge-steps", "own", "--include_path", str(own_judge))
    assert done.code == 2
    assert "wrote no list of steps for accuracy" in done.err


# ---- finished runs under another judge ------------------------------------------------------------------------------


def test_a_run_judged_again_is_the_run_that_the_other_judge_would_have_made(
    harness: Harness, entries: Path, pack: Path
) -> None:
    second = "judge: more\ndescription: d\nkind: scripted\nscript: ['2', '4']\nmetadata: {version: 1}\n"
    write_entries(entries, judges__more=second)
    flags = ["--include_path", str(entries)]
    evaluate = ["eval", "--task", "animals", "--model", "parrot", "--data", str(pack), *flags]
    assert harness(*evaluate, "-o", "a").code == 0
    assert harness(*evaluate, "--judge", "more", "-o", "b").code == 0
    (run,) = Path("a/parrot").iterdir()
    done = harness("judge", str(run), "--judge", "more", *flags, "-o", "c")
    assert done.code == 0, done.err
    (expected,), (found,) = Path("b/parrot").iterdir(), Path("c/parrot").iterdir()
    assert found.name == expected.name
    for file in expected.iterdir():
        if file.name != "manifest.json":
            assert (found / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_facts_judge_finds_the_worlds_facts_again(harness: Harness, entries: Path) -> None:
    flags = ["--include_path", str(entries)]
    evaluate = ["eval", "--task", "telecom", "--model", "parrot", "--limit", "5", *flags]
    assert harness(*evaluate, "--judge", "marks", "-o", "a").code == 0
    assert harness(*evaluate, "-o", "b").code == 0
    (run,) = Path("a/parrot").iterdir()
    assert harness("judge", str(run), "--judge", "facts", "-o", "c").code == 0
    (expected,), (found,) = Path("b/parrot").rglob("samples_*"), Path("c/parrot").rglob("samples_*")
    assert found.read_bytes() == expected.read_bytes()


def test_a_panel_with_the_facts_judge_finds_the_worlds_facts_again(harness: Harness, entries: Path) -> None:
    write_entries(entries, judges__panel=PANEL.format(name="panel", members="facts, marks"))
    flags = ["--include_path", str(entries)]
    evaluate = ["eval", "--task", "telecom", "--model", "parrot", "--limit", "5", *flags]
    assert harness(*evaluate, "-o", "a").code == 0
    assert harness(*evaluate, "--judge", "panel", "-o", "b").code == 0
    (run,) = Path("a/parrot").iterdir()
    assert harness("judge", str(run), "--judge", "panel", "-o", "c", *flags).code == 0
    (expected,), (found,) = Path("b/parrot").rglob("samples_*"), Path("c/parrot").rglob("samples_*")
    assert found.read_bytes() == expected.read_bytes()


@pytest.mark.torch
def test_a_template_of_the_reference_is_applied_once(harness: Harness, entries: Path, pack: Path) -> None:
    task = TASK.replace("judge: marks", 'judge: marks\ndoc_to_target: "The answer is {{ references[0] }}."')
    write_entries(entries, tasks__animals=task)
    flags = ["--include_path", str(entries)]
    evaluate = ["eval", "--task", "animals", "--model", "parrot", "--data", str(pack), *flags]
    assert harness(*evaluate, "-o", "a").code == 0
    assert harness(*evaluate, "--judge", "calibrated", "-o", "b").code == 0
    (run,) = Path("a/parrot").iterdir()
    assert harness("judge", str(run), "--judge", "calibrated", "-o", "c", *flags).code == 0
    (expected,), (found,) = Path("b/parrot").rglob("samples_*"), Path("c/parrot").rglob("samples_*")
    assert found.read_bytes() == expected.read_bytes()


def test_a_file_where_the_output_folder_should_be_is_reported_before_any_work(
    harness: Harness, entries: Path, pack: Path
) -> None:
    flags = ["--include_path", str(entries)]
    assert harness("eval", "-t", "animals", "-M", "parrot", "--data", str(pack), "-o", "a", *flags).code == 0
    (run,) = Path("a/parrot").iterdir()
    Path("file").write_text("x")
    for command in (["judge", str(run), "--judge", "calibrated"], ["audit", "marks", *flags]):
        done = harness(*command, "-o", "file")
        assert done.code == 2
        assert "--output_path file: file is a file; name a folder" in done.err


def test_a_folder_that_is_no_run_is_one_line(harness: Harness, tmp_path: Path) -> None:
    done = harness("judge", str(tmp_path), "--judge", "facts")
    assert done.code == 2
    assert "is not a whole run folder of this version" in done.err
