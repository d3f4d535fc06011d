"""Typed errors as they cross the wire, and back: problem details that say the class, the message, and what it holds.

    {"type": "/problems/block-exists", "title": "Block exists", "status": 409, "detail": "A block 's3/raw' …",
     "code": "BlockExists", "values": {"address": "s3/raw"}, "problems": []}

Source:  RFC 9457.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from blocks_core import errors as core
from blocks_core.document import Json
from blocks_core.errors import BlocksError, FieldProblem
from blocks_registry import errors as registry
from blocks_registry.errors import RequestRefused, ServerFailed

MEDIA_TYPE: Final = "application/problem+json"
PROBLEMS: Final = "/problems"
"""Where a server describes each kind of problem, which the `type` of one leads to."""

_DATABASE = "The server cannot use its database now{}. Try again; if it stays so, its log says why."
_COMMIT = (
    "The server's database went away while it kept this change, so it is not known whether it was made. Send it "
    "again with the same Idempotency-Key, or look what is stored."
)
_KEYS = "The server cannot use the keys that seal secrets. Its log says why: ask who runs it."


@dataclass(frozen=True)
class Kind:
    """What of a class of errors crosses the wire."""

    status: int
    values: tuple[str, ...] = ()
    """Attributes that go along."""
    told: str = ""
    """What is said in place of the message, which is for who runs the server."""


KINDS: Final[Mapping[type[BlocksError], Kind]] = {
    BlocksError: Kind(500),
    core.NameInvalid: Kind(422),
    core.BlockTypeInvalid: Kind(422),
    core.BlockInvalid: Kind(422, ("what",)),
    core.ValueNotStorable: Kind(422),
    core.LimitExceeded: Kind(413),
    core.DocumentDamaged: Kind(500, ("address",)),
    core.NotFound: Kind(404),
    core.BlockTypeNotFound: Kind(404),
    core.BlockNotFound: Kind(404, ("address", "version")),
    core.ReferenceBroken: Kind(409, ("address", "field", "target")),
    core.SecretUnresolved: Kind(409),
    core.Conflict: Kind(409),
    core.BlockExists: Kind(409, ("address",)),
    core.BlockInUse: Kind(409, ("address", "users")),
    core.VersionConflict: Kind(412, ("address", "expected", "found")),
    core.SchemaConflict: Kind(409),
    core.SchemaTooNew: Kind(409),
    core.UpgradeMissing: Kind(409),
    core.UpgradeFailed: Kind(409),
    core.PluginBroken: Kind(409),
    core.KeyringError: Kind(500, told=_KEYS),
    core.KeysMissing: Kind(500, told=_KEYS),
    core.KeysInvalid: Kind(500, told=_KEYS),
    core.KeyRetired: Kind(500, told=_KEYS),
    core.KeyUnknown: Kind(500, told=_KEYS),
    core.SealBroken: Kind(500, told=_KEYS),
    registry.RegistryError: Kind(500),
    registry.TokenInvalid: Kind(401),
    registry.TokenExpired: Kind(401),
    registry.TokenRevoked: Kind(401),
    registry.AccessDenied: Kind(403),
    registry.TooManyAttempts: Kind(429, ("wait_seconds",)),
    registry.TokenNotFound: Kind(404),
    registry.TokenExists: Kind(409),
    registry.TokenRefused: Kind(422),
    registry.DatabaseUnavailable: Kind(503, told=_DATABASE.format("")),
    registry.CommitUnanswered: Kind(503, told=_COMMIT),
    registry.DatabaseLocked: Kind(503, told=_DATABASE.format(", as others write to it: nothing was changed")),
    registry.DatabaseCorrupt: Kind(500, told=_DATABASE.format(", which is damaged")),
    registry.DatabaseTooNew: Kind(500, told=_DATABASE.format(", which a newer version has changed")),
    registry.RequestRefused: Kind(400),
    registry.ProtocolMismatch: Kind(400),
}
"""Of an error's classes, the nearest counts."""

_CLASSES: Final = {found.__name__: found for found in KINDS}


def problem_of(error: BlocksError, *, status: int | None = None) -> dict[str, Json]:
    """Return what a client is told of an error.

    Args:    status: in place of the one that its class has.
    """
    nearest = next(found for found in type(error).__mro__ if found in KINDS)
    kind = KINDS[nearest]
    values: dict[str, Json] = {}
    for name in kind.values:
        value: Any = getattr(error, name)
        values[name] = [*cast("tuple[str, ...]", value)] if isinstance(value, tuple) else value
    problems = cast("tuple[FieldProblem, ...]", getattr(error, "problems", ()))
    return problem(
        nearest.__name__,
        status or kind.status,
        kind.told or str(error),
        values=values,
        problems=[{"path": found.path, "problem": found.problem} for found in problems],
    )


def problem(
    code: str,
    status: int,
    detail: str,
    *,
    values: dict[str, Json] | None = None,
    problems: list[Json] | None = None,
) -> dict[str, Json]:
    """Return problem details of the one shape that every error has."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", code)
    return {
        "type": f"{PROBLEMS}/{words.lower().replace(' ', '-')}",
        "title": words[:1] + words[1:].lower(),
        "status": status,
        "detail": detail,
        "code": code,
        "values": values or {},
        "problems": problems or [],
    }


def error_of(found: Mapping[str, Any]) -> BlocksError:
    """Return the error that problem details tell of, as the same class with the same message.

    Raises:  LookupError, TypeError, ValueError: these are none.
    """
    code, status, detail = found["code"], int(found["status"]), str(found["detail"])
    known = _CLASSES.get(code)
    if known is None:  # of a newer server, or of HTTP itself
        known = RequestRefused if status < 500 else ServerFailed
    error = known.__new__(known)
    Exception.__init__(error, detail)
    for name in KINDS.get(known, Kind(500)).values:
        value: Any = found["values"][name]
        setattr(error, name, tuple(cast("list[str]", value)) if isinstance(value, list) else value)
    if issubclass(known, core.BlockInvalid):
        problems = tuple(FieldProblem(str(each["path"]), str(each["problem"])) for each in found["problems"])
        cast("Any", error).problems = problems
    return error
