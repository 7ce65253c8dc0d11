"""What a run of many questions costs, as far as it can be counted: keys, questions to the store, answers that are read,
worlds that are made. How long it takes is in `benchmarks/load.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.adapters.scripted import ScriptedAdapter
from harness.digests import DigestTemplate, canonical, digest_of
from harness.entries.catalog import Catalog
from harness.evaluation.run import Context, answer_questions, judge_answers
from harness.evaluation.scoring import JudgeInput, ScoreKeys, finished
from harness.evaluation.stages import keys_of_answers, keys_of_passages, keys_of_prompts
from harness.evaluation.trivial import trivial_means
from harness.files import write_lines_atomically
from harness.judging.facts import FactsJudge
from harness.judging.scripted import ScriptedJudge
from harness.metrics.style import echoes
from harness.planning.runs import Parts
from harness.records import Decoding, Fact, JudgeItem, Passage, Query, Question, Score, Span, TaskPlan, fields_of
from harness.retrieval.base import NoRetriever
from harness.sources.world.kept import kept_world
from harness.sources.world.source import SyntheticWorld
from harness.statistics.clusters import by_cluster, clusters_apart, numbered
from harness.store import Kind, Store
from tests.conftest import Silent
from tests.test_store_and_runs import FixedRetriever, ListSource

# ---- keys -----------------------------------------------------------------------------------------------------------

PASSAGES = (
    Passage("d1", 0, 9, "Títle “one”", 'line\none\t"quoted" \\ \u2028 \x7f \x01', 1, 3.0517578125),
    Passage("d2", 5, 31, "", "naïve 𝄞", 2, 1e-07),
)
FACT, SIDE = Fact("f", "term", "A", "It is A.", ("A", "B")), Fact("g", "money", "3 EUR", "It costs 3 EUR.")
QUESTION = Question(
    id="q",
    text="What is “x”?\n",
    references=("A", "B é"),
    gold_document_ids=("d1",),
    gold_spans=(Span("d1", 2, 4),),
    facts=(FACT,),
    side_facts=(SIDE,),
    row={"id": "q", "n": [1, 2.5, None, True], "z": {"b": 1, "a": "ü"}},
)
PLAN = TaskPlan(
    task="t",
    alias="T",
    version=1.0,
    split="test",
    doc_to_text="{{ question }}",
    doc_to_target="{{ references[0] }}",
    system_instruction="Be brief – “so”.",
    within_document=False,
    top_k=2,
    max_references=None,
    decoding=Decoding(8, 0.7, 0.9, ("\n", "é")),
    metrics=("f1",),
    seed=3,
)


class TwiceFacts(FactsJudge):
    repeats = 2


class Bm25Like(NoRetriever):
    @property
    def identity(self) -> dict[str, Any]:
        return {"retriever": {"kind": "fixed", "k1": 1.2}}


def test_what_earlier_versions_stored_is_found() -> None:
    """The digests are those that version 0.1.0 gave before keys were made faster."""
    adapter = ScriptedAdapter(["a", "ü"])
    query = Query("what?", ("d1",), ("d1",), (Span("d1", 2, 4),))
    item = JudgeItem("", QUESTION, "A", 'It\'s "A" – naïve\n', PASSAGES, "accuracy", 0)
    assert keys_of_passages(Bm25Like(), [query], 5) == [
        "1e4d3924487c5fcd6548e1b7657ef15dfe2333fc7f5c0734ae7dd5f5e3343987"
    ]
    assert keys_of_prompts(PLAN, adapter, [QUESTION], [PASSAGES]) == [
        "0369fde4c741c36c788de1ad00975307b63a0f94d3331d37f65acbecd7058299"
    ]
    assert keys_of_answers(PLAN, adapter, ['prompt – "x"\n𝄞']) == [
        "4221e2155ef776c8c9c63f7f5f118c90a579a3d96420d51ebcc7a3a264dd4889"
    ]
    assert ScoreKeys(TwiceFacts()).of(item) == [
        "a22136ebc8b04a32c9d9b755bb838c17e5cb77db73b3ef09769caede75d0c92c",
        "a96f7045cb08a1564085c6a899a923091b1c8ead4cce87c2072074897f5f73a4",
    ]
    assert ScoreKeys(ScriptedJudge(["1"])).of(item) == [
        "85fc6ce54d64140b2e3b024c53b3e08d12128cfd7f58531012b33ce6e5615a73"
    ]


@pytest.mark.parametrize("own", [{"a": 1}, {"m": "é\n"}, {"z": [1, {"y": None}]}, {"a": 1, "m": 2, "z": 3}])
@pytest.mark.parametrize("shared", [{}, {"k": {"b": 1, "a": [0.5]}}, {"b": "x", "n": "y", "zz": 0}])
def test_a_template_gives_the_digest_of_the_whole(own: dict[str, Any], shared: dict[str, Any]) -> None:
    template = DigestTemplate(shared, *own)
    assert template.digest(**{name: canonical(value) for name, value in own.items()}) == digest_of({**shared, **own})


def test_the_fields_of_a_record_are_in_its_order_and_as_they_are() -> None:
    assert list(fields_of(PASSAGES[0])) == ["document_id", "start", "end", "title", "text", "rank", "score"]
    assert fields_of(QUESTION)["facts"] is QUESTION.facts


# ---- the store ------------------------------------------------------------------------------------------------------


HOST = {"command": "harness eval", "date": "2026-01-01T00:00:00+00:00"}


class CountingStore(Store):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = self.written = 0

    def get(self, kind: Kind, keys: Iterable[str]) -> dict[str, Any]:
        self.asked += 1
        return super().get(kind, keys)

    def put(self, kind: Kind, records: Mapping[str, object]) -> None:
        self.written += 1
        super().put(kind, records)


class CountingFacts(FactsJudge):
    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        self.read += len(items)
        return super().judge(items)


def questions(count: int) -> list[Question]:
    made = replace(QUESTION, row={}, references=("A",))
    return [replace(made, id=f"q{n}", text=f"What is number {n}?", cluster=f"c{n}") for n in range(count)]


def evaluated(store: Store, judge: FactsJudge, asked: Sequence[Question], output: Path) -> FixedRetriever:
    retriever = FixedRetriever()
    parts = Parts(
        plan=PLAN,
        source=ListSource(asked),
        retriever=retriever,
        adapter=ScriptedAdapter(["It is A.", "B"]),
        judge=judge,
        entries={"task": {"task": "t"}},
    )
    judge_answers(parts, answer_questions(parts, store, Silent()), Context(store, output, Silent(), HOST))
    return retriever


@pytest.mark.parametrize("count", [20, 300])
def test_a_rerun_asks_the_store_once_a_stage_and_writes_nothing(tmp_path: Path, count: int) -> None:
    """Passages, prompts, answers, scores and the means of trivial answers, however many questions there are."""
    store = CountingStore(tmp_path / "s.sqlite")
    with store:
        evaluated(store, FactsJudge(), questions(count), tmp_path)
        store.asked = store.written = 0
        judge = CountingFacts()
        retriever = evaluated(store, judge, questions(count), tmp_path)
        assert (store.asked, store.written) == (5, 0)
        assert (judge.read, retriever.searched) == (0, 0)


def test_trivial_answers_are_scored_once_and_leave_no_record_of_their_own(tmp_path: Path) -> None:
    """10 questions × 2 criteria: the model's answer is stored, and abstention, question and first passage are not."""
    judge = CountingFacts()
    with Store(tmp_path / "s.sqlite") as store:
        evaluated(store, judge, questions(10), tmp_path)
    assert judge.read == 10 * 2 * (1 + 3)
    stored = sqlite3.connect(tmp_path / "s.sqlite")
    assert stored.execute("SELECT count(*) FROM scores").fetchone() == (20,)
    stored.close()


