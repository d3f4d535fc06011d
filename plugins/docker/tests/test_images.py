"""Names of images, and getting images from a real registry with a login."""

import logging
import traceback
from uuid import uuid4

import pytest
from docker_server import api

from blocks_core.errors import InfrastructureFailed, JobRefused
from blocks_core.jobs import Job
from blocks_docker import DockerContainer, DockerHost, DockerRegistry
from blocks_docker.images import parse_image

DIGEST = "sha256:" + "0123456789abcdef" * 4
HELLO = Job(("echo", "hello"))


@pytest.mark.parametrize(
    ("text", "server", "repository", "tag"),
    [
        ("python", "docker.io", "python", "latest"),
        ("python:3.12-slim", "docker.io", "python", "3.12-slim"),
        ("team/etl", "docker.io", "team/etl", "latest"),
        ("docker.io/team/etl:1", "docker.io", "team/etl", "1"),
        ("localhost/etl:1", "localhost", "localhost/etl", "1"),
        ("localhost:5000/etl", "localhost:5000", "localhost:5000/etl", "latest"),
        ("ghcr.io/a/b__c/d-e:v1", "ghcr.io", "ghcr.io/a/b__c/d-e", "v1"),
        (f"ghcr.io/a@{DIGEST}", "ghcr.io", "ghcr.io/a", DIGEST),
        (f"ghcr.io/a:1@{DIGEST}", "ghcr.io", "ghcr.io/a", DIGEST),
        ("[::1]:5000/a:1", "[::1]:5000", "[::1]:5000/a", "1"),
    ],
)
def test_a_name_says_server_repository_and_tag(text, server, repository, tag):
    name = parse_image(text)
    assert (name.server, name.repository, name.tag) == (server, repository, tag)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Python",
        "a b",
        "a:",
        ":1",
        "a@sha256:12",
        "-a",
        "a//b",
        "https://a.com/b",
        "../a",
        "a" * 600,
        "a:b:c",
    ],
)
def test_what_is_no_name_of_an_image_is_refused(text):
    with pytest.raises(ValueError, match="no name of an image"):
        parse_image(text)
    with pytest.raises(ValueError, match="no name of an image"):
        DockerContainer(image=text)


def test_long_names_are_judged_at_once():
    with pytest.raises(ValueError, match="no name"):
        parse_image("a-" * 240 + "!")


@pytest.fixture
def pushed(docker_engine, small_image, image_registry):
    """The name of an image that the registry has, and the engine not."""
    name = image_registry.push(docker_engine, small_image, f"team/etl-{uuid4().hex[:8]}:1")
    yield name
    with api(docker_engine) as client:
        for each in client.images(name):
            client.remove_image(each["Id"] if not each["RepoTags"] else name, force=True)


@pytest.fixture
def login(image_registry):
    return DockerRegistry(
        server=image_registry.server, username=image_registry.username, password=image_registry.password
    )


@pytest.fixture
def run(docker_engine):
    def run(image, job=HELLO, **options):
        block = DockerContainer(image=image, host=DockerHost(host=docker_engine), network="none", **options)
        handle = block.submit(job)
        try:
            assert handle.wait(60).ok
            return list(handle.logs())
        finally:
            handle.remove()

    return run


def test_an_image_that_is_not_there_is_pulled_with_the_login(run, pushed, login):
    assert run(pushed, registry=login) == ["hello"]
    assert run(pushed, image_pull_policy="never") == ["hello"]


def test_an_image_that_is_there_is_not_asked_for(run, pushed, login, nobody_listens):
    run(pushed, registry=login)
    wrong = login.model_copy(update={"server": nobody_listens})
    assert run(pushed, registry=wrong) == ["hello"]


def test_always_asks_the_registry_each_time(run, pushed, login, image_registry, docker_engine, small_image):
    assert run(pushed, registry=login, image_pull_policy="always") == ["hello"]
    with pytest.raises(InfrastructureFailed, match="could not be pulled"):
        run(pushed, image_pull_policy="always")


def test_a_job_may_bring_its_own_image(run, pushed, login):
    job = Job(("echo", "hello"), image=pushed)
    assert run("not-there:1", job, registry=login) == ["hello"]


def test_an_image_is_pulled_by_its_digest(run, pushed, login, docker_engine):
    run(pushed, registry=login)
    with api(docker_engine) as client:
        digest = client.inspect_image(pushed)["RepoDigests"][0]
        client.remove_image(pushed, force=True)
    assert run(digest, registry=login) == ["hello"]


def test_a_wrong_password_is_told_without_it(run, pushed, login, caplog):
    wrong = login.model_copy(update={"password": login.password.__class__("wr0ng-canary-4711")})
    with caplog.at_level(logging.DEBUG), pytest.raises(InfrastructureFailed) as caught:
        run(pushed, registry=wrong)
    assert "Give the field registry a block with a login for it." in str(caught.value)
    assert "wr0ng-canary-4711" not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_a_login_is_not_sent_to_another_server(run, pushed, login):
    elsewhere = login.model_copy(update={"server": "registry.example.com"})
    with pytest.raises(InfrastructureFailed, match="asks for a login"):
        run(pushed, registry=elsewhere)


def test_a_missing_image_that_may_not_be_pulled_is_told(run):
    with pytest.raises(InfrastructureFailed, match=r"'no-such:1' is not on the engine at unix:.*'never'"):
        run("no-such:1", image_pull_policy="never")


def test_a_registry_that_does_not_run_is_told(run, nobody_listens):
    with pytest.raises(InfrastructureFailed, match=r"could not be pulled .* the registry does not run"):
        run(f"{nobody_listens}/etl:1")


def test_a_tag_that_the_registry_has_not_is_told(run, pushed, login):
    with pytest.raises(InfrastructureFailed, match="the registry has no such"):
        run(pushed.replace(":1", ":2"), registry=login)


def test_a_job_whose_image_is_no_name_is_refused(run, small_image):
    with pytest.raises(JobRefused, match="no name of an image"):
        run(small_image, Job(("true",), image="No Name"))


def test_the_check_tells_whether_the_image_can_be_pulled(docker_engine, pushed, login):
    def check(**options):
        block = DockerContainer(image=pushed, host=DockerHost(host=docker_engine), network="none", **options)
        return {result.name: (result.ok, result.detail) for result in block.check().results}

    assert check(registry=login)["image"] == (
        True,
        f"The engine can pull the image '{pushed}'; the first job does that.",
    )
    ok, detail = check()["image"]
    assert not ok
    assert "asks for a login" in detail
    ok, detail = check(image_pull_policy="never")["image"]
    assert not ok
    assert "'never'" in detail
    with api(docker_engine) as client:
        assert client.images(pushed) == []
