"""What the errors of Google Cloud Storage mean and what to do about them; without a vendor's package.

Source:  https://cloud.google.com/storage/docs/json_api/v1/status-codes,
         https://cloud.google.com/storage/docs/access-control/iam-json (which request needs which permission),
         https://cloud.google.com/storage/docs/access-control/iam-roles
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from blocks_gcp.reasons import MAX_SAID

NO_BUCKET = "specified bucket does not exist"
"""What Google says, in JSON or not, where not the object but the bucket is missing."""

_ROLES: Mapping[str, str] = {
    "storage.objects.get": "roles/storage.objectViewer",
    "storage.objects.list": "roles/storage.objectViewer",
    "storage.objects.create": "roles/storage.objectUser",
    "storage.objects.delete": "roles/storage.objectUser",
    "storage.objects.update": "roles/storage.objectUser",
    "serviceusage.services.use": "roles/serviceusage.serviceUsageConsumer (on the project that pays)",
}
_PERMISSION = re.compile(r"\b(?:storage|serviceusage)\.[a-z]+\.[a-zA-Z]+\b", re.ASCII)
_ALL_ROLES = (
    "roles/storage.objectViewer to read and list, roles/storage.objectUser to write, replace and remove, too"
)

REMEDIES: Mapping[int, str] = {
    400: "Check the bucket's name and the path.",
    401: "Google did not accept the token. Check the credentials, and the clock of this machine.",
    408: "The service is slow, or the connection is. Try again.",
    409: "Something else changes the same thing. Try again.",
    412: "The object was changed meanwhile, or is held by a retention policy.",
    413: "The object is too large.",
    429: "The service asks for fewer requests. Try again later, or spread writes over more objects.",
}
"""Status of HTTP -> what to do, where no finer word is known."""


class ServiceError(OSError):
    """Google's answer to a request that it did not do."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.reason, self.sentence = status, *_read(body)
        super().__init__(f"HTTP {status} {self.reason}: {self.sentence}")

    def said(self) -> str:
        """Return the answer for a message: status, word and sentence."""
        words = f"HTTP {self.status} {self.reason}".strip()
        return (f"{words}: {self.sentence}" if self.sentence else words)[:MAX_SAID]


class BucketMissing(ServiceError):
    """There is no such bucket: more than an object that is not there, so no FileNotFoundError."""


class TokenRefused(PermissionError):
    """There is no token; the text says why. To gcsfs, an error as any other."""


class Damaged(OSError):
    """What came, or what was kept, is not what was sent."""


def why_failed(error: Exception, bucket: str, location: str) -> str | None:
    """Return why the service did not do what was asked and what to do, or None for an error that is not its."""
    if isinstance(error, TokenRefused):
        return f"{location}: bucket '{bucket}' could not be used. {error}"
    if isinstance(error, Damaged):
        return f"{location}: {error}"
    if isinstance(error, BucketMissing):
        return (
            f"{location}: there is no bucket '{bucket}'. Check its name, or create it: "
            f"gcloud storage buckets create gs://{bucket}"
        )
    if isinstance(error, ServiceError):
        return f"{location}: bucket '{bucket}' could not be used ({error.said()}). {_remedy_for(error)}"
    return None


def _remedy_for(error: ServiceError) -> str:
    said = f"{error.reason} {error.sentence}".lower()
    if "requester pays" in said or "userprojectmissing" in said:
        return "The bucket's requests are paid by who asks: set billing_project."
    if "billing" in said or "accountdisabled" in said:
        return "The project that the bucket belongs to, or billing_project, has no billing account. Link one."
    if "retention" in said or "objectundersacthold" in said or "hold" in error.reason.lower():
        return "A retention policy or a hold keeps the object. Wait for its end, or lift it."
    if "anonymous caller" in said:
        return "The bucket is not public. Give credentials, or let allUsers read it."
    if error.status == 403:
        return _missing_permission(error.sentence)
    if error.status >= 500:
        return "That is an error of the service, or it is busy. Try again later."
    return REMEDIES.get(error.status, "What answered is no Cloud Storage. Check endpoint_url and the proxy.")


def _missing_permission(sentence: str) -> str:
    found = _PERMISSION.search(sentence)
    if not found:
        return f"Give the account a role on the bucket: {_ALL_ROLES}."
    role = _ROLES.get(found[0])
    given = f"such as {role}" if role else "on the bucket"
    return (
        f"Give the account a role with {found[0]}, {given}. Without storage.objects.list, what is not there is "
        f"refused, too."
    )


def _read(body: bytes) -> tuple[str, str]:
    """Return the word and the sentence of an answer: JSON, or a line of text where a download was asked for."""
    text = body[:10_000].decode("utf-8", "replace")
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return "", "" if text.lstrip().startswith("<") else _line(text)
    error = cast("dict[str, Any]", found).get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return "", _line(str(error or ""))
    content = cast("dict[str, Any]", error)
    details = content.get("errors")
    first: object = cast("list[Any]", details)[0] if isinstance(details, list) and details else None
    word = cast("dict[str, Any]", first).get("reason", "") if isinstance(first, dict) else ""
    return _line(str(word)), _line(str(content.get("message") or ""))


def _line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()[:1000]
