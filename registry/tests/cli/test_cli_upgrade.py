"""`block upgrade`, what `block register` says of stored blocks, and `block inspect --stored`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

POINTS = """
[blocks.types]
shop = shops:Shop
till = shops:Till
"""

FIRST = '''
from blocks_core import Block
from pydantic import SecretStr


class Till(Block, slug="till"):
    """Holds money."""

    user: str
    pin: SecretStr


class Shop(Block, slug="shop"):
    """Sells."""

    town: str
    token: SecretStr
    unused: SecretStr = SecretStr("pl4nted-s3cret/ü+ unused")
    till: Till | None = None
'''

SECOND = '''
from blocks_core import Block, upgrades
from pydantic import SecretStr


class Till(Block, slug="till", version=2):
    """Holds money."""

    username: str
    pin: SecretStr

    @upgrades(from_version=1)
    def _user_was_renamed(data):
        print("noise on standard output")
        if data["user"] == "odd":
            raise ValueError("no such user")
        data["username"] = data.pop("user")
        return data


class Shop(Block, slug="shop", version=3):
    """Sells."""

    place: str
    tokens: list[SecretStr]
    till: Till | None = None
    open: bool = True

    @upgrades(from_version=1)
    def _town_was_renamed(data):
        data["place"] = data.pop("town")
        return data

    @upgrades(from_version=2)
    def _tokens_are_many(data):
        data["tokens"] = [data.pop("token")]
        del data["unused"]
        return data
'''

SAVE = """
import os
from pydantic import SecretStr
from blocks_core.secret import SecretRef
from shops import Shop, Till

