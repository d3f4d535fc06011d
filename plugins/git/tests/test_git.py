"""Files of Git repositories, fetched by the program git from real remotes on loopback."""

import contextlib
import json
import logging
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from blocks_core.capabilities import ReadableStorage, Storage
from blocks_core.errors import PackageMissing, PathNotFound, StorageFailed
from blocks_core.secret import SecretRef
from blocks_core.testing.readable_storage_suite import ReadableStorageSuite
from blocks_git import Git

PASSWORD = "p1anted-t0ken-of-git"


class TestGitWithLoginBelowAFolder(ReadableStorageSuite):
    @pytest.fixture
    def stocked(self, stock, git_server):
        git_server.logins = {"git": PASSWORD}
        return Git(url=stock[1], reference="nested", folder="in/here", password=SecretStr(PASSWORD))


class TestFields:
    @pytest.mark.parametrize(
        "url",
        [
            "https://git.example.com/data/flows.git",
            "ssh://git@git.example.com:2222/flows.git",
            "git@git.example.com:data/flows.git",
            "git://git.example.com/flows",
            "file:///srv/git/flows.git",
            "https://[::1]:8443/flows.git",
        ],
    )
    def test_an_address_that_git_takes_is_taken(self, url):
        assert Git(url=url).location("a/b.py") == f"git+{url}@HEAD/a/b.py"

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "flows",
            "/srv/git/flows.git",
            "--upload-pack=touch /tmp/x",
            "-x",
            "ext::sh -c touch% /tmp/x",
            "fd::7",
            "ssh://-oProxyCommand=touch/x",
            "-oProxyCommand=touch@host:x",
            "x@-oProxyCommand=touch:x",
            "ssh://-x@host/x",
            "ftp://git.example.com/x",
            "https://",
            "https://git.example.com",
            "https://git.example.com/a b",
            "https://git.example.com/a\nb",
            "https://git.example.com/a?x=1",
            "https://git.example.com/a#x",
            "https://git.example.com:port/a",
            "https://[oops/a",
            "file://host/srv/x",
            "file://srv",
        ],
    )
    def test_an_address_that_git_must_not_get_is_refused(self, url):
        with pytest.raises(ValidationError, match="url"):
            Git(url=url)

    @pytest.mark.parametrize(
        "url", [f"https://u:{PASSWORD}@h/x", f"https://{PASSWORD}@h/x", f"ssh://u:{PASSWORD}@h/x"]
    )
    def test_an_address_with_a_password_is_refused_without_showing_it(self, url):
        with pytest.raises(ValidationError) as caught:
            Git(url=url)
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize(
        "reference",
        [
            "",
            "-x",
            "--upload-pack=x",
            "a b",
            "a..b",
            "a:b",
            "a^",
            "a~1",
            "@{-1}",
            "a*",
            "/a",
            "a/",
            "a\n",
            "0" * 40,
        ],
    )
    def test_a_reference_that_is_none_is_refused(self, reference):
        with pytest.raises(ValidationError):
            Git(url="https://h/x", reference=reference)

    @pytest.mark.parametrize(
        "fields",
        [
            {"url": "http://git.example.com/x", "password": "x"},
            {"url": "git://git.example.com/x", "password": "x"},
            {"url": "ssh://git.example.com/x", "password": "x"},
            {"url": "https://git.example.com/x", "ssh_private_key": "x"},
            {"url": "https://git.example.com/x", "folder": "../x"},
            {"url": "https://git.example.com/x", "username": "a\nb"},
        ],
    )
    def test_fields_that_make_no_sense_together_are_refused(self, fields):
        with pytest.raises(ValidationError):
            Git(**fields)


