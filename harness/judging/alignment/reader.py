"""Encoder and network together: from pairs of texts to log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.judging.alignment.coverage import Coverage, coverage
from harness.judging.alignment.encoder import WordEncoder
from harness.judging.alignment.network import AlignmentNetwork, Pair, load, score_pairs
from harness.judging.alignment.planning import TextPair, statements_of

__all__ = ["Reader", "pairs_of"]


def pairs_of(encoder: WordEncoder, texts: Sequence[TextPair]) -> list[Pair]:
    """The texts, encoded; each distinct one once."""
    distinct = list(dict.fromkeys(text for pair in texts for text in pair))
    encoded = dict(zip(distinct, encoder.encode(distinct), strict=True))
    return [Pair(encoded[p.question], encoded[p.premise], encoded[p.hypothesis]) for p in texts]


class Reader:
    """Loads both at once; torch is needed."""

    def __init__(self, encoder: Path, weights: Path | AlignmentNetwork) -> None:
        self._encoder = WordEncoder(encoder)
        self._network = weights if isinstance(weights, AlignmentNetwork) else load(weights)

    def coverage(self, texts: Sequence[TextPair]) -> list[Coverage]:
        """Of each reference (`premise`) by the answer (`hypothesis`)."""
        return [self._coverage(pair) for pair in texts]

    def _coverage(self, pair: TextPair) -> Coverage:
        question, reference, answer = self._encoder.encode(list(pair))
        expected, stated = (self._encoder.encode(statements_of(text)) for text in (pair.premise, pair.hypothesis))
        return coverage(question, reference, answer, expected, stated)

    def log_odds(self, pairs: Sequence[TextPair]) -> np.ndarray:
        """(pairs, 2): of right and of stated."""
        return score_pairs(self._network, pairs_of(self._encoder, pairs))
