import json
import sys
import traceback
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from blocks_core.errors import CredentialsRefused
from blocks_core.secret import SecretRef
from blocks_kubernetes import KubernetesClusterConfig
from blocks_kubernetes.login_commands import Login
from blocks_kubernetes.machine import access_of_machine, access_of_pod
from blocks_kubernetes.private_files import private_file

TOKEN = "p1anted-5ecret-token"


def config(user=None, cluster=None, **more):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "t", "cluster": {"server": "https://one.example.com:6443"} | (cluster or {})},
            {"name": "other", "cluster": {"server": "https://two.example.com"}},
        ],
        "users": [
            {"name": "a", "user": {"token": TOKEN} if user is None else user},
            {"name": "b", "user": {"token": "other-token"}},
        ],
        "contexts": [
            {"name": "c", "context": {"cluster": "t", "user": "a", "namespace": "etl"}},
            {"name": "d", "context": {"cluster": "other", "user": "b"}},
        ],
        "current-context": "c",
    } | more


def exec_of(script, **more):
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-c", script],
        }
        | more
    }


class TestFields:
    def test_a_kubeconfig_may_be_a_dict_yaml_or_json(self):
        as_dict = KubernetesClusterConfig(kubeconfig=config())
        as_json = KubernetesClusterConfig(kubeconfig=json.dumps(config()))
        as_yaml = KubernetesClusterConfig(kubeconfig=as_dict.kubeconfig.get_secret_value())
        assert as_dict.access() == as_json.access() == as_yaml.access()
        assert as_dict.access().token == TOKEN
        assert as_dict.namespace() == "etl"

    def test_a_context_is_chosen_by_its_name(self):
        other = KubernetesClusterConfig(kubeconfig=config(), context="d")
        assert (other.access().server, other.namespace()) == ("https://two.example.com", "default")

    @pytest.mark.parametrize(
        ("kubeconfig", "remedy"),
        [
            (f"token: [{TOKEN}", "not YAML.*Copy the kubeconfig whole"),
            (f"- {TOKEN}", "kubectl config view --raw"),
            (TOKEN, "kubectl config view --raw"),
            ({"clusters": TOKEN}, "'clusters' are no list"),
            ({"users": [{"name": "a", "user": TOKEN}]}, "'users' are no list"),
            ({"kind": "Config"}, "no current context"),
            (config(**{"current-context": "C"}), "no context 'C'"),
            (config(clusters=[]), "not in it. Copy the kubeconfig whole"),
            (config(cluster={"server": f"https://u:{TOKEN}@one"}), "without user or password"),
            (config(cluster={"certificate-authority": "ca.crt"}), "from_file"),
            (config(cluster={"certificate-authority-data": TOKEN}), "no PEM in base64"),
            (config(user={"client-key": "/a/key"}), "--flatten"),
            (config(user={"auth-provider": {"name": "oidc"}}), "login command"),
            (config(user={"token": 4711}), "'token' is no text"),
            (config(user=exec_of("")), "allow_login_command"),
            (config(user={"exec": {"command": "x"}}), "lacks command, apiVersion"),
        ],
    )
    def test_what_cannot_be_used_is_refused_with_the_remedy_and_without_its_secrets(self, kubeconfig, remedy):
        with pytest.raises(ValidationError, match=remedy) as caught:
            KubernetesClusterConfig(kubeconfig=kubeconfig)
        assert TOKEN not in "".join(traceback.format_exception(caught.value))

    def test_a_reference_is_looked_at_when_the_cluster_is_asked(self, monkeypatch):
        block = KubernetesClusterConfig(kubeconfig=SecretRef("env:CONFIG_4711"))
        monkeypatch.setenv("CONFIG_4711", json.dumps(config()))
        assert block.access().token == TOKEN
        monkeypatch.setenv("CONFIG_4711", f"{{token: {TOKEN}")
        with pytest.raises(CredentialsRefused, match="not YAML") as caught:
            block.access()
        assert TOKEN not in "".join(traceback.format_exception(caught.value))
        report = block.check()
        assert [result.ok for result in report.results] == [False]

    def test_an_access_shows_no_secret(self):
        access = KubernetesClusterConfig(
            kubeconfig=config(user={"username": "u", "password": TOKEN})
        ).access()
        assert TOKEN not in repr(access)
        assert TOKEN in access.secrets()


