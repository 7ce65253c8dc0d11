"""The stages of a run. Each looks in the store first and computes what is missing: batch by batch, storing each batch,
or, for a model or judge that streams, all at once, storing each record when it arrives.

    retrieve  question            -> passages
    fit       question, passages  -> final prompt (whole passages dropped from the last rank up until it fits)
    answer    final prompts       -> answers

The last one, answers -> scores, is `scoring.py`.

The functions whose names begin with `keys_of` hold what a record depends on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from harness.digests import DigestTemplate, canonical, digest_of, seed_of
from harness.errors import HarnessError
from harness.fitting import FittedPrompt, fit_prompts
from harness.interfaces import Identity, ModelAdapter, Progress, Retriever
from harness.records import (
    Answer,
    Arm,
    Failure,
    Passage,
    Query,
    Question,
    Request,
    StopReason,
    TaskPlan,
    fields_of,
)
from harness.shapes import converted
from harness.store import Kind, Store

__all__ = ["Stage", "answer", "complete", "fit", "parse", "planned_size", "reasons_line", "retrieve"]

PROMPT_FORMAT = 2  # 2: the system instruction is a template too
"""Raise it when the same entry, model and passages would make another final prompt."""

_QUERIES = 64  # queries a batch
_PROMPTS = 64  # prompts a batch of the store
_REASONS = 3  # reasons that a line names


# ---- keys -----------------------------------------------------------------------------------------------------------


def keys_of_passages(retriever: Retriever, queries: Iterable[Query], top_k: int) -> list[str]:
    """The store's key of each query's passages."""
    template = DigestTemplate({"format": 2, "retriever": retriever.identity, "top_k": top_k}, "query")
    return [template.digest(query=canonical(fields_of(query))) for query in queries]


def keys_of_prompts(
    plan: TaskPlan, adapter: ModelAdapter, questions: Sequence[Question], passages: Sequence[Sequence[Passage]]
) -> list[str]:
    """The store's key of each fitted prompt."""
    shared = {
        "format": PROMPT_FORMAT,
        "model": adapter.identity,
        "template": [plan.system_instruction, plan.doc_to_text],
        "answer_tokens": plan.decoding.max_gen_toks,
    }
    template = DigestTemplate(shared, "question", "row", "passages")
    return [
        template.digest(
            question=canonical(question.text),
            row=canonical(digest_of(dict(question.row))),
            passages=canonical([fields_of(passage) for passage in shown]),
        )
        for question, shown in zip(questions, passages, strict=True)
    ]


def keys_of_answers(plan: TaskPlan, adapter: ModelAdapter, prompts: Iterable[str]) -> list[str]:
    """The store's key of the answer to each prompt: a greedy one does not depend on the seed, and none on the window,
    which only decides what the prompt is."""
    seed = None if plan.decoding.greedy else plan.seed
    shared = {"model": adapter.answer_identity, "decoding": fields_of(plan.decoding), "seed": seed, "sample": 0}
    template = DigestTemplate(shared, "prompt")
    return [template.digest(prompt=canonical(prompt)) for prompt in prompts]


# ---- retrieve -------------------------------------------------------------------------------------------------------


def query_of(plan: TaskPlan, question: Question) -> Query:
    """What the retriever is asked for a question: its text, and where to look."""
    oracle = plan.arm == Arm.ORACLE
    return Query(
        text=question.text,
        within=question.gold_document_ids if plan.within_document else None,
        gold_document_ids=question.gold_document_ids if oracle else (),
        gold_spans=question.gold_spans if oracle else (),
    )


def retrieve(
    plan: TaskPlan, questions: Sequence[Question], retriever: Retriever, store: Store, progress: Progress
) -> list[tuple[Passage, ...]]:
    """Passages of each question, from the store or the retriever."""
    queries = [query_of(plan, question) for question in questions]
    keys = keys_of_passages(retriever, queries, plan.top_k)
    query_by_key = dict(zip(keys, queries, strict=True))

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        results = retriever.search([query_by_key[key] for key in batch], plan.top_k)
        index = dict(retriever.index_digests)  # after the search: raises if the index was damaged meanwhile
        for key, passages in zip(batch, results, strict=True):
            yield key, {"passages": [fields_of(passage) for passage in passages], "index": index}

    stage = Stage("retrieve", "passages", keys, _fixed(_QUERIES), compute)
    stored = _retrieved(store, complete(store, stage, progress))
    if outdated := _of_another_index(stored, retriever.index_digests):
        progress.note(f"the index was made anew and is another now: passages of {len(outdated)} questions do not count")
        store.remove("passages", outdated)
        stored = _retrieved(store, complete(store, stage, progress))
    texts: dict[str, str] = {}  # many questions share a passage: its text is in memory once
    for record in stored.values():
        record.passages = [
            each if (text := texts.setdefault(each.text, each.text)) is each.text else replace(each, text=text)
            for each in record.passages
        ]
    return [tuple(stored[key].passages) for key in keys]


