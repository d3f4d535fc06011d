import json
import re

import pytest
from pydantic import SecretStr, ValidationError

from blocks_core.errors import JobRefused
from blocks_core.jobs import Job, Resources
from blocks_kubernetes import KubernetesJob
from blocks_kubernetes.manifest import secret_manifests

SECRET = "p1anted-5ecret"


def block(**fields):
    return KubernetesJob(**({"image": "etl:1", "namespace": "etl"} | fields))


def pod_of(manifest):
    return manifest["spec"]["template"]["spec"]


def test_the_manifest_has_what_block_and_job_say():
    manifest = block(
        environment={"A": "block", "B": "block"},
        secret_environment={"C": "block", "TOKEN": SECRET},
        working_directory="/srv",
        image_pull_policy="Always",
        image_pull_secrets=["regcred"],
        service_account_name="runner",
        cpus=0.5,
        memory_bytes=1024,
        labels={"team": "data"},
        keep_seconds=60,
        grace_seconds=3,
        deadline_seconds=7,
    ).manifest(
        Job(
            ("run", "it"),
            name="Nightly Étl!",
            image="etl:2",
            environment={"B": "job", "C": "job"},
            labels={"run": "4711", "odd Name!": "é x"},
            resources=Resources(cpus=2),
        )
    )
    name = manifest["metadata"]["name"]
    assert re.fullmatch(r"nightly-etl-[0-9a-f]{8}", name)
    labels = {"team": "data", "run": "4711", "odd-Name": "e-x", "blocks/job": name}
    assert manifest["metadata"] == {
        "name": name,
        "namespace": "etl",
        "labels": labels,
        "annotations": {
            "blocks/name": "Nightly Étl!",
            "blocks/labels": json.dumps({"run": "4711", "odd Name!": "é x"}),
        },
    }
    spec = manifest["spec"]
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (0, 60)
    assert spec["template"]["metadata"]["labels"] == labels
    quantities = {"cpu": "2000m", "memory": "1024"}
    assert pod_of(manifest) == {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 3,
        "activeDeadlineSeconds": 7,
        "serviceAccountName": "runner",
        "imagePullSecrets": [{"name": "regcred"}],
        "containers": [
            {
                "name": "job",
                "image": "etl:2",
                "imagePullPolicy": "Always",
                "command": ["run", "it"],
                "workingDir": "/srv",
                "env": [
                    {"name": "A", "value": "block"},
                    {"name": "B", "value": "job"},
                    {"name": "C", "value": "job"},
                    {
                        "name": "TOKEN",
                        "valueFrom": {"secretKeyRef": {"name": f"{name}-variables", "key": "TOKEN"}},
                    },
                ],
                "resources": {"requests": quantities, "limits": quantities},
            }
        ],
    }
    assert SECRET not in json.dumps(manifest)


@pytest.mark.parametrize("name", ["", "-", "가나다", "x" * 300, "a/b", "UPPER_case.dots", "7"])
def test_any_name_becomes_one_of_kubernetes(name):
    made = block().manifest(Job(("a",), name=name))["metadata"]["name"]
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])", made)
    assert made != block().manifest(Job(("a",), name=name))["metadata"]["name"]


def test_a_template_is_kept_where_nothing_is_said():
    template = {
        "metadata": {"annotations": {"owner": "me"}, "generateName": "x-"},
        "spec": {
            "template": {
                "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
                "spec": {
                    "nodeSelector": {"disk": "ssd"},
                    "containers": [
                        {"name": "proxy", "image": "proxy:1"},
                        {"name": "job", "args": ["old"], "env": [{"name": "A", "value": "1"}], "tty": True},
                    ],
                },
            }
        },
    }
    manifest = block(job_template=template).manifest(Job(("run",), environment={"B": "2"}))
    assert manifest["metadata"]["annotations"]["owner"] == "me"
    assert "generateName" not in manifest["metadata"]
    pod = pod_of(manifest)
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["containers"][0] == {"name": "proxy", "image": "proxy:1"}
    assert pod["containers"][1] == {
        "name": "job",
        "image": "etl:1",
        "command": ["run"],
        "tty": True,
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    }
    assert template["spec"]["template"]["spec"]["containers"][1]["args"] == ["old"]


