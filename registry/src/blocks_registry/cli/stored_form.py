"""A block's stored form as an example: what the tests of a plugin upgrade (`BlockSuite.old_documents`)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from itertools import count

from blocks_core.document import Encoded, Json


def example_of(content: Encoded) -> Json:
    """Return content that came without its secrets as JSON, with a text of its own in the place of each."""
    numbers = count(1)
    secrets = {
        pointer: _example(mark, f"example-secret-{next(numbers)}")
        for pointer, mark in content.marks.items()
        if mark.startswith("secret:")
    }
    return replace(content, secrets=secrets).to_json()


def _example(mark: str, text: str) -> Encoded:
    if mark == "secret:bytes":
        return Encoded(b64encode(text.encode()).decode(), {"": "bytes"})
    return Encoded(text)
