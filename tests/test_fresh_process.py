"""What one process saves, another loads, and it imports little for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "fsspec",
    "httpx2",
    "boto3",
    "botocore",
    "s3fs",
    "slack_sdk",
    "click",
    "rich",
    "asyncio",
    "ssl",
    "http",
    "xml",
)


def python(home: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"BLOCKS_HOME": str(home), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "way",
    [
        "from blocks_standard import Secret; s = Secret.load('x')",
        "from blocks_core import Block; s = Block.load('secret/x')",
    ],
)
def test_a_secret_saved_by_one_process_is_loaded_by_another_with_few_imports(
    tmp_path: Path, way: str
) -> None:
    python(tmp_path, "from blocks_standard import Secret; Secret(value='123').save('x')")
    shown = python(tmp_path, f"{way}\nassert s.get() == '123', s\nimport sys\nprint(*sys.modules)")
    loaded = set(shown.split())
    assert [name for name in HEAVY if name in loaded] == []


def test_importing_every_plugin_loads_no_vendor_package(tmp_path: Path) -> None:
    shown = python(
        tmp_path,
        "import blocks_aws, blocks_gcp, blocks_notify, blocks_slack, blocks_standard, blocks_vault\n"
        "from blocks_aws import AwsCredentials, AwsSecret, S3\n"
        "from blocks_gcp import GcpCredentials, GcpSecret\n"
        "from blocks_vault import VaultSecret\n"
        "import blocks_aws.kms, blocks_gcp.kms, blocks_vault.transit\n"
        "from blocks_slack import SlackWebhook\n"
        "from blocks_standard import LocalFileSystem, RemoteFileSystem\n"
        "from blocks_notify import *\n"
        "import sys\nprint(*sys.modules)",
    )
    vendors = {"boto3", "botocore", "s3fs", "aiobotocore", "slack_sdk", "httpx2", "fsspec"}
    vendors |= {"google.auth", "hvac", "requests", "urllib3", "jinja2", "apprise", "smtplib"}
    assert vendors.intersection(shown.split()) == set()


def test_importing_flows_loads_nothing_that_a_run_may_not_need(tmp_path: Path) -> None:
    shown = python(tmp_path, "import blocks_flows, sys\nprint(*sys.modules)")
    assert {"pendulum", "rich", "cloudpickle", "click", "numpy"}.intersection(shown.split()) == set()
