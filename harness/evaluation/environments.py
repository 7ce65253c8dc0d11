"""The environments that a run's answers and scores were computed in: one, unless it was interrupted and went on
elsewhere, or took what an earlier run had stored.

In a manifest: `[{"environment": {…} or null, "answers": 40, "scores": 80}, …]`, most records first; null is unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from harness.digests import canonical
from harness.evaluation.samples import Sample
from harness.files import JsonObject
from harness.store import Store

__all__ = ["described", "environments_of", "known"]


def environments_of(
    samples: Sequence[Sample], store: Store, answered_in: Sequence[JsonObject] | None = None
) -> list[JsonObject]:
    """As a manifest has them. `answered_in`: those of answers that an earlier run gave; None: they are in the store."""
    scores = store.environments(
        "scores", (key for s in samples for score in s.scores for key in score.members or (score.key,))
    )
    if answered_in is None:
        answers = store.environments("answers", (sample.answer.key for sample in samples))
    else:
        answers = {canonical(each["environment"] or {}): int(each["answers"]) for each in answered_in}
    total = Counter(answers) + Counter(scores)
    return [
        {
            "environment": json.loads(text) or None,
            "answers": answers.get(text, 0),
            "scores": scores.get(text, 0),
        }
        for text, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))
    ]


def known(environments: Sequence[JsonObject]) -> list[JsonObject]:
    """The environments of which something is known, without the counts."""
    return [dict(each["environment"]) for each in environments if each["environment"]]


def described(environments: Sequence[JsonObject]) -> str:
    """One phrase for several: how many records are of each, and what sets it apart from the others. Empty for one."""
    if len(environments) < 2:
        return ""
    flat = [_flat("", each["environment"] or {}) for each in environments]
    names = dict.fromkeys(name for each in flat for name in each)
    differing = [name for name in names if len({each.get(name) for each in flat if each}) > 1]
    parts = []
    for each, facts in zip(environments, flat, strict=True):
        told = ", ".join(f"{name} {facts.get(name, '–')}" for name in differing) or "a recorded one"
        parts.append(f"{each['answers']} answers and {each['scores']} scores in {told if facts else 'an unknown one'}")
    return f"computed in {len(environments)} environments: {'; '.join(parts)}"


def _flat(prefix: str, value: object) -> dict[str, str]:
    """`versions.torch` as `torch`: the last key says it, and the whole commit is more than anybody reads."""
    if isinstance(value, dict):
        return {name: text for key, inner in value.items() for name, text in _flat(str(key), inner).items()}
    return {prefix: str(value)[:12] if prefix == "commit" else str(value)}
