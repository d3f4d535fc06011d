"""`aws-kms`: the key provider whose keys are wrapped by a key of AWS KMS."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from blocks_aws.clients import VENDORS, cause_without, client_for, vendor_errors
from blocks_aws.service_reasons import why_not_wrapped
from blocks_core.errors import CredentialsRefused, KeysInvalid
from blocks_core.key_file import FileKeyProvider
from blocks_core.masking import without
from blocks_core.unlogged import unlogged

CONTEXT = "blocks-key"
"""Name, in the encryption context, of the id of the key that is wrapped: shown in CloudTrail, checked by KMS."""

TIMEOUT_SECONDS = 15.0
_ARN = re.compile(r"arn:[\w-]+:kms:([\w-]+):\d+:(key|alias)/\S+")


def aws_kms(argument: str, home: Path) -> FileKeyProvider:
    """Return the provider that `BLOCKS_KEYS=aws-kms:KEY` chooses.

    Args:    argument: id or ARN of the key of KMS, or `alias/…`.
    Raises:  KeysInvalid: there is none.
    """
    return FileKeyProvider(home / "keys.json", AwsKms(argument))


class AwsKms:
    """Wraps keys by a symmetric key of AWS KMS: one request for each; AWS's own chain says who asks, and where."""

    def __init__(self, kms_key: str) -> None:
        if not kms_key.strip() or not kms_key.isprintable():
            raise KeysInvalid(
                "BLOCKS_KEYS chooses aws-kms and names no key of KMS. Write its id, its ARN or its alias, such as "
                "BLOCKS_KEYS=aws-kms:alias/blocks."
            )
        self._kms_key = kms_key

    @property
    def name(self) -> str:
        """Return what the key file says of who has wrapped its keys."""
        return f"aws-kms:{self._kms_key}"

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """Return a key in the form that only KMS opens, bound to its id.

        Raises:  KeysInvalid.
        """
        with self._asking("wrap", key_id, key) as kms:
            answer = kms.encrypt(KeyId=self._kms_key, Plaintext=key, EncryptionContext={CONTEXT: key_id})
            return bytes(answer["CiphertextBlob"])

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the key that KMS has wrapped.

        Raises:  KeysInvalid.
        """
        # With the key named, KMS refuses what another one has wrapped, such as an intruder's.
        with self._asking("unwrap", key_id) as kms:
            answer = kms.decrypt(
                KeyId=self._kms_key, CiphertextBlob=wrapped, EncryptionContext={CONTEXT: key_id}
            )
            return bytes(answer["Plaintext"])

    @contextmanager
    def _asking(self, action: str, key_id: str, key: bytes = b"") -> Generator[Any]:
        """Give the client, and turn what it raises into our error, with nothing of the key in it."""
        arn = _ARN.fullmatch(self._kms_key)
        region = {"region_name": arn[1]} if arn else {}
        try:
            client = client_for(None, "kms", TIMEOUT_SECONDS, **region)
            with unlogged(*VENDORS):
                yield client
        except (*vendor_errors(), CredentialsRefused) as error:
            forms = [b64encode(key).decode(), key.hex(), repr(key)[2:-1]] if key else []
            hide = partial(without, secrets=forms)
            reason = hide(why_not_wrapped(error, action, self._kms_key))
            raise KeysInvalid(f"AWS KMS did not {action} the key '{key_id}': {reason}") from cause_without(
                error, hide
            )
