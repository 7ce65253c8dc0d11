"""Human judgements of answers, in three shapes, as JSON lines:

    binary    {"id", "question", "reference", "answer", "human_score": 0 or 1, "votes": ["yes", "no", …]}
    pairwise  {"id", "question", "reference", "answer_a", "answer_b", "dimension", "human_score": -2..2,
               "annotator_scores": [1, 0]}      above 0: answer_b is better
    counts    {"id", "question", "reference", "answer", "dimension": "factual_errors" or "missing_info",
               "human_score": 0, 1, …}          how many statements are wrong, or missing; 0 is best

A reference may hold several, parted by " / ".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.auditing.cached_judge import Case
from harness.errors import DataError
from harness.files import JsonObject
from harness.judging.references import parts_of
from harness.records import Question

__all__ = [
    "BINARY",
    "COUNTED",
    "COUNTS",
    "DIMENSIONS",
    "FILES",
    "PAIRWISE",
    "Binary",
    "Counted",
    "Pair",
    "read_binary",
    "read_counts",
    "read_pairs",
]

BINARY = {"evouna_nq": "evouna_nq.jsonl", "openqa_eval_nq301": "openqa_eval_nq301.jsonl"}
PAIRWISE = {"ragchecker_pairwise": "ragchecker_pairwise.jsonl"}
COUNTS = {"qa_feedback_asqa_half": "qa_feedback_asqa_half.jsonl"}
FILES = {**BINARY, **PAIRWISE, **COUNTS}
DIMENSIONS = {"correctness": "accuracy", "completeness": "completeness"}
"""A pairwise data set's dimension, and the criterion of ours that it is compared with."""
COUNTED = {"factual_errors": "accuracy", "missing_info": "completeness"}
"""The same of what is counted."""


@dataclass(frozen=True, slots=True)
class Binary:
    """One answer that people called right or wrong."""

    case: Case
    right: bool
    votes: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one question. `human` above 0: the second is better."""

    id: str
    first: Case
    second: Case
    dimension: str
    human: float
    annotators: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """One answer, and how many of its statements people called wrong, or found missing."""

    case: Case
    dimension: str
    count: float


def _rows(path: Path, needed: Mapping[str, type | tuple[type, ...]]) -> list[JsonObject]:
    problems: list[str] = []
    rows: list[JsonObject] = []
    seen: set[str] = set()
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                problems.append(f"{path}:{number}: is not valid JSON ({error})")
                continue
            if not isinstance(row, dict):
                problems.append(f"{path}:{number}: is not a JSON object")
                continue
            wrong = [key for key, kind in needed.items() if not isinstance(row.get(key), kind)]
            wrong += ["human_score"] if not wrong and not math.isfinite(row["human_score"]) else []
            votes = row.get("annotator_scores") or []
            wrong += ["annotator_scores"] if not all(isinstance(v, int | float) for v in votes) else []
            wrong += ["id, once only,"] if row.get("id") in seen else []
            seen.add(str(row.get("id")))
            if wrong:
                problems.append(f"{path}:{number}: {', '.join(wrong)} must be present and of the right type")
            rows.append(row)
    if problems or not rows:
        raise DataError.of(problems or [f"{path}: holds no row"])
    return rows


def references_of(reference: str) -> tuple[str, ...]:
    """The whole first, since that is what a judge sees; then its parts."""
    parts = parts_of(reference)
    return (reference, *parts) if len(parts) > 1 else (reference,)


def _case(row: JsonObject, answer: str, suffix: str = "") -> Case:
    question = Question(
        id=row["id"] + suffix, text=row["question"], references=references_of(row["reference"]), cluster=row["question"]
    )
    return Case(question.id, question, answer)


def _sampled(rows: Sequence[JsonObject], count: int, seed: int, key: Callable[[JsonObject], str]) -> list[JsonObject]:
    """`count` rows in an order that depends on seed and key alone."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{key(row)}".encode()).hexdigest())[:count]


def read_binary(path: Path, count: int, seed: int) -> list[Binary]:
    """`count` cases of a file of human yes/no judgements, drawn with `seed`. Raises `DataError` for a bad row."""
    text: tuple[type, ...] = (str,)
    rows = _rows(path, {"id": text, "question": text, "reference": text, "answer": text, "human_score": (int, float)})
    return [
        Binary(
            case=_case(row, row["answer"]),
            right=float(row["human_score"]) >= 0.5,
            votes=tuple(vote == "yes" for vote in row.get("votes") or ()),
        )
        for row in _sampled(rows, count, seed, lambda row: str(row["id"]))
    ]


def read_pairs(path: Path, count: int, seed: int) -> list[Pair]:
    """`count` pairs of answers, each with its rows for the dimensions that we have a criterion for."""
    text: tuple[type, ...] = (str,)
    needed = dict.fromkeys(("id", "question", "reference", "answer_a", "answer_b", "dimension"), text)
    rows = _rows(path, {**needed, "human_score": (int, float)})

    def pair_of(row: JsonObject) -> str:
        return str(row["id"]).removesuffix(f"-{row['dimension']}")

    kept = {
        pair_of(row) for row in _sampled([r for r in rows if r["dimension"] == "correctness"], count, seed, pair_of)
    }
    return [
        Pair(
            id=row["id"],
            first=_case({**row, "id": pair_of(row)}, row["answer_a"], "/a"),
            second=_case({**row, "id": pair_of(row)}, row["answer_b"], "/b"),
            dimension=row["dimension"],
            human=float(row["human_score"]),
            annotators=tuple(float(score) for score in row.get("annotator_scores") or ()),
        )
        for row in rows
        if pair_of(row) in kept and row["dimension"] in DIMENSIONS
    ]


def read_counts(path: Path, count: int, seed: int) -> list[Counted]:
    """`count` answers, each with its rows for what is counted."""
    needed = dict.fromkeys(("id", "question", "reference", "answer", "dimension"), (str,))
    rows = [row for row in _rows(path, {**needed, "human_score": (int, float)}) if row["dimension"] in COUNTED]

    def answer_of(row: JsonObject) -> str:
        return f"{row['question']}\n{row['answer']}"

    distinct = list({answer_of(row): row for row in rows}.values())
    kept = {answer_of(row) for row in _sampled(distinct, count, seed, answer_of)}
    return [
        Counted(_case(row, row["answer"]), row["dimension"], float(row["human_score"]))
        for row in rows
        if answer_of(row) in kept
    ]
