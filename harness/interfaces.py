"""The seams. Each has a fake that ships with the product, so that everything runs in seconds without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.files import JsonObject
from harness.records import (
    Answer,
    Document,
    Failure,
    JudgeItem,
    Message,
    OptionRequest,
    OptionScores,
    Passage,
    Query,
    Question,
    Request,
    Score,
)

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "Description",
    "Encoder",
    "Gated",
    "Identity",
    "Judge",
    "ModelAdapter",
    "OptionScorer",
    "Panel",
    "Progress",
    "Retriever",
    "SingleJudge",
    "Source",
    "Trainable",
    "Usage",
    "Weights",
]

Identity = Mapping[str, object]
"""All that a result of this part depends on, as plain JSON values. It is hashed into keys and printed in manifests,
so it holds digests and settings, never a path or a time."""
Description = Mapping[str, object]
"""What people are shown of a part: names, paths, arguments, licence. No result depends on it."""
Usage = Mapping[str, float]
"""What was used and paid for in this process, for the manifest; empty where nothing is counted."""


class Source(Protocol):
    """Where documents and questions come from."""

    @property
    def identity(self) -> Identity:
        """Holds at least `corpus` and `questions`: digests of the content."""

    def documents(self) -> Iterator[Document]:
        """All documents, each once."""

    def questions(self, split: str) -> Sequence[Question]:
        """The questions of a split, in the order in which `--limit` takes them."""


class Retriever(Protocol):
    """Ranks chunks of a corpus."""

    @property
    def identity(self) -> Identity:
        """Ranking, its settings, the chunking and the corpus."""

    @property
    def index_digests(self) -> Mapping[str, str]:
        """Digests of the files that passages come from, by their place in the cache; of those that are there. Raises
        `StorageError` when they have changed since they were opened."""

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        """For each query at most `top_k` passages, best first; equal scores in order of document id and offset."""


class Encoder(Protocol):
    """A sentence encoder: texts to unit vectors, float32 (texts, dimensions)."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """One row for each text."""


class Weights(Protocol):
    """Where a model's weights come from: the hub, a folder, a file in a package."""

    @property
    def label(self) -> str:
        """What people call it: the repository, the folder, the file."""

    @property
    def identity(self) -> Identity:
        """A digest or a pinned revision of the files."""

    @property
    def trust_remote_code(self) -> bool:
        """Whether Python code that the files bring may be run; it is part of the identity then."""

    def folder(self) -> Path:
        """The files in the hub's layout, fetched or converted if need be."""


class ModelAdapter(Protocol):
    """A model that answers. Nothing heavy happens before `generate` or `count_tokens` is called."""

    @property
    def name(self) -> str:
        """The entry's name, or what the user called it."""

    @property
    def identity(self) -> Identity:
        """Weights, checkpoint, engine and every argument that changes results, the window included."""

    @property
    def answer_identity(self) -> Identity:
        """What of the identity an answer to a final prompt depends on: all but the window, which decides what the final
        prompt is."""

    @property
    def description(self) -> Description:
        """Name, paths, arguments and licence, for the manifest."""

    @property
    def usage(self) -> Usage:
        """Tokens and dollars, where a provider counts them."""

    @property
    def window(self) -> int:
        """Tokens that prompt and answer may have together."""

    @property
    def weights_key(self) -> str:
        """Names what is in memory when this adapter works: adapters with the same key share it."""

    @property
    def streams(self) -> bool:
        """Whether `generate` takes any number of requests and yields each answer when it arrives; else it wants them
        in batches."""

    @property
    def fixed_batch_size(self) -> int | None:
        """The batch size that the entry or the user set; None where it is to be measured."""

    @property
    def training_record(self) -> JsonObject:
        """The manifest of the training that made this checkpoint; empty for a base, and for a checkpoint that was not
        trained by `harness finetune`."""

    def prepare(self) -> None:
        """Fetches and checks what will be needed, so that what is missing is known before work begins. Raises
        `MissingPart`, and `CheckpointMismatch` for a LoRA checkpoint that does not pass the gate."""

    def format_prompt(self, messages: Sequence[Message], reply_prefix: str = "") -> str:
        """The final prompt, in the model's own chat form, BOS included where the model wants one; `reply_prefix` is
        what the model's reply is made to begin with."""

    def count_tokens(self, prompts: Sequence[str]) -> list[int]:
        """Tokens of each prompt as this model reads it."""

    def batch_size(self, requests: Sequence[Request]) -> int:
        """How many requests one call of `generate` should get, measured on these."""

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer | Failure]:
        """Streams answers in any order, each with its request's key. Raises `HarnessError` when no further request
        would fare better, after what had arrived."""

    def close(self) -> None:
        """Frees the weights; the next `generate` loads them again."""


