"""The values that pass between stages: frozen, plain, and none of them knows where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple

__all__ = [
    "Answer",
    "Arm",
    "Decoding",
    "Document",
    "Fact",
    "Failure",
    "JudgeItem",
    "Message",
    "OptionRequest",
    "OptionScores",
    "Passage",
    "Query",
    "Question",
    "Request",
    "Score",
    "Span",
    "StopReason",
    "TaskPlan",
    "fields_of",
]


def fields_of(record: Any) -> dict[str, Any]:
    """A record of this module as a dictionary, its values as they are. `dataclasses.asdict` copies every value that it
    finds, however deep: of the flat records, of which there are many, that is most of the work."""
    reader = _READERS.get(type(record))
    if reader is None:
        names = tuple(each.name for each in fields(record))
        reader = _READERS[type(record)] = (names, attrgetter(*names))  # gives a tuple: every record has two fields
    names, values = reader
    return dict(zip(names, values(record), strict=True))


_READERS: dict[type, tuple[tuple[str, ...], Callable[[object], tuple[Any, ...]]]] = {}


class Arm(StrEnum):
    """How passages reach the prompt."""

    RAG = "rag"
    CLOSED_BOOK = "closed_book"
    ORACLE = "oracle"


class Span(NamedTuple):
    """A stretch of a document, in code points: `document.text[start:end]`."""

    document_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One item of a corpus, whole."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of a document, ranked for one question. `rank` starts at 1; a larger `score` is better."""

    document_id: str
    start: int
    end: int
    title: str
    text: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Fact:
    """One atomic fact that an answer may state: a value of a known kind, as the synthetic world knows it. Without a
    `value` it describes what an unanswerable question asks for.

    `alternatives` are the other values that this kind can take where they are a closed list (for `term`, the whole
    list; for `choice`, what it was chosen from); a number, a date or a name is recognised by its form instead.
    """

    id: str
    kind: str
    value: str
    statement: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One row of a task. `cluster` names what it shares with other questions (such as its paper): uncertainty is over
    clusters. `facts` are what a complete answer states; `side_facts` are true and may be stated as well. `replaced`
    are what `facts` were, one for one, in the documents of which a twin's documents are the counterfactual. `row` is
    the data set's own row, for templates."""

    id: str
    text: str
    references: tuple[str, ...]
    gold_document_ids: tuple[str, ...] = ()
    gold_spans: tuple[Span, ...] = ()
    kind: str = ""
    cluster: str = ""
    answerable: bool = True
    facts: tuple[Fact, ...] = ()
    side_facts: tuple[Fact, ...] = ()
    replaced: tuple[Fact, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """What a retriever is asked. `within` limits it to these documents (`scope: document`), None to none; the gold
    fields are for the oracle arm alone and never reach a real retriever's ranking."""

    text: str
    within: tuple[str, ...] | None = None
    gold_document_ids: tuple[str, ...] = ()
    gold_spans: tuple[Span, ...] = ()


class Message(NamedTuple):
    """A turn of a chat: role `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How an answer is decoded. `temperature` 0 is greedy; then `top_p` and the seed do not matter."""

    max_gen_toks: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    until: tuple[str, ...] = ()

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """What a run does with a task: all that its entry says, as plain values, with arm, limit and seed."""

    task: str
    alias: str
    version: float
    split: str
    doc_to_text: str
    doc_to_target: str
    system_instruction: str | None
    within_document: bool
    top_k: int
    max_references: int | None
    decoding: Decoding
    metrics: tuple[str, ...]
    arm: Arm = Arm.RAG
    limit: int | None = None
    seed: int = 0


class StopReason(StrEnum):
    EOS = "eos"
    """The model ended its answer itself."""
    LIMIT = "limit"
    """`max_gen_toks` ended the answer: it is truncated."""
    UNTIL = "until"
    """A stop string of the task ended it."""
    WINDOW = "window"
    """The prompt does not fit the model's window even without passages: nothing was generated."""
    FAILED = "failed"
    """The request failed, however often it was tried: there is no answer, and the next run asks again."""


@dataclass(frozen=True, slots=True)
class Request:
    """One generation. `prompt` is final: after the chat template, BOS included where the model wants one.
    `prompt_tokens` is its length as the adapter counted it."""

    key: str
    prompt: str
    prompt_tokens: int
    decoding: Decoding
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to the request with that key. `reason`: why there is none, of a request that failed."""

    key: str
    text: str
    stop_reason: StopReason
    prompt_tokens: int
    answer_tokens: int
    reason: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether there is no answer, not even an empty one."""
        return self.stop_reason in (StopReason.WINDOW, StopReason.FAILED)


@dataclass(frozen=True, slots=True)
class Failure:
    """What comes of a request, or of a judge's item, in place of its answer when asking failed for this one alone.
    It is not stored, so it is asked again."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class OptionRequest:
    """Asks for the log-probability of each option as the next text after a final prompt."""

    key: str
    prompt: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptionScores:
    """The natural-log probability of each option, by option; one that is not one token after the prompt is left
    out."""

    key: str
    logprobs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """One score to be given: of one answer, for one criterion, in one repeat. `reference` is the task's target;
    `other_references` are the question's further ones, any of which an answer may agree with instead."""

    key: str
    question: Question
    reference: str
    answer: str
    passages: tuple[Passage, ...]
    criterion: str
    repeat: int
    other_references: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """All of them, the target first."""
        return (self.reference, *self.other_references)


@dataclass(frozen=True, slots=True)
class Score:
    """What a judge gives one answer for one criterion in one repeat. `value` None: unscored, and `reason` says why.
    `window`: of the judge's model, where the prompt did not fit it or the answer was truncated for it; another window
    gives another score. `members`: of a panel's score, the keys of the scores that it is made of. `failed`: the judge
    could not be asked; such a score is not stored, so it is asked for again."""

    key: str
    criterion: str
    repeat: int
    value: float | None
    reason: str = ""
    reply: str = ""
    window: int | None = None
    members: tuple[str, ...] = ()
    failed: bool = False
