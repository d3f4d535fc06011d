"""What a page asks for beside a block's form: its name and its labels.

The names of these inputs begin with a colon, which no field of a form does (`forms.naming`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from blocks_core.errors import BlockNotFound, NameInvalid
from blocks_core.names import check_labels, check_name
from blocks_registry.access import GuardedRegistry

NAME, LABELS, EXPECTED, BEGAN_WITH, ID = ":name", ":labels", ":expected", ":began-with", ":id"

NAME_RULE = "1 to 100 lower-case letters, digits, '-', '_' or '.', beginning with a letter or a digit."


@dataclass(frozen=True)
class OwnFields:
    """Both as they were typed, with what is wrong with them."""

    name: str = ""
    labels_text: str = ""
    name_problem: str = ""
    labels_problem: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, str]], *, with_name: bool) -> OwnFields:
        """Return what was sent, looked at."""
        sent = dict(pairs)
        name, text = sent.get(NAME, "").strip(), sent.get(LABELS, "")
        labels, labels_problem = read_labels(text)
        return cls(
            name=name,
            labels_text=text.replace("\r\n", "\n"),
            name_problem=problem_of_name(name) if with_name else "",
            labels_problem=labels_problem,
            labels=labels,
        )

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        """Return id, label and problem of each input that cannot stay as it is."""
        found = [("own-name", "Name", self.name_problem), ("own-labels", "Labels", self.labels_problem)]
        return [each for each in found if each[2]]


def problem_of_name(name: str) -> str:
    """Return what is wrong with a name, in words that go on after it; empty where nothing is."""
    if not name:
        return "is required"
    try:
        check_name(name)
    except NameInvalid:
        return f"must have {NAME_RULE}"
    return ""


def is_taken(registry: GuardedRegistry, slug: str, name: str) -> bool:
    """Tell whether a block of the type has a name, as far as the holder may know."""
    try:
        registry.read(slug, name)
    except BlockNotFound:
        return False
    return True


def read_labels(text: str) -> tuple[dict[str, str], str]:
    """Return labels that were typed, one a line, and what is wrong with them; empty where nothing is."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals:
            return {}, "must be written as key=value, one a line"
        if key.strip() in found:
            return {}, "must have each key once"
        found[key.strip()] = value.strip()
    try:
        return check_labels(found), ""
    except NameInvalid as error:
        return {}, f"cannot be kept: {error}"


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as they are typed."""
    return "\n".join(f"{key}={value}" for key, value in labels.items())
