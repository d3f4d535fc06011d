"""`Receiver`: an HTTP server on the loopback address that keeps requests and plays answers, encrypted if asked.

Its address has a secret in its path, where many services keep theirs. Its certificate is one that nobody vouches for.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl

CANARY = "p1anted-5ecret-of-the-address"
"""Stands in the path of the receiver's address, where services keep the secret."""


@dataclass(frozen=True)
class Answer:
    """What the receiver answers to one request."""

    status: int = 200
    body: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay_seconds: float = 0


@dataclass(frozen=True)
class Received:
    """A request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    at: float
    """On the monotonic clock."""

    def json(self) -> Any:
        """Return the body, which is JSON."""
        return json.loads(self.body)

    def text(self) -> str:
        """Return every string in the body if that is JSON or a form, else the body: to look for words in."""
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return "\n".join(value for _, value in parse_qsl(self.body.decode()))
        try:
            return "\n".join(_strings_in(self.json()))
        except ValueError:
            return self.body.decode()


class Receiving(Protocol):
    """What `NotifierSuite` asks of a receiver: a service of another protocol may have one of its own."""

    @property
    def url(self) -> str:
        """Return where it listens; the suite gives it to `notifier_at`."""
        ...

    @property
    def requests(self) -> Sequence[Received]:
        """Return what came in, in order; `text()` of each has the words that people would read."""
        ...

    def play(self, *answers: Answer) -> None:
        """Answer the next messages in this order; the last answer serves all that follow."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Receiver:
    """An HTTP server on the loopback address that keeps requests and plays answers."""

    def __init__(self, accepted: Answer, *, certificate: Path | None = None) -> None:
        """Listen on a free port.

        Args:    accepted: the answer to every request, until `play` says otherwise.
                 certificate: a file with key and certificate, as `self_signed` writes it: listen with TLS.
        """
        self.requests: list[Received] = []
        self._answers: list[Answer] = [accepted]
        self._lock = Lock()
        self._closing = Event()
        self._scheme, self._host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 30  # seconds: a client that only connects holds up nothing for ever

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.answer(self, Received(self.command, self.path, headers, body, monotonic()))

            do_GET = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_POST  # noqa: N815 as the library does

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 likewise
                """Keep quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Return an address with a secret in its path."""
        return f"{self._scheme}://{self._host}:{self._server.server_address[1]}/hooks/{CANARY}"

    def play(self, *answers: Answer) -> None:
        """Answer the next requests in this order; the last answer serves all that follow."""
        with self._lock:
            self._answers = list(answers)

    def answer(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        """Note a request and answer it; for the server only."""
        with self._lock:
            self.requests.append(received)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self._closing.wait(answer.delay_seconds)
        body = answer.body.encode()
        try:
            handler.send_response(answer.status)
            for name, value in {"Content-Type": "text/plain", **answer.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if received.method != "HEAD" and answer.status != 204:
                handler.wfile.write(body)
        except OSError:  # the client did not wait so long
            handler.close_connection = True

    def close(self) -> None:
        """Stop listening; answers that are being delayed are given at once."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for what is still being answered

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients that end a conversation early are what this is for."""


def self_signed(folder: Path, *hosts: str) -> Path:
    """Write a file with a new key and a certificate that it signed itself, and return its path.

    Args:    hosts: names and addresses that it is for; `localhost` and `127.0.0.1` where none are given.
    """
    from cryptography import x509  # late: not every suite needs it
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody vouches for this")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([_name_of(host) for host in hosts or ("localhost", "127.0.0.1")]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def encrypted_receiver(accepted: Answer) -> Iterator[Receiver]:
    """Yield a receiver with TLS and a certificate that nobody vouches for, and close it: for a fixture."""
    with TemporaryDirectory() as folder:
        running = Receiver(accepted, certificate=self_signed(Path(folder)))
        yield running
        running.close()


def free_port() -> int:
    """Return a port of the loopback address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _name_of(host: str) -> Any:
    from cryptography import x509  # late: as above

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _strings_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield str(key)
            yield from _strings_in(inner)
    elif isinstance(value, Sequence):
        for inner in cast("Sequence[object]", value):
            yield from _strings_in(inner)
