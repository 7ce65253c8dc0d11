"""Requests answered apart: by `rows` where the model can be computed there, otherwise by `generate` of transformers,
one at a time. Either way no answer and no log-probability depends on what else is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.adapters.transformers.batches import answer_of, generate_batch
from harness.adapters.transformers.prompts import ChatPrompts
from harness.adapters.transformers.rows import RowModel, Sampling, Wanted, can_answer_in_rows
from harness.adapters.transformers.scoring import options_of, score_batch
from harness.records import Answer, OptionRequest, Request

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["generate_apart", "score_apart"]


def generate_apart(
    model: PreTrainedModel, width: int, prompts: ChatPrompts, requests: Sequence[Request]
) -> tuple[list[Answer], int, int]:
    """As `generate_batch`, of requests of any decoding. `width` is the model's, by `rows.width_of`."""
    encoded = [tuple(tokens) for tokens in prompts.encode([request.prompt for request in requests])]
    pairs = list(zip(requests, encoded, strict=True))
    in_rows = [pair for pair in pairs if can_answer_in_rows(model, len(pair[1]) + pair[0].decoding.max_gen_toks)]
    continued = RowModel(model, width).continuations([_wanted(model, prompts, *pair) for pair in in_rows])
    answers = [
        answer_of(model, prompts, request, tokens, len(prompt))
        for (request, prompt), tokens in zip(in_rows, continued.tokens, strict=True)
    ]
    computed = continued.computed
    for pair in pairs:
        if pair not in in_rows:
            alone, _, own = generate_batch(model, prompts, [pair[0]])
            answers, computed = [*answers, *alone], computed + own
    return answers, sum(map(len, encoded)), computed


def _wanted(model: PreTrainedModel, prompts: ChatPrompts, request: Request, tokens: tuple[int, ...]) -> Wanted:
    decoding = request.decoding
    sampling = None if decoding.greedy else Sampling(request.seed, decoding.temperature, decoding.top_p)
    return Wanted(tokens, decoding.max_gen_toks, _end(model, prompts, decoding.until), sampling)


def _end(model: PreTrainedModel, prompts: ChatPrompts, until: Sequence[str]) -> Callable[[list[int]], bool]:
    """Whether tokens end an answer: the last is an end token, or a stop string is in their text."""
    ends = set(model.generation_config.eos_token_id)

    def is_complete(tokens: list[int]) -> bool:
        if tokens[-1] in ends:
            return True
        text = prompts.tokenizer.decode(tokens, skip_special_tokens=True) if until else ""
        return any(stop in text for stop in until)

    return is_complete


def score_apart(
    model: PreTrainedModel, prompts: ChatPrompts, requests: Sequence[OptionRequest]
) -> tuple[list[dict[str, float]], int, int]:
    """As `score_batch`."""
    distinct = list(dict.fromkeys(request.prompt for request in requests))
    encoded = {prompt: tuple(tokens) for prompt, tokens in zip(distinct, prompts.encode(distinct), strict=True)}
    in_rows = {prompt: tokens for prompt, tokens in encoded.items() if can_answer_in_rows(model, len(tokens))}
    logits, computed = RowModel(model).next_logits(list(in_rows.values()))
    of_prompt = dict(zip(in_rows, logits, strict=True))
    scores = []
    for request in requests:
        if request.prompt in of_prompt:
            scores += options_of(prompts, [request], of_prompt)
        else:
            alone, _, own = score_batch(model, prompts, [request])
            scores, computed = scores + alone, computed + own
    return scores, sum(len(encoded[request.prompt]) for request in requests), computed
