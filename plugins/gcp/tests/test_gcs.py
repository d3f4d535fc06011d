"""Files in Cloud Storage, by gcsfs's requests and this project's, against an emulator on loopback."""

import gzip
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from blocks_core.errors import PathNotFound, StorageFailed
from blocks_core.testing.renewing_suite import RenewingSuite
from blocks_core.testing.storage_suite import StorageSuite
from blocks_gcp import GCS, GcpCredentials, GcsBucket

MIB = 1 << 20


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Between attempts."""
    monkeypatch.setattr("blocks_gcp.bucket_requests.SECONDS_AFTER_FAILURE", 0.01)


@pytest.fixture
def gcs(gcs_server):
    return GCS(bucket=gcs_server.make_bucket(), anonymous=True, endpoint_url=gcs_server.url)


@pytest.fixture
def guarded(google, gcs_server, key_file):
    """A storage whose service asks for Google's tokens."""
    gcs_server.token_is_good = lambda token: token in google.tokens
    credentials = GcpCredentials(service_account=SecretStr(key_file))
    return GCS(bucket=gcs_server.make_bucket(), credentials=credentials, endpoint_url=gcs_server.url)


class TestGCS(StorageSuite):
    @pytest.fixture
    def storage(self, gcs):
        return gcs.model_copy(update={"prefix": "team/etl"})


class TestGCSRenewsTokens(RenewingSuite):
    renewals_for_all_users = 1

    @pytest.fixture
    def renewing(self, guarded, gcs_server, ending):
        gcs_server.token_is_good = ending.is_good
        return ending.renewing(lambda: guarded.exists("a"), StorageFailed)


class TestUsersProgram:
    def test_it_runs_after_its_types_are_registered(self, gcs_server, tmp_path, monkeypatch):
        """The program of the seed, as it stands."""
        bucket = gcs_server.make_bucket()
        (tmp_path / "data/green").mkdir(parents=True)
        (tmp_path / "data/green/2020-01.parquet").write_bytes(b"PAR1")
        program = (
            "from pathlib import Path\n"
            "from blocks_gcp import GcsBucket\n"
            "path = Path('data/green/2020-01.parquet')\n"
            "GcsBucket.load('zoom-gcs').upload_from_path(from_path=path, to_path=path)\n"
        )
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "BLOCKS_HOME": str(tmp_path / "home"),
            "STORAGE_EMULATOR_HOST": gcs_server.url,
        }

        def run(*command):
            done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        run("block", "register", "-m", "blocks_gcp")
        run("block", "create", "gcs", "zoom-gcs", "--set", f"bucket={bucket}")
        run(sys.executable, "-W", "error", "-c", program)
        assert gcs_server.content(bucket, "data/green/2020-01.parquet") == b"PAR1"
        assert "delete" in run("block", "check", "gcs/zoom-gcs")

    def test_both_names_are_of_one_class(self):
        assert GcsBucket is GCS


class TestFields:
    @pytest.mark.parametrize("bucket", ["gs://raw", "raw/2026", "", " raw", "raw data", "Raw", "a", "../x"])
    def test_a_bucket_that_is_more_than_a_name_is_refused(self, bucket):
        with pytest.raises(ValidationError, match="bucket's name alone"):
            GCS(bucket=bucket)

    @pytest.mark.parametrize("prefix", ["..", "a/../..", "a/%2e%2e/b", "a\\b"])
    def test_a_prefix_that_leads_outside_is_refused(self, prefix):
        with pytest.raises(ValidationError):
            GCS(bucket="raw", prefix=prefix)

    def test_a_location_names_bucket_and_key_without_asking_anyone(self):
        assert GCS(bucket="raw", prefix="/a//b/").location("2026/a.csv") == "gs://raw/a/b/2026/a.csv"

    @pytest.mark.parametrize(
        "fields",
        [
            {"endpoint_url": "http://gcs.example.com"},
            {"endpoint_url": "ftp://127.0.0.1", "anonymous": True},
            {"endpoint_url": "https://user:word@gcs.example.com"},
            {"anonymous": True, "credentials": GcpCredentials()},
            {"billing_project": "a/b"},
            {"timeout_seconds": 0},
        ],
    )
    def test_fields_that_make_no_sense_are_refused(self, fields):
        with pytest.raises(ValidationError):
            GCS(bucket="raw", **fields)

    def test_an_emulator_of_another_host_is_asked_without_credentials(self):
        assert GCS(bucket="raw", endpoint_url="http://emulator:4443", anonymous=True).anonymous


