"""What Azure's errors mean and what to do about them; known by their codes, so that no vendor's package is needed.

Source:  https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes,
         https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping

_LATER = "Try again later."
_PERMISSIONS = (
    "Give the bearer the role 'Storage Blob Data Contributor' (to read, 'Storage Blob Data Reader') on the "
    "container, or a SAS token with the permissions it needs: r to read, c and w to write, d to delete, l to list."
)

NO_CONTAINER = "ContainerNotFound"
NO_ACCOUNT = "no such account"
UNREACHABLE = "unreachable"
NO_ANSWER = "no answer in time"
BROKEN_OFF = "the connection broke off"
NO_TOKEN = "no token"  # noqa: S105  a code of ours
UNKNOWN = "an answer that says nothing"

CREDENTIALS: Mapping[str, str] = {
    "AuthenticationFailed": (
        "the key or the SAS token was not accepted. Copy it whole, check that it belongs to the account and has not "
        "ended, and set the clock of this machine."
    ),
    "InvalidAuthenticationInfo": "the token was not accepted. Check tenant_id, endpoint_url and authority_url.",
    "NoAuthenticationInformation": "credentials are needed there. Give a key, a SAS token or a service principal.",
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys. Give a service principal, or the name alone.",
    "AccountIsDisabled": "the account is disabled. Enable it, or look at the subscription's bill.",
    NO_ACCOUNT: "there is no such account: its host name has no address. Check account_name and endpoint_url.",
}
"""Code -> what is wrong with the credentials, whatever they were used for."""

PERMISSIONS: Mapping[str, str] = {
    "AuthorizationFailure": (
        "access was refused: by the account's firewall, for what the bearer may not do or, at an emulator, for a "
        f"wrong key or a SAS token that has ended. {_PERMISSIONS}"
    ),
    "AuthorizationPermissionMismatch": f"access was refused. {_PERMISSIONS}",
    "AuthorizationProtocolMismatch": "the SAS token is for HTTPS only. Check endpoint_url.",
    "AuthorizationResourceTypeMismatch": (
        "the SAS token is for other kinds of resources. Make one for containers and objects."
    ),
    "AuthorizationServiceMismatch": "the SAS token is for another service. Make one for Blob Storage.",
    "AuthorizationSourceIPMismatch": "the SAS token is for other addresses. Make one for this network.",
    "InsufficientAccountPermissions": f"access was refused. {_PERMISSIONS}",
    "PublicAccessNotPermitted": "credentials are needed there. Give a key, a SAS token or a service principal.",
}
"""Code -> which permission is missing."""

ACCEPTED = frozenset(
    {
        "AuthorizationPermissionMismatch",
        "AuthorizationResourceTypeMismatch",
        "AuthorizationServiceMismatch",
        "InsufficientAccountPermissions",
    }
)
"""Codes that are said of credentials whose signature was seen to be right."""

CONNECTION: Mapping[str, str] = {
    UNREACHABLE: "it cannot be reached. Check account_name, endpoint_url, the network and the proxy.",
    NO_ANSWER: "there was no answer in time. Check the network and the load there, and try again.",
    BROKEN_OFF: "the answer broke off, or what came is none. Check endpoint_url and the network, and try again.",
    "InternalError": f"that is an error of the service. {_LATER}",
    "OperationTimedOut": f"the service did not do it in time. {_LATER}",
    "ServerBusy": f"the service is busy. {_LATER}",
    UNKNOWN: "what answered is no Blob Storage. Check endpoint_url.",
}
"""Code -> what is wrong on the way to the service, or with it."""

OPERATIONS: Mapping[str, str] = {
    NO_CONTAINER: "there is no such container. Check container, account_name and endpoint_url, or create it.",
    "ContainerBeingDeleted": "the container is being deleted. Choose another one, or try again later.",
    "ContainerDisabled": "the container is disabled. Ask who runs the account.",
    "InvalidResourceName": "that is no name of a container, or no path. Check container and the path.",
    "InvalidUri": "the path is none for Azure. Choose another one.",
    "OutOfRangeInput": "the path is too long or no name for Azure. Choose another one.",
    "BlobArchived": "it is archived and cannot be read. Bring it back to an online tier first.",
    "BlobBeingRehydrated": f"it is on its way back from the archive. {_LATER}",
    "BlobImmutableDueToPolicy": "a policy keeps it from being changed. Wait for its end, or write to another path.",
    "ConditionNotMet": "it was replaced while it was read. Read it again.",
    "InvalidBlockList": "somebody else wrote it at the same time, and was first. Write it again.",
    "InvalidBlobOrBlock": "pieces of somebody else wait there. Remove the file, and write it again.",
    "InvalidBlobType": "it is a page blob or an append blob. Remove it, or write to another path.",
    "LeaseIdMissing": "somebody has a lease on it. Break the lease, or wait for its end.",
    "ResourceTypeMismatch": "a folder of that name is in the way. Choose another path.",
    "PathConflict": "something else of that name is in the way. Choose another path.",
    "RequestBodyTooLarge": "the file is too large for Azure. Write it in parts.",
    "CopyFailed": "the copy was not finished by the service. Try again.",
}
"""Code -> what is wrong with what was asked for."""

BY_STATUS: Mapping[int, str] = {
    401: "InvalidAuthenticationInfo",
    403: "AuthorizationFailure",
    408: "OperationTimedOut",
    412: "ConditionNotMet",
    429: "ServerBusy",
    500: "InternalError",
    503: "ServerBusy",
    504: "OperationTimedOut",
}
"""Status -> code, for the answer to a request without a body."""


class BlobsError(Exception):
    """What the service, or the way to it, did not do: its code, and a reason where the code has none of its own."""

    def __init__(self, code: str, said: str = "") -> None:
        self.code, self.said = code, said
        super().__init__(f"{code}: {said}" if said else code)


def why_failed(error: BlobsError, container: str) -> str:
    """Return why a container could not be used as was asked, and what to do."""
    reasons = {**CONNECTION, **CREDENTIALS, **PERMISSIONS, **OPERATIONS}
    reason = error.said or reasons.get(error.code, "it was not done. Look at the cause for details.")
    return f"container '{container}' could not be used ({error.code}): {reason}"


def why_refused(error: BlobsError, place: str) -> str:
    """Return why credentials were not accepted, and what to do.

    Args:    place: what was asked, such as `The account 'etl'`.
    """
    if error.code == NO_TOKEN:
        return f"{place} was not asked. {error.said}"
    reasons = {**CONNECTION, **CREDENTIALS, **PERMISSIONS}
    reason = reasons.get(
        error.code, "if they are for a container alone, check the block that uses them instead."
    )
    return f"{place} did not accept the credentials ({error.code}): {reason}"
