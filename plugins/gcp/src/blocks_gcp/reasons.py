"""What the errors of Google's services mean and what to do about them; without a vendor's package.

Source:  https://cloud.google.com/apis/design/errors (the words for errors, and their JSON),
         https://developers.google.com/identity/protocols/oauth2/service-account (answers to a wrong JWT).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from blocks_core.errors import CredentialsRefused, SecretUnresolved
from blocks_core.masking import without

MAX_SAID = 300
"""Characters of what Google says that a message repeats."""

_NOT_ACCEPTED = "Google did not accept the token. Check the credentials, and the clock of this machine."
_LATER = "That is an error of the service, or it is busy. Try again later."

WORDS: Mapping[str, str] = {
    "UNAUTHENTICATED": _NOT_ACCEPTED,
    "RESOURCE_EXHAUSTED": "The quota is used up. Try again later, or raise it.",
    "UNAVAILABLE": _LATER,
    "INTERNAL": _LATER,
    "DEADLINE_EXCEEDED": _LATER,
    "ABORTED": _LATER,
}
"""Google's word for an error -> what to do, whatever was asked."""

REASONS: Mapping[str, str] = {
    "SERVICE_DISABLED": "The API is not switched on in the project: gcloud services enable {service}.googleapis.com",
    "BILLING_DISABLED": "The project has no billing account. Link one.",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (
        "The machine's own credentials lack the scope cloud-platform. Give it to the machine, or give a service "
        "account."
    ),
}
"""Google's finer word, among the details of an error -> what to do."""

_GRANTS: tuple[tuple[str, str], ...] = (
    ("signature", "the key is none of the account's any more. Make a new key of the service account."),
    ("account not found", "there is no such service account. Check client_email, or make a new account."),
    ("timeframe", "the clocks differ too much. Set the clock of this machine."),
    ("disabled", "the account is disabled. Enable it, or use another."),
)


@dataclass(frozen=True)
class Answer:
    """What a service of Google said to a request."""

    status: int
    """Of HTTP."""
    content: Mapping[str, Any]
    """The JSON object; empty where the answer is none."""

    @property
    def ok(self) -> bool:
        """Tell whether the service did what was asked."""
        return self.status == 200

    @property
    def word(self) -> str:
        """Return Google's word for the error, such as `PERMISSION_DENIED`; empty where there is none."""
        return str(self._error().get("status", ""))

    @property
    def reason(self) -> str:
        """Return Google's finer word for the error, such as `SERVICE_DISABLED`; empty where there is none."""
        details = self._error().get("details")
        found = cast("list[Any]", details) if isinstance(details, list) else []
        reasons = (cast("dict[str, Any]", item).get("reason") for item in found if isinstance(item, dict))
        return next((str(reason) for reason in reasons if reason), "")

    @property
    def message(self) -> str:
        """Return what Google says in a sentence; empty where it says none."""
        return str(self._error().get("message", ""))

    def said(self, secrets: Iterable[str]) -> str:
        """Return the answer for a message, with secrets taken out: status, word and sentence."""
        words = " ".join(part for part in (f"HTTP {self.status}", self.word, self.reason) if part)
        sentence = "".join(c if c.isprintable() else " " for c in self.message)
        shown = f"{words}: {sentence}" if sentence else words
        return without(shown, secrets)[:MAX_SAID]

    def _error(self) -> Mapping[str, Any]:
        error = self.content.get("error")
        return cast("Mapping[str, Any]", error) if isinstance(error, dict) else {}


def remedy_for(answer: Answer, service: str, remedies: Mapping[str, str]) -> str:
    """Return what to do about an error.

    Args:    service: such as `cloudkms`. remedies: Google's word -> what to do, for what was asked.
    """
    if found := REASONS.get(answer.reason):
        return found.format(service=service)
    if found := remedies.get(answer.word) or WORDS.get(answer.word):
        return found
    if answer.status >= 500:
        return _LATER
    return "What answered is no service of Google. Check the endpoint and the proxy."


def why_refused(error: Exception) -> str:
    """Return why there is no token, and what to do, for an error of google-auth; no answer is repeated."""
    names = {type(seen).__name__ for seen in _with_causes(error)}
    said = str(error)
    if "RefreshError" in names:
        word = said.partition(":")[0].strip("('\" ")
        if word == "invalid_grant":
            known = (remedy for sign, remedy in _GRANTS if sign in said.lower())
            remedy = next(known, "the account is gone or disabled, or its key is. Make a new key of it.")
            return f"Google did not give a token ({word}): {remedy}"
        if word in ("invalid_client", "unauthorized_client", "invalid_scope", "access_denied"):
            return f"Google did not give a token ({word}): the account may not have one. Check it in the console."
        return (
            "Google did not give a token: what answered is no token endpoint. Check token_uri and the proxy."
        )
    if names & {"TransportError", "ConnectionError", "Timeout", "ReadTimeout", "ConnectTimeout", "SSLError"}:
        return f"{why_unreachable(error)} A token is got there."
    if "MalformedError" in names or "ValueError" in names:
        return "The service account's key is damaged. Give the JSON key file whole, as Google made it."
    return (
        "No credentials were found. Give service_account, or set GOOGLE_APPLICATION_CREDENTIALS to a key file, or "
        "run 'gcloud auth application-default login', or run on a machine that has a service account."
    )


def why_unreachable(error: Exception) -> str:
    """Return why no answer came, and what to do."""
    names = {type(seen).__name__ for seen in _with_causes(error)}
    if "SSLError" in names:
        return "Google's certificate is not trusted. Check the proxy; REQUESTS_CA_BUNDLE names certificates to trust."
    if names & {"ReadTimeout", "ConnectTimeout", "Timeout", "ReadTimeoutError"}:
        return "There was no answer in time. Check the network, and try again."
    return "Google cannot be reached. Check the network, the endpoint and the proxy (HTTPS_PROXY)."


def secret_error(answer: Answer, place: str, secrets: Iterable[str]) -> CredentialsRefused | SecretUnresolved:
    """Return the error for a secret that Secret Manager did not give.

    Args:    place: such as `Secret 'x' of Google Secret Manager`. secrets: what the answer may repeat.
    """
    remedies = {
        "NOT_FOUND": "There is no such secret or version. Check the name, the prefix, the version and the project.",
        "PERMISSION_DENIED": (
            "Give the account the role roles/secretmanager.secretAccessor on it; a secret that is not there is "
            "refused, too."
        ),
        "FAILED_PRECONDITION": "The version is disabled or destroyed. Enable it, or add a new one.",
        "INVALID_ARGUMENT": "That is no name of a secret or version. Check it.",
    }
    text = f"{place} was not read ({answer.said(secrets)}). {remedy_for(answer, 'secretmanager', remedies)}"
    refused = answer.word in ("UNAUTHENTICATED", "PERMISSION_DENIED") or answer.status in (401, 403)
    return CredentialsRefused(text) if refused else SecretUnresolved(text)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__]
        waiting += [arg for arg in found.args if isinstance(arg, BaseException)]
