"""`harness gate`: does a LoRA checkpoint do anything, and the right thing? `harness eval` checks the same."""

from __future__ import annotations

import argparse
import sys
import time

from harness.cli.common import Subparsers, add_device, add_include_path, names_of
from harness.errors import UsageError

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "gate",
        help="check LoRA checkpoints before they are evaluated",
        description="Compares each checkpoint with its base: complete files, the base and tokenizer of training, every "
        "tensor present and none of them zero, NaN or too large; once loaded, logits that differ from the base's, and "
        "agreement between merged and unmerged layers. Exits with 1 and one line per fault if there are any.",
    )
    parser.add_argument(
        "--task", "-t", required=True, metavar="NAME", help="the task whose checkpoints to check ({task} in their path)"
    )
    parser.add_argument("--model", "-M", nargs="+", required=True, metavar="NAME", help="LoRA model entries")
    add_device(parser)
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api.session import Session
    from harness.build.models import build_model
    from harness.build.resources import ModelOptions
    from harness.interfaces import Gated

    session, failed = Session.open(options.include_path, progress=True), 0
    task = session.catalog.task(options.task).checkpoint_task
    for name in names_of(options.model):
        model = session.catalog.resolved_model(name)
        if model.base is None:
            raise UsageError(f"--model {name}: is not a LoRA checkpoint; the gate checks nothing else")
        adapter = build_model(model, task, session.resources, ModelOptions(device=options.device, gate=False))
        if not isinstance(adapter, Gated):
            raise UsageError(f"--model {name}: its engine has no gate")
        started = time.monotonic()
        faults = adapter.faults()
        failed += bool(faults)
        for fault in faults:
            print(f"harness: {name}: {fault}", file=sys.stderr)
        verdict = "passes" if not faults else f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        print(f"{name}: {verdict}, {time.monotonic() - started:.1f} s")
    return 1 if failed else 0
