"""A synthetic world out of the cache. Questions and digests are kept there, since every run of a task needs them;
documents are made again by whoever asks for them, which is only who builds an index.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.cache import build_once
from harness.digests import digest_of_file
from harness.errors import DataError
from harness.files import JsonObject, json_lines
from harness.interfaces import Identity
from harness.records import Document, Fact, Question, Span, fields_of
from harness.sources.world.lexicon import EVALUATION, FINETUNE
from harness.sources.world.source import SyntheticWorld

__all__ = ["KeptWorld", "kept_world"]

_IDENTITY = "identity.json"
_FACTS = ("facts", "side_facts", "replaced")


class KeptWorld:
    """The world that `make` makes, as far as `folder` holds it."""

    def __init__(self, folder: Path, make: Callable[[], SyntheticWorld]) -> None:
        self._folder, self._make = folder, make
        self._questions: dict[str, list[Question]] = {}

    @cached_property
    def _world(self) -> SyntheticWorld:
        return self._make()

    @cached_property
    def identity(self) -> Identity:
        identity: JsonObject = json.loads((self._folder / _IDENTITY).read_text(encoding="utf-8"))
        return identity

    def documents(self) -> Iterator[Document]:
        return self._world.documents()

    def questions(self, split: str) -> Sequence[Question]:
        if split not in self._questions:
            file = self._folder / f"{split}.jsonl"
            if split not in (EVALUATION, FINETUNE) or not file.is_file():
                return self._world.questions(split)  # which says why there are none
            self._questions[split] = list(_read(file))
        return self._questions[split]


def kept_world(cache: Path, make: Callable[[], SyntheticWorld], settings: JsonObject) -> KeptWorld:
    """The world of these settings, made now if the cache has none that today's code made. Raises what `make` raises,
    and `DataError` when there are not so many questions to evaluate on."""

    def build(folder: Path) -> None:
        world = make()
        _write(folder / f"{EVALUATION}.jsonl", world.questions(EVALUATION))
        with suppress(DataError):  # a task may be evaluated without its pool
            _write(folder / f"{FINETUNE}.jsonl", world.questions(FINETUNE))
        (folder / _IDENTITY).write_text(json.dumps(world.identity), encoding="utf-8")

    return KeptWorld(build_once(cache, "worlds", {"format": 1, "code": _code(), "settings": settings}, build), make)


def _code() -> dict[str, str]:
    """A digest of each file that makes worlds: whoever changes one and forgets its version gets a new world all the
    same."""
    package = Path(__file__).parent
    return {str(file.relative_to(package)): digest_of_file(file) for file in sorted(package.rglob("*.py"))}


def _write(file: Path, questions: Sequence[Question]) -> None:
    with file.open("w", encoding="utf-8") as stream:
        for question in questions:
            facts = {name: list(map(fields_of, getattr(question, name))) for name in _FACTS}
            row = json.dumps({**fields_of(question), **facts}, ensure_ascii=False)
            stream.write(f"{row}\n")


def _read(file: Path) -> Iterator[Question]:
    lists: dict[tuple[str, ...], tuple[str, ...]] = {}  # facts of one kind share what else they could be

    def fact_of(fields: JsonObject) -> Fact:
        alternatives = tuple(fields["alternatives"])
        return Fact(**{**fields, "alternatives": lists.setdefault(alternatives, alternatives)})

    for fields in json_lines(file):
        made: dict[str, Any] = {name: tuple(fields[name]) for name in ("references", "gold_document_ids")}
        made |= {name: tuple(map(fact_of, fields[name])) for name in _FACTS}
        made["gold_spans"] = tuple(Span(*span) for span in fields["gold_spans"])
        yield Question(**{**fields, **made})
