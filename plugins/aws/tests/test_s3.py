import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from blocks_aws import S3, AwsCredentials
from blocks_aws.connection import open_filesystem
from blocks_core.capabilities import Storage
from blocks_core.errors import PathNotFound, PathRefused, StorageFailed
from blocks_core.testing.storage_suite import StorageSuite

SECRET = "p1anted-5ecret-key"


class TestS3(StorageSuite):
    writers = 1  # moto fails where two write the same key at once; TestS3AtRclone has more
    huge_bytes = 0  # moto keeps it in memory, slowly; TestS3AtRclone has one

    @pytest.fixture
    def storage(self, s3):
        return s3


class TestS3AtRclone(StorageSuite):
    """Another server, that checks keys, with a prefix. Under many writers it answers 500 now and then, which users' clients retry."""

    @pytest.fixture
    def storage(self, rclone, request, monkeypatch):
        monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
        return S3(bucket="raw", prefix=f"at-{id(request)}", credentials=keys_of(rclone))


def keys_of(server, **other):
    fields = {"access_key_id": server.id, "secret_access_key": server.secret, "endpoint_url": server.url}
    return AwsCredentials(**(fields | other))


class TestFields:
    @pytest.mark.parametrize("bucket", ["s3://raw", "raw/2026", "", " raw", "raw data"])
    def test_a_bucket_that_is_more_than_a_name_is_refused(self, bucket):
        with pytest.raises(ValidationError):
            S3(bucket=bucket)

    @pytest.mark.parametrize("prefix", ["..", "a/../..", "a/%2e%2e/b", "a\\b"])
    def test_a_prefix_that_leads_outside_is_refused(self, prefix):
        with pytest.raises(ValidationError):
            S3(bucket="raw", prefix=prefix)

    @pytest.mark.parametrize("prefix", ["a/b", "/a/b/", "a//b", "./a/b"])
    def test_a_prefix_has_one_spelling(self, prefix):
        assert S3(bucket="raw", prefix=prefix).location("x") == "s3://raw/a/b/x"

    def test_a_location_names_bucket_and_key_without_asking_anyone(self):
        assert S3(bucket="raw").location("2026/a.csv") == "s3://raw/2026/a.csv"

    def test_an_access_point_is_a_bucket(self):
        arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/etl"
        assert S3(bucket=arn).location("a") == f"s3://{arn}/a"


class TestObjects:
    def test_a_file_is_an_object_under_its_key(self, s3, aws):
        assert s3.write("2026/a.csv", b"1,2") == f"s3://{s3.bucket}/2026/a.csv"
        assert aws.client("s3").get_object(Bucket=s3.bucket, Key="2026/a.csv")["Body"].read() == b"1,2"

    @pytest.mark.parametrize("path", ["a?versionId=b", "a b+c%d#e&f=g", "가나다/🦉.csv", "a*b[c]?"])
    def test_a_path_is_the_key_letter_by_letter(self, s3, aws, path):
        s3.write("a", b"other")
        s3.write(path, b"mine")
        keys = [found["Key"] for found in aws.client("s3").list_objects_v2(Bucket=s3.bucket)["Contents"]]
        assert sorted(keys) == sorted({"a", path})
        assert (s3.read(path), s3.read("a")) == (b"mine", b"other")
        assert path in [file.path for file in s3.list_files()]

    def test_storages_with_sibling_prefixes_do_not_see_each_other(self, bucket, credentials):
        a, ab = (S3(bucket=bucket, prefix=prefix, credentials=credentials) for prefix in ("a", "ab"))
        a.write("x", b"a")
        ab.write("x", b"ab")
        ab.write("y", b"ab")
        assert [file.path for file in a.list_files()] == ["x"]
        assert not a.exists("y")
        a.remove("x")
        assert ab.read("x") == b"ab"

    def test_a_file_and_a_folder_of_the_same_name_are_two_things(self, s3):
        s3.write("a", b"file")
        s3.write("a/b", b"below")
        assert [file.path for file in s3.list_files()] == ["a", "a/b"]
        assert [file.path for file in s3.list_files("a")] == ["a/b"]
        assert s3.exists("a")

    def test_what_another_writes_or_removes_is_seen_at_once(self, s3, aws):
        assert list(s3.list_files()) == []
        aws.client("s3").put_object(Bucket=s3.bucket, Key="new", Body=b"1")
        assert [file.path for file in s3.list_files()] == ["new"]
        assert s3.read("new") == b"1"
        aws.client("s3").delete_object(Bucket=s3.bucket, Key="new")
        assert not s3.exists("new")
        assert list(s3.list_files()) == []

    def test_a_large_object_goes_in_parts_and_comes_back_whole(self, s3, aws):
        data = os.urandom(1 << 20) * 101
        s3.write("large", data)
        assert "-" in aws.client("s3").head_object(Bucket=s3.bucket, Key="large")["ETag"]
        assert s3.read("large") == data
        assert s3.read("large", start=100 << 20, end=(100 << 20) + 7) == data[100 << 20 : (100 << 20) + 7]


