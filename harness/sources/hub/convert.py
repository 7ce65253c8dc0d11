"""Fetches a hub data set and writes it as a data pack, once, under a key of commit and reader.

Rows are read by `datasets`, streamed in small batches: a page of Natural Questions with its HTML is over a megabyte,
and a row group of a thousand of them would fill the memory of a small machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from harness.cache import build_once
from harness.errors import DataError
from harness.extras import require
from harness.files import JsonObject
from harness.hub import Repository
from harness.interfaces import Progress
from harness.sources.hub.readers import READERS, Reader

__all__ = ["ABOUT", "hub_pack"]

ABOUT = "source.json"
_BATCH = 16  # rows read at a time


def hub_pack(repository: str, revision: str, reader_name: str, cache: Path, progress: Progress) -> Path:
    """The folder of the data pack. Raises `HubError` when it cannot be fetched, `DataError` when it is not what the
    reader knows."""
    reader = READERS[reader_name]
    patterns = [pattern for part_patterns in reader.files.values() for pattern in part_patterns]
    fetched = Repository(repository, revision, "dataset", progress.note).snapshot(patterns)
    depends_on: dict[str, str | int] = {
        "repository": repository,
        "commit": fetched.commit,
        "reader": reader_name,
        "version": reader.version,
    }

    def build(folder: Path) -> None:
        _write_pack(folder, fetched.folder, reader, depends_on, progress)

    return build_once(cache, "packs", depends_on, build)


def _label(about: Mapping[str, str | int]) -> str:
    return f"{about['repository']}@{str(about['commit'])[:8]}"


def _write_pack(folder: Path, files: Path, reader: Reader, about: Mapping[str, str | int], progress: Progress) -> None:
    written = {"document": 0, "question": 0}
    progress.start("read", 0)
    with (
        (folder / "corpus.jsonl").open("w", encoding="utf-8") as corpus,
        (folder / "qa.jsonl").open("w", encoding="utf-8") as questions,
    ):
        streams: dict[str, TextIO] = {"document": corpus, "question": questions}

        def put(kind: str, row: JsonObject) -> None:
            streams[kind].write(json.dumps(row, ensure_ascii=False) + "\n")
            written[kind] += 1

        try:
            left_out = reader.read(lambda part: _rows(files, reader, part, about), put)
        except (KeyError, TypeError, IndexError) as error:
            raise DataError(
                f"{_label(about)}: rows are not as the reader {about['reader']} knows them "
                f"({type(error).__name__}: {error}); has the data set changed?"
            ) from error
    progress.finish()
    if not written["question"]:
        raise DataError(f"{_label(about)}: no question in it could be used")
    left = ", ".join(f"{count} {what}" for what, count in left_out.items() if count)
    progress.note(
        f"{_label(about)}: {written['document']} documents, {written['question']} questions"
        + (f"; left out: {left}" if left else "")
    )
    record = {**about, **written, "left_out": left_out}
    (folder / ABOUT).write_text(json.dumps(record, indent=1, sort_keys=True), encoding="utf-8")


def _rows(files: Path, reader: Reader, part: str, about: Mapping[str, str | int]) -> Iterable[JsonObject]:
    """The rows of a part, in the order of its files. The first pattern that matches anything counts."""
    paths = next((hits for pattern in reader.files[part] if (hits := sorted(files.glob(pattern)))), [])
    if not paths:
        raise DataError(f"{_label(about)}: has no files for its part {part!r}")
    datasets = require("datasets")
    options = {"columns": list(reader.columns)} if reader.columns else {}
    stream: Iterable[JsonObject] = datasets.load_dataset(
        "parquet",
        data_files={part: [str(path) for path in paths]},
        split=part,
        streaming=True,
        batch_size=_BATCH,
        **options,
    )
    return stream
