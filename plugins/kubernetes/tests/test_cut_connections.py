"""What waits and reads goes on where connections break off, and where the API server is restarted."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from pydantic import SecretStr

from blocks_core.errors import InfrastructureFailed
from blocks_core.jobs import Job
from blocks_kubernetes import KubernetesClusterConfig

COUNTS = """
import sys, time
for number in range(60):
    print(number, flush=True)
    time.sleep(0.05)
sys.stdout.write("end")
"""


class Relay:
    """Leads to a server through connections that can be cut."""

    def __init__(self, host, port):
        self._target = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open = set()
        self._lock = threading.Lock()
        self._ends = False
        self.accepted = 0
        self.refuses = False
        self.loses_an_answer = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._server.getsockname()[1]

    def cut(self):
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._ends = True
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        self._thread.join()

    def _accept(self):
        threads = []
        while not self._ends:
            try:
                client, _ = self._server.accept()
            except OSError:
                break
            self.accepted += 1
            if self.refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for pair in ((client, server, False), (server, client, True)):
                threads.append(threading.Thread(target=self._copy, args=pair, daemon=True))
                threads[-1].start()
        self.cut()
        for thread in threads:
            thread.join()
        for connection in self._open:
            connection.close()

    def _copy(self, source, target, is_answer):
        with suppress(OSError):
            while piece := source.recv(65536):
                if is_answer and self.loses_an_answer:
                    self.loses_an_answer = False
                    break
                target.sendall(piece)
        for connection in (source, target):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(kubernetes_cluster):
    host, _, port = kubernetes_cluster.server.removeprefix("https://").partition(":")
    relay = Relay(host, port)
    yield relay
    relay.close()


@pytest.fixture
def relayed(block, relay, kubernetes_cluster):
    config = kubernetes_cluster.kubeconfig
    (found,) = config["clusters"]
    cluster = found | {"cluster": found["cluster"] | {"server": f"https://127.0.0.1:{relay.port}"}}
    access = KubernetesClusterConfig(kubeconfig=config | {"clusters": [cluster]}, timeout_seconds=5)
    return block.model_copy(update={"cluster": access})


@pytest.fixture
def handle(relayed, block):
    handle = relayed.submit(Job(("python3", "-c", COUNTS)))
    yield handle
    block.attach(handle.id).remove()


def cut_every(seconds, relay, ended):
    while not ended.wait(seconds):
        relay.cut()


def test_no_line_is_lost_or_doubled_and_the_end_is_seen_though_connections_are_cut(relay, handle):
    ended = threading.Event()
    with ThreadPoolExecutor(3) as threads:
        cutting = threads.submit(cut_every, 0.4, relay, ended)
        waiting = threads.submit(handle.wait, 60)
        try:
            lines = list(handle.logs())
            end = waiting.result()
        finally:
            ended.set()
        cutting.result()
    assert lines == [*map(str, range(60)), "end"]
    assert end.ok
    assert end.log_tail == (*map(str, range(11, 60)), "end")
    assert relay.accepted > 5


def test_a_cluster_that_stays_away_is_an_error_after_a_while(relay, relayed, block):
    handle = relayed.model_copy(update={"reconnect_seconds": 0.5}).submit(Job(("python3", "-c", COUNTS)))
    relay.refuses = True
    relay.cut()
    started = time.monotonic()
    with pytest.raises(InfrastructureFailed, match=r"was not asked.*Check the address, the network"):
        handle.wait(60)
    assert time.monotonic() - started < 30
    with pytest.raises(InfrastructureFailed):
        handle.status()
    with pytest.raises(TimeoutError):
        relayed.model_copy(update={"reconnect_seconds": 60})._handle(*handle.id.split("/")).wait(0.5)
    relay.refuses = False
    assert handle.wait(60).ok
    block.attach(handle.id).remove()


@pytest.mark.parametrize("secrets", [{}, {"TOKEN": SecretStr("p1anted-5ecret")}])
def test_a_submission_whose_answer_is_lost_makes_one_job(relayed, relay, kubernetes_cluster, secrets):
    before = kubernetes_cluster.names("jobs", relayed.namespace)
    relayed.cluster.identity()  # so that there is a connection, whose next bytes are an answer
    relay.loses_an_answer = True
    handle = relayed.submit(Job(("true",), secret_environment=secrets))
    assert not relay.loses_an_answer
    assert handle.wait(30).ok
    assert kubernetes_cluster.names("jobs", relayed.namespace) - before == {handle.id.split("/")[1]}
    handle.remove()


def test_who_waits_and_reads_sees_nothing_of_a_restart_of_the_api_server(block, kubernetes_cluster):
    handle = block.submit(Job(("python3", "-c", COUNTS.replace("0.05", "0.1"))))
    lines = handle.logs()
    assert next(lines) == "0"
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(handle.wait, 120)
        reading = threads.submit(list, lines)
        with kubernetes_cluster.stopped_api_server():
            time.sleep(1)
        assert waiting.result().ok
        assert reading.result() == [*map(str, range(1, 60)), "end"]
    handle.remove()
