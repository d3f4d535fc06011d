from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from blocks_flows.errors import FlowNotLoaded, ParametersInvalid
from blocks_flows.flow_commands import flow as flow_group

ETL = """
from __future__ import annotations
from datetime import date
from pydantic import SecretStr
from blocks_flows import Flow, Parameter, flow, signals, task

@task
def double(x):
    return 2 * x

@flow
def etl(day: date, times: int = 1, name: str = "x", only: list[str] | None = None):
    '''Do it.'''
    print("ran", repr((day, times, name, only)))
    return double(times)

@flow(name="other name")
def failing():
    raise ValueError("internal error")

@flow
def pausing():
    return pause()

@task
def pause():
    raise signals.PAUSE("wait")

@flow
def guarded(token: SecretStr = SecretStr("the-default-secret"), *, items: dict[str, int], **more):
    print("ran", type(token).__name__, items, more)

with Flow("graph") as graph:
    xs = Parameter("xs", default=[1], description="What to double.")
    Parameter("needed")
    double.map(xs)

state = graph.run(needed=1)
etl("2026-01-01")
print("loaded", state)
state.result
raise SystemExit("never reached")
"""


@pytest.fixture
def etl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return the path of a file of flows, whose module is forgotten at the end."""
    file = tmp_path / "code" / "etl_of_test.py"
    file.parent.mkdir()
    file.write_text(ETL)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield file
    sys.modules.pop("etl_of_test", None)


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(flow_group, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_flow_of_a_file_is_run_with_typed_parameters(etl) -> None:
    done = call(
        "run", f"{etl}:etl", "-p", "day=2026-11-27", "-p", "times=3", "-p", "name=123", "-p", 'only=["a"]'
    )
    assert done.exit_code == 0
    assert "ran (datetime.date(2026, 11, 27), 3, '123', ['a'])" in done.stdout
    assert "Flow run SUCCESS" in done.stdout


def test_what_the_file_runs_itself_is_passed_over(etl) -> None:
    done = call("run", f"{etl}:etl", "-p", "day=2026-11-27")
    assert done.stdout.count("ran (") == 1
    assert "Flow 'graph' is not run, as" in done.stderr
    assert "Flow 'etl' is not run, as" in done.stderr
    assert "loaded None" in done.stderr
    assert "not loaded to its end, as it looks at a run that was passed over: AttributeError" in done.stderr
    assert "(line 41)" in done.stderr


def test_the_exit_code_tells_the_end_and_json_has_standard_output_for_itself(etl, records) -> None:
    done = call("run", f"{etl}:other name", "-o", "json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["state"], told["type"], told["message"]) == (
        "Failed",
        "Failed",
        "ValueError: internal error",
    )
    assert records.find_run(told["id"])["flow_name"] == "other name"
    assert "Flow run FAILED" in done.stderr
    paused = call("run", f"{etl}:pausing")
    assert paused.exit_code == 4
    assert 'The run ended as Paused. To let it go on: "block run resume ' in paused.stderr


def test_all_problems_with_parameters_are_told_at_once(etl) -> None:
    with pytest.raises(ParametersInvalid) as caught:
        call("run", f"{etl}:etl", "-p", "tims=3")
    assert [problem.path for problem in caught.value.problems] == ["tims", "day"]
    assert "did you mean 'times'?" in str(caught.value)
    with pytest.raises(ParametersInvalid, match=r"times: .*integer.*; only: "):
        call("run", f"{etl}:etl", "-p", "day=2026-11-27", "-p", "times=many", "-p", "only=3")
    for given, text in (("times", "write NAME=VALUE. Did you mean times=…?"), ("=3", "write NAME=VALUE.")):
        done = call("run", f"{etl}:etl", "-p", given)
        assert done.exit_code == 2
        assert text in done.stderr
    assert "is given twice" in call("run", f"{etl}:etl", "-p", "times=1", "-p", "times=2").stderr


@pytest.mark.parametrize(
    "text", ["items: {a: 1}\ntoken: s3cret-of-file\nmore: x", '{"items": {"a": 1}, "more": "x"}']
)
def test_parameters_are_read_from_a_file(text, etl, tmp_path, home) -> None:
    file = tmp_path / "given"
    file.write_text(text)
    done = call("run", f"{etl}:guarded", "--params-file", str(file), "-p", "again=1")
    assert "ran SecretStr {'a': 1} {'more': 'x', 'again': 1}" in done.stdout
    assert b"s3cret-of-file" not in b"".join(each.read_bytes() for each in home.rglob("*") if each.is_file())


@pytest.mark.parametrize("text", ["a: [", "- 1", "1: 2", "\x00", "!!python/object/apply:os.system [true]"])
def test_a_file_that_holds_no_parameters_is_refused(text, etl, tmp_path) -> None:
    file = tmp_path / "given"
    file.write_text(text)
    done = call("run", f"{etl}:etl", "--params-file", str(file))
    assert done.exit_code == 2
    assert "name: value" in done.stderr


def test_the_schema_of_parameters_is_shown(etl) -> None:
    schema = json.loads(call("parameters", f"{etl}:etl").stdout)
    assert schema["required"] == ["day"]
    assert schema["properties"]["day"] == {"title": "Day", "type": "string", "format": "date"}
    assert schema["properties"]["times"] == {"title": "Times", "type": "integer", "default": 1}
    assert schema["additionalProperties"] is False


def test_the_flows_of_a_file_are_listed(etl) -> None:
    rows = json.loads(call("ls", str(etl), "-o", "json").stdout)
    assert [(row["variable"], row["name"], row["form"]) for row in rows] == [
        ("etl", "etl", "function"),
        ("failing", "other name", "function"),
        ("pausing", "pausing", "function"),
        ("guarded", "guarded", "function"),
        ("graph", "graph", "graph"),
    ]
    assert rows[0]["description"] == "Do it."
    assert rows[4]["parameters"] == ["xs", "needed"]


def test_a_graph_is_drawn(etl, tmp_path) -> None:
    assert "flowchart" in call("visualize", f"{etl}:graph").stdout
    call("visualize", f"{etl}:graph", "--to", str(tmp_path / "x.svg"))
    assert (tmp_path / "x.svg").read_text().startswith("<")
    assert "is a function" in call("visualize", f"{etl}:etl").stderr


def test_a_flow_that_is_not_there_is_an_error_that_names_those_that_are(etl, tmp_path) -> None:
    with pytest.raises(
        FlowNotLoaded, match=r"has no flow 'elt' .*there are: etl, failing, .*Did you mean 'etl'"
    ):
        call("run", f"{etl}:elt")
    with pytest.raises(FlowNotLoaded, match=r"declares 5 flows .*Say which one: .*etl_of_test\.py:NAME"):
        call("run", str(etl))
    with pytest.raises(FlowNotLoaded, match="There is no file"):
        call("run", str(tmp_path / "none.py"))
    with pytest.raises(FlowNotLoaded, match="no_such_module cannot be loaded: ModuleNotFoundError"):
        call("run", "no_such_module:etl")
    with pytest.raises(FlowNotLoaded, match="':etl' names no flow"):
        call("run", ":etl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nraise ValueError('no')", r"ValueError: no \(line 2\)"),
        ("x = (", r"SyntaxError: .* \(line 1\)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("from nothing_here import x", "ModuleNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_where(text, said, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "broken_of_test.py"
    file.write_text(text)
    with pytest.raises(FlowNotLoaded, match=rf"cannot be loaded: {said}"):
        call("ls", str(file))
    assert "broken_of_test" not in sys.modules


def test_a_file_named_like_a_module_is_loaded_all_the_same(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "json.py"
    file.write_text("from blocks_flows import flow\n@flow\ndef f(): print('ran', __name__)\n")
    assert "ran flow_file_json" in call("run", str(file)).stdout
    assert sys.modules.pop("flow_file_json").__file__ == str(file)
    assert json.dumps([]) == "[]"


@pytest.mark.parametrize("has_init", [True, False])
def test_a_file_in_a_package_keeps_its_relative_imports_and_is_restarted(has_init, tmp_path) -> None:
    package = tmp_path / "root" / "code_12"
    package.mkdir(parents=True)
    if has_init:
        (package / "__init__.py").touch()
    (package / "tasks.py").write_text(
        "from blocks_flows import task\nclass Point:\n  x = 3\n@task\ndef make():\n  print('made'); return Point()\n"
        "@task\ndef use(p):\n  import os\n  assert isinstance(p, Point)\n  if not os.path.exists('ready'): raise OSError\n"
        "  print('used', p.x)\n"
    )
    (package / "flow.py").write_text(
        "from blocks_flows import Flow\nfrom .tasks import make, use\nwith Flow('f') as flow:\n    use(make())\n"
        "if __name__ == '__main__':\n    flow.run()\n"
    )
    block = str(Path(sys.executable).with_name("block"))
    root = package.parent

    def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, env=os.environ)

    assert run(sys.executable, "-m", "code_12.flow", cwd=root).returncode == 0
    rows = json.loads(run(block, "run", "ls", "-o", "json", cwd=tmp_path).stdout)
    assert rows[0]["entry_point"] == "code_12.flow:flow"
    (root / "ready").touch()
    done = run(block, "run", "restart", rows[0]["id"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "used 3" in done.stdout
    assert "made" not in done.stdout
    assert run(block, "flow", "run", str(package / "flow.py"), cwd=root).returncode == 0
