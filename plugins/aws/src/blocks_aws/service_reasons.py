"""What the errors of KMS, Secrets Manager and ECR mean and what to do about them; known by their codes.

Source:  https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html,
         https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html,
         https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from blocks_aws.reasons import ACCESS_DENIED, CONNECTION, CREDENTIALS, codes_of
from blocks_core.errors import CredentialsRefused, SecretUnresolved

_LATER = "KMS is busy, or has an error of its own. Try again later."
_DENIED = frozenset({*ACCESS_DENIED, "NotAuthorizedException"})

KMS: Mapping[str, str] = {
    "NotFoundException": "there is no such key. Check its id or alias in BLOCKS_KEYS, the account and the region.",
    "DisabledException": "the key is disabled. Enable it: aws kms enable-key --key-id …",
    "KMSInvalidStateException": (
        "the key is in a state that does not allow it: it waits for its deletion, or its key store is not "
        "connected. While it waits, it can be had back: aws kms cancel-key-deletion --key-id …, then aws kms "
        "enable-key --key-id … . Once it is deleted, nothing opens what it has wrapped."
    ),
    "IncorrectKeyException": (
        "another key of KMS has wrapped it, such as the one that the alias led to before. Let the alias lead there "
        "again."
    ),
    "InvalidCiphertextException": (
        "it was altered, or belongs to another key id, or another key of KMS has wrapped it. Restore the key file "
        "from a backup, and check the key in BLOCKS_KEYS."
    ),
    "InvalidKeyUsageException": (
        "the key is not for encryption. Name a symmetric one (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT) in BLOCKS_KEYS."
    ),
    "ValidationException": "that is no id, alias or ARN of a key. Check BLOCKS_KEYS.",
    "InvalidArnException": "that is no ARN of a key. Check BLOCKS_KEYS.",
    "KeyUnavailableException": _LATER,
    "DependencyTimeoutException": _LATER,
    "KMSInternalException": _LATER,
    "ThrottlingException": _LATER,
}
"""Code -> what is wrong with the key of KMS, or with what it wrapped."""

SECRETS: Mapping[str, str] = {
    "ResourceNotFoundException": (
        "there is no such secret, or no version of it with that stage. Check the name, the prefix and the stage, and "
        "the account and region of the credentials."
    ),
    "InvalidRequestException": (
        "it is marked for deletion, or has no value. It can be had back for some days: aws secretsmanager "
        "restore-secret --secret-id …"
    ),
    "InvalidParameterException": "that is no name of a secret. Check it.",
    "ValidationException": "that is no name of a secret. Check it.",
    "ParamValidationError": "that is no name of a secret. Check it.",
    "InternalServiceError": "that is an error of the service. Try again later.",
    "InternalServiceErrorException": "that is an error of the service. Try again later.",
    "ThrottlingException": "the service asks for fewer requests. Try again later, or keep values for longer.",
}
"""Code -> what is wrong with the secret."""

_NOT_DECRYPTED = (
    "the key of KMS that encrypts it cannot be used. Give the credentials kms:Decrypt on it, and check that it is "
    "enabled."
)


def why_not_wrapped(error: Exception, action: str, kms_key: str) -> str:
    """Return why KMS did not wrap or unwrap a key, and what to do.

    Args:    action: `wrap` or `unwrap`.
    """
    for seen in _causes(error):
        if isinstance(seen, CredentialsRefused):
            return f"the key '{kms_key}' could not be asked. {seen}"
    codes = list(codes_of(error))
    for code in codes:
        if code in _DENIED:
            permission = "kms:Encrypt" if action == "wrap" else "kms:Decrypt"
            return (
                f"access to the key '{kms_key}' was refused ({code}). Give the bearer of the credentials "
                f"{permission} on it, in the key's policy or their own; what another key wrapped is refused, too."
            )
        if found := KMS.get(code):
            return f"with the key '{kms_key}' ({code}), {found}"
        if found := CREDENTIALS.get(code) or CONNECTION.get(code):
            return f"the key '{kms_key}' could not be asked ({code}): {found}"
    return f"the key '{kms_key}' gave an answer that says nothing of it ({codes[0]}). Check AWS_ENDPOINT_URL."


def why_unread(error: Exception, place: str) -> CredentialsRefused | SecretUnresolved:
    """Return the error for a secret that Secrets Manager did not give: why, and what to do.

    Args:    place: such as `Secret 'x' of AWS Secrets Manager`.
    """
    codes = list(codes_of(error))
    for code in codes:
        if code in _DENIED:
            return CredentialsRefused(
                f"{place} was refused ({code}). Give the bearer of the credentials secretsmanager:GetSecretValue "
                f"on it, and kms:Decrypt if a key of your own encrypts it."
            )
        if code == "DecryptionFailure":
            return CredentialsRefused(f"{place} was not read ({code}): {_NOT_DECRYPTED}")
        if found := SECRETS.get(code):
            return SecretUnresolved(f"{place} was not read ({code}): {found}")
        if found := CREDENTIALS.get(code):
            return CredentialsRefused(f"{place} was not read ({code}): {found}")
        if found := CONNECTION.get(code):
            return SecretUnresolved(f"{place} was not read ({code}): {found}")
    return SecretUnresolved(
        f"{place} was not read ({codes[0]}): what answered is no Secrets Manager. Check endpoint_url of the "
        f"credentials."
    )


def why_no_registry(error: Exception, action: str) -> str:
    """Return why ECR did not do what it was asked, and what to do.

    Args:    action: as IAM calls it, such as `ecr:GetAuthorizationToken`.
    """
    place = f"Amazon ECR did not answer {action.partition(':')[2]}"
    codes = list(codes_of(error))
    for code in codes:
        if code in _DENIED:
            unsaid = (
                " Where no reason is given (403), a wrong access key looks the same." if code == "403" else ""
            )
            return f"{place} ({code}). Give the bearer of the credentials {action} in a policy of their own.{unsaid}"
        if code in ("RepositoryNotFoundException", "InvalidParameterException"):
            return f"{place} ({code}). Check registry_id and the region."
        if code in ("ServerException", "ThrottlingException"):
            return f"{place} ({code}): it is busy, or has an error of its own. Try again later."
        if found := CREDENTIALS.get(code) or CONNECTION.get(code):
            return f"{place} ({code}): {found}"
    return f"{place} ({codes[0]}): what answered is no ECR. Check endpoint_url of the credentials."


def _causes(error: BaseException) -> Iterable[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__
