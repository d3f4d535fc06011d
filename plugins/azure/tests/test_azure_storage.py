import gc
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, quote

import pytest
from azurite_server import ACCOUNT, KEY
from pydantic import ValidationError

from blocks_azure import Azure, AzureCredentials
from blocks_azure.blobs import Blobs
from blocks_azure.connection import SINGLE_BYTES, service_for
from blocks_azure.uploads import BLOCK_BYTES, WORKERS
from blocks_core.capabilities import Storage
from blocks_core.errors import PathNotFound, StorageFailed

SECRET = "cDFhbnRlZC01ZWNyZXQtb2Ytbm9ib2R5"


class TestFields:
    @pytest.mark.parametrize(
        ("container", "remedy"),
        [
            ("az://raw", "name alone"),
            ("raw/2026", "name alone"),
            ("", "at least 1"),
            ("Raw", "lower-case"),
            ("ra", "3 to 63"),
            ("a--b", "single hyphens"),
            ("raw-", "single hyphens"),
            ("a" * 64, "3 to 63"),
        ],
    )
    def test_a_container_that_cannot_be_one_is_refused(self, container, remedy, credentials):
        with pytest.raises(ValidationError, match=remedy):
            Azure(container=container, credentials=credentials)

    @pytest.mark.parametrize("container", ["raw", "raw-data", "a1b2", "123", "$web", "$root", "a" * 63])
    def test_every_name_of_a_container_is_one(self, container, credentials):
        assert Azure(container=container, credentials=credentials).location("a/b") == f"az://{container}/a/b"

    @pytest.mark.parametrize("prefix", ["..", "a/../..", "a/%2e%2e/b", "a\\b"])
    def test_a_prefix_that_leads_outside_is_refused(self, prefix, credentials):
        with pytest.raises(ValidationError):
            Azure(container="raw", prefix=prefix, credentials=credentials)

    def test_a_prefix_has_one_spelling(self, credentials):
        for prefix in ("a/b", "/a/b/", "a//b", "./a/b"):
            assert (
                Azure(container="raw", prefix=prefix, credentials=credentials).location("x")
                == "az://raw/a/b/x"
            )


class TestBlobs:
    def test_a_file_is_a_blob_of_that_name(self, azure, azurite):
        azure.write("2026/a?versionId=1 #b%41.csv", b"1,2")
        with azurite.service() as service:
            container = service.get_container_client(azure.container)
            assert [blob.name for blob in container.list_blobs()] == ["2026/a?versionId=1 #b%41.csv"]
            assert container.download_blob("2026/a?versionId=1 #b%41.csv").readall() == b"1,2"

    def test_what_data_lake_keeps_of_folders_is_no_file(self, azure, azurite):
        """Blobs of no size that say in their metadata what they are."""
        with azurite.service() as service:
            container = service.get_container_client(azure.container)
            container.upload_blob("folder", b"", metadata={"hdi_isfolder": "true"})
            container.upload_blob("folder/empty", b"", metadata={"Hdi_isfolder": "true"})
        azure.write("folder/a", b"1")
        assert [file.path for file in azure.list_files()] == ["folder/a"]
        assert not azure.exists("folder")
        for read in (azure.read, azure.open_read):
            with pytest.raises(PathNotFound, match="is a folder"):
                read("folder")
        found = azure.filesystem().ls("folder", detail=True)
        assert [(entry["name"], entry["type"]) for entry in found] == [
            ("folder/a", "file"),
            ("folder/empty", "directory"),
        ]

    def test_storages_with_sibling_prefixes_do_not_see_each_other(self, container, credentials):
        a, ab = (Azure(container=container, prefix=prefix, credentials=credentials) for prefix in ("a", "ab"))
        a.write("x", b"a")
        ab.write("y", b"ab")
        assert [file.path for file in a.list_files()] == ["x"]
        assert not a.exists("y")

    def test_a_file_and_a_folder_of_the_same_name_are_two_things(self, azure):
        azure.write("a", b"file")
        azure.write("a/b", b"below")
        assert [file.path for file in azure.list_files()] == ["a", "a/b"]
        assert [file.path for file in azure.list_files("a")] == ["a/b"]
        assert azure.read("a") == b"file"

    def test_files_of_adlfs_are_read_and_the_other_way_round(self, azure, azurite):
        adlfs = pytest.importorskip("adlfs", reason="needs adlfs, which is not installed")
        other = adlfs.AzureBlobFileSystem(
            connection_string=azurite.connection_string, skip_instance_cache=True, use_listings_cache=False
        )
        other.pipe_file(f"{azure.container}/folder/theirs", b"1")
        azure.write("folder/ours", b"2")
        assert [file.path for file in azure.list_files()] == ["folder/ours", "folder/theirs"]
        assert (azure.read("folder/theirs"), other.cat_file(f"{azure.container}/folder/ours")) == (b"1", b"2")


