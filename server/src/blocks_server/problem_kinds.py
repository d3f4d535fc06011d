"""Every kind of problem that an answer may tell of: what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blocks_registry.remote_problems import KINDS, PROBLEMS, problem
from blocks_server import errors
from blocks_server.errors import ServerError


@dataclass(frozen=True)
class ProblemKind:
    """A kind of problem, as it is described to people."""

    code: str
    """As an answer has it: the class of the error."""
    status: int
    meaning: str
    remedy: str

    @property
    def path(self) -> str:
        """Return where it is described, which is the `type` of a problem of the kind."""
        return str(problem(self.code, self.status, "")["type"])

    @property
    def slug(self) -> str:
        """Return the last part of the path."""
        return self.path.removeprefix(f"{PROBLEMS}/")


_DETAIL = "Do what the detail of the answer says."
_SEE_LOG = "Ask who runs the server: its log says why, by the X-Request-Id of the answer."
_ASK_ADMIN = "Ask an admin for a token (block token create NAME --role ROLE), and give it in BLOCKS_TOKEN."
_AGAIN = "Try again, after as many seconds as Retry-After says where the answer has it. " + _SEE_LOG
_UPGRADE = "Install the plugin's newer version, and register it: block register --all"

REMEDIES: Final = {
    "BlocksError": _SEE_LOG,
    "NameInvalid": "Choose a name as the detail describes it.",
    "BlockTypeInvalid": "Register the type from its class: block register -m MODULE",
    "BlockInvalid": "Mend the fields that `problems` lists; each has a path and what is wrong there.",
    "ValueNotStorable": "Give the value in a form that JSON can hold, as the detail says.",
    "LimitExceeded": "Keep large values in a storage, and their path in the block.",
    "DocumentDamaged": "Restore an older version (block restore), or the database from a backup.",
    "NotFound": "See /docs for the addresses that there are.",
    "BlockTypeNotFound": "Register the plugin that provides the type: block register -m MODULE",
    "BlockNotFound": "See which blocks there are, and which of them the token is for: block ls",
    "ReferenceBroken": "Save the block that the field refers to, or choose another one.",
    "SecretUnresolved": "See that the source of secrets has the key, and that the server reaches it.",
    "Conflict": "Read the newest state, and try again.",
    "BlockExists": "Choose another name, or save the next version of the block that has it.",
    "BlockInUse": "Change the blocks that hold it first, or delete it by force.",
    "VersionConflict": "Read the block, look at what others changed, and save with the version that it has now.",
    "SchemaConflict": "Raise the version of the class and say what becomes of what is saved (@upgrades).",
    "SchemaTooNew": _UPGRADE,
    "UpgradeMissing": "Add the step of upgrades that the detail names to the class.",
    "UpgradeFailed": "Mend the upgrade that the detail names, or the block that it was for.",
    "PluginBroken": "Install what the plugin lacks: block plugin ls says what that is.",
    "KeyringError": _SEE_LOG,
    "KeysMissing": _SEE_LOG,
    "KeysInvalid": _SEE_LOG,
    "KeyRetired": _SEE_LOG,
    "KeyUnknown": _SEE_LOG,
    "SealBroken": _SEE_LOG,
    "RegistryError": _SEE_LOG,
    "TokenInvalid": _ASK_ADMIN,
    "TokenExpired": _ASK_ADMIN,
    "TokenRevoked": _ASK_ADMIN,
    "AccessDenied": "Use a token of a role, or with a list of blocks, that reaches so far; an admin makes one.",
    "TooManyAttempts": "See that every program at that address has the right token, and wait as Retry-After says.",
    "TokenNotFound": "See which tokens there are: GET /api/v1/tokens",
    "TokenExists": "Choose another name, or revoke the token that has it.",
    "TokenRefused": "Choose name, role, list and expiry as the detail describes them.",
    "DatabaseUnavailable": _AGAIN,
    "CommitUnanswered": "Look what is stored, or send the change again with the same Idempotency-Key.",
    "DatabaseLocked": _AGAIN,
    "DatabaseCorrupt": _SEE_LOG,
    "DatabaseTooNew": "Upgrade the server to the version that changed the database.",
    "RequestRefused": "Send what /docs describes.",
    "ProtocolMismatch": "Upgrade blocks-registry where the client runs, or the server, to the same version.",
    "RequestInvalid": "Send what /docs describes; `problems` lists what does not fit.",
    "RequestTooLarge": "Keep large values in a storage, and send many changes in several requests.",
    "RequestTooSlow": "Send the request again, over a better connection.",
    "CheckTooSlow": "See whether what the block connects to can be reached from the server.",
    "ChecksOff": "Check the block where it is used: block check SLUG/NAME",
    "ServerBusy": _AGAIN,
    "MethodNotAllowed": "See /docs for what can be asked at this address.",
    "Unforeseen": _SEE_LOG,
}

_MEANINGS: Final = {
    "AccessDenied": "The token is good, and its role or its list of blocks does not reach so far.",
    "BlocksError": "Something went wrong that has no kind of its own.",
    "TokenExpired": "The time of the token is over.",
    "TokenInvalid": "There is no token, or none that was given out; the words are the same for every wrong one.",
    "TokenRevoked": "The token was taken back.",
}
"""Of classes whose own words lean on those of others."""

_OF_HTTP: Final = (
    ("MethodNotAllowed", 405, "There is such an address, and it takes other methods."),
    ("Unforeseen", 500, "The server failed in a way that nobody foresaw."),
)


def problem_kinds() -> list[ProblemKind]:
    """Return every kind, sorted by its code."""
    found = [(kind.__name__, said.status, _first_line(kind)) for kind, said in KINDS.items()]
    found += [
        (each.__name__, each.status, _first_line(each))
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, ServerError) and "status" in vars(each)
    ]
    return [
        ProblemKind(code, status, _MEANINGS.get(code, meaning), REMEDIES.get(code, _DETAIL))
        for code, status, meaning in sorted([*found, *_OF_HTTP])
        if code != "ServerError"
    ]


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]
