"""The stages of a run. Each looks in the store first and computes what is missing, batch by batch, storing each batch.

    retrieve  question            -> passages
    fit       question, passages  -> final prompt (whole passages dropped from the last rank up until it fits)
    answer    final prompts       -> answers

The last one, answers -> scores, is `scoring.py`.

The functions whose names begin with `key_of` hold what a record depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from harness.digests import digest_of, seed_of
from harness.errors import HarnessError
from harness.fitting import FittedPrompt, fit_prompts
from harness.interfaces import Identity, ModelAdapter, Progress, Retriever
from harness.records import (
    Answer,
    Arm,
    Passage,
    Query,
    Question,
    Request,
    StopReason,
    TaskPlan,
)
from harness.store import Kind, Store

__all__ = ["Stage", "answer", "complete", "fit", "planned_size", "retrieve"]

PROMPT_FORMAT = 2  # 2: the system instruction is a template too
"""Raise it when the same entry, model and passages would make another final prompt."""

_QUERIES = 64  # queries a batch
_PROMPTS = 64  # prompts a batch of the store


# ---- keys -----------------------------------------------------------------------------------------------------------


def key_of_passages(retriever: Retriever, query: Query, top_k: int) -> str:
    """The store's key of a query's passages."""
    return digest_of({"format": 2, "retriever": retriever.identity, "query": asdict(query), "top_k": top_k})


def key_of_prompt(plan: TaskPlan, adapter: ModelAdapter, question: Question, passages: Sequence[Passage]) -> str:
    """The store's key of a fitted prompt."""
    return digest_of(
        {
            "format": PROMPT_FORMAT,
            "model": adapter.identity,
            "template": [plan.system_instruction, plan.doc_to_text],
            "question": question.text,
            "row": digest_of(dict(question.row)),
            "passages": [asdict(passage) for passage in passages],
            "answer_tokens": plan.decoding.max_gen_toks,
        }
    )


def key_of_answer(plan: TaskPlan, adapter: ModelAdapter, prompt: str) -> str:
    """The store's key of an answer: a greedy one does not depend on the seed."""
    decoding = asdict(plan.decoding)
    seed = None if plan.decoding.greedy else plan.seed
    return digest_of({"model": adapter.identity, "prompt": prompt, "decoding": decoding, "seed": seed, "sample": 0})


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
    keys = [key_of_passages(retriever, query, plan.top_k) for query in queries]
    query_by_key = dict(zip(keys, queries, strict=True))

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        results = retriever.search([query_by_key[key] for key in batch], plan.top_k)
        index = dict(retriever.index_digests)  # after the search: raises if the index was damaged meanwhile
        for key, passages in zip(batch, results, strict=True):
            yield key, {"passages": [asdict(passage) for passage in passages], "index": index}

    stage = Stage("retrieve", "passages", keys, _fixed(_QUERIES), compute)
    stored = complete(store, stage, progress)
    if outdated := _of_another_index(stored, retriever.index_digests):
        progress.note(f"the index was made anew and is another now: passages of {len(outdated)} questions do not count")
        store.remove("passages", outdated)
        stored = complete(store, stage, progress)
    return [tuple(Passage(**passage) for passage in stored[key]["passages"]) for key in keys]


def _of_another_index(stored: Mapping[str, Record], index: Mapping[str, str]) -> list[str]:
    """Keys of passages that come from files with other contents than those in the cache. Files that are not there do
    not count against them: passages are stored only if their files were whole after the search."""
    return [key for key, record in stored.items() if any(index.get(n, d) != d for n, d in record["index"].items())]


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
    keys = [key_of_prompt(plan, adapter, q, p) for q, p in zip(questions, passages, strict=True)]
    input_by_key = dict(zip(keys, zip(questions, passages, strict=True), strict=True))

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        token_budget = adapter.window - plan.decoding.max_gen_toks
        items = [input_by_key[key] for key in batch]
        fitted = fit_prompts(plan.doc_to_text, plan.system_instruction, items, adapter, [token_budget] * len(items))
        for key, prompt in zip(batch, fitted, strict=True):
            yield key, asdict(prompt)

    stored = complete(store, Stage("prompt", "prompts", keys, _fixed(_PROMPTS), compute), progress)
    return [FittedPrompt(**stored[key]) for key in keys]


# ---- answer ---------------------------------------------------------------------------------------------------------


