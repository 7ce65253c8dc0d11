"""Writes docs/cli.md from the parser itself; `--check` says whether the page is stale (exit code 1).

The page is made from the parser's actions and not from `--help`, whose layout changes with Python and the terminal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.cli import make_parser

PAGE = Path(__file__).parent / "cli.md"


def _flags(action: argparse.Action) -> str:
    if not action.option_strings:
        choices = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
        return f"`{action.metavar or action.dest}`{choices}"
    value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
    more = " …" if action.nargs == "+" else ""
    return ", ".join(f"`{flag}{value}{more}`" for flag in action.option_strings)


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        must = " (required)" if action.required and action.option_strings else ""
        yield f"| {_cell(_flags(action))} | {_cell(action.help or '')}{must} |"


def _cell(text: str) -> str:
    """A table's cell, in which a `|` would begin the next."""
    return text.replace("|", "\\|")


def page() -> str:
    parser = make_parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    lines = [
        "# Command line",
        "",
        "Generated from the parser by `make docs`; do not edit. `_` and `-` are interchangeable in flags.",
        "Exit codes: 0 success; 1 a check found something; 2 something you can fix, one line each; 130 interrupted.",
    ]
    seen: set[int] = set()
    for name, command in commands.choices.items():
        if id(command) in seen:
            continue
        seen.add(id(command))
        aliases = [other for other, same in commands.choices.items() if same is command and other != name]
        lines += ["", f"## harness {name}" + (f" (also: {', '.join(aliases)})" if aliases else ""), ""]
        about = " ".join((command.description or "").split())
        lines += [about, "", "| flag | meaning |", "| --- | --- |", *_rows(command)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit("docs/cli.md is stale; run: make docs")
    else:
        PAGE.write_text(page(), encoding="utf-8")
