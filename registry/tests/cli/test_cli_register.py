"""`block register` and `block type`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEALTHY = '''
from blocks_core import Block


class Healthy(Block, slug="healthy"):
    """Fine."""

    size: int = 1
'''


def outcomes(printed: str) -> dict[str, str]:
    return {row["slug"]: row["outcome"] for row in json.loads(printed)}


def test_a_module_registers_what_its_distribution_offers(process: Any, demo: Path) -> None:
    done = process("register", "-m", "demo_blocks", path=demo)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["Slug", "Title", "Version", "Outcome", "Distribution"]
    assert lines[1].split() == ["demo-login", "Demo", "Login", "1", "new", "demo-plugin", "1.0"]
    assert lines[2].split() == ["demo-store", "Demo", "Store", "2", "new", "demo-plugin", "1.0"]
    assert "block create demo-login NAME --set user=... --secret password" in done.stderr


def test_registering_twice_changes_nothing(process: Any, demo: Path) -> None:
    process("register", "-m", "demo_blocks", path=demo)
    done = process("register", "-m", "demo_blocks", "-o", "json", path=demo)
    assert set(outcomes(done.stdout).values()) == {"unchanged"}


def test_all_registers_every_installed_plugin(process: Any, demo: Path) -> None:
    done = process("register", "--all", "-o", "json", path=demo, code=None)
    assert {"demo-login", "demo-store"} <= outcomes(done.stdout).keys()


def test_a_module_of_a_package_registers_its_own_types_only(process: Any, plant: Any) -> None:
    site = plant(
        "two-plugin",
        """
        [blocks.types]
        healthy = two.one:Healthy
        other = two.other:Other
        """,
        {
            "two/__init__.py": "",
            "two/one.py": HEALTHY,
            "two/other.py": HEALTHY.replace("Healthy", "Other").replace("healthy", "other"),
        },
    )
    done = process("register", "-m", "two.other", "-o", "json", path=site)
    assert outcomes(done.stdout) == {"other": "new"}


def test_a_module_without_entry_points_registers_what_it_defines_and_not_what_it_imports(
    process: Any, demo: Path, tmp_path: Path
) -> None:
    tmp_path.joinpath("mine.py").write_text(
        "from demo_blocks import DemoLogin\nfrom blocks_core import Block\nprint('loud')\n"
        "class Mine(Block, slug='mine'):\n    size: int\n\nAlias = Mine\nclass Abstract(Block): ...\n"
    )
    done = process("register", "-m", "mine", "-o", "json", path=demo)
    assert outcomes(done.stdout) == {"mine": "new"}
    assert "loud" in done.stderr


def test_a_file_registers_what_it_defines(process: Any, tmp_path: Path) -> None:
    tmp_path.joinpath("beside.py").write_text("SIZE = 3\n")
    file = tmp_path / "my_blocks.py"
    file.write_text("from beside import SIZE\n" + HEALTHY)
    done = process("register", "-f", str(file), "-o", "json", cwd=Path("/"))
    assert outcomes(done.stdout) == {"healthy": "new"}


def test_what_comes_next_for_a_type_that_no_plugin_offers_is_python(process: Any, tmp_path: Path) -> None:
    tmp_path.joinpath("mine.py").write_text(HEALTHY)
    for words in (("-f", "mine.py"), ("-m", "mine")):
        assert process("register", *words).stderr == "Next, in Python: Healthy(...).save('NAME')\n"


def test_a_file_named_like_an_installed_module_does_not_replace_it(process: Any, tmp_path: Path) -> None:
    file = tmp_path / "json.py"
    file.write_text(HEALTHY)
    done = process("register", "-f", str(file), "-o", "json", cwd=Path("/"))
    assert outcomes(done.stdout) == {"healthy": "new"}


def test_two_classes_of_one_slug_in_a_module_are_refused(process: Any, tmp_path: Path) -> None:
    tmp_path.joinpath("twins.py").write_text(
        HEALTHY + HEALTHY.replace("class Healthy", "class Twin") + "class Ok(Block, slug='okay'): ...\n"
    )
    done = process("register", "-m", "twins", "-o", "json", code=1)
    assert outcomes(done.stdout) == {"healthy": "failed", "okay": "new"}


def test_a_changed_structure_is_refused_and_the_other_types_are_registered(
    process: Any, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEALTHY)
    process("register", "-f", str(file))
    file.write_text(HEALTHY.replace("size: int = 1", "size: str") + "class Other(Block, slug='other'): ...\n")
    done = process("register", "-f", str(file), code=1)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["Slug", "healthy", "other"]
    assert len([line for line in done.stderr.splitlines() if line.startswith("healthy: ")]) == 1
    assert "version" in done.stderr


def refused(process: Any, *words: str, path: Path | None = None) -> str:
    done = process("register", *words, path=path, code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_module_that_is_not_there_is_refused_with_what_was_meant(process: Any, demo: Path) -> None:
    assert "did you mean 'demo_blocks'" in refused(process, "-m", "demo-blocks", path=demo)
    for odd in ("no_such_thing", ".x", "a..b", "../x", "demo_blocks.none"):
        assert f"There is no module '{odd}'" in refused(process, "-m", odd, path=demo)


def test_a_module_that_cannot_be_imported_is_refused_with_the_reason(process: Any, tmp_path: Path) -> None:
    tmp_path.joinpath("raising.py").write_text("x = 1\nraise RuntimeError('boom')\n")
    tmp_path.joinpath("leaving.py").write_text("raise SystemExit(3)\n")
    tmp_path.joinpath("wrong.py").write_text("def f(:\n")
    tmp_path.joinpath("lacking.py").write_text("import no_such_package_here.inner\n")
    tmp_path.joinpath("empty.py").write_text("from blocks_core import Block\n")
    assert f"RuntimeError: boom (line 2 of {tmp_path / 'raising.py'})" in refused(process, "-m", "raising")
    assert "SystemExit: 3" in refused(process, "-m", "leaving")
    assert "is not Python" in refused(process, "-m", "wrong")
    assert "line 1 of" in refused(process, "-f", str(tmp_path / "wrong.py"))
    assert "pip install no_such_package_here" in refused(process, "-m", "lacking")
    assert "defines no block types" in refused(process, "-m", "empty")
    assert "defines no block types" in refused(process, "-f", str(tmp_path / "empty.py"))


def test_a_file_that_is_none_or_not_python_is_refused(process: Any, tmp_path: Path) -> None:
    tmp_path.joinpath("notes.txt").write_text("x")
    assert "There is no file" in refused(process, "-f", str(tmp_path / "none.py"))
    assert "There is no file" in refused(process, "-f", str(tmp_path))
    assert "name ends in .py" in refused(process, "-f", str(tmp_path / "notes.txt"))


def test_exactly_one_of_the_three_is_wanted(block: Any) -> None:
    assert "Give one of" in block("register", code=2).stderr
    assert "Give one of" in block("register", "--all", "-m", "x", code=2).stderr


def test_types_are_listed_with_the_distribution_they_come_from(block: Any) -> None:
    empty = block("type", "ls")
    assert (empty.stdout, "block register --all" in empty.stderr) == ("", True)
    assert json.loads(block("type", "ls", "-o", "json").stdout) == []
    block("register", "-m", "demo_blocks")
    lines = block("type", "ls").stdout.splitlines()
    assert lines[1].split() == ["demo-login", "Demo", "Login", "credentials", "1", "demo-plugin", "1.0"]
    (first, _) = json.loads(block("type", "ls", "-o", "json").stdout)
    assert (first["slug"], first["capabilities"], first["version"]) == ("demo-login", ["credentials"], 1)


def test_a_type_shows_its_fields_and_how_it_is_used(block: Any) -> None:
    block("register", "-m", "demo_blocks")
    shown = block("type", "inspect", "demo-store").stdout
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.splitlines() if line}
    assert lines["bucket"] == "string yes Name of the bucket."
    assert lines["retries"] == "integer no 3"
    assert lines["login"] == "block of type demo-login or null no null"
    assert lines["anyone"] == "block that can be a credentials or null no null"
    assert lines["servers"] == "list no []"
    assert lines["primary.port"] == "integer no 22"
    assert lines["blob"] == "secret or null no"
    assert "DemoStore.load" in shown
    whole = json.loads(block("type", "inspect", "demo-store", "-o", "json").stdout)
    assert whole["schema"]["properties"]["bucket"]["type"] == "string"
    assert [field["field"] for field in whole["fields"] if field["required"]][:1] == ["bucket"]


def test_hostile_descriptions_do_not_steer_the_terminal(block: Any) -> None:
    block("register", "-m", "demo_blocks")
    shown = block("type", "inspect", "demo-login").stdout
    assert "[bold]or[/bold] \\x1b[2J its id" in shown
    assert "\x1b" not in shown


def test_a_type_that_is_not_registered_is_an_error(block: Any) -> None:
    block("register", "-m", "demo_blocks")
    assert "did you mean 'demo-store'" in block("type", "inspect", "demo-stor", code=1).stderr


def test_a_type_that_is_installed_and_not_registered_says_how_to_register_it(block: Any) -> None:
    for words in (("type", "inspect", "demo-store"), ("ls", "--type", "demo-store")):
        said = block(*words, code=1).stderr
        assert "'demo-store' of demo-plugin 1.0 is installed but not registered" in said
        assert '"block register -m demo_blocks"' in said


def test_what_was_meant_is_a_type_that_is_registered_or_installed(
    process: Any, block: Any, tmp_path: Path
) -> None:
    tmp_path.joinpath("mine.py").write_text(HEALTHY)
    process("register", "-f", "mine.py")
    assert "did you mean 'healthy'" in block("type", "inspect", "helthy", code=1).stderr
    assert "did you mean 'demo-store'" in block("type", "inspect", "demo-stor", code=1).stderr
