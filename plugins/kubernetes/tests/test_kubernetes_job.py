"""What a Job of Kubernetes does beyond the contract, on a real cluster."""

import json
import logging
import pickle
import subprocess
import sys
import time
import traceback
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from blocks_core.capabilities import ContainerRegistry, RegistryLogin
from blocks_core.errors import InfrastructureFailed, JobNotFound, JobRefused
from blocks_core.jobs import Job
from blocks_core.masking import MaskingFilter
from blocks_kubernetes import KubernetesClusterConfig
from blocks_kubernetes.manifest import held_back, owned, secret_manifests

SECRET = "p1anted-5ecret/of the job"
PRINTS = ("python3", "-c", "print('done')")
SLEEPS = ("python3", "-u", "-c", "import time; print('ready'); time.sleep(600)")


class Registry(ContainerRegistry, slug="registry-of-a-test"):
    """A login that does not change."""

    server: str
    password: SecretStr

    def login(self):
        return RegistryLogin(self.server, "etl", self.password)


@pytest.fixture
def submit(block):
    """Submit to the block, or one with other fields, and remove the jobs at the end."""
    handles = []

    def submit(job, **fields):
        handle = block.model_copy(update=fields).submit(job)
        handles.append(handle)
        return handle

    yield submit
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda handle: handle.remove(), handles))


@pytest.fixture
def api(kubernetes_cluster, kubernetes_namespace):
    """The namespace as the cluster has it, asked without this plugin."""

    class Api:
        namespace = kubernetes_namespace

        def job(self, handle):
            return kubernetes_cluster.ask("GET", f"{self.jobs}/{handle.id.split('/')[1]}")

        jobs = f"/apis/batch/v1/namespaces/{kubernetes_namespace}/jobs"
        pods = f"/api/v1/namespaces/{kubernetes_namespace}/pods"
        secrets = f"/api/v1/namespaces/{kubernetes_namespace}/secrets"

        def pods_of(self, handle):
            query = {"labelSelector": f"job-name={handle.id.split('/')[1]}"}
            return kubernetes_cluster.ask("GET", self.pods, query=query)["items"]

        def delete(self, path):
            return kubernetes_cluster.ask(
                "DELETE", path, {"propagationPolicy": "Background", "gracePeriodSeconds": 1}
            )

        def patch(self, path, body):
            return kubernetes_cluster.ask("PATCH", path, body)

        def text(self, path):
            return json.dumps(kubernetes_cluster.ask("GET", path))

    return Api()


@pytest.fixture(scope="module")
def stuck(shared_block):
    """Handles of jobs that cannot start, all made at once: most of the time is the nodes'."""
    ways = {
        "absent": {"image": "no-such-image:1"},
        "unpulled": {
            "image": "127.0.0.1:1/no-such-image:1",
            "image_pull_policy": "Always",
            "pod_start_timeout_seconds": 4,
        },
        "unscheduled": {"cpus": 1000, "pod_start_timeout_seconds": 3},
        "unmade": {"service_account_name": "not-there", "pod_start_timeout_seconds": 3},
    }
    handles = {name: shared_block.model_copy(update=way).submit(Job(PRINTS)) for name, way in ways.items()}
    yield handles
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda handle: handle.remove(), handles.values()))


