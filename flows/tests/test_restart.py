"""A run that did not succeed goes on as the same run, and what had succeeded in it is not run again."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from threading import Lock

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from blocks_core.masking import SECRETS_IN_USE
from blocks_flows import Flow, Parameter, context, flow, signals, task, triggers, unmapped
from blocks_flows.claiming import claim
from blocks_flows.commands import run as run_group
from blocks_flows.errors import CheckpointInvalid, ParametersInvalid, RunRefused
from blocks_flows.executors import LocalDaskExecutor
from blocks_flows.restarting import find_stopped, go_on, restart_run

SECRET = "hunter2-of-the-sea"


class Trouble:
    """Makes tasks fail that ask for it, until it is over; counts what ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.is_over = False

    def meet(self, name: str) -> None:
        self.ran.append(name)
        if not self.is_over and name.startswith("bad"):
            raise ConnectionError(name)


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def go_again(trouble, last_run, capsys):
    """Return a function that restarts the last root run, with the trouble over, and returns its state."""

    def restart(subject, **more):
        trouble.ran.clear()
        trouble.is_over = True
        capsys.readouterr()
        row = last_run()
        return restart_run(row["parent_flow_run_id"] or row["id"], flow=subject, **more)

    return restart


def kept_files(home: Path) -> list[str]:
    folder = home / "restart"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_graph_runs_again_only_what_had_not_succeeded(
    trouble, go_again, records, last_run, home, capsys
) -> None:
    @task
    def load():
        trouble.meet("load")
        return ("a", 1), [2, 3]

    @task
    def work(x, part):
        trouble.meet("bad" if x == 2 else f"work {x}")
        return x * part[1]

    @task
    def add(xs):
        trouble.meet("add")
        return sum(xs)

    with Flow("f", executor=LocalDaskExecutor(num_workers=3)) as f:
        xs = Parameter("xs", default=[1])
        total = add(work.map(xs, unmapped(load()[0])))
    assert f.run(xs=[1, 2, 3]).is_failed()
    first = last_run()
    before = {row["task_slug"] + str(row["map_index"]): row for row in records.task_runs(first["id"])}

    state = go_again(f)
    assert state.is_successful()
    assert state.result[total].result == 6
    assert trouble.ran == ["bad", "add"]
    run = last_run()
    assert (run["id"], run["name"], run["parameters"]) == (first["id"], first["name"], {"xs": [1, 2, 3]})
    assert (run["state_name"], run["run_count"]) == ("Success", 2)
    assert run["scheduled_at"] == pytest.approx(first["scheduled_at"], abs=1e-5)
    after = {row["task_slug"] + str(row["map_index"]): row for row in records.task_runs(first["id"])}
    assert {key: row["id"] for key, row in after.items() if key in before} == {
        key: row["id"] for key, row in before.items()
    }
    assert after["work-10"] == before["work-10"]
    assert {row["state_type"] for row in after.values()} == {"Success"}
    assert (
        "Restarting flow run: 3 of 5 task runs had succeeded and are not run again."
        in capsys.readouterr().out
    )
    names = [row["name"] for row in records.states(first["id"]) if row["task_run_id"] is None]
    assert names == ["Running", "Failed", "Restarted", "Running", "Success"]
    assert kept_files(home) == []


def test_a_function_runs_again_only_what_had_not_succeeded(trouble, go_again) -> None:
    @task
    def work(x):
        trouble.meet("bad" if x == 2 else f"work {x}")
        return [x, (x,)]

    @flow
    def f(day: date, *, more: int = 1, **rest):
        trouble.meet("flow")
        first = work(1)
        many = work.map([2, 3])
        return [day, first, *(each.result() for each in many), work.submit(4).result(), more, rest]

    assert f.run(day="2026-11-27", more=2, other="x").is_failed()
    state = go_again(f)
    assert state.result == [date(2026, 11, 27), [1, (1,)], [2, (2,)], [3, (3,)], [4, (4,)], 2, {"other": "x"}]
    assert sorted(trouble.ran) == ["bad", "flow", "work 4"]


