"""One flow, unchanged, as a process, in a container and as a Kubernetes job: only the block's name differs.

The registry is on PostgreSQL, the data on an S3 server; the keys go to where the flow runs as a secret variable.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from registry_places import RegistryPlace, new_place

from blocks_aws import S3, AwsCredentials
from blocks_core import Infrastructure, use_library
from blocks_docker import DockerContainer, DockerHost
from blocks_kubernetes import KubernetesClusterConfig, KubernetesJob
from blocks_standard import Process

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
CANARY = "p1anted-5ecret-of-the-data"
SPEECH = b"to be or not to be that is the question to be"


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RegistryPlace]:
    with new_place("postgresql", tmp_path / "home", request) as found, use_library(found.library()):
        yield found


@pytest.fixture
def data(place: RegistryPlace, moto_server) -> S3:
    bucket = f"anywhere-{os.getpid()}"
    moto_server.client("s3").create_bucket(Bucket=bucket)
    keys = AwsCredentials(
        access_key_id="AK", secret_access_key=CANARY, region="us-east-1", endpoint_url=moto_server.url
    )
    data = S3(bucket=bucket, credentials=keys)
    data.write("speech.txt", SPEECH)
    data.save("data")
    return data


def process(request: pytest.FixtureRequest) -> Infrastructure:
    return Process(working_directory=str(ROOT))


def container(request: pytest.FixtureRequest) -> Infrastructure:
    return DockerContainer(
        host=DockerHost(host=request.getfixturevalue("docker_engine")),
        image=request.getfixturevalue("python_image"),
        image_pull_policy="never",
        network="host",
        volumes=[f"{ROOT}:{ROOT}:ro"],
        working_directory=str(ROOT),
    )


def kubernetes_job(request: pytest.FixtureRequest) -> Infrastructure:
    cluster = request.getfixturevalue("kubernetes_cluster")
    spec = "/spec/template/spec"
    mounted = {"name": "code", "mountPath": str(ROOT), "readOnly": True}
    return KubernetesJob(
        cluster=KubernetesClusterConfig(kubeconfig=json.dumps(cluster.kubeconfig)),
        namespace=request.getfixturevalue("kubernetes_namespace"),
        image=cluster.image,
        image_pull_policy="Never",
        working_directory=str(ROOT),
        customizations=[
            {"op": "add", "path": f"{spec}/hostNetwork", "value": True},
            {
                "op": "add",
                "path": f"{spec}/volumes",
                "value": [{"name": "code", "hostPath": {"path": str(ROOT)}}],
            },
            {"op": "add", "path": f"{spec}/containers/0/volumeMounts", "value": [mounted]},
        ],
    )


@pytest.mark.parametrize("kind", [process, container, kubernetes_job], ids=lambda kind: kind.__name__)
def test_a_flow_runs_unchanged_wherever_a_block_says(
    kind: Callable[[pytest.FixtureRequest], Infrastructure],
    request: pytest.FixtureRequest,
    place: RegistryPlace,
    data: S3,
    tmp_path: Path,
) -> None:
    where = kind(request)
    where.save("anywhere")
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "BLOCKS_URL": place.url,
        "BLOCKS_KEYS": "env",
        "BLOCKS_KEYRING": (place.home / "keys.json").read_text(),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    address = f"{where.type_info.slug}/anywhere"
    done = subprocess.run(
        [
            sys.executable,
            "examples/anywhere.py",
            address,
            "--",
            sys.executable,
            "examples/words.py",
            "speech.txt",
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert "to: 3\nbe: 3\n" in done.stdout
    assert done.stdout.rstrip().endswith("completed, exit code 0")
    assert data.read("speech.txt.counts").splitlines()[0] == b"to 3"
    assert CANARY not in shown
    assert place.url.split("@")[0] not in shown

    recorded = subprocess.run(
        [BIN / "block", "run", "ls", "-o", "json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    [run] = json.loads(recorded.stdout)
    assert (run["flow_name"], run["state_name"]) == ("count_words", "Success")
