"""One reader a data set: rows as the hub's parquet files hold them -> documents and questions of a data pack.

A reader streams: it sees one row at a time and keeps ids and digests, not texts. What it leaves out it counts.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.errors import DataError
from harness.files import JsonObject

__all__ = ["READERS", "Reader"]

Row = JsonObject
Put = Callable[[str, JsonObject], None]
"""Called with `document` or `question` and the pack's row."""


@dataclass(frozen=True, slots=True)
class Reader:
    """`files` are the patterns of the files of each part, and `columns` what is read of them; `read` gets an opener of
    parts and a `put`, and gives counts of what it left out, by reason. Raise `version` when the pack would change."""

    version: int
    files: Mapping[str, Sequence[str]]
    columns: Sequence[str]
    read: Callable[[Callable[[str], Iterable[Row]], Put], dict[str, int]]


# ---- rag-datasets/rag-mini-bioasq -----------------------------------------------------------------------------------


def _bioasq(open_part: Callable[[str], Iterable[Row]], put: Put) -> dict[str, int]:
    """Passages are documents. Empty ones ("nan") are left out; of identical ones the first stays, and gold ids of the
    others become its id."""
    counts = {"empty passages": 0, "duplicate passages": 0, "questions without an answer": 0}
    same_as: dict[str, str] = {}
    first_with: dict[bytes, str] = {}
    for row in open_part("passages"):
        text, number = str(row["passage"] or "").strip(), str(row["id"])
        if not text or text == "nan":
            counts["empty passages"] += 1
            continue
        first = first_with.setdefault(hashlib.sha256(text.encode()).digest(), number)
        same_as[number] = first
        if first != number:
            counts["duplicate passages"] += 1
            continue
        put("document", {"doc_id": number, "title": "", "text": text})
    for row in open_part("test"):
        answer = str(row["answer"] or "").strip()
        if not answer or answer == "nan":
            counts["questions without an answer"] += 1
            continue
        gold = [same_as[name] for name in _id_list(row["relevant_passage_ids"], row["id"]) if name in same_as]
        put(
            "question",
            {
                "id": str(row["id"]),
                "question": str(row["question"]),
                "answers": [answer],
                "gold_doc_ids": list(dict.fromkeys(gold)),
            },
        )
    return counts


def _id_list(value: object, row_id: object) -> list[str]:
    """The list that `relevant_passage_ids` holds as text: "[11, 23]"."""
    try:
        parsed = ast.literal_eval(value) if isinstance(value, str) else value
        if not isinstance(parsed, list | tuple):
            raise TypeError(f"{type(parsed).__name__} is not a list")
        return [str(int(name)) for name in parsed]
    except (ValueError, SyntaxError, TypeError) as error:
        raise DataError(
            f"rag-mini-bioasq: question {row_id}: relevant_passage_ids {value!r} is not a list of ids"
        ) from error


# ---- allenai/qasper -------------------------------------------------------------------------------------------------


def _qasper(open_part: Callable[[str], Iterable[Row]], put: Put) -> dict[str, int]:
    """Papers are documents: abstract, then sections under "## " headings, paragraphs apart by blank lines. Where any
    annotator answered, votes for "unanswerable" are left out."""
    counts = {"questions without an answer": 0, "papers without text": 0}
    for split in ("validation", "test"):
        for paper in open_part(split):
            text = _paper_text(paper)
            if not text:
                counts["papers without text"] += 1
                continue
            put("document", {"doc_id": paper["id"], "title": paper["title"] or "", "text": text})
            questions = paper["qas"]
            for number, identity in enumerate(questions["question_id"]):
                answers = [_qasper_answer(answer) for answer in questions["answers"][number]["answer"]]
                usable = [(text, kind) for text, kind in answers if text and kind != "unanswerable"]
                if not usable and not any(kind == "unanswerable" for _, kind in answers):
                    counts["questions without an answer"] += 1
                    continue
                evidence = [
                    line for a in questions["answers"][number]["answer"] for line in a["evidence"] or () if line
                ]
                put(
                    "question",
                    {
                        "id": identity,
                        "question": questions["question"][number],
                        "answers": list(dict.fromkeys(text for text, _ in usable)) or ["Unanswerable"],
                        "gold_doc_ids": [paper["id"]],
                        "type": usable[0][1] if usable else "unanswerable",
                        "split": split,
                        "paper_title": paper["title"] or "",
                        "evidence": list(dict.fromkeys(evidence)) if usable else [],
                    },
                )
    return counts


def _paper_text(paper: Row) -> str:
    parts = [f"## Abstract\n\n{paper['abstract'].strip()}"] if (paper["abstract"] or "").strip() else []
    body = paper["full_text"]
    for name, paragraphs in zip(body["section_name"], body["paragraphs"], strict=True):
        lines = [paragraph.strip() for paragraph in paragraphs if paragraph and paragraph.strip()]
        parts += [*([f"## {name.strip()}"] if name and name.strip() else []), *lines]
    return "\n\n".join(parts)


def _qasper_answer(answer: Row) -> tuple[str, str]:
    """(text, type) of one annotator's answer."""
    if answer["unanswerable"]:
        return "Unanswerable", "unanswerable"
    if spans := [span for span in answer["extractive_spans"] or () if span]:
        return ", ".join(spans), "extractive"
    if (answer["free_form_answer"] or "").strip():
        return answer["free_form_answer"].strip(), "freeform"
    if answer["yes_no"] is not None:
        return ("Yes" if answer["yes_no"] else "No"), "yesno"
    return "", ""


# ---- google-research-datasets/natural_questions ---------------------------------------------------------------------

