import json
import logging
import subprocess
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr, ValidationError

from blocks_aws import AwsCredentials
from blocks_core.errors import CredentialsRefused
from blocks_core.testing.credentials_suite import CredentialsSuite
from blocks_core.testing.renewing_suite import Renewing

SECRET = "p1anted-5ecret-key"
ROLE = "arn:aws:iam::123456789012:role/etl"
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)


class TestAwsCredentials(CredentialsSuite):
    @pytest.fixture
    def credentials(self, strict_aws):
        return AwsCredentials(
            access_key_id=strict_aws.id, secret_access_key=strict_aws.secret, endpoint_url=strict_aws.url
        )

    @pytest.fixture
    def refused_credentials(self, strict_aws):
        return AwsCredentials(
            access_key_id=strict_aws.id,
            secret_access_key=SECRET,
            session_token="p1anted-5ecret-token",
            endpoint_url=strict_aws.url,
        )

    @pytest.fixture
    def renewing(self, expiring_aws):
        in_role = AwsCredentials(
            access_key_id="AK", secret_access_key=SECRET, role_arn=ROLE, endpoint_url=expiring_aws.url
        )
        return Renewing(
            use=in_role.identity,
            issued=lambda: len(expiring_aws.given),
            refused=lambda: expiring_aws.refused,
            secrets=expiring_aws.secrets,
            give_for=expiring_aws.give_for,
            expire=expiring_aws.expire,
            expire_always=expiring_aws.expire_always,
        )

    def test_the_identity_is_the_arn(self, credentials, strict_aws):
        assert credentials.identity() == strict_aws.arn

    def test_a_wrong_secret_is_told_from_a_wrong_key(self, credentials):
        wrong_secret = credentials.model_copy(update={"secret_access_key": _secret(SECRET)})
        with pytest.raises(CredentialsRefused, match=r"SignatureDoesNotMatch.*copy it whole"):
            wrong_secret.identity()
        wrong_key = credentials.model_copy(update={"access_key_id": "AKUNKNOWN"})
        with pytest.raises(CredentialsRefused, match=r"InvalidClientTokenId.*Check access_key_id"):
            wrong_key.identity()


class TestFields:
    @pytest.mark.parametrize(
        ("fields", "remedy"),
        [
            ({"access_key_id": "AK"}, "give both"),
            ({"secret_access_key": SECRET}, "give both"),
            ({"session_token": SECRET}, "give access_key_id"),
            ({"access_key_id": "AK", "secret_access_key": SECRET, "profile": "p"}, "give one of them"),
            ({"external_id": "xx"}, "give role_arn"),
            ({"role_arn": "etl"}, "pattern"),
            ({"endpoint_url": "minio:9000"}, "pattern"),
            ({"endpoint_url": f"https://AK:{SECRET}@minio"}, "pattern"),
            ({"access_key_id": "", "secret_access_key": ""}, "at least 1"),
        ],
    )
    def test_fields_that_do_not_fit_together_are_refused_with_the_remedy(self, fields, remedy):
        with pytest.raises(ValidationError, match=remedy) as caught:
            AwsCredentials(**fields)
        assert SECRET not in "".join(traceback.format_exception(caught.value))

    def test_nothing_at_all_is_valid_and_means_the_chain_of_aws(self, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
        session = AwsCredentials().session()
        assert session.get_credentials().access_key == "AKENV"
        assert session.region_name == "eu-west-3"


class TestSession:
    def test_keys_and_region_are_those_of_the_fields(self):
        credentials = AwsCredentials(
            access_key_id="AK", secret_access_key=SECRET, session_token="t", region="eu-west-3"
        )
        found = credentials.session().get_credentials()
        assert (found.access_key, found.secret_key, found.token) == ("AK", SECRET, "t")
        assert credentials.session().region_name == "eu-west-3"

    def test_a_client_goes_to_the_endpoint(self, credentials, bucket):
        names = [found["Name"] for found in credentials.client("s3").list_buckets()["Buckets"]]
        assert bucket in names

    def test_a_profile_is_read_from_the_shared_files(self, monkeypatch, tmp_path):
        file = tmp_path / "credentials"
        file.write_text(f"[etl]\naws_access_key_id = AKETL\naws_secret_access_key = {SECRET}\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        assert AwsCredentials(profile="etl").session().get_credentials().access_key == "AKETL"

    def test_a_profile_that_is_not_there_is_refused(self):
        with pytest.raises(CredentialsRefused, match=r"ProfileNotFound.*list-profiles"):
            AwsCredentials(profile="etl").session()


class TestRole:
    @pytest.fixture
    def in_role(self, aws, credentials):
        name = "etl"
        iam = aws.client("iam")
        if name not in [role["RoleName"] for role in iam.list_roles()["Roles"]]:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=POLICY)
        return credentials.model_copy(
            update={"role_arn": f"arn:aws:iam::123456789012:role/{name}", "external_id": "x-1"}
        )

    def test_a_role_is_assumed(self, in_role):
        assert in_role.identity() == "arn:aws:sts::123456789012:assumed-role/etl/blocks"

    def test_a_roles_key_is_temporary_and_renewed_by_the_session(self, in_role):
        found = in_role.session().get_credentials()
        first = found.get_frozen_credentials()
        assert first.token
        found._expiry_time = found._time_fetcher()  # as if an hour had passed
        assert found.get_frozen_credentials().token != first.token

    def test_a_roles_key_does_not_get_into_the_log(self, in_role, caplog):
        in_role.identity()  # imports the vendor's packages, which make their loggers
        with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "botocore"):
            key = in_role.assume_role()
            in_role.identity()
        assert key["secret_key"] not in caplog.text
        assert key["token"] not in caplog.text

    def test_a_role_that_may_not_be_assumed_is_refused(self, strict_aws):
        wrong = AwsCredentials(
            access_key_id=strict_aws.id,
            secret_access_key=SECRET,
            role_arn="arn:aws:iam::123456789012:role/none",
            endpoint_url=strict_aws.url,
        )
        with pytest.raises(CredentialsRefused, match="SignatureDoesNotMatch"):
            wrong.identity()


