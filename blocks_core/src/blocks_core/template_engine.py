"""The seam to jinja2: what templates can do. Imported when the first template is read.

Three walls, each enough for what was thought of: the template's tree may have only what is listed here, so that
there are no assignments, macros, includes or calls of anything but a few methods; looking something up finds members
of plain data only, never an attribute of an object; and jinja2's own sandbox runs it. Whatever makes a text or a list
longer is counted before it is made.

Source:  https://jinja.palletsprojects.com/en/stable/sandbox/,
         https://jinja.palletsprojects.com/en/stable/extensions/ (the tree).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, cast

from jinja2 import (
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    Undefined,
    UndefinedError,
    meta,
    nodes,
    pass_context,
)
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from blocks_core.errors import TemplateInvalid
from blocks_core.template_filters import FILTERS, Method, Refused, counted, text_of

MAX_STEPS: Final = 10_000
"""Turns of all its loops together."""

_MAX_NUMBER: Final = 10**18
_FILE: Final = "<template>"
_STEPS: Final = "(steps)"
"""Under which a context has its counter; no template can write this name."""


class _Missing(UndefinedError):
    """Something is looked for that is not there; the message shows no value."""


class Compiled:
    """A template that was read and found to be harmless."""

    def __init__(self, template: Template, names: Mapping[str, int]) -> None:
        self._template = template
        self.names = names
        """What it asks for -> line where it does so first."""

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the text with plain values in its places.

        Raises:  TemplateInvalid.
        """
        parts, size = list[str](), 0
        context = self._template.new_context({**values, _STEPS: [0]})
        try:
            for part in self._template.root_render_func(context):
                size = counted(size + len(part))
                parts.append(part)
        except (Refused, _Missing) as error:
            raise TemplateInvalid(
                f"Line {self._line(error.__traceback__)} of the template: {error}"
            ) from None
        except Exception as error:  # noqa: BLE001 whatever it is, its text may show a value
            raise TemplateInvalid(
                f"Line {self._line(error.__traceback__)} of the template cannot be worked out with the values that "
                f"it is given ({type(error).__name__}). Compare it with what these are."
            ) from None
        return "".join(parts)

    def _line(self, trace: TracebackType | None) -> int:
        found = 1
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _FILE:
                found = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return found


@lru_cache(maxsize=256)
def compile_template(text: str) -> Compiled:
    """Read a template.

    Raises:  TemplateInvalid: it cannot be read, or could do what templates may not.
    """
    try:
        tree = _environment.parse(text)
        for node in tree.find_all(nodes.Node):
            _refuse_others(node)
        names = _names_in(tree)
        tree = _Counting().visit(tree)
        code = _environment.compile(tree, filename=_FILE)
    except TemplateSyntaxError as error:
        raise TemplateInvalid(
            f"Line {error.lineno} of the template cannot be read: {error.message}"
        ) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        if isinstance(error, TemplateInvalid):
            raise
        raise TemplateInvalid(
            "The template is nested too deeply, or has a number that is too long. Write a simpler one."
        ) from None
    return Compiled(Template.from_code(_environment, code, _environment.make_globals(None)), names)


# What a template may consist of


_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.CondExpr),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Slice),
    *(nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)


def _refuse_others(node: nodes.Node) -> None:
    if type(node) not in _ALLOWED or (isinstance(node, nodes.For) and node.recursive):
        raise _refusal(
            node, f"uses '{type(node).__name__.lower()}'", "Write it with for, if, filters and values."
        )
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise _refusal(node, f"uses the filter '{node.name}'", f"There are: {', '.join(sorted(FILTERS))}.")
    if isinstance(node, nodes.Test) and node.name not in _environment.tests:
        raise _refusal(
            node, f"uses the test '{node.name}'", f"There are: {', '.join(sorted(_environment.tests))}."
        )
    for name in _names_of(node):
        if name.startswith("_"):
            raise _refusal(
                node, f"asks for '{name}'", "Names that begin with an underscore are none of values."
            )


def _refusal(node: nodes.Node, what: str, remedy: str) -> TemplateInvalid:
    return TemplateInvalid(f"Line {node.lineno} of the template {what}, which templates may not. {remedy}")


