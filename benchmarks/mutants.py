"""Which small faults in the code do the tests notice? Changes one place at a time in a copy and runs its tests.

    python -m benchmarks.mutants --number 200 --seed 0 --report mutants.jsonl

`benchmarks/mutants.toml` says which tests look after which source. The tree is copied to a temporary directory and only
the copy is changed. The sample is drawn with the seed; a shorter one is the beginning of a longer one. Not changed,
because nobody could tell or because it is text for people: docstrings, annotations (but for what stands in
`Annotated`), decorators, `__all__`, constants of a module that are only text, f-strings, what `raise` raises, what is
printed or noted, encodings and `strict`.

A mutant that no test notices has survived: a test lacks an assertion, or the change makes no difference.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CONFIG = Path(__file__).with_suffix(".toml")

TURNED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: (r"<", "<="), ast.LtE: (r"<=", "<"), ast.Gt: (r">", ">="), ast.GtE: (r">=", ">"),
    ast.Eq: (r"==", "!="), ast.NotEq: (r"!=", "=="), ast.Is: (r"is", "is not"), ast.IsNot: (r"is\s+not", "is"),
    ast.In: (r"in", "not in"), ast.NotIn: (r"not\s+in", "in"),
    ast.And: (r"and", "or"), ast.Or: (r"or", "and"),
    ast.Add: (r"\+", "-"), ast.Sub: (r"-", "+"), ast.Mult: (r"\*", "/"), ast.Div: (r"/", "*"),
    ast.FloorDiv: (r"//", "*"), ast.Mod: (r"%", "*"), ast.Pow: (r"\*\*", "*"),
}  # fmt: skip
# Calls whose text is for people, and names of arguments that change nothing a test could see.
TELLS = {"print", "note", "warn", "warning", "TypeVar", "NewType", "cast"}
UNSEEN = {"encoding", "strict", "description", "help"}


class Change(NamedTuple):
    """The bytes from `start` to `end` of a file become `text`."""

    start: int
    end: int
    operator: str
    text: str


class Finder(ast.NodeVisitor):
    """All changes of one file."""

    def __init__(self, source: str) -> None:
        self.source = source.encode()
        self.lines = [0]
        for line in self.source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.changes: list[Change] = []
        tree = ast.parse(source)
        for node in tree.body:
            if not (isinstance(node, ast.Assign | ast.AnnAssign) and _only_text(node)):
                self.visit(node)

    def start(self, node: Any) -> int:
        return int(self.lines[node.lineno - 1] + node.col_offset)

    def end(self, node: Any) -> int:
        return int(self.lines[node.end_lineno - 1] + node.end_col_offset)

    def text(self, node: ast.AST) -> str:
        return self.source[self.start(node) : self.end(node)].decode()

    def add(self, operator: str, node: ast.AST, text: str) -> None:
        self.changes.append(Change(self.start(node), self.end(node), operator, text))

    def turn(self, operator: str, left: ast.AST, kind: ast.AST, right: ast.AST) -> None:
        """Another operator between two operands."""
        if type(kind) not in TURNED:
            return
        found, new = TURNED[type(kind)]
        start, end = self.end(left), self.start(right)
        gap, times = re.subn(found, new, self.source[start:end].decode(), count=1)
        if times:
            self.changes.append(Change(start, end, operator, gap))

    def negate(self, test: ast.expr) -> None:
        """`not` before a condition; a single comparison is turned and a `not` removed, which is the same."""
        single = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot)
        if not single and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
            self.add("condition negated", test, f"(not ({self.text(test)}))")

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, kind, right in zip(operands, node.ops, operands[1:], strict=False):
            self.turn("comparison turned", left, kind, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.turn("and/or swapped", left, node.op, right)
        for value in node.values:
            self.add("condition dropped", value, "True" if isinstance(node.op, ast.And) else "False")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.turn("arithmetic", node.left, node.op, node.right)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.turn("arithmetic", node.target, node.op, node.value)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.add("not removed", node, f"({self.text(node.operand)})")
        self.generic_visit(node)

    def visit_If(self, node: ast.If | ast.IfExp | ast.While) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.negate(node.test)
            self.generic_visit(node)

    visit_IfExp = visit_While = visit_If

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.negate(test)
            self.add("condition dropped", test, "True")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            if not (isinstance(node.value, ast.Constant) and node.value.value is None):
                self.add("nothing returned", node.value, "None")
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add("flag", node, str(not node.value))
        elif isinstance(node.value, int | float):
            self.add("number", node, repr(node.value + 1))
        elif isinstance(node.value, str):
            self.add("text", node, repr(f"{node.value}x"))

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in TELLS or ast.unparse(node.func).rpartition(".")[0].endswith("progress"):
            return
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in UNSEEN:
                if keyword.arg:
                    self.add("argument dropped", keyword, "**{}")
                self.visit(keyword.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        name = getattr(node.value, "id", "")
        if name == "Annotated" and isinstance(node.slice, ast.Tuple):
            for part in node.slice.elts[1:]:
                self.visit(part)
        elif name != "Literal":
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        for part in ast.walk(node.annotation):
            if isinstance(part, ast.Subscript) and getattr(part.value, "id", "") == "Annotated":
                self.visit_Subscript(part)
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for part in ast.iter_child_nodes(node):
            if part not in node.decorator_list and part is not getattr(node, "returns", None):
                self.visit(part)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.visit(node.value)

    def leave(self, node: ast.AST) -> None:
        """Nothing in it is changed."""

    visit_Raise = visit_Assert = visit_JoinedStr = visit_arg = leave


def _only_text(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether a statement at the top of a module, `__all__` for one, gives a name to text and nothing else."""
    leaves = [part for part in ast.walk(node.value or node) if isinstance(part, ast.Constant | ast.Call)]
    return all(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in leaves)


