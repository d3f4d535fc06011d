"""`VaultSecret`: secrets that Vault keeps in a key/value store of version 2."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, cast

from pydantic import Field, SecretBytes, SecretStr, field_validator

from blocks_core.capabilities import SecretSource
from blocks_core.checks import Checker, CheckReport
from blocks_core.errors import SecretUnresolved
from blocks_core.secret import SecretRef
from blocks_core.source_keys import SourceKey
from blocks_vault.reasons import secret_error
from blocks_vault.settings import find_settings, problem_of_address, problem_of_token

_PROBE = "blocks-check-of-what-may-be-read"
"""Name of a secret that is not there: Vault says so only to who may read a secret of that path."""


class VaultSecret(SecretSource, slug="vault-secret", title="Vault Secret"):
    """Secrets that HashiCorp Vault or OpenBao keeps, read when they are needed.

    A key is a secret's path below the mount, and `PATH#MEMBER` one member of it; without a member it is the whole
    secret, as JSON. What is not given is taken from the environment, as Vault's own command does.

    ```python
    from blocks_vault import VaultSecret

    VaultSecret(url="https://vault.example.com:8200", token="hunter2", prefix="prod/").save("prod")
    source = VaultSecret.load("prod")
    password = source.read_secret("database#password").get_secret_value()  # bytes: b"…"
    ```
    """

    url: str | None = Field(
        default=None,
        description="Address of Vault, such as https://vault.example.com:8200. Default: VAULT_ADDR.",
    )
    token: SecretStr | None = Field(
        default=None, description="Token that may read. Default: VAULT_TOKEN, then what 'vault login' left."
    )
    namespace: str | None = Field(
        default=None,
        pattern=r"^[\w./-]{1,200}$",
        description="Namespace to work in. Default: VAULT_NAMESPACE, then none.",
    )
    mount: str = Field(
        default="secret",
        max_length=200,
        pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$",
        description="Path where the key/value store is mounted; it is one of version 2.",
    )
    prefix: str = Field(default="", max_length=500, description="Put before every path, such as prod/ .")
    cache_seconds: int = Field(
        default=300,
        ge=0,
        le=86400,
        description="How long a process keeps a value that a secret reference asked for; 0 asks each time.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="How long to wait for a connection, and for each answer."
    )
    check_key: str | None = Field(
        default=None,
        min_length=1,
        description="Key that the check reads. Default: the check asks for a path that is not there.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and (problem := problem_of_address(url)):
            raise ValueError(problem)
        return url

    @field_validator("token")
    @classmethod
    def _is_a_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is None or isinstance(token, SecretRef):
            return token  # what a reference leads to is read when it is needed
        if problem := problem_of_token(token.get_secret_value()):
            raise ValueError(problem)
        return token

    def read_secret(self, key: str) -> SecretBytes:
        """Return a member of a secret as it is now, or all of it as JSON.

        Raises:  SecretUnresolved: not there, or not readable now. CredentialsRefused.
        Source:  https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
        """
        wanted = SourceKey.parse(key)
        place = f"Secret '{self.prefix}{wanted.name}'"[:600] + " of Vault"
        found = self._read(wanted.name, place)
        return wanted.pick(json.dumps(found, ensure_ascii=False).encode(), place)

    def check(self) -> CheckReport:
        """Find out whether secrets may be read; what was read is not shown."""
        checker = Checker()
        checker.step("read", self._try_reading)
        return checker.report()

    def _try_reading(self) -> str:
        if self.check_key:
            self.read_secret(self.check_key)
            return f"The secret '{self.check_key}' may be read."
        with suppress(_NotThere):
            self._read(_PROBE, "A secret of Vault")
        below = f"{self.mount}/{self.prefix}".rstrip("/")
        return f"Secrets below {below} may be read."

    def _read(self, name: str, place: str) -> dict[str, Any]:
        from blocks_vault.connection import VaultRefused, ask  # late: it imports hvac and requests

        path = f"{self.prefix}{name}"
        if {"", ".", ".."} & set(path.split("/")):
            raise SecretUnresolved(
                f"{place} cannot be: a path has no empty part, and none of dots. Check the key and the prefix."
            )
        token = self.token.get_secret_value() if self.token else None
        settings = find_settings(self.url, token, self.namespace, self.timeout_seconds)

        def call(client: Any) -> Any:
            read = client.secrets.kv.v2.read_secret_version
            return read(path=path, mount_point=self.mount, raise_on_deleted_version=True)

        try:
            data = ask(settings, (), call).get("data")
        except VaultRefused as refused:
            failure = secret_error(
                refused.status, refused.said, refused.kind, place, f"{self.mount}/data/{path}"
            )
            is_missing = refused.status == 404 and not refused.said
            raise (_NotThere(str(failure)) if is_missing else failure) from refused
        if not isinstance(data, dict):
            raise SecretUnresolved(
                f"{place} was not read: what answered is no Vault. Check url and the proxy."
            )
        return cast("dict[str, Any]", data)


class _NotThere(SecretUnresolved):
    """Vault may be asked for it, and has no such secret."""
