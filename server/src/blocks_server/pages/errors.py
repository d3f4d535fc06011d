"""The errors of pages, and what a page says of any error.

BlocksError
└── ServerError
    ├── FormNotOurs      what was sent does not come from a page of this server
    └── FormUnreadable   what was sent is no form
"""

from __future__ import annotations

from blocks_core.errors import BlocksError, VersionConflict
from blocks_registry.remote_problems import problem_of
from blocks_server.errors import ServerError


class FormNotOurs(ServerError):
    """What was sent does not come from a page of this server that this browser has open; nothing was done."""

    status = 403


class FormUnreadable(ServerError):
    """What was sent is no form, or is not in UTF-8; nothing was done."""

    status = 400


def status_of(error: BlocksError) -> int:
    """Return the status of the page that tells of an error."""
    if isinstance(error, VersionConflict):
        return 409  # 412 is for what a header of a request asks for
    status = problem_of(error)["status"]
    assert isinstance(status, int)
    return status


def detail_of(error: BlocksError) -> str:
    """Return what a visitor is told of an error; of some only who runs the server learns more."""
    return str(problem_of(error)["detail"])
