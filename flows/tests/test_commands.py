from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from blocks_core.errors import NotFound
from blocks_flows import Flow, Parameter, flow, task
from blocks_flows.commands import run as run_group


@task
def double(x):
    return 2 * x


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(run_group, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def runs(shelf, inbox, capsys) -> list[str]:
    """Three runs, the last one first: one with a child, one that failed, one with results."""

    @flow
    def inner():
        return double(1)

    @flow
    def outer():
        return inner()

    @flow(on_failure=inbox)
    def broken():
        raise ValueError("internal error")

    with Flow("etl", result_storage=shelf) as f:
        double.map(Parameter("xs", default=[1]))
    f.run(xs=[3, 4])
    broken.run()
    outer.run()
    capsys.readouterr()
    return [row["id"] for row in json.loads(call("ls", "-o", "json").stdout)]


def test_runs_are_listed_the_newest_first(runs) -> None:
    lines = call("ls").stdout.splitlines()
    assert lines[0].split() == ["Id", "Flow", "Name", "State", "Started", "Seconds"]
    assert [line.split()[1] for line in lines[1:]] == ["inner", "outer", "broken", "etl"]
    assert lines[1].startswith(runs[0][:8])


def test_the_list_is_filtered(runs) -> None:
    def flows(*options: str) -> list[str]:
        return [row["flow_name"] for row in json.loads(call("ls", "-o", "json", *options).stdout)]

    assert flows("--flow", "etl") == ["etl"]
    assert flows("--state", "failed") == ["broken"]
    assert flows("--limit", "1") == ["inner"]
    assert flows("--flow", "nothing") == []
    nothing = call("ls", "--flow", "nothing")
    assert nothing.stdout == ""
    assert "No flow runs are recorded here" in nothing.stderr


def test_a_run_is_shown_whole_by_the_beginning_of_its_id(runs) -> None:
    text = call("inspect", runs[3][:8]).stdout
    for part in (
        "etl",
        "xs",
        "Task runs",
        "double[1]",
        "shelf://",
        "States",
        "All reference tasks succeeded.",
    ):
        assert part in text
    found = json.loads(call("inspect", runs[3], "-o", "json").stdout)
    assert found["parameters"] == {"xs": [3, 4]}
    assert [row["name"] for row in found["task_runs"] if row["map_index"] == 1] == ["double[1]"]
    assert found["state_at"].endswith("+00:00")


def test_children_and_alerts_are_shown(runs) -> None:
    assert "Child runs" in call("inspect", runs[1]).stdout
    text = call("inspect", runs[2]).stdout
    assert "Alerts" in text
    assert "test-inbox (not saved)" in text


def test_logs_are_printed_as_they_were_shown(runs) -> None:
    lines = call("logs", runs[3]).stdout.splitlines()
    assert lines[0].endswith("INFO - blocks_flows.FlowRunner | Beginning Flow run for 'etl'")
    rows = json.loads(call("logs", runs[3], "-o", "json").stdout)
    assert rows[0]["level"] == "INFO"
    assert len(rows) == len(lines)


def test_a_run_that_is_not_there_or_not_the_only_one_is_an_error(runs) -> None:
    with pytest.raises(NotFound, match=r"No flow run 'zz' is recorded\. Run"):
        call("inspect", "zz")
    with pytest.raises(NotFound, match="No flow run '%'"):
        call("logs", "%")
    with pytest.raises(NotFound, match="Several flow runs begin with ''"):
        call("inspect", "")


def test_an_id_of_any_length_is_looked_for(runs) -> None:
    with pytest.raises(NotFound, match="No flow run 'aaaa"):
        call("inspect", "a" * 100_000)
    with pytest.raises(NotFound, match=f"No flow run '{runs[0]}00'"):
        call("inspect", runs[0] + "00")


def test_a_limit_that_no_database_takes_is_refused() -> None:
    result = call("ls", "--limit", "99999999999999999999")
    assert result.exit_code == 2
    assert "is not in the range 1<=x<=1000000" in result.stderr


def test_odd_names_and_parameters_are_escaped_and_json_stays_json(capsys) -> None:
    with Flow("[bold]x\x1b[2J\n") as f:
        task(lambda x: x, name="t\x1b[2J")(Parameter("p"))
    f.run(p={"a\x1b": [float("nan"), "\x1b[31m"]})
    capsys.readouterr()
    [found] = json.loads(call("ls", "-o", "json").stdout)
    for command in (["ls"], ["inspect", found["id"]], ["logs", found["id"]]):
        for output in ("table", "json"):
            shown = call(*command, "-o", output).stdout
            assert "\x1b" not in shown
            if output == "json":
                json.loads(shown, parse_constant=pytest.fail)  # NaN is no JSON
