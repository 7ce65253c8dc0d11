"""The `harness` command: one file a subcommand; each parses, calls `harness.api` and prints. The namespace of the
parser does not leave this package. Heavy imports wait for `run`.

Flags are lm-eval's where the idea is the same; `--include-path` and `--include_path` are the same flag.
Exit codes: 0 success; 1 a check found something, or some requests failed; 2 something the user can fix, one line each;
130 interrupted. What is printed may hold text from outside (entries, servers, data): a terminal never obeys it.
"""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TextIO, cast

from harness import __version__
from harness.cli import (
    comparing,
    evaluation,
    fetching,
    finetuning,
    gating,
    judge_making,
    judging,
    keeping,
    leaderboards,
    listing,
    salvaging,
    scoring,
    showing,
    studying,
    validation,
    verifying,
)
from harness.errors import HarnessError, StorageError
from harness.texts import PrintableStream, printable

__all__ = ["main", "make_parser"]

_COMMANDS = (
    evaluation,
    finetuning,
    gating,
    judging,
    scoring,
    judge_making,
    comparing,
    studying,
    listing,
    showing,
    validation,
    leaderboards,
    verifying,
    keeping,
    fetching,
    salvaging,
)

_OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR,
    errno.EISDIR, errno.ENAMETOOLONG,
)  # fmt: skip
"""Errors of files that a user can put right, wherever they come from."""


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Does fine-tuning help my RAG system? How sure are we? And if it does not help, why?",
        epilog="Start with: harness eval --task telecom --model smollm2-135m --limit 40",
    )
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.add(commands)
    return parser


def _underscored(argument: str) -> str:
    """`--include-path=x-y` as `--include_path=x-y`; what is no long flag stays as it is."""
    if not argument.startswith("--") or argument == "--":
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def main(arguments: Sequence[str]) -> int:
    """Runs one command. Returns the exit code: 0, or 2 for bad input, whose message goes to stderr."""
    options = make_parser().parse_args([_underscored(argument) for argument in arguments])
    options.command_line = shlex.join(["harness", *arguments])
    try:
        with redirect_stdout(cast("TextIO", PrintableStream(sys.stdout))):
            code = int(options.run(options))
            sys.stdout.flush()  # here, where it can still be said that there is no room
        return code
    except HarnessError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("harness: stopped; what was computed is stored, and the same command resumes", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `harness list | head`
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise  # a bug keeps its traceback
        if error.filename is None:  # what could not be printed must not be tried again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _report(StorageError.of(Path(error.filename or "standard output"), error))


def _report(error: HarnessError) -> int:
    for problem in error.problems:
        print(printable(f"harness: {problem}"), file=sys.stderr)
    return 2
