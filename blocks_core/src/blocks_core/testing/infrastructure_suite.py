"""`InfrastructureSuite`: what every `Infrastructure` must do, tried with real jobs.

    class TestMyInfrastructure(InfrastructureSuite):
        python = "/usr/local/bin/python3"           # in the target

        @pytest.fixture
        def infrastructure(self):
            return MyInfrastructure(grace_seconds=2)

Jobs are programs for `python -c` that use the standard library alone. The block's class must be in a package that is
installed, as other processes get it by pickle. A subclass may change the attributes below, and the fixture `kept`.
"""

# ruff: noqa: D102 a test's name is its sentence

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from inspect import cleandoc
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks_core.capabilities import Infrastructure
from blocks_core.errors import InfrastructureFailed, JobNotFound
from blocks_core.jobs import ENDED, LOG_TAIL_LINES, Job, JobHandle, Resources
from blocks_core.testing import job_programs as programs
from blocks_core.testing.log_watch import LogWatch, assert_hidden

CANARY = 'canary-of-the-environment-4711 "quoted" $HOME'
"""A secret variable's value."""

Submit = Callable[..., JobHandle]
"""Submits a program in Python: its source, its arguments, and what else a `Job` may have by name."""


class InfrastructureSuite:
    """Inherit it in a test class, give it a fixture `infrastructure`, and every test here runs on it."""

    python = "python3"
    """The interpreter in the target."""
    folder = "/tmp"
    """A folder of the target, without links in its path."""
    patience_seconds = 60.0
    """How long a job may take before a test gives up; most take as long as the infrastructure needs to start one."""
    many_lines = 10_000
    long_line_characters = 200_000
    jobs_at_once = 8

    @pytest.fixture
    def infrastructure(self) -> Infrastructure:
        """Return the block under test, with a grace period of two or three seconds."""
        raise NotImplementedError("Give your test class a fixture 'infrastructure'.")

    @pytest.fixture
    def kept(self, infrastructure: Infrastructure) -> Callable[[], object]:
        """Return a function that lists all that the infrastructure keeps of jobs, to see that nothing is left.

        By default nothing is looked at.
        """
        return lambda: None

    @pytest.fixture
    def submit(self, infrastructure: Infrastructure) -> Iterator[Submit]:
        """Submit programs, and remove the jobs at the end."""
        handles: list[JobHandle] = []

        def submit(source: str, *arguments: str, **options: Any) -> JobHandle:
            handle = infrastructure.submit(self.job(source, *arguments, **options))
            handles.append(handle)
            return handle

        yield submit
        for handle in handles:
            handle.remove()

    def job(self, source: str, *arguments: str, **options: Any) -> Job:
        """Return the job that runs a program in Python."""
        return Job((self.python, "-c", cleandoc(source), *arguments), **options)

    def test_a_program_that_ends_with_0_has_completed(self, submit: Submit) -> None:
        handle = submit("print('done')")
        end = handle.wait(self.patience_seconds)
        assert (end.status, end.ok, end.exit_code, end.reason) == ("completed", True, 0, "")
        assert handle.status() == "completed"
        assert list(handle.logs()) == ["done"]

    def test_what_has_ended_is_told_at_once_and_each_time_the_same(self, submit: Submit) -> None:
        handle = submit("print('a'); print('b')")
        end = handle.wait(self.patience_seconds)
        assert [handle.wait(0), handle.wait()] == [end, end]
        assert [list(handle.logs()) for _ in range(2)] == [["a", "b"]] * 2

    def test_lines_of_both_streams_come_in_order(self, submit: Submit) -> None:
        handle = submit("""
            import sys, time
            for number in range(3):
                for stream in (sys.stdout, sys.stderr):
                    print(stream.name, number, file=stream, flush=True)
                    time.sleep(0.2)  # two streams are two ways, and no infrastructure promises which is faster
        """)
        expected = [f"<{name}> {number}" for number in range(3) for name in ("stdout", "stderr")]
        assert list(handle.logs()) == expected

    def test_a_line_is_seen_while_the_job_runs(self, submit: Submit) -> None:
        handle = submit(programs.SLEEPS)
        assert next(handle.logs()) == "ready"
        assert handle.status() == "running"

    def test_lines_are_what_ends_with_a_line_feed_and_nothing_else(self, submit: Submit) -> None:
        text = "one\n\n  two \t\nform\x0cfeed\nsep\u2028arated\x85\n\nthe last has no end"
        handle = submit(f"import sys; sys.stdout.buffer.write({text.encode()!r})")
        assert list(handle.logs()) == text.split("\n")

    def test_bytes_that_are_no_text_are_replaced(self, submit: Submit) -> None:
        handle = submit(r"import sys; sys.stdout.buffer.write(b'a\xffb\n\xff\n')")
        assert list(handle.logs()) == ["a\ufffdb", "\ufffd"]

    def test_many_lines_and_long_ones_arrive_whole(self, submit: Submit) -> None:
        handle = submit(f"""
            for number in range({self.many_lines}):
                print(number)
            print("é" * {self.long_line_characters})
            print("end")
        """)
        lines = list(handle.logs())
        assert lines[-1] == "end"
        assert lines[-2] == "é" * self.long_line_characters
        assert lines[:-2] == [str(number) for number in range(self.many_lines)]

    def test_arguments_arrive_as_they_are(self, submit: Submit) -> None:
        handle = submit("import json, sys; print(json.dumps(sys.argv[1:]))", *programs.UNUSUAL_TEXTS)
        assert json.loads("".join(handle.logs())) == list(programs.UNUSUAL_TEXTS)

    def test_variables_arrive_as_they_are(self, submit: Submit) -> None:
        variables = {f"TEXT_{number}": text for number, text in enumerate(programs.UNUSUAL_TEXTS)}
        secret = {name.replace("TEXT", "Secret"): SecretStr(text) for name, text in variables.items()}
        handle = submit(
            """
            import json, os
            print(json.dumps({name: text for name, text in os.environ.items() if "TEXT_" in name.upper()
                              or "SECRET_" in name.upper()}))
            """,
            environment=variables,
            secret_environment=secret,
        )
        found = json.loads("".join(handle.logs()))
        assert found == variables | {name: text.get_secret_value() for name, text in secret.items()}

    def test_a_program_runs_in_the_folder_that_it_asks_for(self, submit: Submit) -> None:
        handle = submit("import os; print(os.getcwd())", working_directory=self.folder)
        assert list(handle.logs()) == [self.folder]

    def test_a_secret_variable_shows_nowhere_while_the_job_runs(
        self, submit: Submit, capfd: pytest.CaptureFixture[str]
    ) -> None:
        submit("print('imports what makes loggers')").wait(self.patience_seconds)
        secret = {"TOKEN": SecretStr(CANARY)}
        with LogWatch() as log:
            handle = submit(programs.HASHES_ITS_TOKEN, secret_environment=secret)
            assert next(handle.logs()) == sha256(CANARY.encode()).hexdigest()
            shown = [repr(handle), str(handle), *_arguments()]
            handle.cancel()
            shown += [repr(handle.wait(self.patience_seconds)), *capfd.readouterr()]
        assert_hidden(CANARY, *shown, *log.lines)

    def test_a_secret_variable_is_in_no_error(self, infrastructure: Infrastructure) -> None:
        job = Job((f"/no/such/program/{CANARY}",), secret_environment={"TOKEN": SecretStr(CANARY)})
        with LogWatch() as log:
            try:
                handle = infrastructure.submit(job)
            except InfrastructureFailed as error:
                assert_hidden(CANARY, "".join(traceback.format_exception(error)))
            else:
                try:
                    assert not handle.wait(self.patience_seconds).ok
                finally:
                    handle.remove()
        assert_hidden(CANARY, *log.lines)

    def test_a_program_that_ends_with_another_code_has_failed(self, submit: Submit) -> None:
        handle = submit(f"""
            import sys
            for number in range({LOG_TAIL_LINES + 10}):
                print(number)
            sys.exit(3)
        """)
        end = handle.wait(self.patience_seconds)
        assert (end.status, end.ok, end.exit_code) == ("failed", False, 3)
        assert end.log_tail == tuple(str(number) for number in range(10, LOG_TAIL_LINES + 10))

    def test_a_program_that_is_killed_has_crashed(self, submit: Submit) -> None:
        end = submit(programs.DIES_BY_SIGKILL).wait(self.patience_seconds)
        assert (end.status, end.exit_code) == ("crashed", 128 + signal.SIGKILL)
        assert "SIGKILL" in end.reason
        assert end.log_tail == ("line 0", "line 1", "line 2")

    def test_a_program_that_is_not_there_is_named(self, infrastructure: Infrastructure) -> None:
        try:
            handle = infrastructure.submit(Job(("no-such-program-4711",)))
        except InfrastructureFailed as error:
            told = str(error)
        else:
            try:
                end = handle.wait(self.patience_seconds)
            finally:
                handle.remove()
            assert end.status == "crashed"
            told = end.reason
        assert "no-such-program-4711" in told

    def test_waiting_ends_in_time_and_the_job_goes_on(self, submit: Submit) -> None:
        handle = submit("import time; time.sleep(2); print('done')")
        with pytest.raises(TimeoutError):
            handle.wait(0.2)
        with pytest.raises(TimeoutError):
            handle.wait(timeout_seconds=0)
        assert handle.status() in {"pending", "running"}
        assert handle.wait(self.patience_seconds).ok
        assert list(handle.logs()) == ["done"]

    def test_a_job_is_pending_or_running_until_it_has_ended(self, submit: Submit) -> None:
        handle = submit("import time; time.sleep(1)")
        seen = [handle.status()]
        while seen[-1] not in ENDED:
            seen.append(handle.status())
        running = seen.index("running") if "running" in seen else len(seen) - 1
        assert set(seen[:running]) <= {"pending"}
        assert set(seen[running:-1]) <= {"running"}
        assert seen[-1] == handle.wait(0).status == "completed"

    def test_a_program_is_asked_to_end_before_it_is_killed(self, submit: Submit) -> None:
        handle = submit(programs.ANSWERS_SIGTERM)
        lines = handle.logs()
        assert next(lines) == "ready"
        handle.cancel()
        assert list(lines) == ["asked to end"]
        assert handle.wait(self.patience_seconds).status == handle.status() == "cancelled"

    def test_a_program_that_does_not_end_when_asked_is_killed(self, submit: Submit) -> None:
        handle = submit(programs.IGNORES_SIGTERM)
        assert next(handle.logs()) == "ready"
        handle.cancel()
        assert handle.wait(self.patience_seconds).status == "cancelled"

    def test_what_a_program_started_ends_with_it(self, submit: Submit) -> None:
        handle = submit(programs.HAS_A_CHILD)
        lines = handle.logs()
        assert next(lines) == "child"
        handle.cancel()
        assert list(lines) == []
        assert handle.wait(self.patience_seconds).status == "cancelled"

    def test_cancelling_again_is_no_error(self, submit: Submit) -> None:
        handle = submit(programs.ANSWERS_SIGTERM)
        assert next(handle.logs()) == "ready"
        handle.cancel()
        handle.cancel()
        assert handle.wait(self.patience_seconds).status == "cancelled"
        handle.cancel()
        assert handle.status() == "cancelled"

    def test_cancelling_what_has_ended_changes_nothing(self, submit: Submit) -> None:
        handle = submit("print('done')")
        end = handle.wait(self.patience_seconds)
        handle.cancel()
        assert handle.status() == "completed"
        assert handle.wait(0) == end

    def test_another_process_waits_for_a_job_by_its_id(
        self, infrastructure: Infrastructure, submit: Submit
    ) -> None:
        handle = submit("import sys, time; time.sleep(1); print('done'); sys.exit(3)")
        what = pickle.dumps((infrastructure, handle.id, self.patience_seconds))
        command = [sys.executable, "-c", cleandoc(programs.WAIT_ELSEWHERE)]
        answer = subprocess.run(command, input=what, capture_output=True, check=False)
        assert answer.returncode == 0, answer.stderr.decode()
        assert json.loads(answer.stdout) == ["failed", 3, ["done"]]
        assert handle.wait(self.patience_seconds).exit_code == 3

    def test_a_job_goes_on_when_who_submitted_it_is_killed(self, infrastructure: Infrastructure) -> None:
        job = self.job("import time; time.sleep(2); print('done')")
        command = [sys.executable, "-c", cleandoc(programs.SUBMIT_ELSEWHERE)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(pickle.dumps((infrastructure, job)))
            process.stdin.close()
            job_id = process.stdout.readline().decode().strip()
            os.killpg(process.pid, signal.SIGKILL)  # with all that belongs to it, as when a terminal goes
        handle = infrastructure.attach(job_id)
        try:
            assert handle.id == job_id
            assert handle.wait(self.patience_seconds).ok
            assert list(handle.logs()) == ["done"]
        finally:
            handle.remove()

    def test_two_handles_of_one_job_see_the_same(
        self, infrastructure: Infrastructure, submit: Submit
    ) -> None:
        first = submit("import sys; print('done'); sys.exit(3)")
        second = pickle.loads(pickle.dumps(infrastructure)).attach(first.id)
        ends = [handle.wait(self.patience_seconds) for handle in (first, second)]
        assert ends[0] == ends[1]
        assert list(first.logs()) == list(second.logs()) == ["done"]

    @pytest.mark.parametrize("job_id", programs.NO_IDS, ids=lambda text: repr(text[:20]))
    def test_what_is_no_job_is_not_found(self, infrastructure: Infrastructure, job_id: str) -> None:
        with pytest.raises(JobNotFound):
            infrastructure.attach(job_id)

    def test_a_removed_job_is_not_found(
        self, infrastructure: Infrastructure, submit: Submit, kept: Callable[[], object]
    ) -> None:
        before = kept()
        handle = submit("print('done')")
        other = infrastructure.attach(handle.id)
        handle.wait(self.patience_seconds)
        handle.remove()
        assert kept() == before
        with pytest.raises(JobNotFound):
            infrastructure.attach(handle.id)
        for gone in (handle, other):
            with pytest.raises(JobNotFound):
                gone.status()
            with pytest.raises(JobNotFound):
                gone.wait(self.patience_seconds)
            with pytest.raises(JobNotFound):
                list(gone.logs())
            with pytest.raises(JobNotFound):
                gone.cancel()
            gone.remove()

    def test_a_running_job_is_stopped_and_removed(
        self, infrastructure: Infrastructure, submit: Submit, kept: Callable[[], object]
    ) -> None:
        before = kept()
        handle = submit(programs.SLEEPS)
        assert next(handle.logs()) == "ready"
        handle.remove()
        assert kept() == before
        with pytest.raises(JobNotFound):
            infrastructure.attach(handle.id)

    def test_several_jobs_run_at_once(self, submit: Submit) -> None:
        def run(number: int) -> JobHandle:
            source = "import sys, time; print('start', sys.argv[1], flush=True); time.sleep(1); print('end')"
            handle = submit(source, str(number))
            assert handle.wait(self.patience_seconds).ok
            return handle

        with ThreadPoolExecutor(self.jobs_at_once) as threads:
            handles = list(threads.map(run, range(self.jobs_at_once)))
        assert len({handle.id for handle in handles}) == self.jobs_at_once
        for number, handle in enumerate(handles):
            assert list(handle.logs()) == [f"start {number}", "end"]

    def test_a_job_may_have_any_name_labels_and_modest_resources(self, submit: Submit) -> None:
        handle = submit(
            "print('done')",
            name="Étl / nightly: 가나다 " + "x" * 300,
            labels={
                "team": "data",
                "example.com/flow-run": "0b1c",
                "odd Name!": "any value: é/🦉 " * 10,
                "e": "",
            },
            resources=Resources(cpus=0.5, memory_bytes=256 * 1024 * 1024),
        )
        assert handle.wait(self.patience_seconds).ok
        assert list(handle.logs()) == ["done"]

    def test_a_check_tries_a_job_and_leaves_nothing(
        self, infrastructure: Infrastructure, kept: Callable[[], object]
    ) -> None:
        before = kept()
        report = infrastructure.check()
        assert report.results
        assert report.ok, report
        assert kept() == before

    def test_a_copy_made_by_pickle_is_the_same(self, infrastructure: Infrastructure) -> None:
        infrastructure.check()
        assert pickle.loads(pickle.dumps(infrastructure)) == infrastructure


def _arguments() -> Iterator[str]:
    """Yield the arguments of all processes of this machine, where it tells them."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
