"""What a browser does with a form: which names and values it sends, for whoever drives none.

Source: HTML, "Constructing the entry list" and "Value sanitization".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode


@dataclass
class Control:
    """An input, a text area, a select or a button."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    options: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.attributes.get("name") or ""

    @property
    def value(self) -> str:
        if self.tag == "textarea":
            return self.text.removeprefix("\n")
        if self.tag == "select":
            chosen = [value for value, selected in self.options if selected]
            return chosen[-1] if chosen else self.options[0][0]
        value = self.attributes.get("value") or ""
        kind = self.attributes.get("type", "text")
        if kind == "date" and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return ""
        return re.sub(r"[\r\n]", "", value) if kind in ("text", "password") else value

    @property
    def is_sent(self) -> bool:
        kind = self.attributes.get("type", "text")
        return (
            bool(self.name) and self.tag != "button" and (kind != "checkbox" or "checked" in self.attributes)
        )


class FormPage(HTMLParser):
    """A form as it was rendered."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.controls: list[Control] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: Control | None = None
        self.feed(html.encode().decode())  # it can be sent
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag in ("input", "textarea", "select", "button"):
            control = Control(tag, attributes)
            self.controls.append(control)
            if tag in ("textarea", "select"):
                self._open = control
        elif tag == "option" and self._open is not None:
            self._open.options.append((attributes.get("value") or "", "selected" in attributes))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select"):
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None and self._open.tag == "textarea":
            self._open.text += data
        self.text += data

    def control(self, name: str) -> Control:
        (found,) = [
            one for one in self.controls if one.name == name and one.attributes.get("type") != "hidden"
        ]
        return found

    def names(self) -> list[str]:
        return [one.name for one in self.controls]

    def sent(
        self,
        changes: Mapping[str, str | Sequence[str]] | None = None,
        *,
        without: Sequence[str] = (),
        press: str = "",
    ) -> list[tuple[str, str]]:
        """Return what is sent when a button is pressed, after inputs of these names were given other values."""
        changes = changes or {}
        pairs = [(one.name, one.value) for one in self.controls if one.is_sent and one.name not in without]
        found = [(name, value) for name, value in pairs if name not in changes]
        for name, value in changes.items():
            assert name in self.names(), f"no input {name}"
            found += [(name, value)] if isinstance(value, str) else [(name, one) for one in value]
        if press:
            assert ("~do", press) in [(one.name, one.attributes.get("value")) for one in self.controls]
            found.append(("~do", press))
        return over_the_wire(found)


def over_the_wire(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return pairs as a server gets them: lines end in CR LF."""
    sent = [(name, re.sub(r"\r\n|\r|\n", "\r\n", value)) for name, value in pairs]
    return parse_qsl(urlencode(sent), keep_blank_values=True, strict_parsing=bool(sent))
