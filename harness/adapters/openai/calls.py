"""One request to a chat-completions endpoint: asked, tried again where that may help, and when it fails, why.

Tried again: 408, 409, 429, 5xx, time-outs, connections that are refused or dropped, and replies that cannot be read.
`Retry-After` is waited for, by all requests. Never tried again: a key that is not accepted (401, 403), a model that is
not there (404), a quota that is used up, a request that is refused (other 4xx).

Whatever a server says is shown on one line, without control characters, and without the key, wherever it stands.
"""

from __future__ import annotations

import asyncio
import base64
import email.utils
import math
import os
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from harness.adapters.openai.budget import Reservation
from harness.adapters.openai.replies import ErrorReply, Reply, UnreadableReply, read_reply
from harness.errors import HarnessError, MissingPart
from harness.extras import require
from harness.files import JsonObject
from harness.texts import without_credentials

if TYPE_CHECKING:
    import openai
    import tenacity

__all__ = ["ApiSettings", "Endpoint", "Kind", "Stopped", "Trouble"]

_LONGEST_WAIT = 3_600.0  # seconds; a server that wants more is not waited for
_CONNECTIONS = 8  # of a client: for each request it looks through all that it has
_NOTED_WAIT = 5.0  # seconds from which a wait is worth a line
_LONGEST_REASON = 200  # characters
_HIDDEN = "[redacted]"
_USED_UP = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


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

    def price(self, prompt: int, answer: int) -> float:
        """Of so many tokens."""
        return (prompt * self.prices[0] + answer * self.prices[1]) / 1_000_000


class Kind(Enum):
    """What a failed try means."""

    LASTING = "nothing else would fare better: nothing more is asked"
    OUTAGE = "tried again; the server may be down, or it may be this request alone"
    UNREADABLE = "tried again; then this request alone has failed"
    REFUSED = "this request alone has failed"


class Trouble(HarnessError):
    """A try that failed. `wait`: the seconds that the server asks to wait. `refuses_n`: the server does not give
    several answers to one request."""

    def __init__(self, kind: Kind, text: str, wait: float | None = None, refuses_n: bool = False) -> None:
        super().__init__(text)
        self.kind, self.text, self.wait, self.refuses_n = kind, text, wait, refuses_n


class Stopped(Exception):
    """Nothing more is asked, so a request that waited to be tried again is not."""