_BLOCKS = re.compile(r"</?(?:p|li|ul|ol|dl|dd|dt|tr|table|h\d|div|br)\b", re.IGNORECASE)
_NO_SPACE_BEFORE = re.compile(r"\s+([,.;:!?%)\]}’”]|'s\b|n't\b|'(?:re|ve|ll|d|m)\b)")
_NO_SPACE_AFTER = re.compile(r"([(\[{“‘$])\s+")
_QUOTED = re.compile(r"``\s*(.*?)\s*''")


_ANNOTATORS = 2
"""So many of the five must have answered, as in the data set's own evaluation (its `*_non_null_threshold`)."""


def _nq(open_part: Callable[[str], Iterable[Row]], put: Put) -> dict[str, int]:
    """Pages are documents: their tokens without the HTML. A question that fewer than two annotators answered is left
    out. Pages with the same text are one document."""
    counts = {"unanswerable questions": 0, "questions that one annotator answered": 0, "repeated pages": 0}
    seen: set[str] = set()
    for row in open_part("validation"):
        page = row["document"]
        tokens, is_html = page["tokens"]["token"], page["tokens"]["is_html"]
        by_annotator = _nq_annotations(row["annotations"], tokens, is_html)
        answers, kind = _nq_answers(by_annotator)
        if not answers:
            nobody = not any(each.short or each.long for each in by_annotator)
            counts["unanswerable questions" if nobody else "questions that one annotator answered"] += 1
            continue
        text = _page_text(tokens, is_html, 0, len(tokens))
        identity = hashlib.sha256(f"{page['title']}\n{text}".encode()).hexdigest()[:16]
        if identity in seen:
            counts["repeated pages"] += 1
        else:
            seen.add(identity)
            put("document", {"doc_id": identity, "title": page["title"], "text": text})
        put(
            "question",
            {
                "id": str(row["id"]),
                "question": row["question"]["text"],
                "answers": answers,
                "gold_doc_ids": [identity],
                "type": kind,
                "evidence": list(dict.fromkeys(each.long for each in by_annotator if each.long)),
            },
        )
    return counts


class _Annotation(NamedTuple):
    """What one annotator answered. `short`: the texts of the spans, or yes or no; `long`: a paragraph or table."""

    short: tuple[str, ...]
    is_yes_no: bool
    long: str


def _nq_annotations(annotations: Row, tokens: Sequence[str], is_html: Sequence[bool]) -> list[_Annotation]:
    result = []
    for spans, yes_no, long in zip(
        annotations["short_answers"], annotations["yes_no_answer"], annotations["long_answer"], strict=True
    ):
        short = tuple(text for each in spans["text"] if (text := " ".join((each or "").split())))
        is_yes_no = not short and yes_no in _YES_NO
        start, end = long["start_token"], long["end_token"]
        paragraph = _page_text(tokens, is_html, start, end) if start >= 0 else ""
        result.append(_Annotation((_YES_NO[yes_no],) if is_yes_no else short, is_yes_no, paragraph))
    return result


def _nq_answers(by_annotator: Sequence[_Annotation]) -> tuple[list[str], str]:
    """Distinct answers, those that most annotators gave first, and their kind: short ones (yes and no among them) where
    two annotators gave one, else long ones where two did."""
    short = [each for each in by_annotator if each.short]
    if len(short) >= _ANNOTATORS:
        yes_no = sum(each.is_yes_no for each in short)
        return _by_votes([each.short for each in short]), "yesno" if 2 * yes_no > len(short) else "short"
    long = [(each.long,) for each in by_annotator if each.long]
    return (_by_votes(long), "long") if len(long) >= _ANNOTATORS else ([], "")


def _by_votes(texts: Iterable[Iterable[str]]) -> list[str]:
    """Of equally many votes, the one that was given first."""
    return [text for text, _ in Counter(text for own in texts for text in dict.fromkeys(own)).most_common()]


_YES_NO: Mapping[int | str, str] = {0: "No", 1: "Yes", "NO": "No", "YES": "Yes"}


def _page_text(tokens: Sequence[str], is_html: Sequence[bool], start: int, end: int) -> str:
    """Tokens as text: block tags end a paragraph, other tags vanish, spaces that tokenising put in are taken out."""
    lines: list[list[str]] = [[]]
    for token, html in zip(tokens[start:end], is_html[start:end], strict=True):
        if not html:
            lines[-1].append(token)
        elif _BLOCKS.match(token) and lines[-1]:
            lines.append([])
    return "\n\n".join(_untokenised(line) for line in lines if line)


def _untokenised(words: Sequence[str]) -> str:
    text = _QUOTED.sub(r'"\1"', " ".join(words))
    return _NO_SPACE_AFTER.sub(r"\1", _NO_SPACE_BEFORE.sub(r"\1", text))


def _parts(paths: Mapping[str, str]) -> dict[str, list[str]]:
    return {part: pattern.split() for part, pattern in paths.items()}


READERS: Mapping[str, Reader] = {
    "rag-mini-bioasq": Reader(
        1,
        _parts(
            {
                "passages": "data/passages.parquet/*.parquet text-corpus/passages/*.parquet",
                "test": "data/test.parquet/*.parquet question-answer-passages/test/*.parquet",
            }
        ),
        (),
        _bioasq,
    ),
    "qasper": Reader(
        1,
        _parts(
            {
                "validation": "default/validation/*.parquet qasper/validation/*.parquet",
                "test": "default/test/*.parquet qasper/test/*.parquet",
            }
        ),
        ("id", "title", "abstract", "full_text", "qas"),
        _qasper,
    ),
    "natural-questions": Reader(
        2, _parts({"validation": "dev/validation-*.parquet"}), ("id", "document", "question", "annotations"), _nq
    ),
}
