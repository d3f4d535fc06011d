"""Text templates in Jinja2's language, for texts that people write and machines fill in.

Whoever may write a template may not run code by it: see `template_engine` for what it can do. A template of JSON is
JSON whose texts are templates, so that no value can break out of its place.

Needs jinja2, which is imported at first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from blocks_core.errors import PackageMissing, TemplateInvalid, did_you_mean

if TYPE_CHECKING:
    from blocks_core.template_engine import Compiled

MAX_CHARACTERS = 20_000
"""Of one template."""

MAX_LEVELS = 20
"""Of lists and dicts in each other, in a template of JSON and in the values."""

_MAX_TEXTS = 1_000


def render(text: str, values: Mapping[str, object]) -> str:
    """Return a template with values in its places: texts, numbers, truth values, dates, lists and dicts.

    >>> render("{{ title }} ({{ facts.State|lower }})", {"title": "Flow etl", "facts": {"State": "Failed"}})
    'Flow etl (failed)'

    Raises:  TemplateInvalid: it cannot be read, asks for a value that there is not, or makes too much; the message
             names the line, and never shows a value. PackageMissing.
    """
    compiled = _compiled(text)
    _refuse_unknown(compiled, values)
    return compiled.render(_plain(values, "the values"))


def check(text: str, names: Iterable[str]) -> None:
    """Refuse a template that cannot be read, or asks for other values than these.

    Raises:  TemplateInvalid, PackageMissing.
    """
    _refuse_unknown(_compiled(text), frozenset(names))


def render_json(template: Any, values: Mapping[str, object]) -> Any:
    """Return JSON with each text in it rendered; keys, numbers and the structure stay as they are.

    >>> render_json({"text": "{{ title }}", "mute": False}, {"title": 'say "hi"'})
    {'text': 'say "hi"', 'mute': False}

    Raises:  TemplateInvalid: as `render`; the message names the place, such as `blocks[0].text`. PackageMissing.
    """
    plain = _plain(values, "the values")
    for place, text in _texts_of(template):
        with _at(place):
            _refuse_unknown(_compiled(text), plain)
    return _filled(template, plain, "")


def check_json(template: Any, names: Iterable[str]) -> None:
    """Refuse a template of JSON that cannot be read, or asks for other values than these.

    Raises:  TemplateInvalid, PackageMissing.
    """
    known = frozenset(names)
    for place, text in _texts_of(template):
        with _at(place):
            _refuse_unknown(_compiled(text), known)


class _at:  # noqa: N801 used like a function
    """Names the place in a template of JSON whose text is refused."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TemplateInvalid) and self._place:
            raise TemplateInvalid(f"{self._place}: {error}") from None


def _compiled(text: str) -> Compiled:
    if len(text) > MAX_CHARACTERS:
        raise TemplateInvalid(
            f"The template has {len(text):,} characters. Write one of at most {MAX_CHARACTERS:,}."
        )
    try:
        from blocks_core.template_engine import compile_template  # late: it imports jinja2
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("jinja2", "markupsafe"):
            raise
        raise PackageMissing('Templates need the package jinja2. Run "pip install jinja2".') from error
    return compile_template(text)


def _refuse_unknown(compiled: Compiled, known: Iterable[str]) -> None:
    names = frozenset(known)
    for name, line in compiled.names.items():
        if name not in names:
            guesses = did_you_mean(get_close_matches(name, names, n=2))
            there = ", ".join(sorted(names)) or "none"
            raise TemplateInvalid(
                f"Line {line} of the template asks for '{name}', which there is not{guesses}. There are: {there}."
            )


def _texts_of(template: Any) -> Iterator[tuple[str, str]]:
    """Yield the texts of a template of JSON in which something is to be filled in, each with its place."""
    for count, (place, leaf) in enumerate(_leaves(template, "", 0)):
        if count >= _MAX_TEXTS:
            raise TemplateInvalid(f"The template has more than {_MAX_TEXTS:,} values. Write a smaller one.")
        if isinstance(leaf, str) and "{" in leaf:
            yield place, leaf


def _leaves(template: Any, place: str, level: int) -> Iterator[tuple[str, Any]]:
    if level > MAX_LEVELS:
        raise TemplateInvalid(f"The template has more than {MAX_LEVELS} levels. Write a flatter one.")
    if isinstance(template, Mapping):
        for key, inner in cast("Mapping[str, Any]", template).items():
            yield from _leaves(inner, f"{place}.{key}" if place else str(key), level + 1)
    elif isinstance(template, (list, tuple)):
        for index, inner in enumerate(cast("list[Any]", template)):
            yield from _leaves(inner, f"{place}[{index}]", level + 1)
    else:
        yield place, template


def _filled(template: Any, values: Mapping[str, Any], place: str) -> Any:
    if isinstance(template, Mapping):
        members = cast("Mapping[str, Any]", template).items()
        return {key: _filled(inner, values, f"{place}.{key}" if place else key) for key, inner in members}
    if isinstance(template, (list, tuple)):
        items = enumerate(cast("list[Any]", template))
        return [_filled(inner, values, f"{place}[{index}]") for index, inner in items]
    if isinstance(template, str) and "{" in template:
        with _at(place):
            return _compiled(template).render(values)
    return template


def _plain(value: object, what: str, level: int = 0) -> Any:
    """Return a value as plain data, of which a template can reach nothing but what is in it."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass, the text
    if isinstance(value, date):
        return value.isoformat()
    if level < MAX_LEVELS:
        if isinstance(value, Mapping):
            members = cast("Mapping[object, object]", value).items()
            return {str(key): _plain(inner, f"'{key}'", level + 1) for key, inner in members}
        if isinstance(value, (list, tuple)):
            return [_plain(inner, what, level + 1) for inner in cast("list[object]", value)]
    raise TemplateInvalid(
        f"In what a template is given, {what} has a value of the type {type(value).__name__} or is nested too "
        f"deeply. Give texts, numbers, lists and dicts."
    )
