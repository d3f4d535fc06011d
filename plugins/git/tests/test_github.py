"""Files of GitHub repositories, by its REST API, as a small server on loopback speaks it."""

import logging
import os
import pickle
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fake_github import FakeGitHub
from pydantic import SecretStr, ValidationError

from blocks_core.errors import PathNotFound, StorageFailed
from blocks_core.testing.readable_storage_suite import ReadableStorageSuite
from blocks_git import GitHub, RateLimited

TOKEN = "ghp_p1antedT0kenOfGitHub"


@pytest.fixture
def github(fake_github, repository):
    """A block of a public repository; the server knows one token."""
    fake_github.keep("example/flows", repository[0])
    fake_github.tokens = {TOKEN}
    return GitHub(repository="example/flows", api_url=fake_github.url)


@pytest.fixture
def private(fake_github, github):
    fake_github.repositories["example/flows"].private = True
    return github.model_copy(update={"token": SecretStr(TOKEN)})


class TestGitHubBelowAFolderWithLongLists(ReadableStorageSuite):
    @pytest.fixture
    def stocked(self, stock, fake_github):
        fake_github.keep("example/stock", stock[0], private=True)
        fake_github.limit, fake_github.tokens, fake_github.max_entries = 5000, {TOKEN}, 8
        return GitHub(
            repository="example/stock",
            reference="nested",
            folder="in/here",
            token=TOKEN,
            api_url=fake_github.url,
        )


class TestFields:
    @pytest.mark.parametrize(
        "repository",
        ["flows", "https://github.com/a/b", "a/b/c", "a/..", "a/.", "../b", "a b/c", "-a/b", "a/", "a/b?x"],
    )
    def test_a_repository_that_is_none_is_refused(self, repository):
        with pytest.raises(ValidationError, match="owner and name"):
            GitHub(repository=repository)

    @pytest.mark.parametrize(
        "fields",
        [
            {"api_url": "ftp://github.example.com"},
            {"api_url": "https://u:p@github.example.com"},
            {"api_url": "https://github.example.com?x=1"},
            {"api_url": "http://github.example.com/api/v3", "token": TOKEN},
            {"reference": "../x"},
            {"folder": ".."},
        ],
    )
    def test_fields_that_make_no_sense_are_refused(self, fields):
        with pytest.raises(ValidationError) as caught:
            GitHub(repository="a/b", **fields)
        assert TOKEN not in str(caught.value)

    def test_a_location_is_the_page_of_the_file(self):
        public = GitHub(repository="a/b", reference="main", folder="in")
        assert public.location("x y.py") == "https://github.com/a/b/blob/main/in/x%20y.py"
        own = GitHub(repository="a/b", api_url="https://github.example.com/api/v3/")
        assert own.location("x.py") == "https://github.example.com/a/b/blob/HEAD/x.py"


class TestReferences:
    def test_branches_tags_and_commits_are_found(self, github, repository):
        made, _ = repository
        first = made.rev("main")
        made.tag("v1")
        made.commit({"a.txt": b"second"})
        made.commit({"a.txt": b"of feature"}, "feature/x")
        names = (None, "v1", "feature/x", first)
        found = [github.model_copy(update={"reference": name}).read("a.txt") for name in names]
        assert found == [b"second", b"first", b"of feature", b"first"]

    def test_a_reference_that_is_not_there_says_so(self, github):
        with pytest.raises(StorageFailed, match=r"HTTP 422: No commit found.*Check reference") as caught:
            github.model_copy(update={"reference": "none"}).read("a.txt")
        assert not isinstance(caught.value, PathNotFound)

    def test_an_empty_repository_says_so(self, fake_github, git_server, github):
        fake_github.keep("example/empty", git_server.make_repository()[0])
        with pytest.raises(StorageFailed, match=r"HTTP 409.*is empty"):
            github.model_copy(update={"repository": "example/empty"}).read("a.txt")


