"""A form: made of a schema once, filled in with what is stored, and read when it was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from blocks_core.document import Encoded, dotted
from blocks_core.errors import FieldProblem
from blocks_core.schema import BlockType
from blocks_core.validation import Validator
from blocks_server.forms.answering import Answering
from blocks_server.forms.answers import Answer
from blocks_server.forms.checking import find_problems
from blocks_server.forms.choices import BlockChoice, Choices
from blocks_server.forms.compiling import compile_schema
from blocks_server.forms.fields import BlockField, Field, ModelField
from blocks_server.forms.nodes import Node
from blocks_server.forms.reading import Reading
from blocks_server.forms.showing import Showing
from blocks_server.forms.starts import Start


class Form:
    """Asks for the fields of a block, or for the parameters of a flow."""

    def __init__(self, schema: Mapping[str, Any], root: Field, types: Mapping[str, BlockType]) -> None:
        self.root = root
        self.types = types
        self._schema = schema
        self._inside: dict[str, Form] = {}

    @classmethod
    def of(cls, schema: Mapping[str, Any], types: Iterable[BlockType] = ()) -> Form:
        """Return the form of a JSON Schema.

        Args:    types: that a block which is stored inside may be of; of others only saved blocks can be chosen.
        Raises:  FormTooLarge.
        """
        return cls(schema, compile_schema(schema), {found.slug: found for found in types})

    def show(self, content: Encoded | None = None, choices: Iterable[BlockChoice] = ()) -> Filled:
        """Return the form filled in with what is stored, or with the defaults.

        Args:    content: with or without its secrets, which are not looked at.
                 choices: the saved blocks that may be chosen; each field shows those that fit it.
        Raises:  FormTooLarge.
        """
        start, known = Start(content), Choices(choices)
        showing = Showing(start, known, self._find_inside)
        return Filled(self, showing.stored(self.root, "", ""), start, known)

    def read(
        self,
        pairs: Iterable[tuple[str, str]],
        content: Encoded | None = None,
        choices: Iterable[BlockChoice] = (),
    ) -> Filled:
        """Return the form as it was sent, with its answer or with what is wrong.

        Args:    pairs: names and values in the order in which they were sent; names of others do not matter.
                 content, choices: those that the form was shown with.
        Raises:  FormTooLarge.
        """
        start, known = Start(content), Choices(choices)
        showing = Showing(start, known, self._find_inside)
        reading = Reading(pairs, showing)
        root = reading.read(self.root)
        found = Filled(self, root, start, known, goes_on_at=reading.changed or reading.action.name)
        if reading.action.verb:
            return found
        versions = {slug: block_type.version for slug, block_type in self.types.items()}
        answering = Answering(Showing(start, known, self._find_inside), versions)
        answer = answering.answer(root)
        found = replace(found, problems=answering.problems, places=answering.places)
        if not answering.problems:
            wrong = find_problems(answer, self.validator, known, self._described, answering.unseen)
            found = replace(found.with_problems(wrong), answer=None if wrong else answer)
        return found

    @cached_property
    def validator(self) -> Validator:
        """Return what checks answers; of a schema that is none, nothing is checked before it is saved."""
        try:
            return Validator(self._schema)
        except ValueError:  # a class may write what it likes beside its fields
            return Validator({})

    def inside_of(self, field: BlockField) -> list[BlockType]:
        """Return the types of which a block may be stored inside at a field."""
        if not field.may_be_inside:
            return []
        return [found for found in self.types.values() if field.fits(found.slug, found.capabilities)]

    def _find_inside(self, slug: str, version: str) -> ModelField | None:
        found = self.types.get(slug)
        if found is None or version not in ("", str(found.version)):
            return None
        root = self._form_inside(slug).root
        return replace(root, title=found.title) if isinstance(root, ModelField) else None

    def _described(self, slug: str) -> tuple[Validator, BlockType] | None:
        return (self._form_inside(slug).validator, self.types[slug]) if slug in self.types else None

    def _form_inside(self, slug: str) -> Form:
        if slug not in self._inside:
            schema = self.types[slug].schema
            self._inside[slug] = Form(schema, compile_schema(schema), self.types)
        return self._inside[slug]


@dataclass(frozen=True, repr=False)
class Filled:
    """A form as it is filled in. Its repr shows no value."""

    form: Form
    root: Node
    start: Start
    choices: Choices
    problems: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name of an input -> what is wrong there; the empty name stands for the whole."""
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    """JSON pointer -> name of the input there."""
    answer: Answer | None = None
    """None where something is wrong, where a button asked to change the form, and where nothing was sent."""
    goes_on_at: str = ""
    """The name of the input to go on with after the form was changed."""

    def with_problems(self, problems: Iterable[FieldProblem]) -> Filled:
        """Return the form with problems that a registry found, each at its field or at the nearest around it."""
        by_path = {dotted(pointer): name for pointer, name in self.places.items()}
        found = dict(self.problems)
        for problem in problems:
            path = problem.path
            while path and path not in by_path:
                path = path.rpartition(".")[0]
            text = problem.problem if path == problem.path else str(problem)
            name = by_path.get(path, "")
            found[name] = f"{found[name]}; {text}" if name in found else text
        return replace(self, problems=found, answer=None if found else self.answer)