class Endpoint:
    """`note` is called with a line for the user. All but the constructor and `prepare` belongs to one event loop."""

    def __init__(self, name: str, settings: ApiSettings, note: Callable[[str], None]) -> None:
        self.where = f"model {name} at {without_credentials(settings.base_url)}"
        self._name, self._settings, self._note = name, settings, note
        self._clients: list[openai.AsyncOpenAI] = []
        self._turn = 0
        self._secrets: list[str] = []
        self._paused_until = 0.0
        self._noted_until = 0.0

    def prepare(self) -> None:
        """Makes the clients. Raises `MissingPart` without a key."""
        if not self._clients:
            require("tenacity")
            openai = require("openai")
            variable = self._settings.key_variable
            key = os.environ.get(variable, "").strip() if variable else "none"
            if not key:
                raise MissingPart(f"model {self._name}: the environment variable {variable} holds no key; set it")
            if not re.fullmatch(r"[\x21-\x7e]+", key):
                raise MissingPart(
                    f"model {self._name}: the environment variable {variable} holds characters that no key has; set it"
                )
            self._secrets = _secrets_of(key if variable else "", self._settings.base_url)
            self._clients = [
                openai.AsyncOpenAI(
                    api_key=key, base_url=self._settings.base_url, timeout=self._settings.timeout, max_retries=0
                )
                for _ in range(math.ceil(self._settings.concurrency / _CONNECTIONS))
            ]

    async def close(self) -> None:
        """Drops the connections."""
        for client in self._clients:
            await client.close()
        self._clients = []

    # ---- asking -----------------------------------------------------------------------------------------------------

    async def ask(
        self, body: JsonObject, reservation: Reservation, paid: Callable[[Reply], float], stopped: asyncio.Event
    ) -> Reply:
        """The reply. `paid` counts it and gives its cost. Raises `Trouble` when it is over with this request,
        `BudgetSpent` when another try could pass the limit, and `Stopped`."""
        tenacity = require("tenacity")

        async def sleep(seconds: float) -> None:
            await self._wait(seconds, stopped)

        retrying = tenacity.AsyncRetrying(
            sleep=sleep,
            stop=tenacity.stop_after_attempt(self._settings.retries + 1),
            wait=self._pause_before,
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )
        try:
            await self._wait(0.0, stopped)  # until the server is ready for any request
            reply: Reply = await retrying(self._try, body, reservation, paid)
        finally:
            reservation.release()
        return reply

    async def _try(self, body: JsonObject, reservation: Reservation, paid: Callable[[Reply], float]) -> Reply:
        reservation.renew()
        self._turn += 1
        client = self._clients[self._turn % len(self._clients)]
        try:
            # a server that sends a byte now and then would never be timed out by the client
            async with asyncio.timeout(self._settings.timeout):
                raw: bytes = await client.post("/chat/completions", cast_to=bytes, body=body)
        except Exception as error:
            raise self._trouble(error) from error
        try:
            reply = read_reply(raw)
        except UnreadableReply as error:
            reservation.pay(paid(Reply([], None)))
            raise self._unreadable(error) from error
        reservation.pay(paid(reply))
        return reply

    def _pause_before(self, state: tenacity.RetryCallState) -> float:
        """Seconds before the next try: as long as the server asks for, else 0.5, 1, 2, 4 and up to 30, with some chance
        so that requests do not come back all at once."""
        if state.attempt_number > self._settings.retries:
            return 0.0  # there is none
        tenacity = require("tenacity")
        wait = (tenacity.wait_exponential(multiplier=0.5, max=30) + tenacity.wait_random(0, 0.5))(state)
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, Trouble) and error.wait is not None:
            now = time.monotonic()
            self._paused_until = max(self._paused_until, now + error.wait)
            if error.wait >= _NOTED_WAIT and now >= self._noted_until:
                self._noted_until = now + error.wait
                self._note(f"{self.where}: asks to wait {error.wait:.0f} s; waiting")
            wait = error.wait
        return float(wait)

    async def _wait(self, seconds: float, stopped: asyncio.Event) -> None:
        """As long, or until no request is to be sent any more; at least until the server is ready for requests
        again."""
        ready = time.monotonic() + seconds
        while (left := max(ready, self._paused_until) - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(stopped.wait(), left)
            except TimeoutError:
                continue
            raise Stopped

    # ---- what went wrong --------------------------------------------------------------------------------------------

    def shown(self, text: object) -> str:
        """A server's words on one line, without credentials and control characters, and not too long."""
        line = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in str(text))
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        for pattern in _CREDENTIALS:
            line = pattern.sub(rf"\1{_HIDDEN}", line)
        line = " ".join(line.split())
        return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"

    def _unreadable(self, error: UnreadableReply) -> Trouble:
        used_up = isinstance(error, ErrorReply) and _is_used_up(error.body)
        if used_up:
            return Trouble(Kind.LASTING, f"{self.where}: the quota is used up; {self.shown(error)}")
        return Trouble(Kind.UNREADABLE, self.shown(error))

    def _trouble(self, error: Exception) -> Exception:
        """What an error of the client means; an error that is none of the client's is returned as it is."""
        openai = require("openai")
        tries = f"{self._settings.retries + 1} times"
        if isinstance(error, openai.APITimeoutError | TimeoutError):
            if type(error.__cause__).__name__ == "ConnectTimeout":
                return Trouble(Kind.OUTAGE, "cannot be reached; is it running, and is the address right?")
            return Trouble(Kind.OUTAGE, f"no answer in {self._settings.timeout:g} s, {tries}; raise `timeout`")
        if isinstance(error, openai.APIStatusError):
            return self._of_status(error)
        if isinstance(error, openai.APIConnectionError):
            if type(error.__cause__).__name__ in ("ConnectError", "ProxyError", "UnsupportedProtocol"):
                return Trouble(Kind.OUTAGE, "cannot be reached; is it running, and is the address right?")
            return Trouble(Kind.OUTAGE, f"the connection was dropped before the answer was whole, {tries}")
        if isinstance(error, openai.OpenAIError):
            return Trouble(Kind.LASTING, f"{self.where}: {self.shown(error)}")
        return error

    def _of_status(self, error: openai.APIStatusError) -> Trouble:
        status, settings = error.status_code, self._settings
        body = error.body if isinstance(error.body, dict) else {}
        words = self.shown(body.get("message") or error.body or error.response.reason_phrase)
        says = f"the server says: {words}" if words else "the server does not say why"
        if status in (402, 429) and (status == 402 or _is_used_up(body)):
            return Trouble(Kind.LASTING, f"{self.where}: the quota is used up; {says}")
        if status in (401, 403):
            key = f"the key in {settings.key_variable}" if settings.key_variable else "a request without a key"
            return Trouble(Kind.LASTING, f"{self.where}: {key} is not accepted for {settings.model}; {says}")
        if status == 404:
            text = f"{self.where}: there is no model {settings.model!r}, or not for this key; {says}"
            return Trouble(Kind.LASTING, text)
        if status in (408, 409, 429) or status >= 500:
            return self._of_load(error, says)
        refuses_n = status in (400, 422) and re.search(r"['\"`]n['\"`]", words) is not None
        return Trouble(Kind.REFUSED, f"refused the request ({status}); {says}", refuses_n=refuses_n)

    def _of_load(self, error: openai.APIStatusError, says: str) -> Trouble:
        """Of a status that may be another one later."""
        status, retries = error.status_code, self._settings.retries
        wait = _retry_after(error.response.headers)
        if wait is not None and wait > _LONGEST_WAIT:
            return Trouble(Kind.LASTING, f"{self.where}: asks to wait {wait:.0f} s, which is too long; {says}")
        if error.response.headers.get("x-should-retry") == "false":
            return Trouble(Kind.REFUSED, f"returned {status} and asks not to be tried again; {says}")
        if status == 429:
            text = f"still too many requests after {retries} retries; lower `concurrency`; {says}"
        else:
            text = f"returned {status} after {retries} retries; try again later; {says}"
        return Trouble(Kind.OUTAGE, text, wait)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Trouble) and error.kind in (Kind.OUTAGE, Kind.UNREADABLE)


