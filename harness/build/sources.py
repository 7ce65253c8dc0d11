"""Sources: documents and questions of a task, from the hub, a data pack or a synthetic world."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import assert_never

from harness.build.resources import Resources
from harness.entries.task import HubEntry, TaskEntry, WorldEntry
from harness.errors import HarnessError, MissingPart
from harness.files import JsonObject
from harness.interfaces import Source
from harness.prompts import render
from harness.records import Question
from harness.sources.excluding import without_finetune_documents
from harness.sources.hub.convert import hub_pack
from harness.sources.pack import DataPack
from harness.sources.sharing import Sharing
from harness.sources.world.kept import kept_world
from harness.sources.world.source import SyntheticWorld

__all__ = ["build_hub_pack", "build_source", "pool_of", "whole_source"]


def build_source(entry: TaskEntry, data: Path | None, resources: Resources) -> Source:
    """The data pack where one is given, else what the entry names; less what `corpus_excludes` says."""
    source = whole_source(entry, data, resources)
    if entry.finetune.corpus_excludes == "nothing":
        return source
    return without_finetune_documents(source, entry.training_split, entry.test_split)


def pool_of(entry: TaskEntry, source: Source) -> Sequence[Question]:
    """The questions to train on; empty of other data, without a pool."""
    try:
        return source.questions(entry.training_split)
    except HarnessError:
        return ()


def whole_source(entry: TaskEntry, data: Path | None, resources: Resources) -> Source:
    """With every document, as training needs it: its gold passages are among those that evaluation leaves out."""
    if data is not None:
        return _pack(entry, data)
    match entry.source:
        case WorldEntry() as world:
            return _world(world, entry.finetune.pool, resources.cache)
        case HubEntry():
            return _pack(entry, build_hub_pack(entry, resources))
        case unknown:
            assert_never(unknown)


def _pack(entry: TaskEntry, folder: Path) -> Source:
    def cluster_of(row: JsonObject) -> str:
        return render(entry.doc_to_cluster, doc=row, question=row["question"])

    splits = (entry.training_split, entry.test_split)
    pack = DataPack(folder, cluster_of, splits, entry.finetune.pool, entry.finetune.seed)
    return Sharing(pack) if entry.clusters == "gold_documents" else pack


def build_hub_pack(entry: TaskEntry, resources: Resources) -> Path:
    """The task's hub data set as a data pack in the cache. Raises `MissingPart` when the entry has no reader."""
    source = entry.source
    if not isinstance(source, HubEntry) or source.reader is None:
        raise MissingPart(f"task {entry.task}: has no `reader` for the hub; pass a data pack: --data DIR")
    return hub_pack(source.dataset_path, source.revision, source.reader, resources.cache, resources.progress)


@lru_cache(maxsize=4)
def _world(entry: WorldEntry, pool: int, cache: Path) -> Source:
    """Kept, so that several models and arms of one command share one world."""

    def make() -> SyntheticWorld:
        return SyntheticWorld(entry.kind, entry.documents, entry.questions, pool, entry.seed, twin=entry.twins)

    return kept_world(cache, make, {**entry.model_dump(), "pool": pool})
