"""Saves blocks of many kinds on a Prefect server; run by the interpreter of Prefect's own environment.

PREFECT_API_URL says where. Types of prefect-aws and prefect-slack are planted where these are installed. All secrets
are invented and hold the word pl4nted.
"""

import asyncio

from prefect.blocks.core import Block
from prefect.blocks.notifications import MattermostWebhook, SlackWebhook
from prefect.blocks.system import Secret
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.filesystems import SMB, LocalFileSystem, RemoteFileSystem
from pydantic import SecretStr

Secret(value="pl4nted-secret").save("api-key")
Secret(value="123").save("number-like")
Secret(value={"user": "joe", "password": "pl4nted-json"}).save("login-object")
Webhook(
    url="https://hooks.example.com/in/pl4nted-hook",
    headers={"Authorization": "Bearer pl4nted-bearer"},
    allow_private_urls=False,
).save("deployments")
Webhook(url="https://hooks.example.com/pl4nted-get", method="GET", verify=False).save("poll")
SlackWebhook(url="https://hooks.slack.com/services/T0/B0/pl4nted-slack", notify_type="warning").save("alerts")
MattermostWebhook(hostname="chat.example.com", token="pl4nted-chat").save("chat")
LocalFileSystem(basepath="/srv/results").save("results")
LocalFileSystem().save("anywhere")
RemoteFileSystem(
    basepath="sftp://files.example.com/outgoing",
    settings={"username": "etl", "password": "pl4nted-sftp", "port": 22, "compress": True},
).save("partner")
RemoteFileSystem(
    basepath="s3://raw/x", settings={"key": "AK", "client_kwargs": {"aws_secret_access_key": "pl4nted-inner"}}
).save("inner")
SMB(share_path="share/x", smb_host="smb", smb_username="u", smb_password="pl4nted-smb").save("share")


class Warehouse(Block):
    """A block type of the user's own, which holds another block."""

    _block_type_slug = "warehouse"
    host: str
    password: SecretStr
    files: RemoteFileSystem


Warehouse(host="db", password="pl4nted-own", files=RemoteFileSystem.load("partner")).save("dwh")


async def save_without_name(block: Block) -> None:
    await block._save(is_anonymous=True)


asyncio.run(save_without_name(LocalFileSystem(basepath="/held-by-nobody")))

try:
    from prefect_aws import AwsCredentials, AwsSecret, MinIOCredentials, S3Bucket
except ImportError:
    pass
else:
    AwsCredentials(
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="pl4nted-aws",
        region_name="eu-central-1",
    ).save("prod")
    AwsCredentials(
        aws_access_key_id="AK",
        aws_secret_access_key="pl4nted-role",
        aws_session_token="pl4nted-token",
        assume_role_arn="arn:aws:iam::123456789012:role/etl",
        assume_role_kwargs={"ExternalId": "ext-1", "DurationSeconds": 900},
        aws_client_parameters={"endpoint_url": "http://127.0.0.1:9000", "use_ssl": False},
    ).save("role")
    MinIOCredentials(
        minio_root_user="root",
        minio_root_password="pl4nted-minio",
        aws_client_parameters={"endpoint_url": "http://127.0.0.1:9000"},
    ).save("minio")
    prod = AwsCredentials.load("prod")
    S3Bucket(bucket_name="raw", credentials=prod, bucket_folder="in/").save("raw-data")
    S3Bucket(bucket_name="raw", credentials=prod).save("raw-all")
    S3Bucket(bucket_name="mini", credentials=MinIOCredentials.load("minio")).save("mini")
    inline = AwsCredentials(aws_access_key_id="AK2", aws_secret_access_key="pl4nted-inline")
    S3Bucket(bucket_name="inline", credentials=inline).save("inline-creds")
    AwsSecret(aws_credentials=prod, secret_name="db").save("db-password")
    unnamed = AwsCredentials(aws_access_key_id="AK3", aws_secret_access_key="pl4nted-unnamed")

    async def save_with_unnamed() -> None:
        await unnamed._save(is_anonymous=True)
        await S3Bucket(bucket_name="anon", credentials=unnamed).save("anon-creds")

    asyncio.run(save_with_unnamed())

try:
    from prefect_slack import SlackCredentials
    from prefect_slack import SlackWebhook as SlackIncomingWebhook
except ImportError:
    pass
else:
    SlackIncomingWebhook(url="https://hooks.slack.com/services/T0/B0/pl4nted-incoming").save("alerts-two")
    SlackCredentials(token="xoxb-pl4nted-bot").save("bot")

SCHEMAS = {
    "json": ("JSON", {"value": {"title": "Value"}}, []),
    "string": ("String", {"value": {"type": "string"}}, []),
    "date-time": ("Date Time", {"value": {"type": "string", "format": "date-time"}}, []),
    "gcp-credentials": (
        "GCP Credentials",
        {
            "service_account_file": {},
            "service_account_info": {"type": "object"},
            "project": {"type": "string"},
        },
        ["service_account_info.*"],
    ),
    "gcpsecret": (
        "GcpSecret",
        {"gcp_credentials": {"type": "object"}, "secret_name": {}, "secret_version": {}},
        ["gcp_credentials.service_account_info.*"],
    ),
}
"""Of Prefect 2, and of prefect-gcp, whose class asks for a real private key."""


async def save_as_is() -> None:
    """Save documents that today's classes do not make."""
    async with get_client() as client:
        http = client._client

        async def save(slug: str, name: str, data: dict) -> str:
            title, properties, secret_fields = SCHEMAS[slug]
            known = {"block_types": {"slug": {"any_": [slug]}}}
            kinds = (await http.post("/block_types/filter", json=known)).json()
            kind = (
                kinds[0]
                if kinds
                else (await http.post("/block_types/", json={"name": title, "slug": slug})).json()
            )
            fields = {
                "title": title,
                "type": "object",
                "properties": properties,
                "block_type_slug": slug,
                "secret_fields": secret_fields,
                "block_schema_references": {},
            }
            schema = {"block_type_id": kind["id"], "fields": fields, "capabilities": [], "version": "2.0"}
            schema = (await http.post("/block_schemas/", json=schema)).json()
            document = {
                "name": name,
                "data": data,
                "block_schema_id": schema["id"],
                "block_type_id": kind["id"],
            }
            saved = await http.post("/block_documents/", json=document)
            return saved.raise_for_status().json()["id"]

        await save("json", "settings", {"value": {"batch_size": 500}})
        await save("string", "sender", {"value": "reports@example.com"})
        await save("date-time", "last-import", {"value": "2026-01-31T09:00:00+09:00"})
        await save("date-time", "naive", {"value": "2025-12-24T18:30:00"})
        info = {
            "type": "service_account",
            "project_id": "p1",
            "private_key": "pl4nted-gcp",
            "client_email": "x@p1.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
        lake = await save("gcp-credentials", "lake", {"service_account_info": info, "project": "p2"})
        await save("gcp-credentials", "from-file", {"service_account_file": "/keys/lake.json"})
        held = {"$ref": {"block_document_id": lake}}
        await save("gcpsecret", "db", {"gcp_credentials": held, "secret_name": "db", "secret_version": "3"})


asyncio.run(save_as_is())
print("planted")
