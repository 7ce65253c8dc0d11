"""From scores to ranks, with the one rule for equal scores: document id, then offset.

Chunk numbers ascend in that order, so the lower number wins a tie, on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["best", "fuse"]


def best(scores: np.ndarray, top_k: int, within: np.ndarray | None = None) -> list[tuple[int, float]]:
    """The `top_k` (chunk number, score) of the highest scores, best first; of `within` alone where it is given."""
    chunks = np.arange(len(scores)) if within is None else within
    values = scores if within is None else scores[within]
    if len(values) > top_k:
        # everything that ties with the k-th best is kept, so that the tie is broken by chunk and not by the partition
        kth = np.partition(values, len(values) - top_k)[len(values) - top_k]
        kept = np.flatnonzero(values >= kth)
        chunks, values = chunks[kept], values[kept]
    order = np.lexsort((chunks, -values))[:top_k]
    return [(int(chunks[i]), float(values[i])) for i in order]


def fuse(rankings: Sequence[Sequence[tuple[int, float]]], top_k: int, rrf_k: int) -> list[tuple[int, float]]:
    """Reciprocal rank fusion: the sum over rankings of 1 / (rrf_k + rank), rank from 1
    (Cormack, Clarke, Büttcher 2009, doi:10.1145/1571941.1572114)."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, (chunk, _) in enumerate(ranking, start=1):
            scores[chunk] = scores.get(chunk, 0.0) + 1.0 / (rrf_k + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:top_k]
