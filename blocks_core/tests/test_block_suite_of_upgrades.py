"""What the inherited tests of a plugin ask of a type that had older versions."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

TYPES = '''
    from itertools import count

    import pytest
    from pydantic import SecretStr
    from blocks_core import Block, upgrades
    from blocks_core.testing import BlockSuite

    NUMBERS = count()


    class Held(Block, slug="suite-held"):
        """Held."""

        token: SecretStr


    class Inner(Block, slug="suite-inner", version=2):
        """Stored inside."""

        username: str

        @upgrades(from_version=1)
        def _renamed(data):
            return {{"username": data["user"]}}


    class Thing(Block, slug="suite-thing", version=3):
        """A thing."""

        bucket: str
        token: SecretStr
        inner: Inner | None = None
        held: Held | None = None

        @upgrades(from_version=1)
        def _renamed(data):
            data["bucket"] = data.pop("path")
            return data

        @upgrades(from_version=2)
        def _second(data):
            {second}


    class TestThing(BlockSuite):
        @pytest.fixture
        def block(self):
            return Thing(bucket="b", token=SecretStr("canary-1"))

        @pytest.fixture
        def old_documents(self):
            return {documents}

        @pytest.fixture
        def held_blocks(self):
            return {{"00000000-0000-0000-0000-000000000007": Held(token=SecretStr("x"))}}
'''

SECRET = {"data": "example-secret-1", "marks": {}, "secrets": {}}
FIRST = {
    "data": {"path": "raw", "token": None, "inner": {"user": "ann"}, "held": None},
    "marks": {
        "/token": "secret:str",
        "/inner": "inline:suite-inner@1",
        "/held": "block:00000000-0000-0000-0000-000000000007",
    },
    "secrets": {"/token": SECRET},
}
SECOND = {
    "data": {"bucket": "raw", "token": None},
    "marks": {"/token": "secret:str"},
    "secrets": {"/token": SECRET},
}
OURS = "older_version or older_versions or upgrading or upgrade_reads"


def outcome(
    pytester: pytest.Pytester, documents: object, *, second: str = "return data"
) -> tuple[dict[str, int], str]:
    text = dedent(TYPES).format(documents=json.dumps(documents).replace("null", "None"), second=second)
    for version in (1, 2, 3):
        text = text.replace(f'"{version}": {{"data"', f'{version}: {{"data"')
    pytester.makepyfile(test_thing=text)
    result = pytester.runpytest_inprocess("-q", "-k", OURS, "-p", "no:cacheprovider")
    return result.parseoutcomes(), result.stdout.str()


def test_a_type_whose_old_documents_load_passes(pytester: pytest.Pytester) -> None:
    assert outcome(pytester, {1: FIRST, 2: SECOND})[0]["passed"] == 4


def test_a_document_of_each_older_version_is_asked_for(pytester: pytest.Pytester) -> None:
    counts, shown = outcome(pytester, {2: SECOND})
    assert (counts["failed"], counts["passed"]) == (1, 3)
    assert "give what version 1 of 'suite-thing' stored in the fixture 'old_documents'" in shown
    assert "block inspect suite-thing/NAME --stored" in shown


def test_a_document_of_no_older_version_is_refused(pytester: pytest.Pytester) -> None:
    assert "which is none before version 3" in outcome(pytester, {1: FIRST, 2: SECOND, 3: SECOND})[1]


def test_an_old_document_that_does_not_load_fails(pytester: pytest.Pytester) -> None:
    broken = FIRST | {"data": {**FIRST["data"], "left": 1}}  # type: ignore[dict-item]
    counts, shown = outcome(pytester, {1: broken, 2: SECOND})
    assert counts["failed"] == 1
    assert "left: there is no such field; version 1 stored it" in shown


def test_an_upgrade_that_is_not_pure_fails(pytester: pytest.Pytester) -> None:
    counts, shown = outcome(
        pytester, {1: FIRST, 2: SECOND}, second="return data | {'bucket': str(next(NUMBERS))}"
    )
    assert counts["failed"] == 1
    assert "another result each time" in shown


def test_an_upgrade_that_would_read_a_secret_fails(pytester: pytest.Pytester) -> None:
    counts, shown = outcome(
        pytester, {1: FIRST, 2: SECOND}, second="return data | {'bucket': 'b' + str(data['token'])}"
    )
    assert counts["failed"] == 3
    assert "a secret cannot be read or made part of a text by an upgrade" in shown


def test_nothing_is_asked_of_a_type_at_version_one(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        test_first="""
        import pytest
        from blocks_core import Block
        from blocks_core.testing import BlockSuite


        class First(Block, slug="suite-first"):
            size: int = 1


        class TestFirst(BlockSuite):
            @pytest.fixture
            def block(self):
                return First()
        """
    )
    assert pytester.runpytest_inprocess("-q", "-k", OURS).parseoutcomes()["passed"] == 4