@dataclass(slots=True)
class _Retrieved:
    """Passages, and the digests of the index files that they come from."""

    passages: list[Passage]
    index: dict[str, str]


def _retrieved(store: Store, stored: Mapping[str, Record]) -> dict[str, _Retrieved]:
    return {key: parse(store, "passages", _Retrieved, record) for key, record in stored.items()}


def _of_another_index(stored: Mapping[str, _Retrieved], index: Mapping[str, str]) -> list[str]:
    """Keys of passages that come from files with other contents than those in the cache. Files that are not there do
    not count against them: passages are stored only if their files were whole after the search."""
    return [key for key, record in stored.items() if any(index.get(n, d) != d for n, d in record.index.items())]


# ---- fit ------------------------------------------------------------------------------------------------------------


def fit(
    plan: TaskPlan,
    questions: Sequence[Question],
    passages: Sequence[tuple[Passage, ...]],
    adapter: ModelAdapter,
    store: Store,
    progress: Progress,
) -> list[FittedPrompt]:
    """The prompt of each question, with as much of the passages as fits the model's window."""
    keys = keys_of_prompts(plan, adapter, questions, passages)
    input_by_key = dict(zip(keys, zip(questions, passages, strict=True), strict=True))

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        token_budget = adapter.window - plan.decoding.max_gen_toks
        items = [input_by_key[key] for key in batch]
        fitted = fit_prompts(plan.doc_to_text, plan.system_instruction, items, adapter, [token_budget] * len(items))
        for key, prompt in zip(batch, fitted, strict=True):
            yield key, fields_of(prompt)

    stored = complete(store, Stage("prompt", "prompts", keys, _fixed(_PROMPTS), compute), progress)
    return [parse(store, "prompts", FittedPrompt, stored[key]) for key in keys]


# ---- answer ---------------------------------------------------------------------------------------------------------


def answer(
    plan: TaskPlan, prompts: Sequence[FittedPrompt], adapter: ModelAdapter, store: Store, progress: Progress
) -> list[Answer]:
    """The answer to each prompt, from the store or the model."""
    keys = keys_of_answers(plan, adapter, (prompt.text for prompt in prompts))
    requests = {
        key: Request(key, prompt.text, prompt.tokens, plan.decoding, seed_of(key))
        for key, prompt in zip(keys, prompts, strict=True)
        if prompt.fits
    }
    longest_first = sorted(requests, key=lambda key: (-requests[key].prompt_tokens, key))

    failures: dict[str, str] = {}

    def size() -> int | None:
        if adapter.streams or adapter.fixed_batch_size:
            return adapter.fixed_batch_size
        return planned_size(
            store, "answers", adapter.identity, longest_first, lambda: adapter.batch_size(list(requests.values()))
        )

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        for answer in adapter.generate([requests[key] for key in batch]):
            if isinstance(answer, Failure):
                failures[answer.key] = answer.reason
            else:
                yield answer.key, _record_of(answer)

    stage = Stage("generate", "answers", longest_first, size, compute, _tokens_of_answer, failures)
    stored = complete(store, stage, progress)

    def answer_to(key: str, prompt: FittedPrompt) -> Answer:
        if not prompt.fits:
            return Answer(key, "", StopReason.WINDOW, prompt.tokens, 0)
        if key in stored:
            return parse(store, "answers", Answer, stored[key])  # type: ignore[no-any-return]
        return Answer(key, "", StopReason.FAILED, prompt.tokens, 0, failures[key])

    return [answer_to(key, prompt) for key, prompt in zip(keys, prompts, strict=True)]


def _record_of(answer: Answer) -> Record:
    """As the store holds it: only an answer that is not stored has a reason for that."""
    return {name: value for name, value in fields_of(answer).items() if name != "reason"}


def _tokens_of_answer(record: Record) -> int:
    return int(record["prompt_tokens"]) + int(record["answer_tokens"])


# ---- what all stages share ------------------------------------------------------------------------------------------


def _fixed(size: int) -> Callable[[], int]:
    return lambda: size


def planned_size(
    store: Store, kind: str, identity: Identity, keys: Sequence[str], measure: Callable[[], int | None]
) -> int | None:
    """The batch size of this very set of requests, measured once and remembered, so that a resumed run, which may
    find less free memory, computes the same batches. None, where there are no batches, needs no remembering."""
    key = digest_of([kind, identity, sorted(keys)])
    stored = store.get("plans", [key])
    if key not in stored:
        measured = measure()
        if measured is None:
            return None
        store.put("plans", {key: {"batch_size": measured}})
        stored = store.get("plans", [key])
    size: int = parse(store, "plans", dict[str, int], stored[key]).get("batch_size", 0)
    if size < 1:
        raise store.damaged("plans", f"batch_size is {size}, not 1 or more")
    return size


