"""A data pack: a folder with `corpus.jsonl` and `qa.jsonl`, streamed line by line.

    corpus.jsonl  {"doc_id": "1912.01214", "title": "Cross-lingual …", "text": "## Abstract\\n\\nTransfer learning …"}
    qa.jsonl      {"id": "b6f1…", "question": "which …?", "answers": ["…"], "gold_doc_ids": ["1912.01214"]}

A question may also have `type`, `split`, `evidence` (texts that occur in its gold documents) and any other field; a
template sees the whole row as `doc`. Everything that is wrong with a pack is reported at once, by file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import jsonlines

from harness.digests import digest_of_file
from harness.errors import DataError
from harness.files import JsonObject, parse_json
from harness.interfaces import Identity
from harness.records import Document, Question, Span
from harness.sources.splits import divide, in_hash_order

__all__ = ["DataPack"]

CORPUS, QUESTIONS = "corpus.jsonl", "qa.jsonl"


class DataPack:
    """`cluster_of` gives a row's cluster. `splits` are the names of (training, evaluation): where rows carry a
    `split`, it counts as it is; where none does, hashing divides them (`pool`, `seed`)."""

    def __init__(
        self,
        folder: Path,
        cluster_of: Callable[[JsonObject], str],
        splits: tuple[str, str],
        pool: int,
        seed: int,
    ) -> None:
        missing = [name for name in (CORPUS, QUESTIONS) if not (folder / name).is_file()]
        if missing:
            raise DataError(
                *(f"{folder}: holds no {name}; a data pack has {CORPUS} and {QUESTIONS}" for name in missing)
            )
        self._folder, self._cluster_of, self._splits, self._pool, self._seed = folder, cluster_of, splits, pool, seed

    @cached_property
    def identity(self) -> Identity:
        return {
            "kind": "data-pack",
            "corpus": digest_of_file(self._folder / CORPUS),
            "questions": digest_of_file(self._folder / QUESTIONS),
        }

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _rows(self, name: str, problems: list[str]) -> Iterator[tuple[int, JsonObject]]:
        """Line number and row; a line that is not a JSON object goes to `problems`."""
        with (self._folder / name).open("rb") as stream, jsonlines.Reader(_lines(stream), loads=parse_json) as reader:
            number = 0
            while True:
                number += 1
                try:
                    row = reader.read(type=dict, skip_empty=False)
                except EOFError:
                    return
                except jsonlines.InvalidLineError as error:
                    if str(error.line).strip():
                        problems.append(f"{name}:{number}: {_plain(error)}; every line is one JSON object in UTF-8")
                    continue
                yield number, row

    def documents(self) -> Iterator[Document]:
        """The corpus as it streams by. Raises `DataError` at the end when any line is broken, or none is there."""
        problems: list[str] = []
        seen: dict[str, int] = {}
        for number, row in self._rows(CORPUS, problems):
            wrong = [key for key in ("doc_id", "text") if not isinstance(row.get(key), str)]
            if wrong or not isinstance(row.get("title", ""), str):
                problems.append(f"{CORPUS}:{number}: {', '.join(wrong or ['title'])} must be present and be text")
                continue
            first = seen.setdefault(row["doc_id"], number)
            if first != number:
                problems.append(f"{CORPUS}:{number}: doc_id {row['doc_id']!r} is also in line {first}")
                continue
            yield Document(row["doc_id"], row.get("title", ""), row["text"])
        if not seen and not problems:
            problems.append(f"{CORPUS}: holds no document; there is nothing to retrieve from")
        if problems:
            raise DataError.of([f"{self._folder}/{problem}" for problem in problems])

    @cached_property
    def _divided(self) -> dict[str, list[Question]]:
        problems: list[str] = []
        rows = list(self._rows(QUESTIONS, problems))
        gold_with_evidence = {
            name for _, row in rows if row.get("evidence") and not _wrong_fields(row) for name in row["gold_doc_ids"]
        }
        known: set[str] = set()
        texts: dict[str, str] = {}  # of the documents in which evidence is looked up, no others
        for document in self.documents():
            known.add(document.id)
            if document.id in gold_with_evidence:
                texts[document.id] = document.text
        seen: dict[str, int] = {}
        questions: list[tuple[str | None, Question]] = []
        for number, row in rows:
            wrong = _wrong_fields(row)
            if not wrong:
                first = seen.setdefault(row["id"], number)
                wrong += [f"id {row['id']!r} is also in line {first}"] if first != number else []
                wrong += [f"gold id {i!r} is not in {CORPUS}" for i in row["gold_doc_ids"] if i not in known]
            problems += [f"{QUESTIONS}:{number}: {text}" for text in wrong]
            if not wrong:
                questions.append((row.get("split"), self._question(row, texts)))
        if not rows and not problems:
            problems.append(f"{QUESTIONS}: holds no question")
        if problems:
            raise DataError.of([f"{self._folder}/{problem}" for problem in _by_line(problems)])
        return self._divide(questions)

    def _divide(self, rows: Sequence[tuple[str | None, Question]]) -> dict[str, list[Question]]:
        training, evaluation = self._splits
        named = {split for split, _ in rows if split is not None}
        if named:  # declared splits are never overruled: hashing could put a declared training row into evaluation
            return {
                name: in_hash_order([question for split, question in rows if split == name], self._seed)
                for name in sorted(named)
            }
        pool, rest = divide([question for _, question in rows], self._pool, self._seed)
        if not rest:
            raise DataError(
                f"{self._folder}/{QUESTIONS}: {len(rows)} questions, and the fine-tuning pool of {self._pool} takes "
                "them all; lower `finetune.pool` in the task entry"
            )
        return {training: pool, evaluation: rest}

    def _question(self, row: JsonObject, texts: Mapping[str, str]) -> Question:
        return Question(
            id=row["id"],
            text=row["question"],
            references=tuple(dict.fromkeys(row["answers"])),
            gold_document_ids=tuple(row["gold_doc_ids"]),
            gold_spans=tuple(_evidence_spans(row, texts)),
            kind=str(row.get("type", "")),
            cluster=self._cluster_of(row),
            answerable=row.get("type") != "unanswerable",
            row=row,
        )

    def questions(self, split: str) -> Sequence[Question]:
        if split not in self._divided:
            known = ", ".join(sorted(self._divided))
            raise DataError(
                f"{self._folder}/{QUESTIONS}: no row has the split {split!r}; the splits are {known}: name one in the "
                "task entry"
            )
        return self._divided[split]


def _lines(stream: Iterable[bytes]) -> Iterator[str]:
    """Lines as text; a byte that is not UTF-8 becomes a lone surrogate, which `parse_json` refuses by its line."""
    for line in stream:
        yield line.decode("utf-8", errors="surrogateescape")


def _by_line(problems: Sequence[str]) -> list[str]:
    return sorted(problems, key=lambda problem: int(problem.split(":")[1]) if problem.split(":")[1].isdigit() else 0)


def _plain(error: jsonlines.InvalidLineError) -> str:
    return str(error).split(" (line ")[0]


def _wrong_fields(row: JsonObject) -> list[str]:
    wrong = [f"{key} must be present and be text" for key in ("id", "question") if not isinstance(row.get(key), str)]
    for key, least in (("answers", 1), ("gold_doc_ids", 0)):
        value = row.get(key)
        if not isinstance(value, list) or len(value) < least or not all(isinstance(text, str) for text in value):
            wrong.append(f"{key} must be a list of texts" + (" with at least one" if least else ""))
    evidence = row.get("evidence")
    if evidence is not None and not (isinstance(evidence, list) and all(isinstance(text, str) for text in evidence)):
        wrong.append("evidence must be a list of texts")
    if not isinstance(row.get("split", ""), str):
        wrong.append("split must be text")
    return wrong


def _evidence_spans(row: JsonObject, texts: Mapping[str, str]) -> Iterator[Span]:
    """Where a row's evidence is in its gold documents; evidence that does not occur word for word (such as a
    figure's caption) has no span and is left out."""
    for evidence in row.get("evidence") or ():
        for document_id in row["gold_doc_ids"]:
            start = texts[document_id].find(evidence) if evidence else -1
            if start >= 0:
                yield Span(document_id, start, start + len(evidence))
                break