def test_child_flows_are_not_run_again_or_go_on_as_the_same_runs(
    trouble, go_again, records, last_run
) -> None:
    @task
    def step(name):
        trouble.meet(name)
        return name

    @flow
    def child(name):
        trouble.meet(f"child {name}")
        return [step(f"first of {name}"), step(f"bad {name}" if name == "b" else name)]

    with Flow("graph child") as graph_child:
        last = step(step("g1"))

    @task
    def run_graph():
        return graph_child.run().result[last].result

    @flow
    def parent():
        return [child("a"), run_graph(), child("b"), child("c")]

    with pytest.raises(ConnectionError):
        parent()
    root = last_run()["parent_flow_run_id"]
    before = [row["id"] for row in records.children(root)]
    state = go_again(parent)
    assert state.result == [["first of a", "a"], "g1", ["first of b", "bad b"], ["first of c", "c"]]
    assert trouble.ran == ["child b", "bad b", "child c", "first of c", "c"]
    children = records.children(root)
    assert [row["id"] for row in children][:3] == before
    assert [row["run_count"] for row in children] == [1, 1, 2, 1]
    assert {row["state_name"] for row in children} == {"Success"}


def test_tasks_that_tasks_call_are_told_apart_by_who_calls(trouble, go_again) -> None:
    @task
    def inner(x):
        trouble.meet(f"inner {x}")
        return 10 * x

    @task
    def outer(x):
        value = inner(x)
        trouble.meet("bad" if x == 3 else "outer")
        return value

    @flow
    def f():
        return [each.result() for each in outer.map([1, 2, 3])]

    assert f.run().is_failed()
    assert go_again(f).result == [10, 20, 30]
    assert trouble.ran == ["bad"]


def test_what_is_tried_again_counts_its_tries_anew(trouble, go_again, last_run) -> None:
    @task
    def steady():
        trouble.meet("steady")
        return 1

    @flow(retries=1)
    def f():
        steady()
        trouble.meet("bad")
        return "done"

    assert f.run().is_failed()
    assert trouble.ran == ["steady", "bad", "steady", "bad"]
    assert last_run()["run_count"] == 2
    assert go_again(f).result == "done"
    assert trouble.ran == ["bad"]
    assert last_run()["run_count"] == 3


def test_a_value_with_a_secret_is_not_kept_and_its_task_runs_again(trouble, go_again, home, last_run) -> None:
    SECRETS_IN_USE.add([SECRET])

    @task
    def make(kind):
        trouble.meet(kind)
        return {
            "text": f"postgres://u:{SECRET}@h",
            "type": [SecretStr("ab")],
            "object": {"x": {SECRET.encode()}},
            "number": 3,
            "open": lambda: None,
            "lock": Lock(),
        }[kind]

    @flow
    def f(token: SecretStr, place: str, plain: int = 1):
        values = [make(kind) for kind in ("text", "type", "object", "number", "open", "lock")]
        trouble.meet("bad")
        return len(values)

    assert f.run(token=SecretStr("another-" + SECRET), place=f"host/{SECRET}").is_failed()
    text = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert SECRET.encode() not in text
    with pytest.raises(
        RunRefused, match=r"'token' was not kept: it holds a secret\. Give it again.*-p token=… -p place=…"
    ):
        go_again(f)
    with pytest.raises(
        RunRefused, match=r"'plain' of flow run .* is known, and a restart uses the same value"
    ):
        go_again(f, parameters={"plain": 3})
    state = go_again(f, parameters={"token": "another-" + SECRET, "place": SECRET})
    assert state.is_successful()
    assert trouble.ran == ["text", "type", "object", "lock", "bad"]


def test_what_is_to_be_kept_nowhere_is_not_kept(trouble, go_again, home) -> None:
    @task(persist_result=False)
    def open_it():
        trouble.meet("open")
        return 1

    with Flow("f") as f:
        task(lambda x: trouble.meet("bad"), name="use")(open_it())
    f.run()
    assert kept_files(home) == []
    assert go_again(f).is_successful()
    assert trouble.ran == ["open", "bad"]


def test_without_days_nothing_is_kept(trouble, home, monkeypatch) -> None:
    monkeypatch.setenv("BLOCKS_RESTART_DAYS", "0")
    with Flow("f") as f:
        task(lambda x: trouble.meet("bad"), name="use")(task(lambda: 1, name="one")())
    f.run()
    assert kept_files(home) == []


def test_results_in_a_storage_are_read_from_what_the_flow_names(trouble, go_again, home, shelf) -> None:
    @task
    def make():
        trouble.meet("make")
        return {"large": list(range(10))}

    with Flow("f", result_storage=shelf) as f:
        made = make()
        task(lambda x: trouble.meet("bad"), name="use")(made)
    f.run()
    [lines] = (home / "restart").glob("*.lines")
    assert '"stored"' in lines.read_text()
    assert "large" not in lines.read_text()
    lines.unlink()  # as on another machine: the record says where the result is
    state = go_again(f)
    assert state.result[made].result == {"large": list(range(10))}
    assert trouble.ran == ["bad"]


