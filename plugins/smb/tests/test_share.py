import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError
from samba_server import PASSWORDS
from spnego._ntlm_raw.crypto import ntowfv1

from blocks_core.capabilities import Storage
from blocks_core.errors import PathNotFound, PathRefused, StorageFailed
from blocks_smb import SMB
from blocks_smb.connections import MAX_LINKS, Login, open_connections

SECRET = "p1anted-5ecret-password"


class TestFields:
    @pytest.mark.parametrize(
        ("fields", "remedy"),
        [
            ({"host": "smb://files"}, "server's name alone"),
            ({"host": "files/finance"}, "server's name alone"),
            ({"host": "files:445"}, "server's name alone"),
            ({"host": f"etl:{SECRET}@files"}, "server's name alone"),
            ({"share": "finance/2026"}, "share's name alone"),
            ({"share": "\\\\files\\finance"}, "share's name alone"),
            ({"share": ".."}, "share's name alone"),
            ({"prefix": "../x"}, "leads outside"),
            ({"username": "EXAMPLE\\etl"}, "goes into domain"),
            ({"domain": "EXAMPLE\\etl"}, "pattern"),
            ({"password": f"{SECRET}\x00"}, "no NUL"),
            ({"password": ""}, "at least 1"),
            ({"port": 0}, "greater than"),
        ],
    )
    def test_a_wrong_form_is_refused_with_the_remedy(self, fields, remedy):
        right = {"host": "files", "share": "finance", "username": "etl", "password": "x"}
        with pytest.raises(ValidationError, match=remedy) as caught:
            SMB(**(right | fields))
        assert SECRET not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize(
        ("fields", "location"),
        [
            ({}, "smb://files.example.com/finance/2026/a.csv"),
            ({"prefix": "/in//deeper/"}, "smb://files.example.com/finance/in/deeper/2026/a.csv"),
            ({"port": 4450}, "smb://files.example.com:4450/finance/2026/a.csv"),
            ({"host": "::1"}, "smb://[::1]/finance/2026/a.csv"),
            ({"share": "Shared Files$"}, "smb://files.example.com/Shared Files$/2026/a.csv"),
        ],
    )
    def test_a_location_names_server_share_and_path_without_asking_anyone(self, fields, location):
        right = {"host": "files.example.com", "share": "finance", "username": "etl", "password": "x"}
        assert SMB(**(right | fields)).location("2026/a.csv") == location


