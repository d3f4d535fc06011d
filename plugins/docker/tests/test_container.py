"""What a container sees, how it ends, and what is kept of it, on a real engine."""

import logging
import os
import pickle
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pydantic
import pytest
from docker_server import SMALL_IMAGE, api, engine_of_ones_own, import_small_image
from pydantic import SecretStr, ValidationError

from blocks_core.errors import InfrastructureFailed, JobNotFound, JobRefused
from blocks_core.jobs import Job, Resources
from blocks_docker import DockerContainer, DockerHost
from blocks_docker.handle import JOB_LABEL

MEBIBYTE = 1024 * 1024


@pytest.fixture
def host(docker_engine):
    return DockerHost(host=docker_engine)


@pytest.fixture
def container(host, small_image):
    return DockerContainer(image=small_image, host=host, network="none", grace_seconds=1)


@pytest.fixture
def changed(container):
    """Make a block with other fields, validated."""
    return lambda **fields: DockerContainer.model_validate(dict(container) | fields)


@pytest.fixture
def submit():
    handles = []

    def submit(block, *command, **options):
        handles.append(block.submit(Job(command, **options)))
        return handles[-1]

    yield submit
    for handle in handles:
        handle.remove()


@pytest.fixture
def inspect(docker_engine):
    def inspect(handle):
        with api(docker_engine) as client:
            return client.inspect_container(handle.id)

    return inspect


@pytest.fixture
def ours(docker_engine):
    def ours():
        with api(docker_engine) as client:
            return {each["Id"] for each in client.containers(all=True, filters={"label": JOB_LABEL})}

    return ours


def output(handle):
    assert handle.wait(60).ok
    return list(handle.logs())


# What a container sees


def test_variables_of_the_block_and_of_the_job_are_one_environment(changed, submit):
    block = changed(environment={"A": "block", "B": "block"}, secret_environment={"C": "block", "D": "block"})
    job = {"environment": {"B": "job"}, "secret_environment": {"D": SecretStr("job")}}
    handle = submit(block, "sh", "-c", 'echo "$A $B $C $D"', **job)
    assert output(handle) == ["block job block job"]


def test_a_secret_variable_is_nowhere_but_among_the_containers_variables(changed, submit, inspect, caplog):
    block = changed(secret_environment={"TOKEN": "canary-4711-canary"})
    with caplog.at_level(logging.DEBUG):
        handle = submit(block, "sh", "-c", "test ${#TOKEN} = 18", name="job", labels={"team": "data"})
        assert handle.wait(60).ok
    inspected = inspect(handle)
    assert inspected["Config"].pop("Env").count("TOKEN=canary-4711-canary") == 1
    assert "canary-4711-canary" not in f"{inspected} {handle!r} {block!r} {caplog.text}"


def test_a_folder_of_the_machine_is_seen_to_write_or_to_read_only(changed, submit, tmp_path):
    (tmp_path / "in").write_text("from outside\n")
    block = changed(volumes=[f"{tmp_path}:/data", f"{tmp_path}:/fixed:ro"])
    script = "cat /fixed/in; echo inside > /data/out; touch /fixed/no 2> /dev/null || echo refused"
    assert output(submit(block, "sh", "-c", script)) == ["from outside", "refused"]
    assert (tmp_path / "out").read_text() == "inside\n"


def test_a_named_volume_outlives_the_container(changed, submit, docker_engine):
    block = changed(volumes=["blocks-test-cache:/cache"])
    try:
        submit(block, "touch", "/cache/here").wait(60)
        assert output(submit(block, "ls", "/cache")) == ["here"]
    finally:
        with api(docker_engine) as client:
            for each in client.containers(all=True, filters={"volume": "blocks-test-cache"}):
                client.remove_container(each["Id"], force=True)
            client.remove_volume("blocks-test-cache")


def test_a_folder_that_is_not_there_is_refused_and_leaves_no_container(changed, ours, tmp_path):
    before = ours()
    with pytest.raises(JobRefused, match="Make the folder on the engine's machine"):
        changed(volumes=[f"{tmp_path}/not-there:/data"]).submit(Job(("true",)))
    assert ours() == before


@pytest.mark.parametrize(("user", "expected"), [("worker", "1234"), ("77:88", "77"), (None, "0")])
def test_the_program_runs_as_the_user(changed, submit, user, expected):
    assert output(submit(changed(user=user), "id", "-u")) == [expected]


