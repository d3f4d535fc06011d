"""Waiting and reading a log go on when the engine crashes, is restarted, or hangs; on an engine of one's own."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from docker_server import api, engine_of_ones_own, import_small_image

from blocks_core.errors import InfrastructureFailed
from blocks_core.jobs import Job
from blocks_docker import DockerContainer, DockerHost, following

COUNTS = "i=0; while [ $i -lt 600 ]; do echo $i; i=$((i+1)); sleep 0.05; done"


@pytest.fixture(scope="module")
def engine():
    with engine_of_ones_own() as engine:
        import_small_image(engine.address)
        yield engine


@pytest.fixture
def container(engine):
    if not engine.is_running():
        engine.start()
    return DockerContainer(
        image="blocks-test-small:1", host=DockerHost(host=engine.address), network="none", grace_seconds=1
    )


@pytest.fixture
def impatient(container):
    return container.model_copy(update={"reconnect_seconds": 1.0})


def in_order(lines):
    return [int(line) for line in lines] == list(range(len(lines)))


@pytest.mark.parametrize("manner", ["kill", "stop"])
def test_a_job_s_log_and_end_are_known_though_the_engine_went_and_came_back(engine, container, manner):
    handle = container.submit(Job(("sh", "-c", COUNTS)))
    with ThreadPoolExecutor(2) as threads:
        waiting, reading = threads.submit(handle.wait, 60), threads.submit(lambda: list(handle.logs()))
        time.sleep(0.7)
        getattr(engine, manner)()
        time.sleep(0.5)
        engine.start()
        end, lines = waiting.result(), reading.result()
    assert (end.status, end.reason) in (("crashed", "killed by SIGTERM"), ("crashed", "killed by SIGKILL"))
    assert in_order(lines)
    assert len(lines) > 10
    assert lines == list(container.attach(handle.id).logs())
    assert list(end.log_tail) == lines[-50:]
    handle.remove()


def test_a_job_that_ended_while_the_engine_was_gone_has_the_end_that_it_had(engine, container):
    handle = container.submit(Job(("sh", "-c", "echo begun; sleep 1; exit 3")))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(handle.wait, 60)
        time.sleep(0.3)
        engine.kill()
        time.sleep(1.5)
        engine.start()
        end = waiting.result()
    assert (end.status, end.exit_code, end.log_tail) == ("failed", 3, ("begun",))
    handle.remove()


def test_a_job_that_was_lost_with_its_machine_has_crashed(engine, container):
    handle = container.submit(Job(("sh", "-c", "echo begun; sleep 600")))
    assert next(handle.logs()) == "begun"
    with api(engine.address) as client:
        init = client.inspect_container(handle.id)["State"]["Pid"]
    shim = int(Path(f"/proc/{init}/stat").read_text().rpartition(")")[2].split()[1])
    engine.kill()
    for pid in (shim, init):
        os.kill(pid, signal.SIGKILL)
    engine.start()
    end = handle.wait(30)
    assert (end.status, end.exit_code, end.log_tail) == ("crashed", 255, ("begun",))
    assert "machine went down" in end.reason
    handle.remove()


def test_a_job_that_was_cancelled_stays_so_over_a_restart(engine, container):
    handle = container.submit(Job(("sleep", "600")))
    handle.cancel()
    engine.stop()
    engine.start()
    assert handle.status() == "cancelled"
    handle.remove()


def test_an_engine_that_stays_away_is_named_after_a_while(engine, impatient):
    handle = impatient.submit(Job(("sleep", "600")))
    engine.stop()
    for call in (handle.wait, lambda: list(handle.logs())):
        started = time.monotonic()
        with pytest.raises(InfrastructureFailed) as caught:
            call()
        assert 1.0 <= time.monotonic() - started < 10
        assert f"at {engine.address}" in str(caught.value)
        assert "no engine listens there. Start it" in str(caught.value)
    with pytest.raises(TimeoutError):
        handle.wait(0.3)
    for call in (handle.status, handle.cancel, handle.remove, lambda: impatient.submit(Job(("true",)))):
        with pytest.raises(InfrastructureFailed, match="no engine listens there"):
            call()
    (result,) = impatient.check().results
    assert (result.name, result.ok) == ("engine", False)


def test_an_engine_that_hangs_does_not_hold_who_waits_for_ever(engine, container):
    handle = container.submit(Job(("sh", "-c", COUNTS)))
    pid = int((engine.folder / "dockerd.pid").read_text())
    hurried = DockerHost(host=engine.address, timeout_seconds=1)
    block = container.model_copy(update={"host": hurried, "reconnect_seconds": 0.5})
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(InfrastructureFailed, match="raise timeout_seconds"):
            block.attach(handle.id)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert block.attach(handle.id).status() == "running"
    handle.remove()


class Cutting:
    """Stands between and cuts each connection that has brought some bytes, as a network does."""

    def __init__(self, path, folder, after_bytes):
        self.path, self.after_bytes, self.cuts = path, after_bytes, 0
        self.address = f"unix://{folder}/cut.sock"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{folder}/cut.sock")
        self._listening.listen(50)
        self._open = [self._listening]
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self):
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.path)
            self._open += [near, far]
            for one, other, limit in ((near, far, None), (far, near, self.after_bytes)):
                self._threads.append(
                    threading.Thread(target=self._pass, args=(one, other, limit), daemon=True)
                )
                self._threads[-1].start()

    def _pass(self, one, other, limit):
        passed = 0
        with suppress(OSError):
            while piece := one.recv(1000):
                passed += len(piece)
                other.sendall(piece)
                if limit is not None and passed > limit:
                    self.cuts += 1
                    break
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in self._open:
            each.close()


def test_a_log_whose_connection_is_cut_again_and_again_is_read_whole(engine, container, tmp_path):
    line = f"$i {'x' * 80}"
    script = f"i=0; while [ $i -lt 200 ]; do echo {line}; echo {line} >&2; i=$((i+1)); sleep 0.01; done"
    handle = container.submit(Job(("sh", "-c", script)))
    cutting = Cutting(f"{engine.folder}/docker.sock", tmp_path, after_bytes=15_000)
    try:
        block = container.model_copy(update={"host": DockerHost(host=cutting.address)})
        lines = list(block.attach(handle.id).logs())
    finally:
        cutting.close()
    assert cutting.cuts > 1
    numbers = sorted(int(line.split()[0]) for line in lines)
    assert numbers == [number for number in range(200) for _ in range(2)]
    assert lines == list(handle.logs())
    handle.remove()


def test_a_silent_job_s_log_is_followed_over_the_time_after_which_the_engine_is_asked(container, monkeypatch):
    monkeypatch.setattr(following, "IDLE_SECONDS", 0.3)
    handle = container.submit(Job(("sh", "-c", "echo one; sleep 1.2; echo two")))
    assert list(handle.logs()) == ["one", "two"]
    handle.remove()


def test_a_wait_that_is_longer_than_one_request_goes_on(container, monkeypatch):
    from blocks_docker import handle as handles

    monkeypatch.setattr(handles, "_POLL_SECONDS", 0.2)
    handle = container.submit(Job(("sleep", "1")))
    assert handle.wait(30).ok
    handle.remove()