def answer(
    plan: TaskPlan, prompts: Sequence[FittedPrompt], adapter: ModelAdapter, store: Store, progress: Progress
) -> list[Answer]:
    """The answer to each prompt, from the store or the model."""
    keys = [key_of_answer(plan, adapter, prompt.text) for prompt in prompts]
    requests = {
        key: Request(key, prompt.text, prompt.tokens, plan.decoding, seed_of(key))
        for key, prompt in zip(keys, prompts, strict=True)
        if prompt.fits
    }
    longest_first = sorted(requests, key=lambda key: (-requests[key].prompt_tokens, key))

    def measure() -> int:
        return planned_size(
            store, "answers", adapter.identity, longest_first, lambda: adapter.batch_size(list(requests.values()))
        )

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Record]]:
        for answer in adapter.generate([requests[key] for key in batch]):
            yield answer.key, asdict(answer)

    size = _fixed(adapter.fixed_batch_size) if adapter.fixed_batch_size else measure
    stored = complete(store, Stage("generate", "answers", longest_first, size, compute, _tokens_of_answer), progress)
    return [
        _answer_of(stored[key]) if prompt.fits else Answer(key, "", StopReason.WINDOW, prompt.tokens, 0)
        for key, prompt in zip(keys, prompts, strict=True)
    ]


def _answer_of(record: Record) -> Answer:
    return Answer(**{**record, "stop_reason": StopReason(record["stop_reason"])})


def _tokens_of_answer(record: Record) -> int:
    return int(record["prompt_tokens"]) + int(record["answer_tokens"])


# ---- what all stages share ------------------------------------------------------------------------------------------


def _fixed(size: int) -> Callable[[], int]:
    return lambda: size


def planned_size(store: Store, kind: str, identity: Identity, keys: Sequence[str], measure: Callable[[], int]) -> int:
    """The batch size of this very set of requests, measured once and remembered, so that a resumed run, which may
    find less free memory, computes the same batches."""
    key = digest_of([kind, identity, sorted(keys)])
    stored = store.get("plans", [key])
    if key not in stored:
        store.put("plans", {key: {"batch_size": measure()}})
        stored = store.get("plans", [key])
    return int(stored[key]["batch_size"])


Record = Any
"""A stored record: whatever JSON value its stage makes of it."""


class Stage(NamedTuple):
    """What a stage computes: the records of `kind` under `keys`, in batches of so many keys. `compute` gives each key
    of a batch its record; `tokens_of` counts a record's tokens, for the rates that the console shows."""

    name: str
    kind: Kind
    keys: Iterable[str]
    batch_size: Callable[[], int]
    compute: Callable[[Sequence[str]], Iterable[tuple[str, Record]]]
    tokens_of: Callable[[Record], int] = lambda record: 0


def complete(store: Store, stage: Stage, progress: Progress) -> dict[str, Record]:
    """All records of a stage. Batches are cut from all keys, then what is stored is left out: so a run that resumes
    after a kill forms the batches of an undisturbed one."""
    keys = list(dict.fromkeys(stage.keys))
    records = store.get(stage.kind, keys)
    progress.start(stage.name, len(keys), done=len(records))
    if len(records) < len(keys):
        size = stage.batch_size()
        for first in range(0, len(keys), size):
            missing = [key for key in keys[first : first + size] if key not in records]
            by_others = store.get(stage.kind, missing)  # another process may be at work on the same
            records.update(by_others)
            if by_others:
                progress.advance(len(by_others))
            if batch := [key for key in missing if key not in by_others]:
                computed = _compute_batch(store, stage, batch)
                records.update(
                    store.get(stage.kind, batch)
                )  # another process may have been first; what is stored counts
                progress.advance(len(batch), sum(stage.tokens_of(record) for record in computed.values()))
    progress.finish()
    return records


def _compute_batch(store: Store, stage: Stage, batch: Sequence[str]) -> dict[str, Record]:
    """Computed and stored in one transaction. What came before an error that the user can put right is stored too."""
    computed: dict[str, Record] = {}
    try:
        for key, record in stage.compute(batch):
            computed[key] = record  # noqa: PERF403  a comprehension would lose what came before an error
    except HarnessError:
        store.put(stage.kind, computed)  # what was paid for is kept
        raise
    if absent := set(batch) - set(computed):
        raise RuntimeError(f"stage {stage.name}: {len(absent)} of {len(batch)} requests got no record")
    store.put(stage.kind, computed)
    return computed
