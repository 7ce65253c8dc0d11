"""Jinja2 templates that end: what they may loop, repeat and write is limited, so that an entry from elsewhere cannot
take a machine's time or memory.

Jinja2's own sandbox keeps a template from Python; it does not keep it from running for hours. Here every turn of a
loop, every call and every value that is read whole costs steps, and every text costs its length; over the limit a
`SecurityError` says so. Only the filters below are there: others pad, repeat or draw at random.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import Environment, StrictUndefined, nodes, pass_context, pass_environment
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

__all__ = ["DEPTH", "LOOPS", "RANGE", "SOURCE", "STEPS", "TEXT", "BoundedEnvironment", "depth_of"]

SOURCE = 100_000
"""Characters of a template."""
DEPTH = 60
"""Nodes of its syntax tree inside one another."""
LOOPS = 10
"""Loops inside one another; Python compiles no more than 20."""
RANGE = 10_000
"""Numbers that one `range` gives."""
STEPS = 500_000
"""Turns of loops, calls and values read, of one rendering: under two seconds."""
TEXT = 10_000_000
"""Characters of one value, and of all that one rendering writes."""
_CHARACTERS_A_STEP = 64
_LARGEST = 10**18

FILTERS = frozenset({
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "indent", "int",
    "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
    "reverse", "round", "safe", "select", "selectattr", "sort", "string", "title", "tojson", "trim", "truncate",
    "unique", "upper", "wordcount",
})  # fmt: skip
_TEXT_METHODS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower",
    "isnumeric", "isspace", "istitle", "isupper", "lower", "lstrip", "partition", "removeprefix",
    "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith",
    "strip", "swapcase", "title", "upper",
})  # fmt: skip
_METHODS: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    (str, _TEXT_METHODS),
    (Mapping, frozenset({"get", "items", "keys", "values"})),
    ((list, tuple, range), frozenset({"count", "index"})),
)


class _Budget:
    """What one rendering has used."""

    def __init__(self) -> None:
        self.steps = self.written = 0

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > STEPS:
            raise SecurityError(f"takes more than {STEPS:,} steps; loop less")

    def write(self, length: int) -> None:
        self.written += length
        if self.written > TEXT:
            raise SecurityError(f"writes more than {TEXT:,} characters; repeat less")

    def read(self, *values: object) -> int:
        """Charges for all that is in values, where one list may be many times; gives the steps."""
        before, waiting = self.steps, list(values)
        while waiting:
            each = waiting.pop()
            self.spend(1)
            if isinstance(each, str):
                self.spend(len(each) // _CHARACTERS_A_STEP)
            elif isinstance(each, Mapping):
                waiting += [*each.keys(), *each.values()]
            elif isinstance(each, Collection) and not isinstance(each, bytes | Undefined):
                self.spend(len(each))
                waiting += each
            elif isinstance(each, Namespace):
                waiting += vars(each).values()
        return self.steps - before


_BUDGET: ContextVar[_Budget | None] = ContextVar("budget", default=None)


def _budget() -> _Budget:
    """Outside of a rendering, where Jinja2 computes constants beforehand, each has a budget of its own."""
    return _BUDGET.get() or _Budget()


def _fits(length: int) -> None:
    if length > TEXT:
        raise SecurityError(f"makes a text or list of {length:,}; at most {TEXT:,}")


def _range(*limits: int) -> range:
    numbers = range(*limits)
    if numbers[RANGE:]:
        raise SecurityError(f"range gives more than {RANGE:,} numbers")
    return numbers


@pass_environment
def _join(environment: Environment, values: object, d: object = "", attribute: str | int | None = None) -> str:
    """Jinja2's `join`, which does not say how long its text will be."""
    budget, between, parts, length = _budget(), str(d), [], 0
    for each in values:  # type: ignore[attr-defined]  # what is none raises TypeError, which the caller explains
        value = each if attribute is None else environment.getitem(each, attribute)
        budget.read(value)
        parts.append(str(value))
        length += len(parts[-1]) + len(between)
        _fits(length)
    return between.join(parts)


