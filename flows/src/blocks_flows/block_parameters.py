"""Blocks as parameters of flows: where one is asked for, the address of a saved one does, and it is loaded."""

from __future__ import annotations

from functools import partial
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import BeforeValidator

from blocks_core.block import Block
from blocks_core.errors import BlocksError


def takes_address(hint: Any) -> Any:
    """Return an annotation under which `s3/raw` or `{"block": "s3/raw"}` is taken for the block saved there.

    Lists and unions are looked into; in a union with `str` only the second form is, as a text may be meant.
    """
    return _wrapped(hint, texts=True)


def _wrapped(hint: Any, *, texts: bool) -> Any:
    kind = cast("type[Any]", hint) if isinstance(hint, type) else None
    if kind is not None and get_origin(hint) is None and issubclass(kind, Block):
        return Annotated[hint, BeforeValidator(partial(_load, texts=texts))]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        texts = texts and str not in args
        return Union[tuple(_wrapped(each, texts=texts) for each in args)]  # noqa: UP007 - it is made here
    if origin is list and args:
        return list[_wrapped(args[0], texts=texts)]
    if origin is Annotated:
        return Annotated[(_wrapped(args[0], texts=texts), *args[1:])]
    return cast("Any", hint)


def _load(given: Any, *, texts: bool) -> Any:
    fields = cast("dict[Any, Any]", given) if isinstance(given, dict) else {}
    address = cast("Any", fields.get("block") if len(fields) == 1 else given if texts else None)
    if not isinstance(address, str):
        return cast("Any", given)
    try:
        return Block.load(address)
    except BlocksError as error:
        raise ValueError(str(error)) from error  # so that it is told with the other problems
