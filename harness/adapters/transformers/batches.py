"""Batches through a causal language model on a GPU. Prompts are padded on the left; requests with the same prompt share
one pass over it, and prompts that begin alike share the pass over what they begin with. In floating point, an answer
can then change with its neighbours; on a CPU it is `rows` that answers.

Decoding follows the request and nothing else: a checkpoint's own `generation_config.json` (temperatures,
penalties) is not used, only its end-of-text tokens are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.adapters.transformers.prompts import ChatPrompts
from harness.extras import require
from harness.records import Answer, Request, StopReason

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedModel

__all__ = [
    "Prefilled",
    "answer_of",
    "fits_in_memory",
    "generate_batch",
    "is_out_of_memory",
    "prefill",
    "shared_prefixes",
]

_CPU_MEMORY_SHARE = 0.4  # of what is free: the rest is for activations, which `auto` does not count on a CPU


class Prefilled(NamedTuple):
    """Prompts at the rows of a batch. `ids` and `mask` are (rows, columns); `cache` holds the keys and values of all
    columns but the last, None where nothing is shared and generation may as well do it itself. `computed`: prompt
    tokens that went, or will go, through the model."""

    ids: torch.Tensor
    mask: torch.Tensor
    cache: Cache | None
    computed: int


# ---- answers --------------------------------------------------------------------------------------------------------


def generate_batch(
    model: PreTrainedModel, prompts: ChatPrompts, requests: Sequence[Request]
) -> tuple[list[Answer], int, int]:
    """(answers to requests of one decoding, prompt tokens asked for, prompt tokens computed)."""
    torch = require("torch")
    decoding = requests[0].decoding
    distinct = list(dict.fromkeys(request.prompt for request in requests))
    index = {prompt: number for number, prompt in enumerate(distinct)}
    rows = torch.tensor([index[request.prompt] for request in requests], device=model.device)
    options: dict[str, object] = {"max_new_tokens": decoding.max_gen_toks, "do_sample": False}
    if decoding.until:
        options |= {"stop_strings": list(decoding.until), "tokenizer": prompts.tokenizer}
    if not decoding.greedy:
        from harness.adapters.sampling import SeededSampler

        seeds = [request.seed for request in requests]
        options["logits_processor"] = [SeededSampler(seeds, decoding.temperature, decoding.top_p)]
    with torch.inference_mode():
        batch = prefill(model, prompts.encode(distinct), rows, prompts.tokenizer.pad_token_id)
        if batch.cache is not None:
            options["past_key_values"] = batch.cache
        produced = model.generate(input_ids=batch.ids, attention_mask=batch.mask, **options)[:, batch.ids.shape[1] :]
    lengths = batch.mask.sum(dim=1).tolist()
    answers = [
        answer_of(model, prompts, request, tokens, length)
        for request, tokens, length in zip(requests, produced.tolist(), lengths, strict=True)
    ]
    return answers, sum(lengths), batch.computed


def answer_of(
    model: PreTrainedModel, prompts: ChatPrompts, request: Request, tokens: list[int], prompt_tokens: int
) -> Answer:
    """The answer that these tokens are, up to an end token or a stop string."""
    ends = set(model.generation_config.eos_token_id)
    end = next((number for number, token in enumerate(tokens) if token in ends), None)
    kept = tokens if end is None else tokens[:end]
    text = prompts.tokenizer.decode(kept, skip_special_tokens=True)
    stop = min((start for stop in request.decoding.until if (start := text.find(stop)) >= 0), default=None)
    if stop is not None:
        reason, text = StopReason.UNTIL, text[:stop]
    else:
        reason = StopReason.LIMIT if end is None else StopReason.EOS
    return Answer(request.key, text.strip(), reason, prompt_tokens, len(kept))


# ---- shared passes over prompts -------------------------------------------------------------------------------------


def prefill(model: PreTrainedModel, encoded: Sequence[Sequence[int]], rows: torch.Tensor, pad: int) -> Prefilled:
    """The prompts at `rows`. What several prompts begin with (the item, for a judge that scores it by two criteria) is
    computed once, then what they go on with, then both are copied to the requests.

    Rows are `pads, prefix, pads, rest`: positions are counted from the mask, so pads in the middle do not matter."""
    torch = require("torch")
    groups = shared_prefixes(encoded)
    if len(groups) == len(encoded) or 2 * max(map(len, encoded)) > _sliding_window(model):
        ids, mask = _padded(encoded, pad, rows.device)
        if len(rows) == len(encoded):
            return Prefilled(ids, mask, None, int(mask.sum()))
        cache = _forward(model, ids[:, :-1], mask[:, :-1], None)
        cache.batch_select_indices(rows)
        return Prefilled(ids[rows], mask[rows], cache, int(mask.sum()))
    prefix_ids, prefix_mask = _padded([encoded[group[0]][:length] for length, group in groups], pad, rows.device)
    group_of = {number: position for position, (_, group) in enumerate(groups) for number in group}
    positions = [group_of[number] for number in range(len(encoded))]
    rest = [tokens[groups[position][0] :] for tokens, position in zip(encoded, positions, strict=True)]
    rest_ids, rest_mask = _padded(rest, pad, rows.device)
    prompt_indices = torch.tensor(positions, device=rows.device)
    cache = _forward(model, prefix_ids, prefix_mask, None)
    cache.batch_select_indices(prompt_indices)
    ids = torch.cat([prefix_ids[prompt_indices], rest_ids], dim=1)
    mask = torch.cat([prefix_mask[prompt_indices], rest_mask], dim=1)
    cache = _forward(model, ids[:, :-1], mask[:, :-1], cache)
    cache.batch_select_indices(rows)
    return Prefilled(ids[rows], mask[rows], cache, int(prefix_mask.sum()) + int(rest_mask.sum()))


def _sliding_window(model: PreTrainedModel) -> float:
    """Where attention slides, its window counts columns, pads in the middle included; longer rows than it are not put
    together of parts."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if window is None or not getattr(config, "use_sliding_window", True):
        return math.inf
    return float(window)


