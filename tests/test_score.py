"""Answers of any system: what `harness score` takes, writes, refuses and does not compute twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness as package
from harness.errors import DataError, HarnessError, UsageError
from harness.evaluation.external import Needs, read_answers, score_answers
from harness.judging.panel import PanelJudge
from harness.judging.scripted import ScriptedJudge
from harness.records import JudgeItem, Score
from harness.reports.scored import scored_table
from harness.sources.world.source import SyntheticWorld
from harness.store import Store
from tests.conftest import Finished, Silent, write_entries
from tests.test_cli import ALWAYS, READER

Harness = Callable[..., Finished]

ROWS: list[dict[str, Any]] = [
    {"id": "q2", "question": "What do beavers build?", "references": ["dams"], "answer": "logs and dams"},
    {"id": "q1", "question": "What do moles eat?", "references": ["bugs", "worms"], "answer": "worms"},
    {"id": "q3", "question": "What makes a pond?", "references": ["a dam"], "answer": "It is not known."},
    {"id": "q0", "question": "What do otters eat?", "references": ["urchins"], "answer": ""},
]
SCRIPTED = "judge: {n}\ndescription: d\nkind: scripted\nscript: ['{says}']\nmetadata: {{version: 1}}\n"
NEEDS = Needs("marks", references=True, passages=False)


def write(path: Path, rows: Sequence[Mapping[str, Any] | str]) -> str:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path.name


def read(path: Path | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def cells(table: str, measure: str) -> list[str]:
    """The cells of the row of that measure."""
    (row,) = [line for line in table.splitlines() if line.startswith((f"|{measure} ", f"|{measure}|"))]
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.fixture
def score(harness: Harness, entries: Path, tmp_path: Path) -> Callable[..., Finished]:
    """`harness score` of rows with the judge marks."""

    def run(rows: Sequence[Mapping[str, Any] | str], *more: str, judge: str = "marks") -> Finished:
        write(tmp_path / "answers.jsonl", rows)
        return harness(
            "score", "answers.jsonl", "--judge", judge, "-o", "scores.jsonl", "--store", "store.sqlite",
            "--include_path", str(entries), *more,
        )  # fmt: skip

    return run


# ---- what comes out -------------------------------------------------------------------------------------------------


def test_each_answer_gets_a_line_in_the_order_of_the_answers(score: Callable[..., Finished], entries: Path) -> None:
    write_entries(entries, judges__four=SCRIPTED.format(n="four", says="4"))
    done = score(ROWS, judge="four")
    assert done.code == 0, done.err
    four = {"scores": {"accuracy": 4.0, "completeness": 4.0}, "reasons": {"accuracy": "4", "completeness": "4"}}
    assert read("scores.jsonl") == [{"id": name, **four} for name in ("q2", "q1", "q3", "q0")]


def test_what_is_free_stands_beside_the_judges_means(score: Callable[..., Finished]) -> None:
    """Token F1: 2·(1/3·1)/(1/3+1) = 1/2, 1 by the better reference, 0 and 0. Words: 3, 1, 4 and 0."""
    done = score(ROWS)
    assert cells(done.out, "f1")[1:4] == ["0.375", "", "4/4"], "too few items for an interval"
    assert cells(done.out, "words")[1:4] == ["2.0", "", "4/4"]
    assert cells(done.out, "abstained")[1:4] == ["25 %", "", "4/4"]
    scores = [row["scores"]["accuracy"] for row in read("scores.jsonl")]
    assert cells(done.out, "accuracy") == ["accuracy", f"{sum(scores) / 4:.2f}", "", "4/4", "marks"]
    assert "The judge marks has no card: nobody has checked it (`harness audit marks`)." in done.out


def test_the_facts_judge_finds_a_tasks_questions_by_id(harness: Harness, tmp_path: Path) -> None:
    """A reference states every fact: 5 and 5. One of two facts: accuracy 1 + 4·1/1, completeness 1 + 4·1/2. Saying that
    it is not known where it can be known, and nothing: 1 and 1. Where it cannot be known: 5 and 5."""
    questions = SyntheticWorld("telecom", 300, 1600, 1000, 7).questions("evaluation")
    one, other, third = [q for q in questions if q.answerable and len(q.facts) == 1][:3]
    two = next(q for q in questions if len(q.facts) == 2 and len({fact.kind for fact in q.facts}) == 2)
    never = next(q for q in questions if not q.answerable)
    answers = [
        (one, one.references[0], (5.0, 5.0)),
        (two, two.facts[0].statement, (5.0, 3.0)),
        (other, "The knowledge base does not say.", (1.0, 1.0)),
        (never, "The knowledge base does not say.", (5.0, 5.0)),
        (third, "", (1.0, 1.0)),
    ]
    write(tmp_path / "answers.jsonl", [{"id": q.id, "answer": answer} for q, answer, _ in answers])
    done = harness("score", "answers.jsonl", "--judge", "facts", "--task", "telecom", "-o", "out/scores.jsonl")
    assert done.code == 0, done.err
    rows = read("out/scores.jsonl")
    assert [row["id"] for row in rows] == [q.id for q, _, _ in answers]
    assert [(row["scores"]["accuracy"], row["scores"]["completeness"]) for row in rows] == [s for _, _, s in answers]
    assert cells(done.out, "accuracy")[1:2] == ["3.40"], "(5 + 5 + 1 + 5 + 1) / 5"
    assert cells(done.out, "completeness")[1:2] == ["3.00"], "(5 + 3 + 1 + 5 + 1) / 5"
    assert cells(done.out, "abstained")[1] == "40 %"
    assert [row["reasons"]["completeness"] for row in rows] == [
        "states 1 of 1 facts",
        "states 1 of 2 facts",
        "states 0 of 1 facts, abstains",
        "states 1 of 1 facts, abstains",
        "states 0 of 1 facts",
    ]
    assert "The judge facts passes its card." in done.out


def test_an_unscored_answer_is_null_with_its_reason_and_lowers_the_coverage(
    score: Callable[..., Finished], entries: Path
) -> None:
    write_entries(entries, judges__silent=SCRIPTED.format(n="silent", says=""))
    done = score(ROWS, judge="silent")
    assert done.code == 0
    why = {"accuracy": "scripted as unscored", "completeness": "scripted as unscored"}
    assert read("scores.jsonl")[0] == {"id": "q2", "scores": {"accuracy": None, "completeness": None}, "reasons": why}
    assert cells(done.out, "accuracy")[1:4] == ["–", "", "0/4"]


def test_a_reason_says_of_how_many_repeats_it_is(store: Store, progress: Silent) -> None:
    """Of two repeats those that are 5 count; the score is their mean."""
    judge = ScriptedJudge(["5", ""], repeats=2, criteria=("accuracy",))
    answers = read_answers([dict(ROWS[0], id=str(n), answer=f"answer {n}") for n in range(20)], NEEDS)
    rows = score_answers(answers, judge, store, progress)
    items = list(judge.judged)
    answer_of = {item.key: item.answer for item in items}
    replies: dict[str, list[str]] = {}
    for each in judge.judge(items):
        replies.setdefault(answer_of[each.key], []).append(each.reply)
    said = {
        ("", ""): (None, "scripted as unscored"),
        ("", "5"): (5.0, "1 of 2 repeats: 5; 1 of 2 repeats: scripted as unscored"),
        ("5", "5"): (5.0, "5"),
    }
    expected = [said[tuple(sorted(replies[answer.text]))] for answer in answers]  # type: ignore[index]
    assert set(expected) == set(said.values()), "one of each kind at least"
    found = [(row["scores"]["accuracy"], "; ".join(sorted(row["reasons"]["accuracy"].split("; ")))) for row in rows]
    assert found == expected


def test_a_panel_scores_as_its_members_do(store: Store, progress: Silent) -> None:
    members = [ScriptedJudge(["2"], name="two"), ScriptedJudge(["5"], name="five")]
    scored = score_answers(read_answers(ROWS, NEEDS), PanelJudge("both", members, 0.02), store, progress)
    assert [row["scores"]["accuracy"] for row in scored] == [3.5] * 4
    assert scored.measures["accuracy"].value == 3.5


def test_the_intervals_unit_is_the_tasks_cluster_where_it_has_one(store: Store, progress: Silent) -> None:
    """Twelve answers: alone, twelve units; by four to a document, three, which are too few to tell."""
    judge = ScriptedJudge(["1", "3", "5"])
    rows = [dict(ROWS[0], id=str(n), answer=f"answer {n}") for n in range(12)]
    alone = read_answers(rows, NEEDS)
    together = [each._replace(question=replace(each.question, cluster=str(n % 3))) for n, each in enumerate(alone)]
    assert score_answers(alone, judge, store, progress).measures["accuracy"].interval is not None
    assert score_answers(together, judge, store, progress).measures["accuracy"].interval is None


@pytest.mark.parametrize(
    ("passed", "of", "said"),
    [
        (True, {}, "The judge marks passes its card. Not measured there: people."),
        (False, {}, "The judge marks **fails** its card (it guesses): these scores are not to be trusted."),
        (True, {"judge_id": "another"}, "The card is of another version of the judge than gave some of these scores."),
        (True, {"repeats": 10}, "The card is of 10 repeats a score; some scores here have 1."),
    ],
)
def test_below_the_table_stands_what_the_judges_card_says(
    store: Store, progress: Silent, passed: bool, of: dict[str, Any], said: str
) -> None:
    scored = score_answers(read_answers(ROWS, NEEDS), ScriptedJudge(["3"], name="marks"), store, progress)
    thresholds = [{"what": "it guesses", "passed": passed}]
    people = {"what": "people", "why": "nobody was asked", "needed": False}
    verdict = {"passed": passed, "thresholds": thresholds, "unmeasured": [people], "blind_to": []}
    card = {"judge_id": scored.judge_id, "repeats": 1, "verdict": verdict, **of}
    assert said in scored_table(scored, card).splitlines()[-1]


# ---- what is not computed twice -------------------------------------------------------------------------------------


def test_a_second_run_asks_the_judge_nothing(score: Callable[..., Finished]) -> None:
    first = score(ROWS)
    assert "judge: 8/8 (from the store)" not in first.err
    written = Path("scores.jsonl").read_bytes()
    again = score(ROWS)
    assert "judge: 8/8 (from the store)" in again.err
    assert (again.out, Path("scores.jsonl").read_bytes()) == (first.out, written)


def test_only_what_is_missing_is_asked_for(store: Store, progress: Silent) -> None:
    judge = ScriptedJudge(["1", "3", "5"])
    score_answers(read_answers(ROWS[:3], NEEDS), judge, store, progress)
    assert len(judge.judged) == 6, "three answers, two criteria"
    changed = [*ROWS[:2], dict(ROWS[2], answer="a dam"), ROWS[3]]
    score_answers(read_answers(changed, NEEDS), judge, store, progress)
    assert [item.answer for item in judge.judged[6:]] == ["a dam", "a dam", "", ""]


class Failing(ScriptedJudge):
    """Gives so many scores, then its server is away."""

    def __init__(self, scores: int) -> None:
        super().__init__(["1", "3", "5"])
        self._left = scores

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for score in super().judge(items):
            if self._left == 0:
                raise HarnessError("the server is away")
            self._left -= 1
            yield score


def test_what_was_scored_before_a_failure_is_kept(tmp_path: Path, store: Store, progress: Silent) -> None:
    with pytest.raises(HarnessError, match="the server is away"):
        score_answers(read_answers(ROWS, NEEDS), Failing(3), store, progress)
    whole = ScriptedJudge(["1", "3", "5"])
    resumed = score_answers(read_answers(ROWS, NEEDS), whole, store, progress)
    assert len(whole.judged) == 8 - 3
    assert progress.stages[-1] == ("judge", 8, 3)
    with Store(tmp_path / "undisturbed.sqlite") as other:
        assert resumed == score_answers(read_answers(ROWS, NEEDS), whole, other, progress)


def test_an_answer_that_a_run_has_scored_is_not_scored_again(
    harness: Harness, score: Callable[..., Finished], entries: Path, pack: Path
) -> None:
    done = harness(
        "eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot", "--data", str(pack),
        "--store", "store.sqlite",
    )  # fmt: skip
    assert done.code == 0, done.err
    (samples,) = Path("results").rglob("samples_*.jsonl")
    rows = [{"id": row["question_id"], "answer": row["resps"][0][0]} for row in read(samples)]
    scored = score(rows, "--task", "animals", "--data", str(pack))
    assert "judge: 8/8 (from the store)" in scored.err
    assert [row["scores"]["accuracy"] for row in read("scores.jsonl")] == [row["accuracy"] for row in read(samples)]


# ---- from Python ----------------------------------------------------------------------------------------------------


def test_the_command_and_the_function_give_the_same_rows(score: Callable[..., Finished], entries: Path) -> None:
    assert score(ROWS).code == 0
    common: dict[str, Any] = {"judge": "marks", "include_path": [entries], "progress": False}
    at_hand = package.score(ROWS, store="other.sqlite", **common)
    from_file = package.score("answers.jsonl", store="third.sqlite", output="again.jsonl", **common)
    assert list(at_hand) == list(from_file) == read("scores.jsonl")
    assert Path("again.jsonl").read_bytes() == Path("scores.jsonl").read_bytes()
    assert at_hand.measures["f1"].value == 0.375
    assert (at_hand.measures["f1"].n, at_hand.judge) == (4, "marks")


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_the_rows_is_named_by_line_at_once(score: Callable[..., Finished]) -> None:
    done = score(
        [
            ROWS[0],
            '{"id": "q8", ',
            "",
            {"id": "q9", "questions": "Who?", "references": "him", "answer": None},
            {"id": " ", "question": "Who?", "references": [], "answer": "", "passages": [{"txt": "t"}]},
            '["q1", "answer"]',
            ROWS[1],
            dict(ROWS[1], answer="bugs"),
            dict(ROWS[0], question="?"),
            '{"id": "q7", "question": "Who?", "references": ["him"], "answer": "\\ud83d"}',
        ]
    )
    assert done.code == 2
    problems = [line.removeprefix("harness: answers.jsonl:") for line in done.err.splitlines()]
    assert problems[0].startswith("2: is not valid JSON (")
    assert problems[1:] == [
        "4: question: is missing; near it: questions; give text",
        "4: references: must be a list of texts with at least one",
        "4: answer: must be text (it may be empty)",
        "5: id: must be text that no other row has",
        "5: references: must be a list of texts with at least one",
        '5: passages: must be a list of texts or of {"text", "title"}; [] where nothing was retrieved',
        "6: is not a JSON object",
        "10: is not valid JSON (it has half a character (a lone surrogate))",
        " id: must be unique, one answer each; 'q2' is at answers.jsonl:1, answers.jsonl:9; 'q1' is at "
        "answers.jsonl:7, answers.jsonl:8",
    ]
    assert not Path("scores.jsonl").exists()


def test_rows_at_hand_are_named_by_number(entries: Path) -> None:
    with pytest.raises(DataError) as error:
        package.score([ROWS[0], {"id": "q1"}, 3], judge="marks", include_path=[entries], progress=False)  # type: ignore[list-item]
    assert error.value.problems == (
        "row 2: answer: is missing; give text (it may be empty)",
        "row 2: question: is missing; give text",
        "row 2: references: is missing; give a list of texts with at least one",
        "row 3: is of the type int; give a dictionary",
    )


def test_a_row_that_is_not_the_tasks_is_refused_with_what_the_task_has(
    score: Callable[..., Finished], pack: Path
) -> None:
    """In the pack, q1 asks what beavers build; its reference is `dams`."""
    rows: list[dict[str, Any]] = [
        {"id": "q1", "answer": "dams", "question": " What do  beavers build?", "references": ["dams"]},
        {"id": "q2", "answer": "worms", "question": "What do beavers build?", "references": ["a worm"]},
        {"id": "q11", "answer": "dams"},
    ]
    done = score(rows, "--task", "animals", "--data", str(pack))
    assert done.code == 2
    assert done.err.splitlines()[-3:] == [
        "harness: answers.jsonl:2: question: is not that of 'q2' in animals, 'What do moles eat?'; leave it out, or "
        "correct the id",
        "harness: answers.jsonl:2: references: is not that of 'q2' in animals, ['worms']; leave it out, or correct the "
        "id",
        "harness: answers.jsonl:3: id: no question 'q11' in the split evaluation of animals; near it: q1; use its ids, "
        "or leave out the task",
    ]
    assert score(rows[:1], "--task", "animals", "--data", str(pack)).code == 0


def test_a_question_of_the_fine_tuning_pool_is_refused_as_such(harness: Harness, tmp_path: Path) -> None:
    (trained, *_) = SyntheticWorld("telecom", 300, 1600, 1000, 7).questions("finetune")
    write(tmp_path / "answers.jsonl", [{"id": trained.id, "answer": ""}])
    done = harness("score", "answers.jsonl", "--judge", "facts", "--task", "telecom", "-o", "scores.jsonl")
    assert done.code == 2
    assert "is of the fine-tuning pool of telecom, on which nothing is evaluated" in done.err


@pytest.mark.parametrize("task", [[], ["--task", "animals", "--data", "pack"]], ids=["no task", "no world"])
def test_the_facts_judge_needs_a_world_whose_facts_are_known(
    score: Callable[..., Finished], pack: Path, task: list[str]
) -> None:
    done = score(ROWS, *task, judge="facts")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--judge facts: facts judges by the facts of each question, which only a synthetic world has" in done.err


def test_a_judge_that_sees_passages_wants_them_and_no_references(score: Callable[..., Finished], entries: Path) -> None:
    write_entries(entries, judges__reader=READER, models__mark=ALWAYS.format(n="mark", says="4"))
    rows = [{name: value for name, value in row.items() if name != "references"} for row in ROWS]
    passages = [["Beavers build dams."], [{"title": "Moles", "text": "Moles eat worms."}], [], []]
    seen = [row | {"passages": each} for row, each in zip(rows, passages, strict=True)]
    done = score(seen, judge="reader")
    assert done.code == 0, done.err
    assert [row["scores"] for row in read("scores.jsonl")] == [{"accuracy": value} for value in (4.0, 4.0, 4.0, 1.0)]
    assert read("scores.jsonl")[3]["reasons"] == {"accuracy": "empty answer: lowest score by rule"}
    assert "|f1 " not in done.out, "there is nothing to compare with"
    refused = score([*seen[:3], rows[3]], judge="reader")
    assert refused.code == 2
    assert "answers.jsonl:4: passages: are missing, and the judge reader sees them; give a list of texts" in refused.err
    other = [seen[0] | {"passages": ["Beavers build lodges."]}, *seen[1:]]
    assert "judge: 4/4 (from the store)" not in score(other, judge="reader").err, "other passages, another score"
    assert "judge: 4/4 (from the store)" in score(seen, judge="reader").err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data", "pack"], "--data goes with --task"),
        (["-o", "answers.jsonl"], "--output_path answers.jsonl: is the file with the answers; name another one"),
        (["-o", "."], "--output_path .: is a folder; name a file in it"),
        (["-o", "answers.jsonl/scores.jsonl"], "--output_path answers.jsonl/scores.jsonl: cannot be made"),
        (["--task", "telekom"], "no task named 'telekom'; near it: telecom"),
        (["--judge", "mark"], "no judge named 'mark'; near it: marks"),
        (["--cost_limit", "0"], "--cost_limit 0: give a sum above 0"),
    ],
)
def test_a_wrong_flag_is_one_line_and_nothing_is_written(
    score: Callable[..., Finished], flags: list[str], said: str
) -> None:
    done = score(ROWS, *flags)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert said in done.err
    assert read("answers.jsonl") == ROWS
    assert not Path("scores.jsonl").exists()


def test_a_file_that_is_not_there_or_holds_nothing_is_one_line(harness: Harness, entries: Path, tmp_path: Path) -> None:
    common = ("--judge", "marks", "--include_path", str(entries), "-o", "scores.jsonl")
    assert "nowhere.jsonl: there is no such file" in harness("score", "nowhere.jsonl", *common).err
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    assert harness("score", "empty.jsonl", *common).err == "harness: empty.jsonl: there is no answer to score\n"
    (tmp_path / "latin.jsonl").write_bytes('{"id": "é"}'.encode("latin-1"))
    assert "latin.jsonl: is not UTF-8 text" in harness("score", "latin.jsonl", *common).err
    with pytest.raises(UsageError, match="there is no such file"):
        package.score("nowhere.jsonl", judge="facts")


def test_a_judge_may_be_given_by_its_file(score: Callable[..., Finished], entries: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text((entries / "judges" / "marks.yaml").read_text().replace("marks", "own"))
    done = score(ROWS, judge="own.yaml")
    assert done.code == 0, done.err
    assert "The judge own has no card" in done.out
