"""From values to an entry, or to one line for each thing that is wrong with it: `file: key: what is wrong; what to
do`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.entries.judge import JudgeEntry
from harness.entries.leaderboard import LeaderboardEntry
from harness.entries.model import ModelEntry
from harness.entries.parts import DecodingEntry
from harness.entries.task import GroupEntry, TaskEntry
from harness.errors import EntryError, near_names, one_line

__all__ = ["DECODING", "GROUP", "JUDGE", "LEADERBOARD", "MODEL", "TASK", "Entry", "check"]

Entry = TaskEntry | GroupEntry | ModelEntry | JudgeEntry | LeaderboardEntry
T = TypeVar("T")

TASK: TypeAdapter[TaskEntry] = TypeAdapter(TaskEntry)
GROUP: TypeAdapter[GroupEntry] = TypeAdapter(GroupEntry)
MODEL: TypeAdapter[ModelEntry] = TypeAdapter(ModelEntry)
JUDGE: TypeAdapter[JudgeEntry] = TypeAdapter(JudgeEntry)
LEADERBOARD: TypeAdapter[LeaderboardEntry] = TypeAdapter(LeaderboardEntry)
DECODING: TypeAdapter[DecodingEntry] = TypeAdapter(DecodingEntry)

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def check(kind: TypeAdapter[T], values: Mapping[str, object], file: str) -> T:
    """The entry. Raises `EntryError` with a line for each thing that is wrong with it."""
    try:
        return kind.validate_python(dict(values))
    except RecursionError:
        raise EntryError(f"{file}: values are nested too deep; write it flatter") from None
    except ValidationError as error:
        lines: list[str] = []
        for detail in error.errors():
            place = _place_of(kind, detail["loc"])
            key = one_line(_key_of(place.location, values), 120)
            lines += [
                f"{file}: {key + ': ' if key else ''}{one_line(text)}" for text in _explain(place, detail).split("\n")
            ]
        raise EntryError(*dict.fromkeys(lines)) from None


class _Place(NamedTuple):
    """Where a mistake is: below which model, at which keys."""

    model: type[BaseModel] | None
    location: tuple[int | str, ...]


def _place_of(kind: TypeAdapter[Any], location: tuple[int | str, ...]) -> _Place:
    """Of a union by `kind` or `engine`, pydantic puts the member's tag in front of the location."""
    schema = kind.core_schema
    while "schema" in schema and schema["type"] not in ("tagged-union", "model"):
        schema = schema["schema"]
    if schema["type"] == "definitions":
        schema = schema["schema"]
    if schema["type"] == "tagged-union":
        member = schema["choices"].get(location[0]) if location else None
        return _Place(member.get("cls") if member else None, location[1:])
    return _Place(schema.get("cls"), location)


def _key_of(location: tuple[int | str, ...], values: Any) -> str:
    """The path of keys as the user wrote it; pydantic's own steps (union members, tags) are left out."""
    key = ""
    for step in location:
        if isinstance(step, int) and isinstance(values, list):
            key += f"[{step}]"
            values = values[step] if step < len(values) else None
        elif isinstance(values, dict) and (step in values or step == location[-1]):
            key += f".{step}" if key else str(step)
            values = values.get(step)
        elif values is None and not str(step).startswith(("function-", "constrained")):
            key += f".{step}" if key else str(step)
    return key


def _explain(place: _Place, detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    explanations: dict[str, Callable[[], str]] = {
        "extra_forbidden": lambda: (
            f"unknown key{near_names(str(detail['loc'][-1]), _fields(place))}; remove it or correct it"
        ),
        "missing": lambda: "is missing; add it",
        "value_error": lambda: str(context["error"]),
        "string_pattern_mismatch": lambda: _pattern(str(value), context["pattern"]),
        "literal_error": lambda: f"is {value!r}; it can be {context['expected']}",
        "union_tag_invalid": lambda: (
            f"{_plain(context['discriminator'])} is {context['tag']!r}; it can be {context['expected_tags']}"
        ),
        "union_tag_not_found": lambda: f"lacks `{_plain(context['discriminator'])}`; add it",
        "greater_than_equal": lambda: f"is {value}; it must be {context['ge']} or more",
        "less_than_equal": lambda: f"is {value}; it must be {context['le']} or less",
        "greater_than": lambda: f"is {value}; it must be more than {context['gt']}",
        "too_short": lambda: f"needs at least {context['min_length']}",
    }
    if kind in explanations:
        return explanations[kind]()
    if kind in _EXPECTED:
        return _wrong_type(_EXPECTED[kind], value)
    return f"{detail['msg']} (it is {value!r})"


def _plain(discriminator: str) -> str:
    return discriminator.strip("'")


def _wrong_type(expected: str, value: object) -> str:
    if expected == "text" and isinstance(value, bool):
        return f"must be text, but YAML reads a bare yes, no, on or off as {value}; put it in quotes"
    if expected == "text" and isinstance(value, int | float):
        return f"must be text, but YAML reads bare digits as the number {value}; put it in quotes"
    return f"must be {expected} and is {value!r}"


def _pattern(value: str, pattern: str) -> str:
    if "https?" in pattern:
        return f"{value!r} is not an address; it must begin with http:// or https://"
    if "[0-9a-f]{40}" in pattern:
        return f"{value!r} is not a revision; pin the commit, 40 hex digits (a branch moves)"
    return f"{value!r} cannot be a name; use letters, digits, dots, dashes and underscores"


def _fields(place: _Place) -> list[str]:
    """The known keys at a place of a model, for near names; those of the whole model where the place is unclear."""
    model = place.model
    for step in place.location[:-1]:
        field = getattr(model, "model_fields", {}).get(step)
        inner = [kind for kind in _classes(field.annotation) if issubclass(kind, BaseModel)] if field else []
        model = inner[0] if inner else model
    return list(model.model_fields) if model is not None else []


def _classes(annotation: Any) -> list[type]:
    arguments = getattr(annotation, "__args__", ())
    return (
        [annotation] if isinstance(annotation, type) and not arguments else [c for a in arguments for c in _classes(a)]
    )
