"""300 files of each kind that are almost right, by seed: ours is the only exception that comes out, on one line, and no
case takes five seconds of the processor. `make fuzz` tries 10,000 of each."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import pytest

from tests.fuzzing import KINDS, SECONDS, fuzz

CASES = 300
MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: thousands of small folders are written and removed."""
MEGABYTES = 500
"""That reading them may add to what the process holds at its most."""


MARKS = {"LoRA checkpoint": [pytest.mark.torch]}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in KINDS])
def test_what_is_almost_right_is_read_or_refused_in_one_line(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        findings = fuzz(KINDS[name], Path(folder), range(CASES))
    assert findings.failures == {}
    assert findings.cases == CASES
    assert 0 < findings.refused < CASES  # the changes are neither harmless nor all fatal
    assert findings.slowest < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024 < MEGABYTES
