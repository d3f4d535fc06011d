"""Addresses of the pages of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def block_url(slug: str, name: str, page: str = "", **query: object) -> str:
    """Return the address of a block's page, or of one below it.

    >>> block_url("s3", "raw"), block_url("s3", "raw", "diff", old=1, new=2)
    ('/blocks/s3/raw', '/blocks/s3/raw/diff?old=1&new=2')
    """
    path = f"/blocks/{quote(slug, safe='')}/{quote(name, safe='')}"
    return with_query(f"{path}/{page}" if page else path, query)


def address_url(address: str) -> str:
    """Return the address of the page of a block that is named by its own (`slug/name`)."""
    slug, _, name = address.partition("/")
    return block_url(slug, name)


def new_url(slug: str = "", page: str = "") -> str:
    """Return the address of the catalog, or of the page that makes a block of a type."""
    path = f"/catalog/{quote(slug, safe='')}" if slug else "/catalog"
    return f"{path}/{page}" if page else path


def logo_url(slug: str) -> str:
    """Return the address of a type's logo."""
    return f"/logos/{quote(slug, safe='')}"


def with_query(path: str, query: Mapping[str, object]) -> str:
    """Return an address with a query; what is empty is left out."""
    found = urlencode({key: str(value) for key, value in query.items() if value not in ("", None)})
    return f"{path}?{found}" if found else path
