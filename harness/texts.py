"""Text from outside, made fit to be shown: what a terminal would obey is spelt out, and credentials are left out."""

from __future__ import annotations

import re
from typing import Any, TextIO

__all__ = ["PrintableStream", "printable", "without_credentials"]

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters but tab and newline, marks that turn the direction of writing, and lone surrogates, which cannot
be encoded."""


def printable(text: str) -> str:
    """The text with each control character as its escape, `\\u001b`: a terminal shows it and does not obey it."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class PrintableStream:
    """A stream of text to which all is written as `printable` has it; otherwise it is the stream that it is made of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def without_credentials(address: str) -> str:
    """An address without the `user:password@` that it may have."""
    return re.sub(r"^(\w+://)[^/?#]*@", r"\1", address)