class TestRequests:
    """What a read or a write costs: each is one request."""

    @pytest.fixture
    def requests(self, s3):
        seen = []
        opened = open_filesystem(s3.credentials, s3.timeout_seconds)
        opened.connect()
        opened.s3.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.method))
        return seen

    def test_a_write_is_one_request(self, s3, requests):
        s3.write("a", b"1")
        assert requests == ["PUT"]

    def test_a_body_is_sent_without_asking_first(self, s3):
        """Since aiohttp would wait for ever for the leave to send it, where the answer is a refusal at once."""
        headers = []
        opened = open_filesystem(s3.credentials, s3.timeout_seconds)
        opened.connect()
        opened.s3.meta.events.register("before-send.s3", lambda request, **_: headers.extend(request.headers))
        s3.write("a", b"1")
        assert "Authorization" in headers
        assert "Expect" not in headers

    def test_a_read_is_one_request(self, s3, requests):
        s3.write("a", b"1" * 1000)
        requests.clear()
        s3.read("a")
        s3.read("a", start=10, end=20)
        assert requests == ["GET", "GET"]

    def test_finding_a_file_is_one_request(self, s3, requests):
        s3.write("a", b"1")
        requests.clear()
        assert s3.exists("a")
        assert requests == ["HEAD"]

    def test_removing_is_one_request(self, s3, requests):
        s3.remove("a")
        assert requests == ["DELETE"]


