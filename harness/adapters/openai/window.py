"""A sliding window of jobs on an event loop in a thread of its own: so many are under way at once, the next begins when
one ends, and what each brings is handed over when it arrives.

When the window is stopped (an error, Ctrl-C), no further job begins, and those under way are awaited.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

__all__ = ["LoopThread", "Window"]

_A_MOMENT = 0.05  # seconds
J = TypeVar("J")
T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread of its own."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def call(self, function: Callable[[], object]) -> None:
        """Has the function called in the loop, soon."""
        self.loop.call_soon_threadsafe(function)

    def stop(self, last: Coroutine[Any, Any, None], seconds: float) -> None:
        """Ends all tasks, runs `last`, and ends the thread; waits at most so long."""

        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await last

        ended = asyncio.run_coroutine_threadsafe(end(), self.loop)
        with suppress(Exception):
            ended.result(seconds)
        self.call(self.loop.stop)
        self._thread.join(seconds)


class Window(Generic[J, T]):
    """`ask` does one job: what it brings, and jobs that are to be done in its place. `admit` takes the next job from
    the open ones, or None where one must end first. Both run in the loop; an error that either raises stops the
    window."""

    def __init__(
        self,
        jobs: Iterable[J],
        size: int,
        admit: Callable[[deque[J]], J | None],
        ask: Callable[[J, asyncio.Event], Awaitable[tuple[list[T], list[J]]]],
    ) -> None:
        self.stopped = asyncio.Event()
        self._open, self._size, self._admit, self._ask = deque(jobs), size, admit, ask
        self._running: set[asyncio.Task[tuple[list[T], list[J]]]] = set()
        self._arrived: SimpleQueue[T | None] = SimpleQueue()
        self._error: BaseException | None = None

    def results(self, thread: LoopThread, interrupted: Callable[[int], None]) -> Iterator[T]:
        """What the jobs bring, as it arrives; then the first error is raised. The first Ctrl-C stops the window and
        calls `interrupted` with the number of jobs that are awaited; the second leaves at once."""

        def interrupt() -> None:
            interrupted(len(self._running))
            thread.call(lambda: self._stop(KeyboardInterrupt()))

        ended = False
        try:
            with _first_interrupt(interrupt):
                thread.call(self._fill)
                while (result := self._arrived.get()) is not None:
                    yield result
                ended = True
        finally:
            if not ended:
                thread.call(self._abandon)
        if self._error is not None:
            raise self._error

    def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while self._open and not self.stopped.is_set() and len(self._running) < self._size:
            try:
                job = self._admit(self._open)
            except Exception as error:
                self._stop(error)
                return
            if job is None:
                if not self._running:  # what must end is another window's
                    loop.call_later(_A_MOMENT, self._fill)
                    return
                break
            task = loop.create_task(self._ask_whole(job))
            self._running.add(task)
            task.add_done_callback(self._done)
        self._end_if_over()

    async def _ask_whole(self, job: J) -> tuple[list[T], list[J]]:
        return await self._ask(job, self.stopped)

    def _done(self, task: asyncio.Task[tuple[list[T], list[J]]]) -> None:
        self._running.discard(task)
        if task.cancelled():
            self._stop(RuntimeError("the connection was closed while requests were under way"))
            return
        if (error := task.exception()) is not None:
            self._stop(error)
            return
        results, instead = task.result()
        for result in results:
            self._arrived.put(result)
        self._open.extendleft(reversed(instead))
        self._fill()

    def _stop(self, error: BaseException) -> None:
        """The first error is the one that counts."""
        self._error = self._error or error
        self.stopped.set()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if not self._running and (self.stopped.is_set() or not self._open):
            self._arrived.put(None)

    def _abandon(self) -> None:
        self.stopped.set()
        for task in self._running:
            task.cancel()


@contextmanager
def _first_interrupt(call: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C calls `call`, the second interrupts as ever. Where Ctrl-C means something else already, or in
    another thread than the main one, nothing is changed."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        call()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
