"""The store and the runs over it: nothing computed twice, nothing mixed up, and a kill leaves no trace."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.adapters.scripted import ScriptedAdapter
from harness.errors import DataError, HarnessError
from harness.evaluation.folder import Run, read_run
from harness.evaluation.run import Context, RunRecord, answer_questions, judge_answers
from harness.evaluation.scoring import ScoreKeys
from harness.evaluation.stages import Stage, complete, keys_of_answers, keys_of_passages
from harness.interfaces import Retriever
from harness.judging.scripted import ScriptedJudge
from harness.planning.runs import Parts
from harness.records import Answer, Arm, Decoding, JudgeItem, Passage, Query, Question, Request, Score, Span, TaskPlan
from harness.retrieval.base import NoRetriever
from harness.store import Store
from tests.conftest import Silent

HOST = {"command": "harness eval …", "date": "2026-01-01T00:00:00+00:00", "versions": {}}


class ListSource:
    """Questions from a list; no documents."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions

    @property
    def identity(self) -> dict[str, Any]:
        return {"corpus": "none", "questions": [question.id for question in self._questions]}

    def documents(self) -> Iterator[Any]:
        return iter(())

    def questions(self, split: str) -> Sequence[Question]:
        return self._questions


class FixedRetriever:
    """The same two passages for everything."""

    def __init__(self) -> None:
        self.identity = {"retriever": {"kind": "fixed"}}
        self.index_digests: dict[str, str] = {}
        self.searched = 0

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        self.searched += len(queries)
        return [
            [Passage(f"d{n}", 0, 9, "T", f"text {n} of some length", n + 1, 1.0 - n) for n in range(top_k)]
            for _ in queries
        ]


QUESTIONS = [
    Question(f"q{n}", f"Question number {n}?", (f"answer {n}", "other"), ("d0",), cluster=f"c{n // 2}")
    for n in range(40)
]
PLAN = TaskPlan(
    task="toy",
    alias="Toy",
    version=1.0,
    split="test",
    doc_to_text="{% for p in passages %}{{ p.text }} {% endfor %}{{ question }}",
    doc_to_target="{{ references[0] }}",
    system_instruction=None,
    within_document=False,
    top_k=2,
    max_references=1,
    decoding=Decoding(max_gen_toks=8),
    metrics=("exact_match", "f1"),
)


def parts(
    adapter: Any = None, judge: Any = None, retriever: Any = None, questions: Any = None, plan: TaskPlan = PLAN
) -> Parts:
    return Parts(
        plan=plan,
        source=ListSource(questions or QUESTIONS),
        retriever=retriever or FixedRetriever(),
        adapter=adapter or ScriptedAdapter(["answer 1", "answer 2", "something else"], name="model"),
        judge=judge or ScriptedJudge(["1", "3", "5", ""], name="judge", repeats=3),
        entries={"task": {"task": "toy"}},
    )


def run(made: Parts, store: Store, output: Path, plan: TaskPlan = PLAN) -> Run:
    made = replace(made, plan=plan)
    return judge_answers(made, answer_questions(made, store, Silent()), Context(store, output, Silent(), HOST))


def result_files(output: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(output.rglob("*")) if p.is_file() and p.name != "manifest.json"}


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(tmp_path: Path, store: Store) -> None:
    first = parts()
    run(first, store, tmp_path / "a")
    second = parts()
    run(second, store, tmp_path / "b")
    assert len(first.adapter.requests) == 40  # type: ignore[attr-defined]
    assert second.adapter.requests == second.judge.judged == []  # type: ignore[attr-defined]
    assert second.retriever.searched == 0  # type: ignore[attr-defined]
    assert result_files(tmp_path / "a") == result_files(tmp_path / "b")


class Killed(BaseException):
    """As SIGKILL: nothing gets to tidy up."""


class DyingAdapter(ScriptedAdapter):
    """Dies after so many answers, in mid-batch."""

    def __init__(self, survives: int) -> None:
        super().__init__(["answer 1", "answer 2", "something else"], name="model")
        self._left = survives

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        for answer in super().generate(requests):
            if self._left == 0:
                raise Killed
            self._left -= 1
            yield answer


