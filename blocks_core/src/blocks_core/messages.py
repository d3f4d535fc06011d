"""`Message`: something to tell people, whatever the service that carries it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Message:
    """Something to tell people."""

    title: str
    text: str = ""
    level: Level = "info"
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Short labelled values, shown in their order."""
    detail: str = ""
    """Text as a machine wrote it, such as the end of a log: shown in a fixed-width font."""
    link: str | None = None
