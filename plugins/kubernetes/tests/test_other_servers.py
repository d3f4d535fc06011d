"""What answers may be no cluster, or one that knows its users by their certificates."""

import json
import ssl
import threading
import traceback
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from blocks_core.errors import CredentialsRefused, InfrastructureFailed
from blocks_core.jobs import Job
from blocks_kubernetes import KubernetesClusterConfig, KubernetesJob

TOKEN = "p1anted-5ecret-token"


@contextmanager
def serving(answer, context=None):
    """Answer each request with what a function of its method and path gives: a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body, *headers = answer(self)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _any

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def cluster(server, user, **more):
    return KubernetesClusterConfig(
        kubeconfig={
            "clusters": [{"name": "t", "cluster": {"server": server} | more}],
            "users": [{"name": "a", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "t", "user": "a"}}],
            "current-context": "c",
        },
        timeout_seconds=2,
    )


def status(code, message):
    return code, json.dumps({"kind": "Status", "message": message, "reason": "Odd"}).encode()


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ((200, b"<html>A proxy</html>"), "no cluster of Kubernetes"),
        ((200, b"[1, 2]"), "no cluster of Kubernetes"),
        ((200, b""), "no cluster of Kubernetes"),
        ((200, b'{"half": '), "no cluster of Kubernetes"),
        ((302, b"", ("Location", "http://127.0.0.1:1/")), "leads elsewhere"),
        ((502, b"<html>bad gateway</html>"), "error of the cluster's own"),
        ((429, b"{}"), "busy"),
        (status(500, f"echo Bearer {TOKEN}"), r"echo Bearer \*+"),
        (status(403, f"echo {TOKEN}"), "a Role that allows it"),
        (status(401, f"echo {TOKEN}"), "does not know the bearer"),
        ((404, b'"' + TOKEN.encode() + b'"'), "not there"),
    ],
)
def test_an_answer_that_is_none_is_told_without_what_it_repeats(answer, remedy):
    with serving(lambda _: answer) as server:
        block = KubernetesJob(image="a:1", cluster=cluster(server, {"token": TOKEN}))
        with pytest.raises(InfrastructureFailed, match=remedy) as caught:
            block.submit(Job(("a",)))
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_check_of_what_is_no_cluster_tells_so():
    with serving(lambda _: status(403, f"echo {TOKEN}")) as server:
        report = KubernetesJob(image="a:1", cluster=cluster(server, {"token": TOKEN})).check()
    assert [result.name for result in report.results if not result.ok] == ["reach"]
    assert TOKEN not in repr(report)


def test_a_server_that_does_not_speak_tls_is_told_from_one_that_is_not_trusted():
    refused = pytest.raises(CredentialsRefused, match=r"SSLError.*cannot be reached")
    with serving(lambda _: (200, b"{}")) as server, refused:
        cluster(server.replace("http:", "https:"), {"token": TOKEN}).identity()


def test_a_cluster_is_asked_through_a_proxy_with_its_login():
    def answer(request):
        seen.append((request.path, request.headers["Proxy-Authorization"]))
        return 201, b'{"status": {"userInfo": {"username": "etl"}}}'

    seen = []
    with serving(answer) as proxy:
        proxy = proxy.replace("//", f"//etl:{TOKEN}%2F@")
        assert cluster("http://cluster.invalid", {"token": "t"}, **{"proxy-url": proxy}).identity() == "etl"
    ((path, login),) = seen
    assert path == "http://cluster.invalid/apis/authentication.k8s.io/v1/selfsubjectreviews"
    assert login == f"Basic {b64encode(f'etl:{TOKEN}/'.encode()).decode()}"


@pytest.mark.parametrize(
    ("proxy", "remedy"),
    [(f"http://etl:{TOKEN}@127.0.0.1:1", "the proxy does not lead there"), (f"{TOKEN}://x", "no address of")],
)
def test_a_proxy_that_leads_nowhere_is_told_without_its_login(proxy, remedy):
    block = cluster("https://cluster.invalid", {"token": TOKEN}, **{"proxy-url": proxy})
    with pytest.raises(CredentialsRefused, match=remedy) as caught:
        block.identity()
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_the_proxy_of_the_machine_is_asked_but_for_hosts_that_it_excludes(monkeypatch):
    with serving(lambda _: (201, b'{"status": {"userInfo": {"username": "etl"}}}')) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert cluster("http://cluster.invalid", {"token": "t"}).identity() == "etl"
        monkeypatch.setenv("no_proxy", "cluster.invalid")
        with pytest.raises(CredentialsRefused):
            cluster("http://cluster.invalid", {"token": "t"}).identity()


def test_a_name_and_a_password_are_sent_as_basic():
    def answer(request):
        seen.append(request.headers["Authorization"])
        return 201, b'{"status": {"userInfo": {"username": "etl"}}}'

    seen = []
    with serving(answer) as server:
        assert cluster(server, {"username": "etl", "password": TOKEN}).identity() == "etl"
    assert seen == [f"Basic {b64encode(f'etl:{TOKEN}'.encode()).decode()}"]


def test_a_certificate_proves_who_one_is_and_its_key_is_on_no_disk(tmp_path, monkeypatch):
    def answer(request):
        subject = dict(pair[0] for pair in request.connection.getpeercert()["subject"])
        return 201, json.dumps({"status": {"userInfo": {"username": subject["commonName"]}}}).encode()

    authority, authority_key = certificate("authority")
    served, served_key = certificate("127.0.0.1", authority, authority_key)
    client, client_key = certificate("etl", authority, authority_key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pem(authority))
    context.verify_mode = ssl.CERT_REQUIRED
    (tmp_path / "server").write_text(pem(served) + key_pem(served_key))
    context.load_cert_chain(tmp_path / "server")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with serving(answer, context) as server:
        user = {
            "client-certificate-data": b64encode(pem(client).encode()).decode(),
            "client-key-data": b64encode(key_pem(client_key).encode()).decode(),
        }
        trust = {"certificate-authority-data": b64encode(pem(authority).encode()).decode()}
        assert cluster(server, user, **trust).identity() == "etl"
    assert list(temporary.iterdir()) == []


def certificate(name, issuer=None, issuer_key=None):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if name == "127.0.0.1":
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def pem(found):
    return found.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