class TestObjects:
    @pytest.mark.parametrize("path", ["a?generation=1", "a#1", "a b+c%d&e", "가나다/🦉.csv", "a*b[c];x"])
    def test_a_path_is_the_key_letter_by_letter(self, gcs, gcs_server, path):
        gcs.write("a", b"other")
        gcs.write(path, b"mine")
        assert set(gcs_server.objects(gcs.bucket)) == {"a", path}
        assert (gcs.read(path), gcs.read("a")) == (b"mine", b"other")
        gcs.copy_file(path, f"copy/{path}")
        gcs.remove(path)
        assert set(gcs_server.objects(gcs.bucket)) == {"a", f"copy/{path}"}

    def test_storages_with_sibling_prefixes_do_not_see_each_other(self, gcs):
        a, ab = (gcs.model_copy(update={"prefix": prefix}) for prefix in ("a", "ab"))
        a.write("x", b"a")
        ab.write("x", b"ab")
        assert [file.path for file in a.list_files()] == ["x"]
        a.remove("x")
        assert ab.read("x") == b"ab"

    def test_a_folder_that_the_console_made_is_no_file(self, gcs):
        gcs._open().pipe_file(f"{gcs.bucket}/folder/", b"")  # an object whose name ends with '/'
        gcs.write("folder/file", b"x")
        assert [file.path for file in gcs.list_files()] == ["folder/file"]
        assert not gcs.exists("folder")
        assert gcs.filesystem().ls("folder", detail=False) == ["folder/file"]

    def test_what_is_stored_compressed_comes_as_it_is_stored(self, gcs, gcs_server):
        """As it is listed, and as ranges of it are."""
        packed = gzip.compress(b"a,b\n" * 100)
        gcs.write("a.csv.gz", packed)
        gcs_server.objects(gcs.bucket)["a.csv.gz"]["contentEncoding"] = "gzip"
        assert gcs.read("a.csv.gz") == packed
        sent = gcs_server.requests[-1][2]
        assert sent["Accept-Encoding"] == "gzip"

    def test_a_file_with_lines_like_those_between_parts_comes_back_as_it_is(self, gcs):
        data = b"\r\n--==0==--\r\n\n--==0==\n\n"
        gcs.write("a", data)
        assert gcs.read("a") == data


class TestRequests:
    """What a read or a write costs: each is one request."""

    @pytest.mark.parametrize(
        ("call", "methods"),
        [
            (lambda gcs: gcs.write("a", b"1"), ["POST"]),
            (lambda gcs: gcs.read("here"), ["GET"]),
            (lambda gcs: gcs.read("here", start=1, end=2), ["GET"]),
            (lambda gcs: gcs.exists("here"), ["GET"]),
            (lambda gcs: gcs.exists("nowhere"), ["GET"]),
            (lambda gcs: list(gcs.list_files("nowhere")), ["GET"]),
            (lambda gcs: gcs.remove("here"), ["DELETE"]),
            (lambda gcs: gcs.write("a", bytes(8 * MIB)), ["POST"]),
            (lambda gcs: gcs.write("a", bytes(8 * MIB + 1)), ["POST", "PUT", "PUT"]),
        ],
    )
    def test_each_call_is_so_many_requests(self, gcs, gcs_server, call, methods):
        gcs.write("here", b"123")
        gcs_server.requests.clear()
        call(gcs)
        assert gcs_server.methods() == methods

    def test_an_upload_that_is_given_up_ends_its_session(self, gcs, gcs_server):
        with suppress(ZeroDivisionError), gcs.open_write("a") as file:
            file.write(bytes(9 * MIB))
            raise ZeroDivisionError
        assert gcs_server.methods() == ["POST", "PUT", "DELETE"]
        assert gcs_server.storage.resumable == {}
        assert gcs_server.objects(gcs.bucket) == {}


