"""Where an engine is found, who it trusts, and what is told when it is not there."""

import json
import logging
import socket
import ssl
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from docker_server import engine_of_ones_own
from pydantic import ValidationError

from blocks_core.errors import InfrastructureFailed, PackageMissing
from blocks_docker import DockerHost

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "host",
    [
        "unix:///var/run/docker.sock",
        "tcp://docker.example.com:2376",
        "tcp://[::1]:2375",
        "ssh://user@docker.example.com",
        "ssh://docker.example.com:2222",
    ],
)
def test_an_address_may_be_a_socket_a_port_or_a_machine_with_ssh(host):
    assert DockerHost(host=host).host == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "docker.example.com",
        "unix://relative",
        "tcp://docker.example.com",
        "tcp://:2375",
        "tcp://host:99999",
        "http://host:2375",
        "ssh://host/path",
        "tcp://host:2375/?a=canary-4711",
        "ssh://user:canary-4711@host",
        "tcp://ho st:2375",
    ],
)
def test_what_is_no_address_of_an_engine_is_refused_without_repeating_it(host):
    with pytest.raises(ValidationError) as caught:
        DockerHost(host=host)
    assert "canary-4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": "tcp://host:2376", "client_cert": PEM}, "needs its key"),
        ({"host": "tcp://host:2376", "client_key": "canary-4711"}, "needs its key"),
        ({"host": "unix:///x", "ca_cert": PEM}, "for an engine on the network"),
        ({"ca_cert": PEM}, "for an engine on the network"),
        ({"host": "tcp://host:2376", "ca_cert": "/etc/ca.pem"}, "as text"),
        (
            {"host": "tcp://host:2376", "ca_cert": f"{PEM}-----BEGIN PRIVATE KEY-----canary-4711"},
            "without a key",
        ),
    ],
)
def test_certificates_that_do_not_fit_together_are_refused(fields, said):
    with pytest.raises(ValidationError, match=said) as caught:
        DockerHost(**fields)
    assert "canary-4711" not in str(caught.value)


# Found as Docker's own command finds it


