"""Rows in the exact nested schemas of the study's hub data sets, as parquet. The texts are ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


# ---- rag-datasets/rag-mini-bioasq -----------------------------------------------------------------------------------

PASSAGES = pa.schema([("passage", pa.string()), ("id", pa.int64())])
BIOASQ_QUESTIONS = pa.schema(
    [("question", pa.string()), ("answer", pa.string()), ("relevant_passage_ids", pa.string()), ("id", pa.int64())]
)


def write_bioasq(folder: Path, questions: int = 6) -> None:
    """An empty passage, a "nan" one and a duplicate among them."""
    passages = [
        {"passage": f"Gene G{n} makes the protein P{n} in cells of type {n % 3}.", "id": 100 + n} for n in range(8)
    ]
    passages += [
        {"passage": "nan", "id": 200},
        {"passage": "", "id": 201},
        {"passage": passages[1]["passage"], "id": 202},
    ]
    asked = [
        {
            "question": f"Which protein does gene G{n} make?",
            "answer": f"Gene G{n} makes P{n}.",
            "relevant_passage_ids": f"[{100 + n}, 200]" if n != 1 else "[202, 101]",
            "id": n,
        }
        for n in range(questions)
    ]
    asked.append({"question": "Nothing?", "answer": "nan", "relevant_passage_ids": "[100]", "id": 99})
    write(folder / "data/passages.parquet/part.0.parquet", passages, PASSAGES)
    write(folder / "data/test.parquet/part.0.parquet", asked, BIOASQ_QUESTIONS)


# ---- allenai/qasper -------------------------------------------------------------------------------------------------

_ANSWER = pa.struct(
    [
        ("unanswerable", pa.bool_()),
        ("extractive_spans", pa.list_(pa.string())),
        ("yes_no", pa.bool_()),
        ("free_form_answer", pa.string()),
        ("evidence", pa.list_(pa.string())),
        ("highlighted_evidence", pa.list_(pa.string())),
    ]
)
_ANSWERS = pa.struct(
    [
        ("answer", pa.list_(_ANSWER)),
        ("annotation_id", pa.list_(pa.string())),
        ("worker_id", pa.list_(pa.string())),
    ]
)
QASPER = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("abstract", pa.string()),
        (
            "full_text",
            pa.struct([("section_name", pa.list_(pa.string())), ("paragraphs", pa.list_(pa.list_(pa.string())))]),
        ),
        (
            "qas",
            pa.struct(
                [
                    ("question", pa.list_(pa.string())),
                    ("question_id", pa.list_(pa.string())),
                    ("nlp_background", pa.list_(pa.string())),
                    ("topic_background", pa.list_(pa.string())),
                    ("paper_read", pa.list_(pa.string())),
                    ("search_query", pa.list_(pa.string())),
                    ("question_writer", pa.list_(pa.string())),
                    ("answers", pa.list_(_ANSWERS)),
                ]
            ),
        ),
        ("figures_and_tables", pa.struct([("caption", pa.list_(pa.string())), ("file", pa.list_(pa.string()))])),
    ]
)


def qasper_answer(**given: Any) -> dict[str, Any]:
    plain = {
        "unanswerable": False, "extractive_spans": [], "yes_no": None, "free_form_answer": "",
        "evidence": [], "highlighted_evidence": [],
    }  # fmt: skip
    return {**plain, **given}


def qasper_paper(identity: str, asked: list[tuple[str, list[dict[str, Any]]]]) -> dict[str, Any]:
    count = len(asked)
    return {
        "id": identity,
        "title": f"Paper {identity}",
        "abstract": "We study small things.",
        "full_text": {
            "section_name": ["Introduction", None],
            "paragraphs": [["Small things matter.", "We use the corpus Tiny."], ["The score is 3."]],
        },
        "qas": {
            "question": [question for question, _ in asked],
            "question_id": [f"{identity}-{n}" for n in range(count)],
            "nlp_background": ["five"] * count,
            "topic_background": [""] * count,
            "paper_read": ["no"] * count,
            "search_query": [""] * count,
            "question_writer": ["w"] * count,
            "answers": [
                {"answer": answers, "annotation_id": ["a"] * len(answers), "worker_id": ["w"] * len(answers)}
                for _, answers in asked
            ],
        },
        "figures_and_tables": {"caption": [], "file": []},
    }


def write_qasper(folder: Path) -> None:
    asked = [
        (
            "Which corpus?",
            [
                qasper_answer(extractive_spans=["Tiny", "corpus"], evidence=["We use the corpus Tiny."]),
                qasper_answer(unanswerable=True),
            ],
        ),
        ("Is it small?", [qasper_answer(yes_no=True), qasper_answer(yes_no=False)]),
        ("What is the score?", [qasper_answer(free_form_answer="Three.", evidence=["FLOAT SELECTED: Table 1"])]),
        ("Who paid?", [qasper_answer(unanswerable=True)]),
    ]
    for split in ("validation", "test"):
        papers = [qasper_paper(f"{split}-{n}", asked) for n in range(3)]
        write(folder / f"qasper/{split}/0000.parquet", papers, QASPER)


# ---- google-research-datasets/natural_questions ---------------------------------------------------------------------

_TOKENS = pa.struct(
    [
        ("token", pa.list_(pa.string())),
        ("is_html", pa.list_(pa.bool_())),
        ("start_byte", pa.list_(pa.int64())),
        ("end_byte", pa.list_(pa.int64())),
    ]
)
_LONG = pa.struct(
    [
        ("start_token", pa.int64()),
        ("end_token", pa.int64()),
        ("start_byte", pa.int64()),
        ("end_byte", pa.int64()),
        ("candidate_index", pa.int64()),
    ]
)
_SHORT = pa.struct(
    [
        ("start_token", pa.list_(pa.int64())),
        ("end_token", pa.list_(pa.int64())),
        ("start_byte", pa.list_(pa.int64())),
        ("end_byte", pa.list_(pa.int64())),
        ("text", pa.list_(pa.string())),
    ]
)
_CANDIDATES = pa.struct(
    [
        ("start_token", pa.list_(pa.int64())),
        ("end_token", pa.list_(pa.int64())),
        ("start_byte", pa.list_(pa.int64())),
        ("end_byte", pa.list_(pa.int64())),
        ("top_level", pa.list_(pa.bool_())),
    ]
)
NQ = pa.schema(
    [
        ("id", pa.string()),
        (
            "document",
            pa.struct([("title", pa.string()), ("url", pa.string()), ("html", pa.string()), ("tokens", _TOKENS)]),
        ),
        ("question", pa.struct([("text", pa.string()), ("tokens", pa.list_(pa.string()))])),
        ("long_answer_candidates", _CANDIDATES),
        (
            "annotations",
            pa.struct(
                [
                    ("id", pa.list_(pa.string())),
                    ("long_answer", pa.list_(_LONG)),
                    ("short_answers", pa.list_(_SHORT)),
                    ("yes_no_answer", pa.list_(pa.int64())),
                ]
            ),
        ),
    ]
)
NOTHING = (-1, -1)
Span = tuple[int, int]


def nq_row(
    identity: str,
    tokens: list[str],
    question: str,
    long: list[Span],
    short: list[list[Span]],
    yes_no: list[int],
    *,
    title: str = "Page",
    html: str = "<html>",
) -> dict[str, Any]:
    """Five annotators as the data set has them: (-1, -1) is no long answer, [] no short one, -1 neither yes nor no."""
    count = len(tokens)
    return {
        "id": identity,
        "document": {
            "title": title,
            "url": f"https://example.org/{identity}",
            "html": html,
            "tokens": {
                "token": tokens,
                "is_html": [token.startswith("<") for token in tokens],
                "start_byte": list(range(count)),
                "end_byte": list(range(1, count + 1)),
            },
        },
        "question": {"text": question, "tokens": question.split()},
        "long_answer_candidates": {
            "start_token": [0], "end_token": [count], "start_byte": [0], "end_byte": [count], "top_level": [True],
        },
        "annotations": {
            "id": [str(n) for n in range(len(long))],
            "long_answer": [
                {"start_token": a, "end_token": b, "start_byte": a, "end_byte": b, "candidate_index": min(a, 0)}
                for a, b in long
            ],
            "short_answers": [
                {
                    "start_token": [a for a, _ in spans], "end_token": [b for _, b in spans],
                    "start_byte": [a for a, _ in spans], "end_byte": [b for _, b in spans],
                    "text": [" ".join(tokens[a:b]).replace(" ,", ",") for a, b in spans],  # as the page has it
                }
                for spans in short
            ],
            "yes_no_answer": yes_no,
        },
    }  # fmt: skip


PAGE = (
    "<H1> The Otter </H1> <P> Sea otters ( of the sea ) eat urchins , clams and `` worms '' . </P> "
    "<P> They do n't fly . </P>"
)


def write_nq(folder: Path, shards: int = 7) -> None:
    """In each shard a short answer, a long one, yes/no with a long one, one that a single annotator gave, and none; one
    page repeated."""
    tokens = PAGE.split()
    paragraph = (tokens.index("<P>"), tokens.index("</P>") + 1)
    urchins = tokens.index("urchins")
    one, two = (urchins, urchins + 1), (urchins, urchins + 3)
    no_short: list[list[tuple[int, int]]] = [[]] * 5
    none, neither = [NOTHING] * 5, [-1] * 5
    for shard in range(shards):
        own = [*tokens, "<P>", f"Shard{shard}", "</P>"]
        eat = [[one], [two], [two], [], []]
        rows = [
            nq_row(f"{shard}1", own, "what do sea otters eat", [paragraph] * 3 + none[3:], eat, neither),
            nq_row(f"{shard}2", own, "what about otters", [paragraph] * 2 + none[2:], no_short, neither),
            nq_row(f"{shard}3", [*own, "more"], "do otters fly", [paragraph] * 5, no_short, [-1, 0, -1, -1, 0]),
            nq_row(f"{shard}4", own, "what flies", [paragraph, *none[1:]], [[one], *no_short[1:]], neither),
            nq_row(f"{shard}5", own, "who knows", none, no_short, neither),
        ]
        write(folder / f"dev/validation-{shard:05d}-of-{shards:05d}.parquet", rows, NQ)
