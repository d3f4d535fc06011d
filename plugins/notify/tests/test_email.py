"""Emails, sent to a real SMTP server with login and TLS."""

import re
import socket
import traceback
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError
from smtp_server import SmtpReceiver

from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.secret import SecretRef
from blocks_core.testing.notifier_suite import CANARY, Answer, NotifierSuite
from blocks_core.testing.receiver import free_port
from blocks_notify import Email

ACCEPTED = Answer(250, "OK")
MESSAGE = Message(
    title="Flow etl failed",
    text="2 < 3 & so on",
    level="error",
    facts={"State": "Failed", "Worker": "<a-17>"},
    detail="Traceback:\n  ValueError: <no rows>",
    link="https://example.test/runs/7?a=1&b=2",
)
SECURITY = {"smtp": "none", "smtps": "tls", "smtp+starttls": "starttls"}


def email_at(url: str, **fields) -> Email:
    parts = urlsplit(url)
    given = {
        "host": parts.hostname,
        "port": parts.port,
        "security": SECURITY[parts.scheme],
        "username": "etl",
        "password": CANARY,
        "sender": "Data team <etl@example.com>",
        "to": ["ops@example.com"],
        "timeout_seconds": 1.5,
    }
    return Email(**given | fields)


@pytest.fixture
def mail(smtp_receiver):
    return email_at(smtp_receiver.url)


class TestEmailContract(NotifierSuite):
    accepted = ACCEPTED
    refused = Answer(554, "not today")
    broken = Answer(451, "broken")
    repeating = tuple(Answer(code, f"no: {CANARY} is wrong") for code in (421, 450, 451, 550, 552, 554))
    asks_to_wait = False
    speaks_http = False
    loggers_of_receiver = ("mail.log",)
    check_asks = False  # it sends nothing, and so does not meet the refusal of a message

    @pytest.fixture
    def receiver(self):
        running = SmtpReceiver(self.accepted)
        yield running
        running.close()

    @pytest.fixture
    def encrypted(self, certificate_of_nobody):
        running = SmtpReceiver(self.accepted, certificate=certificate_of_nobody, security="starttls")
        yield running
        running.close()

    @pytest.fixture
    def nobody(self):
        return f"smtp://127.0.0.1:{free_port()}"

    @pytest.fixture
    def notifier_at(self):
        return email_at

    def secret_of(self, received):
        return received.headers["login"]


class TestContent:
    def test_an_email_has_its_headers_and_both_alternatives(self, smtp_receiver):
        email_at(
            smtp_receiver.url,
            to=["ops@example.com", "Night shift <night@example.com>"],
            cc=["cc@example.com"],
            bcc=["hidden@example.com", "ops@example.com"],
        ).notify(MESSAGE)
        [found] = smtp_receiver.requests
        assert found.sender == "etl@example.com"
        assert found.recipients == [
            "ops@example.com",
            "night@example.com",
            "cc@example.com",
            "hidden@example.com",
        ]
        assert found.headers["subject"] == "Flow etl failed"
        assert found.headers["from"] == "Data team <etl@example.com>"
        assert found.headers["to"] == "ops@example.com, Night shift <night@example.com>"
        assert found.headers["cc"] == "cc@example.com"
        assert found.headers["auto-submitted"] == "auto-generated"
        assert found.headers["importance"] == "high"
        assert re.fullmatch(r"<[^@]+@example\.com>", found.headers["message-id"])
        assert "date" in found.headers
        assert b"hidden@example.com" not in found.body
        assert found.part("plain") == (
            "Flow etl failed\n\n2 < 3 & so on\n\nState: Failed\nWorker: <a-17>\n\n"
            "https://example.test/runs/7?a=1&b=2\n\nTraceback:\n  ValueError: <no rows>\n"
        )
        html = found.part("html")
        for part in (
            "2 &lt; 3 &amp; so on",
            "<td>&lt;a-17&gt;</td>",
            '<a href="https://example.test/runs/7?a=1&amp;b=2">',
            "ValueError: &lt;no rows&gt;</pre>",
        ):
            assert part in html

    def test_two_emails_have_ids_of_their_own(self, mail, smtp_receiver):
        mail.notify(MESSAGE)
        mail.notify(MESSAGE)
        first, second = smtp_receiver.requests
        assert first.headers["message-id"] != second.headers["message-id"]

    @pytest.mark.parametrize(
        "title",
        ["x\r\nBcc: evil@example.com", "x\nSubject: y\n\nbody", "x\x00\x1b[31m", "x\u2028y", "한" * 200],
    )
    def test_no_title_becomes_a_header(self, mail, smtp_receiver, title):
        mail.notify(Message(title))
        [found] = smtp_receiver.requests
        assert found.recipients == ["ops@example.com"]
        assert "bcc" not in found.headers
        assert len(found.mail.get_all("subject")) == 1
        assert found.headers["subject"].isprintable()

    def test_no_text_becomes_a_tag(self, mail, smtp_receiver):
        evil = "</pre><script>alert(1)</script>"
        mail.notify(Message(evil, evil, facts={evil: evil}, detail=evil, link=f'javascript:"{evil}'))
        assert "<script" not in smtp_receiver.requests[0].part("html")
        assert "href" not in smtp_receiver.requests[0].part("html")

    def test_a_line_that_is_a_dot_does_not_end_the_message(self, mail, smtp_receiver):
        mail.notify(Message("x", detail="before\n.\nafter\r\n.\r\nend"))
        assert "end" in smtp_receiver.requests[0].part("plain")


