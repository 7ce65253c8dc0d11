"""`harness compare`: does one model answer better than another, and how sure is that?"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.common import Subparsers, add_include_path, add_output_path, names_of
from harness.errors import UsageError
from harness.files import write_atomically

if TYPE_CHECKING:
    from harness.api.comparing import Comparison

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "compare",
        help="compare finished runs: better, worse, no difference, or cannot tell",
        description="Compares finished runs with a baseline, item by item, each arm with its same arm. Runs that are "
        "not alike (another prompt, data, decoding, retrieval or judge) are refused. With --task, names of models are "
        "looked up among the run folders; without it, give run folders.",
        epilog="harness compare --task telecom --baseline smollm2-135m smollm2-135m-lora-500",
    )
    parser.add_argument("runs", nargs="*", metavar="MODEL|RUN", help="models (with --task), or run folders")
    parser.add_argument("--task", "-t", metavar="TASK", help="look for the models' runs of this task")
    parser.add_argument(
        "--baseline", metavar="MODEL", help="what the others are compared with (default: the first run)"
    )
    parser.add_argument(
        "--arm",
        nargs="+",
        metavar="ARM",
        help="rag, closed_book, oracle (default: rag; of run folders, all)",
    )
    parser.add_argument("--judge", metavar="JUDGE", help="runs judged by this one (default: the task's own)")
    parser.add_argument(
        "--margin", type=float, metavar="POINTS", help="the largest difference that does not matter (default: 0.25)"
    )
    parser.add_argument("--why", action="store_true", help="what the difference is made of")
    parser.add_argument("--multiverse", action="store_true", help="the difference under every defensible choice")
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="people's labels, which correct the judge's difference"
    )
    parser.add_argument("--wide", action="store_true", help="every measure")
    parser.add_argument("--format", choices=("md", "csv", "json", "html"), default="md", help="(default: md)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="the strip plot of --multiverse, as .svg or .png")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    add_output_path(parser, "where run folders are", "results")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    if options.plot is not None and not options.multiverse:
        raise UsageError("--plot: is of --multiverse; pass that too")
    if options.format == "csv" and (options.why or options.multiverse or options.labels):
        raise UsageError("--format csv: holds the table alone; use json for --why, --multiverse and --labels")
    comparison = _comparison(options)
    text = _text(comparison, options)
    if options.output is not None:
        write_atomically(options.output, text)
        print(f"written to {options.output}", file=sys.stderr)
    else:
        print(text, end="")
    if options.plot is not None:
        from harness.reports.figures import strip_plot

        strip_plot(comparison.multiverses, options.plot)
        print(f"plot: {options.plot}", file=sys.stderr)
    return 0


def _comparison(options: argparse.Namespace) -> Comparison:
    from harness.api.comparing import MARGIN, compare, find_runs, runs_of_task, stored
    from harness.api.runs import arms_of

    arms = [arm.value for arm in arms_of(names_of(options.arm or ["rag"]))]
    if options.task is not None:
        models = names_of([*([options.baseline] if options.baseline else []), *options.runs])
        if len(models) < 2:
            raise UsageError("compare: name a --baseline and one model or more")
        runs = find_runs(
            task=options.task,
            models=models,
            arms=arms,
            judge=options.judge,
            results=options.output_path,
            include_path=options.include_path,
        )
        others = runs_of_task(runs[0].task, options.output_path, models) if options.why or options.multiverse else []
    else:
        if len(options.runs) < 2:
            raise UsageError("compare: give two run folders or more, or --task with a --baseline and models")
        others = [stored(folder) for folder in options.runs]
        runs = [run for run in others if options.arm is None or run.arm in arms]
    return compare(
        runs,
        baseline=options.baseline,
        margin=MARGIN if options.margin is None else options.margin,
        why=options.why,
        stability=options.multiverse,
        labels=options.labels,
        beside=others,
    )


def _text(comparison: Comparison, options: argparse.Namespace) -> str:
    from harness.reports import comparison as report
    from harness.reports.page import Page, Section, html, markdown
    from harness.reports.tabular import csv_text, json_text
    from harness.tables import escaped

    table, form = comparison.table, options.format
    if form == "json":
        return json_text([table], report.details(comparison.causes, comparison.multiverses, comparison.anchored))
    if form == "csv":
        return csv_text([table])
    lines = "\n".join(f"- {escaped(line)}" for line in report.verdict_lines(table))
    title = escaped(f"{table.first.task}: {len(table.first.items)} questions, judged by {table.first.judge}")
    first, *others = report.comparison_sections(table, options.wide)
    sections = [Section(paragraphs=[lines]), replace(first, heading=title), *others]
    if options.why:
        sections += [report.causes_section(comparison.causes)] if comparison.causes else []
        sections.append(report.judges_section(comparison.multiverses))
    if options.multiverse:
        sections.append(report.multiverse_section(comparison.multiverses))
    sections += [report.anchored_section(comparison.anchored)] if comparison.anchored else []
    return html(Page("Comparison", sections)) if form == "html" else markdown(Page("", sections))
