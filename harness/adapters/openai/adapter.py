"""GPT-4 and every server that speaks OpenAI's chat completions, through the official client.

Requests are sent in a sliding window of `concurrency`, and each answer is handed over when it arrives. Requests that
differ only in their seed are asked for in one call (`n`), so that a prompt is paid for once; a server that gives fewer
answers than it was asked for is noticed and asked again for the others. Nothing that it did not give is made up:
without log-probabilities there is no `expected_score`, and a request that fails for good is a `Failure` of its own.

The key comes from the environment alone and is in no identity, manifest, log or error.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.adapters.openai.budget import Budget, BudgetSpent, Reservation
from harness.adapters.openai.calls import ApiSettings, Endpoint, Kind, Trouble
from harness.adapters.openai.replies import Choice, Reply
from harness.adapters.openai.window import LoopThread, Window
from harness.digests import canonical
from harness.errors import HarnessError
from harness.files import JsonObject
from harness.interfaces import Description, Identity, Progress, Usage
from harness.records import (
    Answer,
    Decoding,
    Failure,
    Message,
    OptionRequest,
    OptionScores,
    Request,
    StopReason,
)
from harness.texts import without_credentials

__all__ = ["OpenAIAdapter"]

_BYTES_A_TOKEN = 3  # a low guess for English, so that a prompt is counted too long rather than too short
_TOP_LOGPROBS = 20  # the most that the protocol gives
_OUTAGES = 2  # requests in a row that failed however often they were tried: the server is down
_REFUSALS = 16  # requests that failed before a single one succeeded: the next ones will too
_GOODBYE = 2.0  # seconds in which connections must be closed


@dataclass(frozen=True, slots=True)
class _Job:
    """One call: requests that differ in their seeds alone. With `options` it is their log-probabilities that are asked
    for, of one request."""

    requests: Sequence[Request]
    reservation: Reservation | None = None
    options: tuple[str, ...] = ()

    def singly(self) -> list[_Job]:
        return [_Job([request], options=self.options) for request in self.requests]


class _Health:
    """Whether what failed is a request's own trouble or everyone's."""

    def __init__(self) -> None:
        self.successes = 0
        self.down: Trouble | None = None
        """The outage after which nothing has succeeded yet."""
        self._failures = 0

    def succeeded(self) -> None:
        self.successes += 1
        self.down = None

    def is_everyones(self, trouble: Trouble, successes_before: int, most: int) -> bool:
        """`successes_before`: at the time when the request was first sent."""
        self._failures += 1
        if trouble.kind is Kind.LASTING or (not self.successes and self._failures >= most):
            return True
        if trouble.kind is not Kind.OUTAGE or self.successes > successes_before:
            return False
        second, self.down = self.down is not None, trouble
        return second


class OpenAIAdapter:
    """A model behind a chat-completions endpoint. Its prompts are the messages as JSON, since the server applies the
    chat template itself."""

    def __init__(
        self, name: str, settings: ApiSettings, budget: Budget | None = None, progress: Progress | None = None
    ) -> None:
        self.name = name
        self.window = settings.window
        self._settings, self._budget = settings, budget or Budget()
        self._note = progress.note if progress is not None else _unheard
        self._endpoint = Endpoint(name, settings, self._note)
        self._thread: LoopThread | None = None
        self._refused: HarnessError | None = None
        """Why nothing more is asked in this process: the key, the model or the quota will not do."""
        self._ignores_n = False
        self._usage = {"requests": 0, "prompt_tokens": 0, "answer_tokens": 0, "cost": 0.0}

    # ---- what it is -------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        return {**self.answer_identity, "window": self.window}

    @property
    def answer_identity(self) -> Identity:
        return {"engine": "openai", "endpoint": self._address, "model": self._settings.model}

    @property
    def description(self) -> Description:
        arguments = {"model": self._settings.model, "base_url": self._address}
        return {"engine": "openai-chat-completions", "model_args": arguments, "licence": self._settings.licence}

    @property
    def _address(self) -> str:
        return without_credentials(self._settings.base_url)

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
    def streams(self) -> bool:
        return True

    @property
    def fixed_batch_size(self) -> int | None:
        return None

    def batch_size(self, requests: Sequence[Request]) -> int:
        return max(1, len(requests))

    def prepare(self) -> None:
        self._endpoint.prepare()

    def close(self) -> None:
        if self._thread is not None:
            self._thread.stop(self._endpoint.close(), _GOODBYE)
            self._thread = None
            self._endpoint = Endpoint(self.name, self._settings, self._note)

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

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer | Failure]:
        groups: dict[tuple[str, Decoding], list[Request]] = {}
        for request in requests:
            groups.setdefault((request.prompt, request.decoding), []).append(request)
        for result in self._results(_Job(group) for group in groups.values()):
            if isinstance(result, OptionScores):
                raise TypeError("log-probabilities were not asked for")
            yield result

    def score_options(self, requests: Sequence[OptionRequest]) -> Iterator[OptionScores | Failure]:
        """From the log-probabilities of the first answer token, the 20 likeliest. Raises `HarnessError` when the
        endpoint gives none, which some do without a word."""
        one_token = Decoding(max_gen_toks=1)
        lengths = self.count_tokens([request.prompt for request in requests])
        jobs = (
            _Job([Request(request.key, request.prompt, tokens, one_token)], options=request.options)
            for request, tokens in zip(requests, lengths, strict=True)
        )
        for result in self._results(jobs):
            if isinstance(result, Answer):
                raise TypeError("answers were not asked for")
            yield result

    def _results(self, jobs: Iterable[_Job]) -> Iterator[Answer | OptionScores | Failure]:
        if self._refused is not None:
            raise self._refused
        self._endpoint.prepare()
        if self._thread is None:
            self._thread = LoopThread(f"requests to {self.name}")
        health = _Health()

        async def ask(job: _Job, stopped: asyncio.Event) -> tuple[list[Answer | OptionScores | Failure], list[_Job]]:
            return await self._ask(job, stopped, health)

        window = Window(jobs, self._settings.concurrency, self._admit, ask)
        yield from window.results(self._thread, self._say_interrupted)
        if health.down is not None:
            raise self._lasting(health.down, health)

    def _say_interrupted(self, under_way: int) -> None:
        self._note(
            f"{self._endpoint.where}: stopping; no more is asked, and the requests under way (at most {under_way}) are "
            "awaited and stored; Ctrl-C again leaves at once"
        )

    # ---- in the loop ------------------------------------------------------------------------------------------------

    def _admit(self, jobs: deque[_Job]) -> _Job | None:
        """The next job, its most cost reserved. When the limit leaves no room for it, what is under way is awaited,
        which costs less than it could have; then the cheapest is taken, of several answers to one prompt one alone."""
        if self._ignores_n and len(jobs[0].requests) > 1:
            jobs.extendleft(reversed(jobs.popleft().singly()))
        try:
            return self._reserved(jobs[0], jobs)
        except BudgetSpent:
            if self._budget.reserved:
                return None
        parts = [part for job in jobs for part in job.singly()]
        jobs.clear()
        jobs.extend(parts)
        return self._reserved(min(jobs, key=self._most), jobs)

    def _reserved(self, job: _Job, jobs: deque[_Job]) -> _Job:
        reserved = _Job(job.requests, Reservation(self._budget, self._most(job)), job.options)
        jobs.remove(job)
        return reserved

    def _most(self, job: _Job) -> float:
        """Two bytes a token and a template's own tokens: more than any text costs, so that the limit holds."""
        request = job.requests[0]
        prompt = len(request.prompt.encode()) // 2 + 64
        return self._settings.price(prompt, len(job.requests) * request.decoding.max_gen_toks)

    async def _ask(
        self, job: _Job, stopped: asyncio.Event, health: _Health
    ) -> tuple[list[Answer | OptionScores | Failure], list[_Job]]:
        """What came of a job, and jobs for those of its requests that the server gave no answer to."""
        if job.reservation is None:
            raise TypeError("a job is admitted before it is asked")
        before = health.successes
        try:
            reply = await self._endpoint.ask(self._body(job), job.reservation, lambda r: self._paid(job, r), stopped)
        except Trouble as trouble:
            if trouble.refuses_n and len(job.requests) > 1:
                self._ignores_n = True
                return [], job.singly()
            if health.is_everyones(trouble, before, max(_REFUSALS, 2 * self._settings.concurrency)):
                raise self._lasting(trouble, health) from trouble
            return [Failure(request.key, trouble.text) for request in job.requests], []
        health.succeeded()
        if job.options:
            return [self._options(job, reply.choices[0])], []
        choices = reply.choices[: len(job.requests)]
        prompt, answer = self._tokens_of(job, reply)
        answers: list[Answer | OptionScores | Failure] = [
            Answer(request.key, *_text_and_reason(choice, request.decoding), prompt, answer // len(choices))
            for request, choice in zip(job.requests, choices, strict=False)
        ]
        rest = job.requests[len(choices) :]
        self._ignores_n = self._ignores_n or bool(rest)
        return answers, [_Job([request]) for request in rest]

    def _lasting(self, trouble: Trouble, health: _Health) -> HarnessError:
        """One line, with the server's own reason."""
        if trouble.kind is Kind.LASTING:
            line = trouble.text
        elif trouble.kind is Kind.OUTAGE:
            line = f"{self._endpoint.where}: {trouble.text}"
        else:
            line = f"{self._endpoint.where}: not one request succeeded, and the last one: {trouble.text}"
        if health.successes:
            line += "; what arrived is stored, and the same command goes on from there"
        error = HarnessError(line)
        if trouble.kind is Kind.LASTING:
            self._refused = error
        return error

    def _body(self, job: _Job) -> JsonObject:
        request, count = job.requests[0], len(job.requests)
        decoding, settings = request.decoding, self._settings
        return {
            "model": settings.model,
            "messages": json.loads(request.prompt),
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "max_completion_tokens" if settings.newer_limit_name else "max_tokens": decoding.max_gen_toks,
            **({"stop": list(decoding.until)[:4]} if decoding.until else {}),
            **({"n": count} if count > 1 else {}),
            **({"seed": request.seed & 0x7FFFFFFF} if not decoding.greedy else {}),
            **({"logprobs": True, "top_logprobs": _TOP_LOGPROBS} if job.options else {}),
        }

    # ---- what came back ---------------------------------------------------------------------------------------------

    def _paid(self, job: _Job, reply: Reply) -> float:
        prompt, answer = self._tokens_of(job, reply)
        cost = self._settings.price(prompt, answer)
        for name, amount in (("requests", 1), ("prompt_tokens", prompt), ("answer_tokens", answer), ("cost", cost)):
            self._usage[name] += amount
        return cost

    def _tokens_of(self, job: _Job, reply: Reply) -> tuple[int, int]:
        """(prompt, answer) tokens as the server counted them, else our estimate of them."""
        if reply.usage is not None:
            return reply.usage
        return job.requests[0].prompt_tokens, sum(self.count_tokens([choice.text for choice in reply.choices]))

    def _options(self, job: _Job, choice: Choice) -> OptionScores:
        if not choice.logprobs:
            raise HarnessError(
                f"{self._endpoint.where}: returned no log-probabilities, which scoring expected_score needs; use "
                "scoring: sample_mean"
            )
        found = {option: choice.logprobs[option] for option in job.options if option in choice.logprobs}
        return OptionScores(job.requests[0].key, found)


def _unheard(text: str) -> None:
    """Where nobody listens."""


def _text_and_reason(choice: Choice, decoding: Decoding) -> tuple[str, StopReason]:
    """The text, ended at the task's stop strings where the server did not, and why it ended."""
    text = choice.text
    stop = min((start for stop in decoding.until if (start := text.find(stop)) >= 0), default=None)
    if stop is not None:
        return text[:stop].strip(), StopReason.UNTIL
    return text.strip(), StopReason.LIMIT if choice.finish_reason == "length" else StopReason.EOS
