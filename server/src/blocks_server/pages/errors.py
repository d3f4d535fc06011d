"""The errors of pages.

BlocksError
└── ServerError
    ├── FormNotOurs      what was sent does not come from a page of this server
    └── FormUnreadable   what was sent is no form
"""

from __future__ import annotations

from blocks_server.errors import ServerError


class FormNotOurs(ServerError):
    """What was sent does not come from a page of this server that this browser has open; nothing was done."""

    status = 403


class FormUnreadable(ServerError):
    """What was sent is no form, or is not in UTF-8; nothing was done."""

    status = 400
