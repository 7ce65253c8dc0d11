"""`harness gate`: does a LoRA checkpoint do anything, and the right thing? `harness eval` asks the same."""

from __future__ import annotations

import argparse
from typing import Any

from harness.cli.common import add_include_path, catalog_of, names_of

__all__ = ["add"]


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "gate",
        help="check LoRA checkpoints before they are evaluated",
        description="Compares each checkpoint with its base: files whole, base and tokenizer those of training, every "
        "tensor there and none of them zero, NaN or too large; loaded: logits other than the base's, merged and "
        "unmerged agree. Exit code 1 and a line a fault when there are any.",
    )
    parser.add_argument("--task", "-t", required=True, metavar="NAME", help="whose checkpoints ({task} in their path)")
    parser.add_argument("--model", "-M", nargs="+", required=True, metavar="NAME", help="LoRA model entries")
    parser.add_argument("--device", metavar="DEV", help="cpu, cuda, cuda:1")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import sys
    import time

    from harness.build import ModelOverrides, build_model
    from harness.cache import cache_folder
    from harness.errors import UsageError

    catalog, bad = catalog_of(options), 0
    catalog.task(options.task)
    for name in names_of(options.model):
        entry = catalog.model(name)
        if entry.peft is None:
            raise UsageError(f"--model {name}: is no LoRA checkpoint; the gate is for these")
        overrides = ModelOverrides(device=options.device, gate=False)
        adapter: Any = build_model(catalog, entry, options.task, cache_folder(), overrides)
        started = time.monotonic()
        faults = adapter.faults()
        bad += bool(faults)
        for fault in faults:
            print(f"harness: {name}: {fault}", file=sys.stderr)
        print(f"{name}: {'passes' if not faults else f'{len(faults)} faults'}, {time.monotonic() - started:.1f} s")
    return 1 if bad else 0
