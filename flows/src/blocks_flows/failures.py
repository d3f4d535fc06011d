"""The text of an exception, as it may be shown and recorded."""

from __future__ import annotations

from typing import Final

from blocks_core.mask import SECRETS_IN_USE

_MAX_MESSAGE: Final = 2000
_MAX_READ: Final = 1_000_000
"""Of an exception's text: more would take long to look through."""


class RemoteTraceback(Exception):
    """The traceback of an exception that came from another process, as its cause: a text, without secrets."""


def describe(error: BaseException) -> str:
    """Return an exception as a short text: its class and what it says, without the secrets in use."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the exception is the user's code, and so is what makes its text
        text = "(its text cannot be made)"
    length = len(text)
    text = SECRETS_IN_USE.hide(text[:_MAX_READ])  # before it is cut: the half of a secret would not be found
    if len(text) > _MAX_MESSAGE or length > _MAX_READ:
        text = f"{text[:_MAX_MESSAGE]}… ({length} characters)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
