"""The seam to Azure's packages: one client for all blocks of a process that have the same credentials.

Imported when a block is first used: it takes longer to import than all the rest.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache, partial
from traceback import format_exception
from typing import TYPE_CHECKING, Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, SupportsTokenInfo
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from blocks_azure.credentials import AzureCredentials, problem_of_connection_string, secrets_of
from blocks_azure.reasons import (
    BROKEN_OFF,
    BY_STATUS,
    NO_ACCOUNT,
    NO_ANSWER,
    NO_CONTAINER,
    NO_TOKEN,
    UNKNOWN,
    UNREACHABLE,
    BlobsError,
)
from blocks_azure.tokens import VENDORS, Tokens
from blocks_core.errors import CredentialsRefused
from blocks_core.masking import SECRETS_IN_USE, MaskingFilter, without
from blocks_core.secret import is_secret

if TYPE_CHECKING:
    from blocks_azure.blobs import Blobs

MAX_KEPT = 32
"""Clients kept; the one not used for longest is let go."""

RETRIES = 3
"""As often is a request sent again where no answer came, or one that says to; after 1, 2 and 4 seconds or so."""

MAX_CONNECTIONS = 50
SINGLE_BYTES = 32 << 20
"""Read or written in one request; more goes in pieces."""
PIECE_BYTES = 8 << 20

_masking = MaskingFilter()


def open_blobs(credentials: AzureCredentials, container: str, timeout_seconds: float) -> Blobs:
    """Return the blobs of a container.

    Raises:  CredentialsRefused: a connection string or a key is none.
    """
    from blocks_azure.blobs import Blobs  # late: it imports this module

    service = service_for(credentials, timeout_seconds)
    sas = credentials.sas_token.get_secret_value().lstrip("?") if credentials.sas_token else ""
    return Blobs(service.get_container_client(container), partial(asking, hider_for(credentials)), sas)


def service_for(credentials: AzureCredentials, timeout_seconds: float) -> BlobServiceClient:
    """Return the client that all share who have the same credentials.

    Raises:  CredentialsRefused: a connection string or a key is none.
    """
    guard_logs(credentials)
    return _service(_key_of(credentials), timeout_seconds)


def tokens_for(credentials: AzureCredentials) -> Tokens:
    """Return what gives the tokens of all who have the same credentials."""
    guard_logs(credentials)
    return _tokens(_key_of(credentials))


def new_tokens(credentials: AzureCredentials) -> Tokens:
    """Return what gives new tokens."""
    guard_logs(credentials)
    return Tokens(partial(_token_source, credentials))


def hider_for(credentials: AzureCredentials) -> Callable[[str], str]:
    """Return what takes the secrets of credentials out of a text, and the tokens got with them."""
    secrets = list(secrets_of(credentials))
    tokens = None if credentials.uses_a_key() else tokens_for(credentials)
    return lambda text: without(text, [*secrets, *(tokens.secrets() if tokens else ())])


def guard_logs(credentials: AzureCredentials) -> None:
    """Keep keys out of the log: after Azure's packages are imported, before they are used.

    They log each request as information: that stays out unless someone has set a level for the logger `azure`. The
    credentials' secrets are taken out of all lines: of those of urllib3, too, which hold SAS tokens.
    """
    logger = logging.getLogger("azure")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    SECRETS_IN_USE.add(secrets_of(credentials))
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in VENDORS:  # a filter serves its own logger, not those below
            logging.getLogger(name).addFilter(_masking)  # once: a logger knows which it has


@contextmanager
def asking(hide: Callable[[str], str]) -> Generator[None]:
    """Turn what Azure's packages raise into `FileNotFoundError` or ours; the cause is left out if it has a secret.

    Raises:  BlobsError, FileNotFoundError.
    """
    try:
        yield
    except CredentialsRefused as error:
        raise BlobsError(NO_TOKEN, hide(str(error))) from None
    except (AzureError, DecodeError) as error:
        shown = "".join(format_exception(error))
        cause = None if hide(shown) != shown else error
        code = _code_of(error)
        if isinstance(error, ResourceNotFoundError) and code not in (NO_CONTAINER, UNKNOWN):
            raise FileNotFoundError(code) from cause
        raise BlobsError(code) from cause
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # what came has not the form of an answer
        shown = "".join(format_exception(error))
        raise BlobsError(UNKNOWN) from (None if hide(shown) != shown else error)


def _code_of(error: Exception) -> str:
    if isinstance(error, (ServiceRequestTimeoutError, ServiceResponseTimeoutError)):
        return NO_ANSWER
    if isinstance(error, ServiceRequestError):
        text = str(error)
        unresolved = "NameResolutionError" in text or "Failed to resolve" in text or "getaddrinfo" in text
        return NO_ACCOUNT if unresolved else UNREACHABLE
    if isinstance(error, (ServiceResponseError, IncompleteReadError, DecodeError)):
        return BROKEN_OFF
    response: Any = getattr(error, "response", None)
    if isinstance(error, ClientAuthenticationError) and response is None:
        return "AuthenticationFailed"  # the key is none, which was seen when the request was to be signed
    code = getattr(error, "error_code", None)
    code = getattr(code, "value", code) or (
        response.headers.get("x-ms-error-code") if response is not None else None
    )
    if code:
        return str(code)
    status = int(response.status_code) if response is not None else 0
    if status == 404:
        return "BlobNotFound"
    return BY_STATUS.get(status, UNKNOWN if isinstance(error, HttpResponseError) else BROKEN_OFF)


def _key_of(credentials: AzureCredentials) -> tuple[Any, ...]:
    """Return what tells bearers apart: the process, as a fork shares no connections, Azure's settings, the fields."""
    fields = tuple(
        (name, value.get_secret_value() if is_secret(value) else value)
        for name, value in vars(credentials).items()
    )
    settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AZURE_")))
    return os.getpid(), settings, fields


