"""Names and labels as Kubernetes takes them.

Source:  https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and …/labels/
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping

MAX_CHARACTERS = 63
"""Of a label's value and of a name that stands in one, as that of a Job does."""
_SUFFIX_BYTES = 4

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


def is_dns_label(text: str) -> bool:
    """Tell whether a text can name a namespace or a Job."""
    return bool(_DNS_LABEL.fullmatch(text))


def is_dns_name(text: str) -> bool:
    """Tell whether a text can name a Secret or a service account."""
    return len(text) <= 253 and bool(_DNS_NAME.fullmatch(text))


def new_name(text: str) -> str:
    """Return a name for a Job that reads like a text and is no other's."""
    suffix = secrets.token_hex(_SUFFIX_BYTES)
    plain = re.sub(r"[^a-z0-9]+", "-", _ascii(text).lower())[: MAX_CHARACTERS - len(suffix) - 1].strip("-")
    return f"{plain or 'job'}-{suffix}"


def problem_of_label(key: str, value: str) -> str | None:
    """Return why Kubernetes would not take a label, and what to do, or None."""
    prefix, slash, name = key.rpartition("/")
    if slash and not is_dns_name(prefix):
        return f"What stands before the '/' of the label {key[:80]!r} must be like example.com."
    if not _fits(name):
        return (
            f"The label {key[:80]!r} must be letters, digits, '-', '_' and '.', {MAX_CHARACTERS} at most, the first "
            f"and the last no sign."
        )
    if value and not _fits(value):
        return (
            f"The value of the label {key[:80]!r} must be letters, digits, '-', '_' and '.', {MAX_CHARACTERS} at "
            f"most, the first and the last no sign."
        )
    return None


def fitting_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels with what Kubernetes does not take replaced by `-`; of two that become one the first stays.

    >>> fitting_labels({"team": "data", "odd Name!": "é/x "})
    {'team': 'data', 'odd-Name': 'e-x'}
    """
    found: dict[str, str] = {}
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if slash and not is_dns_name(prefix):
            name, slash = key, ""
        fitted = _fitted(name)
        if fitted:
            found.setdefault(f"{prefix}/{fitted}" if slash else fitted, _fitted(value))
    return found


def _fits(text: str) -> bool:
    return len(text) <= MAX_CHARACTERS and bool(_WORD.fullmatch(text))


def _fitted(text: str) -> str:
    if _fits(text):
        return text
    return re.sub(r"[^A-Za-z0-9_.]+", "-", _ascii(text)).strip("-_.")[:MAX_CHARACTERS].rstrip("-_.")


def _ascii(text: str) -> str:
    """Return a text with letters in place of those with accents, and without other signs than ASCII's."""
    return "".join(
        sign if sign.isascii() else " "
        for sign in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(sign)
    )