class TestRequests:
    """What is asked of the service."""

    @pytest.fixture
    def requests(self, azure, monkeypatch):
        azure.exists("warm")
        session = service_for(azure.credentials, azure.timeout_seconds)._config.transport.session
        seen, send = [], session.request

        def request(method, *arguments, **options):
            seen.append(method)
            return send(method, *arguments, **options)

        monkeypatch.setattr(session, "request", request)  # where requests leave this process
        return seen

    def test_each_operation_is_one_request(self, azure, requests):
        azure.write("a", b"12345")
        azure.read("a")
        azure.read("a", start=1, end=3)
        azure.exists("a")
        list(azure.list_files())
        azure.remove("a")
        assert requests == ["PUT", "GET", "GET", "HEAD", "GET", "DELETE"]

    def test_a_large_file_goes_in_blocks_and_comes_in_pieces(self, azure, requests, azurite):
        data = os.urandom(1 << 20) * 41
        assert len(data) > SINGLE_BYTES
        azure.write("large", data)
        assert requests == ["PUT"] * (-(-len(data) // BLOCK_BYTES) + 1)
        assert azure.read("large") == data
        assert azure.read("large", start=40 << 20, end=(40 << 20) + 7) == data[40 << 20 : (40 << 20) + 7]


class TestWholeFiles:
    def test_a_stream_that_ends_with_an_error_leaves_the_file_as_it_was(self, azure, azurite):
        azure.write("a", b"as it was")
        with pytest.raises(RuntimeError, match="halfway"):
            _write_and_fail(azure, "a", BLOCK_BYTES * 3)
        assert azure.read("a") == b"as it was"
        with pytest.raises(RuntimeError, match="halfway"):
            _write_and_fail(azure, "new", BLOCK_BYTES * 3)
        assert [file.path for file in azure.list_files()] == ["a"]

    def test_of_two_large_streams_at_once_one_is_whole_and_the_other_is_told(self, azure):
        first, second = azure.open_write("a"), azure.open_write("a")
        for _ in range(3):
            first.write(b"1" * BLOCK_BYTES)
        for _ in range(WORKERS + 1):  # One more than are sent at once: the first has arrived.
            second.write(b"2" * BLOCK_BYTES)
        first.close()
        with pytest.raises(StorageFailed, match=r"InvalidBlockList.*Write it again"):
            second.close()
        assert azure.read("a") == b"1" * BLOCK_BYTES * 3

    def test_of_many_large_writes_at_once_one_whole_file_remains(self, azure):
        whole = [bytes([number]) * (SINGLE_BYTES + 1) for number in range(3)]

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda data: azure.write("a", data), whole))
        assert azure.read("a") in whole

    def test_a_file_that_is_replaced_while_it_is_read_is_told(self, azure):
        azure.write("a", b"old" * 10_000_000)
        with azure.open_read("a") as file:
            assert file.read(3) == b"old"
            azure.write("a", b"new")
            with pytest.raises(StorageFailed, match=r"ConditionNotMet.*Read it again"):
                file.read()
        assert azure.read("a") == b"new"

    def test_a_writer_that_dies_leaves_the_file_as_it_was(self, azure):
        azure.write("a", b"as it was")
        code = (
            "import os, pickle, sys; file = pickle.load(sys.stdin.buffer).open_write('a');"
            "file.write(b'x' * (30 << 20)); os._exit(9)"
        )
        done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(azure), check=False)
        assert done.returncode == 9
        assert azure.read("a") == b"as it was"


