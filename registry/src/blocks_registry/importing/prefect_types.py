"""Which of Prefect's block types become which of ours.

Source:  the classes of prefect 3.8.8, prefect-aws 0.7.12, prefect-gcp 0.6.22, prefect-slack 0.4.0; `json`,
         `string` and `date-time` are Prefect 2's, which databases that were upgraded still have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from blocks_registry.importing.found import value_at
from blocks_registry.importing.mapping import System, TypeMap, rule
from blocks_registry.importing.settings_split import secret_options, shown_options, why_not_split

_METHODS = ("POST", "PUT", "PATCH")
_CLIENT_DEFAULTS = {"aws_client_parameters.use_ssl": True, "aws_client_parameters.verify": True}


def _as_text(value: Any) -> str | None:
    """Return a secret as a text: one that is no text, as JSON."""
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True)


def _remark_on_secret(fields: Mapping[str, Any]) -> str:
    value = value_at(fields, "value")
    if isinstance(value, str):
        return ""
    return "its value is no text: it is kept as JSON, so read it with json.loads(block.get())"


def _remark_on_source(_: Mapping[str, Any]) -> str:
    return "a block of ours reads any secret of the store, so give it the name: block.read_secret(block.check_key)"


def _refuse_key_file(fields: Mapping[str, Any]) -> str:
    if value_at(fields, "service_account_file") is None:
        return ""
    return "it names a key file of another machine, and a block of ours holds the file's content"


def _refuse_get(fields: Mapping[str, Any]) -> str:
    if value_at(fields, "method") in (None, *_METHODS):
        return ""
    return "it asks by another method than POST, PUT or PATCH, and a webhook of ours sends messages"


def _refuse_no_folder(fields: Mapping[str, Any]) -> str:
    if value_at(fields, "basepath"):
        return ""
    return "it names no folder, so it means the one that a program is started in"


def _refuse_settings(fields: Mapping[str, Any]) -> str:
    return why_not_split(fields.get("settings"))


_LIST = (
    TypeMap("secret", "secret", (rule("value", by=_as_text),), remark=_remark_on_secret),
    TypeMap("json", "json", (rule("value"),)),
    TypeMap("string", "string", (rule("value"),)),
    TypeMap("date-time", "date-time", (rule("value"),)),
    TypeMap(
        "webhook",
        "webhook",
        (
            rule("url"),
            rule("method"),
            rule("headers"),
            rule("allow_private_addresses", "allow_private_urls"),
        ),
        says_nothing={"verify": True},
        refuse=_refuse_get,
    ),
    TypeMap(
        "slack-webhook",
        "slack-webhook",
        (rule("url"),),
        says_nothing={"notify_type": "info", "allow_private_urls": True},
    ),
    TypeMap("slack-incoming-webhook", "slack-webhook", (rule("url"),)),
    TypeMap("slack-credentials", "secret", (rule("value", "token"),)),
    TypeMap(
        "local-file-system", "local-file-system", (rule("base_path", "basepath"),), refuse=_refuse_no_folder
    ),
    TypeMap(
        "remote-file-system",
        "remote-file-system",
        (
            rule("url", "basepath"),
            rule("options", "settings", by=shown_options),
            rule("secret_options", "settings", by=secret_options),
        ),
        refuse=_refuse_settings,
    ),
    TypeMap(
        "aws-credentials",
        "aws-credentials",
        (
            rule("access_key_id", "aws_access_key_id"),
            rule("secret_access_key", "aws_secret_access_key"),
            rule("session_token", "aws_session_token"),
            rule("profile", "profile_name"),
            rule("region", "region_name"),
            rule("role_arn", "assume_role_arn"),
            rule("external_id", "assume_role_kwargs.ExternalId"),
            rule("endpoint_url", "aws_client_parameters.endpoint_url"),
        ),
        says_nothing=_CLIENT_DEFAULTS,
    ),
    TypeMap(
        "minio-credentials",
        "aws-credentials",
        (
            rule("access_key_id", "minio_root_user"),
            rule("secret_access_key", "minio_root_password"),
            rule("region", "region_name"),
            rule("endpoint_url", "aws_client_parameters.endpoint_url"),
        ),
        says_nothing=_CLIENT_DEFAULTS,
    ),
    TypeMap(
        "aws-secret",
        "aws-secret",
        (rule("credentials", "aws_credentials"), rule("check_key", "secret_name")),
        remark=_remark_on_source,
    ),
    TypeMap(
        "gcp-credentials",
        "gcp-credentials",
        (rule("service_account", "service_account_info", by=_as_text), rule("project")),
        refuse=_refuse_key_file,
    ),
    TypeMap(
        "gcpsecret",
        "gcp-secret",
        (
            rule("credentials", "gcp_credentials"),
            rule("check_key", "secret_name"),
            rule("version", "secret_version"),
        ),
        remark=_remark_on_source,
    ),
    TypeMap(
        "s3-bucket",
        "s3",
        (rule("bucket", "bucket_name"), rule("prefix", "bucket_folder"), rule("credentials")),
    ),
)

PREFECT: Final = System("Prefect", {one.theirs: one for one in _LIST})
