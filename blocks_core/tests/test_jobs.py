"""Jobs: what is refused, how an end is told, how a log is cut into lines."""

import pickle
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from blocks_core.errors import InfrastructureFailed, JobRefused
from blocks_core.jobs import (
    LOG_TAIL_CHARACTERS,
    LOG_TAIL_LINES,
    MAX_LINE_CHARACTERS,
    Job,
    end_of,
    lines_of,
    tail_of,
)

CANARY = "canary-4711-canary"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"command": ()}, "no command"),
        ({"command": ("",)}, "no command"),
        ({"command": "python flow.py"}, "one text"),
        ({"command": ("a", "b\0c")}, "zero byte"),
        ({"command": ("a", "\ud800")}, "half of a character"),
        ({"command": ("a",), "working_directory": "/a\0b"}, "zero byte"),
        ({"command": ("a",), "environment": {"A": "b\0c"}}, "variable A"),
        ({"command": ("a",), "environment": {"A=B": "c"}}, "'A=B' is no name"),
        ({"command": ("a",), "environment": {"": "c"}}, "'' is no name"),
        ({"command": ("a",), "environment": {"A\n": "c"}}, "no name"),
        ({"command": ("a",), "secret_environment": {"1A": SecretStr(CANARY)}}, "'1A' is no name"),
        (
            {"command": ("a",), "environment": {"A": ""}, "secret_environment": {"A": SecretStr(CANARY)}},
            "once",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_job_that_no_process_can_be_is_refused(options, words):
    with pytest.raises(JobRefused, match=words) as caught:
        Job(**options)
    assert isinstance(caught.value, InfrastructureFailed)
    assert isinstance(caught.value, ValueError)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("wrong", ["\0", "\ud800"])
def test_a_secret_that_no_process_can_be_given_is_refused_without_showing_it(wrong):
    job = Job(("a",), secret_environment={"TOKEN": SecretStr(CANARY + wrong)})
    with pytest.raises(JobRefused, match="TOKEN") as caught:
        job.variables()
    assert CANARY not in str(caught.value)


def test_a_command_is_taken_as_a_list_and_with_paths():
    assert Job(["python", Path("/srv/flow.py")]).command == ("python", "/srv/flow.py")


def test_a_job_shows_no_variable():
    job = Job(("a",), environment={"A": CANARY}, secret_environment={"B": SecretStr(CANARY)})
    assert CANARY not in repr(job)
    assert job.variables() == {"A": CANARY, "B": CANARY}
    assert job.secrets() == (CANARY,)


def test_a_job_is_pickled_with_its_secrets():
    job = Job(("a",), secret_environment={"B": SecretStr(CANARY)}, labels={"team": "data"})
    assert pickle.loads(pickle.dumps(job)) == job


@pytest.mark.parametrize(
    ("code", "status", "told", "reason"),
    [
        (0, "completed", 0, ""),
        (1, "failed", 1, ""),
        (127, "failed", 127, ""),
        (128, "failed", 128, ""),
        (-signal.SIGKILL, "crashed", 137, "killed by SIGKILL"),
        (137, "crashed", 137, "killed by SIGKILL"),
        (143, "crashed", 143, "killed by SIGTERM"),
        (139, "crashed", 139, "killed by SIGSEGV"),
        (255, "failed", 255, ""),
    ],
)
def test_an_exit_code_tells_how_a_job_ended(code, status, told, reason):
    end = end_of(code)
    assert (end.status, end.exit_code, end.reason, end.ok) == (status, told, reason, status == "completed")


def test_a_reason_makes_a_crash_of_any_code():
    assert end_of(1, reason="evicted").status == "crashed"
    assert end_of(137, reason="out of memory").reason == "killed by SIGKILL (out of memory)"


def test_the_tail_of_a_log_is_bounded():
    tail = tail_of(str(number) * 5_000 for number in range(1_000))
    assert len(tail) == LOG_TAIL_LINES
    assert max(map(len, tail)) < LOG_TAIL_CHARACTERS + 10
    assert tail[-1].startswith("999999")
    assert end_of(1, ["x" * 5_000] * 100).log_tail == tail_of(["x" * 5_000] * 50)


@given(st.lists(st.text(st.sampled_from("ab\n\r\x0c\x85\u2028é🦉"))), st.integers(1, 7))
def test_lines_are_the_same_however_a_log_is_cut_into_pieces(texts, size):
    whole = "".join(texts)
    data = whole.encode()
    lines = list(lines_of(data[start : start + size] for start in range(0, len(data), size)))
    assert lines == whole.removesuffix("\n").split("\n") if whole else lines == []


@given(st.binary(max_size=50))
def test_any_bytes_are_lines(data):
    assert "\n".join(lines_of([data])) == data.decode(errors="replace").removesuffix("\n")


def test_a_line_comes_as_soon_as_it_is_whole():
    def pieces():
        yield b"one\ntw"
        raise AssertionError("asked for more than was needed")

    assert next(lines_of(pieces())) == "one"


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_without_end_comes_in_pieces(end):
    pieces = [b"x" * 100_000] * 25
    lines = list(lines_of([*pieces, end]))
    assert [len(line) for line in lines] == [MAX_LINE_CHARACTERS] * 2 + [2_500_000 - 2 * MAX_LINE_CHARACTERS]
    assert [len(line) for line in lines_of([b"".join(pieces) + end])] == [len(line) for line in lines]
