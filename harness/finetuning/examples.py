"""What the model sees of a pair, in three formats, all of them the task's own prompt:

    qa               question and answer alone: the prompt of the closed-book arm
    rag              the evaluation prompt with the passages that retrieval finds
    rag_distractors  the gold passages among retrieved ones that are not gold, in random order; every fifth pair
                     without the gold, so that the model cannot trust that it is there
                     (the recipe of RAFT, Zhang et al. 2024, arXiv:2403.10131)

Only the answer is learnt; the prompt carries no loss.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.finetuning.settings import Format
from harness.fitting import fit_prompts
from harness.interfaces import Retriever, Trainable
from harness.prompts import render
from harness.records import Passage, Query, Question

__all__ = ["Example", "Passages", "Templates", "make_examples"]

WITHOUT_GOLD = 5  # one in so many pairs of rag_distractors, by a hash of its id


@dataclass(frozen=True, slots=True)
class Example:
    """One pair, as text."""

    id: str
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Templates:
    """The task's."""

    doc_to_text: str
    doc_to_target: str
    system_instruction: str | None


@dataclass(frozen=True, slots=True)
class Passages:
    """Where passages come from. `ranker` searches the whole corpus, training documents included; `gold` gives the gold
    passages."""

    ranker: Retriever
    gold: Retriever
    top_k: int
    within_document: bool
    seed: int


def make_examples(
    pairs: Sequence[Question],
    format: Format,
    templates: Templates,
    passages: Passages | None,
    model: Trainable,
    max_length: int,
) -> tuple[list[Example], list[str]]:
    """(examples, ids of the pairs that do not fit `max_length` tokens even without passages)."""
    retrieved: list[Sequence[Passage]] = [()] * len(pairs)
    if format != "qa":
        if passages is None:
            raise ValueError(f"the format {format} needs retrievers")
        retrieved = _retrieved(pairs, format, passages)
    completions = [
        model.completion(render(templates.doc_to_target, references=p.references, question=p.text, doc=p.row).strip())
        for p in pairs
    ]
    token_budgets = [max_length - len(model.encode_pair("", text)[1]) for text in completions]
    fitted = fit_prompts(
        templates.doc_to_text,
        templates.system_instruction,
        list(zip(pairs, retrieved, strict=True)),
        model,
        token_budgets,
    )
    whole = list(zip(pairs, fitted, completions, strict=True))
    return (
        [Example(pair.id, prompt.text, completion) for pair, prompt, completion in whole if prompt.fits],
        [pair.id for pair, prompt, _ in whole if not prompt.fits],
    )


def _retrieved(pairs: Sequence[Question], format: Format, passages: Passages) -> list[Sequence[Passage]]:
    within = [pair.gold_document_ids if passages.within_document else None for pair in pairs]
    queries = [Query(text=pair.text, within=inside) for pair, inside in zip(pairs, within, strict=True)]
    if format == "rag":
        return list(passages.ranker.search(queries, passages.top_k))
    gold_queries = [
        Query(text=pair.text, within=inside, gold_document_ids=pair.gold_document_ids, gold_spans=pair.gold_spans)
        for pair, inside in zip(pairs, within, strict=True)
    ]
    gold = passages.gold.search(gold_queries, passages.top_k)
    ranked_lists = passages.ranker.search(queries, 4 * passages.top_k)
    return [
        _mixed(pair, gold_passages, ranked, passages)
        for pair, gold_passages, ranked in zip(pairs, gold, ranked_lists, strict=True)
    ]


def _mixed(pair: Question, gold: Sequence[Passage], ranked: Sequence[Passage], passages: Passages) -> list[Passage]:
    """At most half of them gold, the rest distractors, in random order with new ranks."""
    digest = hashlib.sha256(f"distractors:{passages.seed}:{pair.id}".encode()).hexdigest()
    rng = random.Random(int(digest[:16], 16))
    kept = [] if int(digest[16:20], 16) % WITHOUT_GOLD == 0 else list(gold)[: max(1, passages.top_k // 2)]
    gold_chunks = {(passage.document_id, passage.start) for passage in gold}
    documents = set() if passages.within_document else set(pair.gold_document_ids)
    distractors = [p for p in ranked if (p.document_id, p.start) not in gold_chunks and p.document_id not in documents]
    mixed = kept + distractors[: passages.top_k - len(kept)]
    rng.shuffle(mixed)
    return [replace(passage, rank=rank) for rank, passage in enumerate(mixed, start=1)]
