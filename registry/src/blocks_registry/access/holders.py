"""Who holds a token, as the rest of the program sees them: a name, a role, a reach; never the token."""

from __future__ import annotations

from dataclasses import dataclass

from blocks_core.current import Actor
from blocks_registry.access.reach import EVERY_BLOCK, Reach
from blocks_registry.access.roles import RIGHTS, Right, Role, roles_with
from blocks_registry.errors import AccessDenied, TokenRefused

_MAX_CLAIM = 200
"""Characters of what a client says of itself that are recorded."""


@dataclass(frozen=True)
class Holder:
    """Whoever showed a good token."""

    token_id: str
    name: str
    role: Role
    reach: Reach = EVERY_BLOCK
    claim: Actor | None = None
    """Who acts, as the client says: a run, a program. It is recorded beside the token, and decides nothing."""

    def __post_init__(self) -> None:
        if self.role is Role.ADMIN and not self.reach.is_everything:
            raise TokenRefused(
                "An admin makes tokens, so a list of addresses would bind nobody. Give the list to a viewer, an "
                "editor or a runner."
            )

    @property
    def actor(self) -> Actor:
        """Return what history, usages and the audit record: the token; beside a claim, it stands in `user`."""
        claim = self.claim
        if claim is None or claim.kind == "token":  # which nobody is by their own account
            return Actor("token", self.name, self.token_id)
        return Actor(claim.kind[:_MAX_CLAIM], claim.name[:_MAX_CLAIM], claim.id[:_MAX_CLAIM], user=self.name)

    def may(self, right: Right) -> bool:
        """Tell whether the role has a right."""
        return right in RIGHTS[self.role]

    def require(self, right: Right) -> None:
        """Let pass whoever has a right.

        Raises:  AccessDenied.
        """
        if right not in RIGHTS[self.role]:
            roles = roles_with(right)
            raise AccessDenied(
                f"The token '{self.name}' is for {_a(self.role)}, which may not {right.value}. Use a token for "
                f"{' or '.join(_a(role) for role in roles)}; an admin makes one: block token create NAME --role "
                f"{roles[0]}"
            )


def _a(role: Role) -> str:
    return f"{'an' if role in (Role.EDITOR, Role.ADMIN) else 'a'} {role}"
