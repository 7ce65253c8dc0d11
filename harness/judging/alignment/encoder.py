"""Vectors of the words of a text in their context, from a sentence-transformers model: the mean over a word's tokens in
the last layer; and the sentence's own vector, the mean over all tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.judging.alignment.features import EncodedText
from harness.judging.alignment.words import words
from harness.remote_code import only_trusted_code

__all__ = ["WordEncoder"]

_BATCH = 64
_MOST_TOKENS = 256
_KEPT = 50_000  # texts


class WordEncoder:
    """Encodes each text once, while it remembers it."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        with only_trusted_code(str(folder), "this judge's encoder must do without"):
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            self._model = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False).eval()
        self._known: dict[str, EncodedText] = {}

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """One for each text; words behind the 256th token have no vector."""
        if len(self._known) > _KEPT:
            self._known.clear()
        unknown = sorted({text for text in texts if text not in self._known}, key=lambda text: (len(text), text))
        for first in range(0, len(unknown), _BATCH):
            self._encode(unknown[first : first + _BATCH])
        return [self._known[text] for text in texts]

    def _encode(self, texts: Sequence[str]) -> None:
        import torch

        split = [words(text) or ["x"] for text in texts]
        tokens = self._tokenizer(
            split, is_split_into_words=True, truncation=True, max_length=_MOST_TOKENS, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state.float().numpy()
        mask = tokens["attention_mask"].numpy().astype(np.float32)[..., None]
        whole = _unit((states * mask).sum(axis=1) / mask.sum(axis=1))
        for row, text in enumerate(texts):
            owners = np.array([-1 if owner is None else owner for owner in tokens.word_ids(row)])
            vectors = np.stack([states[row][owners == word].mean(axis=0) for word in range(owners.max() + 1)])
            self._known[text] = EncodedText(text, _unit(vectors), whole[row])


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: np.ndarray = (vectors / np.maximum(norms, 1e-9)).astype(np.float32)
    return unit
