"""The tier of a block type follows from what the kit's suites saw of it, and from nothing that anybody says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from blocks_core.discovery import Offer
from blocks_core.quality import TypeResults, file_text, judge, merged, quality_of, read_entries
from blocks_core.schema import BlockType

pytest_plugins = ["pytester"]

PACKAGE = '''
from pydantic import Field
from blocks_core import Block


class Thing(Block, slug="suite-thing"):
    """A thing.

    ```python
    from acme_things import Thing

    Thing(place="here").save("one")
    ```
    """

    place: str = Field(description="Where.")
'''
TESTS = """
from pathlib import Path

import pytest
from acme_things import Thing
from blocks_core.testing import BlockSuite, DocsSuite


class TestThing(BlockSuite):
    @pytest.fixture
    def block(self):
        return Thing(place="here")


class TestDocs(DocsSuite):
    @pytest.fixture
    def block_type(self):
        return Thing

    @pytest.fixture
    def page(self):
        return Path(__file__).with_name("suite-thing.md")
"""
PAGE = """<!-- Written. -->
# Thing

A thing.

Slug `suite-thing`, from `acme-things`.

| `place` | text | required | Where. |

```python
from acme_things import Thing

Thing(place="here").save("one")
```

<!-- End of what "block plugin docs" writes. -->

## When it fails

