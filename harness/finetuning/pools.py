"""Which pairs a checkpoint is trained on. Subsets are nested: with one seed, 200 pairs lie within 500, and those within
1,000, so that what differs between their checkpoints is what was added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from harness.errors import DataError, UsageError
from harness.records import Question

__all__ = ["check_apart", "draw", "hold_out"]


def _rank(seed: int, question: Question) -> str:
    return hashlib.sha256(f"finetune:{seed}:{question.id}".encode()).hexdigest()


def draw(pool: Sequence[Question], size: int, seed: int) -> list[Question]:
    """`size` questions of the pool, the first so many in an order that depends on seed and ids alone. Raises
    `UsageError` when the pool holds fewer."""
    if size > len(pool):
        raise UsageError(f"--samples {size}: the task's pool holds {len(pool)} pairs; ask for at most that many")
    return sorted(pool, key=lambda question: _rank(seed, question))[:size]


def check_apart(pool: Sequence[Question], evaluation: Sequence[Question]) -> None:
    """Raises `DataError` that names a question which is in both; training on it would be cheating."""
    ids = {question.id for question in evaluation}
    both = [question.id for question in pool if question.id in ids]
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        raise DataError(
            f"the fine-tuning pool meets the evaluation split: question {both[0]!r}{more} is in both; correct the "
            "task's `training_split` and `test_split`, or the rows' own `split`"
        )


def hold_out(pairs: Sequence[Question], share: float = 0.1, least: int = 4) -> tuple[list[Question], list[Question]]:
    """(trained on, validated on): the last tenth of the drawn pairs, by which settings are chosen. The evaluation
    split is never looked at for that."""
    count = max(least, round(share * len(pairs)))
    if count * 2 > len(pairs):
        raise UsageError(f"--sweep: {len(pairs)} pairs are too few to hold {count} of them out; use --samples of more")
    return list(pairs[:-count]), list(pairs[-count:])
