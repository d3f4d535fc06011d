"""`block plugin doctor`: each way in which an installed plugin can be broken is named, with why and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks_core.discovery import Offer
from blocks_registry.doctor.imports import try_imports

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8"/></svg>'

HEALTHY = '''
from pydantic import Field
from blocks_core import Block


class {name}(Block, slug="{slug}"):
    """Fine."""

    place: str = Field(description="Where.")
'''

Find = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def ail(plant: Any) -> Callable[..., Path]:
    """Plants a plugin with one type, `ailing`, in a package of the same name, given its code and more files."""

    def make(
        code: str,
        *,
        files: dict[str, str] | None = None,
        requires: tuple[str, ...] = ("blocks-core",),
        **more: str,
    ) -> Path:
        points = more.get("points", "[blocks.types]\nailing = ailing:Ailing\n")
        site = plant("ailing-plugin", points, {"ailing/__init__.py": code, **(files or {})})
        metadata = site / "ailing_plugin-1.0.dist-info" / "METADATA"
        lines = [f"Requires-Dist: {text}\n" for text in requires]
        metadata.write_text(metadata.read_text() + "".join(lines) + more.get("metadata", ""))
        return site

    return make


@pytest.fixture
def look(process: Any) -> Callable[..., list[dict[str, Any]]]:
    """Runs the doctor on the ailing plugin -> what it found."""

    def run(site: Path, code: int) -> list[dict[str, Any]]:
        done = process("plugin", "doctor", "ailing-plugin", "-o", "json", path=site, code=code)
        told = json.loads(done.stdout)
        assert told["ok"] == (code == 0)
        for finding in told["findings"]:
            assert finding["remedy"].endswith(".")
            assert not finding["problem"].endswith(".")
        return told["findings"]

    return run


def problems(findings: list[dict[str, Any]], *, wrong: bool = True) -> str:
    return "\n".join(found["problem"] for found in findings if found["wrong"] == wrong)


def remedies(findings: list[dict[str, Any]]) -> str:
    return "\n".join(found["remedy"] for found in findings)


def healthy(slug: str = "ailing") -> str:
    return HEALTHY.format(name="Ailing", slug=slug)


def manifested(process: Any, site: Path) -> None:
    (site / "ailing" / "logos").mkdir(exist_ok=True)
    (site / "ailing" / "logos" / "ailing.svg").write_text(LOGO)
    process("plugin", "manifest", "ailing", path=site)


def test_nothing_is_wrong_with_a_healthy_plugin(process: Any, ail: Any, look: Any) -> None:
    site = ail(healthy())
    manifested(process, site)
    assert look(site, 0) == []
    shown = process("plugin", "doctor", "ailing_plugin", path=site).stdout
    assert shown == "Nothing is wrong with ailing-plugin: 1 block types.\n"


def test_each_finding_is_a_line_that_says_what_why_and_what_to_do(process: Any, ail: Any) -> None:
    site = ail("import no_such_vendor_sdk\n")
    done = process("plugin", "doctor", "ailing-plugin", path=site, code=1)
    first, *_ = done.stdout.splitlines()
    assert first == (
        "ailing-plugin 1.0, ailing: line 1 of 'ailing' imports 'no_such_vendor_sdk', which is not installed. "
        "Install it: pip install no_such_vendor_sdk."
    )


def test_the_extra_that_brings_a_missing_package_is_named(ail: Any, look: Any) -> None:
    extra = "Provides-Extra: fast\nRequires-Dist: no-such-vendor-sdk>=2; extra == 'fast'\n"
    site = ail("import no_such_vendor_sdk\n", metadata=extra)
    assert "pip install 'ailing-plugin[fast]'" in remedies(look(site, 1))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def broken(:\n", "'ailing' is not Python: invalid syntax"),
        ("raise RuntimeError('built for another moon')\n", "raises RuntimeError('built for another moon')"),
        ("def explode():\n    1 / 0\nexplode()\n", "importing 'ailing' fails: ZeroDivisionError"),
        ("import os\nos._exit(7)\n", "importing 'ailing' ended the process (exit code 7)"),
        ("x = 1\n", "'ailing' of ailing-plugin 1.0 cannot be imported from 'ailing:Ailing'"),
        ("Ailing = 3\n", "names 'ailing:Ailing', which is no Block subclass"),
        (healthy("another"), "names 'ailing:Ailing', whose slug is 'another'"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_told_why(code: str, problem: str, ail: Any, look: Any) -> None:
    found = look(ail(code), 1)
    assert problem in problems(found)


def test_an_import_that_does_not_end_is_given_up(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = {"endless_blocks.py": "import time; time.sleep(60)\n"}
    site = plant("endless", "[blocks.types]\nendless = endless_blocks:X\n", code)
    monkeypatch.syspath_prepend(site)
    offer = Offer("blocks.types", "endless", "endless_blocks:X", "endless", "1.0")
    [trial] = try_imports([offer], timeout_seconds=2)
    assert trial.problem == "took longer than 2 seconds"


def test_entry_points_that_name_nothing_or_no_slug_or_what_others_name_are_told(
    ail: Any, look: Any, plant: Any
) -> None:
    plant("other-plugin", "[blocks.types]\nailing = json:loads\n")
    site = ail(
        healthy(),
        points="[blocks.types]\nailing = ailing:Ailing\nBad_Slug = ailing:Ailing\nghost = nowhere:Ghost\n"
        "[blocks.commands]\nail = nowhere:command\n",
    )
    found = problems(look(site, 1))
    assert "the slug 'ailing' is claimed by other-plugin 1.0, too, so it is given to none" in found
    assert "'Bad_Slug' is no slug" in found
    assert found.count("there is no module 'nowhere'") == 2


def test_a_malformed_file_of_entry_points_is_told(process: Any, plant: Any) -> None:
    site = plant("garbled-plugin", "[blocks.types\nthis is = = no\nentry point file")
    plant("ailing-plugin", "[blocks.types]\nailing = nowhere:Ailing\n")
    done = process("plugin", "doctor", "garbled-plugin", path=site, code=1)
    assert "garbled-plugin 1.0: its entry_points.txt cannot be read" in done.stdout
    assert "garbled" not in process("plugin", "doctor", "ailing-plugin", path=site, code=1).stdout


def test_what_an_import_does_beside_importing_is_told_with_its_line(
    ail: Any, look: Any, tmp_path: Path
) -> None:
    code = (
        "import socket, subprocess, threading, time\n"
        f"open({str(tmp_path / 'left behind')!r}, 'w').close()\n"
        "listening = socket.create_server(('127.0.0.1', 0))\n"
        "subprocess.run(['true'])\n"
        "threading.Thread(target=time.sleep, args=(0.5,)).start()\n"
    )
    found = look(ail(code + healthy()), 1)
    told = problems(found)
    assert "writes a file" in told
    assert "in line 2 of 'ailing'" in told
    assert "listens on the network, in line 3 of 'ailing'" in told
    assert "starts a program, in line 4 of 'ailing'" in told
    assert "starts a thread that goes on" in told


def test_a_slow_import_is_told_with_the_package_that_costs_most(ail: Any, look: Any) -> None:
    files = {
        "dear_vendor/__init__.py": "import dear_vendor.inner\n",
        "dear_vendor/inner.py": "import time\ntime.sleep(0.5)\n",
        "cheap_vendor.py": "",
    }
    found = look(ail("import cheap_vendor, dear_vendor\n" + healthy(), files=files), 1)
    told = problems(found, wrong=False)
    assert "importing 'ailing' takes 0." in told
    assert "most of it for dear_vendor (0.5" in told
    assert "import dear_vendor" in remedies(found)


def test_what_is_required_and_not_there_is_told_with_the_command(ail: Any, look: Any) -> None:
    wanted = (
        "pydantic<1",
        "no-such-package>=3",
        "other-package; python_version < '3'",
        "extra-package; extra == 'x'",
        "bad requirement ===",
    )
    found = look(ail(healthy(), requires=wanted), 1)
    told = problems(found)
    assert "it requires pydantic<1, and pydantic 2." in told
    assert "it requires no-such-package>=3, which is not installed" in told
    assert "its requirement 'bad requirement ===' cannot be read" in told
    assert "pip install 'no-such-package>=3'" in remedies(found)
    assert "other-package" not in told
    assert "extra-package" not in told
    assert "does not say that it requires blocks-core" in problems(found, wrong=False)


def test_a_core_that_does_not_fit_is_told(ail: Any, look: Any) -> None:
    assert "it requires blocks-core>=99, and blocks-core 0." in problems(
        look(ail(healthy(), requires=("blocks-core>=99",)), 1)
    )


def test_a_manifest_that_is_missing_unreadable_or_old_is_told(process: Any, ail: Any, look: Any) -> None:
    site = ail(healthy())
    found = look(site, 1)
    assert "it ships no blocks.json" in problems(found)
    assert '"block plugin manifest ailing"' in remedies(found)
    file = site / "ailing" / "blocks.json"
    file.write_text("{")
    assert "blocks.json cannot be read" in problems(look(site, 1))
    file.write_text('{"format": 1, "types": []}')
    assert "blocks.json does not have this type" in problems(look(site, 1))
    manifested(process, site)
    code = site / "ailing" / "__init__.py"
    code.write_text(healthy().replace("Where.", "Where it is."))
    assert "blocks.json is out of date: schema differ from the class" in problems(look(site, 1))
    code.write_text(healthy().replace("place: str", "places: list[str]"))
    assert "another schema than the class, at the same version 1" in problems(look(site, 1))


def test_a_logo_that_is_missing_or_unsafe_and_docs_that_are_missing_are_told(
    process: Any, ail: Any, look: Any
) -> None:
    site = ail(healthy().replace('"""Fine."""', "").replace('Field(description="Where.")', '"x"'))
    process("plugin", "manifest", "ailing", path=site)
    found = look(site, 0)
    told = problems(found, wrong=False)
    assert "it has no logo" in told
    assert "the class has no docstring" in told
    assert "place has no description" in told
    manifested(process, site)
    logo = site / "ailing" / "logos" / "ailing.svg"
    logo.write_text(LOGO.replace("<path", "<script>alert(1)</script><path"))
    process("plugin", "manifest", "ailing", path=site)
    assert "its logo cannot be shown: it has '<script'" in problems(look(site, 1))


def test_what_the_registry_knows_otherwise_is_told(process: Any, ail: Any, look: Any) -> None:
    site = ail(healthy())
    manifested(process, site)
    process("register", "-m", "ailing", path=site)
    assert look(site, 0) == []
    (site / "ailing_plugin-1.0.dist-info").rename(site / "ailing_plugin-1.1.dist-info")
    metadata = site / "ailing_plugin-1.1.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    found = look(site, 0)
    assert "the registry knows it as of ailing-plugin 1.0, version 1" in problems(found, wrong=False)
    assert '"block register -m ailing"' in remedies(found)
    (site / "ailing" / "__init__.py").write_text(healthy().replace("place: str", "place: list[str]"))
    process("plugin", "manifest", "ailing", path=site)
    found = look(site, 1)
    assert "has another structure than its version 1 that is registered" in problems(found)
    assert "raise the version" in problems(found) + remedies(found)


def test_results_that_do_not_count_are_told(process: Any, ail: Any, look: Any) -> None:
    site = ail(healthy())
    manifested(process, site)
    (site / "ailing" / "blocks-quality.json").write_text('{"format": 1, "types": [{"slug": "ailing"}]}')
    found = look(site, 0)
    assert "its tier is not known: blocks-quality.json cannot be used" in problems(found, wrong=False)
    assert "pytest --blocks-quality" in remedies(found)


def test_a_look_makes_no_database(ail: Any, look: Any, home: Path) -> None:
    look(ail(healthy()), 1)
    assert not home.exists()


def test_a_distribution_that_offers_nothing_is_refused(process: Any) -> None:
    done = process("plugin", "doctor", "blocks-standrad", code=1)
    assert "did you mean 'blocks-standard'" in done.stderr
    assert "offers block types" in process("plugin", "doctor", "click", code=1).stderr


def test_a_terminal_is_not_steered_by_what_a_plugin_says(process: Any, ail: Any) -> None:
    site = ail("raise RuntimeError('\\x1b[2J\\nsecond line')\n")
    assert "\x1b" not in process("plugin", "doctor", "ailing-plugin", path=site, code=1).stdout
