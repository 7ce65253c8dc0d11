"""A finished run under another judge: its samples are read from the run folder, nothing is retrieved or generated.

What depends on answers alone (metrics, retrieval, lengths) is taken over as it stands; marks are made anew, and the
result is the run folder that `harness eval` with that judge would have written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.evaluate import Outcome, Parts, conclude
from harness.evaluate.marking import ToMark, mark
from harness.evaluate.scores import Sample, leaks, marks_of
from harness.interfaces import Judge, Progress
from harness.records import (
    Answer,
    Arm,
    Decoding,
    Document,
    Passage,
    Query,
    Question,
    Request,
    StopReason,
    TaskPlan,
)
from harness.store import Store

__all__ = ["RecordedRun", "read_run", "rejudge"]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run folder, read."""

    folder: Path
    manifest: Mapping[str, Any]
    original: int
    criteria: Sequence[str]
    plan: TaskPlan
    rows: Sequence[Mapping[str, Any]]

    @property
    def task_entry(self) -> Mapping[str, Any]:
        return dict(self.manifest["entries"]["task"])


def read_run(folder: Path) -> RecordedRun:
    """Raises `DataError` when the folder is no whole run."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        results = json.loads(next(folder.glob("results_*.json")).read_text(encoding="utf-8"))
        with next(folder.glob("samples_*.jsonl")).open(encoding="utf-8") as stream:
            rows = [json.loads(line) for line in stream]
        fields = dict(manifest["plan"])
        decoding = {**fields["decoding"], "until": tuple(fields["decoding"]["until"])}
        fields |= {"decoding": Decoding(**decoding), "metrics": tuple(fields["metrics"]), "arm": Arm(fields["arm"])}
        if missing := {"question_id", "doc", "target", "resps", "passages", "metrics", "stop_reason"} - set(rows[0]):
            raise KeyError(", ".join(sorted(missing)))
        return RecordedRun(
            folder=folder,
            manifest=manifest,
            original=results["n-samples"][fields["task"]]["original"],
            criteria=results["harness"]["criteria"],
            plan=TaskPlan(**fields),
            rows=rows,
        )
    except (OSError, StopIteration, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{folder}: is no whole run folder of this version ({type(error).__name__}: {error}); name one that "
            "harness eval wrote, with manifest.json, results_*.json and samples_*.jsonl"
        ) from error


def rejudge(
    run: RecordedRun,
    judge: Judge,
    judge_entry: Mapping[str, Any],
    known: Mapping[str, Question],
    store: Store,
    output: Path,
    progress: Progress,
    host: Mapping[str, Any],
) -> Outcome:
    """`known` are questions by id as their source has them, facts included, for a judge that needs more than text."""
    started = time.time()
    questions = [known.get(row["question_id"]) or _question(row) for row in run.rows]
    # the target is rendered already
    shown = [replace(question, references=(row["target"],)) for question, row in zip(questions, run.rows, strict=True)]
    plan = replace(run.plan, doc_to_target="{{ references[0] }}")
    passages = [tuple(Passage(**passage) for passage in row["passages"]) for row in run.rows]
    answers = [_answer(row) for row in run.rows]
    verdicts = mark(ToMark(plan, shown, passages, answers), judge, store, progress)
    leakage = run.manifest.get("leakage")
    samples = [
        Sample(
            question=question,
            target=row["target"],
            passages=of_row,
            prompt=row["arguments"]["gen_args_0"]["arg_0"],
            dropped=int(row["dropped_passages"]),
            answer=said,
            verdicts=tuple(of_question),
            values={
                **marks_of(of_question),
                **{name: row[name] for name in row["metrics"] if not _is_mark(name, run.criteria)},
                **({} if leakage is None else leaks(leakage.get(question.id, ()), of_question)),
            },
        )
        for row, question, of_row, said, of_question in zip(
            run.rows, questions, passages, answers, verdicts, strict=True
        )
    ]
    entries = {**run.manifest["entries"], "judge": dict(judge_entry)}
    parts = Parts(_Recorded(run), _RecordedRetriever(run), _RecordedModel(run), judge, entries, leakage)
    return conclude(run.plan, parts, samples, run.original, output, started, host)


def _is_mark(name: str, criteria: Sequence[str]) -> bool:
    return name.removesuffix("_clean") in criteria


def _question(row: Mapping[str, Any]) -> Question:
    doc = row["doc"]
    return Question(
        id=row["question_id"],
        text=doc["question"],
        references=(row["target"],),
        gold_document_ids=tuple(doc.get("gold_doc_ids") or ()),
        kind=row["kind"],
        cluster=row["cluster"],
        row=doc,
    )


def _answer(row: Mapping[str, Any]) -> Answer:
    (text,) = row["resps"][0]
    return Answer("", text, StopReason(row["stop_reason"]), row["prompt_tokens"], row["answer_tokens"])


class _Recorded:
    """The run's source, as far as its folder tells of it."""

    def __init__(self, run: RecordedRun) -> None:
        self.identity: Mapping[str, Any] = run.manifest["identities"]["source"]
        self._questions = [_question(row) for row in run.rows]

    def documents(self) -> Iterator[Document]:
        raise AssertionError("re-judging reads no documents")

    def questions(self, split: str) -> Sequence[Question]:
        return self._questions


class _RecordedRetriever:
    def __init__(self, run: RecordedRun) -> None:
        self.identity: Mapping[str, Any] = run.manifest["identities"]["retriever"]

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        raise AssertionError("re-judging retrieves nothing")


class _RecordedModel:
    """The model that answered: its name and identity, nothing that could answer again."""

    window = 0
    fixed_batch_size = None

    def __init__(self, run: RecordedRun) -> None:
        model = dict(run.manifest["model"])
        self.name = self.loads = str(model.pop("name"))
        self.description: Mapping[str, Any] = model
        self.identity: Mapping[str, Any] = run.manifest["identities"]["model"]
        self.usage: Mapping[str, float] = run.manifest.get("usage", {})

    def prepare(self) -> None:
        """Nothing is needed."""

    def format_prompt(self, messages: Any, reply_prefix: str = "") -> str:
        raise AssertionError("re-judging formats no prompt of the generator's")

    def count_tokens(self, prompts: Sequence[str]) -> list[int]:
        raise AssertionError("re-judging counts no tokens of the generator's")

    def batch_size(self, requests: Sequence[Request]) -> int:
        raise AssertionError("re-judging generates nothing")

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        raise AssertionError("re-judging generates nothing")

    def close(self) -> None:
        """Nothing is loaded."""
