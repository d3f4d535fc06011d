"""What Vault's answers mean and what to do about them; without a vendor's package.

Source:  https://developer.hashicorp.com/vault/api-docs#http-status-codes
"""

from __future__ import annotations

from blocks_core.errors import CredentialsRefused, SecretUnresolved

_SEALED = "Vault is sealed or in standby. Unseal it ('vault operator unseal'), or check the address."
_NO_MOUNT = "no handler for route"


def why_not_asked(status: int | None, kind: str) -> str | None:
    """Return why Vault did not answer the question, whatever it was, and what to do; None where it did.

    Args:    status: of HTTP; None where no answer came. kind: name of the error's class.
    """
    if status is None:
        return _why_unreachable(kind)
    return {
        200: "what answered is no Vault. Check the address and the proxy.",
        429: "Vault asks for fewer requests. Try again later.",
        500: "that is an error of Vault's own. See its log, and try again later.",
        501: "Vault is not initialized. Run 'vault operator init', or check the address.",
        502: "a server that Vault asks did not answer it. Try again later.",
        503: _SEALED,
    }.get(status)


def why_not_wrapped(status: int | None, said: str, kind: str, path: str) -> str:
    """Return why transit did not wrap or unwrap a key, and what to do.

    Args:    path: such as `transit/encrypt/blocks`.
    """
    if found := why_not_asked(status, kind):
        return found
    mount, action, name = path.rsplit("/", 2)
    if status in (401, 403):
        return (
            f"the token is not valid any more, or may not do that. Look at it ('vault token lookup'), and give its "
            f'policy path "{path}" {{ capabilities = ["update"] }}.'
        )
    if _NO_MOUNT in said or status == 404:
        return (
            f"nothing is mounted at '{mount}'. Run 'vault secrets enable -path={mount} transit', or check "
            f"BLOCKS_KEYS and VAULT_NAMESPACE."
        )
    if "encryption key not found" in said:
        return f"there is no key '{name}'. Make it: vault write -f {mount}/keys/{name}"
    if "too old" in said:
        return (
            f"the version of the key that wrapped it may not decrypt any more. Lower min_decryption_version of "
            f"{mount}/keys/{name}, until 'block keys' has put a new key in this one's place."
        )
    if "associated_data" in said or "context" in said or "not support" in said:
        return (
            f"the key '{name}' is of a type that does not serve. Make one of type aes256-gcm96, not derived."
        )
    if action == "decrypt":
        return (
            "what the key file holds was altered, or belongs to another key id, or another key has wrapped it. "
            "Restore the key file from a backup, and check BLOCKS_KEYS."
        )
    return "Vault takes it for a wrong request. Check BLOCKS_KEYS and the key's type."


def secret_error(
    status: int | None, said: str, kind: str, place: str, path: str
) -> CredentialsRefused | SecretUnresolved:
    """Return the error for a secret that Vault did not give.

    Args:    place: such as `Secret 'x' of Vault`. path: that a policy names, such as `secret/data/x`.
    """
    answered = f"{place} was not read ({_answer(status, said, kind)})"
    if status in (401, 403):
        return CredentialsRefused(
            f"{answered}: the token is not valid any more, or may not read it. Look at it ('vault token lookup'), "
            f'and give its policy path "{path}" {{ capabilities = ["read"] }}.'
        )
    if found := why_not_asked(status, kind):
        return SecretUnresolved(f"{answered}: {found}")
    if _NO_MOUNT in said:
        return SecretUnresolved(f"{answered}: nothing is mounted there. Check mount, and the namespace.")
    if "deleted" in said:
        return SecretUnresolved(
            f"{answered}. Have it back with 'vault kv undelete' or 'vault kv rollback', or write it anew."
        )
    return SecretUnresolved(
        f"{answered}: there is no such secret. Check its path, the prefix, the namespace, and that mount is a "
        f"key/value store of version 2."
    )


def _answer(status: int | None, said: str, kind: str) -> str:
    words = kind if status is None else f"HTTP {status}"
    return f"{words}: {said}" if said else words


def _why_unreachable(kind: str) -> str:
    if kind == "SSLError":
        return "its certificate is not trusted. VAULT_CACERT names a file of certificates to trust."
    if "Timeout" in kind:
        return "there was no answer in time. Check the network, and try again."
    return "it cannot be reached. Check VAULT_ADDR or url, the network and the proxy."