def test_customizations_change_the_manifest():
    customizations = [
        {"op": "test", "path": "/kind", "value": "Job"},
        {"op": "add", "path": "/spec/template/spec/tolerations", "value": [{"key": "gpu"}]},
        {"op": "remove", "path": "/spec/ttlSecondsAfterFinished"},
    ]
    manifest = block(customizations=customizations).manifest(Job(("a",)))
    assert pod_of(manifest)["tolerations"] == [{"key": "gpu"}]
    assert "ttlSecondsAfterFinished" not in manifest["spec"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "insert", "path": "/a", "value": SECRET},
        {"op": "add", "path": "a", "value": SECRET},
        {"op": "add", "path": "/a"},
        {"op": "move", "path": "/a"},
        {"path": "/a", "value": SECRET},
        {"op": "add", "path": 7, "value": SECRET},
        {},
    ],
)
def test_what_is_no_operation_is_refused_at_once_by_its_number(operation):
    with pytest.raises(ValidationError, match="Customization 1 is no operation") as caught:
        block(customizations=[{"op": "remove", "path": "/spec/ttlSecondsAfterFinished"}, operation])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "replace", "path": "/spec/template/spec/containers/7/image", "value": "x"},
        {"op": "test", "path": "/kind", "value": "Pod"},
        {"op": "add", "path": "/metadata/name/deeper", "value": 1},
    ],
)
def test_a_customization_that_does_not_fit_is_told(operation):
    with pytest.raises(JobRefused, match=r"Customization 0 \(.*does not fit the Job"):
        block(customizations=[operation]).manifest(Job(("a",)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/spec/backoffLimit", 3),
        ("/spec/parallelism", 2),
        ("/spec/template/spec/restartPolicy", "OnFailure"),
        ("/metadata/name", "mine"),
        ("/metadata", {}),
        ("", []),
    ],
)
def test_a_customization_may_not_change_what_a_handle_relies_on(path, value):
    with pytest.raises(JobRefused, match="A customization changes"):
        block(customizations=[{"op": "replace", "path": path, "value": value}]).manifest(Job(("a",)))


def test_a_job_without_an_image_is_refused():
    with pytest.raises(JobRefused, match="no image"):
        KubernetesJob(namespace="etl").manifest(Job(("a",)))


def test_a_secret_that_no_process_can_be_given_is_refused_without_it():
    with pytest.raises(JobRefused, match="secret variable TOKEN") as caught:
        block(secret_environment={"TOKEN": f"{SECRET}\0"}).manifest(Job(("a",)))
    assert SECRET not in str(caught.value)


def test_a_name_with_half_a_character_does_no_harm():
    assert "?" in block().manifest(Job(("a",), name="\ud800"))["metadata"]["annotations"]["blocks/name"]


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"namespace": "Etl"}, "lower-case"),
        ({"namespace": "a/b"}, "lower-case"),
        ({"service_account_name": "A"}, "lower-case"),
        ({"image_pull_secrets": ["ok", "not ok"]}, "lower-case"),
        ({"environment": {"A": "x"}, "secret_environment": {"A": SECRET}}, "Give it once"),
        ({"labels": {"odd name": "x"}}, "must be letters"),
        ({"labels": {"a": "odd value"}}, "value of the label 'a'"),
        ({"labels": {"A_b/x": "x"}}, "like example.com"),
        ({"environment": {"A-B": "x"}}, "name of a variable"),
        ({"secret_environment": {"A=B": SECRET}}, "name of a variable"),
        ({"job_template": {"kind": "Pod"}}, "must be a Job"),
        ({"image_pull_policy": "never"}, "IfNotPresent"),
    ],
)
def test_fields_of_a_wrong_form_are_refused_with_the_remedy(fields, remedy):
    with pytest.raises(ValidationError, match=remedy) as caught:
        block(**fields)
    assert SECRET not in str(caught.value)


def test_docker_hub_has_its_own_key_in_a_pull_secret():
    from blocks_core.capabilities import RegistryLogin

    job = Job(("a",))
    for server, key in (
        ("docker.io", "https://index.docker.io/v1/"),
        ("r.example.com:5000", "r.example.com:5000"),
    ):
        login = RegistryLogin(server, "etl", SecretStr(SECRET))
        (secret,) = secret_manifests("name", job, login)
        from base64 import b64decode

        auths = json.loads(b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        assert list(auths) == [key]
        assert b64decode(auths[key]["auth"]).decode() == f"etl:{SECRET}"