@runtime_checkable
class Trainable(ModelAdapter, Protocol):
    """A base model that LoRA checkpoints can be trained on. Prompts in training are those of evaluation."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The base's tokenizer."""

    @property
    def tokenizer_record(self) -> JsonObject:
        """What of the tokenizer must be the same in training and evaluation."""

    @property
    def has_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""

    @property
    def prompt_start_ids(self) -> list[int]:
        """The first two token ids of an encoded prompt: a doubled BOS shows there."""

    def completion(self, answer: str) -> str:
        """What follows a prompt in training: the answer, ended by the token that ends a turn."""

    def encode_pair(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        """Token ids of both; those of the prompt are the ones that it has in evaluation."""

    def load_base(self) -> PreTrainedModel:
        """The base, freshly loaded."""


@runtime_checkable
class Gated(Protocol):
    """A model that can report what is wrong with its LoRA checkpoint."""

    def faults(self) -> list[str]:
        """A phrase for each fault; none for a checkpoint that passes, and for a base."""


@runtime_checkable
class OptionScorer(Protocol):
    """A model that can give the probability of a next text."""

    def score_options(self, requests: Sequence[OptionRequest]) -> Iterator[OptionScores | Failure]:
        """Streams what is asked for in any order, as `generate` does."""


class Judge(Protocol):
    """Gives scores: a `SingleJudge` or a `Panel`."""

    @property
    def name(self) -> str:
        """The entry's name."""

    @property
    def identity(self) -> Identity:
        """Kind, settings, texts and the identity of its model."""

    @property
    def criteria(self) -> tuple[str, ...]:
        """What it scores, in the order in which it is asked."""

    @property
    def repeats(self) -> int:
        """How often it scores each answer by each criterion."""

    @property
    def scale(self) -> tuple[int, int]:
        """The lowest and the highest score."""

    @property
    def sees_passages(self) -> bool:
        """Whether its scores depend on the passages."""

    @property
    def asks_model(self) -> bool:
        """Whether scores are asked of a language model, which takes time or money."""

    @property
    def max_unscored(self) -> float:
        """Share of unscored repeats over which the run calls its judge broken."""

    @property
    def usage(self) -> Usage:
        """Of the judge's model."""

    def depends_on(self, item: JudgeItem) -> Identity:
        """What of an item this judge's score depends on: with the judge's identity, the criterion and the repeat it
        makes the score's key."""

    def prepare(self) -> None:
        """As `ModelAdapter.prepare`."""

    def close(self) -> None:
        """Frees the judge's model."""


@runtime_checkable
class SingleJudge(Judge, Protocol):
    """A judge that reads answers."""

    def batch_size(self, items: Sequence[JudgeItem]) -> int | None:
        """How many items one call of `judge` should get; None: any number, each score comes when it is there."""

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score | Failure]:
        """Streams scores in any order, one for each item."""


@runtime_checkable
class Panel(Judge, Protocol):
    """A judge whose score is made of other judges' scores."""

    @property
    def members(self) -> Sequence[Judge]:
        """The judges whose scores it combines."""

    def combine(self, item: JudgeItem, values: Sequence[float | None]) -> Score:
        """The panel's score from its members' mean scores, in their order; None for a member that gave none."""


@runtime_checkable
class Windowed(Protocol):
    """A judge whose model has a window: scores that depend on it (`Score.window`) hold for that window alone."""

    @property
    def window(self) -> int | None:
        """Tokens that prompt and reply may have together; None: of a judge without a model."""

    @property
    def window_setting(self) -> Identity:
        """What of the model's identity is its window, where its entry sets one; the judge's identity is without."""


class Progress(Protocol):
    """Hears how far a stage is; the console draws it, a test ignores it."""

    def start(self, stage: str, total: int, done: int = 0) -> None:
        """A stage begins, `done` of its `total` items being in the store already."""

    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None:
        """`detail` is shown beside the rates: the loss, in training."""

    def finish(self) -> None:
        """The stage ends."""

    def note(self, text: str) -> None:
        """A line that the user should see."""
