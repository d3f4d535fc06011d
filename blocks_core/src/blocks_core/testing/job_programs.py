"""What `InfrastructureSuite` runs: programs for `python -c`, and texts that tend to be changed on their way."""

from __future__ import annotations

UNUSUAL_TEXTS = (
    "with space",
    "",
    " ",
    "'single' \"double\" `back`",
    "line one\nline two\n",
    "$HOME ${HOME} $(HOME) $$ $(echo no)",
    "* ? [a-z] {a,b} ~ ! # & ; | < > ( )",
    "back\\slash \\n",
    "%d %s %PATH%",
    "{{ template }} {python}",
    "가나다 é 🦉",
    "-",
    "--",
    "--help",
    "-c",
    "a=b",
    "a" * 20_000,
)
"""Arguments and values of variables that shells, templates and engines like to change."""

NO_IDS = (
    "no-such-job-4711",
    "",
    ".",
    "..",
    "../x",
    "/",
    "a/b",
    "a b",
    "x\ny",
    "-f",
    "*",
    "가나다",
    "A" * 5_000,
)
"""Texts that are no job's id."""

DIES_BY_SIGKILL = """
    import os, signal, sys, time
    for number in range(3):
        print("line", number, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.5)  # the first process of a container cannot kill itself: it ends as a shell around it would
    sys.exit(128 + signal.SIGKILL)
"""
"""Prints three lines and dies."""
ANSWERS_SIGTERM = """
    import signal, sys, time
    def asked(*_):
        print("asked to end", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, asked)
    print("ready", flush=True)
    time.sleep(600)
"""
"""Ends when it is asked to, and says so."""
IGNORES_SIGTERM = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(600)
"""
"""Does not end when it is asked to."""
HAS_A_CHILD = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, "-c", "import time; print('child', flush=True); time.sleep(600)"])
    time.sleep(600)
"""
"""Starts another program that goes on printing to the same place."""
SLEEPS = """
    import time
    print("ready", flush=True)
    time.sleep(600)
"""
"""Prints a line and goes on."""

HASHES_ITS_TOKEN = """
    import hashlib, os, time
    print(hashlib.sha256(os.environ["TOKEN"].encode()).hexdigest(), flush=True)
    time.sleep(600)
"""
"""Shows that it has the variable TOKEN, and not what that is."""
SUBMIT_ELSEWHERE = """
    import pickle, sys, time
    block, job = pickle.load(sys.stdin.buffer)
    print(block.submit(job).id, flush=True)
    time.sleep(600)
"""
"""For this machine: submits the job that comes by standard input, prints its id, and goes on."""
WAIT_ELSEWHERE = """
    import json, pickle, sys
    block, job_id, patience_seconds = pickle.load(sys.stdin.buffer)
    handle = block.attach(job_id)
    end = handle.wait(patience_seconds)
    print(json.dumps([end.status, end.exit_code, list(handle.logs())]))
"""
"""For this machine: waits for the job whose id comes by standard input, and prints its end."""
