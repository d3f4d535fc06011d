"""Plugins: found without being imported, and harmless when they are broken."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from blocks_core import Block
from blocks_core.catalog import Catalog
from blocks_core.errors import BlockTypeNotFound, PluginBroken
from blocks_core.library import Library
from blocks_core.schema import describe

GOOD = """
from blocks_core import Block

class Widget(Block, slug="widget"):
    '''A widget.'''

    size: int = 1
"""


def entry(slug: str) -> str:
    return next(found.problem for found in Catalog().entries() if found.offer.name == slug)


def test_a_plugin_is_listed_without_being_imported_and_used_when_asked_for(
    library: Library, plant_plugin
) -> None:
    plant_plugin("acme_widgets", GOOD, "widget = acme_widgets:Widget")
    found = next(found for found in Catalog().entries() if found.offer.name == "widget")
    assert (found.problem, found.offer.origin) == ("", "acme-widgets 1.0")
    assert "acme_widgets" not in sys.modules
    widget = Catalog().find("widget")
    widget(size=3).save("one")
    assert Block.load("widget/one") == widget(size=3)
    assert library.registry.type("widget").distribution == "acme-widgets"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no luck')", "no luck"),
        ("import surely_not_installed_xyz", "surely_not_installed_xyz"),
        ("def broken(:", "invalid syntax"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_harms_nothing_else(
    plant_plugin, source: str, reason: str
) -> None:
    plant_plugin("acme_broken", source, "bad-one = acme_broken:Bad")
    plant_plugin("acme_widgets", GOOD, "widget = acme_widgets:Widget")
    assert reason in entry("bad-one")
    assert entry("widget") == ""
    assert "acme_broken" not in sys.modules
    with pytest.raises(PluginBroken) as caught:
        Catalog().find("bad-one")
    assert reason in str(caught.value)
    assert "acme-broken" in str(caught.value)
    assert Catalog().find("widget").__name__ == "Widget"


def test_a_plugin_that_ends_the_process_on_import_is_contained(plant_plugin) -> None:
    plant_plugin("acme_exit", "if True:\n    raise SystemExit(3)", "leaver = acme_exit:Leaver")
    with pytest.raises(PluginBroken, match="SystemExit"):
        Catalog().find("leaver")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("acme_widgets:Missing", "has no attribute 'Missing'"),
        ("acme_widgets.nowhere:Widget", "nowhere"),
        ("acme_widgets:Block", "whose slug is 'None'"),
        ("json:dumps", "no Block subclass"),
    ],
)
def test_an_entry_point_that_names_no_such_type_is_refused(plant_plugin, target: str, reason: str) -> None:
    plant_plugin("acme_widgets", GOOD, f"widget = {target}")
    with pytest.raises(PluginBroken) as caught:
        Catalog().find("widget")
    assert reason in str(caught.value)


def test_a_slug_that_two_claim_is_given_to_neither(plant_plugin) -> None:
    plant_plugin("acme_widgets", GOOD, "widget = acme_widgets:Widget")
    plant_plugin("other_widgets", GOOD, "widget = other_widgets:Widget")
    assert "claimed by acme-widgets 1.0 and other-widgets 1.0" in entry("widget")
    with pytest.raises(PluginBroken, match="Uninstall all but one"):
        Catalog().find("widget")


@pytest.mark.parametrize("entry_points", ["no equals sign", "twice = a:A\ntwice = b:B", "[broken\nx = y"])
def test_a_malformed_entry_point_file_hides_no_other_plugin(plant_plugin, entry_points: str) -> None:
    plant_plugin("acme_aaa", "", entry_points)
    plant_plugin("acme_widgets", GOOD, "widget = acme_widgets:Widget")
    assert entry("widget") == ""


def test_a_damaged_manifest_is_reported(plant_plugin) -> None:
    package = plant_plugin("acme_widgets", GOOD, "widget = acme_widgets:Widget")
    (package / "blocks.json").write_text("{")
    assert "manifest of acme-widgets 1.0 cannot be read" in entry("widget")


def test_an_unknown_slug_is_an_error_with_a_suggestion(plant_plugin) -> None:
    plant_plugin("acme_widgets", GOOD, "widget = acme_widgets:Widget")
    with pytest.raises(BlockTypeNotFound, match=r"No block type 'wiget' is installed .did you mean 'widget'"):
        Catalog().find("wiget")


def test_a_registered_type_whose_plugin_is_missing_says_what_to_install(library: Library) -> None:
    class Gone(Block, slug="gone"):
        """Was here."""

    known = replace(describe(Gone, distribution="acme-gone", distribution_version="2.0"), slug="not-here")
    library.registry.register(known)
    with pytest.raises(BlockTypeNotFound, match=r"from acme-gone 2\.0.*pip install acme-gone"):
        Block.load("not-here/x")
