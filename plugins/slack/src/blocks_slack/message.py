"""A `Message` as Slack shows it: blocks of Block Kit, cut to the lengths that Slack takes.

The first blocks carry title, text and link; facts, detail and level follow in an attachment, which is the
one documented means that has a colour.

Source:  https://docs.slack.dev/reference/block-kit/blocks (lengths and numbers),
         https://docs.slack.dev/messaging/formatting-message-text (escaping),
         https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments (colour).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blocks_core.messages import Message

MAX_HEADER = 150
MAX_TEXT = 3000
MAX_FIELDS = 10
MAX_FIELD = 2000
MAX_LABEL = 200
MAX_URL = 3000
MAX_FACTS = 100
"""Ten sections: with the other blocks far below the 50 that a message may have."""

COLOURS = {"info": "#3b7dd8", "warning": "#d9a400", "error": "#c9302c"}

BlockKit = dict[str, Any]


def render(message: Message) -> dict[str, Any]:
    """Return the body of the request that posts a message; `text` is what notifications show."""
    fallback = message.title.strip() or message.text.strip() or message.level
    return {
        "text": escaped(fallback, MAX_TEXT),
        "blocks": list(_main_blocks(message)) or [_section(escaped(message.level, MAX_TEXT))],
        "attachments": [{"color": COLOURS[message.level], "blocks": list(_attached_blocks(message))}],
    }


def escaped(text: str, limit: int) -> str:
    """Return text with Slack's three control characters escaped, cut to a length with an ellipsis.

    >>> escaped("<!channel> & all", 40)
    '&lt;!channel&gt; &amp; all'
    >>> escaped("a & b", 6)
    'a …'
    """
    whole = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(whole) <= limit:
        return whole
    kept = whole[: limit - 1]
    entity = kept.rfind("&")
    if entity >= 0 and ";" not in kept[entity:]:  # never half an escape sequence
        kept = kept[:entity]
    return f"{kept}…"


def _main_blocks(message: Message) -> Iterator[BlockKit]:
    if title := message.title.strip():
        yield {
            "type": "header",
            "text": {"type": "plain_text", "text": _cut(title, MAX_HEADER), "emoji": False},
        }
    if message.text.strip():
        yield _section(escaped(message.text, MAX_TEXT))
    if message.link and _fits_a_button(message.link):
        button = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": message.link}
        yield {"type": "actions", "elements": [button]}


def _attached_blocks(message: Message) -> Iterator[BlockKit]:
    fields = [_field(label, value) for label, value in list(message.facts.items())[:MAX_FACTS]]
    for start in range(0, len(fields), MAX_FIELDS):
        yield {"type": "section", "fields": fields[start : start + MAX_FIELDS]}
    if message.detail.strip():
        # The end is what matters in a log or a traceback. This text is not mrkdwn: nothing is escaped.
        tail = _cut(message.detail[::-1], MAX_TEXT)[::-1]
        code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": tail}]}
        yield {"type": "rich_text", "elements": [code]}
    yield {"type": "context", "elements": [_mrkdwn(note) for note in _notes(message)]}


def _notes(message: Message) -> Iterator[str]:
    yield message.level.capitalize()
    if message.link and not _fits_a_button(message.link):
        yield escaped(message.link, MAX_FIELD)
    if len(message.facts) > MAX_FACTS:
        yield f"… and {len(message.facts) - MAX_FACTS} more facts"


def _fits_a_button(link: str) -> bool:
    """Tell whether Slack takes a link as a button's address; else it would refuse the whole message."""
    return link.startswith(("https://", "http://")) and len(link) <= MAX_URL


def _section(text: str) -> BlockKit:
    return {"type": "section", "text": _mrkdwn(text)}


def _field(label: str, value: str) -> Mapping[str, str]:
    bold = f"*{escaped(label, MAX_LABEL)}*\n"
    return _mrkdwn(bold + escaped(value, MAX_FIELD - len(bold)))


def _mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
