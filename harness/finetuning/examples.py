"""What the model sees of a pair, in five formats, all of them the task's own prompt:

    qa               question and answer alone: the prompt of the closed-book arm
    rag              the evaluation prompt with the passages that retrieval finds
    one_chunk        one of the three best passages: three examples a pair, so three times the steps
                     (RA-DIT, Lin et al. 2023, arXiv:2310.01352)
    rag_distractors  the gold passages among retrieved ones that are not gold, in random order; every fifth pair
                     without the gold, so that the model cannot trust that it is there
                     (RAFT, Zhang et al. 2024, arXiv:2403.10131)
    counterfactual   as rag, with the value that is asked for exchanged in passage and answer, so that only the passage
                     can be followed (`finetuning/counterfactual.py`); a pair where that cannot be done is as in rag

and what it learns to say, in three targets: the reference; the gold evidence quoted, then the reference; the reference,
then the ranks of the passages that hold the evidence (`finetuning/evidence.py`). Where the passages that are shown, in
the prompt as it was cut to length, do not hold the evidence, the target is the reference.

With `shuffle_answers` each pair gets the target of another (`finetuning/placebo.py`). Only the target is learnt; the
prompt carries no loss.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.entries.checkpoints import Presentation, Target
from harness.finetuning.counterfactual import Donors
from harness.finetuning.evidence import cited, evidence_of, quote, substituted
from harness.finetuning.placebo import exchanged
from harness.fitting import fit_prompts
from harness.interfaces import Retriever, Trainable
from harness.prompts import render
from harness.records import Passage, Query, Question

__all__ = ["Example", "Examples", "Passages", "Showing", "Templates", "make_examples"]

WITHOUT_GOLD = 5  # one in so many pairs of rag_distractors, by a hash of its id
CHUNKS = 3  # examples that one_chunk makes of a pair, as RA-DIT does


@dataclass(frozen=True, slots=True)
class Example:
    """One pair, as text."""

    id: str
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Examples:
    """`left_out` are the ids of the pairs that do not fit even without passages. Of the others, `counterfactual` had
    their values exchanged, and `target_is_reference` have no evidence to quote or cite in what they show; None where
    neither was asked for."""

    items: list[Example]
    left_out: list[str]
    counterfactual: int | None = None
    target_is_reference: int | None = None


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


@dataclass(frozen=True, slots=True)
class Showing:
    """How pairs become examples. `passages` None: the format shows none. `seed` decides what is random."""

    presentation: Presentation
    templates: Templates
    passages: Passages | None = None
    seed: int = 0

    def answer(self, pair: Question) -> str:
        """The pair's reference, as the task's template makes it."""
        target = self.templates.doc_to_target
        return render(target, references=pair.references, question=pair.text, doc=pair.row).strip()


@dataclass(frozen=True, slots=True)
class _Draft:
    """An example before its prompt is cut to length. Where that leaves less than the first `needed` passages, or the
    target is too long, `plain` takes its place: the passages as they are and the reference."""

    pair: Question
    passages: Sequence[Passage]
    target: str
    form: Target = "reference"
    is_counterfactual: bool = False
    needed: int = 0
    plain: _Draft | None = None


def make_examples(pairs: Sequence[Question], showing: Showing, model: Trainable, max_length: int) -> Examples:
    """Raises `UsageError` when the answers cannot be exchanged as the presentation wants it."""
    presentation = showing.presentation
    drafts = _drafts(pairs, showing)
    if presentation.shuffle_answers:
        drafts = _with_others_targets(drafts, showing)
    whole = _fitted([draft for group in drafts for draft in group], showing.templates, model, max_length)
    # cut to no passage at all, the examples of one pair are the same
    examples = list(dict.fromkeys(example for _, example in whole))
    kept = {example.id for example in examples}
    exchanges = {draft.pair.id for draft, _ in whole if draft.is_counterfactual}
    pointing = {draft.pair.id for draft, _ in whole if draft.form != "reference"}
    return Examples(
        items=examples,
        left_out=[pair.id for pair in pairs if pair.id not in kept],
        counterfactual=len(exchanges) if presentation.format == "counterfactual" else None,
        target_is_reference=len(kept - pointing) if presentation.target != "reference" else None,
    )


def _fitted(
    drafts: Sequence[_Draft], templates: Templates, model: Trainable, max_length: int
) -> list[tuple[_Draft, Example]]:
    """Those that fit, in order."""
    current = list(drafts)
    found: dict[int, Example] = {}
    to_fit = list(range(len(current)))
    while to_fit:
        completions = [model.completion(current[n].target) for n in to_fit]
        prompts = fit_prompts(
            templates.doc_to_text,
            templates.system_instruction,
            [(current[n].pair, current[n].passages) for n in to_fit],
            model,
            [max_length - len(model.encode_pair("", text)[1]) for text in completions],
        )
        again = []
        for number, prompt, completion in zip(to_fit, prompts, completions, strict=True):
            draft = current[number]
            holds = prompt.fits and len(draft.passages) - prompt.dropped >= draft.needed
            if not holds and draft.plain is not None:
                current[number] = draft.plain
                again.append(number)
            elif prompt.fits:
                found[number] = Example(draft.pair.id, prompt.text, completion)
        to_fit = again
    return [(current[number], found[number]) for number in sorted(found)]


# ---- targets --------------------------------------------------------------------------------------------------------


def _drafts(pairs: Sequence[Question], showing: Showing) -> list[list[_Draft]]:
    """The examples of each pair."""
    donors = Donors(pairs, showing.answer, showing.seed)
    return [
        [_draft(pair, passages, showing, donors) for passages in variants]
        for pair, variants in zip(pairs, _shown(pairs, showing), strict=True)
    ]


def _draft(pair: Question, passages: Sequence[Passage], showing: Showing, donors: Donors) -> _Draft:
    presentation = showing.presentation
    plain = _Draft(pair, passages, showing.answer(pair))
    made = donors.counterfactual(pair, passages) if presentation.format == "counterfactual" else None
    draft = plain
    if made is not None:
        answer = showing.answer(made.pair)
        draft = _Draft(made.pair, made.passages, answer, "reference", True, made.needed, plain)
    if presentation.target == "reference":
        return draft
    evidence = evidence_of(pair, passages, plain.target)
    if not evidence:
        return draft
    if presentation.target == "cited":
        target = cited(evidence, draft.target)
    else:
        texts = [passages[each.rank - 1].text[each.start : each.end] for each in evidence]
        values = made.values if made is not None else {}
        target = quote([substituted(text, values) for text in texts], draft.target)
    needed = max(draft.needed, *(each.rank for each in evidence))
    return replace(draft, target=target, form=presentation.target, needed=needed, plain=plain)


def _with_others_targets(drafts: Sequence[Sequence[_Draft]], showing: Showing) -> list[list[_Draft]]:
    """Whole targets change hands, so that their form stays as it is. What they point to need not be shown."""
    pairs = [group[0].pair for group in drafts]
    donors = exchanged([pair.id for pair in pairs], [showing.answer(pair) for pair in pairs], showing.seed)
    return [
        [
            replace(draft, target=drafts[donor][n % len(drafts[donor])].target, form=drafts[donor][0].form)
            for n, draft in enumerate(_unconditional(group))
        ]
        for group, donor in zip(drafts, donors, strict=True)
    ]


def _unconditional(group: Sequence[_Draft]) -> list[_Draft]:
    return [replace(draft, needed=0, plain=None) for draft in group]


# ---- passages -------------------------------------------------------------------------------------------------------


def _shown(pairs: Sequence[Question], showing: Showing) -> list[list[Sequence[Passage]]]:
    """The passages of each example of each pair."""
    format, passages = showing.presentation.format, showing.passages
    if format == "qa":
        return [[()] for _ in pairs]
    if passages is None:
        raise ValueError(f"the format {format} needs retrievers")
    within = [pair.gold_document_ids if passages.within_document else None for pair in pairs]
    queries = [Query(text=pair.text, within=inside) for pair, inside in zip(pairs, within, strict=True)]
    if format == "rag_distractors":
        return [[mixed] for mixed in _with_distractors(pairs, queries, passages, showing.seed)]
    if format == "one_chunk":
        found = passages.ranker.search(queries, CHUNKS)
        return [[[replace(passage, rank=1)] for passage in ranked] or [()] for ranked in found]
    return [[ranked] for ranked in passages.ranker.search(queries, passages.top_k)]


def _with_distractors(
    pairs: Sequence[Question], queries: Sequence[Query], passages: Passages, seed: int
) -> list[list[Passage]]:
    gold_queries = [
        replace(query, gold_document_ids=pair.gold_document_ids, gold_spans=pair.gold_spans)
        for pair, query in zip(pairs, queries, strict=True)
    ]
    gold = passages.gold.search(gold_queries, passages.top_k)
    ranked_lists = passages.ranker.search(queries, 4 * passages.top_k)
    return [
        _mixed(pair, gold_passages, ranked, passages, seed)
        for pair, gold_passages, ranked in zip(pairs, gold, ranked_lists, strict=True)
    ]


def _mixed(
    pair: Question, gold: Sequence[Passage], ranked: Sequence[Passage], passages: Passages, seed: int
) -> list[Passage]:
    """At most half of them gold, the rest distractors, in random order with new ranks."""
    digest = hashlib.sha256(f"distractors:{seed}:{pair.id}".encode()).hexdigest()
    rng = random.Random(int(digest[:16], 16))
    kept = [] if int(digest[16:20], 16) % WITHOUT_GOLD == 0 else list(gold)[: max(1, passages.top_k // 2)]
    gold_chunks = {(passage.document_id, passage.start) for passage in gold}
    documents = set() if passages.within_document else set(pair.gold_document_ids)
    distractors = [p for p in ranked if (p.document_id, p.start) not in gold_chunks and p.document_id not in documents]
    mixed = kept + distractors[: passages.top_k - len(kept)]
    rng.shuffle(mixed)
    return [replace(passage, rank=rank) for rank, passage in enumerate(mixed, start=1)]
