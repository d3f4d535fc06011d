"""Prefect's own SQLite database: its block documents, decrypted.

Prefect encrypts the JSON object of a document's fields with Fernet and keeps the token as a JSON text in the column
`data`. What a field holds of other documents stands apart, in `block_document_reference`. The key is the one in the
server's environment (PREFECT_SERVER_ENCRYPTION_KEY); without one, Prefect makes a key and keeps it, in clear, in the
same database.

Source:  prefect 3.8.8, `server/utilities/encryption.py`, `server/models/block_documents.py`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.fernet import Fernet, InvalidToken

from blocks_registry.errors import SourceRefused, SourceUnreadable
from blocks_registry.importing.found import Found
from blocks_registry.importing.prefect_answers import found_document

_DOCUMENTS = """
    SELECT document.id, type.slug, document.name, document.data, document.is_anonymous
    FROM block_document AS document JOIN block_type AS type ON type.id = document.block_type_id
    ORDER BY type.slug, document.name
"""
_REFERENCES = (
    "SELECT parent_block_document_id, name, reference_block_document_id FROM block_document_reference"
)
_KEY = "SELECT value FROM configuration WHERE key = 'ENCRYPTION_KEY'"
_NO_KEY = "its fields do not open with the key"


def read_documents(file: Path, key: str | None = None) -> list[Found]:
    """Return all block documents of a database with their secrets, unnamed ones included. The file is not changed.

    Args:    key: Fernet key of the server; None is the one that Prefect keeps in the database.
    Raises:  SourceUnreadable; SourceRefused: the key is none, or the wrong one.
    """
    with _opened(file) as connection:
        rows = connection.execute(_DOCUMENTS).fetchall()
        references = connection.execute(_REFERENCES).fetchall()
        kept = connection.execute(_KEY).fetchone()
    if not rows:
        return []
    fernet = _fernet(key if key is not None else _kept_key(kept))
    links: dict[str, dict[str, str]] = {}
    for parent, name, target in references:
        links.setdefault(str(parent), {})[str(name)] = str(target)
    found = [_document(row, links.get(str(row[0]), {}), fernet) for row in rows]
    if all(document.problem == _NO_KEY for document in found):
        raise SourceRefused(
            f"The key opens none of the {len(found)} blocks in {file}. Give the one that the server was run with: "
            f"the value of its PREFECT_SERVER_ENCRYPTION_KEY, with --key-file or in that variable."
        )
    return found


def _document(row: tuple[Any, ...], links: dict[str, str], fernet: Fernet) -> Found:
    document_id, slug, name, token, anonymous = row
    try:
        data = json.loads(fernet.decrypt(str(json.loads(token)).encode()))
        return found_document(
            str(slug), str(name), data, links, document_id=str(document_id), anonymous=bool(anonymous)
        )
    except (InvalidToken, AttributeError, TypeError, ValueError, RecursionError):
        return Found(str(slug), str(name), {}, str(document_id), bool(anonymous), _NO_KEY)


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key.strip().encode())
    except (ValueError, TypeError):
        pass  # and not from it: the error may hold the key
    raise SourceRefused(
        "This is no Fernet key: it has 44 characters of URL-safe base64. Give the value of the server's "
        "PREFECT_SERVER_ENCRYPTION_KEY."
    )


def _kept_key(row: tuple[Any, ...] | None) -> str:
    try:
        return str(json.loads(row[0])["fernet_key"]) if row else ""
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


@contextmanager
def _opened(file: Path) -> Generator[sqlite3.Connection]:
    """Open a database to read only, without leaving a file beside it.

    Where no write-ahead log lies beside it, nobody writes it now and SQLite is told so: else it would make one.
    """
    log = file.with_name(f"{file.name}-wal")
    before = _state(file)
    still = not (log.exists() and log.stat().st_size)
    problem = ""
    try:
        uri = f"file:{quote(str(file.absolute()))}?mode=ro{'&immutable=1' if still else ''}"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            connection.text_factory = _text  # the driver's own errors repeat what is no UTF-8
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        problem = str(error)
    if problem:
        raise SourceUnreadable(
            f"{file} cannot be read as a database of Prefect 3 ({problem}). Give the server's SQLite file, which is "
            f"prefect.db in its PREFECT_HOME (~/.prefect); for one on PostgreSQL, use --url."
        )
    if still and before != _state(file):
        raise SourceUnreadable(f"{file} was written while it was read. Try again.")


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise SourceUnreadable(f"{file} cannot be read: {error.strerror}.") from error
    return found.st_mtime_ns, found.st_size
