"""Progress on standard error: bars on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.interfaces import Progress
from harness.texts import printable

if TYPE_CHECKING:
    import rich.progress

__all__ = ["make_progress", "no_progress"]

_PLAIN_EVERY = 20.0  # seconds between two plain lines of one stage


def make_progress() -> Progress:
    """Bars on a terminal; lines elsewhere."""
    return _BarProgress() if sys.stderr.isatty() else _PlainProgress()


def no_progress() -> Progress:
    """For the processes of a parallel training that are not the first."""
    return _NoProgress()


class _NoProgress:
    def start(self, stage: str, total: int, done: int = 0) -> None: ...

    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None: ...

    def finish(self) -> None: ...

    def note(self, text: str) -> None: ...


class _Rates:
    """Items and tokens a second of the stage at hand."""

    def __init__(self, total: int, done: int) -> None:
        self.started, self.total, self.before, self.done, self.tokens = time.monotonic(), total, done, done, 0
        self.detail = ""

    def text(self) -> str:
        seconds = max(time.monotonic() - self.started, 1e-6)
        items = (self.done - self.before) / seconds
        parts = [f"{items:.2f} items/s" if items < 10 else f"{items:.0f} items/s"]
        if self.tokens:
            parts.append(f"{self.tokens / seconds:.0f} tokens/s")
        if self.detail:
            parts.append(self.detail)
        return ", ".join(parts) if self.done > self.before else "from the store"


class _PlainProgress:
    """A stage may begin inside another, as when an index is built while passages are retrieved: the inner one is
    reported first."""

    def __init__(self) -> None:
        self._open: list[tuple[str, _Rates]] = []
        self._printed = 0.0

    def start(self, stage: str, total: int, done: int = 0) -> None:
        self._open.append((stage, _Rates(total, done)))
        self._printed = time.monotonic()

    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None:
        _, rates = self._open[-1]
        rates.done += items
        rates.tokens += tokens
        rates.detail = detail or rates.detail
        if time.monotonic() - self._printed > _PLAIN_EVERY and rates.done < rates.total:
            self._print()

    def finish(self) -> None:
        if self._open[-1][1].total:
            self._print()
        self._open.pop()

    def _print(self) -> None:
        stage, rates = self._open[-1]
        self._printed = time.monotonic()
        print(f"{stage}: {rates.done}/{rates.total} ({rates.text()})", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)


class _BarProgress:
    """A bar a stage, by rich; a stage inside another gets its bar below. The bars of finished stages stay."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._new: Callable[[], rich.progress.Progress] = lambda: Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[rates]}"),
            console=self._console,
        )
        self._bars: rich.progress.Progress | None = None
        self._open: list[tuple[rich.progress.TaskID, _Rates]] = []

    def start(self, stage: str, total: int, done: int = 0) -> None:
        bar = self._started().add_task(stage, total=total or None, completed=done, rates="")
        self._open.append((bar, _Rates(total, done)))

    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None:
        bar, rates = self._open[-1]
        rates.done += items
        rates.tokens += tokens
        rates.detail = detail or rates.detail
        self._started().update(bar, advance=items, rates=rates.text())

    def finish(self) -> None:
        bar, rates = self._open.pop()
        bars = self._started()
        bars.update(bar, rates=rates.text())
        if not self._open:
            bars.stop()
            self._bars = None

    def _started(self) -> rich.progress.Progress:
        if self._bars is None:
            self._bars = self._new()
            self._bars.start()
        return self._bars

    def note(self, text: str) -> None:
        self._console.print(printable(text), highlight=False, markup=False)
