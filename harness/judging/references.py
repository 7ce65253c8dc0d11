"""A reference may hold several right answers, joined by " / "."""

from __future__ import annotations

__all__ = ["parts_of"]


def parts_of(reference: str) -> list[str]:
    """The right answers that a reference holds; a reference that holds nothing else, itself."""
    return [part.strip() for part in reference.split(" / ") if part.strip()] or [reference]
