"""A task of many questions through the scripted adapter: what the harness itself costs, without a language model.

    python -m benchmarks.load --questions 10000 100000 --against CHECKOUT

Each size is run twice by each version, fresh and from the store, in processes of their own that take turns; a row is
one such process. Times are of the processor, not of the clock, since other programs share it. `--against` is the folder
of another checkout, whose figures stand beside this one's: a ratio of two that ran one after the other says more than
a time. `--source world` asks the synthetic world, whose facts the judge reads: there the facts judge is most of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOCUMENTS = 1_000
STAGES = ("start", "prepare", "retrieve", "prompt", "generate", "judge", "trivial", "results")
WORDS = (
    *("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbour", "island", "juniper", "kernel"),
    *("lagoon", "meadow", "nectar", "orchard", "prairie", "quarry", "ravine", "summit", "thicket", "upland"),
    *("valley", "willow", "yonder", "zenith", "anchor", "beacon", "copper", "drift", "engine"),
)

_HOST = {"command": "python -m benchmarks.load", "date": "2026-01-01T00:00:00+00:00"}


def write_pack(folder: Path, questions: int) -> None:
    """A thousand documents of 40 words with a number of their own; questions ask for one word and the number."""
    folder.mkdir(parents=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        for n in range(DOCUMENTS):
            text = f"Item{n} " + " ".join(WORDS[(n * 7 + k * (1 + n % 5)) % len(WORDS)] for k in range(40))
            corpus.write(json.dumps({"doc_id": f"d{n}", "title": f"Page {n}", "text": text}) + "\n")
    with (folder / "qa.jsonl").open("w", encoding="utf-8") as asked:
        for n in range(questions):
            document = n % DOCUMENTS
            row = {
                "id": f"q{n}",
                "question": f"Which {WORDS[n % len(WORDS)]} is number {n} of item{document}?",
                "answers": [f"It is the {WORDS[n * 7 % len(WORDS)]} of number {n}."],
                "gold_doc_ids": [f"d{document}"],
            }
            asked.write(json.dumps(row) + "\n")


# ---- one process ----------------------------------------------------------------------------------------------------


class StageClock:
    """A `Progress` that adds up processor time by stage: what ends with a stage counts to it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._stage, self._since = "", 0.0

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name] += now - self._since
        self._since = now

    def start(self, stage: str, total: int, done: int = 0) -> None:
        self._stage = stage

    def advance(self, items: int, tokens: int = 0, detail: str = "") -> None:
        """Nothing is shown."""

    def finish(self) -> None:
        stage = "trivial" if self._stage == "judge" and self.seconds["judge"] else self._stage
        self.lap(stage)

    def note(self, text: str) -> None:
        """Nothing is shown."""


def run_once(pack: Path | None, questions: int, work_dir: Path) -> dict[str, Any]:
    """Evaluates, and says what it took. Imports are here so that their time counts."""
    from dataclasses import replace

    from harness.api.session import Session
    from harness.campaign import execute, prepare_all
    from harness.evaluation.run import Context
    from harness.planning.runs import RunSpec

    clock = StageClock()
    clock.lap("start")
    session = Session.open((), progress=False)
    entry = session.catalog.task("library").model_dump(exclude_none=True)
    entry["world"] |= {"questions": questions + 1000, "documents": max(600, questions * 3 // 10)}
    if pack is not None:
        entry["finetune"] = {"pool": 0, "sizes": []}
    task = session.catalog.task(entry)
    spec = RunSpec(
        task=task,
        model=session.catalog.resolved_model("scripted"),
        judge=session.catalog.resolved_judge("facts"),
        data=None if pack is None else str(pack),
    )
    resources = replace(session.resources, progress=clock)
    runs = prepare_all([spec], resources)
    clock.lap("prepare")
    store = work_dir / "store.sqlite"
    with session.open_store(store) as opened:
        (outcome,) = execute(runs, Context(opened, work_dir / "results", clock, _HOST))
    clock.lap("results")
    if outcome.error is not None:
        raise outcome.error
    return {
        "seconds": dict(clock.seconds),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "store": sum(path.stat().st_size for path in work_dir.glob("store.sqlite*")),
    }


def in_process(checkout: Path, arguments: Sequence[str], cache: Path) -> dict[str, Any]:
    """`run_once` of a checkout's harness, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "HARNESS_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, *arguments], env=environment, cwd=cache, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


# ---- the table ------------------------------------------------------------------------------------------------------


def row_of(label: str, questions: int, measured: Mapping[str, Any]) -> str:
    """Microseconds an item by stage, their sum without the start, peak memory, bytes of the store an item."""
    seconds = measured["seconds"]
    by_stage = [f"{1e6 * seconds.get(stage, 0) / questions:.0f}" for stage in STAGES[1:]]
    total = 1e6 * sum(seconds.get(stage, 0) for stage in STAGES[1:]) / questions
    memory = f"{measured['peak'] / 2**20:.0f}"
    return f"| {label} | {' | '.join(by_stage)} | {total:.0f} | {memory} | {measured['store'] / questions:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, nargs="+", default=[10_000])
    parser.add_argument("--source", choices=["pack", "world"], default="pack")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pack", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        print(json.dumps(run_once(chosen.pack, chosen.questions[0], chosen.once)))
        return
    here = Path(__file__).resolve().parents[1]
    versions = {"this": here} | ({"other": chosen.against.resolve()} if chosen.against else {})
    print(f"| µs an item | {' | '.join(STAGES[1:])} | in all | peak MiB | store bytes |")
    print("|---|" + "---|" * (len(STAGES) + 2))
    with tempfile.TemporaryDirectory() as scratch:
        for questions in chosen.questions:
            pack = Path(scratch) / f"pack-{questions}"
            if chosen.source == "pack":
                write_pack(pack, questions)
            for state in ("fresh", "cached"):
                for name, checkout in versions.items():
                    work_dir = Path(scratch) / f"{name}-{questions}"
                    work_dir.mkdir(exist_ok=True)
                    arguments = ["--questions", str(questions), "--once", str(work_dir)]
                    arguments += ["--pack", str(pack)] if chosen.source == "pack" else []
                    measured = in_process(checkout, arguments, work_dir)
                    print(row_of(f"{name}, {questions:,} {state}", questions, measured), flush=True)


if __name__ == "__main__":
    main()
