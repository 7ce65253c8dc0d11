"""What a task's evaluated questions share with the pairs that a checkpoint was trained on: looked for once, and
remembered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.build.encoders import EMBEDDED_ENCODER, LazyEncoder, build_encoder
from harness.build.resources import Resources
from harness.build.sources import pool_of
from harness.cache import build_once
from harness.digests import digest_of, short
from harness.entries.task import TaskEntry
from harness.errors import MissingPart
from harness.extras import require
from harness.finetuning import leakage
from harness.interfaces import ModelAdapter, Source
from harness.records import Question

__all__ = ["build_leakage", "radar_encoder"]


def build_leakage(
    entry: TaskEntry, source: Source, adapter: ModelAdapter, resources: Resources
) -> Mapping[str, Sequence[str]] | None:
    """Kinds of overlap by id of the evaluated question; None for a model that was not trained here."""
    if not (record := adapter.training_record):
        return None
    progress = resources.progress
    evaluation = source.questions(entry.test_split)
    pairs = _pairs_among([*pool_of(entry, source), *evaluation], record["pairs"])
    if missing := len(record["pairs"]["ids"]) - len(pairs):
        progress.note(
            f"{adapter.name}: {missing} of the pairs that it was trained on are not in this task's data; what they "
            "share with its questions is not known"
        )
    trained_on = {pair.id for pair in pairs} & {question.id for question in evaluation}
    if trained_on:
        progress.note(
            f"{adapter.name}: was trained on {len(trained_on)} of the {len(evaluation)} questions that it is evaluated "
            "on; they count as leaked"
        )
    if not pairs:
        return None
    encoder = radar_encoder(resources)
    if encoder is None:
        progress.note("leakage radar: no sentence encoder is installed; similar questions are not looked for")
    return _radar_once(pairs, evaluation, encoder, resources)


def _pairs_among(questions: Sequence[Question], pairs: Mapping[str, Sequence[str]]) -> list[Question]:
    """The questions that a checkpoint was trained on: the same id and, where the manifest has it, the same text."""
    unknown: Sequence[str | None] = [None] * len(pairs["ids"])
    texts = dict(zip(pairs["ids"], pairs.get("questions") or unknown, strict=True))
    return [
        question
        for question in questions
        if question.id in texts
        and texts[question.id] in (None, short(digest_of([question.text, list(question.references)])))
    ]


def radar_encoder(resources: Resources) -> LazyEncoder | None:
    """The embedded encoder; None where it, or what runs it, is not installed."""
    try:
        require("sentence_transformers", "faiss")
        return build_encoder(EMBEDDED_ENCODER, resources)
    except MissingPart:
        return None


def _radar_once(
    pairs: Sequence[Question], evaluation: Sequence[Question], encoder: LazyEncoder | None, resources: Resources
) -> Mapping[str, Sequence[str]]:
    def digest(questions: Sequence[Question]) -> str:
        return digest_of([[q.id, q.text, list(q.references), list(q.gold_document_ids)] for q in questions])

    depends_on = {
        "version": leakage.VERSION,
        "pairs": digest(pairs),
        "evaluation": digest(evaluation),
        "encoder": encoder.identity if encoder else None,
    }

    def search(folder: Path) -> None:
        encode = encoder.open().encode if encoder else None
        kinds_by_question = leakage.radar(pairs, evaluation, encode)
        (folder / "leakage.json").write_text(json.dumps(kinds_by_question), encoding="utf-8")

    folder = build_once(resources.cache, "leakage", depends_on, search)
    kinds_by_question: dict[str, list[str]] = json.loads((folder / "leakage.json").read_text(encoding="utf-8"))
    return kinds_by_question
