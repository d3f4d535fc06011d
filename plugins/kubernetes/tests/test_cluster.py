import json
import traceback

import pytest

from blocks_core.errors import CredentialsRefused
from blocks_core.testing.credentials_suite import CredentialsSuite
from blocks_kubernetes import KubernetesClusterConfig, KubernetesJob
from blocks_kubernetes.connection import Connection
from blocks_kubernetes.machine import access_of_pod
from blocks_kubernetes.permissions import NEEDED, ask_identity

TOKEN = "p1anted-5ecret-token"


def with_token(config, token):
    return config | {"users": [{"name": config["users"][0]["name"], "user": {"token": token}}]}


def with_server(config, **cluster):
    (found,) = config["clusters"]
    return config | {"clusters": [found | {"cluster": found["cluster"] | cluster}]}


class TestKubernetesClusterConfig(CredentialsSuite):
    @pytest.fixture
    def credentials(self, cluster_config):
        return cluster_config

    @pytest.fixture
    def refused_credentials(self, kubernetes_cluster):
        return KubernetesClusterConfig(kubeconfig=with_token(kubernetes_cluster.kubeconfig, TOKEN))


def test_a_check_has_one_line_for_each_permission(cluster_config):
    report = cluster_config.check()
    assert [result.name for result in report.results] == [
        "kubeconfig",
        "reach",
        "identity",
        *(f"{verb} {resource}" for verb, resource in NEEDED),
    ]
    assert report.ok


def test_a_check_tells_what_the_bearer_may_not(kubernetes_cluster, kubernetes_namespace):
    rules = [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    ]
    config = kubernetes_cluster.service_account(kubernetes_namespace, "reader", *rules)
    cluster = KubernetesClusterConfig(kubeconfig=config)
    may = {result.name for result in cluster.check().results if result.ok}
    assert may == {
        "kubeconfig",
        "reach",
        "identity",
        "create jobs",
        "get jobs",
        "list pods",
        "watch pods",
    }
    report = KubernetesJob(image="a:1", cluster=cluster).check()
    failed = [result for result in report.results if not result.ok]
    assert "may not get pods/log in namespace" in " ".join(result.detail for result in failed)


def test_what_answers_with_garbage_or_not_at_all_is_told(kubernetes_cluster, cluster_config):
    nobody = KubernetesClusterConfig(
        kubeconfig=with_server(kubernetes_cluster.kubeconfig, server="https://127.0.0.1:1"), timeout_seconds=2
    )
    (_, reach) = nobody.check().results
    assert not reach.ok
    assert "it cannot be reached. Check the address" in reach.detail


def test_a_certificate_that_is_not_trusted_is_told_from_no_answer(kubernetes_cluster):
    config = kubernetes_cluster.kubeconfig
    cluster = {
        name: value
        for name, value in config["clusters"][0]["cluster"].items()
        if name != "certificate-authority-data"
    }
    strict = KubernetesClusterConfig(
        kubeconfig=config | {"clusters": [{"name": config["clusters"][0]["name"], "cluster": cluster}]}
    )
    (_, reach) = strict.check().results
    assert "its certificate is not trusted. Check the kubeconfig's certificate-authority-data" in reach.detail
    named = KubernetesClusterConfig(kubeconfig=with_server(config, **{"tls-server-name": "elsewhere"}))
    assert "certificate is not trusted" in named.check().results[1].detail
    right = KubernetesClusterConfig(kubeconfig=with_server(config, **{"tls-server-name": "kubernetes"}))
    assert right.check().ok


def test_a_login_command_is_run_anew_when_its_token_is_not_accepted(kubernetes_cluster, tmp_path):
    good = kubernetes_cluster.kubeconfig["users"][0]["user"]["token"]
    (tmp_path / "tokens").write_text(f"{TOKEN}\n{good}\n{TOKEN}\n")
    script = f"""
read first < {tmp_path}/tokens; sed -i 1d {tmp_path}/tokens
echo "{{\\"status\\": {{\\"token\\": \\"$first\\"}}}}"
"""
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script]}
    }
    config = kubernetes_cluster.kubeconfig | {
        "users": [{"name": kubernetes_cluster.kubeconfig["users"][0]["name"], "user": user}]
    }
    cluster = KubernetesClusterConfig(kubeconfig=config, allow_login_command=True)
    assert cluster.identity()
    assert (tmp_path / "tokens").read_text() == f"{TOKEN}\n"


def test_a_pod_asks_with_its_service_account(kubernetes_cluster, kubernetes_namespace, tmp_path, monkeypatch):
    from base64 import b64decode

    config = kubernetes_cluster.service_account(kubernetes_namespace, "podded")
    (tmp_path / "token").write_text(config["users"][0]["user"]["token"])
    (tmp_path / "namespace").write_text(kubernetes_namespace)
    authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "ca.crt").write_bytes(b64decode(authority))
    host, _, port = kubernetes_cluster.server.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    connection = Connection(access_of_pod(tmp_path), 5)
    assert ask_identity(connection, "known")
    (tmp_path / "token").write_text(TOKEN)  # renewed by Kubernetes, here by what it does not know
    with pytest.raises(CredentialsRefused, match="does not know the bearer"):
        ask_identity(connection, "known")


def test_no_secret_is_left_on_the_disk_or_in_an_error(kubernetes_cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    config = with_token(kubernetes_cluster.kubeconfig, TOKEN)
    with pytest.raises(CredentialsRefused) as caught:
        KubernetesClusterConfig(kubeconfig=json.dumps(config)).identity()
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert list(tmp_path.iterdir()) == []