class TestReferences:
    def test_the_remotes_own_branch_is_the_default(self, repository):
        made, url = repository
        made.commit({"a.txt": b"of dev"}, "dev")
        assert Git(url=url).read("a.txt") == b"first"
        made.git("symbolic-ref", "HEAD", "refs/heads/dev")
        assert Git(url=url).read("a.txt") == b"of dev"

    def test_branches_tags_and_commits_are_found(self, repository):
        made, url = repository
        first = made.rev("main")
        made.tag("v1")
        second = made.commit({"a.txt": b"second"})
        made.commit({"a.txt": b"of feature"}, "feature/x")
        found = {
            name: Git(url=url, reference=name).read("a.txt") for name in ("main", "v1", "feature/x", first)
        }
        assert found == {"main": b"second", "v1": b"first", "feature/x": b"of feature", first: b"first"}
        assert Git(url=url).commit() == second
        assert Git(url=url, reference="v1").commit() == first
        assert Git(url=url, reference="refs/heads/feature/x").read("a.txt") == b"of feature"

    @pytest.mark.parametrize("reference", ["no-such", "1" * 40, "abc1234"])
    def test_a_reference_that_is_not_there_says_so(self, repository, reference):
        with pytest.raises(StorageFailed, match=r"Check reference") as caught:
            Git(url=repository[1], reference=reference).read("a.txt")
        assert not isinstance(caught.value, PathNotFound)

    def test_an_empty_repository_says_so(self, git_server):
        _, url = git_server.make_repository()
        with pytest.raises(StorageFailed, match="is empty"):
            Git(url=url).exists("a.txt")

    def test_a_repository_of_the_newer_hash_is_read(self, git_server):
        made, url = git_server.make_repository("--object-format=sha256")
        commit = made.commit({"a.txt": b"sha256"})
        block = Git(url=url)
        assert (block.read("a.txt"), block.commit()) == (b"sha256", commit)
        assert Git(url=url, reference=commit).read("a.txt") == b"sha256"


class TestRefresh:
    def test_a_commit_is_used_until_the_remote_is_asked_again(self, repository, git_server):
        made, url = repository
        cautious, eager = Git(url=url, refresh_seconds=3600), Git(url=url, refresh_seconds=0)
        assert (cautious.read("a.txt"), eager.read("a.txt")) == (b"first", b"first")
        made.commit({"a.txt": b"second"})
        assert (cautious.read("a.txt"), eager.read("a.txt")) == (b"first", b"second")
        assert cautious.check().ok
        assert cautious.read("a.txt") == b"second"

    def test_a_commit_that_is_here_already_is_not_fetched_again(self, repository, git_server):
        url = repository[1]
        Git(url=url).read("a.txt")
        fetched = [path for method, path, _ in git_server.requests if method == "POST"]
        Git(url=url).read("folder/b.txt")
        again = [path for method, path, _ in git_server.requests if method == "POST"][len(fetched) :]
        assert len(again) < len(fetched)

    def test_a_given_commit_is_asked_for_once(self, repository, git_server):
        made, url = repository
        block = Git(url=url, reference=made.rev("main"), refresh_seconds=0)
        block.read("a.txt")
        git_server.requests.clear()
        block.read("a.txt")
        assert git_server.requests == []

    def test_what_is_open_while_the_branch_moves_is_read_to_its_end(self, repository):
        made, url = repository
        block = Git(url=url, refresh_seconds=0)
        tree, file = block._found("a.txt")
        made.commit({"a.txt": b"second"})
        block.exists("a.txt")
        assert b"".join(block._pieces(tree, file, "x")) == b"first"

    def test_a_cache_that_was_removed_is_filled_again(self, repository, tmp_path):
        block = Git(url=repository[1], cache_folder=str(tmp_path / "cache"), refresh_seconds=3600)
        assert block.read("a.txt") == b"first"
        shutil.rmtree(tmp_path / "cache")
        assert block.read("a.txt") == b"first"

    def test_the_cache_is_for_nobody_else_and_holds_no_login(self, repository, git_server, tmp_path):
        git_server.logins = {"git": PASSWORD}
        cache = tmp_path / "cache"
        Git(url=repository[1], password=PASSWORD, cache_folder=str(cache)).read("a.txt")
        assert cache.stat().st_mode & 0o077 == 0
        assert not list(cache.rglob("*.part"))
        for file in cache.rglob("*"):
            assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()

    def test_what_was_not_used_for_a_week_is_removed(self, repository, tmp_path):
        made, url = repository
        block = Git(url=url, cache_folder=str(tmp_path), refresh_seconds=0)
        block.read("a.txt")
        [old] = tmp_path.glob("*/*.git")
        os.utime(old, (time.time() - 8 * 24 * 3600,) * 2)
        made.commit({"a.txt": b"second"})
        block.read("a.txt")
        assert not old.exists()

    def test_many_processes_fill_one_cache_at_once(self, repository, tmp_path):
        block = Git(url=repository[1], cache_folder=str(tmp_path))
        code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).read('a.txt').decode())"
        running = [
            subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(4)
        ]
        assert [process.communicate(pickle.dumps(block))[0] for process in running] == [b"first\n"] * 4
        assert len(list(tmp_path.glob("*/*"))) == 1