class TestFiles:
    def test_one_context_is_kept_with_what_its_files_hold(self, tmp_path):
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs" / "ca.crt").write_text("AUTHORITY")
        (tmp_path / "certs" / "key").write_text("KEY")
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        found = config(
            user={"tokenFile": "token", "client-certificate": "certs/ca.crt", "client-key": "certs/key"},
            cluster={"certificate-authority": "certs/ca.crt"},
        )
        (tmp_path / "config").write_text(json.dumps(found))
        block = KubernetesClusterConfig.from_file(tmp_path / "config", timeout_seconds=3)
        access = block.access()
        assert (access.token, access.authority, access.key) == (TOKEN, "AUTHORITY", "KEY")
        assert "other-token" not in block.kubeconfig.get_secret_value()
        assert (block.context, block.timeout_seconds) == ("c", 3)

    def test_a_file_that_is_named_and_not_there_is_named_in_the_error(self, tmp_path):
        (tmp_path / "config").write_text(json.dumps(config(user={"client-key": "gone"})))
        with pytest.raises(CredentialsRefused, match="names gone, which cannot be read"):
            KubernetesClusterConfig.from_file(tmp_path / "config")

    def test_a_kubeconfig_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(CredentialsRefused, match=r"config.*cannot be read"):
            KubernetesClusterConfig.from_file(tmp_path / "config")
        with pytest.raises(CredentialsRefused, match="Set KUBECONFIG"):
            KubernetesClusterConfig.from_file()
        with pytest.raises(CredentialsRefused, match="Set KUBECONFIG"):
            KubernetesClusterConfig().access()

    def test_several_files_are_one_as_for_kubectl(self, tmp_path, monkeypatch):
        first = config(contexts=[], **{"current-context": ""})
        second = config(user={"token": "shadowed"}, **{"current-context": "d"})
        for name, content in (("one", first), ("two", second)):
            (tmp_path / name).write_text(json.dumps(content))
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/gone:{tmp_path}/two")
        assert KubernetesClusterConfig(context="c").access().token == TOKEN
        assert KubernetesClusterConfig().access().server == "https://two.example.com"


class TestPod:
    @pytest.fixture
    def service_account(self, tmp_path, monkeypatch):
        folder = tmp_path / "serviceaccount"
        folder.mkdir()
        (folder / "token").write_text(TOKEN)
        (folder / "namespace").write_text("etl\n")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
        return folder

    def test_the_service_account_of_the_pod_goes_before_the_kubeconfig(self, service_account, monkeypatch):
        found = access_of_machine(None, service_account)
        assert (found.server, found.namespace) == ("https://[fd00::1]:443", "etl")
        assert found.token_file == str(service_account / "token")

    def test_a_context_asks_for_the_kubeconfig(self, service_account):
        with pytest.raises(CredentialsRefused, match="Set KUBECONFIG"):
            access_of_machine("c", service_account)

    def test_outside_of_a_pod_there_is_none(self, service_account, monkeypatch):
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
        assert access_of_pod(service_account) is None


class TestLoginCommand:
    def login(self, script, **more):
        block = KubernetesClusterConfig(
            kubeconfig=config(user=exec_of(script, **more)), allow_login_command=True
        )
        return Login(block.access().login)

    def test_its_token_is_kept_until_shortly_before_it_expires(self, tmp_path):
        soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
        script = f"""
import json, os, pathlib
count = pathlib.Path({str(tmp_path / "count")!r})
number = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (number + 1))
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert told["kind"] == "ExecCredential" and told["spec"]["cluster"]["server"].startswith("https://one")
status = {{"token": os.environ["PREFIX"] + str(number)}}
if number == 0: status["expirationTimestamp"] = {soon!r}
print(json.dumps({{"apiVersion": told["apiVersion"], "kind": "ExecCredential", "status": status}}))
"""
        login = self.login(script, env=[{"name": "PREFIX", "value": "token-"}], provideClusterInfo=True)
        assert [login.token(), login.token(), login.token()] == ["token-0", "token-1", "token-1"]
        login.forget()
        assert login.token() == "token-2"

    @pytest.mark.parametrize(
        ("script", "remedy"),
        [
            ("print('no JSON')", "printed no token"),
            ("print('{}')", "printed no token"),
            (
                "import os, sys; print('at', os.environ['KEY'], file=sys.stderr); sys.exit(3)",
                r"code 3.*at \*+",
            ),
        ],
    )
    def test_its_failure_says_what_to_do_and_no_secret(self, script, remedy):
        with pytest.raises(CredentialsRefused, match=remedy) as caught:
            self.login(script, env=[{"name": "KEY", "value": TOKEN}]).token()
        assert TOKEN not in "".join(traceback.format_exception(caught.value))

    def test_a_command_that_is_not_there_comes_with_the_hint(self):
        hint = {"installHint": "Install the gizmo."}
        with pytest.raises(CredentialsRefused, match=r"FileNotFoundError.*Install the gizmo"):
            self.login("", command="/no/such/program", **hint).token()


def test_a_private_file_is_nobody_elses_and_goes():
    with private_file(b"key") as path:
        assert Path(path).read_bytes() == b"key"
        assert path.startswith("/proc/self/") or not Path(path).parent.stat().st_mode & 0o077
    assert not Path(path).exists()


def test_a_certificate_of_garbage_is_told_without_it():
    garbage = b64encode(f"-----BEGIN KEY-----\n{TOKEN}".encode()).decode()
    block = KubernetesClusterConfig(
        kubeconfig=config(user={"client-certificate-data": garbage, "client-key-data": garbage})
    )
    with pytest.raises(CredentialsRefused, match="must be PEM") as caught:
        block.identity()
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
