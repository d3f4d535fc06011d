"""Calls whose secrets no log shows, whatever the packages below write into their logs."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from blocks_core.masking import without

_OF_ANY_RECORD = frozenset(vars(logging.makeLogRecord({})))


@dataclass(frozen=True)
class Call:
    """A call that is under way, and what of it no log may show."""

    secrets: tuple[str, ...] = field(repr=False)
    withholding: bool = False
    """Take out all that lines below a warning say: they hold bodies, in forms that nobody can know."""
    warnings: list[str] = field(default_factory=list[str], repr=False)
    """What was logged as a warning or worse meanwhile, without the secrets."""


@contextmanager
def hidden_in_logs(call: Call, loggers: Iterable[str]) -> Generator[None]:
    """Take a call's secrets out of what loggers write for it; what they write for others is as it was.

    Args:    loggers: by name; a filter serves its own logger, and not those below it.
    """
    for name in loggers:
        logging.getLogger(name).addFilter(_masking)  # once: a logger knows which it has
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


class _Masking(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        call = _call.get()
        if call is None:
            return True
        if call.withholding:
            record.exc_info = record.exc_text = record.stack_info = None
            for name in set(vars(record)) - _OF_ANY_RECORD:  # given as `extra`
                delattr(record, name)
        if call.withholding and record.levelno < logging.WARNING:
            record.msg = "(withheld: a secret is on its way)"
        else:
            record.msg = without(record.getMessage(), call.secrets)
            if record.levelno >= logging.WARNING:
                call.warnings.append(record.msg)
        record.args = None
        return True


_call: ContextVar[Call | None] = ContextVar("call", default=None)
_masking = _Masking()
