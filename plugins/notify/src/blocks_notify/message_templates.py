"""Templates that are filled in with the parts of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from blocks_core import templates
from blocks_core.messages import Message

NAMES = ("detail", "facts", "level", "link", "text", "title")
"""What a template can ask for."""


def values_of(message: Message) -> dict[str, Any]:
    """Return the parts of a message by their names."""
    return {
        "title": message.title,
        "text": message.text,
        "level": message.level,
        "facts": dict(message.facts),
        "detail": message.detail,
        "link": message.link,
    }


def fill(template: str, message: Message) -> str:
    """Return a template filled in with a message.

    Raises:  TemplateInvalid.
    """
    return templates.render(template, values_of(message)) if "{" in template else template


def check_payload(payload: Mapping[str, Any]) -> None:
    """Refuse a payload with a template that cannot be read or asks for what a message has not.

    Raises:  TemplateInvalid.
    """
    templates.check_json(payload, NAMES)


def fill_payload(payload: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload with its texts filled in.

    Raises:  TemplateInvalid.
    """
    return templates.render_json(payload, values)


def _check_text(template: str | None) -> str | None:
    if template is not None and "{" in template:
        templates.check(template, NAMES)
    return template


MessageTemplate = Annotated[str, AfterValidator(_check_text)]
"""A field whose text is a template with the parts of a message."""