class TestFailures:
    def test_no_credentials_anywhere_say_where_to_put_them(self, aws):
        with pytest.raises(CredentialsRefused, match=r"NoCredentialsError.*AWS_ACCESS_KEY_ID"):
            AwsCredentials(endpoint_url=aws.url).identity()

    def test_half_a_key_in_the_environment_is_refused(self, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
        with pytest.raises(CredentialsRefused, match="PartialCredentialsError"):
            AwsCredentials().identity()

    def test_a_service_that_is_down_is_named(self, credentials, nobody_listens):
        away = credentials.model_copy(update={"endpoint_url": nobody_listens})
        with pytest.raises(CredentialsRefused, match=rf"{nobody_listens}.*EndpointConnectionError"):
            away.identity()

    def test_a_store_without_sts_says_to_check_the_block_that_uses_it(self, rclone):
        credentials = AwsCredentials(
            access_key_id=rclone.id, secret_access_key=rclone.secret, endpoint_url=rclone.url
        )
        with pytest.raises(CredentialsRefused, match="check the block that uses the credentials"):
            credentials.identity()


def test_debug_lines_of_botocore_are_left_to_those_who_ask_for_them(credentials):
    logger = logging.getLogger("botocore")
    before = logger.level
    try:
        logger.setLevel(logging.NOTSET)
        credentials.session()
        assert logger.getEffectiveLevel() >= logging.INFO
        logger.setLevel(logging.DEBUG)
        credentials.session()
        assert logger.level == logging.DEBUG
    finally:
        logger.setLevel(before)


def test_secrets_are_masked_in_debug_lines_of_botocore_too(credentials, caplog):
    token = f"{SECRET}-session-token=="
    temporary = credentials.model_copy(update={"session_token": SecretStr(token)})
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "botocore"):
        temporary.identity()
        temporary.client("s3", region_name="us-east-1").list_buckets()
    assert "security-token" in caplog.text.lower()
    assert token not in caplog.text


@pytest.mark.parametrize("status", [200, 403])
def test_an_endpoint_that_is_no_store_is_refused_and_what_it_repeats_is_not_shown(status):
    class Echo(BaseHTTPRequestHandler):
        def do_POST(self):
            body = f"no store: {self.headers}".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        credentials = AwsCredentials(
            access_key_id="AK",
            secret_access_key="x",
            session_token=SECRET,
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
        )
        in_role = credentials.model_copy(update={"role_arn": "arn:aws:iam::123456789012:role/etl"})
        try:
            for found in (credentials, in_role):
                with pytest.raises(CredentialsRefused, match="did not say who") as caught:
                    found.identity()
                assert SECRET not in "".join(traceback.format_exception(caught.value))
                report = found.check()
                assert not report.ok
                assert SECRET not in repr(report)
        finally:
            server.shutdown()


def test_importing_the_package_does_not_import_a_vendors_package():
    code = (
        "import sys, json, blocks_aws, blocks_aws.credentials, blocks_aws.reasons, blocks_aws.s3;"
        "blocks_aws.S3(bucket='b', credentials=blocks_aws.AwsCredentials(profile='p')).location('x');"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    vendors = {"boto3", "botocore", "s3fs", "aiobotocore", "aiohttp", "fsspec"}
    assert not vendors & set(json.loads(done.stdout))


def _secret(value):
    from pydantic import SecretStr

    return SecretStr(value)
