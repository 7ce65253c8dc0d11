"""Tasks and groups of tasks: where documents and questions come from, how passages are found, what is asked.

Keys follow lm-evaluation-harness where the idea is the same; `docs/add-a-task.md` explains them by example.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.entries.parts import (
    DecodingEntry,
    EncoderEntry,
    Metadata,
    Name,
    Names,
    Part,
    Positive,
    Revision,
    Whole,
    template,
)
from harness.measures import ANSWER_METRICS
from harness.prompts import preset, uses

__all__ = [
    "AggregateEntry",
    "Bm25Entry",
    "DenseEntry",
    "FinetuneEntry",
    "GroupEntry",
    "HubEntry",
    "HybridEntry",
    "RankBm25Entry",
    "RetrievalEntry",
    "RetrieverEntry",
    "SourceEntry",
    "TaskEntry",
    "WorldEntry",
]

# ---- where documents and questions come from ------------------------------------------------------------------------


class WorldEntry(Part):
    """A synthetic world, made from a seed, instead of a data set. `kind` is its domain."""

    kind: Literal["telecom", "library"]
    documents: Annotated[int, Field(ge=50, le=1_000_000)] = 300
    questions: Positive = 1_600
    seed: Whole = 0
    twins: bool = False
    """Ask the fine-tuning pool's questions about documents in which the facts asked for have other values."""


class HubEntry(Part):
    """A data set of the Hugging Face hub. `reader` None: it is read from data packs alone."""

    dataset_path: str
    revision: Revision
    reader: Literal["rag-mini-bioasq", "qasper", "natural-questions"] | None = None


SourceEntry = WorldEntry | HubEntry


# ---- retrieval ------------------------------------------------------------------------------------------------------


class Bm25Entry(Part):
    kind: Literal["bm25"]
    variant: Literal["lucene", "robertson", "atire", "bm25l", "bm25+"] = "lucene"
    k1: Annotated[float, Field(gt=0)] = 1.5
    b: Annotated[float, Field(ge=0, le=1)] = 0.75
    delta: Annotated[float, Field(ge=0)] = 0.5


class RankBm25Entry(Part):
    kind: Literal["rank_bm25"]
    variant: Literal["okapi", "bm25l", "bm25+"] = "okapi"
    k1: Annotated[float, Field(gt=0)] = 1.5
    b: Annotated[float, Field(ge=0, le=1)] = 0.75
    delta: Annotated[float, Field(ge=0)] = 0.5


class DenseEntry(Part):
    kind: Literal["dense"]
    encoder: EncoderEntry
    index: Literal["flat", "hnsw", "ivf"] = "flat"
    """`flat` is exact inner product; `hnsw` and `ivf` trade exactness for speed on large corpora."""


class HybridEntry(Part):
    kind: Literal["hybrid"]
    parts: Annotated[list[RetrieverEntry], Field(min_length=2)]
    depth: Positive = 100
    """How many of each part's ranks are fused."""
    rrf_k: Positive = 60


RetrieverEntry = Annotated[Bm25Entry | RankBm25Entry | DenseEntry | HybridEntry, Field(discriminator="kind")]


class RetrievalEntry(Part):
    retriever: RetrieverEntry
    chunk_chars: Annotated[int, Field(ge=50, le=1_000_000)] = 1_500
    chunk_overlap: Whole = 0
    top_k: Positive = 5
    scope: Literal["corpus", "document"] = "corpus"

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> RetrievalEntry:
        if self.chunk_overlap >= self.chunk_chars:
            raise ValueError("chunk_overlap must be smaller than chunk_chars, or no chunk ever ends")
        return self


# ---- tasks ----------------------------------------------------------------------------------------------------------


class MetricEntry(Part):
    metric: Literal[ANSWER_METRICS]  # type: ignore[valid-type]