@dataclass(frozen=True)
class Mutant:
    """One change to one file, and the whole text of the file with it."""

    path: str
    line: int
    change: Change
    mutated: str
    diff: str


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """The mutants of a file, in the order of their places; those that do not parse or say the same are left out."""
    before = ast.dump(ast.parse(source))
    encoded = source.encode()
    for change in sorted(Finder(source).changes):
        mutated = (encoded[: change.start] + change.text.encode() + encoded[change.end :]).decode()
        try:
            same = ast.dump(ast.parse(mutated)) == before
        except SyntaxError:
            continue
        if not same:
            lines = difflib.unified_diff(source.splitlines(), mutated.splitlines(), lineterm="", n=0)
            diff = "\n".join(list(lines)[3:])
            yield Mutant(path, encoded[: change.start].count(b"\n") + 1, change, mutated, diff)


@dataclass(frozen=True)
class Row:
    """A row of the configuration with its globs resolved: the sources, and the tests that look after them."""

    group: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]


def _matching(root: Path, globs: Sequence[str]) -> list[str]:
    found: list[str] = []
    for pattern in globs:
        paths = sorted(str(path.relative_to(root)) for path in root.glob(pattern))
        if not paths:
            raise SystemExit(f"{CONFIG.name}: {pattern} matches no file; say where it is now")
        found += [path for path in paths if path not in found]
    return found


def read_config(root: Path, config: Path) -> tuple[list[Row], list[str]]:
    """The rows, and the tests that are never run. Leaves with one line where something named is not there."""
    content = tomllib.loads(config.read_text(encoding="utf-8"))
    rows: list[Row] = []
    taken: set[str] = set()
    for row in content["row"]:
        sources = [path for path in _matching(root, row["sources"]) if path not in taken]
        taken.update(sources)
        rows.append(Row(row["group"], tuple(sources), tuple(_matching(root, row["tests"]))))
    for test in content["deselect"]:
        path, _, name = test.partition("::")
        if not (root / path).is_file() or f"def {name}(" not in (root / path).read_text(encoding="utf-8"):
            raise SystemExit(f"{config.name}: there is no test {test} to deselect")
    return rows, content["deselect"]