class TestTrees:
    def test_links_and_submodules_are_left_out_and_named(self, git_server):
        made, url = git_server.make_repository()
        links = {"link.txt": "a.txt", "out": "/etc/passwd", "up": "../../x", "to-folder": "folder"}
        made.commit({"a.txt": b"1", "folder/b": b"2"}, links=links, submodules={"vendor/lib": "1" * 40})
        block = Git(url=url)
        assert [file.path for file in block.list_files()] == ["a.txt", "folder/b"]
        for path in ("link.txt", "out", "up", "to-folder/b"):
            assert not block.exists(path)
            with pytest.raises(PathNotFound, match="is a link, and links are not followed"):
                block.read(path)
        with pytest.raises(PathNotFound, match="vendor/lib is a submodule"):
            block.open_read("vendor/lib/x.py")

    def test_what_git_lfs_keeps_elsewhere_is_its_pointer(self, git_server):
        made, url = git_server.make_repository()
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
        made.commit({".gitattributes": b"*.bin filter=lfs text eol=crlf\n", "a.bin": pointer})
        assert Git(url=url).read("a.bin") == pointer

    def test_names_that_no_path_can_be_are_left_out(self, git_server, tmp_path):
        made, url = git_server.make_repository()
        blob = made.git("hash-object", "-w", "--stdin", given=b"evil").decode().strip()
        names = [b"..\\x", b"a\nb", b"%2e%2e", b"\xff\xfe", b"good"]
        tree = b"".join(b"100644 blob %s\t%s\0" % (blob.encode(), name) for name in names)
        top = made.git("mktree", "-z", given=tree).decode().strip()
        commit = made.git(
            "-c", "user.name=Ada", "-c", "user.email=a@example.com", "commit-tree", "-m", "x", top
        )
        made.git("update-ref", "refs/heads/main", commit.decode().strip())
        block = Git(url=url)
        assert [file.path for file in block.list_files()] == ["good"]
        block.download_folder("", tmp_path / "here")
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["good"]

    def test_a_large_file_is_read_in_constant_memory(self, git_server, tmp_path):
        made, url = git_server.make_repository()
        made.commit({"large": bytes(48 << 20), "small": b"x"})
        code = (
            "import pickle, resource, sys; block = pickle.load(sys.stdin.buffer); block.read('small');"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
            f"block.download_to_path('large', {str(tmp_path / 'large')!r});"
            "stream = block.open_read('large'); stream.seek(47 << 20);"
            "assert len(stream.read()) == 1 << 20; stream.close();"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)"
        )
        given = pickle.dumps(Git(url=url))
        done = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, check=True)
        assert int(done.stdout) < 25
        assert (tmp_path / "large").stat().st_size == 48 << 20

    @pytest.mark.parametrize("left_bytes", [0, 20, 40])
    def test_what_was_damaged_in_the_cache_is_fetched_again(self, repository, tmp_path, left_bytes):
        block = Git(url=repository[1], cache_folder=str(tmp_path))
        assert block.read("a.txt") == b"first"
        for file in tmp_path.glob("*/*/objects/??/*"):
            file.chmod(0o600)
            file.write_bytes(file.read_bytes()[:left_bytes])
        for other in (block, block.model_copy()):
            with contextlib.suppress(StorageFailed):
                assert other.read("a.txt") == b"first"
        assert block.read("a.txt") == b"first"


