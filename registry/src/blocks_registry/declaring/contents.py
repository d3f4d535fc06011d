"""The stored form of what a declaration says: values with their kinds, secrets apart, blocks by their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from blocks_core.document import Document, Encoded, Json, pointer_to, reference_mark
from blocks_core.errors import NameInvalid
from blocks_core.secret_reference import SecretReference
from blocks_registry.declaring.declarations import Declaration, expand_json, read_kinds
from blocks_registry.declaring.implied import AMBIGUOUS, Fields, Schemas, inline_of
from blocks_registry.declaring.kinds import BLOCK, INLINE, PLAIN, SECRET, SECRET_REFERENCE, fits
from blocks_registry.errors import DeclarationProblem

_KEEP, _REFERENCE, _VALUE = {"secret"}, {"ref"}, ({"value"}, {"value", "kinds"})
_FORMS = "{secret: keep}, {ref: env:NAME} or {value: ...}"


@dataclass(frozen=True)
class Surroundings:
    """What the reading of a declaration asks of the rest of the world."""

    schemas: Schemas
    find_block: Callable[[str], UUID | str]
    """Address -> id of the block, saved or declared; or why there is none."""
    stored: Document | None
    """What is saved under the declaration's address; its secrets only where they are needed."""


@dataclass
class Content:
    """What was read, whether it is sound or not."""

    encoded: Encoded
    problems: list[DeclarationProblem]
    references: dict[str, str] = field(default_factory=dict[str, str])
    """Pointer -> address."""
    kept: list[str] = field(default_factory=list[str])
    """Pointers of the secrets that stay as they are stored."""
    implied: list[str] = field(default_factory=list[str])
    """Pointers of the texts that were read as something else, by what the schema says and nothing else."""
    in_clear: list[str] = field(default_factory=list[str])
    """Pointers of the secrets whose values stand in the file."""


def read_content(declaration: Declaration, surroundings: Surroundings) -> Content:
    """Return a declaration's fields in stored form, with every problem that was met."""
    reading = _Reading(declaration, surroundings, declaration.kinds, "")
    fields = surroundings.schemas.fields(declaration.slug, declaration.type_version)
    return reading.read(declaration.fields, fields)


