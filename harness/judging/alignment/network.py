"""The small network that reads an alignment: decomposable attention (Parikh et al. 2016, arXiv:1606.01933) over the
word vectors of a frozen sentence encoder, with the features of `features.py` beside them. Two probabilities come out,
as log-odds: that the hypothesis is right by the premise, and that the premise states the hypothesis.

torch is imported here; import this module late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from harness.errors import DataError
from harness.judging.alignment.features import FLAGS, EncodedText, features, flags

__all__ = ["MOST_WORDS", "AlignmentNetwork", "Batch", "Pair", "batch_of", "feature_rows", "load", "save", "score_pairs"]

MOST_WORDS = 90
"""Of a text; the judge shows longer ones in parts."""
_CLIP = 5.0  # standard deviations of a feature
_NO_MATCH = -1e4
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, what is known, and what is held against it."""

    question: EncodedText
    premise: EncodedText
    hypothesis: EncodedText


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded tensors of several pairs: vectors (pairs, words, dimensions), masks (pairs, words), flags (pairs, words,
    FLAGS) of hypothesis and premise, and the features (pairs, features), not standardised."""

    hypothesis: torch.Tensor
    premise: torch.Tensor
    hypothesis_mask: torch.Tensor
    premise_mask: torch.Tensor
    hypothesis_flags: torch.Tensor
    premise_flags: torch.Tensor
    features: torch.Tensor


def batch_of(pairs: Sequence[Pair], values: np.ndarray) -> Batch:
    """`values`: the pairs' features (pairs, features)."""
    hypotheses = _padded([(p.hypothesis, flags(p.hypothesis, p.premise, p.question)) for p in pairs])
    premises = _padded([(p.premise, flags(p.premise, p.hypothesis, p.question)) for p in pairs])
    return Batch(
        hypotheses[0], premises[0], hypotheses[1], premises[1], hypotheses[2], premises[2],
        torch.from_numpy(values.astype(np.float32)),
    )  # fmt: skip


def _padded(texts: Sequence[tuple[EncodedText, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    lengths = [min(MOST_WORDS, len(text.vectors)) for text, _ in texts]
    longest, dimensions = max(lengths), texts[0][0].vectors.shape[1]
    vectors = np.zeros((len(texts), longest, dimensions), dtype=np.float32)
    marks = np.zeros((len(texts), longest, FLAGS), dtype=np.float32)
    mask = np.zeros((len(texts), longest), dtype=bool)
    for row, ((text, text_flags), length) in enumerate(zip(texts, lengths, strict=True)):
        vectors[row, :length], marks[row, :length] = text.vectors[:length], text_flags[:length]
        mask[row, :length] = True
    return torch.from_numpy(vectors), torch.from_numpy(mask), torch.from_numpy(marks)


class AlignmentNetwork(nn.Module):
    """`dimensions` of the word vectors, number of `features`. The features' means and deviations are buffers."""

    means: torch.Tensor
    deviations: torch.Tensor

    def __init__(self, dimensions: int, features: int, width: int = 128, compared: int = 96) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(features))
        self.register_buffer("deviations", torch.ones(features))
        self.project = nn.Linear(dimensions, width)
        self.sharpness = nn.Parameter(torch.tensor(8.0))
        self.compare = nn.Sequential(
            nn.Linear(4 * width + FLAGS + 2, 2 * compared), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(2 * compared, compared), nn.ReLU(),
        )  # fmt: skip
        self.decide = nn.Sequential(
            nn.Linear(4 * compared + features, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 2)
        )

    def forward(self, batch: Batch) -> torch.Tensor:
        """(pairs, 2): log-odds of right and of stated."""
        unit = nn.functional.normalize
        similarity = unit(batch.hypothesis, dim=-1) @ unit(batch.premise, dim=-1).transpose(1, 2)
        hypothesis, premise = self.project(batch.hypothesis), self.project(batch.premise)
        sides = [
            self._side(hypothesis, premise, similarity, batch.hypothesis_mask, batch.premise_mask,
                       batch.hypothesis_flags),
            self._side(premise, hypothesis, similarity.transpose(1, 2), batch.premise_mask, batch.hypothesis_mask,
                       batch.premise_flags),
        ]  # fmt: skip
        standard = ((batch.features - self.means) / self.deviations).clamp(-_CLIP, _CLIP)
        decided: torch.Tensor = self.decide(torch.cat([*sides, standard], dim=-1))
        return decided

    def _side(
        self, own: torch.Tensor, other: torch.Tensor, similarity: torch.Tensor, own_mask: torch.Tensor,
        other_mask: torch.Tensor, own_flags: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Each word compared with what it is aligned to, then mean and maximum over the words."""
        unknown = ~other_mask[:, None, :]
        aligned = torch.softmax((self.sharpness * similarity).masked_fill(unknown, _NO_MATCH), dim=-1) @ other
        best = similarity.masked_fill(unknown, -1.0).amax(dim=-1, keepdim=True)
        product = own * aligned
        agreement = product.sum(dim=-1, keepdim=True) / own.shape[-1] ** 0.5
        compared = self.compare(
            torch.cat([own, aligned, (own - aligned).abs(), product, best, agreement, own_flags], dim=-1)
        ).masked_fill(~own_mask[..., None], 0.0)
        count = own_mask.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.cat([compared.sum(dim=1) / count, compared.amax(dim=1)], dim=-1)


def feature_rows(pairs: Sequence[Pair]) -> np.ndarray:
    """(pairs, features), in the order of `features`."""
    return np.array([list(features(p.question, p.premise, p.hypothesis).values()) for p in pairs], dtype=np.float64)


def score_pairs(network: AlignmentNetwork, pairs: Sequence[Pair]) -> np.ndarray:
    """(pairs, 2), in float64; pairs of like length together, which does not change a score beyond rounding."""
    scores = np.zeros((len(pairs), 2))
    order = sorted(range(len(pairs)), key=lambda n: len(pairs[n].premise.vectors) + len(pairs[n].hypothesis.vectors))
    network.eval()
    with torch.inference_mode():
        for first in range(0, len(order), _BATCH):
            places = order[first : first + _BATCH]
            chosen = [pairs[place] for place in places]
            scores[places] = network(batch_of(chosen, feature_rows(chosen))).double().numpy()
    return scores


def save(network: AlignmentNetwork, path: Path) -> None:
    """In 16 bits, as safetensors."""
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, str(path))


def load(path: Path) -> AlignmentNetwork:
    """Raises `DataError` for a file of another network, and for one that was fitted on other features than today's."""
    try:
        tensors = {name: value.float() for name, value in load_file(str(path)).items()}
        network = AlignmentNetwork(tensors["project.weight"].shape[1], _number_of_features())
        network.load_state_dict(tensors)
    except (KeyError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{path}: holds no alignment network; fit the judge again (harness fit-judge)") from error
    return network


def _number_of_features() -> int:
    text = EncodedText("x", np.ones((1, 1)), np.ones(1))
    return len(features(text, text, text))