def _is_used_up(body: Mapping[str, Any]) -> bool:
    return body.get("code") in _USED_UP or body.get("type") in _USED_UP


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from `retry-after-ms`, or from `retry-after` in seconds or as a date; None where there is none that can
    be read."""
    for name, unit in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return seconds if math.isfinite(seconds) and seconds > 0 else None
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(0.0, date.timestamp() - time.time())
    except (KeyError, ValueError, OverflowError):
        return None


_CREDENTIALS = [
    re.compile(r"((?:authorization|api[-_]key)['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic)\s+)?)[^\s'\",}]+", re.I),
    re.compile(r"(\b(?:bearer|basic)\s+)(?=\S*\d)[^\s'\",}]+", re.I),
    re.compile(r"()\bsk-[\w-]{8,}"),
    re.compile(r"(\w://)[^\s/?#@]+:[^\s/?#@]*(?=@)"),
]
"""What credentials look like that we do not know: the first group is kept."""


def _secrets_of(key: str, address: str) -> list[str]:
    """The key and what `user:password@` of an address holds, in the forms in which a server may repeat them; longest
    first, so that none is left over of another."""
    parts = urllib.parse.urlsplit(address)
    password = urllib.parse.unquote(parts.password or "")
    pair = f"{urllib.parse.unquote(parts.username or '')}:{password}"
    known = [key, password]
    if parts.password or parts.username:
        known += [pair, base64.b64encode(pair.encode()).decode()]
    forms = {form for text in known for form in (text, urllib.parse.quote(text, safe=""))}
    return sorted((form for form in forms if len(form) >= 4), key=len, reverse=True)