class FinetuneEntry(Part):
    """Which questions are kept for training and never evaluated on."""

    pool: Whole = 1_000
    sizes: list[Positive] = [200, 500, 1_000]
    seed: Whole = 0
    corpus_excludes: Literal["nothing", "finetune_documents"] = "nothing"
    """`finetune_documents`: what answers the pool's questions and no evaluated one is not in the corpus, as in the
    study."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> FinetuneEntry:
        if self.sizes and max(self.sizes) > self.pool:
            raise ValueError(f"a size of {max(self.sizes)} does not fit a pool of {self.pool}")
        return self


class TaskEntry(Part):
    task: Name
    task_alias: str | None = None
    tag: Names | None = None
    description: str
    world: WorldEntry | None = None
    dataset_path: str | None = None
    dataset_name: str | None = None
    revision: Revision | None = None
    reader: Literal["rag-mini-bioasq", "qasper", "natural-questions"] | None = None
    """How the hub's rows become documents and questions; without one the task is read from data packs alone."""
    test_split: str = "evaluation"
    training_split: str = "finetune"
    retrieval: RetrievalEntry
    system_instruction: template("system_instruction") | None = None  # type: ignore[valid-type]
    doc_to_text: template("doc_to_text")  # type: ignore[valid-type]
    abstention: Annotated[str, Field(min_length=1)] | None = None
    """What to answer where the passages do not hold the answer, as the data set's own references say it; `doc_to_text`
    tells the model. None: the model is told nothing of it."""
    doc_to_target: template("doc_to_target") = "{{ references[0] }}"  # type: ignore[valid-type]
    """The one reference that a judge sees."""
    doc_to_cluster: template("doc_to_cluster") = "{{ doc.id }}"  # type: ignore[valid-type]
    """What makes items dependent: items with the same text here are resampled together."""
    clusters: Literal["doc_to_cluster", "gold_documents"] = "doc_to_cluster"
    """`gold_documents`: items that share a gold document, directly or through others, are resampled together too."""
    max_references: Positive | None = None
    """How many references metrics compare with, the first ones; default: all."""
    generation_kwargs: DecodingEntry = DecodingEntry()
    metric_list: Annotated[list[MetricEntry], Field(min_length=1)]
    judge: Name
    finetune: FinetuneEntry = FinetuneEntry()
    checkpoints_of: Name | None = None
    """The task whose checkpoints are evaluated, where not the task's own; then none are trained on this one."""
    deviations: list[template("deviation")] = []  # type: ignore[valid-type]
    """Sentences on where the task differs from what it reproduces; counts of the data are slots."""
    licence: str
    citation: str
    metadata: Metadata

    @model_validator(mode="after")
    def _one_source(self) -> TaskEntry:
        if (self.world is None) == (self.dataset_path is None):
            raise ValueError("set either `dataset_path` (a hub data set) or `world` (a synthetic one)")
        if self.dataset_path is not None and self.revision is None:
            raise ValueError("a hub data set needs its `revision` (40 hex digits), or results change under its name")
        return self

    @model_validator(mode="after")
    def _abstention_is_told(self) -> TaskEntry:
        if self.abstention is not None and not uses(self.doc_to_text, "abstention"):
            raise ValueError("abstention: doc_to_text does not use {{ abstention }}, so the model is never told")
        return self

    @property
    def checkpoint_task(self) -> str:
        """What `{task}` in a LoRA checkpoint's path becomes."""
        return self.checkpoints_of or self.task

    @property
    def prompt_template(self) -> str:
        """`doc_to_text` with the task's `abstention`, if it has one. In that of another task, `abstention is defined`
        is false."""
        return self.doc_to_text if self.abstention is None else preset(self.doc_to_text, "abstention", self.abstention)

    @property
    def source(self) -> SourceEntry:
        """The one source that the entry names."""
        if self.world is not None:
            return self.world
        return HubEntry(dataset_path=self.dataset_path or "", revision=self.revision or "", reader=self.reader)


class AggregateEntry(Part):
    metric: str
    aggregation: Literal["mean"] = "mean"
    weight_by_size: bool = False


class GroupEntry(Part):
    group: Name
    group_alias: str | None = None
    description: str = ""
    task: Names
    aggregate_metric_list: list[AggregateEntry] = []
    metadata: Metadata
