"""Answers that are the same bits whatever else is in their batch. On a CPU, this is how prompts are answered.

In floating point, a sum depends on how it is split, and the split on the shapes of the matrices. So no neighbour
decides on a shape here:

- A prompt is read alone, without padding, in chunks of `CHUNK` tokens counted from its beginning. Prompts that begin
  alike share whole chunks: each would have computed the same.
- Answers are decoded together, one token of each at a time, in matrices of always `WIDTH` rows; a row without an answer
  holds a dummy. That a row of a product depends neither on the other rows nor on its place among them is promised by no
  library: it is tried on the loaded model, and where it does not hold, the width is 1.
- Attention, the one layer in which a sequence has a length, is computed for each row by itself.

Mixtures of experts (an expert's matrix has as many rows as the batch sends to it) and 8-bit weights (bitsandbytes looks
for outliers in all rows at once) have a width of 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.extras import require

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from harness.adapters.sampling import SeededSampler

__all__ = ["CHUNK", "WIDTH", "Continued", "RowModel", "Sampling", "Wanted", "can_answer_in_rows", "width_of"]

CHUNK = 256
WIDTH = 8
_ARCHITECTURES = ("llama", "mistral", "mixtral", "qwen2", "qwen3")  # each is in tests/test_independence.py
_ROPES_OF_A_BATCH = ("dynamic", "longrope")  # their angles follow the longest sequence so far
_ATTENTION = "harness_rows"


class Sampling(NamedTuple):
    """How a token is drawn; without it, it is the likeliest."""

    seed: int
    temperature: float
    top_p: float


class Wanted(NamedTuple):
    """A continuation to compute: at most `max_tokens`, and none after those of which `is_complete` is true."""

    prompt: tuple[int, ...]
    max_tokens: int
    is_complete: Callable[[list[int]], bool]
    sampling: Sampling | None = None


class Continued(NamedTuple):
    """The tokens of each continuation, and how many tokens of prompts went through the model."""

    tokens: list[list[int]]
    computed: int


def can_answer_in_rows(model: PreTrainedModel, tokens: int) -> bool:
    """Whether a sequence of so many tokens can be computed here. Others are left to `generate` of transformers, one at
    a time."""
    config = model.config
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    return (
        config.model_type in _ARCHITECTURES and rope not in _ROPES_OF_A_BATCH and (window is None or tokens <= window)
    )


class _Row:
    """Keys and values of one sequence, in room for `places` tokens; the first `length` of them are there."""

    def __init__(self, places: int) -> None:
        self.length = 0
        self._places = places
        self._kept: list[tuple[Tensor, Tensor]] = []  # a layer: (heads, places, width) each

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values of a layer, with those of new tokens put behind what is there."""
        if layer == len(self._kept):
            self._kept.append((_room(keys, self._places), _room(values, self._places)))
        end = self.length + keys.shape[1]
        whole = self._kept[layer]
        for kept, new in zip(whole, (keys, values), strict=True):
            kept[:, self.length : end] = new
        return whole[0][:, :end], whole[1][:, :end]

    def copy(self, length: int, places: int) -> _Row:
        """Another sequence that begins with the first `length` tokens of this one."""
        copied = _Row(places)
        copied.length = length
        for keys, values in self._kept:
            both = _room(keys, places), _room(values, places)
            both[0][:, :length], both[1][:, :length] = keys[:, :length], values[:, :length]
            copied._kept.append(both)
        return copied


def _room(like: Tensor, places: int) -> Tensor:
    return like.new_empty(like.shape[0], places, like.shape[2])


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: object,
) -> tuple[Tensor, None]:
    """An attention function of transformers. `query` is (rows, heads, new tokens, width); `options["rows"]` are the
    `_Row`s, None for a dummy. Several new tokens are of one row; the mask says which of its tokens each may see, and
    without one the row begins here."""
    attention = require("torch").nn.functional.scaled_dot_product_attention
    rows: Sequence[_Row | None] = options["rows"]  # type: ignore[assignment]
    scale, layer = options.get("scaling"), module.layer_idx
    count, heads, new, _ = query.shape
    attended = query.new_zeros(count, new, heads, value.shape[-1])
    for number, row in enumerate(rows):
        if row is None:
            continue
        keys, values = row.extend(layer, key[number], value[number])  # type: ignore[arg-type]
        keys, values, asked = keys[None], values[None], query[number : number + 1]
        if new == 1:  # heads that share keys are asked at once
            asked = asked.reshape(1, keys.shape[1], -1, asked.shape[-1])
            found = attention(asked, keys, values, scale=scale).reshape(1, heads, 1, -1)
        else:
            causal = attention_mask is None
            found = attention(
                asked, keys, values, attn_mask=attention_mask, is_causal=causal, scale=scale, enable_gqa=True
            )
        attended[number] = found[0].transpose(0, 1)
    return attended, None


