"""Where Vault is and who asks, as Vault's own command finds it: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from blocks_core.errors import CredentialsRefused


@dataclass(frozen=True)
class VaultSettings:
    """What a connection to Vault needs."""

    url: str
    token: str = field(repr=False)
    namespace: str | None = None
    timeout_seconds: float = 15.0


def find_settings(
    url: str | None = None,
    token: str | None = None,
    namespace: str | None = None,
    timeout_seconds: float = 15.0,
) -> VaultSettings:
    """Return the settings: what is given, and for the rest what Vault's own command would take.

    Raises:  CredentialsRefused: there is no address or no token, or one that cannot be.
    """
    url = url or os.environ.get("VAULT_ADDR", "").strip()
    if not url or problem_of_address(url):
        raise CredentialsRefused(
            f"{'VAULT_ADDR leads nowhere' if url else 'There is no address of Vault'}. Give url, or set VAULT_ADDR, "
            f"such as https://vault.example.com:8200."
        )
    token = token or os.environ.get("VAULT_TOKEN", "").strip() or _token_of_login()
    if not token or problem_of_token(token):
        raise CredentialsRefused(
            f"{'The token cannot be one' if token else 'There is no token of Vault'}. Give token, or set "
            f"VAULT_TOKEN, or run 'vault login', which leaves it in ~/.vault-token."
        )
    namespace = namespace or os.environ.get("VAULT_NAMESPACE", "").strip() or None
    return VaultSettings(url.rstrip("/"), token, namespace, timeout_seconds)


def problem_of_address(url: str) -> str | None:
    """Return why a text is no address of Vault, without repeating it, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    plain = url.isascii() and url.isprintable() and not set(url) & set(" @?#")
    if parts.scheme in ("http", "https") and host and plain:
        return None
    return (
        "Write the address of Vault such as https://vault.example.com:8200, without user, password or query."
    )


def problem_of_token(token: str) -> str | None:
    """Return why a text is no token, without repeating it, or None."""
    if token and token.isascii() and token.isprintable() and " " not in token:
        return None
    return "The token has characters that no token has, such as a space or a line's end: copy it again."


def _token_of_login() -> str:
    try:
        return Path("~/.vault-token").expanduser().read_text("utf-8").strip()
    except (OSError, RuntimeError, UnicodeDecodeError):  # RuntimeError: there is no home
        return ""
