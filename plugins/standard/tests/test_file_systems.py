import http.server
import multiprocessing
import os
import socket
import stat
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from pydantic import ValidationError

from blocks_core.errors import BlocksError, PathNotFound, PathRefused, StorageFailed
from blocks_standard import LocalFileSystem, RemoteFileSystem

CANARY = "p1anted-5ecret/with+signs"


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "base"
    found.mkdir()
    return found


@pytest.fixture
def files(folder):
    return LocalFileSystem(base_path=folder)


class TestPlace:
    def test_the_default_is_in_the_home_of_blocks_at_the_time_of_use(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BLOCKS_HOME", str(tmp_path / "first"))
        files = LocalFileSystem()
        files.write("a", b"x")
        assert (tmp_path / "first" / "storage" / "a").read_bytes() == b"x"
        assert files.model_dump()["base_path"] is None

    def test_without_that_setting_it_is_in_the_home_folder(self, tmp_path, monkeypatch):
        monkeypatch.delenv("BLOCKS_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert LocalFileSystem().location("a") == str(tmp_path / ".blocks" / "storage" / "a")

    def test_a_tilde_is_the_home_folder_of_who_uses_the_block(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        files = LocalFileSystem(base_path="~/results")
        assert files.location("a") == str(tmp_path / "results" / "a")
        assert files.base_path == "~/results"

    @pytest.mark.parametrize("base_path", ["results", "./results", "../results", ""])
    def test_a_folder_that_depends_on_where_one_stands_is_refused(self, base_path):
        with pytest.raises(ValidationError, match="from the root"):
            LocalFileSystem(base_path=base_path)

    def test_a_changed_folder_is_used_from_then_on(self, files, tmp_path):
        files.write("a", b"first")
        files.base_path = str(tmp_path / "second")
        assert not files.exists("a")
        files.write("a", b"second")
        assert (tmp_path / "second" / "a").read_bytes() == b"second"

    def test_a_share_that_is_not_mounted_is_an_error_where_no_folder_is_to_be_made(self, tmp_path):
        share = tmp_path / "share"
        files = LocalFileSystem(base_path=share, create=False)
        for call in (partial(files.write, "a", b"x"), partial(files.read, "a"), partial(files.exists, "a")):
            with pytest.raises(StorageFailed, match="no such folder"):
                call()
        with pytest.raises(StorageFailed, match="no such folder"):
            files.list_files()
        report = files.check()
        assert [(result.name, result.ok) for result in report.results] == [("list", False), ("write", False)]
        assert not share.exists()
        share.mkdir()
        files.write("a/b", b"x")
        assert files.read("a/b") == b"x"


class TestLinks:
    @pytest.fixture
    def outside(self, tmp_path, folder):
        outside = tmp_path / "base2"  # a sibling whose name begins like the folder's
        (outside / "sub").mkdir(parents=True)
        (outside / "secret.txt").write_text("not yours")
        (folder / "to-folder").symlink_to(outside)
        (folder / "to-file").symlink_to(outside / "secret.txt")
        (folder / "to-new").symlink_to(outside / "new.txt")
        (folder / "relative").symlink_to("../base2")
        return outside

    @pytest.mark.parametrize(
        "path", ["to-folder/secret.txt", "to-file", "to-new", "relative/secret.txt", "to-folder/sub/new.txt"]
    )
    def test_a_link_to_outside_is_refused(self, files, outside, path, tmp_path):
        (tmp_path / "local").write_bytes(b"x")
        for call in (
            partial(files.read, path),
            partial(files.read, path, start=1),
            partial(files.exists, path),
            partial(files.write, path, b"changed"),
            partial(files.upload_from_path, tmp_path / "local", path),
            partial(files.download_to_path, path, tmp_path / "stolen"),
        ):
            with pytest.raises(PathRefused, match="through a link to outside"):
                call()
        assert sorted(found.name for found in outside.rglob("*")) == ["secret.txt", "sub"]
        assert (outside / "secret.txt").read_text() == "not yours"
        assert not (tmp_path / "stolen").exists()

    def test_what_is_outside_is_not_listed(self, files, outside):
        files.write("inside", b"x")
        assert [file.path for file in files.list_files()] == ["inside"]
        with pytest.raises(PathRefused):
            files.list_files("to-folder")

    def test_removing_such_a_link_removes_the_link(self, files, outside, folder):
        files.remove("to-file")
        assert not (folder / "to-file").is_symlink()
        assert (outside / "secret.txt").exists()
        with pytest.raises(PathRefused):
            files.remove("to-folder/secret.txt")

    def test_a_link_inside_is_followed(self, files, folder):
        files.write("real/file", b"x")
        (folder / "link").symlink_to(folder / "real")
        (folder / "alias").symlink_to("real/file")
        assert files.read("link/file") == files.read("alias") == b"x"
        assert [file.path for file in files.list_files()] == ["alias", "real/file"]

    def test_links_in_a_circle_and_to_nothing_are_no_files(self, files, folder):
        (folder / "a").symlink_to("b")
        (folder / "b").symlink_to("a")
        (folder / "self").symlink_to(".")
        (folder / "nothing").symlink_to("nowhere")
        files.write("file", b"x")
        assert [file.path for file in files.list_files()] == ["file"]
        assert not files.exists("nothing")
        with pytest.raises(StorageFailed):
            files.read("a")

    def test_the_folder_itself_may_be_a_link(self, folder, tmp_path):
        (tmp_path / "link").symlink_to(folder)
        files = LocalFileSystem(base_path=tmp_path / "link")
        files.write("a/b", b"x")
        assert files.read("a/b") == b"x"
        assert [file.path for file in files.list_files()] == ["a/b"]


class TestWrites:
    def test_a_replaced_file_keeps_its_permissions(self, files, folder):
        files.write("file", b"first")
        (folder / "file").chmod(0o640)
        files.write("file", b"second")
        assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o640

    def test_a_new_file_has_the_permissions_of_any_new_file(self, files, folder):
        (folder / "other").touch()
        files.write("file", b"x")
        assert (folder / "file").stat().st_mode == (folder / "other").stat().st_mode

    def test_a_write_to_the_place_of_a_folder_fails_and_leaves_nothing(self, files, folder):
        files.write("a/b", b"x")
        with pytest.raises(StorageFailed) as caught:
            files.write("a", b"y")
        assert not isinstance(caught.value, PathNotFound)
        with pytest.raises(StorageFailed, match=r"no such place|in the way"):
            files.write("a/b/c", b"y")
        assert [path.name for path in folder.rglob("*")] == ["a", "b"]

    def test_a_name_that_is_too_long_is_an_error(self, files, folder):
        with pytest.raises(StorageFailed, match="too long"):
            files.write("x" * 300, b"x")
        assert list(folder.iterdir()) == []

    def test_a_full_disk_is_an_error_that_leaves_what_was_there(self, small_disk):
        files = LocalFileSystem(base_path=small_disk)
        files.write("file", b"as it was")
        local = small_disk.parent / "large"
        local.write_bytes(b"x" * 1_000_000)
        for call in (
            partial(files.write, "file", b"x" * 1_000_000),
            partial(files.upload_from_path, local, "file"),
        ):
            with pytest.raises(StorageFailed, match="no space is left") as caught:
                call()
            assert files.location("file") in str(caught.value)
        assert [path.name for path in small_disk.iterdir()] == ["file"]
        assert files.read("file") == b"as it was"

    def test_a_full_disk_on_the_local_side_of_a_download_is_an_error_too(self, files, small_disk):
        files.write("large", b"x" * 1_000_000)
        with pytest.raises(StorageFailed, match=r"downloaded to .*no space is left"):
            files.download_to_path("large", small_disk / "large")
        assert list(small_disk.iterdir()) == []

    def test_a_read_only_disk_is_an_error(self, read_only_disk):
        files = LocalFileSystem(base_path=read_only_disk)
        with pytest.raises(StorageFailed, match="read-only"):
            files.write("file", b"x")
        assert list(files.list_files()) == []
        assert [(result.name, result.ok) for result in files.check().results] == [
            ("list", True),
            ("write", False),
        ]

    def test_a_folder_without_permission_is_an_error(self, files, folder):
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        files.write("closed/file", b"x")
        (folder / "closed").chmod(0o000)
        try:
            for call in (
                partial(files.read, "closed/file"),
                partial(files.write, "closed/file", b"y"),
                partial(files.exists, "closed/file"),
                partial(files.remove, "closed/file"),
                files.list_files,
            ):
                with pytest.raises(StorageFailed, match="access was refused"):
                    call()
        finally:
            (folder / "closed").chmod(0o700)

    def test_a_pipe_is_not_waited_for(self, files, folder):
        os.mkfifo(folder / "pipe")
        with pytest.raises(StorageFailed, match="no regular file"):
            files.read("pipe")
        assert list(files.list_files()) == []

    def test_what_a_crash_left_is_not_listed(self, files, folder):
        (folder / f".{'0' * 32}.blocks-part").write_bytes(b"half")
        (folder / ".other.blocks-part").write_bytes(b"a user's")
        assert [file.path for file in files.list_files()] == [".other.blocks-part"]


def _exits(files, path):
    os._exit(0 if files.read(path) == b"x" else 1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_storage_in_use_works_in_another_process(files, method):
    files.write("file", b"x")
    process = multiprocessing.get_context(method).Process(target=_exits, args=(files, "file"))
    process.start()
    process.join(30)
    assert process.exitcode == 0


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("file:///etc", "local-file-system"),
            ("local:///etc", "local-file-system"),
            ("/srv/files", "protocol"),
            ("files.example.com/x", "protocol"),
            ("", "protocol"),
            ("sftp:/x", "protocol"),
            (f"sftp://etl:{CANARY}@files.example.com/x", "secret_options"),
            (f"webdav://:{CANARY}@files.example.com/x", "secret_options"),
            (f"https://files.example.com/x?sig={CANARY}", "secret_options"),
            ("zip://x::s3://bucket/a.zip", "chained"),
            ("sftp://[half/x", "no address"),
            ("sftp://host/x\n", "control"),
        ],
    )
    def test_an_address_that_is_not_one_or_not_safe_is_refused_with_the_remedy(self, url, problem):
        with pytest.raises(ValidationError, match=problem) as caught:
            RemoteFileSystem(url=url)
        assert "p1anted" not in str(caught.value)

    @pytest.mark.parametrize(
        "url",
        [
            "sftp://etl@files.example.com:2222/x",
            "github://org:repo@main/docs",
            "abfs://box@acc.example.com/x",
        ],
    )
    def test_an_address_with_a_user_or_a_revision_is_taken(self, url):
        assert RemoteFileSystem(url=url).location("a.txt") == f"{url}/a.txt"

    @pytest.mark.parametrize("name", ["password", "token", "secret", "account_key"])
    def test_a_secret_among_the_options_is_refused(self, name):
        with pytest.raises(ValidationError, match=f"put {name} into secret_options") as caught:
            RemoteFileSystem(url="sftp://h/x", options={name: CANARY})
        assert "p1anted" not in str(caught.value)

    def test_an_option_that_is_given_twice_is_refused(self):
        with pytest.raises(ValidationError, match="Give it once"):
            RemoteFileSystem(url="sftp://h/x", options={"user": "a"}, secret_options={"user": "b"})
        files = RemoteFileSystem(url="sftp://h/x", secret_options={"user": "b"})
        with pytest.raises(ValidationError, match="Give it once"):
            files.options = {"user": "a"}
        assert files.options == {}

    def test_an_unknown_protocol_is_an_error_that_knows_better(self):
        with pytest.raises(StorageFailed, match=r"no protocol 'memry' \(did you mean 'memory'\?\)"):
            RemoteFileSystem(url="memry://x").read("a")

    def test_a_missing_package_is_an_error_that_says_what_to_install(self):
        with pytest.raises(StorageFailed, match=r"pip install webdav4\."):
            RemoteFileSystem(url="webdav://h/x").read("a")
        report = RemoteFileSystem(url="webdav://h/x").check()
        assert not report.ok
        assert "pip install webdav4" in report.results[0].detail

    def test_an_option_that_the_protocol_lacks_is_an_error_without_the_secrets(self):
        files = RemoteFileSystem(url="http://127.0.0.1/x", secret_options={"block_size": CANARY})
        with pytest.raises(StorageFailed) as caught:
            files.read("a")
        assert "p1anted" not in "".join(traceback.format_exception(caught.value))


@pytest.fixture
def web(folder):
    """A folder over HTTP, read-only."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class TestHttp:
    """A real protocol, whose filesystem in fsspec is asynchronous and cannot write."""

    def test_a_file_is_read_and_looked_for(self, web, folder):
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_bytes(b"0123456789")
        files = RemoteFileSystem(url=f"{web}/sub")
        assert files.read("a.txt") == b"0123456789"
        assert files.exists("a.txt")
        assert not files.exists("b.txt")
        with pytest.raises(PathNotFound, match=f"{web}/sub/b.txt"):
            files.read("b.txt")
        assert [(file.path, file.size_bytes) for file in files.list_files()] == [("a.txt", 10)]

    def test_a_write_says_that_it_cannot(self, web):
        with pytest.raises(StorageFailed):
            RemoteFileSystem(url=web).write("a.txt", b"x")

    def test_threads_share_one_filesystem(self, web, folder):
        (folder / "a.txt").write_bytes(b"x")
        files = RemoteFileSystem(url=web)
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(files.read, ["a.txt"] * 20)) == {b"x"}

    def test_a_server_that_is_down_is_an_error(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        with pytest.raises(StorageFailed, match=f"{url}/a: .*connect"):
            RemoteFileSystem(url=url).read("a")


def test_the_secrets_of_a_remote_file_system_are_shown_nowhere(tmp_path):
    files = RemoteFileSystem(
        url="memory://canary/x", options={"anything": "shown"}, secret_options={"password": CANARY}
    )
    files.write("a", b"x")
    shown = [repr(files), str(files), files.model_dump_json(), files.location("a"), repr(files.check())]
    for call in (
        partial(files.read, "b"),
        partial(files.write, "../b", b""),
        partial(files.read, "a", start=-1),
    ):
        with pytest.raises(BlocksError) as caught:
            call()
        shown += traceback.format_exception(caught.value)
    assert "shown" in shown[0]
    assert "p1anted" not in "".join(shown)
