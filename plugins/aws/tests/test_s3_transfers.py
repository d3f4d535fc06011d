"""Large objects in an S3 bucket: in parts and ranges, whole or not at all, and what they cost."""

import errno
import gc
import os
import threading
import traceback
from contextlib import contextmanager, suppress

import pytest

from blocks_aws import S3
from blocks_aws.connection import open_filesystem
from blocks_core.errors import PathNotFound, StorageFailed

MIB = 1 << 20


@pytest.fixture
def uploads(aws, bucket):
    """Return the uploads that are begun and neither completed nor aborted: what costs money and nobody sees."""

    def find():
        return aws.client("s3").list_multipart_uploads(Bucket=bucket).get("Uploads", [])

    return find


@pytest.fixture
def requests(s3):
    """Note the requests: method and the operation's own part of the query, or the range."""
    seen = []
    opened = open_filesystem(s3.credentials, s3.timeout_seconds)
    opened.connect()

    def note(request, **_):
        seen.append(
            (request.method, request.headers.get("Range", b"").decode(), request.url.partition("?")[2])
        )

    opened.s3.meta.events.register("before-send.s3", note)
    yield seen
    opened.s3.meta.events.unregister("before-send.s3", note)


@contextmanager
def failing(storage, operation, after=0):
    """Let an operation fail after so many that did not: as where a network breaks for good."""
    opened = open_filesystem(storage.credentials, storage.timeout_seconds)
    opened.connect()
    seen = []

    def fail(**_):
        seen.append(operation)
        if len(seen) > after:
            raise OSError(errno.ENETDOWN, "the network is down")

    opened.s3.meta.events.register(f"before-call.s3.{operation}", fail)
    try:
        yield
    finally:
        opened.s3.meta.events.unregister(f"before-call.s3.{operation}", fail)


WRITES = {
    "bytes": lambda storage, _: storage.write("large", bytes(101 * MIB)),
    "a local file": lambda storage, local: storage.upload_from_path(local, "large"),
    "a stream": lambda storage, _: write_stream(storage),
}


def write_stream(storage):
    with storage.open_write("large") as file:
        for _ in range(20):
            file.write(bytes(MIB))


@pytest.fixture
def local(tmp_path):
    file = tmp_path / "local"
    file.write_bytes(os.urandom(MIB) * 20)
    return file


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    ("operation", "after"), [("UploadPart", 0), ("UploadPart", 2), ("CompleteMultipartUpload", 0)]
)
def test_a_large_write_that_fails_leaves_neither_the_file_nor_parts(
    s3, uploads, local, write, operation, after
):
    s3.write("large", b"as it was")
    with failing(s3, operation, after), pytest.raises(StorageFailed, match=f"s3://{s3.bucket}/large"):
        write(s3, local)
    assert uploads() == []
    assert s3.read("large") == b"as it was"


def test_a_stream_that_is_given_up_leaves_no_parts(s3, uploads):
    with suppress(ZeroDivisionError), s3.open_write("large") as file:
        file.write(bytes(20 * MIB))
        assert len(uploads()) == 1
        raise ZeroDivisionError
    assert uploads() == []
    assert not s3.exists("large")


def test_a_stream_that_nobody_closed_leaves_no_parts(s3, uploads):
    file = s3.open_write("large")
    file.write(bytes(20 * MIB))
    assert len(uploads()) == 1
    del file
    gc.collect()
    assert uploads() == []
    assert not s3.exists("large")


