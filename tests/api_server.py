"""A chat-completions server on loopback, in an event loop in a thread of its own (or a process of its own: `python -m
tests.api_server`). It answers each prompt from a rule, and makes what trouble it is told to."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass
class Raw:
    """A response as it stands. `drop`: so many bytes of the body are left out, and the connection is closed."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: int = 0
    hang: bool = False


def completion(*texts: str, usage: tuple[int, int] | None = (20, 5), **choice: Any) -> Body:
    """A chat completion with an answer for each text."""
    counted = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if usage else None
    choices = [
        {"index": n, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **choice}
        for n, text in enumerate(texts)
    ]
    return {"id": "x", "object": "chat.completion", "choices": choices, "usage": counted}


def error(status: int, message: str, **more: Any) -> Raw:
    return Raw(status, json.dumps({"error": {"message": message, **more}}).encode())


def prompt_of(body: Body) -> str:
    """The last message."""
    return str(body["messages"][-1]["content"])


Rule = Callable[[Body, int], Body | Raw]
"""The answer to a request; the number counts requests from 1."""


def echo(body: Body, number: int) -> Body:
    return completion(*[f"echo: {prompt_of(body)[-40:]}"] * body.get("n", 1))


class ApiServer:
    """`delay`: seconds before each answer, give or take the share `jitter`. Requests for which `holds(body, number)` is
    true get their answer only when `release` is called, or so many requests were under way or asked at once
    (`release_at_under_way`, `release_at_asked`)."""

    def __init__(self, rule: Rule = echo, delay: float = 0.0, jitter: float = 0.0) -> None:
        self.rule, self.delay, self.jitter = rule, delay, jitter
        self.holds: Callable[[Body, int], bool] = lambda body, number: False
        self.release_at_under_way = self.release_at_asked = sys.maxsize
        self.bodies: list[Body] = []
        self.keys: list[str] = []
        self.answered = self.under_way = self.most_under_way = 0
        self.address = ""
        self.loop: asyncio.AbstractEventLoop | None = None
        self._released = asyncio.Event()
        self._chance = random.Random(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for line in head[1:] if ": " in line for name, value in [line.split(": ", 1)]}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
        self.bodies.append(body)
        self.keys.append(headers.get("authorization", ""))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            number = len(self.bodies)
            answer = self.rule(body, number)
            if self.under_way >= self.release_at_under_way or number >= self.release_at_asked:
                self._released.set()
            if self.holds(body, number):
                await self._released.wait()
            if self.delay:
                await asyncio.sleep(self.delay * (1 + self.jitter * self._chance.uniform(-1, 1)))
            raw = answer if isinstance(answer, Raw) else Raw(body=json.dumps(answer).encode())
            return await self._send(raw, writer)
        finally:
            self.under_way -= 1
            self.answered += 1

    def release(self) -> None:
        """All that is held gets its answer, from now on at once."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self._released.set)

    async def _send(self, raw: Raw, writer: asyncio.StreamWriter) -> bool:
        if raw.hang:
            await asyncio.sleep(60)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(raw.body)), **raw.headers}
        lines = [f"HTTP/1.1 {raw.status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw.body[: len(raw.body) - raw.drop])
        await writer.drain()
        return not raw.drop


@contextmanager
def serving(server: ApiServer) -> Iterator[ApiServer]:
    """The server at `server.address`, until the block ends."""
    loop = server.loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1_000)

    async def stop() -> None:
        listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    listening = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    server.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


if __name__ == "__main__":  # DELAY JITTER: prints its address and serves until standard input ends
    with serving(ApiServer(delay=float(sys.argv[1]), jitter=float(sys.argv[2]))) as running:
        print(running.address, flush=True)
        sys.stdin.read()
