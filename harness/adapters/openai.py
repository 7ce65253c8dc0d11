"""GPT-4 and every server that speaks OpenAI's chat completions, through the official client.

The client retries what can be retried (429, 5xx, dropped connections, time-outs) with growing pauses and honours
`Retry-After`. Requests that differ only in their seed are asked for in one call (`n`), so that a prompt is paid for
once; a server that gives fewer answers than it was asked for is noticed and asked again one by one. Nothing that it did
not give is made up: without log-probabilities there is no `expected_score`.

The key comes from the environment alone and is in no identity, manifest, log or error.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.digests import canonical
from harness.errors import HarnessError, MissingPart
from harness.extras import require
from harness.files import JsonObject
from harness.interfaces import Description, Identity, Usage
from harness.records import Answer, Decoding, Message, OptionRequest, Request, StopReason

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion
    from openai.types.chat.chat_completion import Choice

__all__ = ["ApiSettings", "Budget", "BudgetSpent", "OpenAIAdapter"]

_BYTES_A_TOKEN = 3  # a low guess for English, so that a prompt is counted too long rather than too short
_TOP_LOGPROBS = 20  # the most that the protocol gives


class BudgetSpent(HarnessError):
    """The spending limit is reached. What was paid for is stored."""


class RefusesN(HarnessError):
    """The server refuses `n`, several answers to one request, with an error; others ignore it without a word."""


class Budget:
    """What a command may spend and has spent, in the currency of the entries' prices; several threads share it."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self.spent = 0.0
        self._promised = 0.0
        self._lock = threading.Lock()

    def reserve(self, cost: float) -> None:
        """Sets aside the most that a request can cost. Raises `BudgetSpent` when that could pass the limit."""
        with self._lock:
            if self.limit is not None and self.spent + self._promised + cost > self.limit:
                raise BudgetSpent(
                    f"--cost_limit {self.limit:g}: {self.spent:.4f} spent, and the next request could cost {cost:.4f}; "
                    "what was paid for is stored, and the same command with a higher limit resumes"
                )
            self._promised += cost

    def settle(self, reserved: float, cost: float) -> None:
        """A reserved request is over and cost so much."""
        with self._lock:
            self._promised -= reserved
            self.spent += cost


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`prices` are for a million tokens: (prompt, answer). `key_variable` names the environment variable of the key;
    None: the server wants none."""

    model: str
    base_url: str
    key_variable: str | None
    window: int
    concurrency: int = 8
    timeout: float = 120.0
    retries: int = 6
    prices: tuple[float, float] = (0.0, 0.0)
    newer_limit_name: bool = False
    """Whether the model wants `max_completion_tokens`, as newer ones do, and not `max_tokens`."""
    licence: str = ""


class OpenAIAdapter:
    """A model behind a chat-completions endpoint. Its prompts are the messages as JSON, since the server applies the
    chat template itself."""

    def __init__(self, name: str, settings: ApiSettings, budget: Budget | None = None) -> None:
        self.name = name
        self.window = settings.window
        self._settings, self._budget = settings, budget or Budget()
        self._client: openai.OpenAI | None = None
        self._ignores_n = False
        self._lock = threading.Lock()
        self._usage = {"requests": 0, "prompt_tokens": 0, "answer_tokens": 0, "cost": 0.0}

    # ---- what it is -------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        return {**self.answer_identity, "window": self.window}

    @property
    def answer_identity(self) -> Identity:
        return {"engine": "openai", "endpoint": self._settings.base_url, "model": self._settings.model}

    @property
    def description(self) -> Description:
        arguments = {"model": self._settings.model, "base_url": self._settings.base_url}
        return {"engine": "openai-chat-completions", "model_args": arguments, "licence": self._settings.licence}

    @property
    def usage(self) -> Usage:
        return dict(self._usage)

    @property
    def weights_key(self) -> str:
        return self.name

    @property
    def training_record(self) -> JsonObject:
        return {}

    @property
    def fixed_batch_size(self) -> int | None:
        """A batch is what is stored at a time; how many requests are under way at once is `concurrency`."""
        return 4 * self._settings.concurrency

    def batch_size(self, requests: Sequence[Request]) -> int:
        return 4 * self._settings.concurrency

    def prepare(self) -> None:
        self._open()

    def _open(self) -> openai.OpenAI:
        if self._client is None:
            openai = require("openai")
            variable = self._settings.key_variable
            key = os.environ.get(variable, "") if variable else "none"
            if not key:
                raise MissingPart(f"model {self.name}: the environment variable {variable} holds no key; set it")
            self._client = openai.OpenAI(
                api_key=key,
                base_url=self._settings.base_url,
                timeout=self._settings.timeout,
                max_retries=self._settings.retries,
            )
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    # ---- prompts ----------------------------------------------------------------------------------------------------

    def format_prompt(self, messages: Sequence[Message], reply_prefix: str = "") -> str:
        """A reply cannot be begun for a model behind an API: what it would begin with ends the last message."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if reply_prefix:
            turns[-1]["content"] += f"\n\n{reply_prefix.rstrip()}"
        return canonical(turns)

    def count_tokens(self, prompts: Sequence[str]) -> list[int]:
        """An estimate, a token for every three bytes: the endpoint has the tokenizer, not we."""
        return [math.ceil(len(prompt.encode()) / _BYTES_A_TOKEN) for prompt in prompts]

    # ---- answers ----------------------------------------------------------------------------------------------------

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        groups: dict[tuple[str, Decoding], list[Request]] = {}
        for request in requests:
            groups.setdefault((request.prompt, request.decoding), []).append(request)
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            waiting = [pool.submit(self._ask_group, group) for group in groups.values()]
            failed: HarnessError | None = None
            for done in as_completed(waiting):
                try:
                    yield from done.result()
                except HarnessError as error:
                    # what other threads have paid for still comes; nothing new is begun
                    failed = failed or error
                    for other in waiting:
                        other.cancel()
                except BaseException:
                    for other in waiting:
                        other.cancel()
                    raise
            if failed is not None:
                raise failed

    def _ask_group(self, group: Sequence[Request]) -> list[Answer]:
        """Answers to requests that differ in their seeds alone."""
        answers: list[Answer] = []
        if len(group) > 1 and not self._ignores_n:
            with suppress(RefusesN):
                answers = self._ask(group)
            self._ignores_n = len(answers) < len(group)
        for request in group[len(answers) :]:
            answers += self._ask([request])
        return answers

    def _ask(self, group: Sequence[Request]) -> list[Answer]:
        """One call for all of them; as many answers as the server gives, at most one each."""
        first = group[0]
        options: dict[str, object] = {"n": len(group)} if len(group) > 1 else {}
        if not first.decoding.greedy:
            options["seed"] = first.seed & 0x7FFFFFFF
        reply = self._call(first, options, len(group))
        choices = list(reply.choices)[: len(group)]
        tokens = self._tokens_of(reply, first)
        share = tokens[1] // max(1, len(choices))
        return [
            Answer(request.key, *_text_and_reason(choice, first.decoding), tokens[0], share)
            for request, choice in zip(group, choices, strict=False)
        ]

    def _call(self, request: Request, options: Mapping[str, object], answers: int = 1) -> ChatCompletion:
        settings, decoding = self._settings, request.decoding
        limit_name = "max_completion_tokens" if settings.newer_limit_name else "max_tokens"
        # two bytes a token and a template's own tokens: more than any text costs, so that the limit holds
        most = self._price(len(request.prompt.encode()) // 2 + 64, answers * decoding.max_gen_toks)
        arguments: JsonObject = {
            "model": settings.model,
            "messages": json.loads(request.prompt),
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            limit_name: decoding.max_gen_toks,
            **({"stop": list(decoding.until)[:4]} if decoding.until else {}),
            **options,
        }
        self._budget.reserve(most)
        cost = 0.0
        try:
            reply: ChatCompletion = self._open().chat.completions.create(**arguments)
            prompt, answer = self._tokens_of(reply, request)
            cost = self._price(prompt, answer)
            with self._lock:
                self._usage["requests"] += 1
                self._usage["prompt_tokens"] += prompt
                self._usage["answer_tokens"] += answer
                self._usage["cost"] += cost
        except Exception as error:
            raise self._explained(error) from error
        finally:
            self._budget.settle(most, cost)
        return reply

    def _price(self, prompt: int, answer: int) -> float:
        return (prompt * self._settings.prices[0] + answer * self._settings.prices[1]) / 1_000_000

    def _tokens_of(self, reply: ChatCompletion, request: Request) -> tuple[int, int]:
        """(prompt, answer) tokens as the server counted them, else our estimate of them."""
        if reply.usage is not None:
            return reply.usage.prompt_tokens, reply.usage.completion_tokens
        texts = [choice.message.content or "" for choice in reply.choices]
        return request.prompt_tokens, sum(self.count_tokens(texts))

    def _explained(self, error: Exception) -> Exception:
        """One line for what the user can put right; never the server's own words on a key."""
        openai = require("openai")
        where = f"model {self.name} at {self._settings.base_url}"
        variable = self._settings.key_variable
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return HarnessError(f"{where}: the key in {variable} is not accepted for {self._settings.model}")
        if isinstance(error, openai.NotFoundError):
            return HarnessError(f"{where}: there is no model {self._settings.model!r}, or not for this key")
        if isinstance(error, openai.RateLimitError):
            return HarnessError(
                f"{where}: still too many requests after {self._settings.retries} retries; lower `concurrency`"
            )
        if isinstance(error, openai.APITimeoutError):
            return HarnessError(
                f"{where}: no answer in {self._settings.timeout:g} s, {self._settings.retries} times; raise `timeout`"
            )
        if isinstance(error, openai.APIConnectionError):
            return HarnessError(f"{where}: cannot be reached; is it running, and is the address right?")
        if isinstance(error, openai.BadRequestError):
            text = str(getattr(error, "message", error)).splitlines()[0][:200]
            refused = RefusesN if re.search(r"['\"`]n['\"`]", text) else HarnessError
            return refused(f"{where}: refused the request: {text}")
        if isinstance(error, openai.APIStatusError):
            return HarnessError(
                f"{where}: returned {error.status_code} after {self._settings.retries} retries; try again later"
            )
        return error

    # ---- options ----------------------------------------------------------------------------------------------------

    def score_options(self, requests: Sequence[OptionRequest]) -> list[dict[str, float]]:
        """From the log-probabilities of the first answer token, the 20 likeliest. Raises `HarnessError` when the
        endpoint gives none, which some do without a word."""
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            return list(pool.map(self._score, requests))

    def _score(self, request: OptionRequest) -> dict[str, float]:
        (tokens,) = self.count_tokens([request.prompt])
        one_token = Request(request.key, request.prompt, tokens, Decoding(max_gen_toks=1))
        reply = self._call(one_token, {"logprobs": True, "top_logprobs": _TOP_LOGPROBS})
        logprobs = reply.choices[0].logprobs if reply.choices else None
        if logprobs is None or not logprobs.content:
            raise HarnessError(
                f"model {self.name} at {self._settings.base_url}: returned no log-probabilities, which scoring "
                "expected_score needs; use scoring: sample_mean"
            )
        logprob_by_token = {each.token: float(each.logprob) for each in logprobs.content[0].top_logprobs}
        return {option: logprob_by_token[option] for option in request.options if option in logprob_by_token}


def _text_and_reason(choice: Choice, decoding: Decoding) -> tuple[str, StopReason]:
    """The text, ended at the task's stop strings where the server did not, and why it ended."""
    text = choice.message.content or ""
    stop = min((start for stop in decoding.until if (start := text.find(stop)) >= 0), default=None)
    if stop is not None:
        return text[:stop].strip(), StopReason.UNTIL
    return text.strip(), StopReason.LIMIT if choice.finish_reason == "length" else StopReason.EOS
