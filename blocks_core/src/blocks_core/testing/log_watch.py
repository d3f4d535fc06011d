"""`LogWatch`: all that any logger writes for a while, to search for a planted secret."""

from __future__ import annotations

import logging
from collections.abc import Collection
from types import TracebackType
from typing import Self

from blocks_core.masking import Mask


class LogWatch(logging.Handler):
    """Keeps every record of every logger, whatever its level, as text with all of its attributes."""

    def __init__(self, *, ignored: Collection[str] = ()) -> None:
        """Keep nothing yet.

        Args:    ignored: loggers of what plays the other side, in this process only because a test runs it.
        """
        super().__init__(level=1)
        self._ignored = frozenset(ignored)
        self.lines: list[str] = []
        self._before: list[tuple[logging.Logger, int, bool, bool]] = []
        self._disabled = 0

    def __enter__(self) -> Self:
        """Begin: let each logger write all it has, to here, too."""
        manager = logging.root.manager
        loggers = [found for found in manager.loggerDict.values() if isinstance(found, logging.Logger)]
        for logger in (logging.root, *loggers):
            self._before.append((logger, logger.level, logger.propagate, logger.disabled))
            logger.setLevel(1)
            logger.propagate, logger.disabled = True, False
        self._disabled, manager.disable = manager.disable, 0
        logging.root.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: let each logger be as it was."""
        logging.root.removeHandler(self)
        logging.root.manager.disable = self._disabled
        for logger, level, propagate, disabled in self._before:
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled
        self._before.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        if record.name in self._ignored:
            return
        shown = logging.Formatter().format(record)
        self.lines.append(f"{record.name}: {shown} {vars(record)!r}")


def assert_hidden(secret: str, *texts: str) -> None:
    """Fail if a secret stands in one of these texts, as it is or as URLs, base64, JSON and Python write it."""
    mask = Mask([secret])
    for text in texts:
        shown = mask.hide(text)
        assert shown == text, f"a secret shows, where ********** stands: {shown[-2000:]}"