class DyingJudge(ScriptedJudge):
    def __init__(self, survives: int) -> None:
        super().__init__(["1", "3", "5", ""], name="judge", repeats=3)
        self._left = survives

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Any]:
        for score in super().judge(items):
            if self._left == 0:
                raise Killed
            self._left -= 1
            yield score


@pytest.mark.parametrize("died_at", [0, 1, 7, 8, 9, 39])
def test_a_run_killed_while_answering_goes_on_and_gives_the_same_bytes(tmp_path: Path, died_at: int) -> None:
    with Store(tmp_path / "one") as undisturbed, Store(tmp_path / "two") as disturbed:
        run(parts(), undisturbed, tmp_path / "a")
        with pytest.raises(Killed):
            run(parts(DyingAdapter(died_at)), disturbed, tmp_path / "b")
        assert not list(tmp_path.glob("b/**/*.json"))
        resumed = parts()
        run(resumed, disturbed, tmp_path / "b")
        assert len(resumed.adapter.requests) == 40 - died_at // 8 * 8  # type: ignore[attr-defined]  # whole batches of 8
        assert result_files(tmp_path / "a") == result_files(tmp_path / "b")


@pytest.mark.parametrize("died_at", [0, 5, 100, 239])
def test_a_run_killed_while_judging_goes_on_and_gives_the_same_bytes(tmp_path: Path, died_at: int) -> None:
    with Store(tmp_path / "one") as undisturbed, Store(tmp_path / "two") as disturbed:
        run(parts(), undisturbed, tmp_path / "a")
        with pytest.raises(Killed):
            run(parts(judge=DyingJudge(died_at)), disturbed, tmp_path / "b")
        resumed = parts()
        run(resumed, disturbed, tmp_path / "b")
        assert resumed.adapter.requests == []  # type: ignore[attr-defined]
        assert result_files(tmp_path / "a") == result_files(tmp_path / "b")


def test_a_larger_limit_computes_only_what_is_new(tmp_path: Path, store: Store) -> None:
    run(parts(), store, tmp_path, replace(PLAN, limit=10))
    more = parts()
    run(more, store, tmp_path, replace(PLAN, limit=25))
    assert len(more.adapter.requests) == 15  # type: ignore[attr-defined]


def test_another_judge_needs_no_generator(tmp_path: Path, store: Store) -> None:
    run(parts(), store, tmp_path)
    again = parts(judge=ScriptedJudge(["2"], name="second"))
    run(again, store, tmp_path)
    assert again.adapter.requests == []  # type: ignore[attr-defined]
    assert len(again.judge.judged) == 40 * 2  # type: ignore[attr-defined]


# ---- what must never share a key ------------------------------------------------------------------------------------


def key_of_answer(plan: TaskPlan, adapter: ScriptedAdapter, prompt: str) -> str:
    (key,) = keys_of_answers(plan, adapter, [prompt])
    return key


def key_of_passages(retriever: Retriever, query: Query, top_k: int) -> str:
    (key,) = keys_of_passages(retriever, [query], top_k)
    return key


def distinct(keys: Sequence[str]) -> bool:
    return len(set(keys)) == len(keys)


def test_answers_of_different_models_prompts_decodings_and_seeds_never_share_a_key() -> None:
    hot = replace(PLAN, decoding=Decoding(max_gen_toks=8, temperature=0.7))
    one, other = ScriptedAdapter(["a"], name="same"), ScriptedAdapter(["b"], name="same")
    keys = [
        key_of_answer(PLAN, one, "prompt"),
        key_of_answer(PLAN, other, "prompt"),
        key_of_answer(PLAN, one, "prompt "),
        key_of_answer(hot, one, "prompt"),
        key_of_answer(replace(hot, seed=1), one, "prompt"),
        key_of_answer(replace(PLAN, decoding=Decoding(max_gen_toks=9)), one, "prompt"),
        key_of_answer(replace(PLAN, decoding=Decoding(max_gen_toks=8, until=("\n",))), one, "prompt"),
        key_of_answer(replace(PLAN, decoding=Decoding(max_gen_toks=8, temperature=0.7, top_p=0.9)), one, "prompt"),
    ]
    assert distinct(keys)