def test_the_environment_names_the_engine(docker_engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", docker_engine)
    report = DockerHost().check()
    assert [(result.name, result.ok) for result in report.results] == [
        ("connection", True),
        ("containers", True),
    ]
    assert report.results[0].detail.endswith(f"answers at {docker_engine}.")


def test_the_chosen_context_names_the_engine(docker_engine, monkeypatch):
    folder = Path.home() / ".docker"
    metadata = folder / "contexts/meta" / sha256(b"ours").hexdigest()
    metadata.mkdir(parents=True)
    endpoint = {"Host": docker_engine, "SkipTLSVerify": False}
    (metadata / "meta.json").write_text(
        json.dumps({"Name": "ours", "Metadata": {}, "Endpoints": {"docker": endpoint}})
    )
    monkeypatch.setenv("DOCKER_CONTEXT", "ours")
    assert DockerHost().address() == docker_engine
    monkeypatch.delenv("DOCKER_CONTEXT")
    (folder / "config.json").write_text('{"currentContext": "ours"}')
    assert DockerHost().check().ok


def test_without_settings_it_is_the_standard_socket():
    assert DockerHost().address() == "unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOCKER_HOST", "nonsense"),
        ("DOCKER_CONTEXT", "no-such-context"),
        ("DOCKER_HOST", "tcp://user:canary-4711@h:1"),
    ],
)
def test_settings_of_the_environment_that_lead_nowhere_are_told(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    (result,) = DockerHost().check().results
    assert not result.ok
    assert name in result.detail
    assert "canary-4711" not in result.detail


# Not there


def test_an_engine_that_is_not_there_is_told(tmp_path, nobody_listens):
    for address in (f"unix://{tmp_path}/docker.sock", f"tcp://{nobody_listens}"):
        (result,) = DockerHost(host=address).check().results
        assert (result.name, result.ok) == ("connection", False)
        assert address in result.detail
        assert result.detail.endswith(".")


@contextmanager
def answering(*answers):
    """Run a server that gives each connection the next answer, and the last one to all others."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            given = list(answers)
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(given.pop(0) if len(given) > 1 else given[0])

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def http(content, status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}Connection: close\r\n\r\n{content}".encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        http("<html>hello</html>"),
        http("[]"),
        http("null"),
        http('{"ApiVersion": 7}'),
        http('{"ApiVersion": "not.a.version"}'),
        http('{"ApiVersion": "1.1"}'),
        http('{"no": "message"}', "500 Oops"),
        http("[]", "404 Not Found"),
    ],
)
def test_what_answers_and_is_no_engine_is_a_typed_error(answer):
    with answering(answer) as address:
        report = DockerHost(host=address, timeout_seconds=5).check()
    assert not report.ok
    assert "127.0.0.1" in report.results[-1].detail


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        (result,) = DockerHost(host=address, timeout_seconds=0.3).check().results
    assert "there was no answer in time" in result.detail


@pytest.mark.skipif(find_spec("paramiko") is not None, reason="the package for SSH is installed")
def test_ssh_without_its_package_says_what_to_install():
    block = DockerHost(host="ssh://user@docker.example.com")
    with pytest.raises(PackageMissing, match=r"pip install 'blocks-docker\[ssh\]'"):
        block.describe()
    assert not block.check().ok


def test_several_threads_share_one_engine(docker_engine):
    block = DockerHost(host=docker_engine)
    with ThreadPoolExecutor(16) as threads:
        answers = set(threads.map(lambda _: block.describe(), range(200)))
    assert len(answers) == 1


# Certificates


class Authority:
    """Signs certificates."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        self.certificate = self._sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def issue(self, address="127.0.0.1"):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = self._sign(name, key, names, usage)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return certificate.public_bytes(Encoding.PEM).decode(), secret

    def _sign(self, name, key, *extensions):
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self.name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, SHA256())


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def tls_engine(authority, tmp_path_factory):
    """The address of an engine on the network that asks for certificates of the authority."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = authority.issue()
    for name, text in (("ca", authority.pem), ("cert", certificate), ("key", key)):
        (folder / f"{name}.pem").write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    # fmt: off
    with engine_of_ones_own("--host", f"tcp://{address}", "--tlsverify", "--tlscacert", f"{folder}/ca.pem",
                            "--tlscert", f"{folder}/cert.pem", "--tlskey", f"{folder}/key.pem"):
        yield f"tcp://{address}"
    # fmt: on


def test_an_engine_on_the_network_is_used_with_certificates(tls_engine, authority, monkeypatch):
    certificate, key = authority.issue()
    block = DockerHost(host=tls_engine, ca_cert=authority.pem, client_cert=certificate, client_key=key)
    assert block.check().ok
    folder = Path.home() / ".docker"
    folder.mkdir()
    for name, text in (("ca", authority.pem), ("cert", certificate), ("key", key)):
        (folder / f"{name}.pem").write_text(text)
    monkeypatch.setenv("DOCKER_HOST", tls_engine)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert DockerHost().check().ok
    monkeypatch.setenv("DOCKER_CERT_PATH", str(folder / "not-there"))
    (result,) = DockerHost().check().results
    assert "Check DOCKER_CERT_PATH" in result.detail


def test_the_key_is_left_on_no_disk(tls_engine, authority, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    certificate, key = authority.issue()
    assert (
        DockerHost(host=tls_engine, ca_cert=authority.pem, client_cert=certificate, client_key=key).check().ok
    )
    assert list(tmp_path.iterdir()) == []


def test_certificates_of_another_authority_are_refused_on_both_sides(
    tls_engine, authority, caplog, monkeypatch
):
    other = Authority()
    ours, theirs = authority.issue(), other.issue()
    blocks = [
        DockerHost(host=tls_engine, ca_cert=other.pem, client_cert=ours[0], client_key=ours[1]),
        DockerHost(host=tls_engine, ca_cert=authority.pem, client_cert=theirs[0], client_key=theirs[1]),
        DockerHost(host=tls_engine, ca_cert=authority.pem),
    ]
    bundle = Path.home() / "bundle.pem"
    bundle.write_text(authority.pem)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))  # the block's own is what counts
    for block in blocks:
        with caplog.at_level(logging.DEBUG), pytest.raises(InfrastructureFailed) as caught:
            block.describe()
        assert "there is no trust between the two" in str(caught.value)
        shown = "".join(traceback.format_exception(caught.value)) + caplog.text
        assert not [line for key in (ours[1], theirs[1]) for line in key.splitlines()[1:-1] if line in shown]


def test_a_key_that_is_none_is_told_without_it(tls_engine, authority):
    certificate, _ = authority.issue()
    block = DockerHost(
        host=tls_engine, ca_cert=authority.pem, client_cert=certificate, client_key="canary-4711-no-key"
    )
    with pytest.raises(InfrastructureFailed) as caught:
        block.describe()
    assert isinstance(caught.value.__cause__, ssl.SSLError)
    assert "canary-4711" not in "".join(traceback.format_exception(caught.value)).replace(
        'canary-4711-no-key"\n', ""
    )
