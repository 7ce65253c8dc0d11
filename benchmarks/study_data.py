"""What the study's task files rest on, measured on the data packs: how long references are in a model's tokens, what
`max_gen_toks` leaves of them, how large clusters are, and how many questions have several references.

    python -m benchmarks.study_data --data ../shared/data
    python -m benchmarks.study_data --data ../shared/data --task qasper --model mistral

References are of the fine-tuning pool alone: a limit is not set by what is evaluated. What stored runs of a leaderboard
left unfinished is shown beside it (`--stored`).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.build.models import build_model
from harness.build.resources import ModelOptions, Resources
from harness.build.sources import build_source
from harness.cache import cache_folder
from harness.comparison.stored import StoredRun
from harness.entries.catalog import Catalog
from harness.records import Question
from harness.reports.progress import no_progress

SHARES = (50, 95, 99, 99.5, 100)
STEP = 64  # limits are multiples of it


def limit_for(lengths: Sequence[int]) -> int:
    """The smallest multiple of `STEP` that leaves 99.5 % of the references whole, with their end-of-text token, and
    another `STEP` for the words that models put around an answer."""
    return STEP * math.ceil((float(np.percentile(lengths, 99.5)) + 1) / STEP) + STEP


def stored_texts(folder: Path, task: str) -> list[str]:
    """Truncated answers of a leaderboard's stored runs, and how many of those loop: no limit ends them."""
    lines = []
    for path in sorted(folder.glob(f"{task}-*.json")):
        run = StoredRun.from_json(json.loads(path.read_text(encoding="utf-8")), str(path))
        if run.task != task:  # a variant, whose name begins with the task's
            continue
        cut = [bool(value) for value in run.measures["truncated"]]
        loops = sum(bool(value) for value, is_cut in zip(run.measures["loops"], cut, strict=True) if is_cut)
        limit = run.settings["decoding.max_gen_toks"]
        lines.append(
            f"{run.model}, {run.arm}, {limit} tokens: {sum(cut)} of {len(cut)} truncated, {loops} of them loop"
        )
    return lines


def references_text(questions: Sequence[Question]) -> str:
    several = sum(len(question.references) > 1 for question in questions)
    both = sum({"yes", "no"} <= {text.strip(" .").lower() for text in question.references} for question in questions)
    kinds = Counter(question.kind for question in questions)
    shown = ", ".join(f"{name or 'no kind'} {count}" for name, count in kinds.most_common())
    return f"{several} of {len(questions)} with several references, {both} with yes and no; {shown}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="a folder with a data pack for each task")
    parser.add_argument("--task", nargs="+", default=["bioasq", "nq", "qasper"])
    parser.add_argument("--stored", type=Path, default=Path("leaderboards/results/smollm2"))
    parser.add_argument("--model", default="smollm2-135m", help="whose tokenizer counts")
    options = parser.parse_args()
    catalog, resources = Catalog(), Resources(cache=cache_folder(), progress=no_progress())
    adapter = build_model(catalog.resolved_model(options.model), options.task[0], resources, ModelOptions())
    adapter.prepare()
    for name in options.task:
        task = catalog.task(name)
        source = build_source(task, options.data / name, resources)
        pool, evaluated = source.questions(task.training_split), source.questions(task.test_split)
        texts = [text for question in pool for text in question.references[: task.max_references]]
        lengths = adapter.count_tokens(texts)
        shown = ", ".join(f"{share} %: {np.percentile(lengths, share):.0f}" for share in SHARES)
        limit = task.generation_kwargs.max_gen_toks
        cut = sum(length >= limit for length in lengths) / len(lengths)
        sizes = Counter(question.cluster for question in evaluated)
        print(f"{name}: {len(texts)} references of {len(pool)} questions in the pool, tokens: {shown}")
        print(f"  limit by their lengths {limit_for(lengths)}; the task's {limit} cuts {100 * cut:.1f} % of them")
        print("".join(f"  {line}\n" for line in stored_texts(options.stored, name)), end="")
        print(f"  evaluated: {references_text(evaluated)}")
        print(f"  {len(sizes)} clusters, the largest of {max(sizes.values())}")


if __name__ == "__main__":
    main()
