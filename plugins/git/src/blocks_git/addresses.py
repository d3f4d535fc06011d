"""Addresses of remotes, and names of references, that git may be given.

Source:  https://git-scm.com/docs/git-clone#_git_urls, https://git-scm.com/docs/git-check-ref-format
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

SCHEMES = ("https", "http", "ssh", "git", "file")

_SCP = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!/)[\w./~+-]+", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9:][\w.:-]*", re.ASCII)
_REFERENCE = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]{1,255}")


def scheme_of(url: str) -> str:
    """Return the protocol of an address; `git@host:path` is of ssh."""
    return url.partition("://")[0] if "://" in url else "ssh"


def origin_of(url: str) -> str:
    """Return protocol, host and port of an address of the web."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_protected(url: str) -> bool:
    """Tell whether a password that is sent there cannot be read on the way."""
    if scheme_of(url) != "http":
        return scheme_of(url) == "https"
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def problem_of_url(url: str) -> str | None:
    """Return why git is not to be given an address, without repeating it, or None."""
    if not url.isprintable() or url.split() != [url]:
        return "it has a space or a control character. Copy it again."
    if "://" not in url:
        if _SCP.fullmatch(url):
            return None
        return f"it must start with one of {', '.join(SCHEMES)} and ://, or be like git@host:path."
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "it is no address. Copy it again."
    return _problem_of_parts(parts)


def _problem_of_parts(parts: SplitResult) -> str | None:
    if parts.scheme not in SCHEMES:
        return f"it must start with one of {', '.join(SCHEMES)} and ://."
    if parts.password is not None:
        return "it has a password, and addresses are shown. Put it into password."
    if parts.username is not None and parts.scheme != "ssh":
        return "it has a user's name or a token, and addresses are shown. Use username and password."
    if parts.query or parts.fragment:
        return "it has a part after ? or #. Leave that out; a branch goes into reference."
    host = parts.hostname or ""
    if parts.scheme == "file":
        return (
            None
            if parts.path.startswith("/") and not host
            else "it must be file:// and a path from the root."
        )
    is_whole = _HOST.fullmatch(host) and parts.path.strip("/") and not (parts.username or "x").startswith("-")
    return None if is_whole else "it names no host or no repository. Copy it again."


def problem_of_reference(reference: str) -> str | None:
    """Return why a text can be no branch, tag or commit, or None."""
    wrong = (
        not _REFERENCE.fullmatch(reference)
        or reference.startswith(("-", "/"))
        or reference.endswith(("/", ".", ".lock"))
        or any(part in reference for part in ("..", "//", "@{"))
        or reference == "@"
        or (is_commit(reference) and set(reference) == {"0"})  # which is how git writes that there is none
    )
    return "it is no name of a branch, a tag or a commit." if wrong else None


def is_commit(reference: str) -> bool:
    """Tell whether a reference is a commit's whole hash."""
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", reference) is not None