def test_a_greedy_answer_has_one_key_whatever_the_seed() -> None:
    adapter = ScriptedAdapter(["a"])
    assert key_of_answer(PLAN, adapter, "p") == key_of_answer(replace(PLAN, seed=9), adapter, "p")


def test_what_a_model_is_called_is_no_part_of_a_key() -> None:
    assert key_of_answer(PLAN, ScriptedAdapter(["a"], name="x"), "p") == key_of_answer(
        PLAN, ScriptedAdapter(["a"], name="y"), "p"
    )


def test_scores_of_different_judges_criteria_repeats_and_answers_never_share_a_key() -> None:
    judge = ScriptedJudge(["1"], name="same")
    item = JudgeItem("", QUESTIONS[0], "answer 0", "answer", (), "accuracy", 0)
    keys = [
        *ScoreKeys(ScriptedJudge(["2"], name="same")).of(item),
        *ScoreKeys(ScriptedJudge(["1"], name="same", repeats=10)).of(item),
        *ScoreKeys(judge).of(replace(item, criterion="completeness")),
        *ScoreKeys(judge).of(replace(item, answer="answer ")),
        *ScoreKeys(judge).of(replace(item, question=QUESTIONS[1])),
    ]
    assert len(keys) == 14
    assert distinct(keys)


def test_passages_of_different_retrievers_scopes_and_depths_never_share_a_key() -> None:
    query = Query("what?")
    keys = [
        key_of_passages(FixedRetriever(), query, 5),
        key_of_passages(NoRetriever(), query, 5),
        key_of_passages(FixedRetriever(), query, 4),
        key_of_passages(FixedRetriever(), Query("what"), 5),
        key_of_passages(FixedRetriever(), Query("what?", within=("d",)), 5),
        key_of_passages(FixedRetriever(), Query("what?", gold_spans=(Span("d", 0, 1),)), 5),
    ]
    assert distinct(keys)


def test_runs_that_differ_in_anything_have_different_ids() -> None:
    plans = [
        PLAN,
        replace(PLAN, arm=Arm.ORACLE),
        replace(PLAN, limit=3),
        replace(PLAN, version=2.0),
        replace(PLAN, top_k=1),
    ]
    made = [parts(), parts(ScriptedAdapter(["z"], name="model")), parts(judge=ScriptedJudge(["4"], name="judge"))]
    assert distinct([RunRecord.of(replace(each, plan=plan)).run_id for plan, each in itertools.product(plans, made)])


def test_other_items_or_clusters_make_another_run() -> None:
    """A data set's division or clusters can change while its files stay as they are."""
    fewer = QUESTIONS[:39]
    other_clusters = [replace(question, cluster="one") for question in QUESTIONS]
    assert distinct([RunRecord.of(parts(questions=each)).run_id for each in (QUESTIONS, fewer, other_clusters)])


# ---- prompts, scores, files -----------------------------------------------------------------------------------------


def test_whole_passages_are_dropped_from_the_last_rank_until_the_prompt_fits(tmp_path: Path, store: Store) -> None:
    """Each passage is 5 words, the question 3, the frame 2 ("user:", "assistant:"); 8 are kept for the answer."""
    adapter = ScriptedAdapter(["a"], name="m", window=8 + 5 + 5)
    run(parts(adapter), store, tmp_path)
    (samples,) = tmp_path.rglob("samples_*.jsonl")
    row = json.loads(samples.read_text().splitlines()[0])
    assert row["dropped_passages"] == 1.0
    prompt = row["arguments"]["gen_args_0"]["arg_0"]
    assert "text 0 of" in prompt
    assert "text 1 of" not in prompt
    assert "Question number" in prompt


def test_a_question_that_never_fits_is_counted_and_not_asked(tmp_path: Path, store: Store) -> None:
    adapter = ScriptedAdapter(["a"], name="m", window=10)
    run(parts(adapter), store, tmp_path)
    assert adapter.requests == []
    (samples,) = tmp_path.rglob("samples_*.jsonl")
    assert json.loads(samples.read_text().splitlines()[0])["stop_reason"] == "window"


