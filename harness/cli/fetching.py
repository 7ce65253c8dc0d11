"""`harness fetch`: data packs and weights for a machine without a network."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from harness.cli.common import Subparsers, add_include_path, names_of
from harness.errors import UsageError
from harness.files import make_folder, whole_file

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "fetch",
        help="fetch data and weights for a machine without a network",
        description="Writes DIR/data/TASK (a data pack, for --data) and DIR/models/MODEL (a folder, for --model hf "
        "--model_args pretrained=DIR/models/MODEL). Copied to a machine without a network, they give the same digests "
        "and therefore the same results.",
    )
    parser.add_argument("--task", "--tasks", "-t", nargs="+", default=[], metavar="NAME", help="tasks, groups or tags")
    parser.add_argument(
        "--model",
        "-M",
        nargs="+",
        default=[],
        metavar="NAME",
        help="model entries; for a LoRA entry, its base is fetched",
    )
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to write to")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.adapters.weights import copy_weights
    from harness.api.session import Session
    from harness.build.models import build_weights
    from harness.build.sources import build_hub_pack
    from harness.entries.model import TransformersModelEntry

    if not options.task and not options.model:
        raise UsageError("pass what to fetch: --task, --model, or both")
    if options.to.exists() and not options.to.is_dir():
        raise UsageError(f"--to {options.to}: is a file; name a folder")
    session = Session.open(options.include_path, progress=True)
    catalog, resources = session.catalog, session.resources
    tasks = [catalog.task(name) for name in catalog.expand_tasks(names_of(options.task))[0]]
    models = [catalog.resolved_model(name) for name in names_of(options.model)]
    for task in tasks:
        pack = build_hub_pack(task, resources)
        to = options.to / "data" / task.task
        make_folder(to)
        for name in ("corpus.jsonl", "qa.jsonl", "source.json"):
            with whole_file(to / name) as part:
                shutil.copyfile(pack / name, part)
        print(f"{task.task}: {to}  (use: --task {task.task} --data {to})")
    for model in models:
        if not isinstance(model.entry, TransformersModelEntry):
            raise UsageError(f"--model {model.name}: runs on {model.entry.engine}; there are no weights to fetch")
        name = model.base.model if model.base else model.name
        to = copy_weights(build_weights(model.entry, resources), options.to / "models" / name, resources.cache)
        print(f"{name}: {to}  (use: --model hf --model_args pretrained={to})")
    return 0
