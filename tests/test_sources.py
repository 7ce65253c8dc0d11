"""Data packs and splits: what is read, what is refused, and that training and evaluation never meet."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.build.resources import Resources
from harness.build.sources import build_source
from harness.entries.catalog import Catalog
from harness.errors import DataError
from harness.records import Question, Span
from harness.sources.pack import DataPack
from harness.sources.sharing import Sharing, joined
from harness.sources.splits import divide
from tests.conftest import DOCUMENTS, QUESTIONS, SHARED_DATA, Silent, write_pack


def open_pack(folder: Path, pool: int = 0, splits: tuple[str, str] = ("finetune", "evaluation")) -> DataPack:
    return DataPack(folder, lambda row: row["gold_doc_ids"][0], splits, pool, seed=0)


def test_a_pack_gives_documents_and_questions(pack: Path) -> None:
    source = open_pack(pack)
    assert [document.id for document in source.documents()] == ["d1", "d2", "d3"]
    assert sorted(question.id for question in source.questions("evaluation")) == ["q0", "q1", "q2", "q3"]
    question = next(q for q in source.questions("evaluation") if q.id == "q3")
    assert (question.references, question.gold_document_ids, question.cluster) == (("a dam",), ("d2",), "d2")


def test_every_distinct_answer_is_a_reference_contradicting_ones_too(tmp_path: Path) -> None:
    row = {**QUESTIONS[0], "answers": ["Yes", "No", "Yes", "No, it is not."]}
    (question,) = open_pack(write_pack(tmp_path, questions=[row])).questions("evaluation")
    assert question.references == ("Yes", "No", "No, it is not.")


def test_evidence_becomes_spans_of_the_gold_document(tmp_path: Path) -> None:
    row = {**QUESTIONS[0], "evidence": ["They eat urchins and clams.", "A figure's caption"]}
    source = open_pack(write_pack(tmp_path, questions=[row]))
    (question,) = source.questions("evaluation")
    assert question.gold_spans == (Span("d1", 40, 67),)
    assert DOCUMENTS[0]["text"][40:67] == "They eat urchins and clams."


def test_rows_that_carry_their_split_stay_in_it(tmp_path: Path) -> None:
    rows = [{**row, "split": "test" if n % 2 else "train"} for n, row in enumerate(QUESTIONS)]
    source = open_pack(write_pack(tmp_path, questions=rows), pool=3, splits=("train", "test"))
    assert {question.id for question in source.questions("test")} == {"q1", "q3"}
    assert {question.id for question in source.questions("train")} == {"q0", "q2"}


def problems(folder: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        open_pack(folder).questions("evaluation")
    return list(caught.value.problems)


def test_everything_wrong_with_the_questions_is_said_at_once_by_line(tmp_path: Path) -> None:
    write_pack(tmp_path)
    good = json.dumps(QUESTIONS[0])
    lines = [
        good,
        "{broken",
        good,
        json.dumps({**QUESTIONS[1], "gold_doc_ids": ["d9"]}),
        json.dumps({"id": "q7", "question": 3, "answers": [], "gold_doc_ids": []}),
    ]
    (tmp_path / "qa.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = problems(tmp_path)
    assert [line.removeprefix(f"{tmp_path}/qa.jsonl:").split(":")[0] for line in said] == ["2", "3", "4", "5", "5"]
    assert any("id 'q0' is also in line 1" in line for line in said)
    assert any("gold id 'd9' is not in corpus.jsonl" in line for line in said)
    assert any("question must be present and be text" in line for line in said)
    assert any("invalid json" in line for line in said)


def test_a_duplicate_document_and_a_broken_line_are_named(tmp_path: Path) -> None:
    write_pack(tmp_path)
    rows = [json.dumps(DOCUMENTS[0]), "nonsense", json.dumps(DOCUMENTS[0]), json.dumps({"doc_id": "d5"})]
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(open_pack(tmp_path).documents())
    said = list(caught.value.problems)
    assert len(said) == 3
    assert "corpus.jsonl:2" in said[0]
    assert "doc_id 'd1' is also in line 1" in said[1]
    assert "corpus.jsonl:4: text must be present" in said[2]


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    write_pack(tmp_path, documents=[])
    with pytest.raises(DataError, match="holds no document"):
        list(open_pack(tmp_path).documents())


def test_a_folder_that_is_no_pack_says_what_a_pack_has(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no corpus\.jsonl"):
        open_pack(tmp_path)


def test_a_pool_that_takes_all_is_refused(pack: Path) -> None:
    with pytest.raises(DataError, match="takes them all"):
        open_pack(pack, pool=4).questions("evaluation")


def test_more_than_twenty_mistakes_are_counted_not_listed(tmp_path: Path) -> None:
    write_pack(tmp_path, questions=[{"id": f"q{n}"} for n in range(30)])
    assert problems(tmp_path)[-1] == "… and 70 more of the kind"


clusters = st.lists(st.integers(0, 12), min_size=1, max_size=80)


@given(clusters, st.integers(0, 60), st.integers(0, 3))
def test_training_and_evaluation_share_no_question_and_no_cluster(ids: list[int], pool: int, seed: int) -> None:
    questions = [Question(f"q{n}", "?", ("a",), cluster=f"c{c}") for n, c in enumerate(ids)]
    training, evaluation = divide(questions, pool, seed)
    assert len(training) == min(pool, len(training))
    assert not {q.cluster for q in training} & {q.cluster for q in evaluation}
    if len(questions) >= pool + 13 * 80:
        assert len(training) == pool


def test_declared_splits_are_never_overruled(tmp_path: Path) -> None:
    """Rows of train and evaluation, a task that calls its training split finetune: nothing is hashed, nothing leaks."""
    rows = [{**row, "split": "evaluation" if n % 2 else "train"} for n, row in enumerate(QUESTIONS)]
    source = open_pack(write_pack(tmp_path, questions=rows), pool=1)
    assert {question.id for question in source.questions("evaluation")} == {"q1", "q3"}
    with pytest.raises(DataError, match="no row has the split 'finetune'; the splits are evaluation, train"):
        source.questions("finetune")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"id": "x", "question": "\xe9?", "answers": ["a"], "gold_doc_ids": []}', "UTF-8"),
        (b'{"id": "x", "question": "\\ud83d?", "answers": ["a"], "gold_doc_ids": []}', "UTF-8"),
        (b'{"id": "x", "question": "?", "answers": ["a"], "gold_doc_ids": [], "extra": NaN}', "one JSON object"),
        (
            b'{"id": "x", "question": "?", "answers": ["a"], "gold_doc_ids": [], "evidence": "text"}',
            "evidence must be a list",
        ),
        (
            b'{"id": "x", "question": "?", "answers": ["a"], "gold_doc_ids": 5, "evidence": ["t"]}',
            "gold_doc_ids must be a list",
        ),
        (b'{"id": "x", "question": "?", "answers": ["a"], "gold_doc_ids": [], "split": ["a"]}', "split must be text"),
    ],
)
def test_what_a_line_should_not_hold_is_reported_by_its_line(tmp_path: Path, line: bytes, said: str) -> None:
    write_pack(tmp_path)
    with (tmp_path / "qa.jsonl").open("ab") as stream:
        stream.write(line + b"\n")
    (problem,) = problems(tmp_path)
    assert "qa.jsonl:5: " in problem
    assert said in problem


def test_adding_a_row_changes_the_order_of_no_other() -> None:
    questions = [Question(f"q{n}", "?", ("a",), cluster=f"q{n}") for n in range(50)]
    _, before = divide(questions, 10, seed=0)
    _, after = divide([*questions, Question("new", "?", ("a",), cluster="new")], 10, seed=0)
    kept = [q.id for q in after if q.id != "new"]
    assert [q.id for q in before if q.id in kept] == kept


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real data packs are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "splits", "evaluated"),
    [
        ("bioasq", ("finetune", "evaluation"), 1_643),
        ("nq", ("finetune", "evaluation"), 2_289),
        ("qasper", ("validation", "test"), 1_447),
    ],
)
def test_real_packs_are_read_whole(name: str, splits: tuple[str, str], evaluated: int) -> None:
    source = DataPack(SHARED_DATA / name, lambda row: row["id"], splits, 1_000, 0)
    assert len(source.questions(splits[1])) == evaluated
    if name == "qasper":
        with_evidence = [q for q in source.questions("test") if q.row["evidence"]]
        assert all(q.gold_spans for q in with_evidence)
        unanswerable = [q.references for q in source.questions("test") if not q.answerable]
        yes_and_no = [q for q in source.questions("test") if {"Yes", "No"} <= set(q.references)]
        assert len(yes_and_no) == 46
        assert (len(unanswerable), set(unanswerable)) == (79, {(Catalog().task("qasper-abstain").abstention,)})


# ---- clusters by shared documents -----------------------------------------------------------------------------------


def asked(**documents: str) -> list[Question]:
    """`q1="d1 d2"`: a question with two gold documents, in a cluster of its own."""
    return [Question(name, "?", ("a",), tuple(gold.split()), cluster=name) for name, gold in documents.items()]


def test_questions_that_share_a_document_through_others_are_one_cluster() -> None:
    questions = asked(q5="d3", q1="d1 d2", q2="d4", q3="d2 d3", q4="")
    assert {q.id: q.cluster for q in joined(questions)} == {"q5": "q1", "q1": "q1", "q2": "q2", "q3": "q1", "q4": "q4"}


@given(st.permutations(range(6)))
def test_clusters_do_not_depend_on_the_order_of_questions(order: list[int]) -> None:
    questions = asked(q0="d0 d1", q1="d1 d2", q2="d3", q3="d2 d4", q4="d3 d5", q5="d6")
    clusters = {q.id: q.cluster for q in joined([questions[n] for n in order])}
    assert clusters == {"q0": "q0", "q1": "q0", "q3": "q0", "q2": "q2", "q4": "q2", "q5": "q5"}


def test_what_a_limit_leaves_out_still_joins_clusters(tmp_path: Path) -> None:
    rows = [
        {"id": name, "question": "Why?", "answers": ["a"], "gold_doc_ids": gold}
        for name, gold in {"q0": ["d1"], "q1": ["d1", "d2"], "q2": ["d2"], "q3": ["d3"]}.items()
    ]
    pack = DataPack(write_pack(tmp_path, questions=rows), lambda row: row["id"], ("finetune", "evaluation"), 0, 0)
    ends = [q for q in Sharing(pack).questions("evaluation") if q.id != "q1"]  # q1 alone joins q0 and q2
    assert {q.id: q.cluster for q in ends} == {"q0": "q0", "q2": "q0", "q3": "q3"}
    assert [q.id for q in Sharing(pack).questions("evaluation")] == [q.id for q in pack.questions("evaluation")]


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real data packs are not beside this checkout")
@pytest.mark.parametrize(("name", "clusters", "largest"), [("bioasq", 1_451, 7), ("nq", 2_242, 3), ("qasper", 416, 9)])
def test_no_cluster_of_the_studys_data_is_large(
    name: str, clusters: int, largest: int, progress: Silent, shared_cache: Path
) -> None:
    task = Catalog().task(name)
    source = build_source(task, SHARED_DATA / name, Resources(cache=shared_cache, progress=progress))
    sizes = Counter(question.cluster for question in source.questions(task.test_split))
    assert (len(sizes), max(sizes.values())) == (clusters, largest)