class TestRequests:
    def test_a_file_costs_one_request_once_the_tree_is_known(self, github, fake_github):
        github.read("a.txt")
        assert [path.split("/")[4] for path, _ in fake_github.requests] == ["commits", "git", "git"]
        fake_github.requests.clear()
        github.read("folder/b.txt")
        github.exists("a.txt")
        list(github.list_files())
        assert len(fake_github.requests) == 1

    def test_a_branch_that_did_not_move_costs_nothing(self, private, fake_github, repository):
        block = private.model_copy(update={"refresh_seconds": 0})
        block.exists("a.txt")
        used = fake_github.used
        for _ in range(3):
            block.exists("a.txt")
        assert fake_github.used == used
        repository[0].commit({"a.txt": b"second"})
        assert block.read("a.txt") == b"second"

    def test_a_commit_is_used_until_github_is_asked_again(self, github, repository):
        block = github.model_copy(update={"refresh_seconds": 3600})
        assert block.read("a.txt") == b"first"
        commit = repository[0].commit({"a.txt": b"second"})
        assert block.read("a.txt") == b"first"
        assert block.check().ok
        assert (block.read("a.txt"), block.commit()) == (b"second", commit)

    def test_a_renamed_repository_is_followed_within_the_api(self, private, fake_github):
        fake_github.renamed["example/former"] = "example/flows"
        block = private.model_copy(update={"repository": "example/former"})
        assert block.read("a.txt") == b"first"
        assert any(path.startswith("/repositories/1/git/trees") for path, _ in fake_github.requests)

    def test_no_other_host_gets_the_token(self, private, fake_github):
        other = FakeGitHub()
        try:
            fake_github.faults = [(301, {"Location": f"{other.url}/repos/example/flows"}, {})]
            with pytest.raises(StorageFailed, match="leads to another host"):
                private.read("a.txt")
            assert other.requests == []
        finally:
            other.close()

    def test_redirects_in_a_circle_are_a_typed_error(self, github, fake_github):
        fake_github.faults = [(302, {"Location": "/repos/example/flows/commits/HEAD"}, {})] * 9
        with pytest.raises(StorageFailed, match="in a circle"):
            github.read("a.txt")

    def test_a_large_file_is_read_whole(self, fake_github, git_server, github, tmp_path):
        made, _ = git_server.make_repository()
        data = os.urandom(12 << 20)
        made.commit({"large": data})
        fake_github.keep("example/large", made)
        block = github.model_copy(update={"repository": "example/large"})
        assert block.download_to_path("large", tmp_path / "large").read_bytes() == data
        with block.open_read("large") as stream:
            stream.seek(11 << 20)
            assert stream.read() == data[11 << 20 :]

    def test_links_and_submodules_are_left_out(self, fake_github, git_server, github):
        made, _ = git_server.make_repository()
        made.commit({"a": b"1"}, links={"link": "/etc/passwd"}, submodules={"lib": "1" * 40})
        fake_github.keep("example/links", made)
        block = github.model_copy(update={"repository": "example/links"})
        assert [file.path for file in block.list_files()] == ["a"]
        with pytest.raises(PathNotFound, match="links are not followed"):
            block.read("link")

    def test_a_folder_with_more_files_than_github_lists_says_so(self, github, fake_github):
        fake_github.max_entries = 1
        with pytest.raises(StorageFailed, match="more files than GitHub lists"):
            github.read("a.txt")