planted = "pl4nted-s3cret/ü+"
main = Till(user="ann", pin=SecretStr(planted))
main.save("main")
Till(user="odd", pin=SecretStr(planted)).save("odd")
Shop(town="Jeju", token=SecretStr(planted), till=main).save("north")
Shop(town="Mokpo", token=SecretRef("env:NO_SUCH_VARIABLE_4711"), till=Till(user="bob", pin=SecretStr(planted))).save("south")
"""


@pytest.fixture
def shops(plant: Any, process: Any, tmp_path: Path) -> Path:
    """The folder of a plugin that is at its next release, with blocks saved by the one before."""
    import os
    import subprocess
    import sys

    site = plant("shop-plugin", POINTS, {"shops/__init__.py": FIRST})
    subprocess.run(
        [sys.executable, "-c", SAVE], env=os.environ | {"PYTHONPATH": str(site)}, cwd=tmp_path, check=True
    )
    shutil.rmtree(site / "shops")
    return plant_again(site, SECOND)


def plant_again(site: Path, source: str) -> Path:
    shutil.rmtree(site / "shops", ignore_errors=True)
    site.joinpath("shops").mkdir()
    site.joinpath("shops/__init__.py").write_text(source)
    return site


@pytest.fixture
def run(process: Any, shops: Path) -> Callable[..., Any]:
    return lambda *words, code=0: process(*words, path=shops, code=code)


def states(run: Any) -> dict[str, tuple[int, int]]:
    return {
        row["address"]: (row["version"], row["type_version"])
        for row in json.loads(run("ls", "-o", "json").stdout)
    }


BEFORE = {"shop/north": (1, 1), "shop/south": (1, 1), "till/main": (1, 1), "till/odd": (1, 1)}


def test_the_plan_shows_versions_and_fields_and_no_secret(run: Any) -> None:
    done = run("upgrade", "--all", "--plan", code=1)
    lines = done.stdout.splitlines()
    assert lines[:5] == [
        "~ shop/north: shop 1 -> 3",
        "    + open = yes",
        "    > town -> place",
        "    > token -> tokens.0 = **********",
        "    - unused = **********",
    ]
    assert "~ shop/south: shop 1 -> 3, till (till) 1 -> 2" in lines
    assert "    > till.user -> till.username" in lines
    assert lines[-1] == "Plan: 3 to upgrade, 1 that cannot be."
    assert (
        "till/odd: Block 'till/odd' was not upgraded: the upgrade of 'till' from version 1 to 2"
        in done.stderr
    )
    assert "noise" in done.stderr
    assert states(run) == BEFORE


def test_upgrading_writes_each_back_and_one_failure_stops_no_other(run: Any) -> None:
    done = run("upgrade", "--all", "--yes", code=1)
    assert "Upgraded shop/north, version 2." in done.stdout
    assert "no such user" in done.stderr
    assert '"block restore SLUG/NAME" undoes it.' in done.stderr
    assert states(run) == {
        "shop/north": (2, 3),
        "shop/south": (2, 3),
        "till/main": (2, 2),
        "till/odd": (1, 1),
    }
    (newest, _) = json.loads(run("history", "shop/north", "-o", "json").stdout)
    assert newest["action"] == "upgraded from version 1"
    run("restore", "shop/north", "--yes")
    assert states(run)["shop/north"] == (3, 1)
    again = run("upgrade", "shop/north", "till/main", "--yes")
    assert "Upgraded shop/north, version 4." in again.stdout
    assert "till/main is stored in the form of the installed version." in again.stdout


def test_a_type_or_single_blocks_are_upgraded_alone(run: Any) -> None:
    run("upgrade", "--type", "shop", "--yes")
    run("upgrade", "till/main", "till/main", "--yes")
    assert states(run) == {
        "shop/north": (2, 3),
        "shop/south": (2, 3),
        "till/main": (2, 2),
        "till/odd": (1, 1),
    }
    assert "Nothing to upgrade" in run("upgrade", "--type", "shop", "--yes").stdout


def test_programs_get_json(run: Any) -> None:
    done = run("upgrade", "--all", "--yes", "-o", "json", code=1)
    rows = {row["address"]: row for row in json.loads(done.stdout)}
    assert {address: (row["outcome"], row["version"]) for address, row in rows.items()} == {
        "shop/north": ("upgraded", 2),
        "shop/south": ("upgraded", 2),
        "till/main": ("upgraded", 2),
        "till/odd": ("failed", None),
    }
    assert rows["shop/south"]["upgrades"] == [
        {"path": "", "slug": "shop", "from_version": 1, "to_version": 3},
        {"path": "till", "slug": "till", "from_version": 1, "to_version": 2},
    ]
    assert {
        "kind": "dropped",
        "path": "unused",
        "source": "",
        "before": None,
        "after": None,
        "secret": True,
    } in rows["shop/north"]["changes"]


def test_without_a_terminal_it_wants_yes(run: Any) -> None:
    done = run("upgrade", "shop/north", code=2)
    assert "Give --yes, or --plan" in done.stderr
    assert states(run) == BEFORE


def test_on_a_terminal_it_asks(run: Any, terminal: Any, shops: Path) -> None:
    code, shown = terminal("upgrade", "shop/north", question="Upgrade 1 block?", answer=b"n\n", path=shops)
    assert (code, "Nothing was changed." in shown) == (1, True)
    assert states(run) == BEFORE
    code, shown = terminal("upgrade", "shop/north", question="Upgrade 1 block?", answer=b"y\n", path=shops)
    assert (code, "Upgraded shop/north, version 2." in shown) == (0, True)


@pytest.mark.parametrize("words", [(), ("--all", "--type", "shop"), ("shop/north", "--all")])
def test_it_is_told_which_blocks(block: Any, words: tuple[str, ...]) -> None:
    assert "Give blocks (SLUG/NAME), or one of" in block("upgrade", *words, code=2).stderr


def test_unknown_blocks_and_types_are_errors(run: Any) -> None:
    assert "did you mean 'shop/north'" in run("upgrade", "shop/nort", "--yes", code=1).stderr
    assert "did you mean 'shop'" in run("upgrade", "--type", "shp", "--yes", code=1).stderr


def test_blocks_of_types_that_are_not_installed_are_left_out(process: Any, run: Any) -> None:
    done = process("upgrade", "--all", "--plan")
    assert "Left out: Block type 'shop' is registered, from shop-plugin 1.0, but no plugin" in done.stderr
    assert "pip install shop-plugin" in process("upgrade", "shop/north", "--yes", code=1).stderr


def test_registering_says_how_many_blocks_are_stored_by_older_versions(run: Any) -> None:
    done = run("register", "-m", "shops")
    assert "shop: 2 blocks stored by older versions (2 by version 1), upgraded when loaded." in done.stderr
    assert '"block upgrade --type till"' in done.stderr
    rows = {row["slug"]: row for row in json.loads(run("register", "-m", "shops", "-o", "json").stdout)}
    assert (rows["shop"]["stored_before"], rows["shop"]["missing_upgrades"]) == ({"1": 2}, [])


def test_registering_warns_of_a_missing_step(run: Any, shops: Path) -> None:
    plant_again(shops, SECOND.replace("@upgrades(from_version=2)", "@staticmethod"))
    done = run("register", "-m", "shops")
    assert (
        "shop: Warning: 2 blocks cannot be loaded, as there is no upgrade from version 2 to 3" in done.stderr
    )
    rows = {row["slug"]: row for row in json.loads(run("register", "-m", "shops", "-o", "json").stdout)}
    assert rows["shop"]["missing_upgrades"] == [2]
    assert "no upgrade from version 2 to 3" in run("upgrade", "shop/north", "--yes", code=1).stderr


def test_what_a_newer_release_stored_is_refused_with_what_to_do(run: Any, shops: Path) -> None:
    run("upgrade", "--all", "--yes", code=1)
    plant_again(shops, FIRST)
    done = run("upgrade", "--type", "shop", "--plan", code=1)
    assert (
        "stored by version 3 of its type, and version 1 is installed here. Upgrade the plugin" in done.stderr
    )


def test_a_stored_form_is_written_for_tests_with_examples_for_secrets(run: Any) -> None:
    stored = json.loads(run("inspect", "shop/south", "--stored").stdout)
    assert stored["marks"] == {
        "/token": "secretref:str",
        "/unused": "secret:str",
        "/till": "inline:till@1",
        "/till/pin": "secret:str",
    }
    assert stored["data"]["till"] == {"user": "bob", "pin": None}
    assert {pointer: secret["data"] for pointer, secret in stored["secrets"].items()} == {
        "/unused": "example-secret-1",
        "/till/pin": "example-secret-2",
    }


def test_a_stored_form_with_bytes_is_one_that_can_be_read(block: Any) -> None:
    from blocks_core.document import Encoded

    block(
        "create", "demo-store", "one", "--set", "bucket=raw", "--secret", "blob", stdin="pl4nted-s3cret/ü+\n"
    )
    stored = json.loads(block("inspect", "demo-store/one", "--stored").stdout)
    content = Encoded.from_json(stored)
    assert content.secrets["/blob"].marks == {"": "bytes"}


OWN = """
from blocks_core import Block, upgrades


