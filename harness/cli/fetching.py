"""`harness fetch`: data packs and weights for a machine without a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.common import add_include_path, catalog_of, names_of

__all__ = ["add"]


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "fetch",
        help="fetch data and weights for a machine without a network",
        description="Writes DIR/data/TASK (a data pack, for --data) and DIR/models/MODEL (a folder, for --model hf "
        "--model_args pretrained=DIR/models/MODEL). Copied to a machine without a network they give the same digests "
        "and so the same results.",
    )
    parser.add_argument("--task", "--tasks", "-t", nargs="+", default=[], metavar="NAME", help="tasks, groups or tags")
    parser.add_argument(
        "--model", "-M", nargs="+", default=[], metavar="NAME", help="model entries; of a LoRA entry its base"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import shutil

    from harness.adapters.weights import copy_weights
    from harness.build import build_hub_pack, build_weights, resolved_model
    from harness.cache import cache_folder
    from harness.cli.console import make_progress
    from harness.errors import UsageError

    if not options.task and not options.model:
        raise UsageError("say what to fetch: --task, --model, or both")
    if options.to.exists() and not options.to.is_dir():
        raise UsageError(f"--to {options.to}: is a file; name a folder")
    catalog, cache, progress = catalog_of(options), cache_folder(), make_progress()
    tasks = [catalog.task(name) for name in catalog.expand_tasks(names_of(options.task))[0]]
    models = [catalog.model(name) for name in names_of(options.model)]
    for task in tasks:
        pack = build_hub_pack(task, cache, progress)
        to = options.to / "data" / task.task
        to.mkdir(parents=True, exist_ok=True)
        for name in ("corpus.jsonl", "qa.jsonl", "source.json"):
            shutil.copyfile(pack / name, to / name)
        print(f"{task.task}: {to}  (use: --task {task.task} --data {to})")
    for model in models:
        whole, base = resolved_model(catalog, model)
        name = (base or whole).model
        to = copy_weights(build_weights(whole, cache), options.to / "models" / name, cache)
        print(f"{name}: {to}  (use: --model hf --model_args pretrained={to})")
    return 0