def test_scores_by_hand(tmp_path: Path, store: Store) -> None:
    """Two items judged (1, 3, unscored) and (unscored ×3): mean over repeats first, then over the one scored item."""

    class ByHand(ScriptedJudge):
        def judge(self, items: Sequence[JudgeItem]) -> Iterator[Any]:
            given = {("q0", 0): 1.0, ("q0", 1): 3.0}
            for item in items:
                value = given.get((item.question.id, item.repeat)) if item.criterion == "accuracy" else 5.0
                yield Score(item.key, item.criterion, item.repeat, value, "" if value else "no score")

    judge = ByHand(["?"], name="by-hand", repeats=3)
    judge.max_unscored = 0.02
    finished = run(parts(judge=judge, questions=QUESTIONS[:2]), store, tmp_path)
    accuracy, completeness = finished.scores["accuracy"], finished.scores["completeness"]
    assert (accuracy.measure, accuracy.value, accuracy.n, accuracy.total) == ("accuracy", 2.0, 1, 2)
    assert (completeness.value, completeness.n) == (5.0, 2)
    assert finished.unscored == {"scores": 12, "unscored": 4, "reasons": {"no score": 4}, "remarks": {}}
    assert finished.judge_is_broken


LM_EVAL_RESULT_KEYS = {
    "results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config", "git_hash",
    "date", "pretty_env_info", "task_hashes", "model_source", "model_name", "model_name_sanitized",
    "system_instruction", "system_instruction_sha", "fewshot_as_multiturn", "chat_template", "chat_template_sha",
    "total_evaluation_time_seconds",
}  # fmt: skip
LM_EVAL_SAMPLE_KEYS = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
    "target_hash",
}  # fmt: skip


def test_files_hold_a_superset_of_lm_evals_fields(tmp_path: Path, store: Store) -> None:
    finished = run(parts(), store, tmp_path)
    (results,) = finished.folder.glob("results_*.json")
    document = json.loads(results.read_text())
    assert document.keys() >= LM_EVAL_RESULT_KEYS
    assert document["results"]["toy"].keys() >= {"alias", "sample_len", "f1,none", "f1_stderr,none"}
    (samples,) = finished.folder.glob("samples_*.jsonl")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert len(rows) == 40
    assert rows[0].keys() >= LM_EVAL_SAMPLE_KEYS
    assert rows[0]["f1"] == pytest.approx(document_mean_of_one(rows[0]))
    mean = sum(row["f1"] for row in rows) / 40
    assert document["results"]["toy"]["f1,none"] == pytest.approx(mean)


def document_mean_of_one(row: dict[str, Any]) -> float:
    from harness.metrics.answers import f1

    return f1(row["resps"][0][0], [row["target"]])


def test_the_manifest_holds_what_differs_from_host_to_host(tmp_path: Path, store: Store) -> None:
    finished = run(parts(), store, tmp_path)
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert manifest["command"] == HOST["command"]
    assert manifest["identities"]["model"]["engine"] == "scripted"
    assert manifest["tokens"]["answer"] > 0


