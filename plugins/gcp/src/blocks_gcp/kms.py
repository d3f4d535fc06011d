"""`gcp-kms`: the key provider whose keys are wrapped by a key of Google Cloud KMS."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blocks_core.errors import CredentialsRefused, KeysInvalid
from blocks_core.key_file import FileKeyProvider
from blocks_gcp.crc32c import crc32c
from blocks_gcp.credentials import problem_of_address
from blocks_gcp.reasons import Answer, remedy_for

ENDPOINT = "https://cloudkms.googleapis.com"
ENDPOINT_SETTING = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"
"""The variable by which gcloud, too, is led to another endpoint."""

ATTEMPTS = 3
"""As often is a request sent that was damaged on the way, or whose answer was."""

_NAME = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+", re.ASCII)

_REMEDIES: Mapping[str, str] = {
    "NOT_FOUND": "There is no such key. Check the name in BLOCKS_KEYS.",
    "PERMISSION_DENIED": (
        "Give the account the role roles/cloudkms.cryptoKeyEncrypterDecrypter on the key; a key that is not there is "
        "refused, too."
    ),
    "FAILED_PRECONDITION": (
        "The version of the key that is needed is disabled or destroyed. Enable it (gcloud kms keys versions "
        "enable), or have it back while it waits for its destruction (… restore), then enable it."
    ),
    "INVALID_ARGUMENT": (
        "What the key file holds was altered, or belongs to another key id, or another key of Cloud KMS has wrapped "
        "it. Restore the key file from a backup, and check the name in BLOCKS_KEYS."
    ),
}


def gcp_kms(argument: str, home: Path) -> FileKeyProvider:
    """Return the provider that `BLOCKS_KEYS=gcp-kms:projects/…/cryptoKeys/KEY` chooses.

    Args:    argument: the key's resource name, without a version.
    Raises:  KeysInvalid: it is none.
    """
    return FileKeyProvider(home / "keys.json", GcpKms(argument))


class GcpKms:
    """Wraps keys by a symmetric key of Cloud KMS: one request for each; Google's own chain says who asks.

    What is sent and what comes are compared by their checksums, on both sides.

    Source:  https://cloud.google.com/kms/docs/data-integrity-guidelines
    """

    def __init__(self, kms_key: str) -> None:
        if not _NAME.fullmatch(kms_key):
            raise KeysInvalid(
                "BLOCKS_KEYS chooses gcp-kms and names no key of Cloud KMS. Write its whole name, without a version: "
                "BLOCKS_KEYS=gcp-kms:projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY."
            )
        self._kms_key = kms_key

    @property
    def name(self) -> str:
        """Return what the key file says of who has wrapped its keys."""
        return f"gcp-kms:{self._kms_key}"

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """Return a key in the form that only Cloud KMS opens, bound to its id.

        Raises:  KeysInvalid.
        Source:  https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt
        """
        for _ in range(ATTEMPTS):
            answer = self._ask("wrap", key_id, "encrypt", "plaintext", key)
            arrived = answer.get("verifiedPlaintextCrc32c") is True
            bound = answer.get("verifiedAdditionalAuthenticatedDataCrc32c") is True
            found = _checked(answer, "ciphertext")
            if arrived and bound and found and str(answer.get("name", "")).startswith(f"{self._kms_key}/"):
                return found
        raise self._damaged("wrap", key_id)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the key that Cloud KMS has wrapped.

        Raises:  KeysInvalid.
        Source:  https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt
        """
        for _ in range(ATTEMPTS):
            answer = self._ask("unwrap", key_id, "decrypt", "ciphertext", wrapped)
            if found := _checked(answer, "plaintext"):
                return found
        raise self._damaged("unwrap", key_id)

    def _ask(self, action: str, key_id: str, method: str, field: str, data: bytes) -> Mapping[str, Any]:
        """Return the answer's content; empty where the request was damaged on the way."""
        from blocks_gcp.connection import Unreachable, open_connection  # late: it imports google-auth

        endpoint = os.environ.get(ENDPOINT_SETTING) or ENDPOINT
        if problem := problem_of_address(endpoint):
            raise self._failure(action, key_id, f"{ENDPOINT_SETTING} leads nowhere. {problem}")
        bound = key_id.encode()
        content = {
            field: b64encode(data).decode(),
            f"{field}Crc32c": str(crc32c(data)),
            "additionalAuthenticatedData": b64encode(bound).decode(),
            "additionalAuthenticatedDataCrc32c": str(crc32c(bound)),
        }
        try:
            connection = open_connection(None)
            answer = connection.ask("POST", f"{endpoint.rstrip('/')}/v1/{self._kms_key}:{method}", content)
        except (CredentialsRefused, Unreachable) as error:
            raise self._failure(action, key_id, str(error)) from error
        if not answer.ok:
            if "crc32c" in answer.message.lower():
                return {}
            raise self._refused(action, key_id, answer, (*connection.secrets(), content[field], data.hex()))
        return answer.content

    def _refused(self, action: str, key_id: str, answer: Answer, secrets: Iterable[str]) -> KeysInvalid:
        remedy = remedy_for(answer, "cloudkms", _REMEDIES)
        return self._failure(action, key_id, f"{answer.said(secrets)}. {remedy}")

    def _damaged(self, action: str, key_id: str) -> KeysInvalid:
        return self._failure(
            action,
            key_id,
            f"{ATTEMPTS} times, the request or its answer was damaged on the way, or what answered is no Cloud KMS. "
            f"Check the network and the proxy.",
        )

    def _failure(self, action: str, key_id: str, reason: str) -> KeysInvalid:
        return KeysInvalid(f"Cloud KMS did not {action} the key '{key_id}' with '{self._kms_key}': {reason}")


def _checked(answer: Mapping[str, Any], field: str) -> bytes:
    """Return the bytes of a field that fit their checksum; none where they do not."""
    try:
        found = b64decode(str(answer[field]), validate=True)
        return found if int(answer[f"{field}Crc32c"]) == crc32c(found) else b""
    except (KeyError, ValueError, TypeError, Base64Error):
        return b""
