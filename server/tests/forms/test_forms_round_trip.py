"""Form -> what a browser sends -> document -> form: the same, whatever the field; secrets kept and never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from corpus import CANARY, CORPUS, Folder, Key
from form_browser import FormPage
from hypothesis import HealthCheck, given, settings

from blocks_core import Block, use_library
from blocks_core.document import Encoded
from blocks_core.errors import ValueNotStorable
from blocks_core.library import Library
from blocks_core.schema import BlockType, describe
from blocks_core.testing import generated_blocks, memory_library
from blocks_server.forms import BlockChoice, Filled, Form, Page, render_form

PAGE = Page("/save", "/change")


@pytest.fixture
def library() -> Iterator[Library]:
    with use_library(memory_library()) as library:
        library.register(Key)
        yield library


def choices(library: Library) -> list[BlockChoice]:
    return [BlockChoice(one.id, one.slug, one.name, one.capabilities) for one in library.registry.find()]


def types(*block_types: type[Block]) -> list[BlockType]:
    return [describe(found) for found in block_types]


def sent_back(form: Form, content: Encoded, known: list[BlockChoice]) -> Filled:
    html = render_form(form.show(content, known), PAGE)
    assert CANARY not in html
    return form.read(FormPage(html).sent(), content, known)


def same_with_secrets(filled: Filled, whole: Encoded) -> Encoded:
    """Return the answer, what it keeps filled in from the whole of what was stored."""
    assert not filled.problems
    assert filled.answer is not None
    answer = filled.answer
    assert not answer.cleared
    assert not answer.content.secrets
    kept = {new: whole.secrets[old] for new, old in answer.kept.items() if old in whole.secrets}
    return replace(answer.content, secrets=kept)


NOT_TYPED = (
    "anything 5",  # marks of what JSON lacks come from nowhere, where the schema says nothing
    "anything 6",
    "anything 7",
    "free dict with secrets",
    "moment 2",  # the name of a time zone
    "secret with a default 1",  # an empty secret
    "free dict 1",  # an empty key, for which a row must stand already
    "dict of texts 1",
    "wrong format",
    "read only",
)
CASES = [
    pytest.param(make, id=f"{name} {number}")
    for name, makers in CORPUS.items()
    for number, make in enumerate(makers)
]


@pytest.mark.parametrize("make", CASES)
def test_a_form_gives_back_what_it_was_shown(library, make):
    block = make()
    whole = library.draft(block, "it").content
    stored = replace(whole, secrets={})  # as a registry reads it
    form = Form.of(describe(type(block)).schema, types(Key, Folder))
    known = choices(library)
    filled = sent_back(form, stored, known)
    assert same_with_secrets(filled, whole) == whole
    again = form.show(stored, known)
    assert render_form(again, PAGE) == render_form(replace(filled, problems={}), PAGE)


def typed_secrets(filled: Filled, whole: Encoded) -> dict[str, str]:
    """Return what somebody types who knows every secret."""
    found: dict[str, str] = {}
    for node in filled.root.walk():
        if node.text == "keep":
            secret = whole.secrets[node.origin or ""]
            is_text = whole.marks[node.origin or ""] != "secret:value"
            word = "base64" if secret.marks else "set"
            found[node.name] = word if is_text else "lines"
            part = "value" if is_text else "lines"
            found[f"{node.name}~{part}"] = str(secret.data) if is_text else json.dumps(secret.data)
    return found


@pytest.mark.parametrize("make", [case for case in CASES if not case.id.startswith(NOT_TYPED)])
def test_what_is_typed_into_an_empty_form_makes_the_same_block(library, make):
    block = make()
    whole = library.draft(block, "it").content
    form, known = Form.of(describe(type(block)).schema, types(Key, Folder)), choices(library)
    shown = form.show(replace(whole, secrets={}), known)
    pairs = FormPage(render_form(shown, PAGE)).sent(typed_secrets(shown, whole))
    filled = form.read(pairs, None, known)
    assert not filled.problems
    assert CANARY not in render_form(filled, PAGE)
    assert not filled.answer.kept
    library.register(type(block))
    draft = replace(library.draft(block, "typed"), content=filled.answer.content)
    document = library.registry.save(draft, overwrite=True)
    made = library.build(library.registry.load(document.slug, document.name), type(block))
    assert library.draft(made, "it").content == whole


@given(generated_blocks())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_forms_of_generated_types_give_back_what_they_were_shown(drawn):
    block, canaries = drawn
    library = memory_library()
    with use_library(library):
        try:
            whole = library.draft(block, "it").content
        except ValueNotStorable:
            return
        form = Form.of(describe(type(block)).schema, types())
        html = render_form(form.show(replace(whole, secrets={})), PAGE)
        filled = form.read(FormPage(html).sent(), replace(whole, secrets={}))
        assert same_with_secrets(filled, whole) == whole
        for canary in canaries:
            assert canary not in html


def test_the_corpus_has_the_size_that_was_asked_for():
    assert len(CORPUS) >= 40