def sample(root: Path, rows: Sequence[Row], number: int, seed: int, only: str) -> list[tuple[Row, Mutant]]:
    """Seeded mutants of the sources whose path begins with `only`, at most one at a place.

    The operators take turns: half of what can be changed is text, which would leave little room for the rest."""
    piles: dict[str, list[tuple[Row, Mutant]]] = {}
    for row in rows:
        for path in row.sources:
            if path.startswith(only):
                for mutant in mutants_of(path, (root / path).read_text(encoding="utf-8")):
                    piles.setdefault(mutant.change.operator, []).append((row, mutant))
    rng = random.Random(seed)
    for _, pile in sorted(piles.items()):
        rng.shuffle(pile)
    chosen: dict[tuple[str, int, int], tuple[Row, Mutant]] = {}
    for turn in zip_longest(*(pile for _, pile in sorted(piles.items()))):
        for row, mutant in filter(None, turn):
            if len(chosen) < number:
                chosen.setdefault((mutant.path, mutant.change.start, mutant.change.end), (row, mutant))
    return list(chosen.values())


def copy_tree(root: Path, folder: Path) -> Path:
    """A copy of what git knows of, as it stands; the data beside the repository can be found beside the copy too."""
    listed = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (root / name).is_file():
            (folder / root.name / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / root.name / name)
    if (root.parent / "shared").is_dir():
        (folder / "shared").symlink_to(root.parent / "shared", target_is_directory=True)
    copy = folder / root.name
    asked = [sys.executable, "-c", "import harness; print(harness.__file__)"]
    answer = subprocess.run(asked, cwd=folder, env=environment_of(copy), capture_output=True, text=True, check=True)
    if Path(answer.stdout.strip()).resolve() != (copy / "harness" / "__init__.py").resolve():
        raise SystemExit(f"the tests would import {answer.stdout.strip()}, which is not the copy")
    return copy


def environment_of(copy: Path) -> dict[str, str]:
    """The copy goes before an editable install, and no bytecode of one mutant is taken for another's."""
    kept = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return {"OMP_NUM_THREADS": "1", **os.environ, **kept}


