"""Which blocks a token may know of: patterns of addresses, such as `s3/*` and `secret/prod-*`.

A star stands for any characters of a slug or of a name, none included; it never passes the slash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from blocks_core.names import join_address
from blocks_registry.errors import TokenRefused

_PART = r"[a-z0-9._*-]{1,100}"
_PATTERN = re.compile(rf"{_PART}/{_PART}")
_MAX_PATTERNS = 100
_MAX_STARS = 4
"""In one pattern: a search for many takes long."""


@dataclass(frozen=True)
class Reach:
    """A list of patterns; what none of them names is not there for the token."""

    patterns: tuple[str, ...] = ("*/*",)
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)
    is_everything: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        written = "|".join(_as_expression(pattern) for pattern in self.patterns)
        object.__setattr__(self, "_expression", re.compile(written or "(?!)"))
        object.__setattr__(self, "is_everything", "*/*" in self.patterns)

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Reach:
        """Return the reach of patterns as people write them; `*` is every block.

        Raises:  TokenRefused: one is none, or there is none at all.

        >>> Reach.of(["s3/*", "secret/prod-*"]).names("secret", "prod-mail")
        True
        """
        chosen = tuple(dict.fromkeys("*/*" if pattern == "*" else pattern for pattern in patterns))
        for pattern in chosen:
            if not _PATTERN.fullmatch(pattern) or pattern.count("*") > _MAX_STARS:
                raise TokenRefused(
                    f"{pattern[:120]!r} is no pattern of addresses: write slug/name with stars for any characters "
                    f"(up to {_MAX_STARS}), such as 's3/*' or 'secret/prod-*'."
                )
        if not 1 <= len(chosen) <= _MAX_PATTERNS:
            raise TokenRefused(
                f"A token has from 1 to {_MAX_PATTERNS} patterns of addresses, not {len(chosen)}; '*' is every block."
            )
        return cls() if "*/*" in chosen else cls(chosen)

    def names(self, slug: str, name: str) -> bool:
        """Tell whether a block is in reach."""
        return self.is_everything or self.names_address(join_address(slug, name))

    def names_address(self, address: str) -> bool:
        """Tell whether a block is in reach."""
        return self.is_everything or self._expression.fullmatch(address) is not None

    def names_type(self, slug: str) -> bool:
        """Tell whether every block of a type is in reach, whatever its name."""
        return self.is_everything or any(
            name == "*" and re.fullmatch(_as_expression(part), slug) is not None
            for part, _, name in (pattern.partition("/") for pattern in self.patterns)
        )

    @property
    def written(self) -> list[str]:
        """Return the patterns as people write them."""
        return ["*"] if self.is_everything else list(self.patterns)

    def __str__(self) -> str:
        shown = ", ".join(self.patterns[:3])
        left = len(self.patterns) - 3
        return "every block" if self.is_everything else f"{shown} and {left} more" if left > 0 else shown


def _as_expression(pattern: str) -> str:
    return "[^/]*".join(re.escape(part) for part in re.split(r"\*+", pattern))


EVERY_BLOCK: Final = Reach()
