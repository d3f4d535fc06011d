"""Calls whose contents no log repeats: what a service sends is a secret before any filter can know it."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from threading import local

_OF_ANY_RECORD = frozenset(vars(logging.makeLogRecord({})))


@contextmanager
def unlogged(*packages: str) -> Generator[None]:
    """Keep what this thread sends and gets meanwhile out of the lines that packages log.

    Debug lines hold whole bodies, and a warning that an answer is none repeats it. The lines stay, without what they
    say; those of others are as they were.

    Args:    packages: such as `botocore`, imported before: the loggers that there are by now, and those below them.
    """
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in packages:  # a filter serves its own logger, not those below
            logging.getLogger(name).addFilter(_withholding)  # once: a logger knows which it has
    before: int = getattr(_thread, "calls", 0)
    _thread.calls = before + 1
    try:
        yield
    finally:
        _thread.calls = before


class _Withholding(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(_thread, "calls", 0):
            record.msg, record.args = "(withheld: a secret is on its way)", None
            record.exc_info = record.exc_text = None
            for name in set(vars(record)) - _OF_ANY_RECORD:  # given as `extra`
                delattr(record, name)
        return True


_withholding = _Withholding()
_thread = local()