class TestRefusals:
    def test_a_private_repository_without_a_token_says_so(self, private):
        with pytest.raises(StorageFailed, match=r"HTTP 404: Not Found\).*private.*give a token"):
            private.model_copy(update={"token": None}).read("a.txt")

    def test_a_repository_that_the_token_may_not_read_says_so(self, private):
        with pytest.raises(StorageFailed, match=r"HTTP 404.*the token may not read it"):
            private.model_copy(update={"repository": "example/other"}).read("a.txt")

    def test_a_wrong_token_says_so_and_is_not_shown(self, private, fake_github):
        fake_github.tokens = {"another"}
        with pytest.raises(StorageFailed, match=r"HTTP 401: Bad credentials.*expired or revoked") as caught:
            private.read("a.txt")
        assert TOKEN not in "".join(traceback.format_exception(caught.value))
        report = private.check()
        assert not report.ok
        assert TOKEN not in repr(report)

    def test_a_token_that_can_be_none_is_refused_without_showing_it(self, private):
        block = private.model_copy(update={"token": SecretStr(f"{TOKEN}\r\nX: y")})
        with pytest.raises(StorageFailed, match="the token is none") as caught:
            block.read("a.txt")
        assert TOKEN not in "".join(traceback.format_exception(caught.value))

    def test_a_used_up_limit_says_when_to_ask_again(self, github, fake_github):
        fake_github.used = fake_github.limit
        with pytest.raises(RateLimited, match=r"no more requests until .* UTC.*give a token") as caught:
            github.read("a.txt")
        assert caught.value.until == datetime.fromtimestamp(fake_github.reset_at, UTC)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.until) == (str(caught.value), caught.value.until)

    @pytest.mark.parametrize("status", [403, 429])
    def test_a_secondary_limit_says_when_to_ask_again(self, github, fake_github, status):
        said = {"message": "You have exceeded a secondary rate limit."}
        fake_github.faults = [(status, {"Retry-After": "90"}, said)]
        with pytest.raises(RateLimited) as caught:
            github.read("a.txt")
        left = caught.value.until - datetime.now(UTC)
        assert timedelta(seconds=80) < left <= timedelta(seconds=90)
        fake_github.faults = [(status, {}, said)]
        with pytest.raises(RateLimited):
            github.read("a.txt")

    @pytest.mark.parametrize(
        ("status", "headers", "message", "remedy"),
        [
            (403, {}, "Resource not accessible by personal access token", "permission to read"),
            (
                403,
                {"X-GitHub-SSO": "required; url=https://x"},
                "Resource protected by SAML",
                "single sign-on",
            ),
            (500, {}, "Server Error", "Try again later"),
            (418, {}, "", "no API of GitHub"),
        ],
    )
    def test_each_answer_has_its_remedy(self, github, fake_github, status, headers, message, remedy):
        fake_github.faults = [(status, headers, {"message": message})]
        with pytest.raises(StorageFailed, match=remedy) as caught:
            github.read("a.txt")
        assert not isinstance(caught.value, RateLimited)

    def test_what_github_repeats_is_not_shown(self, private, fake_github):
        fake_github.faults = [(400, {}, {"message": f"you sent {TOKEN}\x1b[31m"})]
        with pytest.raises(StorageFailed, match="you sent") as caught:
            private.read("a.txt")
        shown = "".join(traceback.format_exception(caught.value))
        assert TOKEN not in shown
        assert "\x1b" not in shown

    @pytest.mark.parametrize(
        "body", [b"<html>", b"[]", b"null", b"", b'{"tree": 1}', b'{"tree": [1]}', b"{" * 10_000, b"\xff\xfe"]
    )
    def test_what_is_no_api_of_github_is_a_typed_error(self, github, fake_github, body):
        for before in ([], [None]):
            fake_github.faults = [*before, (200, {}, body)]
            with pytest.raises(StorageFailed, match="no API of GitHub"):
                github.model_copy().read("a.txt")

    def test_contents_that_do_not_fit_their_hash_are_not_returned(self, github, fake_github, tmp_path):
        github.exists("a.txt")
        for call in (
            github.read,
            github.open_read,
            lambda path: github.download_to_path(path, tmp_path / "x"),
        ):
            fake_github.faults = [(200, {}, b"fake!")]
            with pytest.raises(StorageFailed, match="does not fit its hash"):
                call("a.txt")
        assert list(tmp_path.iterdir()) == []

    def test_a_connection_that_is_cut_says_so(self, github, fake_github):
        fake_github.faults = ["cut"]
        with pytest.raises(StorageFailed, match="connection failed"):
            github.read("a.txt")
        fake_github.faults = [None, None, (200, {"Content-Length": "9999"}, b"first")]
        with pytest.raises(StorageFailed, match="no answer in time"):
            github.model_copy(update={"timeout_seconds": 0.3}).read("a.txt")
        assert github.read("a.txt") == b"first"

    def test_a_server_that_is_down_says_so(self, github, nobody_listens):
        with pytest.raises(StorageFailed, match=r"connection failed.*Check api_url"):
            github.model_copy(update={"api_url": nobody_listens}).read("a.txt")

    def test_no_answer_in_time_says_so(self, github):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            block = github.model_copy(update={"api_url": url, "timeout_seconds": 0.2})
            with pytest.raises(StorageFailed, match="no answer in time"):
                block.read("a.txt")


class TestCheck:
    def test_each_thing_is_one_line(self, private):
        found = {result.name: result.detail for result in private.check().results}
        assert found["repository"] == "example/flows (private)"
        assert found["reference"] == private.commit()
        assert found["contents"] == "2 files"
        assert "of 60 requests left until" in found["rate limit"]

    def test_a_server_without_a_limit_says_so(self, github, fake_github):
        fake_github.faults = [None] * 4 + [(404, {}, {"message": "Rate limiting is not enabled."})]
        assert github.check().results[-1].detail == "no limit"


def test_no_token_is_in_a_log(private, fake_github, caplog):
    private.exists("a.txt")
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        with caplog.at_level(logging.DEBUG):
            fake_github.faults = [(403, {"X-Repeated": TOKEN}, {"message": TOKEN})]
            with pytest.raises(StorageFailed):
                private.read("a.txt")
            private.check()
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    assert {record.name for record in caplog.records} >= {"httpx2", "httpcore2.http11"}
    shown = caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    assert TOKEN not in shown


def test_many_threads_ask_for_the_tree_once(github, fake_github):
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(github.read, ["a.txt"] * 8)) == [b"first"] * 8
    assert len([path for path, _ in fake_github.requests if "/trees/" in path]) == 1
