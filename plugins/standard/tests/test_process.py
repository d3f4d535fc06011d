"""Jobs as processes of this machine: what they get, what is refused, what is kept."""

import json
import os
import signal
import stat
import sys
import threading
import time
import traceback
import tracemalloc
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from blocks_core.errors import InfrastructureFailed, JobNotFound, JobRefused
from blocks_core.jobs import LOG_TAIL_CHARACTERS, MAX_LINE_CHARACTERS, Job
from blocks_standard import Process

CANARY = "canary-4711-canary"


@pytest.fixture
def process(tmp_path):
    return Process(jobs_folder=tmp_path / "jobs", grace_seconds=2)


def run(process, *command, **options):
    """Return how a job ended and what it printed."""
    handle = process.submit(Job(command, **options))
    return handle.wait(60), list(handle.logs())


def program(source):
    return (sys.executable, "-c", source)


def running_below(folder):
    """Return the processes that have a folder in their arguments: the supervisors of its jobs."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


class TestWhatAJobGets:
    def test_variables_of_the_block_and_of_the_program_that_submits(self, tmp_path, monkeypatch):
        monkeypatch.setenv("INHERITED", "inherited")
        monkeypatch.setenv("BLOCK", "inherited")
        process = Process(
            jobs_folder=tmp_path,
            environment={"BLOCK": "block", "JOB": "block"},
            secret_environment={"TOKEN": CANARY, "JOB_TOKEN": "block"},
        )
        job = {"environment": {"JOB": "job"}, "secret_environment": {"JOB_TOKEN": SecretStr("job")}}
        _, lines = run(process, "sh", "-c", "echo $INHERITED $BLOCK $JOB $TOKEN $JOB_TOKEN", **job)
        assert lines == [f"inherited block job {CANARY} job"]

    def test_nothing_is_inherited_where_that_is_off(self, tmp_path, monkeypatch):
        monkeypatch.setenv("INHERITED", "inherited")
        process = Process(jobs_folder=tmp_path, inherit_environment=False, environment={"ONLY": "this"})
        _, lines = run(process, "/usr/bin/env")
        assert lines == ["ONLY=this"]
        assert run(process, "sh", "-c", "echo found")[1] == ["found"]

    def test_the_folder_of_the_block_or_of_the_program_that_submits(self, tmp_path, monkeypatch):
        (tmp_path / "here" / "below").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        block = Process(jobs_folder=tmp_path / "jobs", working_directory=tmp_path / "here")
        assert run(block, "pwd")[1] == [str(tmp_path / "here")]
        assert run(block, "pwd", working_directory="below")[1] == [str(tmp_path / "here" / "below")]
        assert run(block, "pwd", working_directory="/")[1] == ["/"]
        assert run(Process(jobs_folder=tmp_path / "jobs"), "pwd")[1] == [str(tmp_path)]

    def test_a_program_beside_it(self, process, tmp_path):
        script = tmp_path / "run.sh"
        script.write_text("#!/bin/sh\necho beside\n")
        script.chmod(0o700)
        assert run(process, "./run.sh", working_directory=str(tmp_path))[1] == ["beside"]

    def test_no_input(self, process):
        assert run(process, "cat")[0].ok

    def test_signals_as_every_program_expects_them(self, process):
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            _, lines = run(process, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            signal.signal(signal.SIGINT, before)
        of_the_c_library = 0b11 << 31  # 32 and 33: no program sets them, and none can set them back
        assert [int(line.split()[1], 16) & ~of_the_c_library for line in lines] == [0, 0]

    def test_no_open_file_of_the_program_that_submits(self, process, tmp_path):
        with (tmp_path / "open").open("w") as file:
            os.set_inheritable(file.fileno(), True)
            _, lines = run(process, "ls", "/proc/self/fd")
        assert lines == ["0", "1", "2", "3"]  # the last is the folder that ls reads


class TestRefusals:
    def test_a_program_that_is_not_there(self, process, tmp_path):
        with pytest.raises(JobRefused, match=r"'no-such-program' cannot be used: No such file.*Install it"):
            process.submit(Job(("no-such-program",)))
        assert list(tmp_path.glob("jobs/*")) == []

    def test_a_program_that_may_not_be_executed(self, process, tmp_path):
        (tmp_path / "run.sh").write_text("#!/bin/sh\n")
        with pytest.raises(JobRefused, match=r"Permission denied.*chmod \+x"):
            process.submit(Job((str(tmp_path / "run.sh"),)))

    def test_a_script_without_its_interpreter(self, process, tmp_path):
        script = tmp_path / "run.sh"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o700)
        with pytest.raises(JobRefused, match="first line"):
            process.submit(Job((str(script),)))

    def test_a_file_that_is_no_program(self, process, tmp_path):
        script = tmp_path / "run.sh"
        script.write_text("echo no first line")
        script.chmod(0o700)
        with pytest.raises(JobRefused, match=r"Exec format error.*#!"):
            process.submit(Job((str(script),)))

    def test_a_folder_as_a_program(self, process, tmp_path):
        with pytest.raises(JobRefused, match="Permission denied"):
            process.submit(Job((str(tmp_path),)))

    def test_arguments_that_are_too_long(self, process):
        with pytest.raises(JobRefused, match=r"too long.*pass a file"):
            process.submit(Job(("true", "x" * 4_000_000)))

    def test_a_working_directory_that_is_not_there(self, process, tmp_path):
        with pytest.raises(JobRefused, match=r"'/no/such/folder' cannot be used: No such file.*Make it"):
            process.submit(Job(("true",), working_directory="/no/such/folder"))
        assert list(tmp_path.glob("jobs/*")) == []

    @pytest.mark.parametrize("field", ["jobs_folder", "working_directory"])
    def test_a_folder_that_depends_on_where_a_program_is_started(self, field):
        with pytest.raises(ValidationError, match="Write it from the root"):
            Process.model_validate({field: "jobs"})

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"environment": {"A B": "c"}}, "'A B' is no name"),
            ({"environment": {"A": "b\0"}}, "zero byte"),
            ({"secret_environment": {"A=": CANARY}}, "'A=' is no name"),
            ({"environment": {"A": "b"}, "secret_environment": {"A": CANARY}}, "Give it once"),
            ({"grace_seconds": float("inf")}, "finite"),
            ({"grace_seconds": -1}, "greater"),
        ],
    )
    def test_fields_that_cannot_be_meant(self, fields, words):
        with pytest.raises(ValidationError, match=words) as caught:
            Process.model_validate(fields)
        assert CANARY not in str(caught.value)

    def test_a_secret_of_the_block_that_no_process_can_be_given(self, tmp_path):
        process = Process(jobs_folder=tmp_path, secret_environment={"TOKEN": f"{CANARY}\0"})
        with pytest.raises(JobRefused, match="TOKEN") as caught:
            process.submit(Job(("true",)))
        assert CANARY not in str(caught.value)

    def test_no_refusal_shows_a_secret_of_the_block(self, tmp_path):
        process = Process(jobs_folder=tmp_path, secret_environment={"TOKEN": CANARY})
        for job in (Job((f"/{CANARY}",)), Job(("true",), working_directory=f"/{CANARY}")):
            with pytest.raises(JobRefused, match=r"cannot be used") as caught:
                process.submit(job)
            assert CANARY not in "".join(traceback.format_exception(caught.value))

    def test_a_folder_of_jobs_that_is_a_file(self, tmp_path):
        (tmp_path / "jobs").write_text("")
        process = Process(jobs_folder=tmp_path / "jobs")
        with pytest.raises(InfrastructureFailed, match=r"File exists.*jobs_folder"):
            process.submit(Job(("true",)))

    def test_a_folder_of_jobs_that_takes_no_writes(self, read_only_disk):
        process = Process(jobs_folder=read_only_disk / "jobs")
        with pytest.raises(InfrastructureFailed, match=r"Read-only file system.*Let this user write"):
            process.submit(Job(("true",)))
        report = process.check()
        assert [(result.name, result.ok) for result in report.results] == [("folder of jobs", False)]


class TestWhatIsKept:
    def test_jobs_lie_in_the_home_of_blocks_where_nothing_else_is_said(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BLOCKS_HOME", str(tmp_path / "home"))
        handle = Process().submit(Job(("true",)))
        assert handle.wait(60).ok
        for folder in (tmp_path / "home", tmp_path / "home" / "jobs", tmp_path / "home" / "jobs" / handle.id):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_only_the_user_may_look(self, process, tmp_path):
        before = os.umask(0)
        try:
            handle = process.submit(Job(("true",)))
        finally:
            os.umask(before)
        handle.wait(60)
        jobs = tmp_path / "jobs"
        assert [stat.S_IMODE(path.stat().st_mode) for path in (jobs, jobs / handle.id)] == [0o700] * 2

    def test_no_variable_is_in_any_file(self, process, tmp_path):
        secret = {"TOKEN": SecretStr(CANARY)}
        handle = process.submit(Job(("sleep", "30"), secret_environment=secret))
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"record", "log", "group", "end.new"}
        assert not [path for path in files if CANARY.encode() in path.read_bytes()]
        handle.remove()

    def test_name_and_labels_are_kept(self, process, tmp_path):
        handle = process.submit(Job(("true",), name="Étl: nightly!", labels={"team": "가나다"}))
        kept = json.loads((tmp_path / "jobs" / handle.id / "record").read_text("utf-8"))
        assert kept["name"] == "Étl: nightly!"
        assert kept["labels"] == {"team": "가나다"}
        assert handle.id.startswith("tl-nightly-")

    @pytest.mark.parametrize("name", ["", "../../x", "가나다", "A" * 500, "a/b\0c\n"])
    def test_any_name_gives_an_id_that_is_found(self, process, name):
        handle = process.submit(Job(("true",), name=name))
        assert process.attach(handle.id).wait(60).ok

    def test_what_ended_long_ago_is_removed_when_the_next_job_is_submitted(self, tmp_path):
        process = Process(jobs_folder=tmp_path, keep_seconds=3600)
        old, recent = (process.submit(Job(("true",))) for _ in range(2))
        running = process.submit(Job(("sleep", "30")))
        for handle in (old, recent):
            handle.wait(60)
        long_ago = time.time() - 3700
        for handle in (old, running):
            for path in (tmp_path / handle.id).iterdir():
                os.utime(path, (long_ago, long_ago))
            os.utime(tmp_path / handle.id, (long_ago, long_ago))
        process.submit(Job(("true",))).wait(60)
        with pytest.raises(JobNotFound):
            process.attach(old.id)
        assert process.attach(recent.id).status() == "completed"
        assert process.attach(running.id).status() == "running"
        running.remove()

    def test_a_folder_that_never_became_a_job_is_removed_after_a_while(self, tmp_path):
        process = Process(jobs_folder=tmp_path, keep_seconds=0)
        for name, seconds in (("old", 3700), ("new", 0)):
            (tmp_path / name).mkdir()
            os.utime(tmp_path / name, (time.time() - seconds,) * 2)
        process.submit(Job(("true",))).wait(60)
        assert not (tmp_path / "old").exists()
        assert (tmp_path / "new").exists()

    def test_nothing_is_left_in_the_program_that_submits(self, process):
        def held():
            return len(os.listdir("/proc/self/fd")), threading.active_count(), children()

        def children():
            return Path(f"/proc/self/task/{os.getpid()}/children").read_text()

        run(process, "true")
        before = held()
        for _ in range(3):
            handle = process.submit(Job(("sleep", "0.1")))
            next(handle.logs(), None)
            handle.wait(60)
            handle.status()
        process.submit(Job(("sleep", "30"))).remove()
        assert held() == before

    def test_no_process_is_left_when_a_job_has_ended(self, process, tmp_path):
        handle = process.submit(Job(("sleep", "30")))
        assert len(running_below(tmp_path)) == 1
        handle.cancel()
        handle.wait(60)
        until = time.monotonic() + 5
        while running_below(tmp_path) and time.monotonic() < until:
            time.sleep(0.01)
        assert running_below(tmp_path) == []


class TestLargeLogs:
    def test_a_log_of_100_megabytes_is_read_in_constant_memory(self, process):
        handle = process.submit(Job(program("for _ in range(100_000): print('x' * 1_023)")))
        handle.wait(120)
        tracemalloc.start()
        count = sum(len(line) == 1_023 for line in handle.logs())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 100_000
        assert peak < 4_000_000

    def test_one_line_of_100_megabytes_is_read_in_constant_memory(self, process):
        handle = process.submit(
            Job(program("import sys\nfor _ in range(100): sys.stdout.write('x' * 1_000_000)\nsys.exit(3)"))
        )
        tracemalloc.start()
        end = handle.wait(120)
        lengths = [len(line) for line in handle.logs()]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(lengths) == 100_000_000
        assert set(lengths[:-1]) == {MAX_LINE_CHARACTERS}
        assert len(end.log_tail) == 1
        assert len(end.log_tail[0]) < LOG_TAIL_CHARACTERS + 10
        assert peak < 10_000_000


def test_a_check_tells_each_step(process):
    report = process.check()
    assert [result.name for result in report.results] == ["folder of jobs", "start", "output", "end"]
    assert report.ok


def test_a_check_tells_what_stops_it(tmp_path):
    report = Process(jobs_folder=tmp_path / "jobs", working_directory="/no/such/folder").check()
    assert [(result.name, result.ok) for result in report.results] == [
        ("folder of jobs", True),
        ("start", False),
    ]
    assert "/no/such/folder" in report.results[-1].detail
    assert list((tmp_path / "jobs").iterdir()) == []