class TestSecrets:
    def test_a_secret_variable_is_in_a_secret_that_the_job_owns_and_nowhere_else(
        self, submit, api, kubernetes_cluster
    ):
        job = Job(("python3", "-c", "import os; print(len(os.environ['TOKEN']))"), name="secretive")
        handle = submit(job, secret_environment={"TOKEN": SecretStr(SECRET)})
        assert list(handle.logs()) == [str(len(SECRET))]
        encoded = b64encode(SECRET.encode()).decode()
        for path in (api.jobs, api.pods, f"/api/v1/namespaces/{api.namespace}/events"):
            text = api.text(path)
            assert SECRET not in text
            assert encoded not in text
        name = handle.id.split("/")[1]
        secret = kubernetes_cluster.ask("GET", f"{api.secrets}/{name}-variables")
        assert secret["data"] == {"TOKEN": encoded}
        assert secret["metadata"]["ownerReferences"][0]["uid"] == api.job(handle)["metadata"]["uid"]
        assert "blocks/held" not in api.job(handle)["metadata"]["labels"]
        handle.remove()
        assert name not in api.text(api.secrets)

    def test_a_registry_becomes_a_secret_to_pull_with(self, submit, api):
        registry = Registry(server="registry.example.com", password=SECRET)
        handle = submit(Job(PRINTS), registry=registry)
        assert handle.wait(30).ok
        pull = f"{handle.id.split('/')[1]}-pull"
        assert api.pods_of(handle)[0]["spec"]["imagePullSecrets"] == [{"name": pull}]
        assert SECRET not in api.text(api.jobs)
        assert '"kubernetes.io/dockerconfigjson"' in api.text(f"{api.secrets}/{pull}")

    def test_nothing_is_left_where_a_secret_cannot_be_made(self, block, api, kubernetes_cluster):
        rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]}]
        config = kubernetes_cluster.service_account(api.namespace, "no-secrets", *rules)
        poor = block.model_copy(update={"cluster": KubernetesClusterConfig(kubeconfig=config)})
        before = kubernetes_cluster.names("jobs", api.namespace)
        job = Job(PRINTS, secret_environment={"TOKEN": SecretStr(SECRET)})
        with pytest.raises(
            InfrastructureFailed, match=r"did not create secrets.*Forbidden.*a Role that allows it"
        ) as caught:
            poor.submit(job)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert kubernetes_cluster.names("jobs", api.namespace) == before

    def test_the_next_submission_removes_a_job_whose_submitter_was_killed_before_it_could_start(
        self, block, api, submit, kubernetes_cluster, monkeypatch
    ):
        job = Job(PRINTS, secret_environment={"TOKEN": SecretStr(SECRET)})
        monkeypatch.setattr("blocks_kubernetes.submitting.START_SECONDS", 0.5)
        connection = block.cluster.connection()
        abandoned = held_back(block.manifest(job), [])
        made = connection.ask("POST", api.jobs, body=abandoned).body
        secret = owned(secret_manifests(made["metadata"]["name"], job, None)[0], made)
        connection.ask("POST", api.secrets, body=secret)
        time.sleep(1)
        assert submit(job).wait(30).ok
        with pytest.raises(JobNotFound):
            block.attach(f"{api.namespace}/{made['metadata']['name']}")
        while secret["metadata"]["name"] in kubernetes_cluster.names("secrets", api.namespace):
            time.sleep(0.1)

    def test_a_secret_that_the_cluster_refuses_is_not_repeated(self, block, caplog):
        caplog.handler.addFilter(MaskingFilter())
        job = Job(PRINTS, secret_environment={"TOKEN": SecretStr(SECRET * 100_000)})
        with caplog.at_level(logging.DEBUG), pytest.raises(InfrastructureFailed) as caught:
            block.submit(job)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        assert SECRET not in caplog.text


class TestRefusals:
    def test_a_namespace_that_is_not_there_is_named(self, block):
        elsewhere = block.model_copy(update={"namespace": "no-such-namespace"})
        with pytest.raises(
            InfrastructureFailed, match=r'"no-such-namespace" not found.*Create the namespace'
        ):
            elsewhere.submit(Job(PRINTS))

    def test_who_may_not_make_jobs_is_told_which_right_is_missing(self, block, api, kubernetes_cluster):
        config = kubernetes_cluster.service_account(api.namespace, "nobody")
        refused = block.model_copy(update={"cluster": KubernetesClusterConfig(kubeconfig=config)})
        with pytest.raises(InfrastructureFailed, match=r'create resource "jobs".*a Role that allows it'):
            refused.submit(Job(PRINTS))
        with pytest.raises(InfrastructureFailed, match=r'get resource "jobs"'):
            refused.attach(f"{api.namespace}/a")

    def test_who_may_not_read_logs_is_told_so(self, submit, block, api, kubernetes_cluster):
        handle = submit(Job(PRINTS))
        rules = [
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        ]
        config = kubernetes_cluster.service_account(api.namespace, "no-logs", *rules)
        poor = block.model_copy(update={"cluster": KubernetesClusterConfig(kubeconfig=config)}).attach(
            handle.id
        )
        assert poor.wait(30).ok  # without watching, too
        with pytest.raises(InfrastructureFailed, match=r"pods/log.*Forbidden"):
            list(poor.logs())

    def test_a_customization_that_the_cluster_does_not_take_is_told_at_once(self, block):
        odd = {"op": "add", "path": "/spec/template/spec/dnsPolicy", "value": "Sometimes"}
        block = block.model_copy(update={"customizations": [*block.customizations, odd]})
        with pytest.raises(InfrastructureFailed, match=r"dnsPolicy.*its customizations"):
            block.submit(Job(PRINTS))
        report = block.check()
        assert [result.name for result in report.results if not result.ok] == ["job"]

    def test_a_customization_of_a_wrong_kind_is_told(self, block):
        odd = {"op": "add", "path": "/spec/template/spec/hostNetwork", "value": "perhaps"}
        with pytest.raises(InfrastructureFailed, match="HTTP 400"):
            block.model_copy(update={"customizations": [odd]}).submit(Job(PRINTS))

    def test_an_image_policy_that_contradicts_itself_fails_the_check(self, block):
        both = block.model_copy(update={"image_pull_secrets": ["regcred"]})
        assert [result.name for result in both.check().results if not result.ok] == ["image"]
        stale = block.model_copy(update={"image": "etl:latest", "image_pull_policy": "IfNotPresent"})
        assert [result.name for result in stale.check().results if not result.ok] == ["image"]

    def test_a_job_without_an_image_is_refused(self, block):
        with pytest.raises(JobRefused, match="no image"):
            block.model_copy(update={"image": None}).submit(Job(PRINTS))


