"""Jobs as processes when something is killed, lost, restarted, or full."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import random
from threading import Event, Thread

import pytest

from blocks_core.errors import InfrastructureFailed, JobNotFound
from blocks_core.jobs import ENDED, Job
from blocks_standard import Process, supervisor
from blocks_standard.job_records import JobRecord
from blocks_standard.supervisor import began

SUBMIT = """
import pickle, sys, time
block, job = pickle.load(sys.stdin.buffer)
print("ready", flush=True)
for _ in range(3):
    block.submit(job)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path):
    return Process(jobs_folder=tmp_path / "jobs", grace_seconds=1)


def program(source):
    return (sys.executable, "-c", source)


def started(process, *command):
    """Return a job that has printed its first line: a number."""
    handle = process.submit(Job(command))
    return handle, int(next(handle.logs()))


def supervisor_of(process, handle):
    found = with_arguments(handle.id)
    assert found, "it has ended"
    return found[0]


def with_arguments(text):
    """Return the processes that have a text in their arguments."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def kill_all(process):
    for pid in with_arguments(str(process_folder(process))):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def process_folder(process):
    return Path(process.jobs_folder)


def lives(pid):
    """Tell whether a process runs; one that nobody reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(pid, seconds=30.0):
    until = time.monotonic() + seconds
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not lives(pid)


def kill_supervisor(process, handle):
    pid = supervisor_of(process, handle)
    os.kill(pid, signal.SIGKILL)
    assert ends(pid)