@contextmanager
def _attending_rows(model: PreTrainedModel) -> Iterator[None]:
    require("transformers").AttentionInterface.register(_ATTENTION, _attend)
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = _ATTENTION
    try:
        with require("torch").inference_mode():
            yield
    finally:
        config._attn_implementation = before


@dataclass(eq=False)
class _Answering:
    """A continuation that is being computed."""

    wanted: Wanted
    row: _Row
    sampler: SeededSampler | None
    tokens: list[int]

    def add(self, logits: Tensor) -> bool:
        """Takes the next token from its (1, vocabulary) logits; whether it was the last."""
        scores = logits.float()
        scores = scores if self.sampler is None else self.sampler(scores, scores)
        self.tokens.append(int(scores.argmax(-1)))
        return len(self.tokens) >= self.wanted.max_tokens or self.wanted.is_complete(self.tokens)


class _Read(NamedTuple):
    """A prompt that went through the model: its row, and the (1, vocabulary) logits of what comes next."""

    row: _Row
    logits: Tensor


class _Reader:
    """Reads the prompts of one call, each once, and of those that begin alike the whole chunks once. `places` is the
    room that each prompt needs with its longest answer."""

    def __init__(self, model: PreTrainedModel, places: Mapping[tuple[int, ...], int]) -> None:
        self._model, self._places = model, places
        begins = Counter(begin for prompt in places for begin in _chunks_of(prompt))
        self._shared = {begin for begin, count in begins.items() if count > 1}
        self._rows: dict[tuple[int, ...], _Row] = {}
        self.computed = 0

    def read(self, prompt: tuple[int, ...]) -> _Read:
        torch = require("torch")
        places = self._places[prompt]
        known = next((begin for begin in reversed(_chunks_of(prompt)) if begin in self._rows), None)
        row = _Row(places) if known is None else self._rows[known].copy(len(known), places)
        for start in range(row.length, len(prompt), CHUNK):
            end = min(start + CHUNK, len(prompt))
            mask = None
            if start and end - start > 1:
                mask = torch.ones(1, 1, end - start, end, dtype=torch.bool).tril(start)
            wanted = 1 if end == len(prompt) else torch.tensor([], dtype=torch.long)
            logits = _forward(self._model, [row], [prompt[start:end]], mask, wanted)
            self.computed += end - start
        for begin in _chunks_of(prompt):
            if begin in self._shared:
                self._rows.setdefault(begin, row)
        return _Read(row, logits[0])


