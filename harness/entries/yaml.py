"""Reads YAML entries as plain dictionaries: no Python tags, no key twice, `include:` merged deep.

Knows nothing of what the keys mean; that is for the other modules of `entries`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.errors import EntryError

__all__ = ["merge", "read_entry", "where"]

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BaseLoader):  # type: ignore[misc]
    """Safe loader that refuses a key given twice, which plain YAML answers by dropping the first in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        result: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return result


def where(path: Path) -> str:
    """A file as people name it: its folder and name."""
    return f"{path.parent.name}/{path.name}"


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as stream:
            loaded = yaml.load(stream, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise EntryError(f"{where(path)}:{line}: not valid YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EntryError(f"{where(path)}: cannot be read: {error}") from error
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise EntryError(f"{where(path)}: an entry is a mapping of keys to values; this is {type(loaded).__name__}")
    return loaded


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: mappings key by key, at every depth; anything else, lists too, is replaced whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_entry(path: Path, _open: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The entry of a file with its `include:` (one name or a list, beside the file) merged in; its own keys win, later
    includes win over earlier ones. Two includes may share a third; a cycle raises `EntryError`."""
    path = path.resolve()
    if path in _open:
        raise EntryError(f"{where(_open[0])}: include: forms a circle: {' -> '.join(where(p) for p in (*_open, path))}")
    own = _read(path)
    included = own.pop("include", [])
    names = [included] if isinstance(included, str) else included
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise EntryError(f"{where(path)}: include: must be a file name or a list of them")
    base: dict[str, Any] = {}
    for name in names:
        target = path.parent / name
        if not target.is_file():
            raise EntryError(f"{where(path)}: include: there is no {name!r} beside it")
        base = merge(base, read_entry(target, (*_open, path)))
    return merge(base, own)
