"""The stages of a run. Each looks in the store first and computes what is missing, batch by batch, storing each batch.

    retrieve  question            -> passages
    fit       question, passages  -> final prompt (whole passages dropped from the last rank up until it fits)
    answer    final prompts       -> answers

The last one, answers -> verdicts, is `marking.py`.

What a record depends on, and so its key, stands in the functions whose names begin with `key_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from harness.digests import digest_of, seed_of
from harness.errors import HarnessError
from harness.fitting import FittedPrompt, fit_prompts
from harness.interfaces import ModelAdapter, Progress, Retriever
from harness.records import (
    Answer,
    Passage,
    Query,
    Question,
    Request,
    StopReason,
    TaskPlan,
)
from harness.store import Kind, Store

__all__ = ["answer", "complete", "fit", "planned_size", "retrieve"]

PROMPT_FORMAT = 1
"""Raise it when the same entry, model and passages would make another final prompt."""

_QUERIES = 64  # queries a batch
_PROMPTS = 64  # prompts a batch of the store
T = TypeVar("T")


# ---- keys -----------------------------------------------------------------------------------------------------------


def key_of_passages(retriever: Retriever, query: Query, top_k: int) -> str:
    return digest_of({"retriever": retriever.identity, "query": asdict(query), "top_k": top_k})


def key_of_prompt(plan: TaskPlan, adapter: ModelAdapter, question: Question, passages: Sequence[Passage]) -> str:
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
    decoding = asdict(plan.decoding)
    seed = None if plan.decoding.greedy else plan.seed
    return digest_of({"model": adapter.identity, "prompt": prompt, "decoding": decoding, "seed": seed, "sample": 0})


# ---- retrieve -------------------------------------------------------------------------------------------------------


def query_of(plan: TaskPlan, question: Question) -> Query:
    oracle = plan.arm == "oracle"
    return Query(
        text=question.text,
        within=question.gold_document_ids if plan.within_document else None,
        gold_document_ids=question.gold_document_ids if oracle else (),
        gold_spans=question.gold_spans if oracle else (),
    )


def retrieve(
    plan: TaskPlan, questions: Sequence[Question], retriever: Retriever, store: Store, progress: Progress
) -> list[tuple[Passage, ...]]:
    queries = [query_of(plan, question) for question in questions]
    keys = [key_of_passages(retriever, query, plan.top_k) for query in queries]
    of_key = dict(zip(keys, queries, strict=True))

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Any]]:
        found = retriever.search([of_key[key] for key in batch], plan.top_k)
        for key, of_query in zip(batch, found, strict=True):
            yield key, [asdict(passage) for passage in of_query]

    stored = complete(store, "passages", keys, _fixed(_QUERIES), compute, progress, "retrieve")
    return [tuple(Passage(**passage) for passage in stored[key]) for key in keys]


# ---- fit ------------------------------------------------------------------------------------------------------------


def fit(
    plan: TaskPlan,
    questions: Sequence[Question],
    passages: Sequence[tuple[Passage, ...]],
    adapter: ModelAdapter,
    store: Store,
    progress: Progress,
) -> list[FittedPrompt]:
    keys = [key_of_prompt(plan, adapter, q, p) for q, p in zip(questions, passages, strict=True)]
    of_key = dict(zip(keys, zip(questions, passages, strict=True), strict=True))

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Any]]:
        room = adapter.window - plan.decoding.max_gen_toks
        items = [of_key[key] for key in batch]
        fitted = fit_prompts(plan.doc_to_text, plan.system_instruction, items, adapter, [room] * len(items))
        for key, prompt in zip(batch, fitted, strict=True):
            yield key, asdict(prompt)

    stored = complete(store, "prompts", keys, _fixed(_PROMPTS), compute, progress, "prompt")
    return [FittedPrompt(**stored[key]) for key in keys]


# ---- answer ---------------------------------------------------------------------------------------------------------


def answer(
    plan: TaskPlan, prompts: Sequence[FittedPrompt], adapter: ModelAdapter, store: Store, progress: Progress
) -> list[Answer]:
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

    def compute(batch: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for given in adapter.generate([requests[key] for key in batch]):
            yield given.key, asdict(given)

    size = _fixed(adapter.fixed_batch_size) if adapter.fixed_batch_size else measure
    stored = complete(store, "answers", longest_first, size, compute, progress, "generate", _tokens_of_answer)
    return [
        _answer_of(stored[key]) if prompt.fits else Answer(key, "", StopReason.WINDOW, prompt.tokens, 0)
        for key, prompt in zip(keys, prompts, strict=True)
    ]


def _answer_of(record: Mapping[str, Any]) -> Answer:
    return Answer(**{**record, "stop_reason": StopReason(record["stop_reason"])})


def _tokens_of_answer(record: Mapping[str, Any]) -> int:
    return int(record["prompt_tokens"]) + int(record["answer_tokens"])


# ---- what all stages share ------------------------------------------------------------------------------------------


def _fixed(size: int) -> Callable[[], int]:
    return lambda: size


def planned_size(store: Store, kind: str, identity: Any, keys: Sequence[str], measure: Callable[[], int]) -> int:
    """The batch size of this very set of requests, measured once and remembered, so that a resumed run, which may
    find less free memory, computes the same batches."""
    key = digest_of([kind, identity, sorted(keys)])
    stored = store.get("plans", [key])
    if key not in stored:
        store.put("plans", {key: {"batch_size": measure()}})
        stored = store.get("plans", [key])
    return int(stored[key]["batch_size"])


def complete(
    store: Store,
    kind: Kind,
    keys: Iterable[str],
    batch_size: Callable[[], int],
    compute: Callable[[Sequence[str]], Iterable[tuple[str, Any]]],
    progress: Progress,
    stage: str,
    tokens_of: Callable[[Mapping[str, Any]], int] = lambda record: 0,
) -> dict[str, Any]:
    """All records of `keys`. Batches are cut from all of them, then what is stored is left out: so a run that goes on
    after a kill forms the batches of an undisturbed one."""
    wanted = list(dict.fromkeys(keys))
    records = store.get(kind, wanted)
    progress.start(stage, len(wanted), done=len(records))
    if len(records) < len(wanted):
        size = batch_size()
        for first in range(0, len(wanted), size):
            missing = [key for key in wanted[first : first + size] if key not in records]
            by_others = store.get(kind, missing)  # another process may be at work on the same
            records.update(by_others)
            if by_others:
                progress.advance(len(by_others))
            batch = [key for key in missing if key not in by_others]
            if not batch:
                continue
            computed: dict[str, Any] = {}
            try:
                for key, record in compute(batch):
                    computed[key] = record  # noqa: PERF403  a comprehension would lose what came before an error
            except HarnessError:
                store.put(kind, computed)  # what was paid for is kept
                raise
            absent = set(batch) - set(computed)
            if absent:
                raise RuntimeError(f"stage {stage}: {len(absent)} of {len(batch)} requests got no record")
            store.put(kind, computed)
            records.update(store.get(kind, batch))  # another process may have been first; what is stored counts
            progress.advance(len(batch), sum(tokens_of(record) for record in computed.values()))
    progress.finish()
    return records
