"""A card's domain: how long the references are that a judge was checked on, and of which kinds.

What a card says holds for references like those. A judge that was checked on names and years may be worthless on whole
paragraphs, so a leaderboard compares the references of its runs with the domain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from harness.files import JsonObject
from harness.metrics.references import REFERENCE_KINDS, reference_kind, reference_words

__all__ = ["described", "domain_of"]

FEWEST = 20
"""References of a data set, to say what it is like."""
RAREST = 0.05
"""A kind is on the card where this share of a data set's references is of it."""


def described(references: Iterable[str]) -> JsonObject:
    """Of one data set's references: how many, quantiles of their words, how many of each kind."""
    texts = list(references)
    kinds = Counter(reference_kind(text) for text in texts)
    words = [reference_words(text) for text in texts]
    return {
        "references": len(texts),
        "words": [round(float(value), 1) for value in np.percentile(words, [5, 50, 95])] if words else None,
        "kinds": {kind: kinds[kind] for kind in REFERENCE_KINDS if kinds[kind]},
    }


def domain_of(described_sets: JsonObject, verdict: JsonObject) -> JsonObject:
    """Where the card can be relied on: the data sets on which the judge passes every threshold; the words of their
    longest references (95th percentile), and the kinds. None of them: `longest` is 0."""
    passed: list[str] = []
    for name, row in described_sets.items():
        own = [threshold for threshold in verdict["thresholds"] if threshold["data_set"] == name]
        if own and all(threshold["passed"] for threshold in own) and row["references"] >= FEWEST:
            passed.append(name)
    rows = [described_sets[name] for name in passed]
    kinds = {kind for row in rows for kind, count in row["kinds"].items() if count >= RAREST * row["references"]}
    return {
        "data_sets": passed,
        "longest": max((row["words"][2] for row in rows), default=0.0),
        "kinds": [kind for kind in REFERENCE_KINDS if kind in kinds],
    }