def test_a_user_whom_the_image_does_not_know_is_told_and_leaves_no_container(changed, ours):
    before = ours()
    with pytest.raises(InfrastructureFailed, match="the image knows no such user"):
        changed(user="stranger").submit(Job(("true",)))
    assert ours() == before


def test_a_network_that_is_not_there_is_told_and_leaves_no_container(changed, ours):
    before = ours()
    with pytest.raises(JobRefused, match="docker network ls"):
        changed(network="no-such-network").submit(Job(("true",)))
    assert ours() == before


def test_a_container_without_a_network_has_none_and_one_with_the_hosts_has_it(changed, submit):
    def interfaces(network):
        return set(output(submit(changed(network=network), "ls", "/sys/class/net")))

    assert interfaces("none") == {"lo"}
    assert interfaces("host") == set(os.listdir("/sys/class/net"))


def test_folder_name_and_labels_are_those_of_the_job(changed, submit, inspect):
    block = changed(working_directory="/root", labels={"team": "data", "stage": "test"})
    handle = submit(block, "sh", "-c", "pwd", name="Nightly / run 1", labels={"stage": "prod"})
    assert output(handle) == ["/root"]
    assert output(submit(block, "sh", "-c", "pwd", working_directory="/tmp")) == ["/tmp"]
    inspected = inspect(handle)
    assert inspected["Name"].startswith("/Nightly-run-1-")
    labels = inspected["Config"]["Labels"]
    assert (labels["team"], labels["stage"], labels[JOB_LABEL]) == ("data", "prod", "Nightly / run 1")


def test_limits_of_a_job_go_before_those_of_the_block(changed, submit, inspect):
    block = changed(memory_bytes=64 * MEBIBYTE, cpus=0.5)

    def limits(**options):
        settings = inspect(submit(block, "true", **options))["HostConfig"]
        return settings["Memory"], settings["MemorySwap"], settings["NanoCpus"]

    assert limits() == (64 * MEBIBYTE, 64 * MEBIBYTE, 500_000_000)
    own = Resources(cpus=1, memory_bytes=32 * MEBIBYTE)
    assert limits(resources=own) == (32 * MEBIBYTE, 32 * MEBIBYTE, 1_000_000_000)


def test_more_processors_than_there_are_are_refused(container):
    with pytest.raises(JobRefused, match=r"Ask for fewer, or set cpus of the block\."):
        container.submit(Job(("true",), resources=Resources(cpus=4096)))


def test_packages_of_an_environment_are_used_where_it_is_mounted(host, python_image, submit):
    block = DockerContainer(
        image=python_image, host=host, network="none", volumes=[f"{sys.prefix}:{sys.prefix}:ro"]
    )
    source = "import pydantic, sys; print(pydantic.VERSION, sys.prefix)"
    assert output(submit(block, sys.executable, "-c", source)) == [f"{pydantic.VERSION} {sys.prefix}"]


# How it ends


def test_a_program_that_needs_too_much_memory_has_crashed_and_why_is_told(host, python_image, submit):
    block = DockerContainer(image=python_image, host=host, network="none", memory_bytes=64 * MEBIBYTE)
    source = "print('before', flush=True); held = bytearray(512 * 1024 * 1024); print(len(held))"
    end = submit(block, "python", "-c", source).wait(60)
    assert (end.status, end.exit_code, end.reason) == ("crashed", 137, "killed by SIGKILL (out of memory)")
    assert end.log_tail == ("before",)


def test_a_shell_that_does_not_find_a_program_has_failed_and_is_no_missing_program(container, submit):
    end = submit(container, "sh", "-c", "no-such-program").wait(60)
    assert (end.status, end.exit_code) == ("failed", 127)


def test_a_program_that_may_not_be_executed_is_told(container, submit):
    end = submit(container, "/etc/passwd").wait(60)
    assert (end.status, end.exit_code) == ("crashed", 126)
    assert end.reason == "the program '/etc/passwd' could not be run in the image: Permission denied"


def test_the_image_s_entry_point_is_not_put_before_the_command(docker_engine, container, submit):
    with api(docker_engine) as client:
        made = client.create_container(container.image, ["x"], host_config=client.create_host_config())
        client.commit(
            made["Id"], "blocks-test-entry", "1", conf={"Entrypoint": ["echo", "entry"], "Cmd": ["no"]}
        )
        client.remove_container(made["Id"])
    try:
        assert output(submit(container, "echo", image="blocks-test-entry:1")) == [""]
    finally:
        with api(docker_engine) as client:
            for each in client.containers(all=True, filters={"ancestor": "blocks-test-entry:1"}):
                client.remove_container(each["Id"], force=True)
            client.remove_image("blocks-test-entry:1")


