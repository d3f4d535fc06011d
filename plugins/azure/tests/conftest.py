"""Blocks on a real Azurite."""

import os
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azurite_server import ACCOUNT
from fake_entra import CLIENT, TENANT, FakeEntra

from blocks_azure import Azure, AzureCredentials


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No test depends on the Azure settings of the machine it runs on, or on its proxy."""
    for name in os.environ:
        if name.startswith(("AZURE_", "IDENTITY_", "MSI_")) or name.lower() in (
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ):
            monkeypatch.delenv(name)


@pytest.fixture
def credentials(azurite):
    """The account's key."""
    return AzureCredentials(account_name=azurite.account, account_key=azurite.key, endpoint_url=azurite.url)


@pytest.fixture
def container(azurite):
    """The name of an empty container."""
    return azurite.make_container()


@pytest.fixture
def azure(container, credentials):
    return Azure(container=container, credentials=credentials)


@pytest.fixture
def entra(own_certificate, monkeypatch):
    """A Microsoft Entra that gives tokens, with a Blob Storage that looks at them; its certificate is trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", own_certificate[0])
    made = FakeEntra(*own_certificate)
    yield made
    made.close()


@pytest.fixture
def principal(entra):
    """Make credentials of the service principal; the Blob Storage is that of `entra` where no other is named."""

    def make(**other):
        fields = {
            "account_name": ACCOUNT,
            "tenant_id": TENANT,
            "client_id": CLIENT,
            "client_secret": entra.secret,
            "authority_url": entra.url,
            "endpoint_url": f"{entra.url}/{ACCOUNT}",
        }
        return AzureCredentials(**(fields | other))

    return make


@pytest.fixture
def sas_of(azurite):
    """Make credentials with a SAS token for a container, good for some permissions."""

    def make(container, permissions, hours=1):
        token = generate_container_sas(
            azurite.account,
            container,
            account_key=azurite.key,
            permission=ContainerSasPermissions.from_string(permissions),
            expiry=datetime.now(UTC) + timedelta(hours=hours),
        )
        return AzureCredentials(account_name=azurite.account, sas_token=token, endpoint_url=azurite.url)

    return make


@pytest.fixture
def nobody_listens():
    """An address where no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/{ACCOUNT}"


@pytest.fixture
def answering():
    """Start servers that give each request one answer: (status, body, headers) -> address."""
    started = []

    def start(status, body, headers):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                raw = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/xml", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(raw)

            do_GET = do_PUT = do_HEAD = do_DELETE = _serve

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return f"http://127.0.0.1:{server.server_port}/{ACCOUNT}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()
