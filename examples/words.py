"""Count the words of a text in S3 and keep the result there: a flow that knows nothing of where it runs.

    python examples/words.py speech.txt
    python examples/anywhere.py kubernetes-job/cluster -- python3 examples/words.py speech.txt

It needs a saved block `s3/data`. The same program runs as a process, in a container and as a Kubernetes job.
"""

from __future__ import annotations

import sys
from collections import Counter

from blocks_aws import S3
from blocks_flows import flow, task


@task
def words_of(path: str) -> list[str]:
    return S3.load("data").read(path).decode().lower().split()


@task
def counted(words: list[str]) -> Counter[str]:
    return Counter(words)


@flow
def count_words(path: str) -> list[tuple[str, int]]:
    found = counted(words_of(path)).most_common(3)
    S3.load("data").write(f"{path}.counts", "\n".join(f"{word} {count}" for word, count in found).encode())
    return found


if __name__ == "__main__":
    for word, count in count_words(sys.argv[1]):
        print(f"{word}: {count}", flush=True)
