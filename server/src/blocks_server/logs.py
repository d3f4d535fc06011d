"""What the server logs: a line for each request, and what went wrong; for people or as JSON, without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, TextIO

from blocks_core.errors import BlocksError
from blocks_core.masking import HIDDEN, MaskingFilter

LogFormat = Literal["console", "json"]

LOGGER: Final = logging.getLogger("blocks_server")
REQUESTS: Final = logging.getLogger("blocks_server.requests")

_MAX_PATH = 300
_BEARER = re.compile(r"bl[ksc]_[A-Za-z0-9_-]{8,}")
"""A token, a session or a login code, such as one that somebody wrote into an address."""


class _Lines(logging.Formatter):
    """A line for people: time, level, message."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{_second(int(record.created))} {record.levelname} {without_bearers(_printable(record.getMessage()))}"
        return f"{text}\n{without_bearers(record.exc_text)}" if record.exc_text else text


class _JsonLines(logging.Formatter):
    """A JSON object on a line, with the fields of the request."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_text:
            line["traceback"] = record.exc_text
        return without_bearers(json.dumps(line))


class _NoTraceback(logging.Filter):
    """Takes tracebacks of other packages out: their last line is an error's message, which may repeat a value."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None and not record.name.startswith(LOGGER.name):
            record.exc_text = frames_of(record.exc_info[1])
        return True


def set_up_logs(form: LogFormat, stream: TextIO | None = None) -> None:
    """Send what the server and its web server log to a stream, standard error by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _Lines())
    handler.addFilter(_NoTraceback())
    handler.addFilter(MaskingFilter())
    for name in (LOGGER.name, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)


def log_request(fields: dict[str, object]) -> None:
    """Log a request that was answered."""
    if REQUESTS.isEnabledFor(logging.INFO):
        fields["path"] = without_bearers(str(fields["path"])[:_MAX_PATH])
        text = (
            f"{fields['method']} {fields['path']} {fields['status']} {fields['milliseconds']} ms "
            f"{fields['token'] or '-'} {fields['client']} {fields['request_id']}"
        )
        # As `REQUESTS.info` does, without the search for who called: there is one such line for each request.
        REQUESTS.handle(
            REQUESTS.makeRecord(REQUESTS.name, logging.INFO, "", 0, text, (), None, extra={"fields": fields})
        )


def log_failure(error: BlocksError, request_id: str) -> None:
    """Log why the server could not do what was asked, which is for who runs it; our errors never say a secret."""
    LOGGER.error(
        "Request %s failed: %s: %s",
        request_id,
        type(error).__name__,
        error,
        extra={"fields": {"request_id": request_id, "error": type(error).__name__}},
    )


def log_unforeseen(error: BaseException, request_id: str) -> None:
    """Log where an error came from, and not what it says, which may repeat what was sent."""
    LOGGER.error(
        "Request %s failed in a way that nobody foresaw: %s\n%s",
        request_id,
        type(error).__name__,
        frames_of(error),
        extra={"fields": {"request_id": request_id}},
    )


def frames_of(error: BaseException) -> str:
    """Return the lines of code that an error came through, and its class."""
    return "".join([*traceback.format_tb(error.__traceback__), type(error).__name__])


def without_bearers(text: str) -> str:
    """Return a text without what looks like a token, a session or a login code."""
    return _BEARER.sub(HIDDEN, text)


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    """Return a time, which is the same text for all lines of a second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S%z")


def _printable(text: str) -> str:
    """Return a text in which nothing steers a terminal or begins a line that looks like another."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