def test_a_result_in_a_storage_that_the_flow_does_not_name_is_not_read(
    trouble, go_again, home, shelf
) -> None:
    @task
    def make():
        trouble.meet("make")
        return 1

    with Flow("f", result_storage=shelf) as f:
        task(lambda x: trouble.meet("bad"), name="use")(make())
    f.run()
    with Flow("f") as without:
        task(lambda x: trouble.meet("bad"), name="use")(make())
    assert go_again(without).is_successful()
    assert trouble.ran == ["make", "bad"]


def test_a_long_value_has_a_file_of_its_own(trouble, go_again, home) -> None:
    @task
    def make():
        trouble.meet("make")
        return list(range(100_000))

    with Flow("f") as f:
        made = make()
        task(lambda x: trouble.meet("bad"), name="use")(made)
    f.run()
    [value] = (home / "restart").glob("*/*.pickle")
    assert value.stat().st_mode & 0o777 == 0o600
    assert value.parent.stat().st_mode & 0o777 == 0o700
    state = go_again(f)
    assert state.result[made].result == list(range(100_000))
    assert trouble.ran == ["bad"]
    assert kept_files(home) == []


def test_a_paused_run_goes_on_when_its_tasks_are_approved(trouble, go_again, last_run) -> None:
    @task
    def ask():
        trouble.meet(f"ask {context.get('resume', False)}")
        if not context.get("resume"):
            raise signals.PAUSE("Is it well?")
        return "well"

    @task(trigger=triggers.manual_only)
    def approve(x):
        trouble.meet("approve")
        return x

    with Flow("f") as f:
        word = approve(ask())
    assert f.run().is_paused()
    run_id = last_run()["id"]
    with pytest.raises(RunRefused, match=r"has no paused task 'other'\. Those that are paused: ask"):
        restart_run(run_id, flow=f, approve=["other"])
    assert go_again(f, approve=["ask"]).is_paused()
    assert trouble.ran == ["ask True"]
    state = go_again(f, approve=[])
    assert state.result[word].result == "well"
    assert trouble.ran == ["approve"]
    with pytest.raises(RunRefused, match="ended as Success: there is nothing to restart"):
        restart_run(run_id, flow=f)


def test_a_run_whose_tasks_are_run_in_processes_is_restarted(tmp_path, last_run, capsys) -> None:
    with Flow("f", executor=LocalDaskExecutor(scheduler="processes", num_workers=2)) as f:
        total = add_in_process(append_in_process.map([1, 2, 3], unmapped(str(tmp_path))))
    assert f.run().is_failed()
    (tmp_path / "ready").touch()
    state = restart_run(last_run()["id"], flow=f)
    assert state.result[total].result == 6
    assert sorted((tmp_path / "ran").read_text()) == ["1", "2", "3"]


@task
def append_in_process(x, folder):
    if x == 3 and not Path(folder, "ready").exists():
        raise ConnectionError
    with Path(folder, "ran").open("a") as file:
        file.write(str(x))
    return x


@task
def add_in_process(xs):
    return sum(xs)


def test_of_two_restarts_one_gets_the_run(trouble, records, last_run) -> None:
    with Flow("f") as f:
        task(lambda: trouble.meet("bad"), name="use")()
    f.run()
    one, other = find_stopped(last_run()["id"]), find_stopped(last_run()["id"])
    trouble.is_over = True
    assert go_on(one, f, {}).is_successful()
    with pytest.raises(RunRefused, match="was changed meanwhile: somebody else has restarted it"):
        go_on(other, f, {})
    assert trouble.ran == ["bad", "bad"]


def test_a_restart_that_cannot_begin_leaves_the_run_as_it_was(trouble, go_again, last_run) -> None:
    @flow
    def f(days: int, place: SecretStr):
        trouble.meet("bad")

    f.run(days=3, place=SecretStr("somewhere"))
    before = last_run()
    with pytest.raises(ParametersInvalid, match="place"):
        go_again(f, parameters={"place": []})
    after = last_run()
    assert {**after, "revision": 0} == {**before, "revision": 0}
    assert go_again(f, parameters={"place": "somewhere"}).is_successful()


def test_a_claimed_run_is_not_for_others_while_its_process_lives(trouble, records, last_run) -> None:
    with Flow("f") as f:
        task(lambda: trouble.meet("bad"), name="use")()
    f.run()
    claim(records.database, last_run())
    with pytest.raises(
        RunRefused, match=r"is Restarted, in process \d+ on .*Wait for its end, or end it: block run cancel"
    ):
        find_stopped(last_run()["id"])


