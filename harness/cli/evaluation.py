"""`harness eval`: tasks × models × arms, each a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.common import (
    Subparsers,
    add_cost_limit,
    add_device,
    add_include_path,
    add_output_path,
    add_store,
    announce_failures,
    catalog_of,
    key_values,
    names_of,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.build.resources import BatchSize
    from harness.entries.model import ResolvedModel
    from harness.evaluation.folder import Run

__all__ = ["add"]

_DESCRIPTION = """For each task, model and arm: retrieves, generates answers, judges them and writes a run folder.
Whatever is already stored is not computed again: repeating a command takes seconds, and an interrupted one resumes."""


def add(commands: Subparsers) -> None:
    """Adds the subcommand's parser, as in every module of this package."""
    parser = commands.add_parser("eval", aliases=["run"], help="evaluate models on tasks", description=_DESCRIPTION)
    _add_what(parser.add_argument_group("what"))
    _add_how(parser.add_argument_group("how"))
    parser.set_defaults(run=run)


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--task", "--tasks", "-t", nargs="+", required=True, metavar="NAME", help="tasks, groups or tags"
    )
    group.add_argument(
        "--model", "-M", nargs="+", required=True, metavar="NAME", help="model entries, or `hf` with --model_args"
    )
    group.add_argument(
        "--model_args",
        "-a",
        metavar="K=V,…",
        help="with --model hf: pretrained=, revision=, peft=, dtype=, load_in_4bit=, …",
    )
    group.add_argument(
        "--trust_remote_code",
        action="store_true",
        help="with --model hf: run the Python code that the model brings (default: refuse a model that needs it)",
    )
    group.add_argument(
        "--arm", nargs="+", default=["rag"], metavar="ARM", help="rag, closed_book, oracle (default: rag)"
    )
    group.add_argument("--judge", metavar="NAME", help="a judge entry (default: the task's own)")
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="read the task from this data pack instead of its source"
    )
    group.add_argument(
        "--limit",
        "-L",
        metavar="N",
        help="evaluate only the first N questions, or this share of them if below 1; for testing",
    )
    group.add_argument(
        "--gen_kwargs", metavar="K=V,…", help="override the task's: max_gen_toks=, temperature=, do_sample=, top_p="
    )
    group.add_argument("--seed", type=int, default=0, help="seed for sampled answers (default: 0)")


def _add_how(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--batch_size", "-b", metavar="N|auto", help="prompts per batch (default: the entry's)")
    add_cost_limit(group)
    group.add_argument(
        "--adaptive_repeats",
        type=float,
        metavar="RATE",
        help="with several models: stop the judge's repeats once the sign of each difference from the first model can "
        "no longer change at this error rate, e.g. 0.05",
    )
    group.add_argument(
        "--no_gate",
        action="store_true",
        help="evaluate a LoRA checkpoint even if the gate finds that it has no effect or is broken",
    )
    add_device(group)
    add_output_path(group, "for run folders", "results")
    add_store(group)
    add_include_path(group)


def _limit(text: str | None) -> float | None:
    from harness.api.runs import checked_limit

    if text is None:
        return None
    try:
        return checked_limit(float(text), text)
    except ValueError:
        return checked_limit(None, text)


def _batch_size(text: str | None) -> BatchSize | None:
    if text is None or text == "auto":
        return text  # type: ignore[return-value]  # "auto" itself
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch_size {text}: give a whole number from 1, or auto")
    return int(text)


def _models(options: argparse.Namespace) -> list[ResolvedModel]:
    from harness.cli.model_args import model_from_arguments

    catalog, names = catalog_of(options), names_of(options.model)
    if options.model_args and "hf" not in names:
        raise UsageError("--model_args goes with --model hf; a model entry has its own")
    if options.trust_remote_code and "hf" not in names:
        raise UsageError("--trust_remote_code goes with --model hf; a model entry sets `trust_remote_code: true`")
    arguments = key_values(options.model_args, "--model_args")
    if options.trust_remote_code:
        arguments["trust_remote_code"] = True
    return [model_from_arguments(catalog, arguments) if n == "hf" else catalog.resolved_model(n) for n in names]


def run(options: argparse.Namespace) -> int:
    """Prints the table of finished runs; exit code 2 when some run failed, 1 when some requests of a run did."""
    from harness.api import RunsFailed, evaluate

    limit, batch_size = _limit(options.limit), _batch_size(options.batch_size)
    tasks = names_of(options.task)
    try:
        runs = evaluate(
            tasks=tasks,
            models=_models(options),
            arms=names_of(options.arm),
            judge=options.judge,
            data=options.data,
            limit=limit,
            gen_kwargs=key_values(options.gen_kwargs, "--gen_kwargs"),
            seed=options.seed,
            batch_size=batch_size,
            device=options.device,
            gate=not options.no_gate,
            adaptive_repeats=options.adaptive_repeats,
            cost_limit=options.cost_limit,
            output=options.output_path,
            store=options.store,
            include_path=options.include_path,
            command=options.command_line,
        )
    except RunsFailed as failed:
        _print(failed.runs, tasks, batch_size, options)
        announce_failures(failed.runs)
        raise
    _print(runs, tasks, batch_size, options)
    return announce_failures(runs)


def _print(runs: list[Run], tasks: list[str], batch_size: BatchSize | None, options: argparse.Namespace) -> None:
    from harness.entries.catalog import is_path
    from harness.reports.console import Group, runs_table

    catalog = catalog_of(options)
    _, entries = catalog.expand_tasks([task for task in tasks if not is_path(task)])  # a file is no group
    groups = [Group(entry, catalog.expand_tasks([entry.group])[0]) for entry in entries]
    if runs:
        print(runs_table(runs, groups, batch_size))
