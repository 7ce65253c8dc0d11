"""Reads YAML entries as plain dictionaries: no Python tags, no key twice, `include:` merged deep.

Knows nothing of what the keys mean; that is for the other modules of `entries`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.errors import EntryError, one_line

__all__ = ["merge", "read_entry", "where"]

SIZE = 1_000_000
"""Bytes of a file."""
DEPTH = 50
"""Mappings and lists inside one another."""
VALUES = 50_000
"""Values of a file, those that aliases repeat counted each time."""
DIGITS = 100
"""Of a number; a revision without quotes may look like one."""
FILES = 50
"""Read for one entry, those that it includes among them."""

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}


def _refused(problem: str, node: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


class _Loader(_BaseLoader):  # type: ignore[misc]
    """Safe loader that refuses a key given twice, which plain YAML answers by dropping the first in silence, and every
    value that JSON cannot hold."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        tag = node.tag
        if tag == "tag:yaml.org,2002:timestamp":
            raise _refused(f"YAML reads {node.value[:40]!r} as a date; put it in quotes", node)
        if tag == "tag:yaml.org,2002:merge":
            raise _refused("merge keys (<<) are not used here; write the keys out, or use `include:`", node)
        if tag not in _TAGS:
            raise _refused(f"the tag {tag[:60]!r} is not used here; write the value without it", node)
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
        return super().construct_object(node, deep=deep)

    def _check_scalar(self, node: Any) -> None:
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind == "str":
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                raise _refused("half a character (a lone surrogate) in text; write the character itself", node)
            return
        if self.resolve(yaml.ScalarNode, text, (True, False)) != node.tag:
            raise _refused(f"{text[:40]!r} is not of the type that its tag says; remove the tag", node)
        digits = re.sub(r"^[-+]?(0[bx])?|_", "", text)
        if kind in ("int", "float") and not 0 < len(digits) <= DIGITS:
            raise _refused(f"{text[:40]!r} is no number of 1 to {DIGITS} digits; if it is text, put it in quotes", node)
        if kind == "float" and not math.isfinite(self.construct_yaml_float(node)):
            raise _refused(f"{text[:40]!r} is not a finite number; if it is text, put it in quotes", node)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _refused("a key must be plain text", key_node)
            if key in seen:
                raise _refused(f"the key {key!r} is given twice; keep one", key_node)
            seen.add(key)
        result: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return result


def _check_extent(text: str) -> None:
    """Refuses what is nested too deep, which libyaml does not survive, and aliases that repeat too much: both before
    anything is built. Raises `yaml.MarkedYAMLError`."""
    open_nodes: list[tuple[str | None, int]] = []  # (its anchor, values before it)
    extents: dict[str, int] = {}
    values = 0
    for event in yaml.parse(text, Loader=_BaseLoader):
        match event:
            case yaml.CollectionStartEvent():
                open_nodes.append((event.anchor, values))
                values += 1
                if len(open_nodes) > DEPTH:
                    raise _refused(f"mappings and lists more than {DEPTH} deep in one another; write it flatter", event)
            case yaml.CollectionEndEvent():
                anchor, before = open_nodes.pop()
                if anchor is not None:
                    extents[anchor] = values - before
            case yaml.ScalarEvent():
                values += 1
                if event.anchor is not None:
                    extents[event.anchor] = 1
            case yaml.AliasEvent():
                if any(event.anchor == anchor for anchor, _ in open_nodes):
                    raise _refused(f"the alias *{event.anchor} stands inside of what it names", event)
                values += extents.get(event.anchor or "", 1)
        if values > VALUES:
            raise _refused(f"more than {VALUES:,} values, aliases counted each time; write less", event)


def where(path: Path) -> str:
    """A file as people name it: its folder and name."""
    return f"{path.parent.name}/{path.name}"


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(SIZE + 1)
        if len(content) > SIZE:
            raise EntryError(f"{where(path)}: has more than {SIZE:,} bytes; an entry is shorter")
        text = content.decode("utf-8-sig")
        _check_extent(text)
        loaded = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise EntryError(f"{where(path)}:{line}: not valid YAML: {one_line(error.problem or error.context)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EntryError(f"{where(path)}: cannot be read: {one_line(error)}") from error
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


def read_entry(path: Path) -> dict[str, Any]:
    """The entry of a file with its `include:` (one name or a list, beside the file) merged in; its own keys win, later
    includes win over earlier ones. Two includes may share a third; a cycle raises `EntryError`."""
    return _with_includes(path.resolve(), (), {})


def _with_includes(path: Path, opened: tuple[Path, ...], known: dict[Path, dict[str, Any]]) -> dict[str, Any]:
    """`opened`: the files that include this one, the entry's own first; `known`: those that are read already."""
    if path in opened:
        circle = " -> ".join(where(each) for each in (*opened, path))
        raise EntryError(f"{where(opened[0])}: include: forms a circle: {circle}")
    if path in known:
        return known[path]
    if len(known) + len(opened) >= FILES:
        raise EntryError(f"{where((*opened, path)[0])}: include: more than {FILES} files; include fewer")
    own = _read(path)
    included = own.pop("include", [])
    names = [included] if isinstance(included, str) else included
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise EntryError(f"{where(path)}: include: must be a file name or a list of them")
    base: dict[str, Any] = {}
    for name in names:
        if len(name) > 255 or not (path.parent / name).is_file():
            raise EntryError(f"{where(path)}: include: there is no {name[:80]!r} beside it")
        base = merge(base, _with_includes((path.parent / name).resolve(), (*opened, path), known))
    known[path] = merge(base, own)
    return known[path]