def test_trivial_answers_are_scored_again_when_facts_are_others(tmp_path: Path) -> None:
    """A question without known facts has no scores, whatever is stored for the same text with facts."""
    one = [replace(QUESTION, text=f"Is it A or B, number {n}?") for n in range(6)]

    def means(asked: Sequence[Question], store: Store) -> dict[str, dict[str, float]]:
        judged = JudgeInput(["A"] * len(asked), asked, [()] * len(asked), [finished("A")] * len(asked))
        return trivial_means(PLAN, FactsJudge(), judged, "A", store, Silent())

    with Store(tmp_path / "s.sqlite") as store:
        known = means(one, store)["majority"]
        unknown = means([replace(each, facts=(), side_facts=()) for each in one], store)["majority"]
        assert set(known) == {"accuracy", "completeness", "f1"}
        assert set(unknown) == {"f1"}
        assert means(one, store)["majority"] == known


# ---- worlds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("domain", ["telecom", "library"])
def test_a_kept_world_is_the_world(tmp_path: Path, domain: str, twin: bool) -> None:
    world = SyntheticWorld(domain, 120, 400, 100, 7, twin=twin)
    made = []

    def make() -> SyntheticWorld:
        made.append(domain)
        return world

    kept_world(tmp_path, make, {"seed": 7})
    again = kept_world(tmp_path, make, {"seed": 7})
    assert again.identity == world.identity
    for split in ("evaluation", "finetune"):
        assert again.questions(split) == world.questions(split)
    assert len(made) == 1  # for the cache; the second one was read
    assert list(again.documents()) == list(world.documents())
    kept_world(tmp_path, make, {"seed": 8})
    assert len(made) == 3  # for the documents, and for another world