def run_tests(copy: Path, row: Row, deselect: Sequence[str], timeout: float | None) -> tuple[str, float, str]:
    """(survived, killed or timeout; seconds; the test that failed first)."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    command += [f"--deselect={test}" for test in deselect] + list(row.tests)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=copy, env=environment_of(copy), start_new_session=True, **pipes)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "timeout", time.monotonic() - begin, ""
    finally:
        shutil.rmtree(copy / ".hypothesis", ignore_errors=True)  # nor are the examples of one tried on another
    took = time.monotonic() - begin
    if process.returncode == 0:
        return "survived", took, ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return "killed", took, failed[1] if failed else output.strip().rpartition("\n")[2]


def check_unchanged(copy: Path, row: Row, deselect: Sequence[str]) -> float:
    """The seconds that the tests of a row take on the code as it is. They must pass."""
    outcome, seconds, failed = run_tests(copy, row, deselect, None)
    if outcome != "survived":
        raise SystemExit(f"{row.group}: the tests fail on the unchanged code: {failed}")
    print(f"{seconds:6.1f} s  unchanged: {row.group} ({', '.join(row.sources)})", flush=True)
    return seconds


def try_mutant(copy: Path, row: Row, mutant: Mutant, deselect: Sequence[str], timeout: float) -> dict[str, Any]:
    """A line of the report. The copy is as it was before."""
    path = copy / mutant.path
    original = path.read_bytes()
    path.write_text(mutant.mutated, encoding="utf-8")
    outcome, seconds, failed = run_tests(copy, row, deselect, timeout)
    path.write_bytes(original)
    return {
        "file": mutant.path,
        "line": mutant.line,
        "operator": mutant.change.operator,
        "outcome": outcome,
        "seconds": round(seconds, 1),
        "failed": failed,
        "group": row.group,
        "diff": mutant.diff,
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """Killed and all mutants of each group; a test that never ends has noticed the mutant too."""
    every = Counter(str(result["group"]) for result in results)
    noticed = Counter(str(result["group"]) for result in results if result["outcome"] != "survived")
    lines = [f"| {group} | {noticed[group]} | {every[group]} |" for group in every]
    total = f"| all | {noticed.total()} | {every.total()} |"
    return "\n".join(["| group | killed | mutants |", "|---|---:|---:|", *lines, total])


def survivors(root: Path, rows: Sequence[Row], report: Path) -> list[tuple[Row, Mutant]]:
    """The mutants that no test noticed, as far as their lines still read as they did."""
    lines = map(json.loads, report.read_text(encoding="utf-8").splitlines())
    wanted = {(line["file"], line["diff"]) for line in lines if line["outcome"] == "survived"}
    places = [(row, path) for row in rows for path in row.sources if any(path == file for file, _ in wanted)]
    candidates = [
        (row, mutant)
        for row, path in places
        for mutant in mutants_of(path, (root / path).read_text(encoding="utf-8"))
        if (mutant.path, mutant.diff) in wanted
    ]
    return list({(mutant.path, mutant.diff): (row, mutant) for row, mutant in reversed(candidates)}.values())


def try_all(
    chosen: Sequence[tuple[Row, Mutant]], deselect: Sequence[str], jobs: int, report: Path
) -> list[dict[str, Any]]:
    """Tries the mutants in `jobs` copies side by side and writes a line of the report for each as it ends."""
    results: list[dict[str, Any]] = []
    seconds: dict[Row, float] = {}
    lock = Lock()
    with tempfile.TemporaryDirectory() as folder, report.open("w", encoding="utf-8") as lines:
        copies: SimpleQueue[Path] = SimpleQueue()
        for job in range(jobs):
            copies.put(copy_tree(ROOT, Path(folder) / str(job)))
        first = copies.get()
        for row in dict.fromkeys(row for row, _ in chosen):
            seconds[row] = check_unchanged(first, row, deselect)
        copies.put(first)

        def attempt(pair: tuple[Row, Mutant]) -> None:
            row, mutant = pair
            copy = copies.get()
            result = try_mutant(copy, row, mutant, deselect, 3 * jobs * seconds[row] + 10)
            copies.put(copy)
            with lock:
                results.append(result)
                lines.write(json.dumps(result, ensure_ascii=False) + "\n")
                lines.flush()
                print("{seconds:6.1f} s  {outcome}: {file}:{line}: {operator}".format(**result), flush=True)

        with ThreadPoolExecutor(jobs) as pool:
            for _ in pool.map(attempt, chosen):
                pass
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=200, help="mutants to try (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="PREFIX", help="only sources whose path begins so")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only the survivors of an earlier report")
    parser.add_argument("--jobs", type=int, default=1, help="mutants to try at a time (default: %(default)s)")
    parser.add_argument(
        "--report", type=Path, default=Path("mutants.jsonl"), help="a line for each mutant (default: %(default)s)"
    )
    arguments = parser.parse_args()
    rows, deselect = read_config(ROOT, CONFIG)
    if arguments.again:
        chosen = survivors(ROOT, rows, arguments.again)
    else:
        chosen = sample(ROOT, rows, arguments.number, arguments.seed, arguments.only)
    results = try_all(chosen, deselect, arguments.jobs, arguments.report)
    for result in results:
        if result["outcome"] == "survived":
            print("\n{file}:{line}: {operator}\n{diff}".format(**result))
    print(f"\n{table(results)}")


if __name__ == "__main__":
    main()