def test_a_store_that_is_none_or_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is not a database, whatever its name says" * 100)
    with pytest.raises(HarnessError, match="cannot be used as a store"):
        Store(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(HarnessError, match="written by another version"):
        Store(tmp_path / "other")


def test_the_first_record_under_a_key_stays(store: Store) -> None:
    store.put("answers", {"k": {"text": "first"}})
    store.put("answers", {"k": {"text": "second"}, "l": {"text": "new"}})
    assert store.get("answers", ["k", "l", "m"]) == {"k": {"text": "first"}, "l": {"text": "new"}}


def test_a_batch_is_stored_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.put("answers", {"k": {"text": "fine"}, "l": {"score": float("nan")}})
    assert store.get("answers", ["k", "l"]) == {}


def test_two_processes_can_write_one_store(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as one, Store(tmp_path / "s") as two:
        one.put("answers", {"a": 1})
        two.put("answers", {"b": 2})
        assert one.get("answers", "ab") == two.get("answers", "ab") == {"a": 1, "b": 2}


def test_what_another_process_computes_meanwhile_is_not_computed_again(tmp_path: Path) -> None:
    """Batches of two of a to f. While the first is computed, another process puts c, d and e into the store."""
    computed: list[list[str]] = []
    with Store(tmp_path / "s") as one, Store(tmp_path / "s") as other:

        def compute(batch: Sequence[str]) -> Iterator[tuple[str, str]]:
            computed.append(list(batch))
            other.put("answers", dict.fromkeys("cde", "theirs"))
            return ((key, "ours") for key in batch)

        records = complete(one, Stage("generate", "answers", "abcdef", lambda: 2, compute), Silent())
    assert computed == [["a", "b"], ["f"]]
    assert records == {**dict.fromkeys("abf", "ours"), **dict.fromkeys("cde", "theirs")}


# ---- what was stored before is still there --------------------------------------------------------------------------


def make_old(path: Path, version: int) -> None:
    """The store as an older version of the harness wrote it."""
    old = sqlite3.connect(path)
    for kind in ("passages", "prompts", "answers", "scores", "plans"):
        old.execute(f"ALTER TABLE {kind} DROP COLUMN environment")
    old.execute("DROP TABLE environments")
    old.execute("DROP TABLE runs")
    if version == 1:
        old.execute("ALTER TABLE scores RENAME TO verdicts")
    old.execute(f"PRAGMA user_version={version}")
    old.commit()
    old.close()


def test_scores_of_a_store_of_format_one_are_found_under_their_new_name(tmp_path: Path) -> None:
    """Format 1 called the table `verdicts`; nothing is asked again."""
    judge = ScriptedJudge(["1", "3", "5", ""], name="judge", repeats=3)
    with Store(tmp_path / "s") as store:
        run(parts(judge=judge), store, tmp_path / "a")
    make_old(tmp_path / "s", 1)
    again = ScriptedJudge(["1", "3", "5", ""], name="judge", repeats=3)
    with Store(tmp_path / "s") as store, Store(tmp_path / "s") as second:
        run(parts(judge=again), store, tmp_path / "b")
        assert second.get("scores", ["none"]) == {}
    assert len(judge.judged) == 240
    assert again.judged == []
    assert result_files(tmp_path / "a") == result_files(tmp_path / "b")


def test_a_run_folder_of_format_one_is_read_as_if_it_were_of_format_two(tmp_path: Path, store: Store) -> None:
    made = run(parts(), store, tmp_path)
    (samples,) = made.folder.glob("samples_*.jsonl")
    (results,) = made.folder.glob("results_*.json")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    for row in rows:
        row["verdicts"] = row.pop("scores")
        row["repeats"] = row.pop("loops")
        row["metrics"] = ["repeats" if name == "loops" else name for name in row["metrics"]]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = json.loads(results.read_text().replace('"loops', '"repeats'))
    document["harness"]["unscored"]["verdicts"] = document["harness"]["unscored"].pop("scores")
    results.write_text(json.dumps(document))
    old = read_run(made.folder)
    assert old.unscored == made.unscored
    assert old.scores == made.scores
    assert old.samples == made.samples


@pytest.mark.parametrize("key", ["identities", "entries", "model", "plan"])
def test_a_manifest_that_lacks_a_part_is_one_line(tmp_path: Path, store: Store, key: str) -> None:
    folder = run(parts(), store, tmp_path).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest[key]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="is not a whole run folder of this version"):
        read_run(folder)


def test_a_field_that_a_later_row_lacks_is_reported_with_its_line(tmp_path: Path, store: Store) -> None:
    folder = run(parts(), store, tmp_path).folder
    (samples,) = folder.glob("samples_*.jsonl")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    del rows[2]["prompt_tokens"]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"samples_toy_\w+.jsonl: line 3: prompt_tokens: is missing; "):
        _ = read_run(folder).samples


@pytest.mark.parametrize("damage", ["no samples", "a line cut short", "no rows", "not an object", "a field missing"])
def test_a_broken_samples_file_is_one_line(tmp_path: Path, store: Store, damage: str) -> None:
    made = run(parts(), store, tmp_path)
    (samples,) = made.folder.glob("samples_*.jsonl")
    text = samples.read_text()
    if damage == "no samples":
        samples.unlink()
    else:
        changed = {
            "a line cut short": text[:-10],
            "no rows": "",
            "not an object": text + "[1]\n",
            "a field missing": text.replace('"question_id"', '"question"'),
        }
        samples.write_text(changed[damage])
    with pytest.raises(DataError, match="is not a whole run folder of this version"):
        _ = read_run(made.folder).rows