def parse(store: Store, kind: Kind, hint: Any, record: Record) -> Any:
    """A record as its stage reads it. Raises `HarnessError` for one that does not have its fields and types."""
    try:
        return converted(record, hint, "")
    except ValueError as error:
        raise store.damaged(kind, error) from error


Record = Any
"""A stored record: whatever JSON value its stage makes of it."""


class Stage(NamedTuple):
    """What a stage computes: the records of `kind` under `keys`, in batches of so many keys; None: all at once, each
    record being stored when it comes. `compute` gives each key its record, or puts the reason why there is none into
    `failures`; `tokens_of` counts a record's tokens, for the rates that the console shows."""

    name: str
    kind: Kind
    keys: Iterable[str]
    batch_size: Callable[[], int | None]
    compute: Callable[[Sequence[str]], Iterable[tuple[str, Record]]]
    tokens_of: Callable[[Record], int] = lambda record: 0
    failures: Mapping[str, str] = MappingProxyType({})


def complete(store: Store, stage: Stage, progress: Progress) -> dict[str, Record]:
    """All records of a stage but those of `stage.failures`. Batches are cut from all keys, then what is stored is left
    out: so a run that resumes after a kill forms the batches of an undisturbed one. Raises `HarnessError` when there is
    not one record but failures alone."""
    keys = list(dict.fromkeys(stage.keys))
    records = store.get(stage.kind, keys)
    progress.start(stage.name, len(keys), done=len(records))
    if len(records) < len(keys):
        size = stage.batch_size()
        if size is None:
            _stream(store, stage, keys, records, progress)
        else:
            for first in range(0, len(keys), size):
                _complete_batch(store, stage, keys[first : first + size], records, progress)
    progress.finish()
    if stage.failures:
        failed = f"{len(stage.failures)} of {len(keys)} requests failed: {reasons_line(stage.failures.values())}"
        if not records:
            raise HarnessError(f"{stage.name}: {failed}")
        progress.note(f"{stage.name}: {failed}")
    return records


def reasons_line(reasons: Iterable[str]) -> str:
    """`3 × reason; 1 × other reason`, the most frequent first, and few of many."""
    counts = Counter(reasons).most_common()
    more = f"; and {len(counts) - _REASONS} more" if len(counts) > _REASONS else ""
    return "; ".join(f"{count} × {reason}" for reason, count in counts[:_REASONS]) + more


def _stream(store: Store, stage: Stage, keys: Sequence[str], records: dict[str, Record], progress: Progress) -> None:
    """Each record is a transaction of its own: what was paid for outlives whatever comes after it."""
    missing = [key for key in keys if key not in records]
    with ExitStack() as stack:
        computed = stage.compute(missing)
        if isinstance(computed, Iterator) and hasattr(computed, "close"):
            stack.callback(computed.close)  # when storing fails nothing more is to be asked
        for key, record in computed:
            store.put(stage.kind, {key: record})
            progress.advance(1, stage.tokens_of(record))
    records.update(store.get(stage.kind, missing))  # another process may have been first; what is stored counts
    _check_complete(stage, missing, records)


def _complete_batch(
    store: Store, stage: Stage, keys: Sequence[str], records: dict[str, Record], progress: Progress
) -> None:
    missing = [key for key in keys if key not in records]
    by_others = store.get(stage.kind, missing)  # another process may be at work on the same
    records.update(by_others)
    if by_others:
        progress.advance(len(by_others))
    if batch := [key for key in missing if key not in by_others]:
        computed = _compute_batch(store, stage, batch)
        records.update(store.get(stage.kind, batch))  # another process may have been first; what is stored counts
        progress.advance(len(batch), sum(stage.tokens_of(record) for record in computed.values()))


def _compute_batch(store: Store, stage: Stage, batch: Sequence[str]) -> dict[str, Record]:
    """Computed and stored in one transaction. What came before an error that the user can put right is stored too."""
    computed: dict[str, Record] = {}
    try:
        for key, record in stage.compute(batch):
            computed[key] = record  # noqa: PERF403  a comprehension would lose what came before an error
    except HarnessError:
        store.put(stage.kind, computed)  # what was paid for is kept
        raise
    _check_complete(stage, batch, computed)
    store.put(stage.kind, computed)
    return computed


def _check_complete(stage: Stage, keys: Sequence[str], records: Mapping[str, Record]) -> None:
    if absent := [key for key in keys if key not in records and key not in stage.failures]:
        raise RuntimeError(f"stage {stage.name}: {len(absent)} of {len(keys)} requests got no record")
