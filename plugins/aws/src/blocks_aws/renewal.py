"""Keys that end: one of a role for all its users in a process, and a second try where a service says `expired`.

botocore renews what it knows to end soon. Here is what it does not: that a service may end a key early, as when a
role's sessions are revoked, and that two sessions in one role need no key each. Imported late: it imports botocore.
"""

# botocore comes without types, and without a public way to let credentials end.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from inspect import isawaitable
from typing import Any, Protocol, cast

from botocore.credentials import (
    CachedCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
    RefreshableCredentials,
)

from blocks_aws.credentials import AwsCredentials, bearer_key
from blocks_aws.reasons import EXPIRED

MAX_KEPT = 32
"""Roles whose key is kept; the one not used for longest is let go."""

_NOTED = "blocks-access-key"
"""Name, in a request's context, of the access key that signed it last."""
_RENEWED = "blocks-renewed"
_SIGNED_BY = re.compile(rb"Credential=([^/,\s]+)/")


class RoleKey(DeferredRefreshableCredentials):
    """The temporary key of a role: got at first use, renewed before it ends, by one thread at a time."""

    def give_up(self, access_key: str) -> None:
        """Renew at the next use, if that is still the key; another thread may have been first."""
        with self._refresh_lock:
            end_now(self, access_key)

    def metadata(self) -> dict[str, str]:
        """Return the key as botocore's credentials that renew themselves take it.

        Raises:  CredentialsRefused: it was not got, or not renewed.
        """
        key = self.get_frozen_credentials()
        return {
            "access_key": key.access_key,
            "secret_key": key.secret_key,
            "token": key.token,
            "expiry_time": cast("datetime", self._expiry_time).isoformat(),
        }


class Session(Protocol):
    """What is used of a session of botocore or aiobotocore."""

    def register(self, event_name: str, handler: Callable[..., Any]) -> None:
        """Let a handler be called at an event of any client made later."""
        ...

    def get_credentials(self) -> Any:
        """Return what requests are signed with, to be awaited where the session is asynchronous."""
        ...

    def get_component(self, name: str) -> Any:
        """Return a part, such as the chain of credential providers."""
        ...


def role_key(credentials: AwsCredentials) -> RoleKey:
    """Return the key of the role, the same one for all that have the same credentials."""
    return _role_key(bearer_key(credentials))


def renew_on_refusal(session: Session, give_up: Callable[[str], object] | None = None) -> None:
    """Let the clients of a session ask again, once and with new keys, where a service says that theirs have expired.

    A request that is refused for its keys has done nothing, so each kind may be sent again.

    Args:    give_up: told the access key that was refused, before new ones are asked for.
    """
    session.register("request-created", _note_the_key)
    session.register("needs-retry", partial(_renew, session, give_up))


def renew_on_refusal_async(session: Session, give_up: Callable[[str], object] | None = None) -> None:
    """Do `renew_on_refusal` for a session of aiobotocore."""
    session.register("request-created", _note_the_key)
    session.register("needs-retry", partial(_renew_async, session, give_up))


def end_now(held: RefreshableCredentials, access_key: str) -> None:
    """Let credentials count as ended, if that is still their key: what signs next renews them."""
    if not held._frozen_credentials or held._frozen_credentials.access_key != access_key:
        return
    held._expiry_time = held._time_fetcher()
    fetcher: object = getattr(held._refresh_using, "__self__", None)
    if isinstance(fetcher, CachedCredentialFetcher) and fetcher._cache_key in fetcher._cache:
        del fetcher._cache[fetcher._cache_key]  # it would give the same ones, by their own word still good


@lru_cache(maxsize=MAX_KEPT)
def _role_key(key: tuple[Any, ...]) -> RoleKey:
    credentials = AwsCredentials.model_validate(dict(key[-1]))
    return RoleKey(refresh_using=credentials.assume_role, method="assume-role")


def _note_the_key(request: Any, **_: Any) -> None:
    signed = request.headers.get("Authorization", b"")
    found = _SIGNED_BY.search(signed.encode() if isinstance(signed, str) else signed)
    request.context[_NOTED] = found[1].decode() if found else ""


def _renew(
    session: Session, give_up: Callable[[str], object] | None, request_dict: dict[str, Any], **event: Any
) -> int | None:
    refused = _refused_key(request_dict["context"], **event)
    held = session.get_credentials() if refused else None
    if held is None or refused is None:
        return None
    if give_up:
        give_up(refused)
    if isinstance(held, RefreshableCredentials):
        with held._refresh_lock:
            end_now(held, refused)
        return 0
    return _taken_over(held, refused, session.get_component("credential_provider").load_credentials())


async def _renew_async(
    session: Session, give_up: Callable[[str], object] | None, request_dict: dict[str, Any], **event: Any
) -> int | None:
    refused = _refused_key(request_dict["context"], **event)
    held = await session.get_credentials() if refused else None
    if held is None or refused is None:
        return None
    if give_up:
        give_up(refused)
    if isinstance(held, RefreshableCredentials):
        end_now(held, refused)  # needs no lock: nothing else runs in the loop meanwhile
        return 0
    loaded = session.get_component("credential_provider").load_credentials()
    found = await cast("Awaitable[Any]", loaded)
    frozen = found.get_frozen_credentials() if found else None
    return _taken_over(held, refused, await frozen if isawaitable(frozen) else frozen)


def _refused_key(
    context: dict[str, Any], response: tuple[Any, Mapping[str, Any]] | None, operation: Any, **_: Any
) -> str | None:
    """Return the access key that a service called expired, at its first word of it for a call, else None."""
    if response is None or context.get(_RENEWED) or not context.get(_NOTED):
        return None
    code = str(response[1].get("Error", {}).get("Code", ""))
    # The answer to a HEAD has no body: S3 says 400 and no more.
    unsaid = code == "400" and str(operation.name).startswith("Head")
    if code not in EXPIRED and not unsaid:
        return None
    context[_RENEWED] = True
    return cast("str", context[_NOTED])


def _taken_over(held: Credentials, refused: str, found: Any) -> int | None:
    """Take keys over that something else has put into AWS's shared files or the environment meanwhile."""
    if found is None:
        return None
    if held.access_key == refused:
        if (found.access_key, found.token) == (held.access_key, held.token):
            return None  # the same ones: asking again would be refused again
        held.access_key, held.secret_key, held.token = found.access_key, found.secret_key, found.token
    return 0
