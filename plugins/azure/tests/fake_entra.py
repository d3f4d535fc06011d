"""A small Microsoft Entra on loopback over TLS: it gives tokens to a service principal; and a Blob Storage that looks at them.

Source:  https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow,
         https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory (the challenge).
"""

import json
import secrets
import ssl
import time
from base64 import urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit

TENANT = "3f2b6b1e-5f5a-4c39-9d6e-0f3a5d1c2b4a"
CLIENT = "8d1f7c52-7a7e-4b0c-8a57-2f9e4b6c1d3e"
BEARER = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "https://storage.azure.com"


class FakeEntra:
    """The server and what it has given; tests change that directly."""

    def __init__(self, certificate, key):
        self.secret = "planted/5ecret~of-the-principal"
        self.tokens = []
        self.refused = 0
        """How many requests to Blob Storage were answered with a challenge."""
        self.seconds = 3600
        self.fault = None
        """What the token endpoint answers instead: a status and an error."""
        self._expired = set()
        self._expire_always = False
        self._lock = Lock()
        entra = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, answer = entra.answer(
                    self.command, urlsplit(self.path).path, self.headers, body
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_POST = do_HEAD = _serve

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True  # not waited for: clients keep their connections
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"https://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def give_for(self, seconds):
        self.seconds = seconds

    def expire(self):
        with self._lock:
            self._expire_always = False
            self._expired.update(self.tokens)

    def expire_always(self):
        self._expire_always = True

    def answer(self, method, path, headers, body):
        if path.endswith("/.well-known/openid-configuration"):
            return self._json(200, {
                "issuer": f"{self.url}/{TENANT}/v2.0",
                "authorization_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/authorize",
                "token_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/token",
            })  # fmt: skip
        if path.endswith("/oauth2/v2.0/token"):
            return self._token({name: values[0] for name, values in parse_qs(body.decode()).items()})
        return self._blob(method, headers)

    def _token(self, form):
        if self.fault:
            status, error = self.fault
            return self._json(status, error)
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT, self.secret)
        if not known or form.get("scope") != f"{AUDIENCE}/.default":
            said = (
                f"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the "
                f"client secret value, for a secret added to app '{CLIENT}'."
            )
            return self._json(401, {"error": "invalid_client", "error_description": said})
        token = self._made(self.seconds)
        with self._lock:
            self.tokens.append(token)
        return self._json(200, {"token_type": "Bearer", "expires_in": self.seconds, "access_token": token})

    def _made(self, seconds):
        now = int(time.time())
        claims = {
            "aud": AUDIENCE, "iss": f"https://sts.windows.net/{TENANT}/", "iat": now, "nbf": now, "exp": now + seconds,
            "appid": CLIENT, "oid": BEARER, "tid": TENANT, "jti": secrets.token_hex(8),
        }  # fmt: skip
        parts = [
            json.dumps({"typ": "JWT", "alg": "RS256"}).encode(),
            json.dumps(claims).encode(),
            secrets.token_bytes(64),
        ]
        return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    def _blob(self, method, headers):
        token = headers.get("Authorization", "").partition(" ")[2]
        with self._lock:
            good = token in self.tokens and token not in self._expired and not self._expire_always
            self.refused += not good
        if not good:
            challenge = (
                f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
                f"resource_id={AUDIENCE}"
            )
            answer = (
                b'<?xml version="1.0" encoding="utf-8"?><Error><Code>InvalidAuthenticationInfo</Code><Message>Server '
                b"failed to authenticate the request.</Message><AuthenticationErrorDetail>Lifetime validation failed. "
                b"The token is expired.</AuthenticationErrorDetail></Error>"
            )
            return (
                401,
                {
                    "WWW-Authenticate": challenge,
                    "x-ms-error-code": "InvalidAuthenticationInfo",
                    "x-ms-version": "2025-01-05",
                    "Content-Type": "application/xml",
                },
                answer,
            )
        described = {
            "Content-Type": "application/octet-stream",
            "ETag": '"0x8D"',
            "Last-Modified": "Fri, 27 Nov 2026 05:00:00 GMT",
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version": "2025-01-05",
        }
        if method == "HEAD":
            return 200, described, b"12345"
        return 206, described | {"Content-Range": "bytes 0-4/5"}, b"12345"

    @staticmethod
    def _json(status, content):
        return status, {"Content-Type": "application/json"}, json.dumps(content).encode()