def test_another_process_sees_that_a_job_was_cancelled(container, submit):
    handle = submit(container, "sleep", "600")
    handle.cancel()
    other = pickle.loads(pickle.dumps(container)).attach(handle.id)
    assert (other.status(), other.wait(0).status) == ("cancelled", "cancelled")


def test_a_job_that_others_stop_has_crashed(container, submit, docker_engine):
    handle = submit(container, "sleep", "600")
    with api(docker_engine) as client:
        client.kill(handle.id)
    end = handle.wait(60)
    assert (end.status, end.reason) == ("crashed", "killed by SIGKILL")


def test_several_may_cancel_and_remove_at_once(container, submit):
    handle = submit(container, "sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    with ThreadPoolExecutor(4) as threads:
        for each in [threads.submit(handle.cancel) for _ in range(4)]:
            each.result()
        assert handle.wait(60).status == "cancelled"
        for each in [threads.submit(handle.remove) for _ in range(4)]:
            each.result()
    with pytest.raises(JobNotFound):
        handle.status()


def test_a_container_that_others_remove_is_not_found(container, docker_engine):
    handle = container.submit(Job(("sh", "-c", "echo one; sleep 600")))
    lines = handle.logs()
    assert next(lines) == "one"
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(handle.wait, 60)
        time.sleep(0.3)
        with api(docker_engine) as client:
            client.remove_container(handle.id, force=True)
        with suppress(JobNotFound):  # or it is seen between its end and its removal
            assert waiting.result().reason == "killed by SIGKILL"
    with pytest.raises(JobNotFound, match="it was removed"):
        list(lines)
    with pytest.raises(JobNotFound):
        handle.wait(60)
    handle.remove()


def test_a_container_of_others_is_none_of_ours(container, docker_engine):
    with api(docker_engine) as client:
        made = client.create_container(container.image, ["true"])["Id"]
        try:
            with pytest.raises(JobNotFound, match="no container of ours"):
                container.attach(made)
            client.inspect_container(made)
        finally:
            client.remove_container(made)


def test_a_job_that_was_never_started_is_pending(container, docker_engine):
    with api(docker_engine) as client:
        made = client.create_container(container.image, ["true"], labels={JOB_LABEL: "x"})["Id"]
    handle = container.attach(made)
    try:
        assert handle.status() == "pending"
        with pytest.raises(TimeoutError):
            handle.wait(0.3)
        handle.cancel()
        assert (handle.status(), handle.wait(0).exit_code) == ("cancelled", None)
    finally:
        handle.remove()


# What is kept


def test_containers_that_ended_long_ago_are_removed_by_the_next_job(changed, submit, inspect):
    brief, kept = changed(keep_seconds=1), changed(keep_seconds=None)
    old, forever, running = submit(brief, "true"), submit(kept, "true"), submit(brief, "sleep", "600")
    old.wait(60)
    forever.wait(60)
    time.sleep(2.1)
    recent = submit(changed(keep_seconds=600), "true")
    recent.wait(60)
    with pytest.raises(JobNotFound):
        old.status()
    for handle in (forever, running, recent):
        inspect(handle)


def test_a_container_that_another_process_is_about_to_start_is_not_removed(changed, submit, docker_engine):
    brief = changed(keep_seconds=0)
    with api(docker_engine) as client:
        labels = {JOB_LABEL: "x", "blocks.keep-seconds": "0"}
        made = client.create_container(brief.image, ["true"], labels=labels)["Id"]
        time.sleep(2.1)
        submit(brief, "true").wait(60)
        client.remove_container(made)


def test_a_job_starts_though_old_containers_cannot_be_removed(changed, submit, docker_engine, caplog):
    brief = changed(keep_seconds=0)
    submit(brief, "true").wait(60)
    with api(docker_engine) as client:  # looks like one of ours, with a label that is none
        odd = client.create_container(
            brief.image, ["true"], labels={JOB_LABEL: "x", "blocks.keep-seconds": "?"}
        )
        client.start(odd["Id"])
        client.wait(odd["Id"])
        time.sleep(1.1)
        assert output(submit(brief, "echo", "done")) == ["done"]
        client.remove_container(odd["Id"])


# Whatever may be


def test_each_thing_that_a_job_needs_is_checked(container, ours):
    before = ours()
    report = container.check()
    assert [(result.name, result.ok) for result in report.results] == [
        ("engine", True),
        ("image", True),
        ("container", True),
        ("log", True),
    ]
    assert ours() == before


def test_the_check_tells_what_would_fail_and_leaves_nothing(changed, ours, tmp_path):
    before = ours()
    report = changed(volumes=[f"{tmp_path}/not-there:/data"]).check()
    assert [(result.name, result.ok) for result in report.results][2:] == [("container", False)]
    assert "Make the folder" in report.results[2].detail
    assert ours() == before


def test_a_log_that_cannot_be_read_is_told_and_the_end_is_known_all_the_same(tmp_path):
    with engine_of_ones_own("--log-driver=none") as engine:
        image = import_small_image(engine.address)
        block = DockerContainer(image=image, host=DockerHost(host=engine.address), network="none")
        result = block.check().results[-1]
        assert (result.name, result.ok) == ("log", False)
        assert "log-driver" in result.detail
        handle = block.submit(Job(("sh", "-c", "echo lost; exit 3")))
        end = handle.wait(60)
        assert (end.status, end.exit_code, end.log_tail) == ("failed", 3, ())
        with pytest.raises(InfrastructureFailed, match="Set log-driver in the engine"):
            list(handle.logs())


def test_an_engine_without_an_init_process_runs_jobs_too(tmp_path):
    needed = (
        "containerd",
        "containerd-shim-runc-v2",
        "runc",
        "dockerd",
        "ps",
        "mount",
        "umount",
        "modprobe",
        "iptables",
    )
    for name in needed:
        for folder in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            if Path(folder, name).exists() and not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(Path(folder, name))
    with engine_of_ones_own(environment={"PATH": str(tmp_path)}) as engine:
        image = import_small_image(engine.address)
        block = DockerContainer(
            image=image, host=DockerHost(host=engine.address), network="none", grace_seconds=1
        )
        handle = block.submit(Job(("sh", "-c", "echo done; exit 3")))
        assert (handle.wait(60).exit_code, list(handle.logs())) == (3, ["done"])
        with pytest.raises(JobRefused, match="no-such-program"):
            block.submit(Job(("no-such-program",)))
        assert block.check().ok
        ignoring = block.submit(Job(("sleep", "600")))
        ignoring.cancel()
        assert ignoring.wait(60).status == "cancelled"


def test_a_forked_child_uses_an_engine_that_its_parent_used(container, submit):
    handle = submit(container, "echo", "done")
    handle.wait(60)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"no"
        try:
            answer = f"{handle.status()} {list(handle.logs())}".encode()
        finally:
            os.write(write, answer)
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"completed ['done']"
    os.waitpid(child, 0)
    assert handle.status() == "completed"


def test_an_error_names_the_engine_and_no_secret(changed, caplog):
    secret = "canary-4711-canary"
    block = changed(secret_environment={"TOKEN": secret}, user=secret)  # so that the engine repeats it
    with caplog.at_level(logging.DEBUG), pytest.raises(InfrastructureFailed) as caught:
        block.submit(Job(("true",), name="x"))
    assert "unable to find user **********" in str(caught.value)
    assert "unix://" in str(caught.value)
    assert secret not in "".join(traceback.format_exception(caught.value)) + caplog.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"volumes": ["data:/a", "/srv:/a"]}, "the same place"),
        ({"volumes": ["data"]}, "source:target"),
        ({"volumes": ["./data:/a"]}, "neither a folder"),
        ({"volumes": ["/srv:a"]}, "from the root"),
        ({"volumes": ["/srv:/"]}, "from the root"),
        ({"volumes": ["/srv:/a:rx"]}, "source:target"),
        ({"environment": {"1A": "x"}}, "no name of a variable"),
        ({"environment": {"A": "x"}, "secret_environment": {"A": "canary-4711"}}, "Give it once"),
        ({"labels": {"blocks.job": "x"}}, "uses itself"),
        ({"memory_bytes": 1000}, "greater than or equal"),
        ({"network": "a b"}, "pattern"),
        ({"user": "a b"}, "pattern"),
        ({"working_directory": "srv"}, "pattern"),
        ({"image_pull_policy": "sometimes"}, "if-not-present"),
    ],
)
def test_a_wrong_form_is_refused_early(fields, said):
    with pytest.raises(ValidationError, match=said) as caught:
        DockerContainer(image=SMALL_IMAGE, **fields)
    assert "canary-4711" not in str(caught.value)


def test_what_kills_a_program_is_named_by_its_signal(container, submit):
    end = submit(container, "sh", "-c", "kill -SEGV $$").wait(60)
    assert (end.status, end.exit_code, end.reason) == ("crashed", 128 + signal.SIGSEGV, "killed by SIGSEGV")
