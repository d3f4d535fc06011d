"""Where a PostgreSQL database is, from its URL, and what may be shown of it.

Source: https://www.postgresql.org/docs/current/libpq-connect.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from blocks_core.masking import SECRETS_IN_USE
from blocks_registry.errors import AddressInvalid

_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
_PORT = re.compile(r"[0-9]+(,[0-9]*)*")


@dataclass(frozen=True)
class PostgresAddress:
    """What the driver is told to connect, and what errors call it."""

    place: str
    """Without password and options."""
    database: str
    user: str
    parameters: dict[str, Any] = field(repr=False)


def read_address(url: str) -> PostgresAddress:
    """Return where a URL leads; what is not said there comes from libpq's environment variables and files.

    Raises:  AddressInvalid.
    """
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.Error:  # whose message may hold a piece of the password
        raise _invalid() from None
    host, port, database, user = (
        str(parameters.get(name) or "") for name in ("host", "port", "dbname", "user")
    )
    if any("@" in part for part in (host, port, database)) or (port and not _PORT.fullmatch(port)):
        raise _invalid()  # a password that was not quoted reaches into the host or the name of the database
    SECRETS_IN_USE.add(str(parameters[name]) for name in _SECRETS if name in parameters)
    place = f"postgresql://{user and f'{user}@'}{host}{port and f':{port}'}/{database}"
    return PostgresAddress(place, database or user, user, parameters)


def _invalid() -> AddressInvalid:
    return AddressInvalid(
        "The registry's URL is no address of a PostgreSQL database. Set BLOCKS_URL to "
        "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and write other characters than letters and digits in the "
        "password as %40 for @, %2F for / and so on."
    )
