"""Run a command wherever a saved block says: here, in a container, or as a Kubernetes job.

    python examples/anywhere.py process/here -- python3 examples/words.py speech.txt
    python examples/anywhere.py docker-container/box -- python3 examples/words.py speech.txt
    python examples/anywhere.py kubernetes-job/cluster -- python3 examples/words.py speech.txt

What it uses of blocks it finds where this program does: the registry's address and the keys go with it, as secrets.
"""

from __future__ import annotations

import argparse
import os
import sys

from pydantic import SecretStr

from blocks_core import Infrastructure, Job

GOES_WITH_IT = ("BLOCKS_URL", "BLOCKS_KEYS", "BLOCKS_KEYRING")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command wherever a saved block says.")
    parser.add_argument("block", help="such as process/here")
    parser.add_argument("command", nargs="+", help="the program and its arguments, after --")
    given = parser.parse_args()
    job = Job(
        command=tuple(given.command),
        name="words",
        secret_environment={name: SecretStr(os.environ[name]) for name in GOES_WITH_IT if name in os.environ},
    )
    handle = Infrastructure.load(given.block).submit(job)
    print(f"Submitted {handle.id}.", flush=True)
    try:
        for line in handle.logs():
            print(line, flush=True)
        end = handle.wait()
    except KeyboardInterrupt:
        handle.cancel()
        return 130
    print(f"{end.status}{f': {end.reason}' if end.reason else ''}, exit code {end.exit_code}")
    return 0 if end.ok else 1


if __name__ == "__main__":
    sys.exit(main())
