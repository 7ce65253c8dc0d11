"""Markdown tables that read well as plain text: padded columns, numbers to the right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import east_asian_width

__all__ = ["escaped", "markdown_table", "signed"]


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """A table; `right` says which columns are aligned to the right. Cells are escaped."""
    cells = [[escaped(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(3, *(_width(row[column]) for row in cells)) for column in range(len(headers))]
    lines = [_line(row, widths, right) for row in cells]
    rule = [
        ("-" * (width - 1) + ":") if to_right else "-" * width for width, to_right in zip(widths, right, strict=True)
    ]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def escaped(text: str) -> str:
    """Text from data as markdown shows it: no table, tag, link, picture or new line comes out of it."""
    text = re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", re.sub(r"[\r\n]+", " ", text))
    for letter, safe in (("|", "\\|"), ("](", "]\\("), ("![", "!\\[")):
        text = text.replace(letter, safe)
    return text


def signed(value: float) -> str:
    """A difference to two decimals with its sign; a zero is +0.00, whichever side of it rounding fell."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, width, to_right in zip(cells, widths, right, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if to_right else cell + space)
    return f"|{'|'.join(padded)}|"


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
