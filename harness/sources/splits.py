"""Divides a data set's questions into what is trained on and what is evaluated on, so that the two never meet.

Clusters are kept whole: the questions about one paper all fall on one side. The order is by a hash of seed and
cluster, not by the file, so that the first N questions of a split are a random sample of it, `--limit 50` is within
`--limit 100`, and rows added to a file change the order of no others. (They may push a row at the edge of the pool over
it: a pool has a size, and whoever adds rows trains again.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from harness.records import Question

__all__ = ["divide", "in_hash_order"]


def _rank(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()


def in_hash_order(questions: Sequence[Question], seed: int) -> list[Question]:
    """A random order that depends on seed and question ids alone."""
    return sorted(questions, key=lambda question: _rank(seed, question.id))


def divide(questions: Sequence[Question], pool: int, seed: int) -> tuple[list[Question], list[Question]]:
    """(fine-tuning pool, evaluation split). The pool takes whole clusters, in hash order, until it holds `pool`
    questions; of the last cluster what is over `pool` is in neither."""
    by_cluster: dict[str, list[Question]] = {}
    for question in questions:
        by_cluster.setdefault(question.cluster, []).append(question)
    training: list[Question] = []
    evaluation: list[Question] = []
    for cluster in sorted(by_cluster, key=lambda name: _rank(seed, name)):
        side = training if len(training) < pool else evaluation
        side += in_hash_order(by_cluster[cluster], seed)
    return training[:pool], in_hash_order(evaluation, seed)
