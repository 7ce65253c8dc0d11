"""The adapter itself: identity, window, batch sizes, the gate, and the loaded base that several adapters share."""

from __future__ import annotations

import gc
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from harness.adapters import gate
from harness.adapters.bases import BaseHolder
from harness.adapters.transformers.apart import generate_apart, score_apart
from harness.adapters.transformers.batches import fits_in_memory, generate_batch, is_out_of_memory
from harness.adapters.transformers.load import Loader, LoadSettings
from harness.adapters.transformers.prompts import ChatPrompts
from harness.adapters.transformers.rows import width_of
from harness.adapters.transformers.scoring import score_batch
from harness.adapters.weights import LoraCheckpoint
from harness.digests import digest_of
from harness.errors import CheckpointMismatch, HarnessError
from harness.extras import require
from harness.files import JsonObject
from harness.interfaces import Description, Identity, Usage, Weights
from harness.records import Answer, Message, OptionRequest, OptionScores, Request

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["TransformersAdapter"]

_GENERATION = 2  # raised when the same request may get another answer than before
_LARGEST_BATCH = {"cuda": 64, "cpu": 8}  # more is slower on a CPU: docs/log.md


class TransformersAdapter:
    """A base model, or a LoRA checkpoint on one. Everything heavy waits for the first prompt that has to be formatted,
    counted or answered. Adapters that are given the same `holder` share one loaded base."""

    def __init__(
        self,
        name: str,
        weights: Weights,
        settings: LoadSettings,
        lora: LoraCheckpoint | None = None,
        holder: BaseHolder | None = None,
    ) -> None:
        self.name = name
        self._weights, self._settings, self._lora = weights, settings, lora
        self._holder = holder or BaseHolder()
        self._prompts = ChatPrompts(weights, settings.chat_template)
        self._loader = Loader(name, weights, settings, lora)
        self._asked = self._computed = 0

    # ---- what it is -------------------------------------------------------------------------------------------------

    @cached_property
    def identity(self) -> Identity:
        settings = self._settings
        return {
            "engine": "transformers",
            "weights": dict(self._weights.identity),
            **(self._lora.identity if self._lora else {}),
            **({"lora_dtype": "base"} if self._lora and settings.narrows_lora else {}),
            "dtype": settings.dtype,
            "quantization": settings.quantization,
            "chat_template": settings.chat_template,
            "max_length": settings.max_length,
            **({"gate": "skipped"} if self._lora and not settings.gate else {}),
            "generation": _GENERATION,
            "depends_on_batch": not self._answers_apart,
        }

    @cached_property
    def _answers_apart(self) -> bool:
        """Whether answers are the same whatever is in their batch (`rows`). On a GPU, where one prompt at a time would
        leave most of it idle, they are not."""
        return not self._loader.uses_gpu

    @property
    def answer_identity(self) -> Identity:
        return {**self.identity, "max_length": None}

    @property
    def description(self) -> Description:
        settings = self._settings
        arguments = {"pretrained": self._weights.label, "peft": str(self._lora.path) if self._lora else None}
        arguments |= {"dtype": settings.dtype, "quantization": settings.quantization}
        arguments |= {"gate": "skipped" if self._lora and not settings.gate else None}
        arguments |= {"trust_remote_code": "True" if self._weights.trust_remote_code else None}
        arguments |= {"depends_on_batch": None if self._answers_apart else "True"}
        return {
            "engine": "hf",
            "model_args": {key: value for key, value in arguments.items() if value not in (None, "none")},
            "licence": settings.licence,
        }

    @cached_property
    def window(self) -> int:
        config = json.loads((self._weights.folder() / "config.json").read_text(encoding="utf-8"))
        own = config.get("max_position_embeddings") or config.get("text_config", {}).get("max_position_embeddings")
        if own is None and self._settings.max_length is None:
            raise HarnessError(
                f"{self._weights.label}: config.json names no window; set `max_length` in the model entry"
            )
        return min(int(length) for length in (own, self._settings.max_length) if length is not None)

    @property
    def usage(self) -> Usage:
        """Tokens of the prompts that were asked, repeats counted, and those that went through the model."""
        return {"prompt_tokens_asked": self._asked, "prompt_tokens_computed": self._computed} if self._asked else {}

    @property
    def weights_key(self) -> str:
        return self._loader.weights_key

    @property
    def streams(self) -> bool:
        return False

    @property
    def fixed_batch_size(self) -> int | None:
        return self._settings.batch_size if self._settings.batch_size != "auto" else None

    @property
    def training_record(self) -> JsonObject:
        return self._lora.training_record if self._lora else {}

    # ---- the gate ---------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        require("torch", "transformers")
        _ = self._loader.device  # refuses one that is not there
        self._weights.folder()
        self._loader.check_code()
        if self._lora is not None and self._settings.gate:
            gated = {"version": gate.VERSION, "model": self.identity, "files": dict(self._lora.files)}
            if faults := self._lora.remembered_faults(gated, self.faults):
                raise CheckpointMismatch(*(f"{self._lora.path}: {fault}" for fault in faults))

    def faults(self) -> list[str]:
        """What is wrong with the LoRA checkpoint: by its files and, where these are sound, by the loaded model, which
        is kept for the answers."""
        if self._lora is None:
            return []
        settings = self._settings
        base = gate.BaseFacts(
            folder=self._weights.folder(),
            identity=self._weights.identity,
            label=self._weights.label,
            dtype=settings.dtype,
            quantization=settings.quantization,
            trust_remote_code=self._weights.trust_remote_code,
            tokenizer=self.tokenizer,
            prompt_start_ids=self.prompt_start_ids,
        )
        faults = gate.faults_of_files(self._lora.path, base, self.training_record)
        return faults or gate.faults_of_model(self._model, self._prompts.encode, settings.dtype)

    # ---- prompts ----------------------------------------------------------------------------------------------------

    def format_prompt(self, messages: Sequence[Message], reply_prefix: str = "") -> str:
        return self._prompts.format(messages, reply_prefix)

    def count_tokens(self, prompts: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in self._prompts.encode(prompts)]

    # ---- training ---------------------------------------------------------------------------------------------------

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._prompts.tokenizer

    @property
    def tokenizer_record(self) -> JsonObject:
        return gate.tokenizer_record(self.tokenizer)

    @property
    def has_chat_template(self) -> bool:
        return self._prompts.has_chat_template

    @property
    def prompt_start_ids(self) -> list[int]:
        return self._prompts.start_ids

    def completion(self, answer: str) -> str:
        return self._prompts.completion(answer)

    def encode_pair(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        return self._prompts.encode_pair(prompt, completion)

    # ---- weights ----------------------------------------------------------------------------------------------------

    def load_base(self) -> PreTrainedModel:
        """The base, freshly loaded as for this entry: what training starts from."""
        return self._loader.load_base(self.tokenizer.eos_token_id, self.tokenizer.pad_token_id)

    @property
    def _model(self) -> PreTrainedModel:
        lora = digest_of(self._lora.identity) if self._lora else None
        return self._holder.model(self.weights_key, self.load_base, lora, self._loader.attach)

    def close(self) -> None:
        if self._holder.holds(self.weights_key):
            self._holder.free()

    # ---- answers ----------------------------------------------------------------------------------------------------

    def batch_size(self, requests: Sequence[Request]) -> int:
        """The entry's number, or for `auto` the largest that fits the longest of these very requests: on a GPU tried
        out, halving from 64 prompts; on a CPU, where too much would end the process, counted from the memory that is
        free, at most 8 prompts. Requests that share a prompt count as one of these."""
        if self.fixed_batch_size is not None:
            return self.fixed_batch_size
        if not requests:
            return 1
        longest = sorted(requests, key=lambda r: r.prompt_tokens + r.decoding.max_gen_toks, reverse=True)
        sharing = math.ceil(len(requests) / len({request.prompt for request in requests}))
        if not self._loader.device.startswith("cuda"):
            return max(1, min(_LARGEST_BATCH["cpu"] * sharing, fits_in_memory(self._model, longest[0])))
        size = min(_LARGEST_BATCH["cuda"] * sharing, len(longest))
        while size > 1:
            try:
                self._generate_batch(longest[:size])
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                require("torch").cuda.empty_cache()
                size //= 2
            else:
                return size
        return 1

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        by_decoding = sorted(requests, key=lambda r: repr(r.decoding))
        for _, group in itertools.groupby(by_decoding, key=lambda r: r.decoding):
            yield from self._generate_halving(list(group))

    @cached_property
    def _width(self) -> int:
        return width_of(self._model, self._settings.quantization == "8bit")

    def _generate_batch(self, requests: Sequence[Request]) -> list[Answer]:
        model = self._model
        if self._answers_apart:
            answers, requested, computed = generate_apart(model, self._width, self._prompts, requests)
        else:
            answers, requested, computed = generate_batch(model, self._prompts, requests)
        self._asked, self._computed = self._asked + requested, self._computed + computed
        return answers

    def _generate_halving(self, requests: list[Request]) -> Iterator[Answer]:
        """One batch; when memory runs out, its two halves, down to single requests. Nothing is remembered of it, so a
        resumed run forms the batches of an undisturbed one."""
        answers: list[Answer] | None = None
        try:
            answers = self._generate_batch(requests)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(requests) == 1:
                raise HarnessError(
                    f"{self.name}: out of memory on one prompt of {requests[0].prompt_tokens} tokens; use a quantised "
                    "entry, a smaller `max_length`, or device_map: auto"
                ) from error
        if answers is not None:
            yield from answers
            return
        gc.collect()
        if self._loader.device.startswith("cuda"):
            require("torch").cuda.empty_cache()
        middle = len(requests) // 2
        yield from self._generate_halving(requests[:middle])
        yield from self._generate_halving(requests[middle:])

    def score_options(self, requests: Sequence[OptionRequest]) -> Iterator[OptionScores]:
        for request, logprobs in zip(requests, self._score_halving(requests), strict=True):
            yield OptionScores(request.key, logprobs)

    def _score_halving(self, requests: Sequence[OptionRequest]) -> list[dict[str, float]]:
        """One batch, halved when memory runs out, as `generate` does."""
        if not requests:
            return []
        try:
            score = score_apart if self._answers_apart else score_batch
            scores, requested, computed = score(self._model, self._prompts, requests)
        except Exception as error:
            if not is_out_of_memory(error) or len(requests) == 1:
                raise
            middle = len(requests) // 2
            return self._score_halving(requests[:middle]) + self._score_halving(requests[middle:])
        self._asked, self._computed = self._asked + requested, self._computed + computed
        return scores
