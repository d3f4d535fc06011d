"""A `Message` as an email: text, and the same as HTML.

Nothing that a message holds becomes a header, an address or a tag: line ends are taken out of the subject, and the
HTML is escaped.

Source:  RFC 5322 (headers), RFC 2046 section 5.1.4 (alternatives), RFC 3834 (answers by machines).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, localtime, make_msgid
from html import escape

from blocks_core.messages import Message
from blocks_notify.cutting import COLOURS, cut, headline, tail, web_link
from blocks_notify.email_message import split_address

_MAX_SUBJECT = 200
_MAX_TEXT = 100_000
_MAX_DETAIL = 100_000
_MAX_FACTS = 200
_MAX_FACT = 2_000


def compose(message: Message, sender: str, to: Sequence[str], cc: Sequence[str]) -> EmailMessage:
    """Return the email that carries a message; who gets a blind copy is no part of it."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _one_line(headline(message, _MAX_SUBJECT))
    mail["From"] = _mailbox(sender)
    mail["To"] = ", ".join(_mailbox(one) for one in to)
    if cc:
        mail["Cc"] = ", ".join(_mailbox(one) for one in cc)
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = make_msgid(domain=split_address(sender)[1].rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    if message.level == "error":
        mail["Importance"] = "high"
    mail.set_content("\n\n".join(_text_parts(message)), cte="base64")
    mail.add_alternative("\n".join(_html_parts(message)), subtype="html", cte="base64")
    return mail


def _mailbox(text: str) -> str:
    return formataddr(split_address(text))


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in _sendable(text))


def _sendable(text: str) -> str:
    """Return a text without halves of characters, which no encoding has."""
    return text.encode(errors="replace").decode()


def _text_parts(message: Message) -> Iterator[str]:
    yield _sendable(headline(message, _MAX_TEXT))
    if message.text.strip():
        yield _sendable(cut(message.text, _MAX_TEXT))
    if message.facts:
        yield "\n".join(f"{_sendable(name)}: {_sendable(fact)}" for name, fact in _facts(message))
    if message.link:
        yield _sendable(cut(message.link, _MAX_FACT))
    if message.detail.strip():
        yield _sendable(tail(message.detail, _MAX_DETAIL))


def _html_parts(message: Message) -> Iterator[str]:
    colour = COLOURS[message.level]
    yield '<!doctype html><html><head><meta charset="utf-8"></head><body style="font-family: sans-serif">'
    title = _tagless(headline(message, _MAX_TEXT))
    yield f'<h2 style="border-left: 6px solid #{colour}; padding-left: 10px">{title}</h2>'
    if message.text.strip():
        yield f'<p style="white-space: pre-wrap">{_tagless(cut(message.text, _MAX_TEXT))}</p>'
    if message.facts:
        yield '<table cellpadding="4">'
        for name, fact in _facts(message):
            yield f'<tr><th align="left" valign="top">{_tagless(name)}</th><td>{_tagless(fact)}</td></tr>'
        yield "</table>"
    if link := web_link(message):
        yield f'<p><a href="{_tagless(link)}">{_tagless(link)}</a></p>'
    elif message.link:
        yield f"<p>{_tagless(cut(message.link, _MAX_FACT))}</p>"
    if message.detail.strip():
        yield f'<pre style="background: #f4f4f4; padding: 10px">{_tagless(tail(message.detail, _MAX_DETAIL))}</pre>'
    yield "</body></html>"


def _facts(message: Message) -> Iterator[tuple[str, str]]:
    kept = list(message.facts.items())[:_MAX_FACTS]
    yield from ((cut(name, _MAX_FACT), cut(fact, _MAX_FACT)) for name, fact in kept)
    if len(message.facts) > len(kept):
        yield "…", f"and {len(message.facts) - len(kept)} more facts"


def _tagless(text: str) -> str:
    return escape(_sendable(text))
