"""What goes wrong between this program and an engine.

InfrastructureFailed         of blocks_core
├── EngineUnreachable        no answer came, so nobody knows
└── EngineRefused            the engine answered that it did not do it
"""

from __future__ import annotations

from blocks_core.errors import InfrastructureFailed


class EngineUnreachable(InfrastructureFailed):
    """No answer came from the engine, or it broke off."""


class EngineRefused(InfrastructureFailed):
    """The engine did not do what was asked; the message has its own words."""

    def __init__(self, message: str, *, status: int, said: str) -> None:
        self.status = status
        """Of HTTP."""
        self.said = said
        """The engine's own words, without secrets."""
        super().__init__(message)
