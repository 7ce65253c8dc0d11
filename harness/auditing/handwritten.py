"""Answers written by hand to be hard to judge, as JSON lines beside the judges (`judges/hard/`).

NAME.jsonl           to questions of the data pack NAME, one row a question: {"question_id", "question_sha256",
                     "part": "development" or "report", "answers": [{"answer", "right": true or false, "kind"}]}.
                     The pack has the question and its references; neither is in the file. A card reports on the
                     part `report` alone, so that a judge may be made with the other in view.
short_numbers.jsonl  short answers in other forms, all ours: {"question", "reference", "kind", "right": ["…"],
                     "wrong": ["…"]}
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.auditing.cached_judge import Case
from harness.auditing.ordering import Labelled
from harness.errors import DataError
from harness.files import JsonObject, json_lines
from harness.records import Question

__all__ = ["PARTS", "SHORT_NUMBERS", "hard_questions", "read_hard", "read_short_numbers"]

SHORT_NUMBERS = "short_numbers.jsonl"
PARTS = ("development", "report")


def _rows(path: Path, problem_of: Callable[[JsonObject], str | None]) -> list[JsonObject]:
    """Raises `DataError` with every bad line."""
    try:
        rows = list(json_lines(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON lines ({error}); every line is one JSON object") from error
    problems = [
        f"{path}:{number}: {problem}"
        for number, row in enumerate(rows, start=1)
        if (problem := problem_of(row)) is not None
    ]
    if problems or not rows:
        raise DataError.of(problems or [f"{path}: holds no row"])
    return rows


def _wrong_texts(row: JsonObject, names: Sequence[str]) -> str | None:
    wrong = [name for name in names if not isinstance(row.get(name), str) or not row[name]]
    return f"{', '.join(wrong)} must be present and be text" if wrong else None


# ---- to the questions of a pack -------------------------------------------------------------------------------------


def read_hard(path: Path, questions: Mapping[str, Question], part: str = "report") -> list[Labelled]:
    """The answers of one part, each with the pack's question. Raises `DataError` for a bad row, and for a question that
    the pack does not hold in these words."""

    def problem_of(row: JsonObject) -> str | None:
        if wrong := _wrong_texts(row, ("question_id", "question_sha256")):
            return wrong
        if row.get("part") not in PARTS:
            return f"part must be one of {', '.join(PARTS)}"
        answers = row.get("answers")
        if not isinstance(answers, list) or not answers or not all(_is_answer(each) for each in answers):
            return "answers must be a list of {answer: text, right: true or false, kind: text}"
        question = questions.get(row["question_id"])
        if question is None:
            return f"the pack has no question {row['question_id']!r}; give the pack that these answers were written for"
        if hashlib.sha256(question.text.encode()).hexdigest() != row["question_sha256"]:
            return f"question {row['question_id']!r} is worded otherwise in the pack; it is another version of the data"
        return None

    return [
        Labelled(Case(f"{question.id}#hard{number}", question, each["answer"]), each["right"], each["kind"])
        for row in _rows(path, problem_of)
        if row["part"] == part
        for question in [questions[row["question_id"]]]
        for number, each in enumerate(row["answers"])
    ]


def hard_questions(path: Path) -> frozenset[str]:
    """Ids of the questions of both parts, none where there is no file: nothing may be fitted on them."""
    return frozenset(str(row["question_id"]) for row in json_lines(path)) if path.is_file() else frozenset()


def _is_answer(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("answer"), str)
        and isinstance(value.get("right"), bool)
        and isinstance(value.get("kind"), str)
    )


# ---- short ones, all ours -------------------------------------------------------------------------------------------


def read_short_numbers(path: Path) -> list[Labelled]:
    """Every right and wrong form, each with its question."""

    def problem_of(row: JsonObject) -> str | None:
        if wrong := _wrong_texts(row, ("question", "reference", "kind")):
            return wrong
        for name in ("right", "wrong"):
            texts = row.get(name)
            if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
                return f"{name} must be a list of texts with at least one"
        return None

    return [
        Labelled(Case(f"{question.id}#{name}{n}", question, text), name == "right", row["kind"])
        for number, row in enumerate(_rows(path, problem_of))
        for question in [Question(f"short{number}", row["question"], (row["reference"],), cluster=f"short{number}")]
        for name in ("right", "wrong")
        for n, text in enumerate(row[name])
    ]
