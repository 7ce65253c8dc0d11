"""How long the leakage radar takes, and what it finds, on a real data pack.

    python -m benchmarks.leakage_radar --data ../shared/data/bioasq

Compares the pack's first 1,000 questions, as pairs, with all of its questions.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from harness.build.leakage import radar_encoder
from harness.build.resources import Resources
from harness.cache import cache_folder
from harness.finetuning.leakage import counts, radar
from harness.reports.progress import no_progress
from harness.sources.pack import DataPack

PAIRS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    pack = DataPack(options.data, lambda row: str(row["id"]), ("pool", "rest"), PAIRS, 0)
    pairs, rest = list(pack.questions("pool")), list(pack.questions("rest"))
    encoder = radar_encoder(Resources(cache=cache_folder(), progress=no_progress()))
    encode = encoder.open().encode if encoder else None
    started = time.monotonic()
    found = radar(pairs, [*pairs, *rest], encode)
    seconds = time.monotonic() - started
    others = {question.id: found[question.id] for question in rest if question.id in found}
    print(f"{len(pairs)} pairs × {len(pairs) + len(rest)} questions: {seconds:.1f} s")
    print(f"of the {len(rest)} that are not pairs: {counts(others)}")


if __name__ == "__main__":
    main()