class TestSasTokens:
    def test_a_token_to_read_reads_and_the_check_shows_what_it_may_not(self, azure, sas_of):
        azure.write("a", b"1")
        reader = azure.model_copy(update={"credentials": sas_of(azure.container, "rl")})
        assert reader.read("a") == b"1"
        with pytest.raises(
            StorageFailed, match=r"Authorization\w+.*Storage Blob Data Contributor.*w to write"
        ):
            reader.write("a", b"2")
        results = {result.name: result.ok for result in reader.check().results}
        assert results == {"list": True, "write": False}

    @pytest.mark.parametrize(
        ("permissions", "refused"),
        [("rwcd", ["list"]), ("rwcl", ["delete"]), ("rl", ["write"]), ("cwdl", ["read", "delete"])],
    )
    def test_a_check_has_a_line_for_each_permission(self, azure, sas_of, permissions, refused):
        block = azure.model_copy(update={"credentials": sas_of(azure.container, permissions)})
        assert [result.name for result in block.check().results if not result.ok] == refused

    def test_a_token_copies_inside_of_its_container(self, azure, sas_of):
        azure.write("a", b"1")
        block = azure.model_copy(update={"credentials": sas_of(azure.container, "rwcdl")})
        block.copy_file("a", "b")
        assert azure.read("b") == b"1"

    def test_a_connection_string_may_have_a_token(self, azure, sas_of):
        sas = sas_of(azure.container, "rwcdl")
        text = f"BlobEndpoint={sas.endpoint_url};SharedAccessSignature={sas.sas_token.get_secret_value()}"
        block = azure.model_copy(update={"credentials": AzureCredentials(connection_string=text)})
        assert block.check().ok
        block.write("a", b"1")
        block.copy_file("a", "b")
        assert azure.read("b") == b"1"

    def test_a_token_that_has_ended_is_told(self, azure, sas_of):
        late = azure.model_copy(update={"credentials": sas_of(azure.container, "rl", hours=-1)})
        with pytest.raises(StorageFailed, match=r"AuthorizationFailure.*SAS token that has ended"):
            late.read("a")


OPERATIONS = {
    "read": lambda storage: storage.read("a"),
    "read a range": lambda storage: storage.read("a", start=1, end=2),
    "open": lambda storage: storage.open_read("a"),
    "write": lambda storage: storage.write("a", b"1"),
    "list": lambda storage: list(storage.list_files()),
    "list a folder": lambda storage: list(storage.list_files("folder")),
    "remove": lambda storage: storage.remove("a"),
    "exists": lambda storage: storage.exists("a"),
    "copy": lambda storage: storage.copy_file("a", "b"),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
class TestFailures:
    def test_a_container_that_is_not_there_is_named_with_the_remedy(self, credentials, operation):
        storage = Azure(container="no-such-container", credentials=credentials)
        with pytest.raises(
            StorageFailed, match=r"'no-such-container'.*no such container.*or create it"
        ) as caught:
            operation(storage)
        assert not isinstance(caught.value, PathNotFound)

    def test_a_wrong_key_is_told_with_the_remedy(self, container, azurite, operation):
        wrong = AzureCredentials(account_name=ACCOUNT, account_key=SECRET, endpoint_url=azurite.url)
        with pytest.raises(StorageFailed, match=r"AuthorizationFailure.*wrong key") as caught:
            operation(Azure(container=container, credentials=wrong))
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (403, "AuthenticationFailed", "Copy it whole"),
        (403, "AuthorizationPermissionMismatch", "Storage Blob Data Contributor"),
        (403, "AccountIsDisabled", "Enable it"),
        (409, "BlobImmutableDueToPolicy", "Wait for its end"),
        (409, "BlobArchived", "online tier"),
        (412, "LeaseIdMissing", "Break the lease"),
        (400, "InvalidHeaderValue", "Look at the cause"),
        (403, "", "access was refused"),
        (418, "", "no Blob Storage"),
    ],
)
def test_what_azure_answers_is_told_with_the_remedy(answering, status, code, remedy):
    """In the words of its documentation; with the key in them, they are not shown."""
    said = f"<Error><Code>{code}</Code><Message>Planted {KEY}.</Message></Error>"
    for headers in ({"x-ms-error-code": code}, {}) if code else ({},):
        url = answering(status, said, headers)
        credentials = AzureCredentials(account_name=ACCOUNT, account_key=KEY, endpoint_url=url)
        with pytest.raises(StorageFailed, match=remedy) as caught:
            Azure(container="raw", credentials=credentials).write("a", b"1")
        assert code in str(caught.value)
        assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the connection is left open
@pytest.mark.parametrize("body", ["<html>", '{"error": "no"}', "\x00", ""])
def test_what_is_no_blob_storage_is_told(answering, body):
    credentials = AzureCredentials(
        account_name=ACCOUNT, account_key=KEY, endpoint_url=answering(200, body, {})
    )
    storage = Azure(container="raw", credentials=credentials)
    for operation in (lambda: list(storage.list_files()), lambda: storage.read("a")):
        with pytest.raises(StorageFailed, match=r"Check endpoint_url"):
            operation()
    gc.collect()  # now, so that no other test is told