class TestRecipients:
    def test_one_that_is_refused_is_named_and_so_are_the_others(self, smtp_receiver):
        smtp_receiver.refuse["gone@example.com"] = "550 no such user"
        mail = email_at(smtp_receiver.url, to=["ops@example.com", "gone@example.com"])
        with pytest.raises(NotificationFailed) as caught:
            mail.notify(MESSAGE)
        message = str(caught.value)
        assert "refused recipients (gone@example.com: 550 no such user)" in message
        assert "It was sent to ops@example.com." in message
        assert smtp_receiver.requests[0].recipients == ["ops@example.com"]

    def test_where_all_are_refused_nothing_is_sent(self, smtp_receiver):
        smtp_receiver.refuse["ops@example.com"] = f"550 {CANARY} no"
        with pytest.raises(NotificationFailed, match=r"ops@example\.com: 550") as caught:
            email_at(smtp_receiver.url).notify(MESSAGE)
        assert "was sent to" not in str(caught.value)
        assert CANARY not in "".join(traceback.format_exception(caught.value))
        assert smtp_receiver.requests == []


class TestSecurity:
    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_an_email_is_sent_where_the_certificate_is_trusted(
        self, security, certificate_of_nobody, monkeypatch
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate_of_nobody))
        server = SmtpReceiver(ACCEPTED, certificate=certificate_of_nobody, security=security)
        try:
            mail = email_at(server.url, timeout_seconds=5)
            mail.notify(MESSAGE)
            report = mail.check()
        finally:
            server.close()
        assert len(server.requests) == 1
        assert [(result.name, result.ok) for result in report.results] == [
            ("connection", True),
            ("encryption", True),
            ("login", True),
            ("commands", True),
        ]

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_a_certificate_that_is_not_trusted_is_said_with_the_remedy(self, security, certificate_of_nobody):
        server = SmtpReceiver(ACCEPTED, certificate=certificate_of_nobody, security=security)
        try:
            with pytest.raises(NotificationFailed, match=r"certificate is not trusted.*SSL_CERT_FILE"):
                email_at(server.url, timeout_seconds=5).notify(MESSAGE)
            report = email_at(server.url, timeout_seconds=5).check()
        finally:
            server.close()
        assert server.requests == []
        assert not report.ok

    def test_a_server_without_encryption_gets_neither_password_nor_message(self, smtp_receiver):
        mail = email_at(smtp_receiver.url, security="starttls")
        with pytest.raises(NotificationFailed, match="did not begin encryption"):
            mail.notify(MESSAGE)
        assert [result.ok for result in mail.check().results] == [True, False]
        assert smtp_receiver.requests == []

    def test_a_wrong_password_is_said_without_it(self, smtp_receiver):
        smtp_receiver.login_answer = f"535 5.7.8 the password {CANARY} is wrong"
        mail = email_at(smtp_receiver.url)
        with pytest.raises(
            NotificationFailed, match=r"did not take the login: 535.*Check username"
        ) as caught:
            mail.notify(MESSAGE)
        shown = "".join(traceback.format_exception(caught.value)) + repr(mail.check())
        assert CANARY not in shown
        assert [result.ok for result in mail.check().results] == [True, True, False]

    def test_a_server_that_asks_for_a_login_is_said_to(self, smtp_receiver):
        mail = email_at(smtp_receiver.url, username=None, password=None)
        with pytest.raises(NotificationFailed, match=r"530.*give username and password"):
            mail.notify(MESSAGE)

    def test_without_a_username_nobody_logs_in(self):
        server = SmtpReceiver(ACCEPTED, asks_for_login=False)
        try:
            mail = email_at(server.url, username=None, password=None)
            mail.notify(MESSAGE)
            assert mail.check().ok
        finally:
            server.close()
        assert server.requests[0].headers["login"] == ""


