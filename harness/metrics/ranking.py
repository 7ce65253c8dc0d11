"""How good retrieval was, against the gold documents and the gold stretches of text.

Documents are ranked by their first passage: five passages of one paper are one document found. The definitions are
those of trec_eval (Järvelin, Kekäläinen 2002 for nDCG), with binary relevance, over what was retrieved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.records import Passage, Span

__all__ = ["ndcg", "ranked_documents", "recall", "reciprocal_rank", "span_recall"]


def ranked_documents(passages: Sequence[Passage]) -> list[str]:
    """Document ids, each once, in the order of their best passage."""
    return list(dict.fromkeys(passage.document_id for passage in passages))


def recall(ranked: Sequence[str], gold: Sequence[str]) -> float:
    """Share of the gold documents that were retrieved."""
    return len(set(ranked) & set(gold)) / len(set(gold))


def reciprocal_rank(ranked: Sequence[str], gold: Sequence[str]) -> float:
    """1 / rank of the first gold document; 0 when none was retrieved."""
    return next((1 / rank for rank, document in enumerate(ranked, start=1) if document in set(gold)), 0.0)


def ndcg(ranked: Sequence[str], gold: Sequence[str], top_k: int) -> float:
    """Discounted gain of the first `top_k` documents over that of the ideal ranking."""
    gain = math.fsum(1 / math.log2(rank + 1) for rank, d in enumerate(ranked[:top_k], start=1) if d in set(gold))
    ideal = math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(len(set(gold)), top_k) + 1))
    return gain / ideal


def span_recall(passages: Sequence[Passage], spans: Sequence[Span]) -> float:
    """Share of the gold stretches of which the retrieved passages hold at least half the characters. Within one paper
    every passage is of the gold document, and this alone shows whether the right part was found."""
    return sum(_held(passages, span) * 2 >= span.end - span.start for span in spans) / len(spans)


def _held(passages: Sequence[Passage], span: Span) -> int:
    """Characters of a span that lie in passages, each counted once."""
    overlaps = sorted(
        (max(p.start, span.start), min(p.end, span.end)) for p in passages if p.document_id == span.document_id
    )
    held, reached = 0, span.start
    for start, end in overlaps:
        held += max(0, end - max(start, reached))
        reached = max(reached, end)
    return held