class TestLogins:
    @pytest.fixture
    def guarded(self, repository, git_server):
        git_server.logins = {"etl": PASSWORD}
        return Git(url=repository[1], username="etl", password=SecretStr(PASSWORD))

    def test_a_password_opens_a_remote_that_asks_for_one(self, guarded):
        assert guarded.read("a.txt") == b"first"
        assert guarded.check().ok

    def test_a_secret_reference_is_followed(self, guarded, monkeypatch):
        monkeypatch.setenv("TOKEN_OF_GIT", PASSWORD)
        block = guarded.model_copy(update={"password": SecretRef("env:TOKEN_OF_GIT")})
        assert block.read("a.txt") == b"first"

    @pytest.mark.parametrize("password", ['it\'s $(id) `x` "q" %s \\n ;&|', "가나다", " led and followed "])
    def test_a_password_may_have_any_character(self, guarded, git_server, password):
        git_server.logins = {"etl": password}
        assert guarded.model_copy(update={"password": SecretStr(password)}).read("a.txt") == b"first"

    def test_a_password_with_a_line_end_is_refused_without_showing_it(self, guarded):
        block = guarded.model_copy(update={"password": SecretStr(f"{PASSWORD}\nhost=evil")})
        with pytest.raises(StorageFailed, match="line end") as caught:
            block.read("a.txt")
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))

    def test_no_password_says_that_one_is_asked_for(self, guarded):
        with pytest.raises(StorageFailed, match=r"asks for a login.*give password"):
            Git(url=guarded.url).read("a.txt")

    def test_a_wrong_password_says_so_and_is_not_shown(self, guarded, git_server):
        git_server.logins = {"etl": "another"}
        with pytest.raises(StorageFailed, match="did not accept the password") as caught:
            guarded.read("a.txt")
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))
        report = guarded.check()
        assert [(result.name, result.ok) for result in report.results] == [("remote", False)]
        assert PASSWORD not in repr(report)

    def test_a_password_that_the_remote_repeats_is_not_shown(self, guarded, git_server):
        def repeat(handler):
            sent = handler.headers.get("Authorization", "no login")
            body = f"fatal: you sent {sent} and {PASSWORD}\n".encode()
            handler.send_response(403 if "Basic" in sent else 401)
            handler.send_header("WWW-Authenticate", "Basic realm=x")
            handler.send_header("Content-Type", "text/plain")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return True

        git_server.fault = repeat
        with pytest.raises(StorageFailed) as caught:
            guarded.read("a.txt")
        shown = "".join(traceback.format_exception(caught.value))
        assert "you sent" in shown
        assert PASSWORD not in shown
        assert "ZXRsOn" not in shown  # `etl:` in base64

    def test_no_other_host_gets_the_password(self, guarded, git_server, running_git):
        other, seen = _second_server(running_git)

        def lead_on(handler):
            handler.send_response(302)
            handler.send_header("Location", f"{other.url}{handler.path}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return True

        git_server.fault = lead_on
        try:
            with pytest.raises(StorageFailed, match="asks for a login"):
                guarded.read("a.txt")
        finally:
            other.close()
        assert seen
        assert not any("Authorization" in headers for _, _, headers in seen)

    def test_no_process_shows_the_password(self, guarded, git_server):
        git_server.fault = lambda handler: time.sleep(0.3)  # long enough to look
        shown, done = [], threading.Event()

        def look():
            while not done.is_set():
                for found in Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        shown.append(found.read_bytes())
                    except OSError:
                        continue

        looker = threading.Thread(target=look)
        looker.start()
        try:
            guarded.read("a.txt")
        finally:
            done.set()
            looker.join()
        assert any(b"ls-remote" in line for line in shown)
        assert not any(PASSWORD.encode() in line for line in shown)

    def test_no_log_has_the_password(self, guarded, caplog):
        with caplog.at_level(logging.DEBUG):
            guarded.check()
        assert PASSWORD not in caplog.text

    def test_settings_of_the_user_do_not_matter(self, guarded, home, monkeypatch):
        (home / ".gitconfig").write_text(f'[url "{guarded.url}x"]\n\tinsteadOf = {guarded.url}\n')
        (home / ".netrc").write_text("machine 127.0.0.1 login x password y\n")
        monkeypatch.setenv("GIT_DIR", "/nonexistent")
        monkeypatch.setenv("GIT_TRACE", str(home / "trace"))
        try:
            assert guarded.read("a.txt") == b"first"
            with pytest.raises(StorageFailed, match="asks for a login"):
                Git(url=guarded.url).read("a.txt")
        finally:
            (home / ".gitconfig").unlink()
            (home / ".netrc").unlink()
        assert not (home / "trace").exists()


def _second_server(running_git):
    server = type(running_git)(running_git.root)
    server.logins = {"etl": PASSWORD}
    return server, server.requests


class TestSsh:
    """By a program `ssh` that notes how it was called, and then does on this machine what it was told to."""

    @pytest.fixture
    def ssh(self, tmp_path, monkeypatch):
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir()
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, os, stat, sys\n"
            "files = [a for o in sys.argv for a in o.split('=') if a.startswith('/') and os.path.isfile(a)]\n"
            "seen = {f: [open(f).read(), oct(stat.S_IMODE(os.stat(f).st_mode))] for f in files}\n"
            f"open({str(tmp_path / 'seen.json')!r}, 'w').write(json.dumps([sys.argv, seen, dict(os.environ)]))\n"
            "os.execvp('sh', ['sh', '-c', sys.argv[-1]])\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return lambda: json.loads((tmp_path / "seen.json").read_text())

    def test_a_key_lies_in_a_private_file_for_the_call_only(self, ssh, repository):
        made, _ = repository
        key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{PASSWORD}\n-----END OPENSSH PRIVATE KEY-----"
        block = Git(
            url=f"ssh://git@host{made.path}", ssh_private_key=key, known_hosts="host ssh-ed25519 AAAA"
        )
        assert block.read("a.txt") == b"first"
        arguments, files, environment = ssh()
        [[key_file, (content, mode)]] = [item for item in files.items() if item[0].endswith("/key")]
        assert (content, mode) == (f"{key}\n", "0o600")
        [[hosts_file, (hosts, _)]] = [item for item in files.items() if item[0].endswith("/known_hosts")]
        assert hosts == "host ssh-ed25519 AAAA\n"
        assert not Path(key_file).exists()
        assert not Path(hosts_file).exists()
        assert "StrictHostKeyChecking=yes" in arguments
        assert "BatchMode=yes" in arguments
        assert PASSWORD not in repr(arguments) + repr(environment)

    def test_an_address_as_ssh_writes_it_is_reached(self, ssh, repository):
        made, _ = repository
        block = Git(url=f"git@host.example.com:..{made.path}")  # from the home folder
        with pytest.raises(StorageFailed):
            block.read("a.txt")
        assert "git@host.example.com" in ssh()[0]

    def test_a_host_that_is_not_known_says_so(self, tmp_path, monkeypatch):
        program = tmp_path / "ssh"
        program.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(StorageFailed, match="Give known_hosts"):
            Git(url="git@host:x").read("a.txt")


class TestFiles:
    def test_a_folder_of_this_machine_is_a_remote(self, repository):
        assert Git(url=f"file://{repository[0].path}").read("a.txt") == b"first"

    def test_a_folder_that_is_no_repository_says_so(self, tmp_path):
        with pytest.raises(StorageFailed, match="no such repository"):
            Git(url=f"file://{tmp_path}").read("a.txt")

    def test_a_remote_without_git_behind_it_is_read(self, repository):
        """The older protocol, of files alone."""

        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        made, _ = repository
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(made.path.parent))) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            url = f"http://127.0.0.1:{server.server_port}/{made.path.name}"
            try:
                assert Git(url=url).read("a.txt") == b"first"
            finally:
                server.shutdown()
                thread.join()


