"""Slugs, document names and addresses (`slug/name`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from blocks_core.errors import NameInvalid

_SLUG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LABEL_KEY = re.compile(r"[a-z0-9](?:[a-z0-9._/-]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")

_MAX_LABELS = 64


def check_slug(slug: str) -> str:
    """Return the slug of a block type, or raise `NameInvalid`.

    >>> check_slug("slack-webhook")
    'slack-webhook'
    """
    if len(slug) > 100 or not _SLUG.fullmatch(slug):
        raise NameInvalid(
            f"{slug[:120]!r} is no slug: use 1 to 100 lower-case letters and digits in words joined by "
            f"hyphens, such as 'slack-webhook'."
        )
    return slug


def check_name(name: str) -> str:
    """Return the name of a document, or raise `NameInvalid`.

    >>> check_name("raw-data.v2")
    'raw-data.v2'
    """
    if not _NAME.fullmatch(name):
        raise NameInvalid(
            f"{name[:120]!r} is no name for a block: use 1 to 100 lower-case letters, digits, "
            f"'-', '_' or '.', starting with a letter or a digit."
        )
    return name


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a document in the order of their keys, or raise `NameInvalid`.

    >>> check_labels({"team": "data", "app.example.org/tier": "1"})
    {'app.example.org/tier': '1', 'team': 'data'}
    """
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise NameInvalid(
                f"{f'{key}={value}'[:120]!r} is no label: use a key of 1 to 63 lower-case letters, digits, '.', '_', "
                f"'-' or '/', and a value of up to 63 letters, digits, '.', '_' or '-', each with a letter or a "
                f"digit at both ends."
            )
    if len(labels) > _MAX_LABELS:
        raise NameInvalid(f"{len(labels)} labels are too many for a block. Give {_MAX_LABELS} at most.")
    return dict(sorted(labels.items()))


def join_address(slug: str, name: str) -> str:
    """Return the address `slug/name`."""
    return f"{slug}/{name}"


def split_address(address: str) -> tuple[str, str]:
    """Return slug and name of `slug/name`, or raise `NameInvalid`.

    >>> split_address("s3/raw-data")
    ('s3', 'raw-data')
    """
    slug, slash, name = address.partition("/")
    if not slash:
        raise NameInvalid(
            f"{address[:120]!r} is no address of a block: write it as slug/name, such as 's3/raw-data'."
        )
    return check_slug(slug), check_name(name)


def suggest(word: str, known: Iterable[str]) -> list[str]:
    """Return up to two of the known words that are close to the given one, the closest first."""
    from difflib import get_close_matches  # late: start-up time, needed only on the way to an error

    return get_close_matches(word, list(known), n=2, cutoff=0.6)
