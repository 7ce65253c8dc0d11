"""Words of a text, for BM25: runs of letters and digits, case-folded. No stemming, no stop words: the same on every
machine, and an error code keeps its digits."""

from __future__ import annotations

import re

__all__ = ["words"]

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The words of a text, as both BM25 libraries index them."""
    return _WORD.findall(text.casefold())