class TestFiles:
    def test_a_file_is_a_file_on_the_server(self, smb, samba):
        smb.write("2026/a.csv", b"1,2")
        assert (samba.files / smb.prefix / "2026" / "a.csv").read_bytes() == b"1,2"
        (samba.files / smb.prefix / "2026" / "b.csv").write_bytes(b"3")
        assert smb.read("2026/b.csv") == b"3"
        assert [file.path for file in smb.list_files()] == ["2026/a.csv", "2026/b.csv"]

    def test_names_that_windows_refuses_are_kept_as_linux_mounts_and_macos_keep_them(self, smb, samba):
        smb.write('a:b*c?d"e<f>g|h', b"1")
        smb.write("ends with a dot.", b"2")
        smb.write("ends with a space /x", b"3")
        found = sorted(path.name for path in (samba.files / smb.prefix).iterdir())
        assert found == sorted(
            [
                "a\uf022b\uf021c\uf025d\uf020e\uf023f\uf024g\uf027h",
                "ends with a dot\uf029",
                "ends with a space\uf028",
            ]
        )

    def test_a_character_that_stands_for_another_one_is_refused(self, smb):
        for call in (lambda: smb.write("a\uf022b", b"1"), lambda: smb.exists("a\uf022b")):
            with pytest.raises(PathRefused, match="stands for another one"):
                call()

    def test_names_that_differ_in_case_are_one_file_where_the_server_says_so(self, smb, share):
        smb.write("Report.csv", b"1")
        smb.write("report.CSV", b"2")
        assert smb.read("REPORT.CSV") == b"2"
        assert len(list(smb.list_files())) == 1

    def test_links_to_files_on_the_server_are_files(self, smb, samba):
        smb.write("folder/a", b"1")
        (samba.files / smb.prefix / "link").symlink_to("folder/a")
        assert [file.path for file in smb.list_files()] == ["folder/a", "link"]
        assert smb.read("link") == b"1"

    def test_links_of_the_server_lead_to_nothing_outside_of_the_share(self, smb, samba):
        smb.write("a", b"1")
        (samba.files / smb.prefix / "out").symlink_to("/etc/passwd")
        (samba.files / smb.prefix / "round").symlink_to(".")
        with pytest.raises(StorageFailed):
            smb.read("out")
        assert "a" in [file.path for file in smb.list_files() if not file.path.startswith("round")]

    def test_a_file_that_is_being_read_is_replaced(self, smb):
        smb.write("a", b"old" * 1_000_000)
        with smb.open_read("a") as reading:
            assert reading.read(3) == b"old"
            other = smb.model_copy(update={"timeout_seconds": 14.0})  # connections of its own
            other.write("a", b"new")
        assert smb.read("a") == b"new"

    def test_a_folder_in_the_way_is_told_and_nothing_is_left(self, smb, samba, monkeypatch):
        monkeypatch.setattr("blocks_smb.parts.PATIENCE_SECONDS", 0.1)
        (samba.files / smb.prefix / "a").mkdir(parents=True)
        with pytest.raises(StorageFailed):
            smb.write("a", b"1")
        assert list((samba.files / smb.prefix).iterdir()) == [samba.files / smb.prefix / "a"]

    @pytest.mark.parametrize("end", ["os._exit(9)", "os.kill(os.getpid(), 9)"])
    def test_a_writer_that_dies_leaves_the_file_as_it_was_and_nothing_else(self, smb, samba, end):
        smb.write("a", b"as it was")
        code = (
            "import os, pickle, sys; file = pickle.load(sys.stdin.buffer).open_write('a');"
            f"file.write(b'x' * (3 << 20)); print(os.listdir({str(samba.files / smb.prefix)!r}), flush=True); {end}"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], input=pickle.dumps(smb), capture_output=True, check=False
        )
        assert b".blocks-part" in done.stdout
        assert smb.read("a") == b"as it was"
        deadline = time.monotonic() + 10  # until the server has seen that the connection has ended
        while (left := os.listdir(samba.files / smb.prefix)) != ["a"] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == ["a"]


class TestSessions:
    def test_users_of_one_server_are_not_mixed(self, share):
        """Though smbclient has one session for each server in a process."""
        right = share(share="private", prefix="in-turns")
        other = share(share="private", prefix="in-turns", username="guest", password=PASSWORDS["guest"])
        for _ in range(2):
            right.write("a", b"1")
            with pytest.raises(StorageFailed, match="STATUS_ACCESS_DENIED"):
                other.read("a")

    def test_a_wrong_password_is_refused_though_the_right_one_is_in_use(self, smb):
        smb.write("a", b"1")
        wrong = smb.model_copy(update={"password": SMB.model_fields["password"].annotation(SECRET)})
        with pytest.raises(StorageFailed, match="STATUS_LOGON_FAILURE"):
            wrong.read("a")
        assert smb.read("a") == b"1"

    def test_a_password_that_is_set_later_is_used_from_then_on(self, share):
        block = share(password=SECRET)
        with pytest.raises(StorageFailed):
            block.exists("a")
        block.password = share().password
        assert not block.exists("a")

    def test_who_logs_on_alike_shares_connections(self, samba):
        login = Login(samba.host, samba.port, "etl", PASSWORDS["etl"], encrypt=False, timeout_seconds=9)
        again = Login(samba.host, samba.port, "etl", PASSWORDS["etl"], encrypt=False, timeout_seconds=9)
        assert open_connections(login) is open_connections(again)
        assert PASSWORDS["etl"] not in repr(login)

    def test_many_threads_use_a_few_connections(self, smb, samba):
        def work(number):
            for turn in range(10):
                smb.write(f"{number}/{turn}", b"%d" % number * 100_000)
                assert smb.read(f"{number}/{turn}") == b"%d" % number * 100_000

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
        assert len(list(smb.list_files())) == 160
        names = [thread.name for thread in threading.enumerate()]
        assert names.count(f"msg_worker-{samba.host}:{samba.port}") <= MAX_LINKS * len(set(names))

    def test_many_files_are_open_at_once(self, smb):
        for number in range(10):
            smb.write(str(number), b"%d" % number * 3_000_000)
        opened = [smb.open_read(str(number)) for number in range(10)]
        for number, file in enumerate(opened):
            assert file.read(2) == b"%d" % number * 2
        for number, file in enumerate(opened):
            with file:
                assert file.read() == b"%d" % number * 2_999_998

    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_child_opens_connections_of_its_own(self, smb):
        smb.write("a", b"parent")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if smb.read("a") == b"parent" and smb.write("b", b"child") else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert smb.read("b") == b"child"

    def test_a_process_that_used_a_block_ends_without_a_warning(self, smb):
        code = (
            "import pickle, sys; block = pickle.load(sys.stdin.buffer); block.write('a', b'1'); block.read('a');"
            "list(block.list_files()); block.exists('none')"
        )
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            input=pickle.dumps(smb),
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stderr.decode()) == (0, "")
        assert smb.read("a") == b"1"


