"""Which of Airflow's connection types become which block types of ours.

Source:  the hooks that read them, in apache-airflow-providers-amazon 9.39.0, -google 22.8.0, -slack 9.11.1,
         -sftp 7.0.0, -ftp 3.16.1, -standard 1.21.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from blocks_registry.importing.found import names_of, value_at
from blocks_registry.importing.mapping import System, TypeMap, rule

_SLACK = "hooks.slack.com/services"
_KEY_PLACES = (
    "login",
    "password",
    "extra.aws_access_key_id",
    "extra.aws_secret_access_key",
    "extra.session_kwargs.aws_access_key_id",
    "extra.session_kwargs.aws_secret_access_key",
)


def _access_key(*halves: Any) -> Any:
    return _key_pair(*halves)[0]


def _secret_key(*halves: Any) -> Any:
    return _key_pair(*halves)[1]


def _key_pair(*halves: Any) -> tuple[Any, Any]:
    """Return the first key that has both its halves, as Airflow looks for it; else what there is of the first."""
    pairs = list(zip(halves[::2], halves[1::2], strict=True))
    whole = [pair for pair in pairs if all(pair)]
    begun = [pair for pair in pairs if any(pair)]
    return (*whole, *begun, (None, None))[0]


def _first(*values: Any) -> Any:
    return next((value for value in values if value), None)


def _refuse_federated(fields: Mapping[str, Any]) -> str:
    method = value_at(fields, "extra.assume_role_method")
    if value_at(fields, "extra.role_arn") is None or method in (None, "assume_role"):
        return ""
    return "it assumes its role through a sign-in elsewhere (SAML or a web identity)"


def _slack_url(password: Any, host: Any, schema: Any) -> Any:
    """Return the whole address of a webhook, put together as Airflow's hook does it."""
    if not isinstance(password, str) or "://" in password:
        return password
    base = str(host or _SLACK)
    if "://" not in base:
        base = f"{schema or 'https'}://{base}"
    return f"{base.rstrip('/')}/{password.lstrip('/')}".rstrip("/")


def _refuse_more_than_password(fields: Mapping[str, Any]) -> str:
    others = [name for name in names_of(fields) if name not in ("password", "description")]
    if value_at(fields, "password") and not others:
        return ""
    return (
        "only a password alone is a secret; this one has other fields too" if others else "it has no password"
    )


_HOST = re.compile(r"[A-Za-z0-9._:-]+")


def _refuse_odd_host(fields: Mapping[str, Any]) -> str:
    if _HOST.fullmatch(str(value_at(fields, "host") or "none")):
        return ""
    return "its host is more than a name, and an address is shown, so it must hold no password"


def _address(protocol: str, host: Any, port: Any) -> str | None:
    if not host:
        return None
    shown = f"[{host}]" if ":" in str(host) else host
    return f"{protocol}://{shown}:{port}/" if port else f"{protocol}://{shown}/"


def _sftp_address(host: Any, port: Any) -> str | None:
    return _address("sftp", host, port)


def _ftp_address(host: Any, port: Any) -> str | None:
    return _address("ftp", host, port)


def _refuse_key_in_text(fields: Mapping[str, Any]) -> str:
    if value_at(fields, "extra.private_key") is None:
        return _refuse_odd_host(fields)
    return "it has its private key as a text, and SFTP through fsspec takes a key from a file only"


_OTHER_SIGN_INS = (
    "key_path",
    "key_secret_name",
    "credential_config_file",
    "is_anonymous",
    "idp_issuer_url",
)


def _refuse_other_sign_in(fields: Mapping[str, Any]) -> str:
    found = [name for name in _OTHER_SIGN_INS if value_at(fields, f"extra.{name}")]
    return f"it signs in by {found[0]}, and a block of ours holds the key itself" if found else ""


def _key_file(found: Any) -> str | None:
    """Return the JSON key of a service account, with the line ends in its private key as Airflow mends them."""
    try:
        key = json.loads(found) if isinstance(found, str) else found
    except (ValueError, RecursionError):
        return found  # which the block refuses, and says why
    if not isinstance(key, dict):
        return found if found is None or isinstance(found, str) else json.dumps(found)
    members = cast("dict[str, Any]", key)
    private = members.get("private_key")
    if isinstance(private, str):
        members |= {"private_key": private.replace("\\n", "\n")}
    return json.dumps(members, sort_keys=True)


def _refuse_no_folder(fields: Mapping[str, Any]) -> str:
    return "" if value_at(fields, "extra.path") else "it names no folder"


def _remark_on_root(_: Mapping[str, Any]) -> str:
    return "paths begin at the server's root, not in the folder that the login starts in"


_LIST = (
    TypeMap(
        "aws",
        "aws-credentials",
        (
            rule("access_key_id", *_KEY_PLACES, by=_access_key),
            rule("secret_access_key", *_KEY_PLACES, by=_secret_key),
            rule(
                "session_token",
                "extra.aws_session_token",
                "extra.session_kwargs.aws_session_token",
                by=_first,
            ),
            rule("profile", "extra.profile_name"),
            rule("region", "extra.region_name"),
            rule("role_arn", "extra.role_arn"),
            rule("external_id", "extra.assume_role_kwargs.ExternalId"),
            rule("endpoint_url", "extra.endpoint_url"),
        ),
        says_nothing={"extra.assume_role_method": "assume_role", "extra.verify": True},
        refuse=_refuse_federated,
    ),
    TypeMap(
        "google_cloud_platform",
        "gcp-credentials",
        (rule("service_account", "extra.keyfile_dict", by=_key_file), rule("project", "extra.project")),
        says_nothing={
            "extra.num_retries": 5,
            "extra.scope": "https://www.googleapis.com/auth/cloud-platform",
        },
        refuse=_refuse_other_sign_in,
    ),
    TypeMap(
        "slackwebhook",
        "slack-webhook",
        (rule("url", "password", "host", "schema", by=_slack_url), rule("timeout_seconds", "extra.timeout")),
    ),
    TypeMap("slack", "secret", (rule("value", "password"),)),
    TypeMap(
        "sftp",
        "remote-file-system",
        (
            rule("url", "host", "port", by=_sftp_address),
            rule("options.username", "login"),
            rule("options.key_filename", "extra.key_file"),
            rule("secret_options.password", "password"),
            rule("secret_options.passphrase", "extra.private_key_passphrase"),
        ),
        refuse=_refuse_key_in_text,
        remark=_remark_on_root,
    ),
    TypeMap(
        "ftp",
        "remote-file-system",
        (
            rule("url", "host", "port", by=_ftp_address),
            rule("options.username", "login"),
            rule("secret_options.password", "password"),
        ),
        says_nothing={"extra.passive": True},
        refuse=_refuse_odd_host,
    ),
    TypeMap("fs", "local-file-system", (rule("base_path", "extra.path"),), refuse=_refuse_no_folder),
    TypeMap("generic", "secret", (rule("value", "password"),), refuse=_refuse_more_than_password),
)

AIRFLOW: Final = System(
    "Airflow",
    {one.theirs: one for one in _LIST},
    without={
        "http": "it is the beginning of addresses for requests of any kind, and a webhook of ours posts messages to "
        "one whole address",
        "ssh": "no block type runs commands on other machines",
    },
)
