"""The servers that all tests of the plugin share: moto, with a user where it checks keys, and rclone."""

import json
import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from s3_server import free_port

from blocks_aws import S3, AwsCredentials


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No test depends on the AWS settings of the machine it runs on, or on its proxy."""
    for name in os.environ:
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="session")
def aws(moto_server):
    """A moto server: its address, and boto3's clients for it."""
    return moto_server


@pytest.fixture(scope="session")
def rclone(rclone_server):
    """rclone serving S3 for one key, with the bucket `raw`."""
    return rclone_server


@pytest.fixture
def bucket(aws):
    """A bucket of its own on the moto server."""
    name = f"bucket-{time.monotonic_ns()}"
    aws.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def credentials(aws):
    return AwsCredentials(
        access_key_id="AKEXAMPLE",
        secret_access_key="p1anted-5ecret-key",
        region="us-east-1",
        endpoint_url=aws.url,
    )


@pytest.fixture
def s3(bucket, credentials):
    return S3(bucket=bucket, credentials=credentials)


@pytest.fixture
def strict_aws(aws):
    """A moto server that checks keys and signatures, with one user who may do everything."""
    iam = aws.client("iam")
    name = f"user-{time.monotonic_ns()}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    _check_keys_after(aws.url, "0")
    yield SimpleNamespace(url=aws.url, arn=arn, id=key["AccessKeyId"], secret=key["SecretAccessKey"])
    _check_keys_after(aws.url, "inf")


@pytest.fixture
def nobody_listens():
    """An address where no server is."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def answering():
    """Start servers that give each request one answer: (status, body) -> address; None repeats the request."""
    started = []

    def start(status, body):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                said = self.rfile.read(int(self.headers["Content-Length"])).decode("latin-1")
                answer = f"{self.headers}{said}" if body is None else body
                raw = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def _check_keys_after(url, requests):
    request = urllib.request.Request(
        f"{url}/moto-api/reset-auth", data=requests.encode(), headers={"Content-Type": "text/plain"}
    )
    urllib.request.urlopen(request, timeout=10).close()
