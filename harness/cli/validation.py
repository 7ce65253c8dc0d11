"""`harness validate`: every entry, all mistakes, one line each; `--deep` also tries what can be tried here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.common import Subparsers, add_include_path, catalog_of

if TYPE_CHECKING:
    from harness.entries.catalog import Catalog
    from harness.entries.task import TaskEntry

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Adds the command and its options."""
    parser = commands.add_parser(
        "validate",
        help="check all entries",
        description="Checks every entry: keys, types, template slots, references between entries. Exits with 1 and one "
        "line per mistake if there are any.",
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help="also, for each task: load its rows, retrieve for one question and render one prompt",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="with --deep: the data pack of --task")
    parser.add_argument("--task", metavar="NAME", help="with --deep: check only this task")
    add_include_path(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command. Returns the exit code."""
    from harness.errors import UsageError

    if options.data and not (options.deep and options.task):
        raise UsageError("--data goes with --deep and --task, the task that reads it")
    catalog = catalog_of(options)
    problems = catalog.problems()
    checked = sum(1 for _ in catalog.all_entries())
    if options.deep and not problems:
        problems = _deep(options, catalog)
    for problem in problems:
        print(f"harness: {problem}", file=sys.stderr)
    print(f"{checked} entries, {len(problems)} {'problem' if len(problems) == 1 else 'problems'}")
    return 1 if problems else 0


def _deep(options: argparse.Namespace, catalog: Catalog) -> list[str]:
    from harness.entries.task import TaskEntry
    from harness.errors import HarnessError, MissingPart

    names = [options.task] if options.task else list(catalog.files("tasks"))
    problems: list[str] = []
    for name in names:
        entry = catalog.task_or_group(name)
        if not isinstance(entry, TaskEntry):
            continue
        try:
            print(f"{name}: {_try(entry, options.data)}")
        except MissingPart as error:
            print(f"{name}: not tried: {error}")
        except HarnessError as error:
            problems += [f"tasks/{name}.yaml: {problem}" for problem in error.problems]
    return problems


def _try(entry: TaskEntry, data: Path | None) -> str:
    """Loads the rows, retrieves for the first question, renders its prompt; a line on what there is."""
    from harness.api.session import Session
    from harness.build.retrievers import build_retriever
    from harness.build.sources import build_source
    from harness.prompts import chat, render
    from harness.records import Arm, Query

    resources = Session.open([], progress=True).resources
    source = build_source(entry, data, resources)
    questions, training = source.questions(entry.test_split), source.questions(entry.training_split)
    first = questions[0]
    retriever = build_retriever(entry.retrieval, source, Arm.RAG, resources)
    within = first.gold_document_ids if entry.retrieval.scope == "document" else None
    (passages,) = retriever.search([Query(text=first.text, within=within)], entry.retrieval.top_k)
    messages = chat(entry.prompt_template, entry.system_instruction, first.text, passages, first.row)
    target = render(entry.doc_to_target, references=first.references, question=first.text, doc=first.row)
    characters = sum(len(message.content) for message in messages)
    return (
        f"{len(questions)} questions to evaluate on, {len(training)} to train on; the first gets {len(passages)} "
        f"passages and a prompt of {characters} characters; its reference has {len(target)}"
    )
