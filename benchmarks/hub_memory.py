"""Peak memory of reading Natural Questions: pages of real size, streamed from parquet into a data pack.

    python -m benchmarks.hub_memory --pages 7830

Writes synthetic pages in the data set's schema (100 to 200 KB of tokens each, 7 shards), turns them into a data pack
in a process of its own, and says that process's peak memory, beside that of a process that reads 100 pages. If reading
streams, the two differ by little.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHARDS = 7
WORDS = (
    "otter",
    "urchin",
    "kelp",
    "tide",
    "harbour",
    "lantern",
    "northern",
    "seventeen",
    "because",
    "the",
    "of",
    "and",
)


def page(number: int) -> dict[str, Any]:
    """About 22,000 tokens on average, a tenth of them HTML."""
    from tests.hub_rows import NOTHING, nq_row

    tokens = [f"Page{number}"]
    for paragraph in range(150 + number % 100):
        tokens.append("<P>")
        tokens += [WORDS[(number * 7 + paragraph * 3 + place) % len(WORDS)] for place in range(100)]
        tokens += [".", "</P>"]
    none = [NOTHING] * 4
    return nq_row(
        str(number),
        tokens,
        "what is it",
        [(1, 104), *none],
        [[(5, 7)], [], [], [], []],
        [-1] * 5,
        html="<html>" * 20_000,
    )


def write_shards(folder: Path, pages: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.hub_rows import NQ

    def batches(numbers: range) -> Iterator[Any]:
        for first in range(0, len(numbers), 50):
            yield pa.Table.from_pylist([page(number) for number in numbers[first : first + 50]], schema=NQ)

    folder.mkdir(parents=True)
    for shard in range(SHARDS):
        with pq.ParquetWriter(folder / f"validation-{shard:05d}-of-{SHARDS:05d}.parquet", NQ) as writer:
            for table in batches(range(shard, pages, SHARDS)):
                writer.write_table(table)


class Quiet:
    """A progress that prints its notes alone."""

    def start(self, stage: str, total: int, done: int = 0) -> None: ...
    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None: ...
    def finish(self) -> None: ...
    def note(self, text: str) -> None:
        print(text, file=sys.stderr)


def convert(files: Path, to: Path) -> None:
    from harness.sources.hub.convert import _write_pack
    from harness.sources.hub.readers import READERS

    to.mkdir(parents=True)
    about = {"repository": "synthetic", "commit": "0" * 40, "reader": "natural-questions"}
    _write_pack(to, files, READERS["natural-questions"], about, Quiet())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def measure(pages: int, scratch: Path) -> tuple[int, float, int]:
    """(peak memory in MB, seconds, size of the parquet files in MB)"""
    files = scratch / f"{pages}"
    write_shards(files / "dev", pages)
    size = sum(path.stat().st_size for path in files.rglob("*.parquet")) // 1_000_000
    started = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.hub_memory", "--convert", str(files), str(scratch / f"pack{pages}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout), time.monotonic() - started, size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=7_830)
    parser.add_argument("--convert", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.convert:
        convert(*options.convert)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for count in (100, options.pages):
                memory, seconds, size = measure(count, Path(folder))
                print(f"{count} pages, {size} MB of parquet: peak memory {memory} MB, {seconds:.0f} s", flush=True)
