"""From a filled-in form to HTML: no script and no style in it, and every text escaped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from blocks_server.forms.fields import (
    BlockField,
    ChoiceField,
    ConstantField,
    Field,
    JsonField,
    ListField,
    MapField,
    ModelField,
    NothingField,
    SecretField,
    SwitchField,
    UnionField,
)
from blocks_server.forms.form import Filled
from blocks_server.forms.naming import id_of, row_number
from blocks_server.forms.nodes import Node, Typed
from blocks_server.forms.views import Page, View

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What HTML, or UTF-8, cannot have; values with it are JSON by then, so these are words around them."""


def render_form(filled: Filled, page: Page) -> Markup:
    """Return the `form` element of a form; the same for a whole page and for a change of it in place."""
    renderer = _Renderer(filled, page)
    content = renderer.root()
    html = (
        _templates()
        .get_template("form.html")
        .render(page=page, content=content, problems=renderer.problems())
    )
    return Markup(_UNPRINTABLE.sub("�", html))  # noqa: S704 made by a template that escapes


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("blocks_server.forms"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _controls() -> Any:
    return _templates().get_template("controls.html").module


@dataclass(frozen=True)
class _Problem:
    """A line of the summary."""

    id: str
    label: str
    text: str


@dataclass(frozen=True)
class _Row:
    """One row of a list, or of keys and values."""

    number: int
    name: str
    id: str
    label: str
    html: Markup
    key: Typed | None
    has_group: bool
    is_fixed: bool
    can_move_up: bool
    can_move_down: bool
    takes_focus: bool


class _Renderer:
    """Renders node by node, from the leaves up, so that no template calls another one below it."""

    def __init__(self, filled: Filled, page: Page) -> None:
        self._filled = filled
        self._page = page
        self._controls = _controls()
        self._shown: dict[str, _Problem] = {}
        self._around: list[str] = []
        self._focus = filled.goes_on_at if not filled.problems else ""

    def root(self) -> Markup:
        """Return all fields."""
        root = self._filled.root
        if isinstance(root.field, ModelField) and not root.is_json:
            return self._bare(View(root, self._filled, self._page))
        return self._node(root)

    def problems(self) -> list[_Problem]:
        """Return the lines of the summary, in the order of the fields; what belongs to no field comes first."""
        others = [
            _Problem("", "", text if not name else f"{name}: {text}")
            for name, text in self._filled.problems.items()
            if name not in self._shown
        ]
        return [*(_Problem(*own) for own in self._page.problems), *others, *self._shown.values()]

    def _node(self, node: Node, *, label: str = "", is_in_row: bool = False) -> Markup:
        view = View(
            node,
            self._filled,
            self._page,
            label,
            is_in_row,
            self._takes_focus(node),
            self._shows_problem(node),
        )
        if view.problem:
            anchor = f"{view.id}-branch" if isinstance(node.field, UnionField) else view.id
            self._shown[node.name] = _Problem(anchor, " > ".join([*self._around, view.label]), view.problem)
        if not node.children:
            return self._control(view)
        self._around.append(view.label)
        html = self._control(view)
        self._around.pop()
        return html

    def _control(self, view: View) -> Markup:
        node, field, controls = view.node, view.node.field, self._controls
        if field.is_read_only or isinstance(field, (ConstantField, NothingField)):
            return controls.fixed(view)
        if isinstance(field, UnionField):
            return controls.union(view, self._inside(node))
        if node.is_json or isinstance(field, JsonField):
            return controls.json(view)
        if isinstance(field, BlockField):
            return controls.block(view, self._inside(node))
        if isinstance(field, ModelField):
            return controls.model(view, self._members(node), self._rows(node))
        if isinstance(field, (ListField, MapField)):
            return controls.rows(view, self._rows(node))
        for kind, control in _LEAVES.items():
            if isinstance(field, kind):
                return getattr(controls, control)(view)
        return controls.text(view)

    def _bare(self, view: View) -> Markup:
        return self._controls.bare(view, self._members(view.node), self._rows(view.node))

    def _inside(self, node: Node) -> list[Markup]:
        """Return what is chosen in a union or a block: a model's fields without a frame of their own."""
        found: list[Markup] = []
        for child in node.children:
            if isinstance(child.field, ModelField) and not child.is_json:
                found.append(self._bare(View(child, self._filled, self._page)))
            elif not isinstance(child.field, (NothingField, ConstantField)):
                found.append(self._node(child))
        return found

    def _members(self, node: Node) -> list[Markup]:
        is_branch = node.field.is_choice
        return [
            self._node(child)
            for child in node.children
            if child.key is None and not (is_branch and isinstance(child.field, ConstantField))
        ]

    def _rows(self, node: Node) -> list[_Row]:
        rows = [
            child for child in node.children if child.key is not None or isinstance(node.field, ListField)
        ]
        first = len(node.field.first) if isinstance(node.field, ListField) else 0
        found: list[_Row] = []
        for place, child in enumerate(rows):
            label = self._row_label(node.field, place, child)
            is_keyed = child.key is not None
            html = self._node(child, label="Value" if is_keyed else label, is_in_row=True)
            found.append(
                _Row(
                    number=row_number(child.name),
                    name=child.name,
                    id=id_of(child.name),
                    label=label,
                    html=html,
                    key=child.key,
                    has_group=isinstance(child.field, (ModelField, ListField, MapField)),
                    is_fixed=place < first,
                    can_move_up=not is_keyed and place > first,
                    can_move_down=not is_keyed and first <= place < len(rows) - 1,
                    takes_focus=is_keyed and child.name == self._focus,
                )
            )
        return found

    def _row_label(self, field: Field, place: int, child: Node) -> str:
        if isinstance(field, ListField) and place < len(field.first):
            return child.field.title
        if child.key is not None:
            return f"row {place + 1}"
        return f"Item {place + 1}"

    def _takes_focus(self, node: Node) -> bool:
        """Tell whether people go on at a node: the first control of a new row, or the button of a list."""
        if not self._focus or node.key is not None:
            return False
        if not node.name.startswith(self._focus):
            return False
        is_list = isinstance(node.field, (ListField, MapField)) and node.name == self._focus
        has_control = not node.children and not isinstance(node.field, (ConstantField, NothingField))
        if is_list or has_control:
            self._focus = ""
            return True
        return False

    def _shows_problem(self, node: Node) -> bool:
        """Tell whether a node shows the problem of its name; in a union, the control of the branch does."""
        if node.name in self._shown:
            return False
        if not isinstance(node.field, UnionField) or not node.children:
            return True
        return isinstance(node.children[0].field, (ModelField, NothingField, ConstantField))


_LEAVES: Final[dict[type[Field], str]] = {
    SecretField: "secret",
    SwitchField: "switch",
    ChoiceField: "choice",
}