def _forward(model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, cache: Cache | None) -> Cache:
    """The cache after all of `ids`, of which it holds the first columns already."""
    if cache is None:
        cache = require("transformers").DynamicCache(config=model.config)
    done = int(cache.get_seq_length())
    if ids.shape[1] > done:
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        model(
            input_ids=ids[:, done:],
            attention_mask=mask,
            position_ids=positions[:, done:],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
    return cache


def _padded(
    encoded: Sequence[Sequence[int]], pad: int, device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, (prompts, longest), padded on the left."""
    torch = require("torch")
    longest = max(map(len, encoded))
    ids = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in encoded])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in encoded])
    return ids.to(device), mask.to(device)


def shared_prefixes(encoded: Sequence[Sequence[int]]) -> list[tuple[int, list[int]]]:
    """(length of a common prefix, numbers of the prompts that begin with it). Prompts are grouped where they share at
    least half of the shortest; the prefix leaves every prompt at least its last token. One group a prompt where nothing
    is shared."""
    order = sorted(range(len(encoded)), key=lambda number: list(encoded[number]))
    groups: list[tuple[int, list[int]]] = []
    for number in order:
        tokens = encoded[number]
        if groups:
            length, members = groups[-1]
            common = min(_common(encoded[members[0]][:length], tokens), len(tokens) - 1)
            if common > 0 and 2 * common >= min(len(tokens), *(len(encoded[member]) for member in members)):
                groups[-1] = (common, [*members, number])
                continue
        groups.append((len(tokens) - 1, [number]))
    return groups


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    return next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


# ---- memory ---------------------------------------------------------------------------------------------------------


def fits_in_memory(model: PreTrainedModel, longest: Request) -> int:
    """How many requests like the longest fit beside the weights on a CPU, counted from the cache that they need and the
    memory that is free."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    a_token = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize
    a_sequence = a_token * (longest.prompt_tokens + longest.decoding.max_gen_toks)
    return int(_free_memory() * _CPU_MEMORY_SHARE / a_sequence)


def is_out_of_memory(error: Exception) -> bool:
    """A GPU's error has a class of its own; the CPU allocator's is a plain RuntimeError with these words."""
    torch = require("torch")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _free_memory() -> int:
    """Bytes that can be had without swapping; 4 GB where the system does not report it (not Linux)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            fields = dict(line.split(":", 1) for line in stream)
        return int(fields["MemAvailable"].split()[0]) * 1_024
    except (OSError, KeyError):
        return 4 * 1_024**3