class TestFailures:
    def test_a_remote_that_is_down_says_so(self, nobody_listens):
        with pytest.raises(StorageFailed, match="cannot be reached"):
            Git(url=f"{nobody_listens}/x.git").read("a.txt")

    def test_a_repository_that_is_not_there_says_so(self, git_server):
        with pytest.raises(StorageFailed, match="no such repository"):
            Git(url=f"{git_server.url}/none.git").exists("a.txt")

    def test_a_remote_that_does_not_answer_is_left_in_time(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            block = Git(url=f"http://127.0.0.1:{silent.getsockname()[1]}/x.git", timeout_seconds=0.3)
            started = time.monotonic()
            with pytest.raises(StorageFailed, match=r"no answer in 0\.3 seconds"):
                block.read("a.txt")
            assert time.monotonic() - started < 5

    @pytest.mark.parametrize(
        "body", [b"<html>hello</html>", b"", b"\x00" * 500, b"001e# service=git-upload-pack\n"]
    )
    def test_what_is_no_remote_is_a_typed_error(self, git_server, body):
        def answer(handler):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return True

        git_server.fault = answer
        with pytest.raises(StorageFailed, match="could not be read"):
            Git(url=f"{git_server.url}/x.git").read("a.txt")

    def test_a_connection_that_is_cut_says_so_and_leaves_nothing(self, git_server, tmp_path):
        made, url = git_server.make_repository()
        made.commit({"large": os.urandom(3 << 20)})

        def cut(handler):
            if (
                handler.command != "POST"
                or git_server.requests[-1][2].get("Content-Type", "").find("pack") < 0
            ):
                return False
            if sum(method == "POST" for method, *_ in git_server.requests) < 2:
                return False
            handler.send_response(200)
            handler.send_header("Content-Type", "application/x-git-upload-pack-result")
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            handler.wfile.write(b"0008NAK\n")
            return True

        git_server.fault = cut
        with pytest.raises(StorageFailed, match="could not be read"):
            Git(url=url, cache_folder=str(tmp_path)).read("large")
        assert list(tmp_path.glob("*/*")) == []
        git_server.fault = None
        assert len(Git(url=url, cache_folder=str(tmp_path)).read("large")) == 3 << 20

    def test_a_machine_without_git_says_what_to_install(self, repository, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(PackageMissing, match="apt-get install git"):
            Git(url=repository[1]).read("a.txt")

    def test_a_cache_that_cannot_be_made_says_where_it_was_to_be(self, repository, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(StorageFailed, match="Set cache_folder"):
            Git(url=repository[1], cache_folder=str(tmp_path / "file" / "cache")).read("a.txt")

    def test_nothing_is_written_by_the_filesystem(self, repository, tmp_path):
        view = Git(url=repository[1]).filesystem()
        (tmp_path / "local").touch()
        calls = [
            lambda: view.open("a.txt", "wb"),
            lambda: view.open("a.txt", "ab"),
            lambda: view.pipe_file("a.txt", b"x"),
            lambda: view.pipe({"a.txt": b"x"}),
            lambda: view.put(str(tmp_path / "local"), "a.txt"),
            lambda: view.cp_file("a.txt", "b.txt"),
            lambda: view.mv("a.txt", "b.txt"),
            lambda: view.rm("a.txt"),
            lambda: view.rm("folder", recursive=True),
            lambda: view.rm_file("a.txt"),
            lambda: view.makedirs("new"),
            lambda: view.touch("new"),
        ]
        for call in calls:
            with pytest.raises(StorageFailed, match="only read"):
                call()


def test_a_check_names_the_commit_and_counts_the_files(repository):
    made, url = repository
    remote, reference, files = Git(url=url, folder="folder").check().results
    assert remote.detail == url
    assert reference.detail == made.rev("main")
    assert files.detail == "1 files below folder"


def test_many_threads_fetch_once(repository, git_server):
    block = Git(url=repository[1], refresh_seconds=3600)
    git_server.requests.clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(block.read, ["a.txt"] * 8)) == [b"first"] * 8
    assert len([path for _, path, _ in git_server.requests if "info/refs" in path]) <= 2


def test_it_is_readable_and_no_storage():
    assert issubclass(Git, ReadableStorage)
    assert not issubclass(Git, Storage)