def _names_of(node: nodes.Node) -> Iterable[str]:
    if isinstance(node, nodes.Name):
        yield node.name
    if isinstance(node, nodes.Getattr):
        yield node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        yield str(node.arg.value)


def _names_in(tree: nodes.Template) -> dict[str, int]:
    free = meta.find_undeclared_variables(tree) - _environment.globals.keys()
    names: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in free or node.name == "self":  # the template itself, of which nothing is shown
            names.setdefault(node.name, node.lineno)
    return dict(sorted(names.items(), key=lambda item: item[1]))


class _Counting(NodeTransformer):
    """Lets each loop go through a filter that counts its turns, and each `~` through the one that counts texts."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 as jinja2 names them
        """Count the turns."""
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "(counted)")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 as jinja2 names them
        """Join instead."""
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join")


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


# What a template meets while it runs


_METHODS: Final[Mapping[type, frozenset[str]]] = {
    dict: frozenset({"get", "items", "keys", "values"}),
    str: frozenset({"endswith", "lower", "startswith", "strip", "upper"}),
}
_OF_LOOPS: Final = frozenset(
    {"depth", "first", "index", "index0", "last", "length", "revindex", "revindex0", "previtem", "nextitem"}
)


class _Environment(ImmutableSandboxedEnvironment):
    """Finds members of plain data only, and counts before it computes."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if attribute in _METHODS.get(
            cast("type[Any]", type(obj)), ()
        ):  # first, as in jinja2: a member may have such a name
            return Method(getattr(obj, attribute))
        if isinstance(obj, dict) and attribute in obj:
            return cast("dict[str, Any]", obj)[attribute]
        if isinstance(obj, LoopContext) and attribute in _OF_LOOPS:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return obj
        return self.undefined(hint=f"there is no '{attribute}' in what it looks into.", exc=_Missing)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj
        try:
            if isinstance(obj, (dict, list, str)):
                return cast("Any", obj)[argument]
        except (LookupError, TypeError):
            pass  # said below, without the key, which may be a value
        return self.undefined(hint="there is nothing under the key that it looks for.", exc=_Missing)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 as in jinja2
        if not isinstance(__obj, Method):
            raise Refused("it calls what is no function. Filters are written as {{ value|filter }}.")
        return __obj.function(*args, **{name: kwargs[name] for name in kwargs if not name.startswith("_")})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            counted(len(left) + len(right))
        elif not all(isinstance(side, (int, float)) and abs(side) <= _MAX_NUMBER for side in (left, right)):
            raise Refused(f"'{operator}' takes numbers of up to 18 digits; texts are put together by '~'.")
        return super().call_binop(context, operator, left, right)


@pass_context
def _counted_turns(context: Context, value: Any) -> list[Any]:
    if isinstance(value, Undefined):
        str(value)  # raises what is missing
    if not isinstance(value, Collection):
        raise Refused("it loops over what is no list.")
    turns = list(cast("Collection[Any]", value))
    steps: list[int] = context[_STEPS]
    steps[0] += len(turns)
    if steps[0] > MAX_STEPS:
        raise Refused(f"its loops take more than {MAX_STEPS:,} turns.")
    return turns


def _range(*bounds: int) -> list[int]:
    found = range(*bounds)
    if len(found) > MAX_STEPS:
        raise Refused(f"its range has more than {MAX_STEPS:,} numbers.")
    return list(found)


@pass_context
def _shown(context: Context, value: Any) -> str:
    """Return a value as it stands in the text; it takes the context so that nothing is worked out while reading."""
    del context
    return text_of(value)


_TESTS: Final = (
    *("defined", "undefined", "none", "string", "number", "mapping", "sequence", "odd", "even"),
    *("in", "eq", "ne", "lt", "le", "gt", "ge"),
)


def _make_environment() -> _Environment:
    made = _Environment(undefined=StrictUndefined, finalize=_shown, autoescape=False, optimized=False)
    tables = cast("Any", made)  # typed as what jinja2 puts into them
    tables.globals = {"range": Method(_range)}
    tables.filters = {**FILTERS, "(counted)": _counted_turns}
    tables.tests = {name: made.tests[name] for name in _TESTS}
    return made


_environment: Final = _make_environment()