class TestTheSupervisorIsKilled:
    def test_the_job_has_crashed_and_its_command_does_not_live_on(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; sleep 600")
        kill_supervisor(process, handle)
        end = handle.wait(60)
        assert (end.status, end.exit_code) == ("crashed", None)
        assert "supervisor was killed" in end.reason
        assert end.log_tail == (str(command),)
        assert ends(command)
        assert handle.status() == process.attach(handle.id).status() == "crashed"

    def test_who_waits_at_that_moment_is_told(self, process):
        handle, _ = started(process, "sh", "-c", "echo $$; sleep 600")
        code = f"import os, time; time.sleep(0.5); os.kill({supervisor_of(process, handle)}, 9)"
        with subprocess.Popen([sys.executable, "-c", code]):
            assert handle.wait(30).status == "crashed"

    def test_who_reads_the_log_at_that_moment_is_not_kept_waiting(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; sleep 600")
        lines = handle.logs()
        assert next(lines) == str(command)
        kill_supervisor(process, handle)
        assert list(lines) == []

    def test_the_next_submit_kills_a_command_that_nobody_asks_for(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; sleep 600")
        kill_supervisor(process, handle)
        assert lives(command)
        process.submit(Job(("true",))).wait(60)
        assert ends(command)

    @pytest.mark.parametrize("action", ["cancel", "remove"])
    def test_to_cancel_or_remove_the_job_kills_the_command(self, process, action):
        handle, command = started(process, "sh", "-c", "echo $$; sleep 600")
        kill_supervisor(process, handle)
        getattr(handle, action)()
        assert ends(command)

    def test_what_the_command_left_is_killed_where_the_command_has_ended(self, process):
        handle, command = started(process, "sh", "-c", "sleep 600 & echo $!; exec sleep 600")
        kill_supervisor(process, handle)
        leader = int((process_folder(process) / handle.id / "group").read_text().split()[0])
        os.kill(leader, signal.SIGKILL)
        assert ends(leader)
        assert handle.status() == "crashed"
        assert ends(command)

    def test_no_stranger_with_the_number_of_the_command_is_killed(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; sleep 600")
        kill_supervisor(process, handle)
        os.killpg(command, signal.SIGKILL)
        with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
            group = process_folder(process) / handle.id / "group"
            group.write_text(f"{stranger.pid} {int(group.read_text().split()[1]) - 1}")
            assert handle.status() == "crashed"
            time.sleep(0.1)
            assert stranger.poll() is None
            stranger.kill()

    def test_an_unreadable_pipe_is_no_sign_of_death(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; sleep 600")
        control = process_folder(process) / handle.id / "control"
        control.rename(control.with_name("aside"))
        control.mkdir()
        with pytest.raises(InfrastructureFailed, match="cannot be looked at"):
            handle.status()
        assert lives(command)
        control.rmdir()
        control.with_name("aside").rename(control)
        handle.remove()

    def test_asked_to_end_it_ends_its_command_first(self, process):
        source = """
import os, signal, sys, time
def asked(*_):
    print("asked", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, asked)
print(os.getpid(), flush=True)
time.sleep(600)
"""
        handle, command = started(process, *program(source))
        os.kill(supervisor_of(process, handle), signal.SIGTERM)
        end = handle.wait(60)
        assert (end.status, end.exit_code) == ("crashed", 0)
        assert "SIGTERM" in end.reason
        assert end.log_tail == (str(command), "asked")

    def test_at_any_moment_no_job_is_left_without_an_end(self, process):
        for number in range(12):
            handle = process.submit(Job(("sh", "-c", f"echo $$; sleep 0.0{number % 5}; echo end")))
            time.sleep(number * 0.005)
            with suppress(AssertionError):  # it had ended
                os.kill(supervisor_of(process, handle), signal.SIGKILL)
            end = handle.wait(60)
            assert end.status in {"crashed", "completed"}
            assert handle.wait(0) == end
            assert ends(int(end.log_tail[0])) if end.log_tail else True

    def test_while_it_starts_there_is_no_job_and_no_command(self, process):
        for number in range(8):
            mark, submitted = f"{600 + random()}", Event()

            def kill(delay=number * 0.004, submitted=submitted):
                while not with_arguments(str(process_folder(process))):
                    time.sleep(0.001)
                time.sleep(delay)
                while not submitted.wait(0.001):
                    kill_all(process)

            thread = Thread(target=kill)
            thread.start()
            handle = None
            with suppress(InfrastructureFailed):
                handle = process.submit(Job(("sleep", mark)))
            submitted.set()
            thread.join()
            kill_all(process)
            if handle:  # it had started
                assert handle.wait(60).status == "crashed"
            assert all(ends(pid) for pid in with_arguments(f"sleep\0{mark}\0"))


class TestTheCommandIsKilled:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
    def test_the_signal_is_told(self, process, number):
        handle, command = started(process, "sh", "-c", "echo $$; exec sleep 600")
        os.kill(command, number)
        end = handle.wait(60)
        assert (end.status, end.exit_code, end.reason) == (
            "crashed",
            128 + number,
            f"killed by {number.name}",
        )

    def test_what_it_left_behind_ends_with_it(self, process):
        handle, child = started(process, "sh", "-c", "sleep 600 & echo $!; exit 3")
        assert handle.wait(60).exit_code == 3
        assert ends(child)


class TestCancelling:
    def test_what_a_shell_runs_has_time_to_end_though_the_shell_has_ended(self, process):
        source = """
import os, signal, sys, time
def asked(*_):
    time.sleep(0.5)
    print("cleaned up", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, asked)
print(os.getpid(), flush=True)
time.sleep(600)
"""
        handle, _ = started(process, "sh", "-c", '"$0" -c "$1"; true', sys.executable, source)
        handle.cancel()
        end = handle.wait(60)
        assert (end.status, end.log_tail[-1]) == ("cancelled", "cleaned up")

    def test_a_child_that_does_not_end_is_killed_after_the_grace_period(self, process):
        handle, child = started(
            process, "sh", "-c", "(trap '' TERM; exec sh -c 'echo $$; sleep 600') & sleep 600"
        )
        before = time.monotonic()
        handle.cancel()
        assert handle.wait(60).status == "cancelled"
        assert time.monotonic() - before >= 0.9
        assert ends(child)

    def test_a_command_that_was_halted_is_asked_and_ends(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; exec sleep 600")
        os.kill(command, signal.SIGSTOP)
        handle.cancel()
        assert handle.wait(60).exit_code == 128 + signal.SIGTERM

    def test_removing_does_not_wait_for_the_grace_period(self, tmp_path):
        process = Process(jobs_folder=tmp_path, grace_seconds=600)
        handle, command = started(process, "sh", "-c", "trap '' TERM; echo $$; sleep 600; sleep 600")
        handle.cancel()
        handle.remove()
        assert ends(command)

    def test_it_goes_on_when_who_cancelled_is_gone(self, process):
        handle, command = started(process, "sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done")
        code = "import pickle, sys; block, id = pickle.load(sys.stdin.buffer); block.attach(id).cancel()"
        subprocess.run([sys.executable, "-c", code], input=pickle.dumps((process, handle.id)), check=True)
        assert handle.wait(60).status == "cancelled"
        assert not lives(command)


class TestTheSubmitterIsKilled:
    def test_at_any_moment_there_is_a_job_or_none(self, process):
        job = Job(("sh", "-c", "echo $$; sleep 0.2"))
        for number in range(8):
            with subprocess.Popen(
                [sys.executable, "-c", SUBMIT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            ) as submitter:
                submitter.stdin.write(pickle.dumps((process, job)))
                submitter.stdin.close()
                assert submitter.stdout.readline() == b"ready\n"
                time.sleep(number * 0.02)
                os.killpg(submitter.pid, signal.SIGKILL)
        time.sleep(0.5)
        for folder in process_folder(process).iterdir():
            try:
                end = process.attach(folder.name).wait(60)
            except JobNotFound:
                continue  # killed before there was a job
            assert end.ok

    @pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
    def test_half_a_request_starts_nothing(self, tmp_path, part):
        request = supervisor.request_of(["touch", str(tmp_path / "touched")], {"A": "b"}, "/", 1)
        command = [sys.executable, "-I", "-S", supervisor.__file__, str(tmp_path)]
        done = subprocess.run(command, input=request[: int(part * len(request))], check=False)
        assert done.returncode == 1
        assert list(tmp_path.iterdir()) == []


class TestTheMachine:
    def test_restarted_the_job_has_crashed_and_nobody_else_is_killed(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; exec sleep 600")
        kill_supervisor(process, handle)
        file = process_folder(process) / handle.id / "record"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"boot": "another"}))
        end = handle.wait(60)
        assert (end.status, end.reason) == ("crashed", "the machine was restarted")
        assert lives(command)
        os.killpg(command, signal.SIGKILL)

    def test_another_one_is_named(self, process):
        handle, command = started(process, "sh", "-c", "echo $$; exec sleep 600")
        kill_supervisor(process, handle)
        file = process_folder(process) / handle.id / "record"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"machine": "worker-7"}))
        for action in (handle.status, handle.wait, handle.cancel, handle.remove):
            with pytest.raises(InfrastructureFailed, match="'worker-7'"):
                action()
        assert process.submit(Job(("true",))).wait(60).ok
        assert lives(command)
        os.killpg(command, signal.SIGKILL)

    def test_what_ended_on_another_one_is_told(self, process):
        handle = process.submit(Job(("sh", "-c", "exit 3")))
        handle.wait(60)
        file = process_folder(process) / handle.id / "record"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"machine": "worker-7"}))
        assert process.attach(handle.id).wait(0).exit_code == 3

    @pytest.mark.parametrize("text", ["", "\0" * 64, "garbage", "3"])
    def test_an_end_that_did_not_reach_the_disk_is_a_crash(self, process, text):
        handle = process.submit(Job(("true",)))
        handle.wait(60)
        (process_folder(process) / handle.id / "end").write_text(text)
        end = handle.wait(0)
        assert end.status == "crashed"
        assert "cannot be read" in end.reason

    def test_when_a_process_began_is_asked_of_ps_where_there_is_no_proc(self, tmp_path):
        mine, parents = (began(pid, proc=str(tmp_path)) for pid in (os.getpid(), 1))
        assert mine
        assert mine != parents
        assert began(2**22, proc=str(tmp_path)) == ""


