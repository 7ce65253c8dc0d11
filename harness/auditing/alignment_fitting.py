"""Trains the network of an alignment judge on examples from fine-tuning pools (`alignment_examples.py`) and on people's
judgements of short answers, and fits the scale of its probabilities.

A tenth of the questions is held out: on their examples, with right and wrong weighed alike, a logistic regression on
the log-odds gives each head's slope and intercept, and the held-out AUC is written beside them. Passes, sizes and
shares were set on these questions and on the development part of the hard answers, never on what a card reports."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from harness.auditing.alignment_examples import Example
from harness.auditing.people import Binary
from harness.errors import DataError
from harness.files import JsonObject
from harness.interfaces import Progress
from harness.judging.alignment.encoder import WordEncoder
from harness.judging.alignment.network import AlignmentNetwork, Pair, batch_of, feature_rows, score_pairs
from harness.judging.alignment.planning import TextPair
from harness.judging.alignment.reader import pairs_of
from harness.statistics import auc

__all__ = ["TrainedNetwork", "examples_of_people", "train"]

_HELD_OUT = 10
"""One question in so many."""
_EXAMPLES = 26_000
_EPOCHS, _BATCH, _RATE, _DECAY = 4, 128, 1.5e-3, 0.01
_CHUNK = 20  # batches of like length are drawn from so many
_SHARE_OF_PEOPLE = 0.6


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """The network, the scale of each head (slope, intercept), and what the reader of an entry should know."""

    network: AlignmentNetwork
    scales: tuple[tuple[float, float], tuple[float, float]]
    record: JsonObject


def examples_of_people(rows: Sequence[Binary], seed: int) -> list[Example]:
    """People's judgements of short answers, both ways round; some are left out at random."""
    rng = random.Random(seed)
    examples: list[Example] = []
    for row in rows:
        question, answer = row.case.question, row.case.answer
        reference = question.references[0].replace(" / ", " or ")
        both = [
            Example(question.text, question.text, reference, answer, row.right, None, "people", 0.5),
            Example(question.text, question.text, answer, reference, None, row.right, "people_stated", 0.5),
        ]
        examples += [each for each in both if rng.random() < _SHARE_OF_PEOPLE]
    return examples


def is_held_out(group: str) -> bool:
    """By a hash of the question alone."""
    return int(hashlib.sha256(f"held out:{group}".encode()).hexdigest()[:8], 16) % _HELD_OUT == 0


def train(examples: Sequence[Example], encoder: Path, seed: int, progress: Progress) -> TrainedNetwork:
    """At most 26,000 examples are used, drawn with `seed`."""
    rng = random.Random(seed)
    chosen = rng.sample(list(examples), min(_EXAMPLES, len(examples)))
    if all(is_held_out(example.group) for example in chosen):
        raise DataError("no example is left to train on: the pools hold too few questions with references")
    data = _Data.of(chosen, WordEncoder(encoder), progress)
    torch.manual_seed(seed)
    network = AlignmentNetwork(data.pairs[0].premise.vectors.shape[1], data.values.shape[1])
    own = data.values[data.training]
    network.means.copy_(torch.from_numpy(own.mean(axis=0)))
    network.deviations.copy_(torch.from_numpy(np.maximum(own.std(axis=0), 1e-6)))
    _descend(network, data, rng, progress)
    odds = score_pairs(network, [data.pairs[n] for n in data.held_out])
    labels = data.labels[data.held_out]
    kinds = [chosen[n].kind for n in data.held_out]
    record: JsonObject = {"examples": len(data.training), "held_out": len(data.held_out), "seed": seed}
    for head, name in enumerate(("right", "stated")):
        known = labels[:, head] >= 0
        value = auc(list(odds[known, head]), list(labels[known, head] > 0))
        record[f"held_out_auc_{name}"] = None if value is None else round(value, 4)
    right_scale = _scale(odds[:, 0], labels[:, 0], [kind != "same" for kind in kinds])
    stated_scale = _scale(odds[:, 1], labels[:, 1], [True] * len(kinds))
    return TrainedNetwork(network, (right_scale, stated_scale), record)


@dataclass(frozen=True, slots=True)
class _Data:
    """`labels` (examples, 2): 1, 0, or -1 where an example says nothing; `training` and `held_out`: their places."""

    pairs: Sequence[Pair]
    values: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    training: Sequence[int]
    held_out: Sequence[int]

    @classmethod
    def of(cls, examples: Sequence[Example], encoder: WordEncoder, progress: Progress) -> _Data:
        pairs: list[Pair] = []
        progress.start("encoding", len(examples))
        for first in range(0, len(examples), 1_000):
            part = [TextPair(e.question, e.premise, e.hypothesis) for e in examples[first : first + 1_000]]
            pairs += pairs_of(encoder, part)
            progress.advance(len(part))
        progress.finish()
        labels = np.array([[-1 if v is None else float(v) for v in (e.right, e.stated)] for e in examples])
        held_out = [n for n, e in enumerate(examples) if is_held_out(e.group)]
        training = [n for n, e in enumerate(examples) if not is_held_out(e.group)]
        weights = np.array([e.weight for e in examples])
        return cls(pairs, feature_rows(pairs), labels, weights, training, held_out)


def _batches(data: _Data, rng: random.Random) -> Iterator[list[int]]:
    """One pass: texts of like length together, batches in random order; what is left over is dropped."""
    order = rng.sample(list(data.training), len(data.training))
    for first in range(0, len(order), _BATCH * _CHUNK):
        chunk = sorted(order[first : first + _BATCH * _CHUNK], key=lambda n: len(data.pairs[n].premise.vectors))
        batches = [chunk[start : start + _BATCH] for start in range(0, len(chunk), _BATCH)]
        rng.shuffle(batches)
        yield from (batch for batch in batches if len(batch) == min(_BATCH, len(order)))


def _descend(network: AlignmentNetwork, data: _Data, rng: random.Random, progress: Progress) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = _EPOCHS * max(1, len(data.training) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps + _EPOCHS)
    network.train()
    progress.start("training", steps)
    for _ in range(_EPOCHS):
        for batch in _batches(data, rng):
            odds = network(batch_of([data.pairs[n] for n in batch], data.values[batch]))
            labels = torch.from_numpy(data.labels[batch]).float()
            weights = (labels >= 0).float() * torch.from_numpy(data.weights[batch]).float()[:, None]
            losses = binary_cross_entropy_with_logits(odds, labels.clamp(min=0), reduction="none")
            loss = (losses * weights).sum() / weights.sum().clamp(min=1e-6)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            progress.advance(1, detail=f"loss {loss.item():.3f}")
    progress.finish()
    network.eval()


def _scale(odds: np.ndarray, labels: np.ndarray, used: Sequence[bool]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on the log-odds, right and wrong weighed alike (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    known = (labels >= 0) & np.array(used, dtype=bool)
    if len(set(labels[known])) < 2:
        return 1.0, 0.0
    model = LogisticRegression(class_weight="balanced").fit(odds[known, None], labels[known])
    return round(float(model.coef_[0][0]), 4), round(float(model.intercept_[0]), 4)
