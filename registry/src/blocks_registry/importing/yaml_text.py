"""YAML as Airflow writes it, which is YAML 1.1; tags, anchors and aliases, which it never writes, are refused.

The declarations of `block apply` are read by YAML 1.2, to which a password such as `1e3`, that Airflow leaves without
quotes, is a number.
"""

from __future__ import annotations

from typing import Any, Final, cast

import yaml
from yaml import events

from blocks_registry.errors import SourceUnreadable

_MAX_DEPTH: Final = 100
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class _Loader(_PARSER):
    """Makes texts, numbers, true, false, null, lists and mappings, and nothing else; a date stays a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 as its base declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in _PARSER.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping whose keys are all different."""
        found = cast("dict[Any, Any]", _PARSER.construct_mapping(self, node, deep=deep))
        if len(found) != len(node.value):
            raise _Refused("a mapping in it has two members of the same name, so one of them would be lost")
        return found


class _Refused(Exception):
    """What was read is YAML, and more than is taken."""


def load_yaml(text: str, what: str) -> Any:
    """Return the value of a YAML document.

    Raises:  SourceUnreadable: the message has the place of the problem and nothing of the text.
    """
    problem = ""
    try:
        _refuse_what_airflow_never_writes(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 a safe loader, made narrower
    except _Refused as error:
        problem = str(error)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = f"it is no YAML, or was cut off{f' (line {mark.line + 1})' if mark else ''}"
    except (yaml.YAMLError, ValueError, RecursionError):
        problem = "it is no YAML, or was cut off"
    raise SourceUnreadable(f"{what} cannot be read: {problem}.")  # not from the cause, which holds the text


def _refuse_what_airflow_never_writes(text: str) -> None:
    depth = 0
    for event in cast("Any", yaml).parse(text, Loader=_PARSER):
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _Refused("it has anchors or aliases, which Airflow never writes")
        if getattr(event, "tag", None) is not None:
            raise _Refused("it has tags, which Airflow never writes")
        if isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _Refused(f"it lies deeper than {_MAX_DEPTH} levels")
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            depth -= 1
