"""`harness judge-steps`: a judge's model writes its steps. `harness fit-judge`: a judge is fitted."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.common import (
    Subparsers,
    add_cost_limit,
    add_device,
    add_include_path,
    add_output_path,
    catalog_of,
)
from harness.errors import UsageError

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    steps = commands.add_parser(
        "judge-steps",
        help="let a judge's model write its evaluation steps",
        description="Asks the judge's model, once, for the steps for scoring each criterion, and prints them as the "
        "block that the entry needs, with their hash. Review them before you use them.",
    )
    steps.add_argument("name", metavar="JUDGE", help="a geval judge entry")
    steps.add_argument("--criterion", nargs="+", default=[], metavar="NAME", help="criteria (default: all)")
    steps.add_argument("--write", action="store_true", help="append the block to the entry's file")
    add_cost_limit(steps)
    add_device(steps)
    add_include_path(steps)
    steps.set_defaults(run=write_steps)

    fit = commands.add_parser(
        "fit-judge",
        help="fit a judge without a language model to human judgements",
        description="Fits a judge that needs no language model, and writes its entry and digests of the questions that "
        "it was fitted on: by default, a logistic regression that weights cheap signals of agreement with the "
        "reference. Human judgements of questions in the data sets that a card reports on are left out.",
    )
    fit.add_argument("name", metavar="JUDGE", help="the new entry's name")
    fit.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder that holds evouna_nq.jsonl")
    fit.add_argument("--rows", type=int, metavar="N", help="rows to fit on (default: all)")
    fit.add_argument(
        "--without_tasks", nargs="+", default=[], metavar="NAME", help="leave out the questions these tasks evaluate on"
    )
    fit.add_argument(
        "--packs", type=Path, metavar="DIR", help="a folder of data packs: for --without_tasks and --kind alignment"
    )
    fit.add_argument(
        "--kind",
        choices=("calibrated", "alignment"),
        default="calibrated",
        help="calibrated: a regression on signals, for short references (default); alignment: a network that also "
        "learns from the fine-tuning pools of bioasq, nq and qasper (--packs), for references of any length",
    )
    fit.add_argument("--seed", type=int, default=0, help="seed for drawing the rows (default: 0)")
    fit.add_argument(
        "--task",
        default="telecom",
        metavar="NAME",
        help="a task of a synthetic world, to plant errors in (default: telecom)",
    )
    add_output_path(fit, "for the entry", "judges")
    add_include_path(fit)
    fit.set_defaults(run=fit_judge)


def write_steps(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    import yaml

    from harness.api import write_judge_steps
    from harness.files import write_atomically

    path = catalog_of(options).path_of("judge", options.name)
    if options.write and "_catalog" in path.parts:
        raise UsageError(f"{path}: is inside the installed package; copy the entry to your own folder")
    if options.write and "criteria" in yaml.safe_load(path.read_text(encoding="utf-8")):
        raise UsageError(f"{path}: already has a `criteria` block; omit --write and insert the steps by hand")
    block = write_judge_steps(
        options.name,
        criteria=options.criterion,
        device=options.device,
        cost_limit=options.cost_limit,
        include_path=options.include_path,
    )
    text = yaml.safe_dump({"criteria": block}, sort_keys=False, allow_unicode=True, width=110)
    print(text, end="")
    if options.write:
        write_atomically(path, path.read_text(encoding="utf-8").rstrip("\n") + "\n" + text)
        print(f"harness: written to {path}; review the steps before you use them")
    return 0


def fit_judge(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.api import fit_alignment_judge
    from harness.api import fit_judge as fit

    common = {
        "data": options.data,
        "packs": options.packs,
        "seed": options.seed,
        "output": options.output_path,
        "include_path": options.include_path,
    }
    if options.kind == "alignment":
        if options.packs is None:
            raise UsageError("--kind alignment: give --packs, the folder of the data packs that it learns from")
        given = {"--rows": options.rows, "--without_tasks": options.without_tasks}
        if unused := [flag for flag, value in given.items() if value]:
            raise UsageError(f"--kind alignment: takes no {unused[0]}; omit it")
        path = fit_alignment_judge(options.name, **common)
    else:
        path = fit(options.name, rows=options.rows, without_tasks=options.without_tasks, task=options.task, **common)
    print(f"{path}: fitted; audit it: harness audit {options.name}")
    return 0
