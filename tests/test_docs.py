"""The map is true: generated pages are fresh, links lead somewhere, and commands in the documents can be parsed."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from harness.cli import _underscored, make_parser
from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def test_the_command_line_page_is_what_the_parser_gives() -> None:
    page = runpy.run_path(str(REPOSITORY / "docs" / "generate_cli.py"))["page"]()
    assert (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8") == page, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def commands() -> list[tuple[str, str]]:
    """Every `harness …` line of a fenced block without a language, comments and placeholders taken off."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for line in "\n".join(blocks).splitlines():
            if line.startswith("harness "):
                found += [(page.name, part.strip()) for part in re.split(r" {3,}", line.split("#")[0]) if part.strip()]
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_in_the_documents_can_be_parsed(page: str, command: str) -> None:
    words = [_underscored(word) for word in shlex.split(command)[1:]]
    assert make_parser().parse_args(words).run


def test_the_layout_page_names_every_module() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in (REPOSITORY / "harness").iterdir():
        name = path.name.removesuffix(".py")
        if not name.startswith("_"):
            assert re.search(rf"\b{name}\b", text), f"docs/architecture.md does not name {name}"


def test_a_bar_in_a_flag_does_not_end_its_cell() -> None:
    rows = [line for line in (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8").splitlines() if "| `" in line]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 3, row


def test_every_promise_of_security_has_a_test_that_is_there() -> None:
    rows = [line for line in (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8").splitlines() if "| `" in line]
    assert len(rows) > 10
    for row in rows:
        named = re.fullmatch(r"\| .+ \| `(tests/\w+\.py)::(test_\w+)` \|", row)
        assert named, f"no test: {row}"
        assert f"def {named[2]}(" in (REPOSITORY / named[1]).read_text(encoding="utf-8"), row
