"""One request to the API, for the code that answers it: who sent it, what it holds, what they may do.

Whoever sent it is asked for first: nothing of a body is read by a parser before its token was found good.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from blocks_core.current import Actor
from blocks_core.document import Json
from blocks_core.errors import FieldProblem
from blocks_registry.access import GuardedRegistry, Holder, Right
from blocks_registry.errors import ProtocolMismatch, TokenInvalid
from blocks_registry.once import Once
from blocks_registry.remote_wire import ACTOR_HEADER, PROTOCOL, PROTOCOL_HEADER, WRITE_HEADER
from blocks_server.errors import RequestInvalid, RequestTooLarge, RequestTooSlow
from blocks_server.service import Limits, Service
from blocks_server.trail import trail_of

M = TypeVar("M", bound=BaseModel)

_KEY = re.compile(r"[A-Za-z0-9_-]{16,200}")
_MAX_ACTOR = 2000
_MAX_PATH = 100


class Call:
    """A request whose body has arrived. All but its making may wait for the database, so it is used in a thread."""

    def __init__(self, service: Service, request: Request, body: bytes) -> None:
        self.service = service
        self.request = request
        self._body = body

    @cached_property
    def _token(self) -> str:
        scheme, _, text = self.request.headers.get("authorization", "").partition(" ")
        return text.strip() if scheme.lower() == "bearer" else ""

    @property
    def is_of_known_holder(self) -> bool:
        """Tell whether `holder` is known without the database."""
        return self.service.access.authenticator.is_known(self._token)

    @cached_property
    def holder(self) -> Holder:
        """Return who sent it.

        Raises:  TokenInvalid, TokenExpired, TokenRevoked, TooManyAttempts; RequestInvalid.
        """
        if not self._token:
            raise TokenInvalid("This takes a token: send it as 'Authorization: Bearer TOKEN'.")
        client = self.request.client
        holder = self.service.access.authenticator.holder_of_token(
            self._token, address=client.host if client else ""
        )
        trail_of(self.request.scope).token = holder.name
        claim = self.request.headers.get(ACTOR_HEADER)
        return holder if claim is None else replace(holder, claim=_actor(claim))

    @cached_property
    def registry(self) -> GuardedRegistry:
        """Return the registry as they see it; for a write with a key, one that does it once.

        Raises:  RequestInvalid: no such key can be kept.
        """
        holder, registry = self.holder, self.service.registry
        key = self.request.headers.get(WRITE_HEADER)
        return self.service.access.guard(
            registry if key is None else registry.once(self._once(key, holder)), holder
        )

    def _once(self, key: str, holder: Holder) -> Once:
        if not _KEY.fullmatch(key):
            raise RequestInvalid(
                f"The header {WRITE_HEADER} must be 16 to 200 letters, digits, '-' or '_', drawn by lot for each "
                f"write, such as a UUID."
            )
        asked = f"{self.request.method} {self.request.url.path}?{self.request.url.query}\n"
        return Once.of(key, holder.token_id, asked.encode() + self._body)

    def require(self, right: Right) -> None:
        """Let pass whoever has a right.

        Raises:  AccessDenied; what `holder` raises.
        """
        self.holder.require(right)

    def read(self, model: type[M]) -> M:
        """Return the body.

        Raises:  RequestInvalid: with a problem for each field, and no value; what `holder` raises.
        """
        self.holder  # noqa: B018 asked for before anything is parsed
        try:
            return model.model_validate_json(self._body or b"{}")
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [
            FieldProblem(".".join(str(step) for step in each["loc"])[:_MAX_PATH], _problem(each))
            for each in found[:20]
        ]
        listed = "; ".join(str(each) for each in problems)
        raise RequestInvalid(f"The body of this request does not fit: {listed}.", problems)


async def call_of(request: Request) -> Call:
    """Return a request, once its body has arrived.

    Raises:  ProtocolMismatch, RequestTooLarge, RequestTooSlow.
    """
    service: Service = request.app.state.service
    spoken = request.headers.get(PROTOCOL_HEADER)
    if spoken is not None and spoken != str(PROTOCOL):
        raise ProtocolMismatch(
            f"This server speaks version {PROTOCOL} of the protocol, and the client another. Upgrade blocks-registry "
            f"there, or the server."
        )
    if request.method in ("GET", "HEAD"):
        return Call(service, request, b"")
    return Call(service, request, await read_body(request, service.limits))


Called = Annotated[Call, Depends(call_of)]


def answer(value: dict[str, Json], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer in JSON, which nobody between may keep."""
    text = json.dumps(value, separators=(",", ":"))
    return Response(
        text, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json"
    )


def items(found: list[dict[str, Json]], **more: Json) -> Response:
    """Return an answer that is a list."""
    return answer({"items": cast("list[Json]", found), **more})


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request, once all of it has arrived.

    Raises:  RequestTooLarge, RequestTooSlow.
    """
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and len(length) < 20 and int(length) > limits.max_body_bytes:
        raise _too_large(limits)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for part in request.stream():
                size += len(part)
                if size > limits.max_body_bytes:
                    raise _too_large(limits)
                parts.append(part)
    except TimeoutError:
        raise RequestTooSlow(
            f"The body of this request did not arrive within {limits.body_seconds:g} seconds. Send it again."
        ) from None
    except ClientDisconnect:
        raise RequestTooSlow("The client went away before all of its request had arrived.") from None
    return b"".join(parts)


def _too_large(limits: Limits) -> RequestTooLarge:
    return RequestTooLarge(
        f"The body of this request has more than {limits.max_body_bytes:,} bytes. Keep large values in a storage, "
        f"and send many changes in several requests."
    )


def _actor(text: str) -> Actor:
    """Return who acts, as the client says.

    Raises:  RequestInvalid.
    """
    try:
        found: Any = json.loads(text) if len(text) <= _MAX_ACTOR else None
        words = [found[key] for key in ("kind", "name", "id", "user")]
        if all(isinstance(word, str) and word.isprintable() for word in words):
            return Actor(*words)
    except (LookupError, TypeError, ValueError, RecursionError):
        pass
    raise RequestInvalid(
        f"The header {ACTOR_HEADER} must be a JSON object of the texts kind, name, id and user, of up to "
        f"{_MAX_ACTOR} characters."
    )


def _problem(found: Any) -> str:
    """Return what is wrong, in pydantic's words where they repeat no value."""
    if found["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return "is of no kind that can be asked for"
    text = str(found["msg"])
    return f"{text[:1].lower()}{text[1:]}"
