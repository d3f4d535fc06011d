"""`block plugin new`: what it writes works as it is, and it writes all or nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from plugin_environment import PluginEnvironment

from blocks_registry.authoring.new_plugin import KINDS, NewPlugin
from blocks_registry.authoring.scaffolding import rendered
from blocks_registry.cli import main

CAPABILITIES = sorted(KINDS)
RUFF = Path(sys.executable).with_name("ruff")


def new(folder: Path, *words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, ["plugin", "new", *words, "--into", str(folder)])
    assert done.exit_code == code, done.output
    return done


def run(folder: Path, *words: str | Path) -> str:
    here = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=here | {"BLOCKS_HOME": str(folder / ".home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(project: Path, environment: PluginEnvironment, *targets: str) -> str:
    return run(project, "make", "--no-print-directory", f"BIN={environment.bin}", *targets)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_what_is_written_passes_its_own_make_test(
    tmp_path: Path, plugin_environment: PluginEnvironment
) -> None:
    if not shutil.which("make"):
        pytest.skip("there is no make here")
    new(tmp_path, "acme-queue")
    plugin_environment.install(tmp_path / "acme-queue")
    shown = make(tmp_path / "acme-queue", plugin_environment, "test")
    assert "0 errors" in shown
    assert "skipped" not in shown
    assert {"blocks.json", "blocks-quality.json"} & names(tmp_path) == {"blocks.json"}
    make(tmp_path / "acme-queue", plugin_environment, "write", "quality")
    assert "blocks-quality.json" in names(tmp_path)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_what_is_written_passes_the_kit_and_is_gold(
    capability: str, tmp_path: Path, plugin_environment: PluginEnvironment
) -> None:
    new(tmp_path, "acme-queue", "--capability", capability)
    project = tmp_path / "acme-queue"
    plugin_environment.install(project)
    shown = run(project, plugin_environment.python, "-m", "pytest", "-q", "--blocks-quality")
    assert " passed" in shown
    assert "skipped" not in shown or capability == "credentials"  # a token that does not end is not renewed
    block = plugin_environment.bin / "block"
    [row] = [
        row
        for row in json.loads(run(project, block, "plugin", "ls", "-o", "json"))
        if row["slug"] == "acme-queue"
    ]
    assert (row["tier"], row["tier_lacks"], row["status"]) == ("gold", [], "ready")
    run(project, block, "plugin", "docs", "acme_queue", "--check")
    assert "Nothing is wrong with acme-queue" in run(project, block, "plugin", "doctor", "acme-queue")


def test_what_is_written_has_its_types_checked(tmp_path: Path) -> None:
    for capability in CAPABILITIES:
        new(tmp_path, f"acme-{capability}", "--capability", capability)
    settings = {
        "include": [f"acme-{capability}/src" for capability in CAPABILITIES],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "reportMissingTypeStubs": False,
        "extraPaths": [f"acme-{capability}/src" for capability in CAPABILITIES],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    pyright = Path(sys.executable).with_name("pyright")
    assert "0 errors, 0 warnings" in run(tmp_path, pyright, "--pythonpath", sys.executable)


@pytest.mark.parametrize("name", ["q", "blocks-x", "acme-name-of-queue-services-12"])
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_what_is_written_is_formatted_whatever_the_name(capability: str, name: str, tmp_path: Path) -> None:
    for path, text in rendered(NewPlugin.named(name, capability=capability)).items():
        file = tmp_path / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        assert "{{" not in text
    for words in (["format", "--check", "--diff"], ["check"]):
        done = subprocess.run(
            [RUFF, *words, "."], cwd=tmp_path / name, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_templates_are_in_the_wheel(tmp_path: Path) -> None:
    project = Path(__file__).parents[1]
    run(project, sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        shipped = {name for name in built.namelist() if "/templates/" in name}
    source = project / "src"
    templates = (source / "blocks_registry" / "authoring" / "templates").rglob("*.txt")
    assert shipped == {path.relative_to(source).as_posix() for path in templates}


def test_the_slug_and_the_names_follow_from_the_name() -> None:
    plugin = NewPlugin.named("blocks-acme-queue")
    assert (plugin.slug, plugin.package, plugin.class_name) == (
        "acme-queue",
        "blocks_acme_queue",
        "AcmeQueue",
    )


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "acme-queue").mkdir()
    assert "is there already" in new(tmp_path, "acme-queue", code=1).output
    (tmp_path / "acme-link").symlink_to(tmp_path / "nowhere")
    assert "is there already" in new(tmp_path, "acme-link", code=1).output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme-link", "acme-queue"]
    assert list((tmp_path / "acme-queue").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["Acme"], "lower-case letters"),
        (["acme_queue"], "lower-case letters"),
        (["../acme"], "lower-case letters"),
        (["a" * 31], "up to 30"),
        (["1acme"], "lower-case letters"),
        (["numbers"], "is installed here already"),
        (["blocks-core", "--slug", "acme"], "is installed here already"),
        (["class"], "cannot be a package"),
        (["blocks-none"], "cannot be a class"),
        (["acme-queue", "--slug", "Queue"], "is no slug"),
        (["acme-queue", "--slug", "secret"], "is taken: blocks-standard"),
        (["s3"], "is taken: blocks-aws"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused_and_nothing_is_written(
    words: list[str], why: str, tmp_path: Path
) -> None:
    assert why in new(tmp_path, *words, code=1).output
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in new(tmp_path / "file" / "below", "acme-queue", code=1).output


def test_nothing_is_left_where_the_new_package_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "sitecustomize.py").write_text(
        "import sys\nif '-c' in sys.orig_argv: raise SystemExit('no room here')\n"
    )
    monkeypatch.syspath_prepend(hostile)
    done = new(tmp_path / "into", "acme-queue", code=1)
    assert "cannot be imported here (SystemExit: no room here). Nothing was written." in done.output
    assert list((tmp_path / "into").iterdir()) == []
