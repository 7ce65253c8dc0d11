"""A model that answers from a script: the fake that ships, for tests, demonstrations and dry runs of a study.

Which of its answers a prompt gets depends on the prompt and the seed alone, so a scripted run is as repeatable as a
real one. A "token" is a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.digests import digest_of
from harness.files import JsonObject
from harness.interfaces import Description, Identity, Usage
from harness.records import Answer, Message, OptionRequest, OptionScores, Request, StopReason

__all__ = ["ScriptedAdapter"]

_WINDOW = 8_192


class ScriptedAdapter:
    """`script` is the list of answers, or a function of the final prompt. `option_logprobs` are what
    `score_options` gives for each option. `requests` keeps every request, in order."""

    def __init__(
        self,
        script: Sequence[str] | Callable[[str], str],
        *,
        name: str = "scripted",
        window: int = _WINDOW,
        option_logprobs: Mapping[str, float] | None = None,
        licence: str = "none",
    ) -> None:
        self.name = name
        self.window = window
        self.requests: list[Request] = []
        self._script = script
        self._options = dict(option_logprobs or {})
        self._licence = licence

    @property
    def identity(self) -> Identity:
        script = list(self._script) if not callable(self._script) else self._script.__qualname__
        return {"engine": "scripted", "script": digest_of(script), "window": self.window, "options": self._options}

    @property
    def answer_identity(self) -> Identity:
        return {**self.identity, "window": _WINDOW}

    @property
    def description(self) -> Description:
        return {"engine": "scripted", "licence": self._licence}

    @property
    def usage(self) -> Usage:
        return {}

    @property
    def weights_key(self) -> str:
        return self.name

    @property
    def training_record(self) -> JsonObject:
        return {}

    @property
    def streams(self) -> bool:
        return False

    @property
    def fixed_batch_size(self) -> int | None:
        return 8

    def format_prompt(self, messages: Sequence[Message], reply_prefix: str = "") -> str:
        turns = "".join(f"{message.role}: {message.content}\n" for message in messages)
        return f"{turns}assistant: {reply_prefix}"

    def count_tokens(self, prompts: Sequence[str]) -> list[int]:
        return [len(prompt.split()) for prompt in prompts]

    def batch_size(self, requests: Sequence[Request]) -> int:
        return 8

    def _reply(self, prompt: str, seed: int) -> str:
        if callable(self._script):
            return self._script(prompt)
        chance = hashlib.sha256(f"{seed}:{prompt}".encode()).digest()
        return self._script[int.from_bytes(chance[:8], "big") % len(self._script)]

    def generate(self, requests: Sequence[Request]) -> Iterator[Answer]:
        for request in requests:
            self.requests.append(request)
            words = self._reply(request.prompt, 0 if request.decoding.greedy else request.seed).split(" ")
            limit = request.decoding.max_gen_toks
            stop = StopReason.LIMIT if len(words) > limit else StopReason.EOS
            kept = words[:limit]
            yield Answer(request.key, " ".join(kept), stop, len(request.prompt.split()), len(kept))

    def score_options(self, requests: Sequence[OptionRequest]) -> Iterator[OptionScores]:
        for request in requests:
            yield OptionScores(request.key, {o: self._options[o] for o in request.options if o in self._options})

    def prepare(self) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is loaded."""
