"""A judge without a language model: cheap signals of agreement with the reference (`signals.py`), weighed by a logistic
regression that was fitted to people's judgements. The score is 1 + 4·p, p being the probability that people would call
the answer right (accuracy) or that it holds what the reference holds (completeness); of several references the one with
the highest p counts.

The weights stand in the entry, with what they were fitted on: `harness fit-judge` writes them. Nothing is fitted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.digests import digest_of
from harness.interfaces import Encoder, Identity, Usage
from harness.judging import signals
from harness.records import JudgeItem, Score

__all__ = ["CalibratedJudge", "Weights"]

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Weights:
    """p = 1 / (1 + exp(-(bias + Σ weight · (signal - center) / scale))), by signal name."""

    bias: float
    weights: Mapping[str, float]
    centers: Mapping[str, float]
    scales: Mapping[str, float]

    def probability(self, values: Mapping[str, float]) -> float:
        terms = (w * (values[name] - self.centers[name]) / self.scales[name] for name, w in self.weights.items())
        total = self.bias + math.fsum(terms)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


class CalibratedJudge:
    """`open_encoder` is called for the first score; `encoder` is its identity."""

    repeats = 1
    scale = (1, 5)
    sees_passages = False
    asks_model = False

    def __init__(
        self,
        name: str,
        weights: Mapping[str, Weights],
        open_encoder: Callable[[], Encoder],
        encoder: Identity,
        max_unscored: float,
    ) -> None:
        self.name, self.max_unscored = name, max_unscored
        self._weights, self._open_encoder, self._encoder_identity = dict(weights), open_encoder, encoder
        self._encoder: Encoder | None = None

    @property
    def criteria(self) -> tuple[str, ...]:
        return tuple(self._weights)

    @property
    def identity(self) -> Identity:
        weights = {
            name: [w.bias, dict(w.weights), dict(w.centers), dict(w.scales)] for name, w in self._weights.items()
        }
        return {
            "kind": "calibrated",
            "signals": signals.VERSION,
            "weights": digest_of(weights),
            "encoder": dict(self._encoder_identity),
        }

    @property
    def usage(self) -> Usage:
        return {}

    def depends_on(self, item: JudgeItem) -> Identity:
        seen: dict[str, object] = {"question": item.question.text, "reference": item.reference, "answer": item.answer}
        if item.other_references:
            seen["other_references"] = list(item.other_references)
        return seen

    def prepare(self) -> None:
        """The encoder's files are looked for when the judge is built."""

    def batch_size(self, items: Sequence[JudgeItem]) -> int:
        return _BATCH

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        for item in items:
            if not item.answer.strip():  # by rule, as for every judge
                yield Score(item.key, item.criterion, item.repeat, 1.0, "empty answer: lowest score by rule")
        to_score = [item for item in items if item.answer.strip()]
        if not to_score:
            return
        if self._encoder is None:
            self._encoder = self._open_encoder()
        texts = [[(item.question.text, each, item.answer) for each in item.references] for item in to_score]
        distinct = list(dict.fromkeys(text for item_texts in texts for text in item_texts))
        rows = dict(zip(distinct, signals.signals(distinct, self._encoder.encode), strict=True))
        for item, item_texts in zip(to_score, texts, strict=True):
            weights = self._weights[item.criterion]
            best = max(weights.probability(dict(zip(signals.NAMES, rows[text], strict=True))) for text in item_texts)
            yield Score(item.key, item.criterion, item.repeat, round(1 + 4 * best, 6))

    def close(self) -> None:
        self._encoder = None
