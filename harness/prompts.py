"""Jinja2 templates in a sandbox: what a task asks, what a judge is asked, what a row's reference is.

`PLACES` lists which slots each kind of template may use and which it must; `problems_of` checks a template against them
without rendering it, so that `harness validate` finds a missing slot before a run does.
`StrictUndefined`: a slot that is not there is an error, never an empty string.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta, nodes

from harness.errors import EntryError, near_names, one_line
from harness.records import Message, Passage
from harness.sandbox import DEPTH, LOOPS, SOURCE, BoundedEnvironment, depth_of

__all__ = ["PLACES", "Place", "chat", "preset", "problems_of", "render", "uses"]


class Place(NamedTuple):
    """Where a template is used: the slots it may use and those it must use."""

    offers: frozenset[str]
    needs: frozenset[str]


PLACES = {
    "doc_to_text": Place(frozenset({"question", "passages", "doc", "abstention"}), frozenset({"question", "passages"})),
    "system_instruction": Place(frozenset({"passages"}), frozenset()),
    "doc_to_target": Place(frozenset({"references", "question", "doc"}), frozenset()),
    "deviation": Place(frozenset({"documents", "all_documents", "questions", "pool"}), frozenset()),
    "doc_to_cluster": Place(frozenset({"question", "doc"}), frozenset()),
    "judge_prompt": Place(
        frozenset({"question", "reference", "other_references", "answer", "passages", "criterion", "scale"}),
        frozenset({"question", "answer", "criterion"}),
    ),
    "judge_form": Place(frozenset({"criterion", "scale"}), frozenset()),
}


class _Environment(BoundedEnvironment):
    """The sandbox asks of every attribute what it belongs to, which is most of a prompt's time; a passage's fields are
    plain values."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is Passage and attribute in Passage.__slots__:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)


_ENVIRONMENT = _Environment()


@lru_cache(maxsize=256)
def _compiled(source: str) -> Template:
    return _ENVIRONMENT.from_string(_parsed(source))


def _parsed(source: str) -> nodes.Template:
    """Raises `TemplateSyntaxError`, also for what is too long or too deep for Jinja2 and Python to compile."""
    if len(source) > SOURCE:
        raise TemplateSyntaxError(f"it has {len(source):,} characters; at most {SOURCE:,}", 1)
    try:
        tree = _ENVIRONMENT.parse(source)
    except RecursionError:
        raise TemplateSyntaxError("it is nested too deep", 1) from None
    except ValueError:  # of thousands of digits
        raise TemplateSyntaxError("it has a number that is too long", 1) from None
    depth, loops = depth_of(tree)
    if depth > DEPTH or loops > LOOPS:
        raise TemplateSyntaxError(
            f"it is nested {depth} deep with {loops} loops inside one another; at most {DEPTH} and {LOOPS}", 1
        )
    if any(isinstance(each.value, float) and math.isinf(each.value) for each in tree.find_all(nodes.Const)):
        raise TemplateSyntaxError("it has a number that is too large", 1)
    return tree


def problems_of(source: str, place: str) -> list[str]:
    """What is wrong with a template at a place, one phrase each: syntax, unknown slots, missing slots."""
    offers, needs = PLACES[place]
    try:
        used = meta.find_undeclared_variables(_parsed(source))
        _compiled(source)  # which looks up the filters
    except TemplateSyntaxError as error:
        return [f"not a Jinja2 template (line {error.lineno}): {error.message}"]
    unknown = [
        f"uses the slot {{{{ {name} }}}}, which does not exist here{near_names(name, offers)}; "
        f"available: {', '.join(sorted(offers))}"
        for name in sorted(used - offers)
    ]
    missing = [
        f"must use the slot {{{{ {name} }}}}; without it the model never sees it" for name in sorted(needs - used)
    ]
    return unknown + missing


def uses(source: str, slot: str) -> bool:
    """Whether a template looks at a slot."""
    return slot in meta.find_undeclared_variables(_ENVIRONMENT.parse(source))


def preset(source: str, slot: str, value: str) -> str:
    """The template with a value for one of its slots written into it."""
    return f"{{% set {slot} = {json.dumps(value, ensure_ascii=False)} %}}\n{source}"


def render(source: str, **slots: object) -> str:
    """The template with its slots filled in. Raises `EntryError` when a slot or an attribute of one is not there, and
    when the template loops, repeats or writes over its limits (`sandbox`)."""
    try:
        with _ENVIRONMENT.budget():
            return str(_compiled(source).render(**slots))
    except (
        TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        first = next(iter(source.strip().splitlines()), "")
        raise EntryError(f"template {first[:60]!r}: {one_line(error, 300)}; see `harness show`") from error


def chat(
    template: str, system: str | None, question: str, passages: Sequence[Passage], row: Mapping[str, object]
) -> list[Message]:
    """A task's prompt as chat messages: its system instruction, if any, then the rendered question. Both see the
    passages, so that neither need speak of passages where none are shown."""
    instruction = render(system, passages=passages).strip() if system else ""
    user = render(template, question=question, passages=passages, doc=row).strip()
    return [*([Message("system", instruction)] if instruction else []), Message("user", user)]