class TestChecksums:
    def test_each_upload_carries_the_checksum_of_its_bytes(self, gcs, gcs_server):
        for size in (3, 9 * MIB):
            gcs.write("a", bytes(size))
        hashes = [headers.get("X-Goog-Hash") for _, _, headers in gcs_server.requests]
        kept = gcs_server.objects(gcs.bucket)["a"]["crc32c"]
        assert hashes[-1] == f"crc32c={kept}"

    @pytest.mark.parametrize("size", [3, 9 * MIB])
    def test_what_was_kept_otherwise_than_sent_is_removed_again(self, gcs, gcs_server, size):
        gcs_server.change = damage_checksum
        with pytest.raises(StorageFailed, match=r"gs://.*does not fit its checksum, and was removed"):
            gcs.write("a", bytes(size))
        assert gcs_server.objects(gcs.bucket) == {}

    @pytest.mark.parametrize("size", [3, 9 * MIB])
    def test_what_is_damaged_on_the_way_is_not_returned(self, gcs, gcs_server, tmp_path, size):
        gcs.write("a", b"a" * size)
        gcs_server.change = lambda path, body: b"b" + body[1:] if path.startswith("/download") else body
        with pytest.raises(StorageFailed, match="does not fit its checksum"):
            gcs.read("a")
        with pytest.raises(StorageFailed, match="does not fit its checksum"):
            gcs.download_to_path("a", tmp_path / "a")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_replaced_while_it_is_read_is_an_error(self, gcs):
        gcs.write("a", b"a" * 20 * MIB)
        with gcs.open_read("a") as file:
            file.read(10)
            gcs.write("a", b"b" * 20 * MIB)
            file.seek(19 * MIB)
            with pytest.raises(StorageFailed, match="replaced or removed while it was read"):
                file.read(10)


def damage_checksum(_, body):
    if b'"crc32c": "' not in body:
        return body
    head, mark, rest = body.partition(b'"crc32c": "')
    return head + mark + (b"B" if rest[:1] == b"A" else b"A") + rest[1:]