def test_a_stream_is_one_request_where_it_is_small_and_parts_where_it_is_large(s3, requests):
    with s3.open_write("small") as file:
        file.write(b"1" * MIB)
        file.write(b"2" * MIB)
    assert [method for method, *_ in requests] == ["PUT"]
    requests.clear()
    write_stream(s3)
    assert [method for method, *_ in requests] == ["POST", "PUT", "PUT", "PUT", "POST"]
    assert s3.read("small") == b"1" * MIB + b"2" * MIB
    assert [file.size_bytes for file in s3.list_files()] == [20 * MIB, 2 * MIB]


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 33 * MIB + 5])
def test_what_is_uploaded_in_pieces_of_any_size_comes_back(s3, tmp_path, size):
    data = (os.urandom(MIB) * (size // MIB + 1))[:size]
    with s3.open_write("stream") as file:
        for start in range(0, size, 3 * MIB + 7):
            file.write(data[start : start + 3 * MIB + 7])
    (tmp_path / "local").write_bytes(data)
    s3.upload_from_path(tmp_path / "local", "file")
    for path in ("stream", "file"):
        assert s3.download_to_path(path, tmp_path / path).read_bytes() == data
    with s3.open_read("stream") as file:
        assert file.read() == data


def test_a_local_files_kind_is_told_to_the_store(s3, aws, tmp_path):
    for size in (1, 9 * MIB):
        (tmp_path / "page.html").write_bytes(bytes(size))
        s3.upload_from_path(tmp_path / "page.html", "page")
        assert aws.client("s3").head_object(Bucket=s3.bucket, Key="page")["ContentType"] == "text/html"


class TestReading:
    def test_an_open_file_costs_one_head_and_the_ranges_that_are_read(self, s3, requests):
        s3.write("file", os.urandom(20 * MIB))
        requests.clear()
        with s3.open_read("file") as file:
            assert len(file.read(MIB)) == MIB
            assert [method for method, *_ in requests] == ["HEAD", "GET"]
            file.seek(19 * MIB)
            file.read()
        assert [method for method, *_ in requests] == ["HEAD", "GET", "GET"]
        assert all(wanted.startswith("bytes=") for method, wanted, _ in requests if method == "GET")

    def test_a_small_download_is_one_request(self, s3, requests, tmp_path):
        s3.write("file", b"1" * MIB)
        requests.clear()
        s3.download_to_path("file", tmp_path / "file")
        assert [method for method, *_ in requests] == ["GET"]

    def test_a_large_download_is_one_request_for_each_range(self, s3, requests, tmp_path):
        s3.write("file", os.urandom(MIB) * 33)
        requests.clear()
        s3.download_to_path("file", tmp_path / "file")
        assert sorted(wanted for _, wanted, _ in requests) == [
            f"bytes=0-{16 * MIB - 1}",
            f"bytes={16 * MIB}-{32 * MIB - 1}",
            f"bytes={32 * MIB}-{33 * MIB - 1}",
        ]

    def test_a_folder_is_not_opened_or_downloaded_as_an_empty_file(self, s3, tmp_path):
        s3.write("folder/file", b"1")
        for read in (s3.open_read, lambda path: s3.download_to_path(path, tmp_path / "file")):
            with pytest.raises(PathNotFound, match=f"s3://{s3.bucket}/folder"):
                read("folder")

    def test_a_file_that_is_replaced_while_it_is_open_is_an_error_and_no_mixture(self, s3):
        s3.write("file", b"1" * (20 * MIB))
        with s3.open_read("file") as file:
            assert file.read(10) == b"1" * 10
            s3.write("file", b"2" * (20 * MIB))
            file.seek(19 * MIB)
            with pytest.raises(StorageFailed, match=r"was replaced while it was read.*Read it again"):
                file.read(10)

    def test_a_file_that_is_replaced_while_it_is_downloaded_comes_whole(self, s3, aws, tmp_path):
        s3.write("file", b"1" * (40 * MIB))
        opened = open_filesystem(s3.credentials, s3.timeout_seconds)
        replaced = threading.Event()

        def replace(params, **_):
            if params["headers"].get("Range") == f"bytes={16 * MIB}-{32 * MIB - 1}" and not replaced.is_set():
                replaced.set()
                aws.client("s3").put_object(Bucket=s3.bucket, Key="file", Body=b"2" * (40 * MIB))

        opened.s3.meta.events.register("before-call.s3.GetObject", replace)
        found = s3.download_to_path("file", tmp_path / "file").read_bytes()
        opened.s3.meta.events.unregister("before-call.s3.GetObject", replace)
        assert replaced.is_set()
        assert found == b"2" * (40 * MIB)


class TestCut:
    """Connections that break in the middle of an answer."""

    @pytest.fixture
    def proxy(self, cutting, aws):
        return cutting(aws.url)

    @pytest.fixture
    def storage(self, proxy, s3):
        """The storage through the proxy; the file in it is written past it."""
        s3.write("file", os.urandom(MIB) * 20)
        return s3.model_copy(
            update={"credentials": s3.credentials.model_copy(update={"endpoint_url": proxy.url})}
        )

    READS = {
        "read": lambda storage, _: storage.read("file"),
        "read a range": lambda storage, _: storage.read("file", start=MIB, end=9 * MIB),
        "download": lambda storage, to: storage.download_to_path("file", to).read_bytes(),
        "open": lambda storage, _: read_stream(storage),
    }

    @pytest.mark.parametrize("read", READS.values(), ids=READS)
    def test_an_answer_that_always_breaks_off_is_an_error_and_never_a_short_file(
        self, storage, proxy, read, tmp_path
    ):
        (tmp_path / "file").write_bytes(b"as it was")
        proxy.cut(times=1000, after_bytes=100_000)
        with pytest.raises(StorageFailed, match=rf"s3://{storage.bucket}/file.*broke off"):
            read(storage.model_copy(update={"timeout_seconds": 14.0}), tmp_path / "file")
        assert proxy.done > 1
        assert (tmp_path / "file").read_bytes() == b"as it was"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    @pytest.mark.parametrize("read", READS.values(), ids=READS)
    def test_an_answer_that_broke_off_once_is_asked_for_again(self, storage, proxy, s3, read, tmp_path):
        proxy.cut(times=1, after_bytes=100_000)
        found = read(storage, tmp_path / "file")
        assert proxy.done == 1
        assert found == read(s3, tmp_path / "again")

    def test_a_download_goes_on_from_where_it_broke_off(self, storage, proxy, s3, tmp_path):
        """However often, as long as each answer brings it further."""
        proxy.cut(times=8, after_bytes=3 * MIB)
        assert storage.download_to_path("file", tmp_path / "file").read_bytes() == s3.read("file")
        assert proxy.done > 4

    def test_no_key_is_in_the_error(self, storage, proxy):
        proxy.cut(times=1000, after_bytes=100_000)
        with pytest.raises(StorageFailed) as caught:
            storage.read("file")
        shown = "".join(traceback.format_exception(caught.value))
        assert storage.credentials.secret_access_key.get_secret_value() not in shown


def read_stream(storage):
    with storage.open_read("file") as file:
        return b"".join(iter(lambda: file.read(MIB), b""))


class TestCopies:
    """By the store itself: the bytes do not come here."""

    @pytest.fixture
    def small_copies(self, s3):
        """Copy in parts what is above 6 MiB, as what is above 5 GiB is."""
        opened = open_filesystem(s3.credentials, s3.timeout_seconds)
        opened.copy_bytes, opened.copied_part_bytes = 6 * MIB, 5 * MIB
        yield
        del opened.copy_bytes, opened.copied_part_bytes

    def test_a_copy_is_made_by_the_store(self, s3, requests):
        s3.write("a b?c", b"1" * 1000)
        requests.clear()
        s3.copy_file("a b?c", "copy")
        assert [method for method, *_ in requests] == ["HEAD", "HEAD", "PUT"]
        assert s3.read("copy") == b"1" * 1000

    def test_a_large_copy_is_made_in_parts(self, s3, requests, small_copies, uploads):
        data = os.urandom(MIB) * 17
        s3.write("a b?c", data)
        requests.clear()
        s3.copy_file("a b?c", "copy")
        assert [method for method, *_ in requests] == ["HEAD", "HEAD", "POST", *["PUT"] * 4, "POST"]
        assert s3.read("copy") == data
        assert uploads() == []

    def test_a_large_copy_that_fails_leaves_no_trace(self, s3, small_copies, uploads):
        s3.write("file", bytes(17 * MIB))
        with failing(s3, "UploadPartCopy", after=1), pytest.raises(StorageFailed, match="copy"):
            s3.copy_file("file", "copy")
        assert uploads() == []
        assert not s3.exists("copy")


def test_of_a_local_file_that_grows_all_is_uploaded(s3, local):
    """As a log does: what was added since its size was asked."""
    opened = open_filesystem(s3.credentials, s3.timeout_seconds)
    opened.connect()
    added = []

    def grow(**_):
        if not added:
            added.append(1)
            with local.open("ab") as file:
                file.write(b"more")

    opened.s3.meta.events.register("before-call.s3.UploadPart", grow)
    s3.upload_from_path(local, "file")
    opened.s3.meta.events.unregister("before-call.s3.UploadPart", grow)
    assert s3.read("file", start=20 * MIB) == b"more"


def test_a_server_that_knows_no_ranges_gives_the_file_whole(credentials, tmp_path):
    """As a plain web server may: an answer 200 to a request for a range is the whole file."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    data = os.urandom(MIB) * 17

    class Whole(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Whole) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        away = credentials.model_copy(update={"endpoint_url": f"http://127.0.0.1:{server.server_port}"})
        try:
            storage = S3(bucket="raw", credentials=away)
            assert storage.download_to_path("file", tmp_path / "file").read_bytes() == data
        finally:
            server.shutdown()