def test_a_changed_flow_takes_what_still_fits(trouble, go_again, capsys) -> None:
    def declare(names):
        with Flow("f") as f:
            for name in names:
                task(lambda name=name: trouble.meet(name), name=name)()
        return f

    declare(["old", "same", "bad"]).run()
    assert go_again(declare(["same", "bad", "new"])).is_successful()
    assert sorted(trouble.ran) == ["bad", "new"]
    assert "nothing any more like old-1, whose values are not used" in capsys.readouterr().out


DAMAGE = {
    "cut": lambda text: text[:-10],
    "changed": lambda text: text.replace(b'"json",7', b'"json",8'),
    "garbage": lambda text: text + b"\x00\xff garbage\n" + b"00000000 []\n",
    "no list": lambda text: text + b'8587d865 {"a":1}\n' + b"\n\n",
    "empty": lambda _text: b"",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_counts_as_not_kept(damage, trouble, go_again, home) -> None:
    @task
    def make(x):
        trouble.meet(f"make {x}")
        return x

    with Flow("f") as f:
        first, second = make(6), make(7)
        task(lambda x, y: trouble.meet("bad"), name="use")(first, second)
    f.run()
    [lines] = (home / "restart").glob("*.lines")
    lines.write_bytes(DAMAGE[damage](lines.read_bytes()))
    state = go_again(f)
    assert (state.result[first].result, state.result[second].result) == (6, 7)
    again = {"cut": ["make 7"], "changed": ["make 7"], "empty": ["make 6", "make 7"]}.get(damage, [])
    assert trouble.ran == [*again, "bad"]


def test_a_checkpoint_that_others_can_write_is_refused(trouble, go_again, home) -> None:
    with Flow("f") as f:
        task(lambda x: trouble.meet("bad"), name="use")(task(lambda: {1}, name="one")())
    f.run()
    [lines] = (home / "restart").glob("*.lines")
    assert lines.stat().st_mode & 0o777 == 0o600
    lines.chmod(0o622)
    with pytest.raises(CheckpointInvalid, match="can be written by others than you"):
        go_again(f)
    lines.chmod(0o600)
    target = lines.rename(home / "elsewhere")
    lines.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        go_again(f)


def test_a_home_that_takes_no_files_stops_no_run(trouble, home, capsys) -> None:
    home.mkdir()
    (home / "restart").write_text("in the way")
    with Flow("f") as f:
        task(lambda x: x).map(task(lambda: [1, 2, 3])())
    assert f.run().is_successful()
    assert capsys.readouterr().out.count("What a restart of this run needs cannot be kept now") == 1


def test_a_paused_run_is_cancelled_and_may_be_restarted(go_again, records, last_run) -> None:
    @task
    def ask():
        if not context.get("resume"):
            raise signals.PAUSE("Is it well?")
        return "yes"

    with Flow("f") as f:
        ask()
    assert f.run().is_paused()
    run_id = last_run()["id"]
    said = CliRunner().invoke(run_group, ["cancel", run_id[:8]])
    assert (said.exit_code, said.stderr) == (0, f"Flow run {run_id}, which was paused, is cancelled.\n")
    assert (last_run()["state_name"], last_run()["state_message"]) == (
        "Cancelled",
        "Cancelled while it was paused.",
    )
    [row] = records.task_runs(run_id)
    assert row["state_name"] == "Cancelled"
    again = CliRunner().invoke(run_group, ["cancel", run_id[:8]])
    assert "has ended, as Cancelled: there is nothing to cancel" in str(again.exception)
    assert go_again(f).is_paused()  # nobody has approved it
    assert go_again(f, approve=["ask"]).is_successful()


def test_a_function_that_calls_its_tasks_in_another_order_takes_no_value_of_another_call(
    trouble, go_again, capsys
) -> None:
    @task
    def double(x):
        trouble.meet(f"double {x}")
        return 2 * x

    @task
    def check(*values):
        trouble.meet("bad")
        return values

    @flow
    def f():
        numbers = (3, 1, 2) if trouble.is_over else (3, 2, 1)
        doubled = [double(x) for x in numbers]
        behind = double.submit(double.submit(numbers[1])).result()
        return check(*doubled, *double.map(doubled).result(), behind)

    assert f.run().is_failed()
    assert go_again(f).result == (6, 2, 4, 12, 4, 8, 4)
    assert trouble.ran[:4] == ["double 1", "double 2", "double 1", "double 2"]
    assert sorted(trouble.ran[4:]) == ["bad", "double 2", "double 4"]
    assert (
        "'double-2' had succeeded and is run again, as it is called with other arguments"
        in capsys.readouterr().out
    )