class Kiosk(Block, slug="kiosk"{version}):
    {field}: str
"""
OWN_UPGRADE = """
    @upgrades(from_version=1)
    def _town_was_renamed(data):
        data["place"] = data.pop("town")
        return data
"""


@pytest.mark.parametrize("option", ["-m", "-f"])
def test_the_types_of_a_module_of_ones_own_are_upgraded_by_naming_it(
    process: Any, tmp_path: Path, option: str
) -> None:
    import os
    import subprocess
    import sys

    source = tmp_path / "kiosks.py"
    source.write_text(OWN.format(version="", field="town"))
    subprocess.run(
        [sys.executable, "-c", "from kiosks import Kiosk; Kiosk(town='Jeju').save('one')"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        check=True,
    )
    source.write_text(OWN.format(version=", version=2", field="place") + OWN_UPGRADE)
    what = "kiosks" if option == "-m" else str(source)
    found = process("register", option, what, path=tmp_path)
    assert f'"block upgrade --type kiosk {option} {what}"' in found.stderr
    assert '"-m MODULE"' in process("upgrade", "--type", "kiosk", "--plan", path=tmp_path, code=1).stderr
    left_out = process("upgrade", "--all", "--plan", path=tmp_path)
    assert "Left out" in left_out.stderr
    assert "no block of an installed type" in left_out.stdout
    done = process("upgrade", "--type", "kiosk", option, what, "--yes", path=tmp_path)
    assert "Upgraded kiosk/one, version 2." in done.stdout