class _Reading:
    """One run over the fields, or over the value of one secret.

    Args:    outside: pointer of what is read.
    """

    def __init__(
        self, declaration: Declaration, surroundings: Surroundings, kinds: Mapping[str, str], outside: str
    ) -> None:
        self._declaration = declaration
        self._around = surroundings
        self._kinds = dict(kinds)
        self._outside = outside
        self._marks: dict[str, str] = {}
        self._secrets: dict[str, Encoded] = {}
        self._content = Content(Encoded(None), [])

    def read(self, value: Json, fields: Fields) -> Content:
        data = self._value(value, "", fields)
        for pointer, kind in self._kinds.items():  # those that were met are taken out
            self._note(
                pointer,
                f"its kind '{kind}' is given, and the value is not. Take the kind out (an overlay by null)",
            )
        self._content.encoded = Encoded(data, self._marks, self._secrets)
        return self._content

    def _value(self, data: Json, pointer: str, fields: Fields) -> Json:
        named = self._kinds.pop(pointer, None)
        if fields.reads_as_secret(data) if named is None else named.startswith(SECRET) and data is not None:
            return self._secret(data, pointer, fields, named)
        kind = fields.kind(data) if named is None else named
        if kind == BLOCK:
            return self._block(data, pointer)
        if kind.startswith(INLINE):
            return self._inline(data, pointer, kind)
        if kind == AMBIGUOUS or (isinstance(data, dict) and named is None and fields.only_capabilities):
            self._ask(pointer, kind, fields)
        self._mark(data, pointer, kind, named)
        if isinstance(data, dict):
            return self._members(data, pointer, fields)
        if isinstance(data, list):
            return [
                self._value(item, pointer_to(pointer, index), fields.below(index))
                for index, item in enumerate(data)
            ]
        return data

    def _ask(self, pointer: str, kind: str, fields: Fields) -> None:
        """Note that a declaration must say what is meant."""
        if kind == AMBIGUOUS:
            self._note(
                pointer,
                f'a text or the address of a block? Say so by its kind, "{BLOCK}" or "{PLAIN}", below "kinds"',
            )
            return
        words = " or ".join(fields.only_capabilities)
        self._note(
            pointer, f'of which type is this {words}? Say so by its kind, such as "inline:s3", below "kinds"'
        )

    def _members(self, data: dict[str, Json], pointer: str, fields: Fields) -> dict[str, Json]:
        return {
            key: self._value(inner, pointer_to(pointer, key), fields.below(key))
            for key, inner in data.items()
        }

    def _mark(self, data: Json, pointer: str, kind: str, named: str | None) -> None:
        """Mark a value with its kind; where only the schema tells the kind, a value that is none is left as it is."""
        if kind in ("", PLAIN, AMBIGUOUS):
            return
        if fits(kind, data):
            self._marks[pointer] = kind
            if named is None and kind != "bytes":
                self._content.implied.append(pointer)
        elif named is not None:
            self._note(pointer, f"the value is no '{kind}', which its kind says that it is")
        elif kind == "bytes":
            self._note(pointer, "takes bytes, which YAML holds in base64, and the text is none")

    def _block(self, data: Json, pointer: str) -> None:
        kept = self._around.stored.content.marks.get(pointer, "") if self._around.stored else ""
        if not isinstance(data, str):
            self._note(pointer, "takes the address of a saved block, slug/name")
        elif kept == f"block:{data}":  # of a block that is not there any more: only its id is left
            self._marks[pointer] = kept
        else:
            found = self._around.find_block(data)
            if isinstance(found, str):
                self._note(pointer, found)
            else:
                self._marks[pointer] = reference_mark(found)
                self._content.references[pointer] = data

    def _inline(self, data: Json, pointer: str, kind: str) -> Json:
        slug, version = inline_of(kind)
        at_hand = self._around.schemas.version(slug)
        if not isinstance(data, dict):
            self._note(pointer, f"takes the fields of a block of the type '{slug}'")
            return data
        if version is None and at_hand is None:
            self._note(pointer, f"no block type '{slug}' is installed. Install the plugin that provides it")
            return data
        self._marks[pointer] = f"{INLINE}{slug}@{version or at_hand}"
        return self._members(data, pointer, self._around.schemas.fields(slug, version))

    def _secret(self, data: Json, pointer: str, fields: Fields, named: str | None) -> Json:
        form: Mapping[str, Json] = data if isinstance(data, dict) else {"value": data}
        if set(form) == _KEEP:
            return self._keep(form["secret"], pointer)
        if set(form) == _REFERENCE:
            return self._reference(form["ref"], pointer, named or fields.secret_kind(form["ref"]))
        if set(form) in _VALUE:
            kind = named or fields.secret_kind(form["value"])
            self._marks[pointer] = kind
            self._secrets[pointer] = self._inner(form, pointer, fields.inside_secret(kind))
            self._content.in_clear.append(pointer)
        else:
            self._note(pointer, f"is a secret. Write its text, {_FORMS}")
        return None

    def _keep(self, word: Json, pointer: str) -> Json:
        stored = self._around.stored
        if word != "keep":
            self._note(pointer, f'"secret" takes the word "keep". Write {_FORMS}')
            return None
        kind = stored.content.marks.get(pointer, "") if stored else ""
        if not kind.startswith((SECRET, SECRET_REFERENCE)):
            why = "the block is not saved yet" if stored is None else "none is saved here"
            self._note(
                pointer, f"there is no secret to keep, as {why}. Write {{ref: env:NAME}} or {{value: ...}}"
            )
            return None
        assert stored is not None
        self._marks[pointer] = kind
        if kind.startswith(SECRET_REFERENCE):
            return _at(stored.content.data, pointer)
        self._content.kept.append(pointer)
        if pointer in stored.content.secrets:
            self._secrets[pointer] = stored.content.secrets[pointer]
        return None

    def _reference(self, text: Json, pointer: str, kind: str) -> Json:
        try:
            SecretReference.parse(cast("str", text))
        except NameInvalid as error:
            self._note(pointer, str(error).removesuffix("."))
            return None
        self._marks[pointer] = f"{SECRET_REFERENCE}{'bytes' if kind == f'{SECRET}bytes' else 'str'}"
        return text

    def _inner(self, form: Mapping[str, Json], pointer: str, fields: Fields) -> Encoded:
        """Return the value of a secret; in it a kind is named, or left to the type's own validation."""
        kinds, wrong = read_kinds(form.get("kinds") or {})
        value, without = expand_json(form["value"], kinds)
        reading = _Reading(self._declaration, self._around, kinds, f"{self._outside}{pointer}/value")
        content = reading.read(value, fields)
        for problem in [
            *(problem for _, problem in wrong),
            *("a text of the kind 'json' holds none" for _ in without),
        ]:
            self._note(pointer, problem)
        if content.kept or content.references:
            self._note(
                pointer, "inside a secret there are no blocks, and no secrets to keep. Write the values"
            )
        self._content.problems += content.problems
        return content.encoded

    def _note(self, pointer: str, problem: str) -> None:
        self._content.problems.append(self._declaration.problem(problem, f"{self._outside}{pointer}"))


def _at(data: Json, pointer: str) -> Json:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        data = data[int(name)] if isinstance(data, list) else data[name] if isinstance(data, dict) else None
    return data
