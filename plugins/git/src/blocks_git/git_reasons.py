"""What git's messages mean and what to do about them.

Source:  the texts of git itself (LC_ALL=C), of OpenSSH, and of the large services.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from blocks_core.masking import without

MAX_SAID = 400

_REASONS: tuple[tuple[str, str], ...] = (
    (
        r"could not read Username|terminal prompts disabled",
        "The remote asks for a login, or there is no such repository. Check url, and give password.",
    ),
    (
        r"Authentication failed|HTTP Basic: Access denied|error: 401",
        "The remote did not accept the password. Check username and password, and whether the token has expired.",
    ),
    (
        r"error: 403|Permission to .* denied|access denied or repository not exported",
        "The remote does not let the bearer read the repository. Give the token the permission to read it.",
    ),
    (
        r"Host key verification failed|No .* host key is known",
        "The host's key is not known, or is another one. Give known_hosts (ssh-keyscan shows the key; compare it).",
    ),
    (
        r"Permission denied \(|Load key|invalid format|error in libcrypto",
        "The host did not accept the key. Check ssh_private_key: it is given whole, and has no passphrase.",
    ),
    (
        r"Repository not found|repository .* not found|does not appear to be a git repository|error: 404",
        "There is no such repository, or the bearer may not see it. Check url and the login.",
    ),
    (r"dubious ownership", "The folder belongs to another user. Let this user own it, or reach it by ssh."),
    (
        r"not our ref|unadvertised object|nonexistent object|couldn't find remote ref|bad object",
        "The remote does not have it, or not any more. Check reference.",
    ),
    (
        r"SSL certificate problem|server certificate verification|certificate verify",
        "Its certificate is not trusted. Check url; GIT_SSL_CAINFO names a file of certificates to trust.",
    ),
    (
        r"Could not resolve host|Name or service not known|Connection refused|Failed to connect|No route to host"
        r"|Network is unreachable|Couldn't connect|Connection timed out|unable to connect",
        "It cannot be reached. Check url, the network and the proxy (https_proxy).",
    ),
    (
        r"early EOF|hung up unexpectedly|RPC failed|unexpected disconnect|transfer closed|Connection reset"
        r"|Empty reply|Operation too slow",
        "The answer broke off. Check the network, and try again.",
    ),
    (r"No space left|Disk quota", "No space is left for the cache. Make room, or set cache_folder."),
    (r"Permission denied|Read-only file system", "The cache cannot be written. Set cache_folder."),
    (
        r"not valid: is this a git repository|protocol error|bad line",
        "What answered is no Git remote. Check url.",
    ),
)


def why_failed(place: str, said: str, secrets: Iterable[str]) -> str:
    """Return why git did not do what was asked, and what to do.

    Args:    place: the remote. said: what git wrote. secrets: what that must not repeat.
    """
    shown = without(said, secrets)
    lines = [line.strip() for line in shown.splitlines() if line.strip() and not line.startswith("hint:")]
    words = " ".join("".join(c if c.isprintable() else " " for c in line) for line in lines)[:MAX_SAID]
    remedy = next((remedy for sign, remedy in _REASONS if re.search(sign, shown, re.IGNORECASE)), None)
    return f"{place} could not be read ({words}). {remedy or 'Check url and reference, and try again.'}"