class TestSecrets:
    @pytest.fixture
    def everything_logged(self, caplog):
        """All lines, even those that are left out where nobody sets a level."""
        for name in (None, "smbclient", "smbprotocol", "spnego"):
            caplog.set_level(logging.DEBUG, name)
        return caplog

    def test_neither_the_password_nor_its_hash_is_logged(self, share, everything_logged):
        for password in (PASSWORDS["etl"], SECRET):
            block = share(password=password, timeout_seconds=7 + len(password))  # logs on anew
            block.check()
            _hides(everything_logged.text, password)
        assert "SMB2_SESSION_SETUP" not in everything_logged.text
        assert "(withheld: a secret is on its way)" in everything_logged.text

    def test_packets_are_left_to_those_who_ask_for_them(self, smb, caplog):
        with caplog.at_level(logging.DEBUG):
            smb.write("a", b"planted-content")
        assert "Request" not in caplog.text

    def test_a_refusal_does_not_show_the_password(self, share):
        with pytest.raises(StorageFailed) as caught:
            share(password=SECRET).read("a")
        _hides("".join(traceback.format_exception(caught.value)), SECRET)
        _hides(repr(share(password=SECRET).check()), SECRET)

    def test_what_is_sent_is_encrypted_where_that_is_asked_for(self, share, way):
        share(port=way.port, prefix="plain").write("a", b"planted-content")
        assert b"planted-content" in way.seen
        before = len(way.seen)
        share(port=way.port, prefix="sealed", encrypt=True).write("a", b"planted-content")
        share(port=way.port, prefix="sealed", share="sealed").write("a", b"planted-content")
        assert b"planted-content" not in way.seen[before:]

    def test_the_password_is_not_sent(self, share, way):
        share(port=way.port).exists("a")
        _hides(way.seen.decode("latin-1"), PASSWORDS["etl"])


def _hides(text, password):
    found = ntowfv1(password).hex()
    for secret in (password, found, found.upper(), "\x00".join(password)):
        assert secret not in text


def test_importing_the_package_does_not_import_a_vendors_package():
    code = (
        "import sys, json, blocks_smb, blocks_smb.reasons, blocks_smb.names;"
        "blocks_smb.SMB(host='h', share='s', username='u', password='p').location('x');"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"smbclient", "smbprotocol", "spnego", "fsspec"} & set(json.loads(done.stdout))


def test_it_is_a_storage(smb):
    assert issubclass(SMB, Storage)
    with pytest.raises(PathNotFound):
        smb.read("nowhere")
