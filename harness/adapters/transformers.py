"""The reference engine: a causal language model of `transformers`, base or with a LoRA checkpoint by PEFT, in 16 or 32
bits or quantised by bitsandbytes, placed by accelerate.

Batches are padded on the left. Decoding is what the request says and nothing else: a checkpoint's own
`generation_config.json` (temperatures, penalties) is not used, only its end-of-text tokens are. Requests with the same
prompt share one pass over it, which makes ten repeats of a judge nearly as cheap as one.
"""

from __future__ import annotations

import gc
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from harness.adapters import gate
from harness.adapters.bases import BaseHolder
from harness.adapters.weights import LoraCheckpoint, Weights
from harness.digests import digest_of
from harness.errors import CheckpointMismatch, HarnessError, UsageError
from harness.extras import require
from harness.records import Answer, Message, OptionRequest, Request, StopReason

if TYPE_CHECKING:
    import torch

__all__ = ["LoadSettings", "TransformersAdapter"]

_LARGEST_BATCH = {"cuda": 64, "cpu": 8}  # more is slower on a CPU: docs/log.md
_CPU_MEMORY_SHARE = 0.4  # of what is free: the rest is for activations, which `auto` does not count on a CPU
PLAIN_FORM = "{system}{user}\n\nAnswer: "
"""The prompt of a model without a chat template: instruction and question, a blank line, "Answer: "."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How weights are loaded. `device` None: a GPU if there is one. `max_length` None: the model's own window."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    quantization: Literal["none", "8bit", "4bit"] = "none"
    device: str | None = None
    device_map: str | None = None
    batch_size: int | Literal["auto"] = "auto"
    max_length: int | None = None
    chat_template: str | None = None
    licence: str = ""
    gate: bool = True
    """Whether a LoRA checkpoint must pass `adapters.gate` before it answers."""


class TransformersAdapter:
    """Everything heavy waits for the first prompt that has to be formatted, counted or answered."""

    def __init__(
        self,
        name: str,
        weights: Weights,
        settings: LoadSettings,
        lora: LoraCheckpoint | None = None,
        holder: BaseHolder | None = None,
    ) -> None:
        """Adapters that are given the same `holder` share one loaded base."""
        self.name = name
        self._weights, self._settings, self._lora = weights, settings, lora
        self._holder = holder or BaseHolder()
        self._asked = self._computed = 0

    # ---- what it is -------------------------------------------------------------------------------------------------

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        settings = self._settings
        return {
            "engine": "transformers",
            "weights": dict(self._weights.identity),
            **(self._lora.identity if self._lora else {}),
            **({"lora_dtype": "base"} if self._lora and self._narrows_lora else {}),
            "dtype": settings.dtype,
            "quantization": settings.quantization,
            "chat_template": settings.chat_template,
            "max_length": settings.max_length,
            **({"gate": "skipped"} if self._lora and not settings.gate else {}),
        }

    @property
    def description(self) -> Mapping[str, Any]:
        settings = self._settings
        shown = {"pretrained": self._weights.label, "peft": str(self._lora.path) if self._lora else None}
        shown |= {"dtype": settings.dtype, "quantization": settings.quantization}
        shown |= {"gate": "skipped" if self._lora and not settings.gate else None}
        return {
            "engine": "hf",
            "model_args": {key: value for key, value in shown.items() if value not in (None, "none")},
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
    def usage(self) -> Mapping[str, float]:
        """Tokens of the prompts that were asked, repeats counted, and those that went through the model."""
        return {"prompt_tokens_asked": self._asked, "prompt_tokens_computed": self._computed} if self._asked else {}

    @property
    def fixed_batch_size(self) -> int | None:
        return self._settings.batch_size if self._settings.batch_size != "auto" else None

    def prepare(self) -> None:
        require("torch", "transformers")
        self._weights.folder()
        _ = self._device  # refuses one that is not there
        if self._lora is not None and self._settings.gate:
            gated = {"version": gate.VERSION, "model": self.identity, "files": dict(self._lora.files)}
            if faults := self._lora.remembered_faults(gated, self._faults):
                raise CheckpointMismatch(*(f"{self._lora.path}: {fault}" for fault in faults))

    def _faults(self) -> list[str]:
        """By the files, then by the model, which is loaded for that and kept for the answers."""
        found = self._faults_of_files()
        return found or gate.faults_on(self._model, self._encode, self._settings.dtype)

    # ---- prompts ----------------------------------------------------------------------------------------------------

    @cached_property
    def _tokenizer(self) -> Any:
        transformers = require("torch", "transformers")
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            self._weights.folder(), padding_side="left", local_files_only=True
        )
        if self._settings.chat_template is not None:
            tokenizer.chat_template = self._settings.chat_template
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.model_max_length = int(1e9)  # the window is counted here, not warned about there
        return tokenizer

    @cached_property
    def _control_text(self) -> re.Pattern[str] | None:
        tokenizer = self._tokenizer
        bracketed = {token for token in tokenizer.get_added_vocab() if re.fullmatch(r"[<\[|].*[>\]|]", token)}
        written = set(re.findall(r"\[/?[A-Z_]+\]|<</?[A-Z_]+>>|<\|\w+\|>", tokenizer.chat_template or ""))
        control = {token for token in tokenizer.all_special_tokens if len(token) > 1} | bracketed | written
        return re.compile("|".join(map(re.escape, sorted(control, key=len, reverse=True)))) if control else None

    def _neutral(self, text: str) -> str:
        """Text from documents, questions and answers cannot end a turn or open another: a control token, or a marker
        that the chat template writes as plain text (`[INST]`), is broken up by a space after its first character."""
        if self._control_text is None:
            return text
        return self._control_text.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def format_prompt(self, messages: Sequence[Message], reply_prefix: str = "") -> str:
        tokenizer = self._tokenizer
        turns = [{"role": message.role, "content": self._neutral(message.content)} for message in messages]
        if tokenizer.chat_template is not None:
            text = self._templated(turns)
        else:
            system = "".join(f"{turn['content']}\n\n" for turn in turns if turn["role"] == "system")
            user = "\n\n".join(turn["content"] for turn in turns if turn["role"] != "system")
            text = PLAIN_FORM.format(system=system, user=user)
        begins = self._begins_with
        return (text if text.startswith(begins) else begins + text) + reply_prefix

    def _templated(self, turns: list[dict[str, str]]) -> str:
        """The model's own chat form. A template that has no system turn (Mistral's, Gemma's first ones) refuses it;
        then the instruction stands above the question, in the user's turn."""
        from jinja2 import TemplateError

        form = {"tokenize": False, "add_generation_prompt": True}
        try:
            return str(self._tokenizer.apply_chat_template(turns, **form))
        except TemplateError:
            if turns[0]["role"] != "system":
                raise
            joined = {"role": "user", "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
            return str(self._tokenizer.apply_chat_template([joined, *turns[2:]], **form))

    @cached_property
    def _begins_with(self) -> str:
        """The begin-of-text token where this tokenizer adds one: prompts then carry it in their text, once, and are
        encoded without special tokens."""
        tokenizer = self._tokenizer
        added = tokenizer("x")["input_ids"]
        has_one = tokenizer.bos_token_id is not None and added and added[0] == tokenizer.bos_token_id
        return str(tokenizer.bos_token) if has_one else ""

    def _encode(self, prompts: Sequence[str]) -> list[list[int]]:
        encoded: list[list[int]] = (
            self._tokenizer(list(prompts), add_special_tokens=False)["input_ids"] if prompts else []
        )
        return encoded

    def count_tokens(self, prompts: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in self._encode(prompts)]

    # ---- training ---------------------------------------------------------------------------------------------------

    @property
    def tokenizer(self) -> Any:
        return self._tokenizer

    @property
    def has_chat_template(self) -> bool:
        return self._tokenizer.chat_template is not None

    def completion(self, answer: str) -> str:
        """What follows a prompt in training: the answer as the chat form writes it, ended by the token that ends a
        turn, so that the model learns to stop."""
        tokenizer, text = self._tokenizer, self._neutral(answer)
        if tokenizer.chat_template is not None:
            turn = [{"role": "user", "content": "x"}]
            before = self._templated(turn)
            whole = str(tokenizer.apply_chat_template([*turn, {"role": "assistant", "content": text}], tokenize=False))
            if whole.startswith(before) and text in whole[len(before) :]:
                written = whole[len(before) :]
                end = written.find(tokenizer.eos_token, written.find(text) + len(text))
                if end >= 0:
                    return written[:end] + str(tokenizer.eos_token)
        return text + str(tokenizer.eos_token)

    def encode_pair(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        """Token ids of both. Those of the prompt are the ones that it has in evaluation, whatever follows it."""
        before, whole = self._encode([prompt, prompt + completion])
        if whole[: len(before)] == before:
            return before, whole[len(before) :]
        return before, self._encode([completion])[0]

    # ---- weights ----------------------------------------------------------------------------------------------------

    @cached_property
    def _device(self) -> str:
        torch = require("torch")
        if (device := self._settings.device) is not None:
            if device != "cpu" and not (re.fullmatch(r"cuda(:\d+)?", device) and torch.cuda.is_available()):
                raise UsageError(f"--device {device}: there is no such device here; try cpu")
            return device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def loads(self) -> str:
        """What is in memory when this adapter works, LoRA checkpoints apart."""
        settings = self._settings
        return digest_of(
            {
                "weights": dict(self._weights.identity),
                "dtype": settings.dtype,
                "quantization": settings.quantization,
                "device": settings.device_map or self._device,
                **({} if self._lora is None or self._lora.shares_base else self._lora.identity),
            }
        )

    @property
    def _model(self) -> Any:
        lora = digest_of(self._lora.identity) if self._lora else None
        return self._holder.model(self.loads, self.load_base, lora, self._attach)

    def load_base(self) -> Any:
        """The base as it is loaded for this entry, anew: what training starts from."""
        torch = require("torch")
        transformers = require("accelerate", "transformers")
        settings = self._settings
        quantized: dict[str, Any] = {}
        if settings.quantization != "none":
            require("bitsandbytes")
            quantized["quantization_config"] = transformers.BitsAndBytesConfig(
                load_in_4bit=settings.quantization == "4bit",
                load_in_8bit=settings.quantization == "8bit",
                bnb_4bit_quant_type="nf4",
                bnb_4bit_compute_dtype=getattr(torch, settings.dtype),
            )
        model = transformers.AutoModelForCausalLM.from_pretrained(
            self._weights.folder(),
            dtype=getattr(torch, settings.dtype),
            device_map=settings.device_map or self._device,
            local_files_only=True,
            **quantized,
        )
        if settings.quantization != "none":
            self._check_quantized(model)
        ends = model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends]) | {self._tokenizer.eos_token_id}
        model.generation_config = transformers.GenerationConfig(
            eos_token_id=sorted(end for end in ends if end is not None), pad_token_id=self._tokenizer.pad_token_id
        )
        return model.eval()

    def _check_quantized(self, model: Any) -> None:
        """bitsandbytes quantises linear layers and passes over the rest in silence: of Mixtral, whose experts are fused
        into one parameter, it leaves most at 16 bits. Such a model is not what its entry says."""
        embeddings = {id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings()) if part}
        weights = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in embeddings]
        packing = 2 if self._settings.quantization == "4bit" else 1  # 4-bit weights lie two in a byte
        whole = sum(p.numel() for p in weights if p.dtype.is_floating_point)
        quantized = sum(p.numel() * packing for p in weights if not p.dtype.is_floating_point)
        if whole > 0.25 * (whole + quantized):
            raise HarnessError(
                f"{self.name}: bitsandbytes leaves {100 * whole / (whole + quantized):.0f} % of the weights of "
                f"{self._weights.label} at 16 bits (fused experts?); it would not be the "
                f"{self._settings.quantization} model that its entry names"
            )

    def _attach(self, model: Any, name: str) -> Any:
        """The model with the checkpoint on it under `name`, beside those that are there already."""
        lora, peft = self._lora, require("peft")
        assert lora is not None, "only an adapter with a checkpoint attaches one"
        narrow = {"autocast_adapter_dtype": not self._narrows_lora}
        try:
            if isinstance(model, peft.PeftModel):
                model.load_adapter(str(lora.path), adapter_name=name, **narrow)
                model.base_model.enable_adapter_layers()
                model.set_adapter(name)
            else:
                model = peft.PeftModel.from_pretrained(model, str(lora.path), adapter_name=name, **narrow)
        except RuntimeError as error:
            if "size mismatch" not in str(error):
                raise
            raise CheckpointMismatch(
                f"{lora.path}: this LoRA checkpoint does not have the shape of {self._weights.label}; "
                "it belongs to another base"
            ) from error
        return model.eval()

    @property
    def _narrows_lora(self) -> bool:
        """Whether A and B are computed in the base's 16 bits. PEFT widens them to 32, which training needs; here every
        layer would be computed in both precisions. Beside 8-bit weights PEFT has them in 32 bits whatever is asked."""
        return self._settings.dtype != "float32" and self._settings.quantization != "8bit"

    def faults(self) -> list[str]:
        """What is wrong with the LoRA checkpoint, by its files and then, where these are sound, by the loaded model."""
        return self._faults() if self._lora is not None else []

    def tokenizer_facts(self) -> dict[str, Any]:
        """What of the tokenizer must be the same in training and evaluation."""
        return gate.facts_of(self._tokenizer)

    @property
    def training_record(self) -> Mapping[str, Any]:
        """The manifest of the LoRA checkpoint's training; empty for a base, or for a checkpoint from elsewhere."""
        return self._lora.training_record if self._lora else {}

    def starts(self) -> list[int]:
        """The first two token ids of an encoded prompt."""
        return self._encode([self.format_prompt([Message("user", "x")])])[0][:2]

    def _faults_of_files(self) -> list[str]:
        assert self._lora is not None, "asked of LoRA checkpoints alone"
        settings = self._settings
        base = gate.Evaluated(
            folder=self._weights.folder(),
            identity=self._weights.identity,
            label=self._weights.label,
            dtype=settings.dtype,
            quantization=settings.quantization,
            tokenizer=self._tokenizer,
            starts=self.starts(),
        )
        return gate.faults_of_files(self._lora.path, base, self.training_record)

    def close(self) -> None:
        if self._holder.holds(self.loads):
            self._holder.free()

    # ---- batches ----------------------------------------------------------------------------------------------------

    def batch_size(self, requests: Sequence[Request]) -> int:
        """The entry's number, or for `auto` the largest that fits the longest of these very requests: on a GPU tried
        out, halving from 64 prompts; on a CPU, where too much would end the process, counted from the cache that they
        need and the memory that is free, at most 8 prompts. Requests that share a prompt count as one of these."""
        if self.fixed_batch_size is not None:
            return self.fixed_batch_size
        if not requests:
            return 1
        longest = sorted(requests, key=lambda r: r.prompt_tokens + r.decoding.max_gen_toks, reverse=True)
        sharing = math.ceil(len(requests) / len({request.prompt for request in requests}))
        if not self._device.startswith("cuda"):
            return max(1, min(_LARGEST_BATCH["cpu"] * sharing, self._fits_in_memory(longest[0])))
        size = min(_LARGEST_BATCH["cuda"] * sharing, len(longest))
        while size > 1:
            try:
                self._generate_batch(longest[:size])
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                require("torch").cuda.empty_cache()
                size //= 2
            else:
                return size
        return 1

    def _fits_in_memory(self, longest: Request) -> int:
        config = self._model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        a_token = 2 * config.num_hidden_layers * heads * width * self._model.dtype.itemsize
        a_sequence = a_token * (longest.prompt_tokens + longest.decoding.max_gen_toks)
        return int(_free_memory() * _CPU_MEMORY_SHARE / a_sequence)

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        by_decoding = sorted(requests, key=lambda r: repr(r.decoding))
        for _, group in itertools.groupby(by_decoding, key=lambda r: r.decoding):
            yield from self._generate_halving(list(group))

    def _generate_halving(self, requests: list[Request]) -> Iterator[Answer]:
        """One batch; when memory runs out, its two halves, down to single requests. Nothing is remembered of it, so a
        resumed run forms the batches of an undisturbed one."""
        answers: list[Answer] | None = None
        try:
            answers = self._generate_batch(requests)
        except Exception as error:
            if not _out_of_memory(error):
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
        if self._device.startswith("cuda"):
            require("torch").cuda.empty_cache()
        middle = len(requests) // 2
        yield from self._generate_halving(requests[:middle])
        yield from self._generate_halving(requests[middle:])

    def _generate_batch(self, requests: Sequence[Request]) -> list[Answer]:
        torch = require("torch")
        model, decoding = self._model, requests[0].decoding
        prompts = list(dict.fromkeys(request.prompt for request in requests))
        place = {prompt: number for number, prompt in enumerate(prompts)}
        rows = torch.tensor([place[request.prompt] for request in requests], device=model.device)
        options: dict[str, Any] = {"max_new_tokens": decoding.max_gen_toks, "do_sample": False}
        if decoding.until:
            options |= {"stop_strings": list(decoding.until), "tokenizer": self._tokenizer}
        if not decoding.greedy:
            from harness.adapters.sampling import SeededSampler

            seeds = [request.seed for request in requests]
            options["logits_processor"] = [SeededSampler(seeds, decoding.temperature, decoding.top_p)]
        encoded = self._encode(prompts)
        with torch.inference_mode():
            ids, mask, cache = self._prefilled(encoded, rows)
            if cache is not None:
                options["past_key_values"] = cache
            produced = model.generate(input_ids=ids, attention_mask=mask, **options)[:, ids.shape[1] :]
        self._asked += int(mask.sum())
        lengths = mask.sum(dim=1).tolist()
        return [
            self._answer(request, tokens, length)
            for request, tokens, length in zip(requests, produced.tolist(), lengths, strict=True)
        ]

    def _prefilled(
        self, encoded: Sequence[Sequence[int]], rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """(token ids, attention mask, key-value cache of all tokens but the last) of the prompts at `rows`; the cache
        is None where nothing is shared. What several prompts begin with (the item, for a judge that marks it by two
        criteria) is computed once, then what they go on with, then both are copied to the requests.

        Rows are `pads, prefix, pads, rest`: positions are counted from the mask, so pads in the middle do not matter.
        """
        torch = require("torch")
        groups = shared_prefixes(encoded)
        columns = 2 * max(map(len, encoded))
        if len(groups) == len(encoded) or columns > self._sliding_window:
            ids, mask = self._padded(encoded)
            self._computed += int(mask.sum())
            if len(rows) == len(encoded):
                return ids, mask, None
            cache = self._forward(ids[:, :-1], mask[:, :-1], None)
            cache.batch_select_indices(rows)
            return ids[rows], mask[rows], cache
        prefix_ids, prefix_mask = self._padded([encoded[group[0]][:length] for length, group in groups])
        group_of = {number: place for place, (_, group) in enumerate(groups) for number in group}
        places = [group_of[number] for number in range(len(encoded))]
        rest_ids, rest_mask = self._padded(
            [tokens[groups[place][0] :] for tokens, place in zip(encoded, places, strict=True)]
        )
        self._computed += int(prefix_mask.sum()) + int(rest_mask.sum())
        of_prompt = torch.tensor(places, device=rows.device)
        cache = self._forward(prefix_ids, prefix_mask, None)
        cache.batch_select_indices(of_prompt)
        ids = torch.cat([prefix_ids[of_prompt], rest_ids], dim=1)
        mask = torch.cat([prefix_mask[of_prompt], rest_mask], dim=1)
        cache = self._forward(ids[:, :-1], mask[:, :-1], cache)
        cache.batch_select_indices(rows)
        return ids[rows], mask[rows], cache

    @property
    def _sliding_window(self) -> float:
        """Where attention slides, its window counts columns, pads in the middle included; longer rows than it are not
        put together of parts."""
        config = self._model.config.get_text_config()
        window = getattr(config, "sliding_window", None)
        if window is None or not getattr(config, "use_sliding_window", True):
            return math.inf
        return float(window)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: Any) -> Any:
        """The cache after all of `ids`, of which it holds the first columns already."""
        if cache is None:
            cache = require("transformers").DynamicCache(config=self._model.config)
        done = int(cache.get_seq_length())
        if ids.shape[1] > done:
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            self._model(
                input_ids=ids[:, done:],
                attention_mask=mask,
                position_ids=positions[:, done:],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return cache

    def _padded(self, encoded: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and attention mask, (prompts, longest), padded on the left."""
        torch = require("torch")
        longest = max(map(len, encoded))
        pad = self._tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in encoded])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in encoded])
        return ids.to(self._model.device), mask.to(self._model.device)

    def _answer(self, request: Request, tokens: list[int], prompt_tokens: int) -> Answer:
        ends = set(self._model.generation_config.eos_token_id)
        end = next((place for place, token in enumerate(tokens) if token in ends), None)
        said = tokens if end is None else tokens[:end]
        text = self._tokenizer.decode(said, skip_special_tokens=True)
        cut = min((place for stop in request.decoding.until if (place := text.find(stop)) >= 0), default=None)
        if cut is not None:
            reason, text = StopReason.UNTIL, text[:cut]
        else:
            reason = StopReason.LIMIT if end is None else StopReason.EOS
        return Answer(request.key, text.strip(), reason, prompt_tokens, len(said))

    # ---- options ----------------------------------------------------------------------------------------------------

    def score_options(self, requests: Sequence[OptionRequest]) -> list[dict[str, float]]:
        """One forward pass a distinct prompt. Log-probabilities are over the whole vocabulary. Halves when memory runs
        out, as `generate` does."""
        if not requests:
            return []
        try:
            return self._score_batch(requests)
        except Exception as error:
            if not _out_of_memory(error) or len(requests) == 1:
                raise
        middle = len(requests) // 2
        return self.score_options(requests[:middle]) + self.score_options(requests[middle:])

    def _score_batch(self, requests: Sequence[OptionRequest]) -> list[dict[str, float]]:
        torch = require("torch")
        prompts = list(dict.fromkeys(request.prompt for request in requests))
        encoded = self._encode(prompts)
        with torch.inference_mode():
            ids, mask, cache = self._prefilled(encoded, torch.arange(len(prompts), device=self._model.device))
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            new = slice(0, None) if cache is None else slice(-1, None)
            logits = self._model(
                input_ids=ids[:, new],
                attention_mask=mask,
                position_ids=positions[:, new],
                past_key_values=cache,
                logits_to_keep=1,
            ).logits
        self._asked += sum(len(encoded[prompts.index(request.prompt)]) for request in requests)
        logprobs = dict(zip(prompts, logits[:, -1].float().log_softmax(-1), strict=True))
        return [
            {
                option: float(logprobs[request.prompt][token])
                for option, token in self._single_tokens(request.prompt, request.options).items()
            }
            for request in requests
        ]

    def _single_tokens(self, prompt: str, options: Sequence[str]) -> dict[str, int]:
        """The options that are exactly one token more than the prompt."""
        before, *after = self._encode([prompt, *(prompt + option for option in options)])
        return {
            option: tokens[-1]
            for option, tokens in zip(options, after, strict=True)
            if len(tokens) == len(before) + 1 and tokens[:-1] == before
        }


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


def _out_of_memory(error: Exception) -> bool:
    """A GPU's error has a class of its own; the CPU allocator's is a plain RuntimeError with these words."""
    torch = require("torch")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _free_memory() -> int:
    """Bytes that can be had without swapping; 4 GB where the system does not say (not Linux)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            fields = dict(line.split(":", 1) for line in stream)
        return int(fields["MemAvailable"].split()[0]) * 1_024
    except (OSError, KeyError):
        return 4 * 1_024**3