class TestStarting:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("absent", ("its container cannot start: ErrImageNeverPull", "no-such-image:1")),
            ("unpulled", ("did not start in 4 seconds", "127.0.0.1:1")),
            ("unscheduled", ("Unschedulable", "Insufficient cpu")),
            ("unmade", ('serviceaccount "not-there" not found',)),
        ],
    )
    def test_one_that_cannot_start_has_crashed_with_the_words_of_the_cluster(self, stuck, api, name, words):
        handle = stuck[name]
        end = handle.wait(60)
        assert end.status == handle.status() == "crashed"
        assert [word for word in words if word not in end.reason] == []
        assert list(handle.logs()) == []
        assert all("deletionTimestamp" in pod["metadata"] for pod in api.pods_of(handle))

    def test_one_that_is_cancelled_before_it_starts_never_does(self, submit, api):
        handle = submit(Job(PRINTS), cpus=1000)
        handle.cancel()
        assert handle.wait(30).status == "cancelled"
        assert api.pods_of(handle) == []


class TestEnding:
    def test_one_that_takes_too_much_memory_or_time_has_crashed_with_its_log_kept(self, submit):
        program = "print('ready', flush=True); b = bytearray(300_000_000); print(len(b))"
        large = submit(Job(("python3", "-c", program)), memory_bytes=60_000_000)
        long = submit(Job(SLEEPS), deadline_seconds=2)
        end = large.wait(30)
        assert (end.status, end.exit_code, end.log_tail) == ("crashed", 137, ("ready",))
        assert end.reason == "killed by SIGKILL (out of memory)"
        end = long.wait(30)
        assert (end.status, end.log_tail) == ("crashed", ("ready",))
        assert end.reason == "it ran longer than it may: 2 seconds"

    def test_a_pod_that_is_deleted_has_crashed_and_no_other_runs_the_command(self, submit, api):
        handle = submit(Job(SLEEPS))
        assert next(handle.logs()) == "ready"
        (pod,) = api.pods_of(handle)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(handle.wait, 60)
            time.sleep(0.5)
            api.delete(f"{api.pods}/{pod['metadata']['name']}")
            end = waiting.result()
        assert end.status == handle.status() == "crashed"
        assert f"its pod {pod['metadata']['name']} was deleted" in end.reason
        assert [found for found in api.pods_of(handle) if found["status"]["phase"] == "Running"] == []

    def test_a_job_that_is_deleted_is_not_found(self, submit, api):
        handle = submit(Job(SLEEPS))
        lines = handle.logs()
        assert next(lines) == "ready"
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(handle.wait, 60)
            time.sleep(0.3)
            api.delete(f"{api.jobs}/{handle.id.split('/')[1]}")
            with pytest.raises(JobNotFound):
                waiting.result()
        with pytest.raises(JobNotFound):
            list(lines)

    def test_another_job_of_its_name_is_not_taken_for_it(self, submit, api, block):
        handle = submit(Job(PRINTS))
        assert handle.wait(30).ok
        namespace, name, uid = handle.id.split("/")
        other = uid[:-1] + ("0" if uid[-1] != "0" else "1")
        with pytest.raises(JobNotFound):
            block.attach(f"{namespace}/{name}/{other}")
        assert block.attach(f"{namespace}/{name}").id == handle.id

    def test_a_job_that_others_made_is_not_found(self, block, api, kubernetes_cluster):
        manifest = block.manifest(Job(PRINTS))
        manifest["metadata"]["labels"] = {"app": "other"}
        kubernetes_cluster.ask("POST", api.jobs, manifest)
        name = manifest["metadata"]["name"]
        with pytest.raises(JobNotFound):
            block.attach(f"{api.namespace}/{name}")
        api.delete(f"{api.jobs}/{name}")

    def test_a_job_goes_when_it_was_kept_long_enough(self, submit, api):
        handle = submit(Job(PRINTS), keep_seconds=6)
        assert handle.wait(30).ok
        while handle.id.split("/")[1] in api.text(api.jobs):
            time.sleep(0.2)
        with pytest.raises(JobNotFound, match="keep_seconds"):
            handle.status()

    def test_another_process_cancels_and_this_one_sees_it(self, submit, block):
        handle = submit(Job(SLEEPS))
        lines = handle.logs()
        assert next(lines) == "ready"
        source = "import pickle, sys; block, id = pickle.load(sys.stdin.buffer); block.attach(id).cancel()"
        subprocess.run(
            [sys.executable, "-c", source], input=pickle.dumps((block, handle.id)), check=True, timeout=60
        )
        assert handle.status() == "cancelled"
        end = handle.wait(60)
        assert (end.status, end.log_tail) == ("cancelled", ("ready",))
        assert list(lines) == []


class TestPulling:
    def test_a_node_pulls_with_the_login_of_the_registry(
        self, submit, api, docker_engine, image_registry, small_image
    ):
        image = image_registry.push(docker_engine, small_image, "etl:1")
        job = Job(("echo", "pulled"), image=image)
        anonymous = submit(job, image_pull_policy="Always", pod_start_timeout_seconds=3)
        registry = Registry(server=image_registry.server, password=image_registry.password)
        handle = submit(job, image_pull_policy="Always", registry=registry)
        assert list(handle.logs()) == ["pulled"]
        assert handle.wait(60).ok
        assert anonymous.wait(30).status == "crashed"
        assert image_registry.password not in anonymous.wait(0).reason
