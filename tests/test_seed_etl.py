"""A user's program of the younger generation: fetch with a cache, write, upload; only imports and the address differ."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

PROGRAM = """\
from datetime import timedelta
from pathlib import Path
import pandas as pd
from blocks_flows import flow, task, task_input_hash
from blocks_gcp.cloud_storage import GcsBucket

@task(retries=3, cache_key_fn=task_input_hash, cache_expiration=timedelta(days=1))
def fetch(dataset_url: str) -> pd.DataFrame:
    \"\"\"Read taxi data from web into pandas DataFrame\"\"\"
    df = pd.read_csv(dataset_url)
    return df

@task()
def write_local(df: pd.DataFrame, color: str, dataset_file: str) -> Path:
    path = Path(f"data/{color}/{dataset_file}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    df.to_parquet(path)
    return path

@task()
def write_gcs(path: Path) -> None:
    \"\"\"Upload local parquet file to GCS\"\"\"
    gcs_block = GcsBucket.load("zoom-gcs")
    gcs_block.upload_from_path(from_path=path, to_path=path)
    return

@flow()
def etl_web_to_gcs()->None:
    \"\"\"Main ETL function\"\"\"
    color = "yellow"
    year = 2021
    month = 1
    dataset_file = f"{color}_tripdata_{year}-{month:02}"
    dataset_url = f"ADDRESS/nyc-tlc-data/releases/download/{color}/{dataset_file}.csv.gz"

    df = fetch(dataset_url)
    path = write_local(df, color, dataset_file)
    write_gcs(path)

if __name__ == '__main__':
    etl_web_to_gcs()
"""

RIDES = "VendorID,tpep_pickup_datetime,fare\n1,2021-01-01 00:30:10,8.0\n2,2021-01-01 00:51:20,3.0\n"


class _Releases(BaseHTTPRequestHandler):
    """Gives the data set, but for the first request, which fails."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = gzip.compress(RIDES.encode())
        self.send_response(500 if len(self.asked) == 1 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def releases() -> Iterator[ThreadingHTTPServer]:
    handler = type("Releases", (_Releases,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_program_fetches_once_and_uploads_each_time(releases, gcs_server, tmp_path) -> None:
    address = f"http://127.0.0.1:{releases.server_port}"
    (tmp_path / "etl_web_to_gcs.py").write_text(PROGRAM.replace("ADDRESS", address))
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "STORAGE_EMULATOR_HOST": gcs_server.url,
    }

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    bucket = gcs_server.make_bucket()
    run("block", "register", "-m", "blocks_gcp")
    run("block", "create", "gcs", "zoom-gcs", "--set", f"bucket={bucket}")
    first = run(sys.executable, "etl_web_to_gcs.py")
    assert "final state: 'Retrying'" in first
    path = "data/yellow/yellow_tripdata_2021-01.parquet"
    uploaded = gcs_server.content(bucket, path)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(uploaded)), pd.read_csv(io.StringIO(RIDES)))
    gcs_server.objects(bucket).clear()
    second = run(sys.executable, "etl_web_to_gcs.py")
    assert "Task 'fetch': Finished task run for task with final state: 'Cached'" in second
    assert gcs_server.content(bucket, path) == uploaded
    wanted = "/nyc-tlc-data/releases/download/yellow/yellow_tripdata_2021-01.csv.gz"
    assert releases.RequestHandlerClass.asked == [wanted] * 2
