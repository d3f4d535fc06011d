"""Where a task's result is kept: templates of paths, targets, and the places of older programs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from blocks_core.errors import PackageMissing, PathNotFound, PathRefused
from blocks_core.mask import SECRETS_IN_USE
from blocks_flows import Flow, Parameter, flow, task
from blocks_flows.errors import FlowInvalid, ResultInvalid, ResultPathInvalid
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.results import (
    AzureResult,
    GCSResult,
    LocalResult,
    ResultPlace,
    S3Result,
    read_result,
    write_result,
)

SECRET = "planted-s3cret-of-the-path"
KEY = "cGxhbnRlZC1zM2NyZXQtb2YtYW4tYWNjb3VudA=="


def test_a_template_is_filled_in_with_facts_of_the_run_and_arguments(shelf) -> None:
    @task(result_storage_key="{flow_name}/{task_name}/{today}/{map_index}-{parameters[day]}-{x:03d}.pkl")
    def double(x):
        return 2 * x

    with Flow("f", result_storage=shelf, executor=LocalDaskExecutor(num_workers=2)) as f:
        Parameter("day")
        double.map([1, 2])
    f.run(day="monday", scheduled_start_time=datetime(2026, 1, 31, 23, tzinfo=UTC))
    assert sorted(shelf.files) == [
        "f/double/2026-01-31/0-monday-001.pkl",
        "f/double/2026-01-31/1-monday-002.pkl",
    ]
    assert read_result(shelf, "f/double/2026-01-31/1-monday-002.pkl") == 4


def test_an_argument_goes_before_a_parameter_of_the_same_name_and_defaults_count(shelf) -> None:
    @task(result_storage_key="{parameters[day]}/{scheduled_start_time:%Y}/{map_index}.pkl")
    def keep(day="sunday"):
        return day

    @flow(result_storage=shelf)
    def run(day):
        return keep()

    assert run("monday") == "sunday"
    assert [path for path in shelf.files if path.startswith("sunday/")] == [
        f"sunday/{datetime.now(UTC).year}/0.pkl"
    ]


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{dya}.pkl", ResultPathInvalid),
        ("{}.pkl", ResultPathInvalid),
        ("{day", ResultPathInvalid),
        ("{parameters[month]}.pkl", ResultPathInvalid),
        ("{day.real}.pkl", ResultPathInvalid),
        ("{day}/x.pkl", PathRefused),
        ("/etc/{task_name}", PathRefused),
    ],
)
def test_a_path_that_cannot_be_is_refused_before_the_task_is_run(shelf, template, error) -> None:
    ran = []

    @task(result_storage_key=template, result_storage=shelf)
    def keep(day):
        ran.append(day)

    with Flow("f") as f:
        kept = keep("../../etc")
    state = f.run().result[kept]
    assert isinstance(state.result, error), state.result
    assert ran == []
    assert shelf.files == {}


@pytest.mark.parametrize("value", [SecretStr(SECRET), SECRET, f"a-{SECRET}-b"])
def test_a_secret_is_kept_out_of_a_path(shelf, value, home, caplog) -> None:
    SECRETS_IN_USE.add([SECRET])

    @task(result_storage_key="{day}.pkl", result_storage=shelf)
    def keep(day):
        return 1

    with Flow("f") as f:
        kept = keep(value)
    state = f.run().result[kept]
    assert isinstance(state.result, ResultPathInvalid)
    assert SECRET not in str(state.result)
    assert shelf.files == {}
    assert SECRET.encode() not in b"".join(each.read_bytes() for each in home.glob("blocks.db*"))


def test_a_target_that_is_there_is_the_value_and_the_task_is_not_run(shelf, records, last_run) -> None:
    ran = []

    @task(target="{day}.pkl", result_storage=shelf)
    def make(day):
        ran.append(day)
        return [day]

    with Flow("f") as f:
        made = make(Parameter("day"))
    assert f.run(day="monday").result[made].result == ["monday"]
    state = f.run(day="monday").result[made]
    assert state.is_cached()
    assert state.result == ["monday"]
    [row] = [row for row in records.task_runs(last_run()["id"]) if row["task_name"] == "make"]
    assert (row["state_name"], row["result_location"]) == ("Cached", "shelf://monday.pkl")
    f.run(day="tuesday")
    assert ran == ["monday", "tuesday"]


def test_a_file_at_the_target_that_is_no_result_is_left_as_it_is(shelf) -> None:
    shelf.files["mine.csv"] = b"a,b"
    with Flow("f") as f:
        made = task(target="mine.csv", result_storage=shelf)(lambda: 1)()
    state = f.run().result[made]
    assert isinstance(state.result, ResultInvalid)
    assert shelf.files == {"mine.csv": b"a,b"}


def test_a_target_without_a_storage_lies_in_the_blocks_home(home) -> None:
    with Flow("f") as f:
        task(target="a/{task_name}.pkl", name="t")(lambda: 7)()
    f.run()
    assert (home / "results/a/t.pkl").is_file()
    assert LocalResult().read(location="a/t.pkl").value == 7


@pytest.mark.parametrize(
    "more", [{"target": "a.pkl"}, {"cache_key_fn": lambda *_: "k"}, {"result_storage_key": "a"}]
)
def test_a_task_cannot_keep_nothing_and_find_it_again(more) -> None:
    with pytest.raises(FlowInvalid, match=r"persist_result=False.*Leave one of them out"):
        task(persist_result=False, **more)(lambda: 1)


def test_a_result_of_the_older_kind_says_storage_and_path_in_one(tmp_path) -> None:
    place = LocalResult(dir=tmp_path / "kept", location="{x}.result")

    @task(result=place)
    def double(x):
        return 2 * x

    with Flow("f", executor=LocalDaskExecutor(num_workers=2)) as f:
        double.map([1, 2])
    f.run()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["1.result", "2.result"]
    assert LocalResult(tmp_path / "kept").read("2.result").value == 4


def test_declaring_a_place_makes_no_storage_and_reads_no_settings(monkeypatch) -> None:
    monkeypatch.setenv("BLOCKS_URL", "nonsense://")
    place = S3Result("bucket", credentials="aws-credentials/not-there")
    task(result=place)(lambda: 1)
    assert pickle.loads(pickle.dumps(place))._fields == {
        "bucket": "bucket",
        "credentials": "aws-credentials/not-there",
    }


def test_a_place_reads_writes_and_shows_a_value(tmp_path) -> None:
    place = LocalResult(tmp_path)
    assert repr(place) == "<LocalResult: None>"
    written = place.write("s3://data/model.joblib", "2021/10/4/a.prefect_result")
    assert written.location == "2021/10/4/a.prefect_result"
    assert place.exists(written.location)
    assert not place.exists("2021/10/4/b.prefect_result")
    assert (
        repr(place.read(location="2021/10/4/a.prefect_result")) == "<LocalResult: 's3://data/model.joblib'>"
    )
    own = place.write([1])
    assert own.read().value == [1]
    assert place.value is None
    with pytest.raises(PathNotFound):
        place.read("2021/10/4/b.prefect_result")
    with pytest.raises(ResultPathInvalid, match="no location"):
        place.read()
    with pytest.raises(ResultPathInvalid, match="a template"):
        LocalResult(tmp_path, location="{x}.pkl").exists()


def test_a_shown_value_has_no_secret_in_it(tmp_path) -> None:
    place = LocalResult(tmp_path).write({"key": SECRET})
    SECRETS_IN_USE.add([SECRET])
    assert repr(place) == "<LocalResult: {'key': '**********'}>"


def test_azure_takes_a_connection_string_and_shows_it_nowhere(monkeypatch) -> None:
    pytest.importorskip("blocks_azure")
    string = f"AccountName=blocks;AccountKey={KEY};BlobEndpoint=https://blocks.example"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", string)
    for place in (AzureResult("results"), AzureResult("results", connection_string=string)):
        credentials = place.storage.credentials
        assert credentials.connection_string.get_secret_value() == string
        assert KEY not in repr(place) + repr(place.__dict__)
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    with pytest.raises(ResultPathInvalid, match="credentials='azure-credentials/NAME'"):
        _ = AzureResult("results").storage


def test_results_lie_in_google_buckets_too(gcs_server, monkeypatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.url)
    bucket = gcs_server.make_bucket()
    from blocks_gcp import GCS

    stored = write_result(GCS(bucket=bucket, anonymous=True), "value")
    assert stored.path in gcs_server.objects(bucket)
    place = GCSResult(bucket, prefix="p")
    assert (place.storage.bucket, place.storage.prefix) == (bucket, "p")


def test_a_result_in_a_bucket_is_read_and_shown_as_older_programs_do(rclone_server, monkeypatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": rclone_server.id,
        "AWS_SECRET_ACCESS_KEY": rclone_server.secret,
        "AWS_ENDPOINT_URL": rclone_server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)

    @task(result=S3Result(bucket="raw", location="2021/10/4/{task_name}.prefect_result"))
    def train_model():
        return "s3://ohhara-prefect-data/model_0.01.joblib"

    with Flow("f") as f:
        train_model()
    assert f.run().is_successful()
    read = S3Result(bucket="raw").read(location="2021/10/4/train_model.prefect_result")
    assert repr(read) == "<S3Result: 's3://ohhara-prefect-data/model_0.01.joblib'>"
    assert not S3Result("raw").exists("2021/10/4/other.prefect_result")


class NowhereResult(ResultPlace):
    slug, plugin = "nowhere", "blocks-nowhere"


def test_a_plugin_that_is_not_installed_is_named() -> None:
    with pytest.raises(PackageMissing, match=r"type 'nowhere'.*pip install blocks-nowhere"):
        NowhereResult({}, None).read("a.result")


def test_a_flow_imports_no_plugin_to_name_a_place() -> None:
    program = (
        "import sys\nfrom blocks_flows import task\nfrom blocks_flows.results import S3Result\n"
        "task(result=S3Result(bucket='x'))(lambda: 1)\n"
        "print([name for name in ('blocks_aws', 'concurrent.futures', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout == "[]\n", done.stderr
