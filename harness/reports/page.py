"""A page as headings, tables and paragraphs, apart from how it is written: markdown or HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from harness.tables import escaped, markdown_table, plain

__all__ = ["Grid", "Page", "Section", "html", "markdown"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text. `left`: how many columns, from the first, are aligned to the left."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 2


@dataclass(frozen=True, slots=True)
class Section:
    """A heading (empty: none), paragraphs, and a table below them; `after`: paragraphs below the table. Paragraphs are
    markdown of ours, in which text from data is escaped already."""

    heading: str = ""
    paragraphs: Sequence[str] = ()
    grid: Grid | None = None
    after: Sequence[str] = ()
    level: int = 2


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    sections: Sequence[Section] = field(default=())


def markdown(page: Page) -> str:
    """The page as markdown."""
    parts = [f"# {escaped(page.title)}"] if page.title else []
    for section in page.sections:
        parts += [f"{'#' * section.level} {escaped(section.heading)}"] if section.heading else []
        parts += section.paragraphs
        parts += [_markdown_grid(section.grid)] if section.grid else []
        parts += section.after
    return "\n\n".join(parts) + "\n"


def _markdown_grid(grid: Grid) -> str:
    right = [number >= grid.left for number in range(len(grid.headers))]
    return markdown_table(grid.headers, grid.rows, right)


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; display: block;
  overflow-x: auto; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #d0d7de; text-align: right; white-space: nowrap; }
th.text, td.text { text-align: left; }
th { border-bottom: 2px solid #57606a; }
code { background: #f6f8fa; padding: 0 .2rem; }
""".strip()


def html(page: Page) -> str:
    """The page as one HTML file without a script; everything from data is escaped."""
    parts = [f"<h1>{escape(plain(page.title))}</h1>"]
    for section in page.sections:
        parts += [f"<h{section.level}>{escape(plain(section.heading))}</h{section.level}>"] if section.heading else []
        parts += [_html_paragraph(text) for text in section.paragraphs]
        parts += [_html_grid(section.grid)] if section.grid else []
        parts += [_html_paragraph(text) for text in section.after]
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(plain(page.title))}</title>\n'
        f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</html>\n"
    )


def _html_paragraph(text: str) -> str:
    """A paragraph, or, of lines that begin with a dash, a list."""
    blocks = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        if all(line.startswith("- ") for line in lines):
            blocks.append("<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>")
        else:
            blocks.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "\n".join(blocks)


_INLINE = (
    (re.compile(r"(?<!\\)`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<!\*)\*([^*\s][^*]*)\*(?!\*)"), r"<em>\1</em>"),
    (re.compile(r"\[([^]\\]+)\]\((?:\.\./)*[\w./-]+\)"), r"\1"),
    (re.compile(r"\\([|(\[`:\\])"), r"\1"),
)
"""Of our own markdown: code, emphasis; a link to a file beside the page is its text; what was escaped stays escaped."""


def _inline(text: str) -> str:
    text = escape(text.replace("&lt;", "<").replace("&amp;", "&"))
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text


def _html_grid(grid: Grid) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        written = (
            f"<{tag}{' class=text' if number < grid.left else ''}>{escape(plain(cell))}</{tag}>"
            for number, cell in enumerate(cells)
        )
        return f"<tr>{''.join(written)}</tr>"

    rows = "\n".join(line("td", row) for row in grid.rows)
    return f"<table>\n{line('th', grid.headers)}\n{rows}\n</table>"
