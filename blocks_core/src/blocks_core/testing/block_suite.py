"""What every block type must do, as tests to inherit."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from blocks_core.block import Block, slug_of
from blocks_core.catalog import load_type
from blocks_core.codec import encode_block
from blocks_core.current import use_library
from blocks_core.discovery import Offer, read_offers
from blocks_core.document import Encoded
from blocks_core.manifest import manifest_file, manifest_text
from blocks_core.schema import describe
from blocks_core.testing.memory import memory_library


class BlockSuite:
    """Inherit it and give a fixture `block`: a valid one, with every secret field filled in."""

    @pytest.fixture
    def block(self) -> Block:
        """Return a block of the type under test."""
        raise NotImplementedError("Give a fixture 'block'.")

    @pytest.fixture
    def offer(self, block: Block) -> Offer:
        """Return the entry point of the type under test."""
        slug = slug_of(type(block))
        offers = [offer for offer in read_offers("blocks.types") if offer.name == slug]
        assert len(offers) == 1, f"give one entry point '{slug}' in the group blocks.types"
        return offers[0]

    def test_its_entry_point_names_it(self, block: Block, offer: Offer) -> None:
        """The entry point's name is the slug, its target the class."""
        assert load_type(offer) is type(block)

    def test_it_explains_itself(self, block: Block) -> None:
        """The class has a docstring, each field a description that ends with a full stop."""
        assert type(block).type_info.description
        for name, field in type(block).model_fields.items():
            assert (field.description or "").endswith("."), f"describe the field '{name}' in a sentence"

    def test_its_manifest_is_up_to_date(self, offer: Offer) -> None:
        """`blocks.json` says what the classes say."""
        mine = [found for found in read_offers("blocks.types") if found.distribution == offer.distribution]
        file = manifest_file(offer.package)
        assert file is not None
        assert file.is_file(), f'write it: "block plugin manifest {offer.package}"'
        expected = manifest_text(describe(load_type(found)) for found in mine)
        assert file.read_text("utf-8") == expected, f'renew it: "block plugin manifest {offer.package}"'

    def test_its_logo_is_a_square_picture_and_nothing_else(self, block: Block) -> None:
        """SVG without scripts or anything from elsewhere."""
        logo = describe(type(block)).logo
        assert logo, f"add logos/{slug_of(type(block))}.svg to the package"
        root = ET.fromstring(logo)
        left, top, width, height = (float(part) for part in root.attrib["viewBox"].split())
        assert (left, top) == (0, 0)
        assert width == height
        assert "script" not in logo
        assert "href" not in logo

    def test_it_is_loaded_as_it_was_saved(self, block: Block) -> None:
        """In a library of its own."""
        with use_library(memory_library()):
            block.save("one")
            assert type(block).load("one") == block

    def test_it_is_pickled(self, block: Block) -> None:
        """So that it can be sent to where a task runs."""
        assert pickle.loads(pickle.dumps(block)) == block

    def test_an_unknown_field_is_refused(self, block: Block) -> None:
        """A misspelt field is never silently accepted."""
        with pytest.raises(ValidationError, match="no_such_field"):
            type(block).model_validate({"no_such_field": 1})

    def test_no_secret_shows(self, block: Block) -> None:
        """Not in repr, str, dumps, or the refusal of a wrong field beside it."""
        secrets = list(secrets_of(block))
        assert secrets or not describe(type(block)).secret_fields(), (
            "fill in the secret fields of the fixture"
        )
        for text in shown(block):
            for secret in secrets:
                assert secret not in text


def secrets_of(block: Block) -> Iterator[str]:
    """Yield the text of each secret in a block."""
    yield from _texts(encode_block(block, address="under test").secrets.values())


def _texts(values: Any) -> Iterator[str]:
    for encoded in cast("list[Encoded]", values):
        yield from _leaves(encoded.data)
        yield from _texts(encoded.secrets.values())


def _leaves(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for item in cast("dict[str, Any]", data).values():
            yield from _leaves(item)
    elif isinstance(data, list):
        for item in cast("list[Any]", data):
            yield from _leaves(item)
    elif data is not None:
        yield str(data)


def shown(block: Block) -> Iterator[str]:
    """Yield every text that a block makes of itself for people or machines."""
    yield repr(block)
    yield str(block)
    yield f"{block}"
    try:
        yield block.model_dump_json()
    except (
        PydanticSerializationError
    ) as error:  # bytes that are no text, in a model with its own configuration
        yield str(error)
    yield str(block.model_dump())
    yield repr(encode_block(block, address="under test"))
    fields = {name: getattr(block, name) for name in type(block).model_fields}
    try:
        type(block).model_validate(fields | {"no_such_field": fields}, by_name=True)
    except ValidationError as error:
        yield str(error)
