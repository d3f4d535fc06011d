"""An event: a moment at which a flow is to run, and what that run is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """A run that is due."""

    start_time: Any
    """A pendulum `DateTime` in the zone of the clock that it is of."""
    parameter_defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    labels: tuple[str, ...] = ()