def _chunks_of(prompt: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What it begins with, in whole chunks; at least its last token is left."""
    return [prompt[:end] for end in range(CHUNK, len(prompt), CHUNK)]


def _forward(
    model: PreTrainedModel,
    rows: Sequence[_Row | None],
    tokens: Sequence[Sequence[int]],
    mask: Tensor | None = None,
    logits_to_keep: int | Tensor = 1,
) -> Tensor:
    """Logits (rows, kept, vocabulary) after so many new tokens of each row; the rows then hold these tokens."""
    torch = require("torch")
    firsts = torch.tensor([[0 if row is None else row.length] for row in rows])
    new = len(tokens[0])
    logits: Tensor = model(
        input_ids=torch.tensor([list(each) for each in tokens]),
        attention_mask=mask,
        position_ids=firsts + torch.arange(new),
        use_cache=False,
        logits_to_keep=logits_to_keep,
        rows=rows,
    ).logits
    for row in rows:
        if row is not None:
            row.length += new
    return logits


def width_of(model: PreTrainedModel, eight_bit: bool) -> int:
    """Rows of every matrix in decoding: `WIDTH` where rows do not depend on one another, else 1."""
    experts = any(hasattr(model.config, name) for name in ("num_local_experts", "num_experts"))
    if eight_bit or experts or not can_answer_in_rows(model, 1):
        return 1
    return WIDTH if _rows_are_independent(model) else 1


def _rows_are_independent(model: PreTrainedModel) -> bool:
    """Some tokens, each the first of its sequence: in one order, each a place further, and every second of them beside
    dummies. Equal to the bit?"""
    torch = require("torch")
    tokens = [number * (model.config.vocab_size - 1) // WIDTH for number in range(1, WIDTH + 1)]

    def after(order: Sequence[int | None]) -> Tensor:
        rows = [None if token is None else _Row(1) for token in order]
        return _forward(model, rows, [[token or 0] for token in order])

    with _attending_rows(model):
        first, moved = after(tokens), after([tokens[-1], *tokens[:-1]])
        halved = after([token if place % 2 else None for place, token in enumerate(tokens)])
        return bool(torch.equal(first, moved.roll(-1, dims=0)) and torch.equal(first[1::2], halved[1::2]))


class RowModel:
    """A loaded model as this module computes with it."""

    def __init__(self, model: PreTrainedModel, width: int = 1) -> None:
        self._model, self._width = model, width

    def next_logits(self, prompts: Sequence[tuple[int, ...]]) -> tuple[list[Tensor], int]:
        """(the logits of the token after each prompt, float32; tokens of prompts that went through the model)."""
        reader = _Reader(self._model, {prompt: len(prompt) for prompt in prompts})
        with _attending_rows(self._model):
            read = {prompt: reader.read(prompt).logits[0].float() for prompt in dict.fromkeys(prompts)}
        return [read[prompt] for prompt in prompts], reader.computed

    def continuations(self, wanted: Sequence[Wanted]) -> Continued:
        """Those that wait are begun as others end."""
        places: dict[tuple[int, ...], int] = {}
        for each in wanted:
            places[each.prompt] = max(places.get(each.prompt, 0), len(each.prompt) + each.max_tokens)
        reader = _Reader(self._model, places)
        tokens: list[list[int]] = [[] for _ in wanted]
        with _attending_rows(self._model):
            waiting = _unfinished(wanted, reader, tokens)
            answering: list[_Answering | None] = [next(waiting, None) for _ in range(self._width)]
            while any(answering):
                going_on = self._step(answering)
                answering = [each if each in going_on else next(waiting, None) for each in answering]
        return Continued(tokens, reader.computed)

    def _step(self, answering: Sequence[_Answering | None]) -> list[_Answering]:
        """One token of each; those that are not complete with it."""
        rows = [None if each is None else each.row for each in answering]
        last = [[0] if each is None else each.tokens[-1:] for each in answering]
        logits = _forward(self._model, rows, last)
        return [each for place, each in enumerate(answering) if each is not None and not each.add(logits[place])]


def _unfinished(wanted: Sequence[Wanted], reader: _Reader, tokens: Sequence[list[int]]) -> Iterator[_Answering]:
    """Continuations with their prompt read and their first token, those left out that it completes. The last one that
    wants a prompt gets the prompt's own row, those before it copies. `tokens` are the lists that are filled."""
    left = Counter(each.prompt for each in wanted)
    read: dict[tuple[int, ...], _Read] = {}
    for own_tokens, each in zip(tokens, wanted, strict=True):
        prompt = each.prompt
        if prompt not in read:
            read[prompt] = reader.read(prompt)
        left[prompt] -= 1
        if left[prompt]:
            row = read[prompt].row.copy(len(prompt), len(prompt) + each.max_tokens)
            logits = read[prompt].logits
        else:
            row, logits = read.pop(prompt)
        answering = _Answering(each, row, _sampler(each.sampling), own_tokens)
        if not answering.add(logits):
            yield answering


def _sampler(sampling: Sampling | None) -> SeededSampler | None:
    if sampling is None:
        return None
    from harness.adapters.sampling import SeededSampler

    return SeededSampler([sampling.seed], sampling.temperature, sampling.top_p)