def _limited(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test that is charged for what it reads and gives; what it would give one by one comes as a list."""
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def limited(*arguments: Any, **named: Any) -> Any:
        budget = _budget()
        budget.read(*arguments[first:], *named.values())
        _check_size(name, *arguments[first:], *named.values())
        result = function(*arguments, **named)
        if isinstance(result, Iterator):
            result = [each for each in result if budget.read(each)]
        budget.read(result)
        return result

    return limited


def _check_size(name: str, value: object = "", *settings: object) -> None:
    """Of the filters that can give far more than they read."""
    if name in ("indent", "round", "tojson") and any(isinstance(n, int) and abs(n) > 100 for n in settings):
        raise SecurityError(f"{name} is asked for more than 100")
    texts = [str(each) for each in settings if isinstance(each, str)]
    if name in ("indent", "replace") and texts:
        text = str(value)
        repeats = len(text) + 1 if not texts[0] or name == "indent" else text.count(texts[0])
        _fits(len(text) + repeats * len(texts[-1]))


def _whole(value: object) -> object:
    """A number that a template may go on with."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise SecurityError(f"makes a number over {_LARGEST:.0e}")
    return value


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Templates of this environment render inside `budget()`."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            autoescape=False,
            optimized=False,
            finalize=_written,
        )
        self.globals = {name: self.globals[name] for name in ("dict", "cycler", "joiner", "namespace")}
        self.globals["range"] = _range
        self.filters = {name: _limited(name, self.filters[name]) for name in FILTERS} | {"join": _join}
        tests: dict[str, Any] = self.tests
        self.tests = {name: _limited(name, test) for name, test in tests.items()}

    @contextmanager
    def budget(self) -> Iterator[None]:
        """One rendering."""
        token = _BUDGET.set(_Budget())
        try:
            yield
        finally:
            _BUDGET.reset(token)

    # ---- what templates call by themselves, put there by `_Metered` --------------------------------------------------

    def turn(self, length: int) -> str:
        """One turn of a loop or one call of a macro, which writes so much text of its own."""
        _budget().spend(1)
        _budget().write(length)
        return ""

    def looped(self, values: Any) -> Any:
        """What is looped over, charged whole: a loop's condition may pass over all of it."""
        values = values if hasattr(values, "__len__") or isinstance(values, Undefined) else list(values)
        _budget().spend(len(values))
        return values

    def weighed(self, value: Any) -> Any:
        """A value that is compared, cut or put into another."""
        _budget().read(value)
        return value

    def joined(self, *values: Any) -> str:
        """`~`."""
        _budget().read(*values)
        texts = [str(value) for value in values]
        _fits(sum(map(len, texts)))
        return "".join(texts)

    # ---- Jinja2's own hooks -----------------------------------------------------------------------------------------

    def _generate(self, source: nodes.Template, *arguments: Any, **named: Any) -> str:
        return super()._generate(_Metered().visit(source), *arguments, **named)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """No method of our own objects or pydantic's: some read files."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        for kinds, methods in _METHODS:
            if isinstance(obj, kinds):
                return attr in methods
        return not callable(value) or type(obj).__module__.startswith("jinja2.")

    def wrap_str_format(self, value: Any) -> None:
        """`format` pads without limit, so it is refused with the other methods."""

    def getitem(self, obj: Any, argument: Any) -> Any:
        _budget().read(argument)
        return super().getitem(obj, argument)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """The names are Jinja2's, so that no keyword of a template meets them."""
        of = getattr(__obj, "__self__", None)
        if of is __self:
            return __obj(*args)
        _budget().read(*args, *kwargs.values())
        result = super().call(__context, __obj, *args, **kwargs)
        if isinstance(of, str):
            _budget().read(of, result)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sequences = [each for each in (left, right) if isinstance(each, str | list | tuple)]
        if operator == "%" and isinstance(left, str):
            raise SecurityError("% formats no text here; join texts with ~")
        if operator == "*" and sequences:
            times = right if sequences[0] is left else left
            if isinstance(times, int) and times > 1:
                _fits(len(sequences[0]) * times)
                each = _budget().read(sequences[0])
                _budget().spend(
                    len(sequences[0]) * times // _CHARACTERS_A_STEP if isinstance(sequences[0], str) else each * times
                )
        elif operator == "+" and sequences:
            _fits(sum(map(len, sequences)))
            _budget().read(*sequences)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            _whole(2 ** min(left.bit_length() * right, 100) if right > 0 else 0)
        return _whole(super().call_binop(context, operator, left, right))


@pass_context
def _written(context: Context, value: object) -> object:
    """What `{{ }}` writes. With the context, or Jinja2 would write constants beforehand, uncounted."""
    budget = _budget()
    budget.read(value)
    text = value if isinstance(value, str) else str(value)
    budget.write(len(text))
    return text


def depth_of(tree: nodes.Template) -> tuple[int, int]:
    """(how deep its nodes are in one another, how deep its loops are)."""
    deepest, loops = 0, 0
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 1, 0)]
    while waiting:
        node, depth, inside = waiting.pop()
        inside += isinstance(node, nodes.For)
        deepest, loops = max(deepest, depth), max(loops, inside)
        waiting += [(child, depth + 1, inside) for child in node.iter_child_nodes()]
    return deepest, loops


_Repeated = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)


class _Metered(NodeTransformer):
    """Puts the calls into a template by which it is charged."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        own_text = _own_text(node) if isinstance(node, _Repeated) else 0
        super().generic_visit(node, *args, **kwargs)
        match node:
            case nodes.For():
                node.iter = _call("looped", node.iter)
                node.body.insert(0, nodes.ExprStmt(_call("turn", nodes.Const(own_text))))
            case nodes.Macro() | nodes.CallBlock() | nodes.Block():
                node.body.insert(0, nodes.ExprStmt(_call("turn", nodes.Const(own_text))))
            case nodes.Concat():
                return _call("joined", *node.nodes)
            case nodes.Compare():
                node.expr = _call("weighed", node.expr)
                for operand in node.ops:
                    operand.expr = _call("weighed", operand.expr)
            case nodes.Getitem(arg=nodes.Slice()):
                node.node = _call("weighed", node.node)
            case nodes.List() | nodes.Dict() | nodes.Tuple(ctx="load"):
                return _call("weighed", node)
        return node


def _call(name: str, *arguments: Any) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(name), list(arguments), [], None, None)


def _own_text(node: nodes.Node) -> int:
    """Characters of plain text that one turn writes, without those of loops inside."""
    inner = [child for child in node.iter_child_nodes() if not isinstance(child, _Repeated)]
    own = len(node.data) if isinstance(node, nodes.TemplateData) else 0
    return own + sum(_own_text(child) for child in inner)