def test_a_rerun_makes_no_world_and_opens_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the cache holds of chunks and indexes is taken away after the first run, and is not missed."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    entry = Catalog().task("telecom").model_dump(exclude_none=True)
    entry["world"] |= {"documents": 100, "questions": 160}
    entry["finetune"] = {"pool": 100, "sizes": [50]}

    def run(store: Path) -> None:
        harness.evaluate(
            tasks=entry, models="scripted", output=tmp_path / "results", store=store, progress=False, limit=20
        )

    run(tmp_path / "s.sqlite")
    for name in ("chunks", "indexes"):
        (cache / name).rename(tmp_path / name)
    (world,) = (cache / "worlds").iterdir()
    before = {file.name: file.stat().st_mtime_ns for file in world.iterdir()}
    run(tmp_path / "s.sqlite")
    assert not (cache / "chunks").exists()
    assert not (cache / "indexes").exists()
    assert {file.name: file.stat().st_mtime_ns for file in world.iterdir()} == before


# ---- results --------------------------------------------------------------------------------------------------------


def test_the_prompt_of_a_short_answer_is_not_made_again() -> None:
    def asked() -> str:
        raise AssertionError("seven words cannot repeat eight in a row")

    assert not echoes("one two three four five six seven", asked, "What is it?")
    assert echoes("a b c d e f g h", lambda: "so: a b c d e f g h", "What is it?")


def test_clusters_by_number_count_as_clusters_by_name() -> None:
    names = ["c", "a", "c", "b", "a", "d", "b"]
    values = [1.0, 2.0, 1.0, 2.0, 1.0, 1.0, 2.0]
    assert numbered(names).tolist() == [0, 1, 0, 2, 1, 3, 2]
    some = numbered(names)[[1, 3, 4, 5, 6]]  # a, b, a, d, b
    assert numbered(some).tolist() == [0, 1, 0, 2, 1]
    sums, sizes = by_cluster(values, numbered(names))
    assert (sums.tolist(), sizes.tolist()) == ([2.0, 3.0, 4.0, 1.0], [2.0, 2.0, 2.0, 1.0])
    # 1.0 is the most common value; c and d hold it alone, a holds another too, b only another
    assert clusters_apart(values, names) == clusters_apart(values, numbered(names)) == 2


def test_lines_that_end_in_an_error_leave_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_lines_atomically(path, iter(["1\n", "2\n"]))

    def broken() -> Iterator[str]:
        yield "3\n"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_lines_atomically(path, broken())
    assert path.read_text() == "1\n2\n"


def test_numbers_of_no_cluster_are_none() -> None:
    assert numbered([]).tolist() == numbered(np.array([], dtype=np.intp)).tolist() == []
