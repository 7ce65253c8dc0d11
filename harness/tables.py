"""Markdown tables that read well as plain text: padded columns, numbers to the right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import east_asian_width

__all__ = ["escaped", "markdown_table", "plain", "prose", "signed"]


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """A table; `right` says which columns are aligned to the right. Cells are escaped."""
    cells = [[escaped(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(3, *(_width(row[column]) for row in cells)) for column in range(len(headers))]
    lines = [_line(row, widths, right) for row in cells]
    rule = [
        ("-" * (width - 1) + ":") if to_right else "-" * width for width, to_right in zip(widths, right, strict=True)
    ]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


_MARKS = re.compile(r"[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[^\S \xa0]|[\x00-\x1f\x7f-\x9f]")
"""What is not seen and changes what is: marks of direction, separators, controls."""


def plain(text: str) -> str:
    """Text from data without what is not seen, on one line."""
    return _MARKS.sub(" ", text)


def escaped(text: str) -> str:
    """Text from data as markdown shows it: no table, tag, entity, link, picture, code or new line comes out of it, and
    nothing that turns the direction of what is written behind it."""
    text = re.sub(r"\\(?=[!-/:-@\[-`{-~]|$)", r"\\\\", plain(text))
    text = re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", re.sub(r"&(?=#?\w+;)", "&amp;", text))
    for letter, safe in (("|", "\\|"), ("](", "]\\("), ("][", "]\\["), ("]:", "]\\:"), ("![", "!\\["), ("`", "\\`")):
        text = text.replace(letter, safe)
    return text


def prose(text: str) -> str:
    """An entry's own markdown, such as its description: paragraphs, emphasis and code stay, and links to the web or to
    a file; tags, pictures and other links do not."""
    text = "\n".join(_MARKS.sub(" ", line) for line in text.splitlines())
    text = re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", text).replace("![", "!\\[").replace("]:", "]\\:")
    return re.sub(r"\]\((?!https?://[^\s()]+\)|[\w./#-]+\))", r"]\\(", text)


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
