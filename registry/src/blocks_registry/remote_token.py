"""The token that this process shows to a server: of `BLOCKS_TOKEN`, or of a file that only its owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from blocks_registry.errors import TokenInvalid

VARIABLE: Final = "BLOCKS_TOKEN"
FILE_VARIABLE: Final = "BLOCKS_TOKEN_FILE"
FILE_NAME: Final = "token"

_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAX_BYTES = 1000


def find_token(home: Path) -> str:
    """Return the token; of the variable, of the file that another variable names, or of `token` in the home folder.

    Raises:  TokenInvalid: there is none, or what there is is no token.
    """
    text = os.environ.get(VARIABLE)
    if text:
        return _sound(text.strip(), f"the variable {VARIABLE}")
    named = os.environ.get(FILE_VARIABLE)
    file = Path(named).expanduser() if named else home / FILE_NAME
    return _sound(_read(file), f"the file {file}")


def _read(file: Path) -> str:
    """Return what a file holds, if nobody but its owner may read it."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if os.name == "posix" and mode & _READABLE_BY_OTHERS:
                raise TokenInvalid(
                    f"The token's file {file} can be read by others than its owner, so it is not used. Take that "
                    f"right away: chmod 600 {file}"
                )
            return opened.read(_MAX_BYTES).decode("ascii").strip()
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise TokenInvalid(
            f"BLOCKS_URL names a server, which asks for a token; {VARIABLE} is not set, and the file {file} {why}. "
            f"Ask an admin for a token (block token create NAME --role ROLE), and give it in {VARIABLE} or that file."
        ) from error
    except UnicodeDecodeError:
        raise TokenInvalid(f"The file {file} holds no token, but bytes that are no text.") from None


def _sound(text: str, place: str) -> str:
    """Return a text that a header can carry; what is wrong is not shown, as it may be another secret."""
    if not text or not text.isascii() or not text.isprintable() or " " in text or len(text) > _MAX_BYTES:
        raise TokenInvalid(f"What {place} holds is no token. A token is one word that begins with 'blk_'.")
    return text
