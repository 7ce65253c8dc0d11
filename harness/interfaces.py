"""The seams. Each has a fake that ships with the product, so that everything runs in seconds without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from harness.records import (
    Answer,
    Document,
    JudgeItem,
    Message,
    OptionRequest,
    Passage,
    Query,
    Question,
    Request,
    Verdict,
)

__all__ = [
    "Identity",
    "Judge",
    "ModelAdapter",
    "OptionScorer",
    "Panel",
    "Progress",
    "Retriever",
    "SingleJudge",
    "Source",
]

Identity = Mapping[str, Any]
"""All that a result of this part depends on, as plain JSON values. It is hashed into keys and printed in manifests,
so it holds digests and settings, never a path or a time."""


class Source(Protocol):
    """Where documents and questions come from."""

    @property
    def identity(self) -> Identity:
        """Holds at least `corpus` and `questions`: digests of the content."""

    def documents(self) -> Iterator[Document]: ...

    def questions(self, split: str) -> Sequence[Question]:
        """The questions of a split, in the order in which `--limit` takes them."""


class Retriever(Protocol):
    """Ranks chunks of a corpus."""

    @property
    def identity(self) -> Identity: ...

    def search(self, queries: Sequence[Query], top_k: int) -> list[list[Passage]]:
        """For each query at most `top_k` passages, best first; equal scores in order of document id and offset."""


class ModelAdapter(Protocol):
    """A model that answers. Nothing heavy happens before `generate` or `count_tokens` is called."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> Identity: ...

    @property
    def description(self) -> Mapping[str, Any]:
        """For people and manifests: engine, arguments, licence."""

    @property
    def usage(self) -> Mapping[str, float]:
        """What was used and paid for in this process, for the manifest; empty where nothing is counted."""

    @property
    def window(self) -> int:
        """Tokens that prompt and answer may have together."""

    @property
    def loads(self) -> str:
        """What is in memory when this adapter works: adapters with the same text share it."""

    @property
    def fixed_batch_size(self) -> int | None:
        """The batch size that the entry or the user set; None where it is to be measured."""

    def prepare(self) -> None:
        """Fetches what will be needed, so that what is missing is known before work begins. Raises `MissingPart`."""

    def format_prompt(self, messages: Sequence[Message], reply_prefix: str = "") -> str:
        """The final prompt, in the model's own chat form, BOS included where the model wants one; `reply_prefix` is
        what the model's reply is made to begin with."""

    def count_tokens(self, prompts: Sequence[str]) -> list[int]: ...

    def batch_size(self, requests: Sequence[Request]) -> int:
        """How many requests one call of `generate` should get, measured on these."""

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Streams answers in any order, each with its request's key."""

    def close(self) -> None:
        """Frees the weights; the next `generate` loads them again."""


@runtime_checkable
class OptionScorer(Protocol):
    """A model that can say how likely a given next text is."""

    def score_options(self, requests: Sequence[OptionRequest]) -> list[dict[str, float]]:
        """Natural-log probability of each option, by option. An option that is not one token after the prompt is
        left out."""


class Judge(Protocol):
    """Gives marks: a `SingleJudge` or a `Panel`."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> Identity: ...

    @property
    def criteria(self) -> tuple[str, ...]: ...

    @property
    def repeats(self) -> int: ...

    @property
    def max_unscored(self) -> float:
        """Share of unscored verdicts over which the run calls its judge broken."""

    @property
    def usage(self) -> Mapping[str, float]:
        """As `ModelAdapter.usage`, of the judge's model."""

    def depends_on(self, item: JudgeItem) -> Mapping[str, Any]:
        """What of an item this judge's mark depends on, as plain JSON values: with the judge's identity, the
        criterion and the repeat it makes the verdict's key."""

    def prepare(self) -> None:
        """As `ModelAdapter.prepare`."""

    def close(self) -> None: ...


@runtime_checkable
class SingleJudge(Judge, Protocol):
    """A judge that reads answers."""

    def batch_size(self, items: Sequence[JudgeItem]) -> int: ...

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Verdict]: ...


@runtime_checkable
class Panel(Judge, Protocol):
    """A judge whose mark is made of other judges' marks."""

    @property
    def members(self) -> Sequence[Judge]: ...

    def combine(self, item: JudgeItem, marks: Sequence[float | None]) -> Verdict:
        """The panel's verdict from its members' mean marks, in their order; None for a member that gave none."""


class Progress(Protocol):
    """Told how far a stage is; the console draws it, a test ignores it."""

    def start(self, stage: str, total: int, done: int = 0) -> None:
        """A stage begins, `done` of its `total` items being in the store already."""

    def advance(self, items: int, tokens: int = 0, said: str = "") -> None:
        """`said` is shown beside the rates: the loss, in training."""

    def finish(self) -> None: ...

    def note(self, text: str) -> None:
        """A line that the user should see."""
