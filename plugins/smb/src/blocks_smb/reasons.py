"""What the answers of SMB servers mean and what to do about them; known by their numbers, without a package.

Source:  [MS-ERREF] section 2.3.1 (NTSTATUS values).
"""

from __future__ import annotations

from collections.abc import Mapping

_BUSY = "Try again, or look at who has it open (Samba: smbstatus)."
_LATER = "Try again later, or look at the server's log."

LOST = frozenset({0xC00000C9, 0xC0000203, 0xC000020C, 0xC000020D, 0xC000035C})
"""The session or the connection is not known there any more: a new one may be."""

OPEN_ELSEWHERE = frozenset({0xC0000043, 0xC0000056})
"""Somebody has the file open right now, or it goes when they close it."""

SHORT = frozenset({0xC0000017, 0xC000009A, 0xC0000205})
"""The server lacks something right now, as one may that was killed and has just been started: nothing was done."""

ACCESS_DENIED = 0xC0000022
A_LINK = 0x8000002D
NO_FOLDER = 0xC000003A
NO_SHARE = 0xC00000CC

_REASONS: Mapping[int, tuple[str, str]] = {
    A_LINK: ("STATUS_STOPPED_ON_SYMLINK", "it is a link that leads out of the share. Name the file itself."),
    ACCESS_DENIED: (
        "STATUS_ACCESS_DENIED",
        "access was refused. Give the user the right to it, in the share's permissions and in those of its files; "
        "a share may be read-only.",
    ),
    0xC0000017: ("STATUS_NO_MEMORY", f"the server lacks memory. {_LATER}"),
    0xC0000033: ("STATUS_OBJECT_NAME_INVALID", "the server takes no such name. Choose another one."),
    0xC0000035: (
        "STATUS_OBJECT_NAME_COLLISION",
        "something else is in the way. Remove it, or choose another path.",
    ),
    0xC0000039: ("STATUS_OBJECT_PATH_INVALID", "the server takes no such path. Choose another one."),
    0xC000003B: ("STATUS_OBJECT_PATH_SYNTAX_BAD", "the server takes no such path. Choose another one."),
    0xC0000043: ("STATUS_SHARING_VIOLATION", f"somebody has the file open. {_BUSY}"),
    0xC0000044: ("STATUS_QUOTA_EXCEEDED", "the user's quota is used up. Make room, or raise the quota."),
    0xC0000056: ("STATUS_DELETE_PENDING", f"the file is being removed, and somebody has it open. {_BUSY}"),
    0xC0000064: ("STATUS_NO_SUCH_USER", "the server knows no such user. Check username and domain."),
    0xC000006A: ("STATUS_WRONG_PASSWORD", "the password is wrong. Check it."),
    0xC000006D: (
        "STATUS_LOGON_FAILURE",
        "the server knows no such user, or the password is wrong. Check username, password and domain.",
    ),
    0xC000006E: (
        "STATUS_ACCOUNT_RESTRICTION",
        "the account is restricted: by hours, machines, or an empty password. Ask who runs the server.",
    ),
    0xC000006F: (
        "STATUS_INVALID_LOGON_HOURS",
        "the user may not log on at this hour. Ask who runs the server.",
    ),
    0xC0000070: (
        "STATUS_INVALID_WORKSTATION",
        "the user may not log on from this machine. Ask who runs the server.",
    ),
    0xC0000071: (
        "STATUS_PASSWORD_EXPIRED",
        "the password has expired. Change it on the server, and save it here.",
    ),
    0xC0000072: ("STATUS_ACCOUNT_DISABLED", "the account is disabled. Enable it on the server."),
    0xC000007F: ("STATUS_DISK_FULL", "no space is left there. Make room, or choose another share."),
    0xC000009A: ("STATUS_INSUFFICIENT_RESOURCES", f"the server lacks resources. {_LATER}"),
    0xC00000A2: (
        "STATUS_MEDIA_WRITE_PROTECTED",
        "it is read-only. Choose another share, or make it writable.",
    ),
    0xC00000B5: ("STATUS_IO_TIMEOUT", f"the server waited for its disk in vain. {_LATER}"),
    0xC00000BA: ("STATUS_FILE_IS_A_DIRECTORY", "it is a folder. Name a file."),
    0xC00000BB: ("STATUS_NOT_SUPPORTED", "the server cannot do that. Check what kind of share it is."),
    NO_SHARE: ("STATUS_BAD_NETWORK_NAME", "the server has no such share. Check share, or create it there."),
    0xC00000D0: ("STATUS_REQUEST_NOT_ACCEPTED", f"the server has as many connections as it takes. {_LATER}"),
    0xC0000101: ("STATUS_DIRECTORY_NOT_EMPTY", "a folder is in the way. Remove it, or choose another path."),
    0xC0000106: ("STATUS_NAME_TOO_LONG", "the name is too long. Choose a shorter one."),
    0xC000015B: (
        "STATUS_LOGON_TYPE_NOT_GRANTED",
        "the user may not log on over the network. Grant it on the server.",
    ),
    0xC0000193: ("STATUS_ACCOUNT_EXPIRED", "the account has expired. Renew it on the server."),
    0xC0000205: ("STATUS_INSUFF_SERVER_RESOURCES", f"the server lacks resources. {_LATER}"),
    0xC0000224: (
        "STATUS_PASSWORD_MUST_CHANGE",
        "the password must be changed before the first use. Change it on the server, and save it here.",
    ),
    0xC0000234: ("STATUS_ACCOUNT_LOCKED_OUT", "the account is locked out. Wait, or unlock it on the server."),
    0xC000026D: ("STATUS_DFS_UNAVAILABLE", f"the DFS server does not know where the share is. {_LATER}"),
    0xC0000466: ("STATUS_SERVER_UNAVAILABLE", f"the server is not available. {_LATER}"),
}


class ShareError(Exception):
    """What a server, or the way to it, did not do: why, and what to do; no secret, and no path."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(reason)


def why_failed(status: int) -> str:
    """Return what an answer means and what to do.

    >>> why_failed(0xC0000072)
    'the account is disabled. Enable it on the server (STATUS_ACCOUNT_DISABLED).'
    """
    name, reason = _REASONS.get(
        status, (f"NTSTATUS 0x{status:08X}", "the server refused it. Look at the server's log")
    )
    return f"{reason.rstrip('.')} ({name})."
