"""What AWS's errors mean and what to do about them; known by their codes, so that no vendor's package is needed.

Source:  https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
         https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html,
         botocore.exceptions (the errors without a code go by the name of their class).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from blocks_core.errors import CredentialsRefused

_WRONG_ID = "the access key is not known there. Check access_key_id and endpoint_url, or make a new key."
_OTHER_KEY = "the secret does not belong to the access key. Check secret_access_key: copy it whole."
_EXPIRED = (
    "the temporary key has expired. Get a new one, with its session token. What can be renewed was renewed once, and "
    "refused again: check the clocks."
)
_OTHER_SESSION = "the session token does not belong to the access key. Give the token that came with it."
_CLOCK = "the clocks differ too much. Set the clock of this machine."
_NO_KEY = (
    "no credentials were found. Give an access key or a profile, or set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or run on a machine that has a role."
)
_HALF_KEY = "only half of an access key was found. Give the key and its secret, both in the same place."
_NO_PROFILE = "the shared AWS files have no such profile. Check its name with 'aws configure list-profiles'."
_UNREACHABLE = "it cannot be reached. Check endpoint_url, the region, the network and the proxy."
_NO_ANSWER = "there was no answer in time. Check the network and the load there, and try again."
_TLS = (
    "its certificate is not trusted. Check endpoint_url; AWS_CA_BUNDLE names a file of certificates to trust."
)
_REPLACED = "the file was replaced while it was read. Read it again."
_UNSAID = "the store gave no reason. Most often the temporary key has expired: get a new one, with its session token."
_NO_REGION = "no region is set. Give region, or set AWS_DEFAULT_REGION."

CREDENTIALS: Mapping[str, str] = {
    "InvalidAccessKeyId": _WRONG_ID,
    "InvalidClientTokenId": _WRONG_ID,
    "UnrecognizedClientException": _WRONG_ID,
    "SignatureDoesNotMatch": _OTHER_KEY,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidToken": _OTHER_SESSION,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "NoCredentialsError": _NO_KEY,
    "PartialCredentialsError": _HALF_KEY,
    "ProfileNotFound": _NO_PROFILE,
    "NoRegionError": _NO_REGION,
}
"""Code -> what is wrong with the credentials, whatever they were used for."""

CONNECTION: Mapping[str, str] = {
    "EndpointConnectionError": _UNREACHABLE,
    "ConnectionError": _UNREACHABLE,
    "ProxyConnectionError": _UNREACHABLE,
    "HTTPClientError": "the connection failed, or what came is no answer. Check endpoint_url and the cause.",
    "ConnectionClosedError": "the connection was closed. Check endpoint_url and the network, and try again.",
    "ConnectTimeoutError": _NO_ANSWER,
    "ReadTimeoutError": _NO_ANSWER,
    "ResponseStreamingError": "the answer broke off. Check the network, and try again.",
    "IncompleteRead": "the answer broke off. Check the network, and try again.",
    "ClientPayloadError": "the answer broke off. Check the network, and try again.",
    "BrokenOff": "the answer broke off. Check the network, and try again.",
    "FileExpired": _REPLACED,
    "PreconditionFailed": _REPLACED,
    "SSLError": _TLS,
    "InternalError": "that is an error of the service. Try again later.",
    "ServiceUnavailable": "the service is busy. Try again later.",
    "SlowDown": "the service asks for fewer requests. Try again later.",
    "503": "the service is busy. Try again later.",
    "500": "that is an error of the service. Try again later.",
}
"""Code -> what is wrong on the way to the service, or with it."""

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
"""What services call a key that has ended; the last is EC2's, which says so of wrong clocks, too."""

ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403", "Forbidden"})
NO_BUCKET = "NoSuchBucket"
ELSEWHERE = frozenset(
    {
        "PermanentRedirect",
        "TemporaryRedirect",
        "301",
        "307",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    }
)


def codes_of(error: BaseException) -> Iterator[str]:
    """Yield the codes that services gave for an error and its causes, and the names of their classes."""
    for seen in _with_causes(error):
        response = getattr(seen, "response", None)
        if isinstance(response, dict):
            found = cast("dict[str, Any]", response).get("Error", {}).get("Code")
            if found:
                yield str(found)
        yield type(seen).__name__


def why_refused(error: Exception, endpoint_url: str | None) -> str:
    """Return why credentials were not accepted, and what to do."""
    codes = list(codes_of(error))
    place = f"The store at {endpoint_url}" if endpoint_url else "AWS"
    for code in codes:
        if found := CREDENTIALS.get(code) or CONNECTION.get(code):
            return f"{place} did not say who the bearer of the credentials is ({code}): {found}"
    if ACCESS_DENIED.intersection(codes):
        return (
            f"{place} did not let the credentials assume the role, or ask who they are ({codes[0]}). Check "
            f"role_arn and external_id, and whom the role trusts."
        )
    return (
        f"{place} did not say who the bearer of the credentials is ({codes[0]}). If it is a store without the "
        f"service STS, check the block that uses the credentials instead."
    )


def why_failed(error: Exception, bucket: str, location: str) -> str | None:
    """Return why S3 did not do what was asked and what to do, or None for a code that says nothing of it."""
    for seen in _with_causes(error):
        if isinstance(seen, CredentialsRefused):  # while a role was assumed
            return f"{location}: bucket '{bucket}' could not be used. {seen}"
    for code in codes_of(error):
        if code == NO_BUCKET:
            return (
                f"{location}: there is no bucket '{bucket}'. Check its name, and the region and the endpoint_url "
                f"of the credentials, or create it."
            )
        if code in ACCESS_DENIED:
            return (
                f"{location}: access was refused ({code}). Give the credentials the permissions that they need on "
                f"bucket '{bucket}': s3:GetObject to read, s3:PutObject to write, s3:DeleteObject to remove, "
                f"s3:ListBucket to list. Without the last, a file that is not there is refused too. Where the store "
                f"gives no reason (403), a wrong access key looks the same."
            )
        if code in ELSEWHERE:
            return f"{location}: bucket '{bucket}' is in another region ({code}). Set the region of the credentials."
        if code == "400":  # to a HEAD, whose answer has no body
            return f"{location}: bucket '{bucket}' could not be used ({code}): {_UNSAID}"
        if code in ("InvalidBucketName", "ParamValidationError"):
            return f"{location}: '{bucket}' is no name for a bucket ({code}). Check the field bucket."
        if found := CREDENTIALS.get(code) or CONNECTION.get(code):
            return f"{location}: bucket '{bucket}' could not be used ({code}): {found}"
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__
