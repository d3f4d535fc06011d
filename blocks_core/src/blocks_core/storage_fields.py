"""Fields that storages share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from blocks_core.errors import PathRefused
from blocks_core.storage_paths import clean_folder


def _in_one_spelling(prefix: str) -> str:
    try:
        return clean_folder(prefix.strip("/"))
    except PathRefused as error:
        raise ValueError(str(error)) from error


Prefix = Annotated[str, AfterValidator(_in_one_spelling)]
"""A folder that all paths of a block are below, in its one spelling; empty for none."""
