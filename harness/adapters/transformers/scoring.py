"""Log-probabilities of options as the next token: one pass over each distinct prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.adapters.transformers.batches import prefill
from harness.adapters.transformers.prompts import ChatPrompts
from harness.extras import require
from harness.records import OptionRequest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["options_of", "score_batch"]


def score_batch(
    model: PreTrainedModel, prompts: ChatPrompts, requests: Sequence[OptionRequest]
) -> tuple[list[dict[str, float]], int, int]:
    """(natural-log probabilities over the whole vocabulary, by option; prompt tokens asked for; those computed)."""
    torch = require("torch")
    distinct = list(dict.fromkeys(request.prompt for request in requests))
    encoded = prompts.encode(distinct)
    rows = torch.arange(len(distinct), device=model.device)
    with torch.inference_mode():
        batch = prefill(model, encoded, rows, prompts.tokenizer.pad_token_id)
        positions = (batch.mask.cumsum(-1) - 1).clamp(min=0)
        new = slice(0, None) if batch.cache is None else slice(-1, None)
        logits = model(
            input_ids=batch.ids[:, new],
            attention_mask=batch.mask,
            position_ids=positions[:, new],
            past_key_values=batch.cache,
            logits_to_keep=1,
        ).logits
    scores = options_of(prompts, requests, dict(zip(distinct, logits[:, -1].float(), strict=True)))
    length_of = {prompt: len(tokens) for prompt, tokens in zip(distinct, encoded, strict=True)}
    return scores, sum(length_of[request.prompt] for request in requests), batch.computed


def options_of(
    prompts: ChatPrompts, requests: Sequence[OptionRequest], logits: Mapping[str, torch.Tensor]
) -> list[dict[str, float]]:
    """Log-probabilities from the logits after each prompt."""
    logprobs = {prompt: of.log_softmax(-1) for prompt, of in logits.items()}
    return [
        {
            option: float(logprobs[request.prompt][token])
            for option, token in prompts.single_tokens(request.prompt, request.options).items()
        }
        for request in requests
    ]
