"""What every block type must do, as tests to inherit."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from blocks_core.block import Block, slug_of
from blocks_core.catalog import load_type
from blocks_core.codec import encode_block
from blocks_core.current import use_library
from blocks_core.discovery import Offer, read_offers
from blocks_core.document import Encoded
from blocks_core.logos import problem_of_logo
from blocks_core.manifest import manifest_file, manifest_text
from blocks_core.schema import describe
from blocks_core.testing.memory import memory_library
from blocks_core.testing.old_documents import plant_old_document, upgraded, with_canaries


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

    @pytest.fixture
    def old_documents(self) -> Mapping[int, Any]:
        """Return what each older version of the type stored of a block: version -> stored form.

        `block inspect SLUG/NAME --stored` writes it, with example texts for secrets.
        """
        return {}

    @pytest.fixture
    def held_blocks(self) -> Mapping[str, Block]:
        """Return the saved blocks that old documents refer to: id, as in their marks -> block."""
        return {}

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
        assert problem_of_logo(logo) is None

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

    def test_each_older_version_has_a_document_to_upgrade(
        self, block: Block, old_documents: Mapping[int, Any]
    ) -> None:
        """Nothing is asked of a type at version 1."""
        slug, version = slug_of(type(block)), type(block).type_info.version
        missing = [old for old in range(1, version) if old not in old_documents]
        assert not missing, (
            f"give what version {' and '.join(map(str, missing))} of '{slug}' stored in the fixture 'old_documents': "
            f'with that version installed, save a block and run "block inspect {slug}/NAME --stored"'
        )
        odd = sorted(old_documents.keys() - set(range(1, version)))
        assert not odd, (
            f"'old_documents' has version {odd[0]}, which is none before version {version} of '{slug}'"
        )

    def test_what_older_versions_stored_is_loaded(
        self, block: Block, old_documents: Mapping[int, Any], held_blocks: Mapping[str, Block]
    ) -> None:
        """By the library, from a registry; saved again, it is what it was."""
        for version, stored in old_documents.items():
            library = memory_library()
            name = plant_old_document(library, type(block), version, Encoded.from_json(stored), held_blocks)
            with use_library(library):
                loaded = type(block).load(name)
                loaded.save("again")
                assert type(block).load("again") == loaded

    def test_upgrading_is_pure(self, block: Block, old_documents: Mapping[int, Any]) -> None:
        """The same stored form gives the same, and is left as it was."""
        for version, stored in old_documents.items():
            content, before = Encoded.from_json(stored), json.dumps(stored)
            first, second = (upgraded(memory_library(), type(block), version, content) for _ in range(2))
            assert first.content == second.content, (
                f"upgrading from version {version} gives another result each time"
            )
            assert content == Encoded.from_json(json.loads(before)), f"version {version} was changed in place"

    def test_no_upgrade_reads_a_secret(self, block: Block, old_documents: Mapping[int, Any]) -> None:
        """Each is where it was moved to, whole, or was dropped; none is part of another value."""
        for version, stored in old_documents.items():
            content, canaries = with_canaries(Encoded.from_json(stored))
            done = upgraded(memory_library(), type(block), version, content)
            shown = f"{done!r} {done.content.data_text()} {done.content.marks_text()}"
            assert not [canary for canary in canaries if canary in shown]
            assert all(secret.data in canaries for secret in done.content.secrets.values())

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