OPERATIONS = {
    "read": lambda storage: storage.read("a"),
    "read a range": lambda storage: storage.read("a", start=1, end=2),
    "write": lambda storage: storage.write("a", b"1"),
    "exists": lambda storage: storage.exists("a"),
    "list": lambda storage: list(storage.list_files()),
    "list a folder": lambda storage: list(storage.list_files("folder")),
    "remove": lambda storage: storage.remove("a"),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
class TestFailures:
    def test_a_bucket_that_is_not_there_is_named_with_the_remedy(self, aws, credentials, operation):
        storage = S3(bucket="no-such-bucket", credentials=credentials)
        with pytest.raises(StorageFailed, match=r"no bucket 'no-such-bucket'.*or create it") as caught:
            operation(storage)
        assert not isinstance(caught.value, PathNotFound)

    def test_a_store_that_is_down_is_named_with_the_remedy(self, credentials, nobody_listens, operation):
        storage = S3(
            bucket="raw", credentials=credentials.model_copy(update={"endpoint_url": nobody_listens})
        )
        with pytest.raises(StorageFailed, match=r"'raw'.*EndpointConnectionError.*Check endpoint_url"):
            operation(storage)

    def test_no_credentials_anywhere_say_where_to_put_them(self, aws, operation):
        storage = S3(bucket="raw", credentials=AwsCredentials(endpoint_url=aws.url))
        with pytest.raises(StorageFailed, match=r"'raw'.*NoCredentialsError.*AWS_ACCESS_KEY_ID"):
            operation(storage)


class TestRefusedKeys:
    def test_a_wrong_secret_is_told_from_a_wrong_key(self, rclone):
        """By a server that checks signatures."""
        storage = S3(bucket="raw", credentials=keys_of(rclone))
        storage.write("a", b"1")
        wrong_secret = S3(bucket="raw", credentials=keys_of(rclone, secret_access_key=SECRET))
        with pytest.raises(StorageFailed, match=r"'raw'.*SignatureDoesNotMatch.*copy it whole") as caught:
            wrong_secret.read("a")
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        wrong_key = S3(bucket="raw", credentials=keys_of(rclone, access_key_id="AKUNKNOWN"))
        with pytest.raises(StorageFailed, match=r"'raw'.*InvalidAccessKeyId.*Check access_key_id"):
            wrong_key.read("a")

    def test_blocks_with_other_keys_do_not_share_a_connection(self, rclone):
        """In either order, whatever is open already."""
        right = S3(bucket="raw", credentials=keys_of(rclone))
        wrong = S3(bucket="raw", credentials=keys_of(rclone, secret_access_key=SECRET))
        for _ in range(2):
            right.write("a", b"1")
            with pytest.raises(StorageFailed):
                wrong.write("a", b"2")
        assert right.read("a") == b"1"

    def test_a_key_that_is_set_later_is_used_from_then_on(self, rclone):
        storage = S3(bucket="raw", credentials=keys_of(rclone, secret_access_key=SECRET))
        with pytest.raises(StorageFailed):
            storage.write("a", b"1")
        storage.credentials = keys_of(rclone)
        storage.write("a", b"1")

    def test_access_that_the_policy_does_not_give_is_named_with_the_remedy(self, bucket, strict_aws):
        storage = S3(bucket=bucket, credentials=keys_of(strict_aws))
        storage.write("a", b"1")
        iam = keys_of(strict_aws).client("iam", region_name="us-east-1")
        iam.delete_user_policy(UserName=strict_aws.arn.rpartition("/")[2], PolicyName="all")
        with pytest.raises(StorageFailed, match=rf"'{bucket}'.*s3:GetObject to read"):
            storage.read("a")

    def test_a_check_shows_each_permission_that_is_missing(self, rclone):
        wrong = S3(bucket="raw", credentials=keys_of(rclone, secret_access_key=SECRET))
        report = wrong.check()
        assert not report.ok
        assert SECRET not in repr(report)

    def test_no_secret_is_logged(self, rclone, caplog):
        storage = S3(bucket="raw", credentials=keys_of(rclone, session_token=SECRET))
        with caplog.at_level(logging.DEBUG):
            storage.check()
        assert SECRET not in caplog.text
        assert rclone.secret not in caplog.text


def test_no_answer_in_time_is_named_with_the_remedy(credentials):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        mute = credentials.model_copy(update={"endpoint_url": url})
        with pytest.raises(StorageFailed, match=r"'raw'.*ReadTimeoutError.*try again"):
            S3(bucket="raw", credentials=mute, timeout_seconds=0.2).exists("a")


def test_a_role_is_assumed_to_read_and_write(aws, bucket, credentials):
    role = aws.client("iam").create_role(RoleName="storage", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    in_role = credentials.model_copy(update={"role_arn": role})
    storage = S3(bucket=bucket, credentials=in_role)
    storage.write("a", b"1")
    assert storage.read("a") == b"1"


def test_a_role_that_is_not_given_is_named_with_the_remedy(strict_aws):
    role = "arn:aws:iam::123456789012:role/none"
    storage = S3(bucket="raw", credentials=keys_of(strict_aws, role_arn=role, secret_access_key=SECRET))
    with pytest.raises(StorageFailed, match=r"'raw'.*SignatureDoesNotMatch.*copy it whole"):
        storage.read("a")


def test_without_credentials_the_environment_says_who_asks_and_where(monkeypatch, aws, bucket):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    storage = S3(bucket=bucket)
    storage.write("a", b"1")
    assert storage.read("a") == b"1"


def test_credentials_of_the_environment_that_change_are_used_by_new_blocks(monkeypatch, rclone):
    monkeypatch.setenv("AWS_ENDPOINT_URL", rclone.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(StorageFailed):
        S3(bucket="raw").write("a", b"1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone.secret)
    S3(bucket="raw").write("a", b"1")


def test_blocks_with_the_same_credentials_share_their_connections(credentials):
    assert open_filesystem(credentials, 15) is open_filesystem(credentials.model_copy(), 15)
    assert open_filesystem(credentials, 15) is not open_filesystem(credentials, 16)


def test_many_threads_use_one_block_at_once(s3):
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for turn in range(10):
            s3.write(f"{number}/{turn}", b"%d" % number)
            assert s3.read(f"{number}/{turn}") == b"%d" % number

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(list(s3.list_files())) == 80


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(s3):
    s3.write("a", b"parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if s3.read("a") == b"parent" and s3.write("b", b"child") else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert s3.read("b") == b"child"


def test_a_copy_made_by_pickle_reads_in_another_process(s3):
    s3.write("a", b"1")
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).read('a').decode())"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(s3), capture_output=True, check=True
    )
    assert done.stdout.strip() == b"1"


def test_a_process_that_used_a_block_ends_without_a_warning(rclone):
    code = (
        "import pickle, sys; block = pickle.load(sys.stdin.buffer); block.write('a', b'1'); block.read('a');"
        "list(block.list_files()); block.exists('none')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=pickle.dumps(S3(bucket="raw", credentials=keys_of(rclone))),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_it_is_a_storage():
    assert issubclass(S3, Storage)
    with pytest.raises(PathRefused):
        S3(bucket="raw").read("../other")
