"""Every error that the server raises of itself; those of the registry go through it as they are.

BlocksError
└── ServerError            the server does not do what was asked
    ├── RequestInvalid     the body, the query or a header cannot be read, or does not fit
    ├── RequestTooLarge    the body is larger than the server takes
    ├── RequestTooSlow     the body did not arrive in time
    ├── CheckTooSlow       a block's check did not end in time
    ├── ChecksOff          this server runs no checks of blocks
    ├── ServerBusy         so many checks run that another has to wait
    └── StartRefused       the server cannot be started as it was asked
"""

from __future__ import annotations

from collections.abc import Sequence

from blocks_core.errors import BlocksError, FieldProblem


class ServerError(BlocksError):
    """The server does not do what was asked."""

    status = 500
    """Of the answer that tells of it."""


class RequestInvalid(ServerError):
    """The body, the query or a header cannot be read, or does not fit; nothing of what was sent is repeated."""

    status = 422

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(message)


class RequestTooLarge(ServerError):
    """The body is larger than the server takes."""

    status = 413


class RequestTooSlow(ServerError):
    """The body did not arrive in time."""

    status = 408


class CheckTooSlow(ServerError):
    """A block's check did not end in time."""

    status = 504


class ChecksOff(ServerError):
    """No check of a block is run by this server."""

    status = 403


class ServerBusy(ServerError):
    """So many checks run that another has to wait."""

    status = 503


class StartRefused(ServerError):
    """The server cannot be started as it was asked."""
