"""The rows of imports in docs/architecture.md hold: a module imports only from rows above its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "harness"

ROWS = [
    ["errors", "statistics", "digests", "tables", "texts", "sandbox", "shapes"],
    ["files", "records", "measures"],
    ["cache", "extras", "remote_code", "kept"],
    ["interfaces", "prompts", "hub"],
    ["entries", "fitting"],
    ["store", "sources", "retrieval", "adapters", "judging", "metrics", "finetuning"],
    ["build"],
    ["planning"],
    ["evaluation"],
    ["comparison", "cells"],
    ["campaign", "auditing", "reports"],
    ["api"],
    ["cli"],
    ["__main__"],
]
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row}


def unit_of(module: str) -> str:
    """`harness.retrieval.bm25` is of the unit `retrieval`; `harness` itself of none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(path: Path) -> set[str]:
    """Every `harness…` module that a file imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the row"
            found.add(node.module or "")
    return {module for module in found if module.split(".")[0] == "harness"}


def test_the_rows_name_what_is_there_and_nothing_else() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert set(ROW_OF) == there - {"__init__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rows_above_its_own(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return  # its imports are for type checkers alone; tests/test_python.py sees what is loaded
    assert own in ROW_OF, f"{own} stands in no row; add it to this test and to docs/architecture.md"
    for module in imports_of(path):
        other = unit_of(module)
        if other in ("", own):
            continue
        assert ROW_OF[other] < ROW_OF[own], f"{path.name} (row of {own}) imports {module}"


def test_the_namespace_of_the_parser_stays_in_the_command_line() -> None:
    for path in set(PACKAGE.rglob("*.py")) - set((PACKAGE / "cli").rglob("*.py")):
        assert "argparse" not in path.read_text(encoding="utf-8"), path


def test_core_rows_never_import_what_is_heavy_at_the_top() -> None:
    heavy = {
        "torch",
        "transformers",
        "peft",
        "datasets",
        "sentence_transformers",
        "faiss",
        "bitsandbytes",
        "accelerate",
    }
    allowed = {
        PACKAGE / "adapters" / "sampling.py",  # imported by the transformers adapter alone, when it samples
        PACKAGE
        / "judging"
        / "alignment"
        / "network.py",  # by the two below, when an alignment judge is read or trained
        PACKAGE / "auditing" / "alignment_fitting.py",
    }
    for path in set(PACKAGE.rglob("*.py")) - allowed:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & heavy, f"{path} imports {names} at the top"
