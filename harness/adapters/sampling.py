"""Sampling in which every sequence has its own seed, so that a sample does not depend on its neighbours in a batch.

`transformers` draws a whole batch from one global generator: the same request then gets another answer beside other
requests. Here each row adds its own Gumbel noise to the logits and takes the largest, which is a draw from the softmax
(Gumbel 1954; Maddison, Tarlow, Minka 2014, arXiv:1411.0030), with the library's greedy loop left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["SeededSampler"]


class SeededSampler:
    """A logits processor: (batch, vocabulary) logits to noisy logits whose argmax is a sample at `temperature`, from
    the smallest set of tokens whose probability reaches `top_p`."""

    supports_continuous_batching = False

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature, self._top_p = temperature, top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        logits = scores.double() / self._temperature
        if self._top_p < 1.0:
            logits = self._nucleus(logits)
        uniform = torch.stack(
            [torch.rand(scores.shape[-1], generator=generator, dtype=torch.float64) for generator in self._generators]
        ).to(scores.device)
        return logits - torch.log(-torch.log(uniform.clamp(min=1e-300)))

    def _nucleus(self, logits: torch.Tensor) -> torch.Tensor:
        ordered, indices = logits.sort(dim=-1, descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)  # mass of all more likely tokens
        dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, indices, before >= self._top_p)
        return logits.masked_fill(dropped, float("-inf"))
