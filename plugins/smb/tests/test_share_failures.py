import signal
import socket
import threading
import time

import pytest
from samba_server import PASSWORDS

from blocks_core.errors import PathNotFound, StorageFailed

OPERATIONS = {
    "read": lambda storage: storage.read("a"),
    "read a range": lambda storage: storage.read("a", start=1, end=2),
    "write": lambda storage: storage.write("a", b"1"),
    "exists": lambda storage: storage.exists("a"),
    "list": lambda storage: list(storage.list_files()),
    "remove": lambda storage: storage.remove("a"),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
class TestRefusals:
    def test_a_share_that_is_not_there_is_named_with_the_remedy(self, share, operation):
        with pytest.raises(StorageFailed, match=r"nowhere.*no such share.*Check share") as caught:
            operation(share(share="nowhere"))
        assert not isinstance(caught.value, PathNotFound)

    def test_a_wrong_password_is_told_with_the_remedy(self, share, operation):
        with pytest.raises(StorageFailed, match=r"password is wrong. Check username.*STATUS_LOGON_FAILURE"):
            operation(share(password="another-0ne"))

    def test_a_server_that_is_down_is_named_with_the_remedy(self, share, free_port, operation):
        with pytest.raises(StorageFailed, match=rf"127.0.0.1:{free_port} cannot be reached.*Check host"):
            operation(share(port=free_port))

    def test_a_share_of_others_is_refused_with_the_remedy(self, share, operation):
        storage = share(share="private", username="guest", password=PASSWORDS["guest"])
        with pytest.raises(StorageFailed, match=r"access was refused. Give the user the right"):
            operation(storage)


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]  # nobody listens


def test_an_unknown_user_is_told_with_the_remedy(share):
    with pytest.raises(StorageFailed, match="STATUS_LOGON_FAILURE"):
        share(username="nobody-knows").exists("a")


def test_a_host_without_an_address_is_named(share):
    with pytest.raises(StorageFailed, match=r"no-such-host.invalid:\d+ cannot be reached"):
        share(host="no-such-host.invalid").exists("a")


class TestReadOnlyShare:
    def test_it_is_read_and_not_written(self, share):
        share(prefix="locked").write("a", b"1")
        locked = share(share="locked", prefix="locked")
        assert locked.read("a") == b"1"
        for operation in (lambda: locked.write("a", b"2"), lambda: locked.remove("a")):
            with pytest.raises(StorageFailed, match=r"(access was refused|read-only)"):
                operation()
        assert locked.read("a") == b"1"

    def test_a_check_shows_what_is_not_permitted(self, share):
        share(prefix="locked").write("a", b"1")
        report = share(share="locked", prefix="locked").check()
        assert {result.name: result.ok for result in report.results} == {"list": True, "write": False}
        assert "may be read-only" in report.results[1].detail


def test_a_full_disk_is_told_and_leaves_the_file_as_it_was(share, samba, tmp_path):
    if not samba.has_small_disk:
        pytest.skip("mounting a tmpfs is not permitted here")
    small = share(share="small")
    small.write("a", b"as it was")
    with pytest.raises(StorageFailed, match=r"no space is left there. Make room"):
        small.write("a", b"x" * 1_000_000)
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    with pytest.raises(StorageFailed, match="STATUS_DISK_FULL"):
        small.upload_from_path(tmp_path / "large", "a")
    with pytest.raises(StorageFailed, match="STATUS_DISK_FULL"), small.open_write("a") as file:
        file.writelines([b"x" * 300_000] * 10)
    assert small.read("a") == b"as it was"
    assert [path.name for path in samba.files.with_name("small").iterdir()] == ["a"]


class TestLostConnections:
    def test_a_server_that_was_started_anew_is_used_again(self, smb, running_samba):
        smb.write("a", b"1")
        for operation in (
            lambda: smb.read("a"),
            lambda: smb.write("b", b"2"),
            lambda: list(smb.list_files()),
            lambda: smb.remove("b"),
            lambda: smb.exists("a"),
            lambda: smb.copy_file("a", "c"),
        ):
            running_samba.restart()
            operation()
        assert [file.path for file in smb.list_files()] == ["a", "c"]

    def test_a_server_that_dies_while_a_file_is_written_leaves_it_as_it_was(self, smb, running_samba):
        smb.write("a", b"as it was")
        file = smb.open_write("a")
        file.write(b"x" * (3 << 20))
        running_samba.kill()
        with pytest.raises(StorageFailed, match=r"connection was lost|cannot be reached"):
            file.write(b"x" * (3 << 20))
        file.close()
        running_samba.start()
        assert smb.read("a") == b"as it was"
        assert [file.path for file in smb.list_files()] == ["a"]

    def test_a_server_that_dies_while_a_file_is_read_is_told(self, smb, running_samba):
        smb.write("a", b"x" * (8 << 20))
        with smb.open_read("a") as file:
            file.read(10)
            running_samba.kill()
            with pytest.raises(StorageFailed, match=r"connection was lost|cannot be reached"):
                file.read()
        running_samba.start()
        assert len(smb.read("a")) == 8 << 20

    @pytest.mark.parametrize("share_of_it", [0.1, 0.5, 0.9, 0.99])
    def test_a_way_that_breaks_while_a_file_is_written_leaves_it_as_it_was_or_whole(
        self, share, samba, way, share_of_it
    ):
        storage = share(port=way.port, prefix=f"broken-{share_of_it}")
        storage.write("a", b"as it was")
        way.cut_after = int((4 << 20) * share_of_it)
        with pytest.raises(StorageFailed, match=r"connection was lost|cannot be reached"):
            storage.write("a", b"x" * (4 << 20))
        direct = share(prefix=storage.prefix)
        assert direct.read("a") == b"as it was"
        assert [file.path for file in direct.list_files()] == ["a"]
        way.cut_after = None
        storage.write("a", b"now")
        assert storage.read("a") == b"now"

    def test_idle_connections_that_were_cut_are_made_anew(self, share, way):
        storage = share(port=way.port, prefix="idle")
        storage.write("a", b"1")
        way.cut()
        assert storage.read("a") == b"1"
        way.cut()
        storage.write("a", b"2")
        assert storage.read("a") == b"2"

    def test_a_server_that_hangs_is_not_waited_for_for_ever(self, share, running_samba):
        storage = share(prefix="hangs", timeout_seconds=1.0)
        storage.write("a", b"1")
        running_samba.signal(signal.SIGSTOP)
        started = time.monotonic()
        for operation in (lambda: storage.read("a"), lambda: storage.write("a", b"x" * (32 << 20))):
            with pytest.raises(StorageFailed, match=r"no answer came|cannot be reached"):
                operation()
        assert time.monotonic() - started < 20
        running_samba.signal(signal.SIGCONT)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x00\x04\xffSMB", b""])
def test_what_is_no_smb_server_is_told(share, answer):
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = server.accept()
        with client:
            client.recv(1000)
            client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    with server, pytest.raises(StorageFailed, match=r"cannot be reached, or|no answer came from"):
        share(port=server.getsockname()[1], timeout_seconds=2.0).exists("a")
    thread.join()


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(share):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(StorageFailed, match=r"no answer came .* in 1 s"),
    ):
        share(port=silent.getsockname()[1], timeout_seconds=1.0).exists("a")
