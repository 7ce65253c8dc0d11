"""`harness judge`: finished runs under another judge. `harness audit`: a judge's card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cli.common import (
    Subparsers,
    add_cost_limit,
    add_device,
    add_include_path,
    add_output_path,
    add_store,
    announce_failures,
    catalog_of,
)
from harness.errors import UsageError

__all__ = ["add"]

_NUMBERS = {
    "rows": (200, "rows from each right-or-wrong data set"),
    "pairs": (60, "pairs of answers"),
    "counts": (60, "answers whose errors people counted"),
    "planted": (60, "questions to plant errors in"),
    "injected": (100, "wrong answers to append attacks to"),
    "from_packs": (100, "questions of each data pack"),
}
_EXTENT = {name: usual for name, (usual, _) in _NUMBERS.items()} | {"seed": 0}


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    _add_judge(commands)
    _add_audit(commands)


def _add_judge(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "judge",
        help="judge finished runs with another judge",
        description="Reads run folders that `harness eval` wrote, scores their answers with another judge and writes "
        "a run folder for each. No generator is loaded and nothing is retrieved.",
    )
    parser.add_argument("run_folder", nargs="+", type=Path, metavar="RUN", help="results/MODEL/TASK-ARM-ID")
    parser.add_argument("--judge", required=True, metavar="NAME", help="a judge entry")
    add_device(parser)
    add_cost_limit(parser)
    add_output_path(parser, "for run folders", "results")
    add_store(parser)
    add_include_path(parser)
    parser.set_defaults(run=judge_runs)


def _add_audit(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "audit",
        help="write a judge's card: how good is it?",
        description="Compares a judge with people (--data) and with what is free, asks it about answers written by "
        "hand and second references (--packs), plants errors, pads answers, attempts prompt injection, and measures "
        "its repeats; writes judges/cards/NAME.md and NAME.json. Stored scores are reused.",
    )
    parser.add_argument("name", metavar="JUDGE", help="a judge entry")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="human judgements: evouna_nq.jsonl, openqa_eval_nq301.jsonl, …"
    )
    parser.add_argument(
        "--packs", type=Path, metavar="DIR", help="data packs: a folder that holds bioasq/, nq/ and qasper/"
    )
    for name, (usual, what) in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=usual, metavar="N", help=f"{what} (default: {usual})")
    parser.add_argument("--seed", type=int, default=0, help="seed for drawing all of these (default: 0)")
    parser.add_argument(
        "--task",
        default="telecom",
        metavar="NAME",
        help="a task of a synthetic world, whose facts are known (default: telecom)",
    )
    add_cost_limit(parser)
    add_device(parser)
    parser.add_argument(
        "--output_path", "-o", type=Path, metavar="DIR", help="for the card (default: `cards` beside the entry)"
    )
    add_store(parser)
    add_include_path(parser)
    parser.set_defaults(run=audit_judge)


def judge_runs(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api import rejudge
    from harness.reports.console import runs_table

    runs = rejudge(
        options.run_folder,
        judge=options.judge,
        device=options.device,
        cost_limit=options.cost_limit,
        output=options.output_path,
        store=options.store,
        include_path=options.include_path,
        command=options.command_line,
    )
    print(runs_table(runs))
    return announce_failures(runs, "the same command asks for the scores, and harness eval for the answers")


def audit_judge(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api import audit
    from harness.api.boards import beside
    from harness.api.session import check_output
    from harness.auditing.audit import Extent
    from harness.auditing.card import page
    from harness.files import make_folder, write_atomically, write_json

    for name in _NUMBERS:
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} {getattr(options, name)}: give a whole number from 1")
    entry_file = catalog_of(options).path_of("judge", options.name)
    folder = options.output_path or beside(entry_file, "cards", Path("judges/cards"))
    check_output(folder)
    card = audit(
        options.name,
        data=options.data,
        packs=options.packs,
        extent=Extent(
            binary=options.rows,
            pairs=options.pairs,
            counts=options.counts,
            planted=options.planted,
            injected=options.injected,
            packs=options.from_packs,
            seed=options.seed,
        ),
        task=options.task,
        device=options.device,
        cost_limit=options.cost_limit,
        store=options.store,
        include_path=options.include_path,
    )
    card |= {"command": _command(options)}
    make_folder(folder)
    write_json(folder / f"{options.name}.json", card)
    write_atomically(folder / f"{options.name}.md", text := page(card))
    print(text)
    print(f"written to {folder / options.name}.md", file=sys.stderr)
    return 0


def _command(options: argparse.Namespace) -> str:
    """What makes this card again; the folders' names are the reader's."""
    given = [f"--{name} DIR" for name in ("data", "packs") if getattr(options, name)]
    flags = [f"--{key} {getattr(options, key)}" for key, usual in _EXTENT.items() if getattr(options, key) != usual]
    return " ".join([f"harness audit {options.name}", *given, *flags])
