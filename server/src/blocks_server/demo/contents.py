"""What is in the demo's registry: names and values that are made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from blocks_core.secret import SecretRef


@dataclass(frozen=True)
class DemoBlock:
    """A block, and how it came to be what it is."""

    address: str
    fields: Mapping[str, Any] = field(repr=False)
    holds: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field -> address of the block that it holds, which comes before."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    changes: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """What each later version changed."""
    by: str = "maria@laptop"


@dataclass(frozen=True)
class DemoRun:
    """A flow whose runs loaded blocks."""

    flow: str
    blocks: tuple[str, ...]
    times: int = 1
    user: str = "etl@worker-2"


def demo_blocks(folder: str) -> tuple[DemoBlock, ...]:
    """Return the blocks, those that others hold before them.

    Args:    folder: of files, which a storage may make.
    """
    return (*_CLOUD, *_storages(folder), *_ALERTS, *_VALUES, *_JOBS, *_REPORTS)


_DATA: Final = {"team": "data", "stage": "production"}
_OPS: Final = {"team": "platform", "stage": "production"}
_TRIAL: Final = {"team": "data", "stage": "trial"}

_CLOUD: Final = (
    DemoBlock(
        "aws-credentials/warehouse",
        {
            "access_key_id": "AKIADEMOWAREHOUSE000",
            "secret_access_key": "demo-secret-of-2025",
            "region": "eu-west-1",
        },
        labels=_OPS,
        changes=({"secret_access_key": "demo-secret-of-2026"}, {"region": "eu-central-1"}),
        by="jan@ops",
    ),
    DemoBlock(
        "s3/raw-events",
        {"bucket": "acme-raw-events", "prefix": "v1"},
        {"credentials": "aws-credentials/warehouse"},
        _DATA,
        ({"prefix": "v2"}, {"timeout_seconds": 30.0}),
    ),
    DemoBlock("s3/results", {"bucket": "acme-results"}, {"credentials": "aws-credentials/warehouse"}, _DATA),
    DemoBlock(
        "gcs/marketing-exports", {"bucket": "acme-marketing-exports", "prefix": "daily"}, labels=_TRIAL
    ),
    DemoBlock(
        "github/flows",
        {
            "repository": "acme/flows",
            "reference": "main",
            "folder": "flows",
            "token": "demo-secret-of-github",
        },
        labels=_OPS,
    ),
)

_ALERTS: Final = (
    DemoBlock(
        "slack-webhook/data-alerts",
        {"url": "https://hooks.slack.com/services/T0DEMO/B0DEMO/demo-secret-of-slack"},
        labels=_DATA,
        changes=({"retries": 4},),
    ),
    DemoBlock(
        "pager-duty-webhook/on-call",
        {"routing_key": "demosecretofpagerduty00000000000", "region": "eu"},
        labels=_OPS,
        by="jan@ops",
    ),
    DemoBlock(
        "email/reports",
        {
            "host": "smtp.example.com",
            "username": "reports@example.com",
            "password": SecretRef("env:REPORTS_MAIL_PASSWORD"),
            "sender": "Reports <reports@example.com>",
            "to": ["sales@example.com", "finance@example.com"],
        },
        labels=_DATA,
    ),
)

_VALUES: Final = (
    DemoBlock("secret/billing-api-key", {"value": "demo-secret-of-billing"}, labels=_OPS, by="jan@ops"),
    DemoBlock("secret/geocoder-token", {"value": "demo-secret-of-geocoder"}, labels=_TRIAL),
    DemoBlock(
        "json/import-settings",
        {"value": {"batch_size": 500, "regions": ["eu", "us"]}},
        labels=_DATA,
        changes=({"value": {"batch_size": 800, "regions": ["eu", "us", "apac"], "dry_run": False}},),
    ),
    DemoBlock("string/support-address", {"value": "support@example.com"}),
    DemoBlock("date-time/last-import", {"value": "2026-03-01T04:00:00+01:00"}, labels=_DATA),
)

_JOBS: Final = (
    DemoBlock(
        "process/this-machine",
        {"environment": {"STAGE": "test"}, "secret_environment": {"API_TOKEN": "demo-secret-of-jobs"}},
        labels=_OPS,
    ),
    DemoBlock(
        "docker-container/train-models",
        {
            "image": "registry.example.com/train:2026.3",
            "environment": {"EPOCHS": "20", "STAGE": "production"},
            "volumes": ["/srv/models:/models"],
            "cpus": 4.0,
        },
        labels=_DATA,
    ),
    DemoBlock(
        "kubernetes-job/nightly", {"image": "registry.example.com/etl:2026.3", "cpus": 2.0}, labels=_OPS
    ),
)

_REPORTS: Final = (
    DemoBlock(
        "sales-report/weekly",
        {
            "title": "Sales of the week",
            "recipients": ["sales@example.com", "ceo@example.com"],
            "delivery": {
                "kind": "partner",
                "address": "https://files.example.com/in",
                "token": "demo-secret-of-partner",
            },
            "sections": [
                {
                    "title": "By region",
                    "query": "select region, sum(total)\nfrom sales\ngroup by region",
                    "chart": "bars",
                },
                {"title": "Returns", "query": "select * from returns"},
            ],
            "currencies": {"EUR": 1.0, "USD": 0.92},
        },
        {"storage": "local-file-system/reports", "notify": "slack-webhook/data-alerts"},
        _DATA,
        ({"recipients": ["sales@example.com", "ceo@example.com", "finance@example.com"]},),
    ),
)

DEMO_RUNS: Final = (
    DemoRun("nightly-import", ("s3/raw-events", "json/import-settings", "secret/billing-api-key"), 14),
    DemoRun("train-models", ("s3/results", "docker-container/train-models"), 3, "etl@gpu-1"),
    DemoRun("sales-report", ("sales-report/weekly", "local-file-system/reports"), 5),
)


def _storages(folder: str) -> tuple[DemoBlock, ...]:
    return (
        DemoBlock("local-file-system/reports", {"base_path": f"{folder}/reports"}, labels=_DATA),
        DemoBlock(
            "local-file-system/finance-share",  # its check fails: no such folder is mounted
            {"base_path": "/mnt/demo-finance-share", "create": False},
            labels=_OPS,
            by="jan@ops",
        ),
        DemoBlock(
            "remote-file-system/partner",
            {
                "url": "sftp://files.example.com/outgoing",
                "options": {"username": "acme"},
                "secret_options": {"password": "demo-secret-of-sftp"},
            },
            labels=_TRIAL,
        ),
    )