def test_a_service_that_is_down_is_told(nobody_listens):
    credentials = AzureCredentials(account_name=ACCOUNT, account_key=KEY, endpoint_url=nobody_listens)
    with pytest.raises(StorageFailed, match=r"unreachable.*Check account_name, endpoint_url"):
        Azure(container="raw", credentials=credentials).read("a")


def test_a_sas_token_is_not_in_the_error_of_a_service_that_is_down(nobody_listens):
    """Though the error of urllib3 has the whole address."""
    credentials = AzureCredentials(
        account_name=ACCOUNT, sas_token=f"sv=2026&sp=r&sig={SECRET}%3D", endpoint_url=nobody_listens
    )
    with pytest.raises(StorageFailed, match="unreachable") as caught:
        Azure(container="raw", credentials=credentials).read("a")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_no_answer_in_time_is_told(monkeypatch):
    monkeypatch.setattr("blocks_azure.connection.RETRIES", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{ACCOUNT}"
        credentials = AzureCredentials(account_name=ACCOUNT, account_key=KEY, endpoint_url=url)
        with pytest.raises(StorageFailed, match=r"no answer in time.*try again"):
            Azure(container="raw", credentials=credentials, timeout_seconds=0.2).exists("a")


def test_a_connection_that_is_cut_is_told_and_used_again(azure, monkeypatch):
    azure.write("a", b"1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_cut_each, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{ACCOUNT}"
        credentials = azure.credentials.model_copy(update={"endpoint_url": url})
        monkeypatch.setattr("blocks_azure.connection.RETRIES", 1)
        with pytest.raises(StorageFailed, match=r"broke off|unreachable"):
            Azure(container="raw", credentials=credentials).read("a")
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert azure.read("a") == b"1"


def test_no_secret_is_logged(azure, sas_of, caplog):
    for name in (None, "azure", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    block = azure.model_copy(update={"credentials": sas_of(azure.container, "rwcdl")})
    azure.check()
    block.check()
    signature = parse_qs(block.credentials.sas_token.get_secret_value())["sig"][0]
    assert "blocks-check" in caplog.text
    for secret in (KEY, signature, quote(signature, safe=""), quote(signature)):
        assert secret not in caplog.text


def test_requests_are_left_to_those_who_ask_for_them(azure, caplog):
    with caplog.at_level(logging.INFO):
        azure.exists("a")
    assert "azure" not in {record.name.partition(".")[0] for record in caplog.records}


def test_blocks_with_other_keys_do_not_share_a_connection(azure):
    wrong = azure.model_copy(
        update={
            "credentials": azure.credentials.model_copy(
                update={"account_key": type(azure.credentials.account_key)(SECRET)}
            )
        }
    )
    for _ in range(2):
        azure.write("a", b"1")
        with pytest.raises(StorageFailed):
            wrong.write("a", b"2")
    assert azure.read("a") == b"1"


def test_blocks_with_the_same_credentials_share_their_connections(credentials):
    assert service_for(credentials, 15.0) is service_for(credentials.model_copy(), 15.0)
    assert service_for(credentials, 15.0) is not service_for(credentials, 16.0)


def test_many_threads_use_one_block_at_once(azure):
    def work(number):
        for turn in range(5):
            azure.write(f"{number}/{turn}", b"%d" % number)
            assert azure.read(f"{number}/{turn}") == b"%d" % number

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert len(list(azure.list_files())) == 80


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(azure):
    azure.write("a", b"parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if azure.read("a") == b"parent" and azure.write("b", b"child") else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert azure.read("b") == b"child"


def test_a_process_that_used_a_block_ends_without_a_warning(azure):
    code = (
        "import pickle, sys; block = pickle.load(sys.stdin.buffer); block.write('a', b'1'); block.read('a');"
        "list(block.list_files()); block.exists('none')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=pickle.dumps(azure),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_it_is_a_storage(azure):
    assert issubclass(Azure, Storage)
    with pytest.raises(NotImplementedError):
        Blobs.mv(None, "a", "b")


def _write_and_fail(storage, path, size):
    with storage.open_write(path) as file:
        file.write(b"x" * size)
        raise RuntimeError("halfway")


def _cut_each(server):
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            client.recv(10)
