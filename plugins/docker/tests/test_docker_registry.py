"""A login to a registry, tried on a real one and on one that wants tokens."""

import json
import logging
import socket
import threading
import traceback
from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr, ValidationError

from blocks_docker import DockerRegistry
from blocks_docker.registry_access import Registry

PASSWORD = "planted/p4ss:wörd"


@pytest.fixture
def block(image_registry):
    return DockerRegistry(
        server=image_registry.server, username=image_registry.username, password=image_registry.password
    )


def results(block):
    return [(result.name, result.ok) for result in block.check().results]


def test_a_registry_takes_the_right_login(block):
    assert results(block) == [("connection", True), ("login", True)]


def test_a_wrong_password_is_told_without_it(block, caplog):
    wrong = block.model_copy(update={"password": SecretStr("wr0ng-canary-4711")})
    with caplog.at_level(logging.DEBUG):
        report = wrong.check()
    assert [(result.name, result.ok) for result in report.results] == [("connection", True), ("login", False)]
    assert (
        "did not take the login of 'etl' (HTTP 401). Check username and password" in report.results[1].detail
    )
    assert "wr0ng-canary-4711" not in f"{report} {wrong!r} {caplog.text}"
    assert b64encode(b"etl:wr0ng-canary-4711").decode() not in caplog.text


def test_the_login_is_what_the_block_says():
    login = DockerRegistry(username="etl", password=PASSWORD).login()
    assert (login.server, login.username, login.password.get_secret_value()) == ("docker.io", "etl", PASSWORD)
    assert PASSWORD not in repr(login)
    assert DockerRegistry(server="index.docker.io", username="a", password="b").server == "docker.io"


class Tokens(BaseHTTPRequestHandler):
    """A registry that sends whoever asks to a place that gives tokens for a password."""

    realm = "http://{host}/token"
    seen: list

    def do_GET(self):
        given = self.headers.get("Authorization")
        self.seen.append((self.path, given))
        basic = "Basic " + b64encode(f"etl:{PASSWORD}".encode()).decode()
        if self.path.startswith("/token"):
            return self._answer(200, {"token": "t0ken-canary"}) if given == basic else self._answer(401)
        if given == "Bearer t0ken-canary":
            return self._answer(200)
        return self._answer(401)

    def _answer(self, status, content=None):
        body = json.dumps(content or {}).encode()
        self.send_response(status)
        if status == 401:
            realm = self.realm.format(host=self.headers["Host"])
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="a registry"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(handler):
    handler = type("Handler", (handler,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", handler.seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_registry_that_wants_tokens_is_asked_with_one(caplog):
    with serving(Tokens) as (server, seen):
        block = DockerRegistry(server=server, username="etl", password=PASSWORD)
        with caplog.at_level(logging.DEBUG):
            assert results(block) == [("connection", True), ("login", True)]
        assert seen[1][0] == "/token?service=a+registry&account=etl"
        assert results(block.model_copy(update={"password": SecretStr("wrong")}))[1] == ("login", False)
    assert "t0ken-canary" not in caplog.text


def test_a_login_is_not_sent_where_a_registry_on_https_points_without_encryption(caplog):
    with serving(Tokens) as (server, seen):
        challenge = f'Bearer realm="http://{server}/token",service="x"'
        with pytest.raises(Exception, match="without encryption, so nothing was sent"):
            Registry("https://registry.example.com/v2/", challenge, 5).log_in("etl", PASSWORD)
        assert seen == []


def test_a_redirect_does_not_take_the_login_elsewhere():
    class Redirecting(Tokens):
        def do_GET(self):
            if not self.path.startswith("/token"):
                return super().do_GET()
            self.seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

    with serving(Redirecting) as (server, seen):
        assert results(DockerRegistry(server=server, username="etl", password=PASSWORD))[1] == (
            "login",
            False,
        )
        assert [path for path, _ in seen] == ["/v2/", "/token?service=a+registry&account=etl"]


def test_logins_of_the_machine_are_not_used_where_none_is_asked_for(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password canary-of-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(Tokens) as (server, seen):
        assert DockerRegistry(server=server, username="etl", password=PASSWORD).check().ok
    assert seen[0] == ("/v2/", None)


def test_a_registry_without_a_login_says_that_none_was_tried():
    class Open(Tokens):
        def do_GET(self):
            self._answer(200)

    with serving(Open) as (server, _):
        report = DockerRegistry(server=server, username="etl", password=PASSWORD).check()
    assert report.ok
    assert "was not tried" in report.results[1].detail


@pytest.mark.parametrize("status", [404, 500, 302])
def test_what_is_no_registry_is_told(status):
    class Other(Tokens):
        def do_GET(self):
            self._answer(status)

    with serving(Other) as (server, _):
        (result,) = DockerRegistry(server=server, username="etl", password=PASSWORD).check().results
    assert "is no registry of images" in result.detail


@pytest.mark.parametrize("said", ["[]", "nonsense", "{}", ""])
def test_a_token_that_is_none_is_told(said):
    class Garbage(Tokens):
        def _answer(self, status, content=None):
            if content is None:
                return super()._answer(status)
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())
            return None

    with serving(Garbage) as (server, _):
        results_ = DockerRegistry(server=server, username="etl", password=PASSWORD).check().results
    assert (results_[1].ok, PASSWORD in results_[1].detail) == (False, False)


def test_a_registry_that_is_not_there_or_says_nothing_is_told(nobody_listens):
    def detail(server):
        block = DockerRegistry(server=server, username="etl", password=PASSWORD, timeout_seconds=0.3)
        (result,) = block.check().results
        assert not result.ok
        return result.detail

    assert "cannot be reached" in detail(nobody_listens)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "did not answer in time" in detail(f"127.0.0.1:{silent.getsockname()[1]}")


def test_plain_http_is_for_this_machine_or_for_who_allows_it(image_registry, monkeypatch):
    monkeypatch.setattr("blocks_docker.registry_access.is_loopback", lambda server: False)
    block = DockerRegistry(
        server=image_registry.server, username=image_registry.username, password=image_registry.password
    )
    (result,) = block.check().results
    assert "insecure lets it be asked over HTTP" in result.detail
    assert block.model_copy(update={"insecure": True}).check().ok


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"server": "https://registry.example.com"}, "without https://"),
        ({"server": "registry.example.com/team"}, "without a path"),
        ({"server": "etl:canary-4711@registry.example.com"}, "write the server"),
        ({"username": "etl:canary-4711"}, "has no colon"),
        ({"username": ""}, "at least 1"),
        ({"password": ""}, "at least 1"),
    ],
)
def test_a_wrong_form_is_refused_without_repeating_it(fields, said):
    with pytest.raises(ValidationError, match=said) as caught:
        DockerRegistry.model_validate({"username": "etl", "password": PASSWORD} | fields)
    assert "canary-4711" not in str(caught.value)


def test_no_secret_is_in_an_error_or_its_causes(nobody_listens):
    with pytest.raises(Exception, match="cannot be reached") as caught:
        Registry(f"http://{nobody_listens}/v2/", "Basic realm=x", 1).log_in("etl", PASSWORD)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
