"""A page as headings, tables and paragraphs, apart from how it is written: markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from harness.tables import markdown_table

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
    parts = [f"# {page.title}"] if page.title else []
    for section in page.sections:
        parts += [f"{'#' * section.level} {section.heading}"] if section.heading else []
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
pre { white-space: pre-wrap; }
""".strip()


def html(page: Page) -> str:
    """The page as one HTML file without a script; everything from data is escaped."""
    parts = [f"<h1>{escape(page.title)}</h1>"]
    for section in page.sections:
        parts += [f"<h{section.level}>{escape(section.heading)}</h{section.level}>"] if section.heading else []
        parts += [_html_paragraph(text) for text in section.paragraphs]
        parts += [_html_grid(section.grid)] if section.grid else []
        parts += [_html_paragraph(text) for text in section.after]
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(page.title)}</title>\n'
        f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</html>\n"
    )


def _html_paragraph(text: str) -> str:
    """Paragraphs are shown as they are written; a list keeps its lines."""
    return f"<pre>{escape(text)}</pre>" if "\n" in text else f"<p>{escape(text)}</p>"


def _html_grid(grid: Grid) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        written = (
            f"<{tag}{' class=text' if number < grid.left else ''}>{escape(cell)}</{tag}>"
            for number, cell in enumerate(cells)
        )
        return f"<tr>{''.join(written)}</tr>"

    rows = "\n".join(line("td", row) for row in grid.rows)
    return f"<table>\n{line('th', grid.headers)}\n{rows}\n</table>"