@lru_cache(maxsize=MAX_KEPT)
def _tokens(key: tuple[Any, ...]) -> Tokens:
    return Tokens(partial(_token_source, _credentials_of(key)))


@lru_cache(maxsize=MAX_KEPT)
def _service(key: tuple[Any, ...], timeout_seconds: float) -> BlobServiceClient:
    credentials = _credentials_of(key)
    options: dict[str, Any] = {
        "transport": _transport(timeout_seconds),
        "retry_policy": ExponentialRetry(
            initial_backoff=0, increment_base=2, retry_total=RETRIES, random_jitter_range=1, retry_connect=1
        ),
        "max_single_put_size": SINGLE_BYTES,
        "max_single_get_size": SINGLE_BYTES,
        "max_chunk_get_size": PIECE_BYTES,
        "max_block_size": PIECE_BYTES,
    }
    try:
        if credentials.connection_string:
            text = credentials.connection_string.get_secret_value()
            if problem := problem_of_connection_string(text):  # of a secret reference, not looked at before
                raise CredentialsRefused(problem)
            return BlobServiceClient.from_connection_string(text, **options)
        url = credentials.endpoint_url or f"https://{credentials.account_name}.blob.core.windows.net"
        return BlobServiceClient(url, credential=_credential(credentials, options), **options)
    except ValueError:  # its text may hold what it could not read
        raise CredentialsRefused(
            f"{credentials.place()} cannot be asked: a part of the credentials is not of the right form. Check "
            f"endpoint_url (https:// for tokens), the key and the SAS token."
        ) from None


def _credential(credentials: AzureCredentials, options: dict[str, Any]) -> Any:
    if credentials.account_key:
        return AzureNamedKeyCredential(
            str(credentials.account_name), credentials.account_key.get_secret_value()
        )
    if credentials.sas_token:
        return AzureSasCredential(credentials.sas_token.get_secret_value().lstrip("?"))
    tokens = tokens_for(credentials)
    options["raw_response_hook"] = partial(_give_up_refused, tokens)
    return tokens


def _give_up_refused(tokens: Tokens, response: Any) -> None:
    """Give a token up that was refused, before Azure's library asks for one to send the request again with."""
    if response.http_response.status_code == 401:
        tokens.give_up(str(response.http_request.headers.get("Authorization", "")).partition(" ")[2])


def _token_source(credentials: AzureCredentials) -> SupportsTokenInfo:
    options: dict[str, Any] = {
        "connection_timeout": credentials.timeout_seconds,
        "read_timeout": credentials.timeout_seconds,
        "retry_total": 2,
    }
    if credentials.authority_url or os.environ.get("AZURE_AUTHORITY_HOST"):
        options["disable_instance_discovery"] = (
            True  # Azure's public cloud is not asked whether another one is one
        )
    if credentials.authority_url:
        options["authority"] = credentials.authority_url
    if credentials.client_secret:
        return ClientSecretCredential(
            str(credentials.tenant_id),
            str(credentials.client_id),
            credentials.client_secret.get_secret_value(),
            **options,
        )
    return DefaultAzureCredential(
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_powershell_credential=True,
        exclude_developer_cli_credential=True,
        exclude_broker_credential=True,
        **options,
    )


def _credentials_of(key: tuple[Any, ...]) -> AzureCredentials:
    return AzureCredentials.model_validate(dict(key[-1]))


def _transport(timeout_seconds: float) -> Any:
    """Return connections that many threads may use at once; by default they would be closed above ten."""
    transport: Any = RequestsTransport(connection_timeout=timeout_seconds, read_timeout=timeout_seconds)
    transport.open()
    for adapter in set(transport.session.adapters.values()):
        adapter.init_poolmanager(MAX_CONNECTIONS, MAX_CONNECTIONS)
    return transport