- It does not.
"""
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"/>'
WRITE_MANIFEST = """
from blocks_core.catalog import load_type
from blocks_core.discovery import read_offers
from blocks_core.manifest import manifest_file, manifest_text
from blocks_core.schema import describe
offers = [offer for offer in read_offers("blocks.types") if offer.package == "acme_things"]
manifest_file("acme_things").write_text(manifest_text(describe(load_type(offer)) for offer in offers))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an installed package of one block type, its page and its tests."""
    info = pytester.mkdir("acme_things-1.0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-things\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[blocks.types]\nsuite-thing = acme_things:Thing\n")
    package = pytester.mkdir("acme_things")
    (package / "__init__.py").write_text(PACKAGE)
    (package / "logos").mkdir()
    (package / "logos" / "suite-thing.svg").write_text(LOGO)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # what else is installed takes most of the time
    pytester.path.joinpath("suite-thing.md").write_text(PAGE)
    pytester.path.joinpath("test_acme.py").write_text(TESTS)
    assert pytester.run(sys.executable, "-c", WRITE_MANIFEST).ret == 0
    return pytester.path


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    plugin = "blocks_core.testing.quality_report"
    return pytester.runpytest_subprocess("-p", plugin, "-p", "no:cacheprovider", *words)


def results(project: Path) -> dict[str, dict[str, str]]:
    [entry] = read_entries(project / "acme_things" / "blocks-quality.json")
    return entry["suites"]


def tier(project: Path) -> tuple[str, str]:
    """Return the tier of the type as a reader finds it, and what the next one lacks."""
    package = project / "acme_things"
    [described] = json.loads((package / "blocks.json").read_text())["types"]
    described |= {"distribution": "acme-things", "distribution_version": "1.0"}
    offer = Offer("blocks.types", "suite-thing", "acme_things:Thing", "acme-things", "1.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(project)
        found = quality_of(offer, BlockType.from_json(described))
    return found.tier, "; ".join(found.lacks)


def test_a_type_whose_suites_all_passed_is_gold(pytester: pytest.Pytester, project: Path) -> None:
    done = run(pytester, "--blocks-quality")
    done.assert_outcomes(passed=15)
    done.stdout.fnmatch_lines(["*blocks-quality.json: results of suite-thing"])
    assert set(results(project)) == {"BlockSuite", "DocsSuite"}
    assert {outcome for suite in results(project).values() for outcome in suite.values()} == {"passed"}
    assert tier(project) == ("gold", "")


def test_the_same_is_written_by_several_processes_at_once_and_again(
    pytester: pytest.Pytester, project: Path
) -> None:
    file = project / "acme_things" / "blocks-quality.json"
    run(pytester, "--blocks-quality")
    alone = file.read_text()
    run(pytester, "--blocks-quality")
    assert file.read_text() == alone
    file.unlink()
    run(pytester, "--blocks-quality", "-p", "xdist.plugin", "-n", "2").assert_outcomes(passed=15)
    assert file.read_text() == alone


def test_nothing_is_written_unless_it_is_asked_for(pytester: pytest.Pytester, project: Path) -> None:
    run(pytester).assert_outcomes(passed=15)
    assert not list(project.rglob("blocks-quality.json*"))


def test_one_file_for_all_types_is_written_where_it_is_asked_for(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester, "--blocks-report", "all.json")
    [entry] = read_entries(project / "all.json")
    assert (entry["slug"], entry["distribution_version"]) == ("suite-thing", "1.0")
    assert not list(project.rglob("blocks-quality.json*"))


def test_docs_that_were_not_tested_leave_silver(pytester: pytest.Pytester, project: Path) -> None:
    run(pytester, "--blocks-quality", "-k", "TestThing")
    assert tier(project) == ("silver", "DocsSuite was not run")
    run(pytester, "--blocks-quality", "-k", "TestDocs")
    assert tier(project) == ("gold", "")


@pytest.mark.parametrize(
    ("change", "outcome", "reached"),
    [
        ("    def test_it_is_pickled(self, block): pass", "replaced", "none"),
        ("    test_it_is_pickled = None", "missing", "none"),
        (
            "    @pytest.mark.xfail(reason='never')\n    def test_it_is_pickled(self): 1 / 0",
            "replaced",
            "none",
        ),
    ],
)
def test_a_criterion_that_its_author_replaced_does_not_count(
    change: str, outcome: str, reached: str, pytester: pytest.Pytester, project: Path
) -> None:
    file = project / "test_acme.py"
    file.write_text(
        file.read_text().replace(
            "class TestThing(BlockSuite):\n", f"class TestThing(BlockSuite):\n{change}\n"
        )
    )
    run(pytester, "--blocks-quality")
    assert results(project)["BlockSuite"]["test_it_is_pickled"] == outcome
    assert tier(project) == (reached, f"BlockSuite.test_it_is_pickled is {outcome}")


def test_a_failure_and_a_missing_component_do_not_count(pytester: pytest.Pytester, project: Path) -> None:
    (project / "suite-thing.md").write_text(PAGE.partition("## When")[0])
    run(pytester, "--blocks-quality")
    assert tier(project) == ("silver", "DocsSuite.test_its_page_tells_what_to_do_when_it_fails is failed")
    file = project / "test_acme.py"
    file.write_text(
        file.read_text().replace("        return Path", "        pytest.skip('no disk')\n        return Path")
    )
    run(pytester, "--blocks-quality")
    assert results(project)["DocsSuite"] == {
        "test_its_docstring_shows_how_to_use_it": "passed",
        "test_its_page_says_what_its_class_says": "skipped",
        "test_its_page_tells_what_to_do_when_it_fails": "skipped",
    }


def test_what_one_class_skipped_and_another_passed_is_silver_and_not_gold(
    pytester: pytest.Pytester, project: Path
) -> None:
    file = project / "test_acme.py"
    again = TESTS[TESTS.index("class TestDocs") :].replace("TestDocs", "TestMoreDocs")
    file.write_text(
        file.read_text()
        + again.replace("        return Path", "        pytest.skip('no disk')\n        return Path")
    )
    run(pytester, "--blocks-quality")
    assert results(project)["DocsSuite"]["test_its_page_says_what_its_class_says"] == "partly"
    assert tier(project)[0] == "silver"


def test_results_of_another_schema_or_version_do_not_count(pytester: pytest.Pytester, project: Path) -> None:
    run(pytester, "--blocks-quality")
    code = project / "acme_things" / "__init__.py"
    code.write_text(PACKAGE.replace("place: str", "place: str | None"))
    assert pytester.run(sys.executable, "-c", WRITE_MANIFEST).ret == 0
    assert tier(project) == ("none", "the results in blocks-quality.json are of another schema or version")
    run(pytester, "--blocks-quality", "-k", "TestThing")
    assert tier(project) == ("silver", "DocsSuite was not run")


def test_results_that_were_edited_do_not_count(pytester: pytest.Pytester, project: Path) -> None:
    run(pytester, "--blocks-quality", "-k", "pickled")
    file = project / "acme_things" / "blocks-quality.json"
    assert tier(project)[0] == "none"
    file.write_text(file.read_text().replace("missing", "passed"))
    assert tier(project) == (
        "none",
        "blocks-quality.json cannot be used: the results of 'suite-thing' are not as the kit wrote them",
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"types": 1}', '{"types": [{"slug": "suite-thing"}]}'])
def test_a_file_that_makes_no_sense_is_no_tier_and_is_written_anew(
    text: str, pytester: pytest.Pytester, project: Path
) -> None:
    file = project / "acme_things" / "blocks-quality.json"
    file.write_text(text)
    assert tier(project)[0] == "none"
    run(pytester, "--blocks-quality", "-k", "TestThing")
    assert tier(project)[0] == "silver"


def test_a_block_that_no_distribution_offers_is_of_no_report(
    pytester: pytest.Pytester, project: Path
) -> None:
    (project / "acme_things-1.0.dist-info" / "entry_points.txt").write_text("")
    run(pytester, "--blocks-report", "all.json")
    assert read_entries(project / "all.json") == []


def entry(suites: Any, slug: str = "thing", structure: str = "h") -> TypeResults:
    return TypeResults(slug, 1, structure, "acme", "1.0", "0.1", suites)


def test_a_capability_asks_for_its_suite() -> None:
    suites = {"BlockSuite": {"a": "passed", "b": "inapplicable"}}
    assert judge(suites, ["storage", "readable-storage"]).tier == "bronze"
    assert judge(suites, ["storage", "readable-storage"]).lacks == ("StorageSuite was not run",)
    assert judge(suites, ["readable-storage"]).lacks == ("ReadableStorageSuite was not run",)
    assert judge(suites | {"StorageSuite": {"a": "skipped"}}, ["storage"]).lacks == (
        "StorageSuite passed nothing",
    )
    assert judge(suites | {"StorageSuite": {"a": "passed", "b": "failed"}}, ["storage"]).tier == "bronze"
    assert judge(suites | {"StorageSuite": {"a": "passed", "b": "partly"}}, ["storage"]).tier == "silver"
    assert judge({}, []) == judge({"BlockSuite": {}}, [])
    assert judge({}, []).tier == "none"


def test_results_are_merged_by_suite_as_long_as_the_type_is_the_same() -> None:
    old = [entry({"A": {"x": "passed"}, "B": {"y": "passed"}}).to_json(), entry({}, slug="other").to_json()]
    new = merged(old, [entry({"A": {"x": "failed"}})])
    assert {found.slug: found.suites for found in new} == {
        "thing": {"A": {"x": "failed"}, "B": {"y": "passed"}},
        "other": {},
    }
    [changed] = merged(old[:1], [entry({"A": {}}, structure="another")])
    assert changed.suites == {"A": {}}


def test_a_file_is_the_same_whatever_the_order() -> None:
    some = [entry({}, slug="b"), entry({}, slug="a")]
    assert file_text(some) == file_text(reversed(some))
