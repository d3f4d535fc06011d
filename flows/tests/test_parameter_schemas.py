from __future__ import annotations

import pytest
from pydantic import SecretStr
from shelf_storage import ShelfStorage

from blocks_core import Storage
from blocks_core.current import use_library
from blocks_core.testing import memory_library
from blocks_flows import Flow, Parameter, flow
from blocks_flows.errors import ParametersInvalid

HIDDEN = SecretStr("hidden-default")


class Odd:
    pass


def test_the_schema_of_a_function_says_types_defaults_and_secrets() -> None:
    @flow
    def f(plain, day: int, text: SecretStr = HIDDEN, odd: Odd | None = None, *rest, **more):
        """Nothing."""

    schema = f.parameter_schema()
    assert schema["title"] == "f"
    assert schema["required"] == ["plain", "day"]
    assert schema["additionalProperties"] is True
    assert schema["properties"]["text"]["writeOnly"] is True
    assert "hidden" not in str(schema)
    assert list(schema["properties"]) == ["plain", "day", "text", "odd"]


def test_the_schema_of_a_graph_says_what_its_defaults_are() -> None:
    with Flow("g") as g:
        Parameter("xs", default=[1.0], description="Numbers.")
        Parameter("name", default=None)
        Parameter("day")
    assert g.parameter_schema() == {
        "title": "g",
        "type": "object",
        "properties": {
            "xs": {"title": "xs", "type": "array", "description": "Numbers.", "default": [1.0]},
            "name": {"title": "name", "default": None},
            "day": {"title": "day"},
        },
        "additionalProperties": False,
        "required": ["day"],
    }


def test_a_block_is_given_by_its_address(last_run) -> None:
    seen = []

    @flow
    def f(
        to: Storage,
        shelf: ShelfStorage | None = None,
        many: list[Storage] | None = None,
        either: str | Storage = "",
    ):
        seen[:] = [to, shelf, many, either]

    with use_library(memory_library()):
        ShelfStorage().save("raw")
        address = "test-shelf/raw"
        assert f.run(to=address, shelf={"block": address}, many=[address], either=address).is_successful()
        assert [type(each) for each in (*seen[:2], *seen[2])] == [ShelfStorage] * 3
        assert seen[3] == address
        assert last_run()["parameters"]["to"] == {"block": address}
        with pytest.raises(ParametersInvalid, match=r"to: .*'test-shelf/none'"):
            f.run(to="test-shelf/none")
        with pytest.raises(ParametersInvalid, match="to: "):
            f.run(to=3)
    schema = f.parameter_schema()
    assert schema["$defs"]["ShelfStorage"]["x-block-type"] == "test-shelf"
    assert schema["$defs"]["Storage"]["x-capability"] == "storage"
    assert "properties" not in schema["$defs"]["ShelfStorage"]
