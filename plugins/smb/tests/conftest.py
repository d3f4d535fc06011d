"""Blocks on the shares of a real Samba server, and a way to it that can be watched and cut."""

import select
import socket
import threading
from contextlib import suppress
from uuid import uuid4

import pytest
from samba_server import PASSWORDS

from blocks_smb import SMB


@pytest.fixture
def share(samba):
    """Make blocks on the server, as the user `etl` on the share `files` where nothing else is said."""

    def make(**other):
        fields = {
            "host": samba.host,
            "port": samba.port,
            "share": "files",
            "username": "etl",
            "password": PASSWORDS["etl"],
        }
        return SMB(**(fields | other))

    return make


@pytest.fixture
def smb(share):
    """A block with an empty folder of its own."""
    return share(prefix=uuid4().hex)


@pytest.fixture
def running_samba(samba):
    """The server, for tests that kill it: it runs again afterwards."""
    yield samba
    samba.restart()


class Way:
    """A way to a server: what passes is kept, and it can be cut."""

    def __init__(self, port):
        self.seen = b""
        self.cut_after = None
        """How many more bytes to the server pass before all connections are cut, and none is made."""
        self._to = port
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self):
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.cut_after == 0:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._to))
            self._open += [client, server]
            self._threads.append(threading.Thread(target=self._pass_on, args=(client, server)))
            self._threads[-1].start()

    def _pass_on(self, client, server):
        with client, server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    try:
                        data = source.recv(1 << 16)
                    except OSError:
                        return
                    if not data:
                        return
                    self.seen += data
                    if source is client and self.cut_after is not None:
                        self.cut_after = max(0, self.cut_after - len(data))
                        if not self.cut_after:
                            return
                    (server if source is client else client).sendall(data)


@pytest.fixture
def way(samba):
    """A way to the server."""
    made = Way(samba.port)
    yield made
    made.close()
