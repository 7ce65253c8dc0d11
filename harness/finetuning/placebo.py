"""Answers exchanged between pairs: what a checkpoint learns from them is the form of an answer and no knowledge, so its
Δ is the part of a Δ that is form.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from harness.errors import UsageError

__all__ = ["exchanged"]


def exchanged(ids: Sequence[str], answers: Sequence[str], seed: int) -> list[int]:
    """For each pair the position of the one whose answer it gets; a permutation that leaves no pair an answer with its
    own words. Raises `UsageError` when over half of the pairs have one answer, since then there is none.

    In a random order that keeps equal answers together, each pair takes the answer of the one as many places on as the
    most common answer has pairs: that one has another answer."""

    def rank(text: str) -> str:
        return hashlib.sha256(f"shuffle:{seed}:{text}".encode()).hexdigest()

    if not answers:
        return []
    (common, count), *_ = Counter(answers).most_common(1)
    if 2 * count > len(answers):
        raise UsageError(
            f"--shuffle_answers: {count} of {len(answers)} pairs have the answer {common[:60]!r}, so not every pair "
            "can get another; pass --domain for a placebo of another task's pairs"
        )
    order = sorted(range(len(ids)), key=lambda n: (rank(answers[n]), rank(ids[n])))
    donors = [0] * len(order)
    for place, number in enumerate(order):
        donors[number] = order[(place + count) % len(order)]
    return donors
