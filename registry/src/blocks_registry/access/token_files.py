"""Files that hold a token, for their owner only."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

from blocks_registry.access.token_rows import Token
from blocks_registry.access.tokens import Tokens
from blocks_registry.errors import TokenRefused

FIRST_NAME: Final = "admin"
"""Of the first token, and of its file: `admin-token`."""


def make_first_token(tokens: Tokens, home: Path) -> tuple[Token, Path] | None:
    """Make an admin's token where the database never had any, and write it to a file in the home folder.

    A kill between the two leaves a file with a token that is none; the next start writes another.

    Raises:  TokenRefused: the file cannot be written, so there is no token.
    """
    file = home / f"{FIRST_NAME}-token"
    made = tokens.create_first(FIRST_NAME, partial(write_token, file, replace=True))
    return None if made is None else (made, file)


def write_token(file: Path, text: str, *, replace: bool = False) -> None:
    """Write a token to a file that only its owner may read, whole or not at all.

    Args:    replace: also where there is such a file.
    Raises:  TokenRefused: it cannot be written, or is there.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.urandom(6).hex()}.draft")
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as opened:
                opened.write(f"{text}\n")
                opened.flush()
                os.fsync(opened.fileno())
            if replace:
                draft.replace(file)
            else:
                os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError) and not replace and file.exists():
            problem, remedy = "is there already", "Remove it, or name another"
        else:
            problem = f"cannot be written ({error.strerror})"
            remedy = "Make its folder writable, or name another"
        raise TokenRefused(f"The token's file {file} {problem}, so there is no token. {remedy}.") from error
