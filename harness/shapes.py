"""Whether JSON that was kept has the types that its reader needs: checked once, on reading, so that what is broken is
named by its key and not met deep inside a computation.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

__all__ = ["check_shape", "converted", "record_of"]

T = TypeVar("T")
_LARGEST = 2**63
_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def record_of(kind: type[T], value: object, place: str = "") -> T:
    """A dataclass from its JSON object: all keys known, those without a default there, each of its type. Raises
    `ValueError`, which names the key."""
    if not isinstance(value, dict):
        raise ValueError(f"{place or 'it'} is {_shown(value)}, not an object")
    known = _fields(kind)  # type: ignore[arg-type]  # a class can be a key
    if unknown := [key for key in value if key not in known]:
        raise ValueError(f"{_joined(place, unknown[0])} is not known")
    if missing := [name for name, (_, needed, _) in known.items() if needed and name not in value]:
        raise ValueError(f"{_joined(place, missing[0])} is missing")
    checked = {}
    for key, each in value.items():
        hint, _, quick = known[key]
        of = type(each)
        # most are of a plain type, and a store has millions: what needs a closer look goes the longer way
        sound = of in quick and (of is not int or -_LARGEST < each < _LARGEST)
        checked[key] = each if sound else converted(each, hint, _joined(place, key))
    return kind(**checked)


def check_shape(value: object, hint: Any, place: str = "it") -> None:
    """Raises `ValueError` for a value that is not as a type hint says. For a hint, a mapping from keys to hints says
    which keys an object must have at least."""
    if not isinstance(hint, Mapping):
        converted(value, hint, place)
        return
    if not isinstance(value, dict):
        raise ValueError(f"{place} is {_shown(value)}, not an object")
    for key, inner in hint.items():
        if key not in value:
            raise ValueError(f"{_joined(place, key)} is missing")
        check_shape(value[key], inner, _joined(place, key))


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, bool, frozenset[type]]]:
    """Of a dataclass: hint of each field, whether it is needed, and the plain types of which every value will do."""
    hints = typing.get_type_hints(kind)
    return {
        each.name: (
            hints[each.name],
            each.default is MISSING and each.default_factory is MISSING,
            _quick(hints[each.name]),
        )
        for each in fields(kind)
    }


@cache
def _quick(hint: Any) -> frozenset[type]:
    """Types of which every value will do; not float, which may not be finite."""
    return frozenset({str, int, bool, type(None)} & set(_alternatives(hint)))


def _alternatives(hint: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return typing.get_args(hint) if is_union else (hint,)


def converted(value: Any, hint: Any, place: str) -> Any:
    """The value, or what it is as a tuple, a member of an enumeration or a dataclass. Raises `ValueError`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return value
    if origin in (types.UnionType, typing.Union):
        return _of_union(value, inner, place)
    if origin is tuple or origin is list or (isinstance(origin, type) and issubclass(origin, Sequence)):
        if isinstance(value, list):
            of_items = _alternatives(inner[0])
            quick = _quick(inner[0]) - {int}
            items = [
                each if type(each) in quick or (type(each) is float and float in of_items and math.isfinite(each))
                else converted(each, inner[0], f"{place}[{number}]")
                for number, each in enumerate(value)
            ]  # fmt: skip
            return tuple(items) if origin is tuple else items
        raise ValueError(f"{place} is {_shown(value)}, not a list")
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, dict):
            return {key: converted(each, inner[1], _joined(place, key)) for key, each in value.items()}
        raise ValueError(f"{place} is {_shown(value)}, not an object")
    if is_dataclass(hint):
        return record_of(hint, value, place)  # type: ignore[arg-type]  # a class, not one of its objects
    return _plain(value, hint, place)


def _plain(value: Any, hint: Any, place: str) -> Any:
    if issubclass(hint, StrEnum):
        if value in list(hint):
            return hint(value)
        raise ValueError(f"{place} is {_shown(value)}, not one of {', '.join(hint)}")
    accepted = (int, float) if hint is float else hint
    fits = isinstance(value, accepted) and (hint is bool or not isinstance(value, bool))
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{place} is {_shown(value)}, not {_NAMES[hint]}")
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise ValueError(f"{place} is a number of more than 64 bits")
    return value


def _of_union(value: Any, hints: tuple[Any, ...], place: str) -> Any:
    said = []
    for hint in hints:
        try:
            return converted(value, hint, place)
        except ValueError as error:
            said.append(str(error))
    raise ValueError(said[0] if value is not None else f"{place} is null")


def _joined(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)


def _shown(value: object) -> str:
    """In short: a list or object by what it is."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return repr(value)[:60] if not isinstance(value, int) or abs(value) < 10**30 else "a long number"