class TestCuts:
    """Connections that are cut, and a service that is busy."""

    @pytest.mark.parametrize("fault", ["cut", (503, {"error": {"code": 503}}), (429, b""), (408, b"")])
    @pytest.mark.parametrize("call", ["read", "write", "list", "exists", "remove"])
    def test_each_call_is_tried_again(self, gcs, gcs_server, fault, call):
        gcs.write("a", b"1")
        gcs_server.faults = [fault, fault]
        calls = {
            "read": lambda: gcs.read("a") == b"1",
            "write": lambda: gcs.write("a", b"2"),
            "list": lambda: len(list(gcs.list_files())) == 1,
            "exists": lambda: gcs.exists("a"),
            "remove": lambda: gcs.remove("a") is None,
        }
        assert calls[call]()
        assert gcs_server.faults == []

    def test_a_removal_whose_answer_was_lost_is_no_error(self, gcs, gcs_server):
        gcs.write("a", b"1")
        gcs_server.faults = ["cut after"]
        gcs.remove("a")
        assert not gcs.exists("a")

    @pytest.mark.parametrize("fault", ["cut", "cut after", (503, b"")])
    @pytest.mark.parametrize("where", [1, 2, 3])
    def test_an_upload_goes_on_from_where_it_came_to(self, gcs, gcs_server, fault, where):
        data = os.urandom(MIB) * 20
        gcs_server.faults = [None] * where + [fault]
        gcs.write("a", data)
        assert gcs_server.content(gcs.bucket, "a") == data
        assert gcs_server.faults == []

    def test_an_upload_that_the_service_took_in_part_goes_on_from_there(self, gcs, gcs_server):
        data = os.urandom(MIB) * 20
        taken = gcs_server.storage.add_to_resumable_upload

        def take_less(file_id, content, **options):
            return taken(file_id, content[: -MIB // 2] if len(content) == 8 * MIB else content, **options)

        gcs_server.storage.add_to_resumable_upload = take_less
        try:
            gcs.write("a", data)
        finally:
            del gcs_server.storage.add_to_resumable_upload
        assert gcs_server.content(gcs.bucket, "a") == data

    def test_an_upload_that_cannot_go_on_is_given_up(self, gcs, gcs_server):
        gcs.write("a", b"as it was")
        gcs_server.faults = [None, None, *["cut"] * 4]
        with pytest.raises(StorageFailed, match="connection failed"):
            gcs.write("a", bytes(20 * MIB))
        assert gcs.read("a") == b"as it was"
        assert gcs_server.storage.resumable == {}

    def test_a_download_that_breaks_off_goes_on_from_there(self, gcs, gcs_server, tmp_path):
        data = os.urandom(MIB) * 6
        gcs.write("a", data)
        cuts = [2 * MIB, 3 * MIB]

        def broken(path, body):
            return body[: cuts.pop()] if path.startswith("/download") and cuts else body

        gcs_server.change = broken
        assert gcs.download_to_path("a", tmp_path / "a").read_bytes() == data
        ranges = [headers.get("Range") for _, path, headers in gcs_server.requests if "/download" in path]
        assert ranges == [None, f"bytes={3 * MIB}-", f"bytes={5 * MIB}-"]

    def test_no_answer_in_time_is_named_with_the_remedy(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            storage = GCS(bucket="raw", anonymous=True, endpoint_url=url, timeout_seconds=0.1)
            with pytest.raises(StorageFailed, match=r"gs://raw/a: there was no answer in time"):
                storage.exists("a")


OPERATIONS = {
    "read": lambda storage: storage.read("a"),
    "read a range": lambda storage: storage.read("a", start=1, end=2),
    "open": lambda storage: storage.open_read("a"),
    "write": lambda storage: storage.write("a", b"1"),
    "write much": lambda storage: storage.write("a", bytes(9 * MIB)),
    "exists": lambda storage: storage.exists("a"),
    "list": lambda storage: list(storage.list_files()),
    "list a folder": lambda storage: list(storage.list_files("folder")),
    "remove": lambda storage: storage.remove("a"),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
class TestFailures:
    def test_a_bucket_that_is_not_there_is_named_with_the_remedy(self, gcs, operation):
        storage = gcs.model_copy(update={"bucket": "no-such-bucket"})
        with pytest.raises(StorageFailed, match=r"no bucket 'no-such-bucket'.*or create it") as caught:
            operation(storage)
        assert not isinstance(caught.value, PathNotFound)

    def test_a_service_that_is_down_is_named_with_the_remedy(self, nobody_listens, operation):
        storage = GCS(bucket="raw", anonymous=True, endpoint_url=nobody_listens)
        with pytest.raises(StorageFailed, match=r"gs://raw.*the connection failed.*Check the address"):
            operation(storage)

    def test_a_permission_that_is_missing_is_named_with_a_role(self, gcs, gcs_server, operation):
        gcs_server.permissions = set()
        with pytest.raises(StorageFailed, match=r"storage\.objects\.[a-z]+, such as roles/storage\.object"):
            operation(gcs)

    def test_a_bucket_that_is_not_public_says_so(self, gcs, gcs_server, operation):
        gcs_server.token_is_good = lambda _: True
        with pytest.raises(StorageFailed, match=r"HTTP 401.*not public. Give credentials"):
            operation(gcs)

    def test_no_credentials_anywhere_say_where_to_put_them(self, gcs_server, operation):
        storage = GCS(bucket="raw", endpoint_url=gcs_server.url)
        with pytest.raises(StorageFailed, match=r"'raw' could not be used.*application-default login"):
            operation(storage)

    @pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"a": ', b"\xff" * 99])
    def test_what_is_no_cloud_storage_is_a_typed_error(self, gcs, gcs_server, operation, body):
        gcs_server.faults = [(418, body)] * 4
        with pytest.raises(StorageFailed, match="no Cloud Storage"):
            operation(gcs)


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "reason", "message", "remedy"),
        [
            (400, "required", "Bucket is a requester pays bucket but no user project", "set billing_project"),
            (403, "accountDisabled", "The billing account is disabled in state absent", "Link one"),
            (403, "forbidden", "caller does not have serviceusage.services.use access", "UsageConsumer"),
            (403, "retentionPolicyNotMet", "Object is subject to bucket's retention policy", "Wait for its"),
            (403, "forbidden", "Access denied.", "objectViewer to read and list"),
            (429, "rateLimitExceeded", "The object exceeded the rate limit", "more objects"),
            (500, "backendError", "Backend Error", "Try again later"),
        ],
    )
    def test_each_answer_has_its_remedy(self, gcs, gcs_server, status, reason, message, remedy):
        error = {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}
        gcs_server.faults = [(status, error)] * 4
        with pytest.raises(StorageFailed, match=remedy) as caught:
            gcs.write("a", b"1")
        assert f"HTTP {status} {reason}: {message}" in str(caught.value)

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b""])
    def test_a_success_that_is_none_is_a_typed_error(self, gcs, gcs_server, body):
        gcs_server.faults = [(200, body)]
        with pytest.raises(StorageFailed, match="no Cloud Storage"):
            gcs.write("a", b"1")
        gcs_server.faults = [(200, body)]
        with pytest.raises(StorageFailed, match="no Cloud Storage"):
            gcs.exists("a")

    def test_requests_name_the_project_that_pays(self, gcs, gcs_server):
        paid = gcs.model_copy(update={"billing_project": "who-pays"})
        paid.write("a", b"1")
        paid.write("b", bytes(9 * MIB))
        paid.read("a")
        paid.copy_file("a", "c")
        list(paid.list_files())
        paid.remove("a")
        asked = [path for _, path, _ in gcs_server.requests if "upload_id" not in path]
        assert all("userProject=who-pays" in path for path in asked)