class TestFailure:
    def test_a_server_that_is_none_is_a_typed_error(self):
        class Garbage(StreamRequestHandler):
            def handle(self):
                self.wfile.write(f"HTTP/1.1 400 {CANARY}\r\n\r\n".encode())

        with ThreadingTCPServer(("127.0.0.1", 0), Garbage) as server:
            thread = Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            mail = email_at(f"smtp://127.0.0.1:{server.server_address[1]}")
            try:
                with pytest.raises(NotificationFailed, match="was not reached") as caught:
                    mail.notify(MESSAGE)
                assert not mail.check().ok
            finally:
                server.shutdown()
                thread.join()
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    def test_a_server_that_says_nothing_is_a_typed_error(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            mail = email_at(f"smtp://127.0.0.1:{silent.getsockname()[1]}")
            with pytest.raises(NotificationFailed, match=r"was not reached: .*timed out"):
                mail.notify(MESSAGE)

    def test_a_connection_that_is_cut_in_the_middle_is_a_typed_error(self):
        class Cut(StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"220 hello\r\n")
                self.rfile.readline()
                self.wfile.write(b"250 hello\r\n")
                self.rfile.readline()

        with ThreadingTCPServer(("127.0.0.1", 0), Cut) as server:
            thread = Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            address = f"smtp://127.0.0.1:{server.server_address[1]}"
            try:
                with pytest.raises(NotificationFailed, match="SMTPServerDisconnected"):
                    email_at(address, username=None, password=None).notify(MESSAGE)
            finally:
                server.shutdown()
                thread.join()


class TestFields:
    @pytest.mark.parametrize(
        "address",
        [
            "ops",
            "ops@",
            "@example.com",
            "a@b@c",
            "ops@example.com\r\nBcc: evil@example.com",
            "ops@example.com, evil@example.com",
            "Ops\r\nBcc: x <ops@example.com>",
            "Ops <ops@example.com> evil@example.com",
            '"Ops" <ops@example.com>',
            "öps@example.com",
            "ops@exämple.com",
            "",
            "ops @example.com",
        ],
    )
    @pytest.mark.parametrize("field", ["to", "cc", "bcc", "sender"])
    def test_an_address_that_is_none_is_refused(self, address, field):
        with pytest.raises(ValidationError, match="looks like name@example"):
            email_at("smtp://127.0.0.1:25", **{field: address if field == "sender" else [address]})

    @pytest.mark.parametrize(
        "address", ["ops@example.com", "Ops team <ops@example.com>", "운영 <o+p@a-b.example>"]
    )
    def test_an_address_may_have_a_name(self, address):
        assert email_at("smtp://127.0.0.1:25", to=[address]).to == [address]

    @pytest.mark.parametrize("host", ["http://smtp.example.com", "smtp example", "a\r\nb", ""])
    def test_a_host_that_is_none_is_refused(self, host):
        with pytest.raises(ValidationError, match="a host alone"):
            email_at("smtp://127.0.0.1:25", host=host)

    def test_a_password_is_not_sent_for_anybody_to_read(self):
        with pytest.raises(ValidationError, match="for anybody to read"):
            email_at("smtp://127.0.0.1:25", host="smtp.example.com")

    @pytest.mark.parametrize("missing", ["username", "password"])
    def test_half_a_login_is_refused(self, missing):
        with pytest.raises(ValidationError, match="username and password, or neither") as caught:
            email_at("smtp://127.0.0.1:25", **{missing: None})
        assert CANARY not in str(caught.value)

    def test_a_password_may_be_kept_elsewhere(self, smtp_receiver, monkeypatch):
        monkeypatch.setenv("MAIL_PASSWORD", CANARY)
        email_at(smtp_receiver.url, password=SecretRef("env:MAIL_PASSWORD")).notify(MESSAGE)
        assert len(smtp_receiver.requests) == 1