class TestAFullDisk:
    def test_a_job_is_refused_and_nothing_is_left(self, small_disk):
        process = Process(jobs_folder=small_disk)
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={small_disk / 'full'}"], stderr=subprocess.DEVNULL, check=False
        )
        with pytest.raises(InfrastructureFailed, match=r"No space left on device.*Free some space"):
            process.submit(Job(("true",)))
        assert [path.name for path in small_disk.iterdir()] == ["full"]

    def test_how_a_job_ended_is_told_though_its_log_filled_the_disk(self, small_disk):
        process = Process(jobs_folder=small_disk)
        handle = process.submit(Job(("sh", "-c", "yes 2>&1; exit 3")))
        end = handle.wait(30)
        assert (end.status, end.exit_code) == ("failed", 3)
        assert (small_disk / handle.id / "log").stat().st_size > 100_000
        handle.remove()
        assert list(small_disk.iterdir()) == []

    def test_a_lost_job_is_told_though_that_cannot_be_written(self, small_disk):
        process = Process(jobs_folder=small_disk)
        handle = process.submit(Job(("sh", "-c", "yes 2>/dev/null; sleep 600")))
        while len(list(JobRecord(small_disk / handle.id).log.read_bytes())) < 150_000:
            time.sleep(0.01)
        kill_supervisor(process, handle)
        assert handle.status() in ENDED
        assert handle.wait(0).status == "crashed"