class TestTokens:
    def test_a_token_goes_with_each_request(self, guarded, gcs_server):
        assert guarded.check().ok
        assert all("authorization" in map(str.lower, headers) for _, _, headers in gcs_server.requests)

    def test_a_token_that_ends_during_an_upload_is_renewed(self, google, guarded, gcs_server):
        with guarded.open_write("a") as file:
            for _ in range(3):
                file.write(bytes(8 * MIB))
                google.tokens.clear()
        assert len(guarded.read("a")) == 24 * MIB

    def test_a_token_that_nobody_gives_is_named_with_the_remedy(self, google, guarded):
        google.accounts.clear()
        with pytest.raises(StorageFailed, match=r"gs://.*invalid_grant.*no such service account"):
            guarded.read("a")

    def test_an_account_that_is_put_right_is_used_at_once(self, google, guarded):
        accounts = dict(google.accounts)
        google.accounts.clear()
        with pytest.raises(StorageFailed):
            guarded.write("a", b"1")
        google.accounts.update(accounts)
        guarded.write("a", b"1")

    def test_no_token_goes_to_an_emulator_of_the_environment(self, gcs_server, monkeypatch):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url.removeprefix("http://"))
        storage = GCS(bucket=gcs_server.make_bucket())
        storage.write("a", b"1")
        assert "authorization" not in map(str.lower, gcs_server.requests[0][2])

    @pytest.mark.parametrize("setting", ["emulator.example.com:4443", "ftp://x", "http://u:p@x", "http://"])
    def test_an_emulator_that_tokens_must_not_go_to_is_refused(self, key_file, monkeypatch, setting):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", setting)
        storage = GCS(bucket="raw", credentials=GcpCredentials(service_account=SecretStr(key_file)))
        with pytest.raises(StorageFailed, match="STORAGE_EMULATOR_HOST leads nowhere"):
            storage.read("a")

    def test_what_the_service_repeats_is_not_shown(self, google, guarded, gcs_server, key_file):
        guarded.exists("a")
        token = next(iter(google.tokens))
        said = f"you sent Bearer {token} and {json.loads(key_file)['private_key']}"
        for status in (400, 403):
            gcs_server.faults = [(status, {"error": {"code": status, "message": said}})]
            with pytest.raises(StorageFailed) as caught:
                guarded.read("a")
            shown = "".join(traceback.format_exception(caught.value))
            assert "you sent Bearer" in shown
            assert token not in shown
            assert not any(line in shown for line in json.loads(key_file)["private_key"].splitlines()[1:-1])

    def test_neither_token_nor_session_is_in_a_log(self, google, guarded, gcs_server, key_file, caplog):
        with caplog.at_level(logging.DEBUG), all_loggers_at(logging.DEBUG):
            guarded.check()
            guarded.write("large", bytes(9 * MIB))
            google.tokens.clear()
            gcs_server.faults = ["cut"]
            guarded.read("large")
        sessions = [path for _, path, _ in gcs_server.requests if "upload_id=" in path]
        assert sessions
        records = [record for record in caplog.records if not record.name.startswith("gcp_storage_emul")]
        assert {record.name for record in records} >= {"gcsfs", "urllib3.connectionpool"}
        shown = "".join(f"{record.getMessage()} {record.__dict__!r}" for record in records)
        ids = [path.partition("upload_id=")[2].partition("&")[0] for path in sessions]
        for secret in (*google.tokens, *ids, *json.loads(key_file)["private_key"].splitlines()[1:-1]):
            assert secret not in shown

    def test_blocks_with_the_same_credentials_share_their_connections(self, guarded, google):
        for _ in range(3):
            pickle.loads(pickle.dumps(guarded)).exists("a")
        assert google.requests.count("POST /token") == 1
        assert guarded._open() is guarded.model_copy(update={"prefix": "x"})._open()
        assert guarded._open() is not guarded.model_copy(update={"timeout_seconds": 1})._open()


class all_loggers_at:
    def __init__(self, level):
        self.level = level

    def __enter__(self):
        self.before = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
        for name in self.before:
            logging.getLogger(name).setLevel(self.level)

    def __exit__(self, *_):
        for name, level in self.before.items():
            logging.getLogger(name).setLevel(level)


def test_many_threads_use_one_block_at_once(gcs):
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for turn in range(5):
            gcs.write(f"{number}/{turn}", b"%d" % number)
            assert gcs.read(f"{number}/{turn}") == b"%d" % number

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(list(gcs.list_files())) == 40


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(gcs):
    gcs.write("a", b"parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if gcs.read("a") == b"parent" and gcs.write("b", b"child") else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gcs.read("b") == b"child"


def test_a_process_that_used_a_block_ends_without_a_warning(gcs):
    code = (
        "import pickle, sys; block = pickle.load(sys.stdin.buffer); block.write('a', b'1'); block.read('a');"
        "block.write('b', bytes(9 << 20)); list(block.list_files()); block.exists('none');"
        "file = block.open_write('c'); file.write(bytes(9 << 20))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], input=pickle.dumps(gcs), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert [file.path for file in gcs.list_files()] == ["a", "b"]
