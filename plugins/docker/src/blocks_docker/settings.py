"""Where an engine is and how it is reached: what a block says, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class EngineSettings:
    """What a connection to an engine needs."""

    address: str | None = None
    """None follows the environment, as Docker's own command does."""
    ca_cert: str | None = field(default=None, repr=False)
    client_cert: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    verify: bool = True
    """Whether the engine's certificate must be trusted; only the environment can say no."""
    timeout_seconds: float = 30.0

    @property
    def uses_tls(self) -> bool:
        """Tell whether there are certificates to trust or to show."""
        return bool(self.ca_cert or self.client_cert)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the texts that nothing may show."""
        return (self.client_key,) if self.client_key else ()


def problem_of_address(address: str) -> str | None:
    """Return why a text is no address of an engine, without repeating it, or None."""
    try:
        parts = urlsplit(address)
        host, port, password = parts.hostname, parts.port, parts.password
    except ValueError:
        return _FORM
    if password is not None:
        return "it has a password, and addresses are shown. SSH keys and certificates say who you are: take it out."
    if not address.isascii() or not address.isprintable() or set(address) & set(" ?#"):
        return _FORM
    if parts.scheme == "unix":
        return None if parts.path.startswith("/") and not parts.netloc else _FORM
    if parts.scheme == "tcp":
        return None if host and port and not parts.username and parts.path in ("", "/") else _FORM
    if parts.scheme == "ssh":
        return None if host and not parts.path else _FORM
    return _FORM


_FORM = (
    "write the address of an engine such as unix:///var/run/docker.sock, tcp://docker.example.com:2376 or "
    "ssh://user@docker.example.com."
)
