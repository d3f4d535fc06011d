"""What is shown to be let in: a token, the cookie of a session, a login code. Made at random, kept as a digest.

Each has 256 random bits, so the digest is a plain SHA-256. A slow hash (argon2, bcrypt) or a salt is for what people
choose, and could be guessed: of 2^256 nobody tries a noticeable part, however fast a try is, while a slow hash would
cost each request what it costs an attacker.

Source:  RFC 6750 section 5.2; https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from typing import Final

TOKEN: Final = "blk_"  # noqa: S105 what each begins with
"""How a token begins, so that scanners for secrets find it in what should have none."""
SESSION: Final = "bls_"
LOGIN_CODE: Final = "blc_"

_BYTES = 32
_SHAPE = re.compile(r"bl[ksc]_[A-Za-z0-9_-]{43}")


def new_bearer(kind: str) -> str:
    """Return a new one of a kind: its prefix and 256 random bits as base64."""
    return f"{kind}{secrets.token_urlsafe(_BYTES)}"


def digest_of(kind: str, text: str) -> str | None:
    """Return the digest by which one is found, or None for a text that cannot be one of this kind."""
    if not text.startswith(kind) or _SHAPE.fullmatch(text) is None:
        return None
    return sha256(text.encode()).hexdigest()
