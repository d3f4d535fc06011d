"""`block token create`, `ls`, `inspect` and `revoke`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from blocks_registry.cli.lazy_group import SuggestingGroup
from blocks_registry.cli.secret_input import is_terminal
from blocks_registry.output import emit_note, emit_record, emit_rows, emit_text, examples, output_option

if TYPE_CHECKING:
    from blocks_registry.access.opening import Access
    from blocks_registry.access.token_rows import Token

_ROLES: Final = ("viewer", "editor", "runner", "admin")

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

_MAX_DAYS = 36_500

_MAX_GAPS = 5

_FOUR_ROLES = """\b
Roles:
  viewer  sees types, blocks without their secrets, versions, who uses what
  editor  also saves, renames, restores and deletes; sets secrets, reads none
  runner  a viewer that also loads blocks with their secrets, as runs do
  admin   all: shows secrets, and sees tokens, keys and the audit

"""


class _Expiry(click.ParamType[Any]):
    """A time to come: `90d`, `12h`, `30m`, a date, or `never`."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the moment in UTC, or `never` as it is."""
        if isinstance(value, datetime) or value == "never":
            return value
        text = str(value)
        number, unit = text[:-1], _UNITS.get(text[-1:])
        if unit is not None and number.isascii() and number.isdecimal() and len(number) <= 8:
            after = timedelta(**{unit: int(number)})
            if timedelta(0) < after <= timedelta(days=_MAX_DAYS):
                return datetime.now(UTC) + after
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text[:50]!r} is no time: write 90d, 12h, 30m, a date as 2027-01-31, or never.")
        return found if found.tzinfo is not None else found.astimezone()


@click.group(
    "token",
    cls=SuggestingGroup,
    epilog=_FOUR_ROLES
    + examples(
        "block token create ci --role runner --allow 's3/*' --allow secret/prod-mail",
        "block token ls",
        "block token revoke ci",
    ),
)
def token_group() -> None:
    """Make tokens, by which others use this registry through a server, and take them back.

    A token has a role, and a list of the blocks that it knows of. It is made beside the database: whoever has that
    and its keys needs no token.
    """


@token_group.command(
    "create",
    short_help="Make a token and show it, once.",
    epilog=_FOUR_ROLES
    + examples(
        "block token create ann --role editor",
        "block token create ci --role runner --allow 's3/*' --expires 30d",
        "block token create agent --role runner --to agent-token",
        "BLOCKS_TOKEN=$(block token create here --role runner --expires 1h)",
    ),
)
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What the token is for.")
@click.option(
    "--allow",
    "patterns",
    multiple=True,
    metavar="SLUG/NAME",
    help="A block that it knows of, * for any characters; give it several times. Without, every block.",
)
@click.option(
    "--expires",
    "expires_at",
    type=_Expiry(),
    default="90d",
    show_default=True,
    metavar="WHEN",
    help="When it ends: 90d, 12h, 30m, a date as 2027-01-31, or never.",
)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it to a new file that only you may read, and show nothing.",
)
@output_option
def create(
    name: str,
    role: str,
    patterns: tuple[str, ...],
    expires_at: datetime | str,
    to: Path | None,
    output: str,
) -> None:
    """Make a token and show it, which is the only time: here a digest of it is kept.

    A runner loads a block with all that it holds, so its list must name those blocks, too. A program shows the token
    by the variable BLOCKS_TOKEN.
    """
    from blocks_registry.access.reach import Reach  # late, here and below: the help needs none of it
    from blocks_registry.access.roles import Role
    from blocks_registry.access.token_files import write_token

    reach = Reach.of(patterns or ("*",))
    until = expires_at if isinstance(expires_at, datetime) else None
    with _opened() as access:
        if to is None:
            made = access.tokens.create(name, Role(role), reach=reach, expires_at=until)
        else:
            file = to
            made = access.tokens.create(
                name, Role(role), reach=reach, expires_at=until, deliver=lambda text: write_token(file, text)
            )
        gaps = access.tokens.held_beyond(reach) if role == "runner" else []
    if output == "json":
        shown = {"token": made.text} if to is None else {"written_to": to}
        emit_record(output, {**_record(made.token), **shown})
        return
    if to is None:
        emit_text(made.text)
    ends = f"until {until.astimezone():%Y-%m-%d %H:%M}" if until is not None else "for ever"
    emit_note(f"The token '{name}' is for {_a(role)} and {reach}, {ends}.")
    emit_note(
        "It is not shown again. Give it to a program as BLOCKS_TOKEN." if to is None else f"It is in {to}."
    )
    for address, held in gaps[:_MAX_GAPS]:
        emit_note(f"It cannot load {address}, which holds {held}: add --allow {held} to a token that is to.")
    if len(gaps) > _MAX_GAPS:
        emit_note(f"Nor {len(gaps) - _MAX_GAPS} others that hold blocks beyond the list.")


@token_group.command(
    "ls", short_help="List the tokens.", epilog=examples("block token ls", "block token ls --all -o json")
)
@click.option("--all", "every", is_flag=True, help="Expired and revoked ones, too.")
@output_option
def list_tokens(every: bool, output: str) -> None:
    """List the tokens that are good, and when each was used for the last time."""
    with _opened() as access:
        tokens = [token for token in access.tokens.all() if every or token.state == "active"]
    columns = (
        ("name", "Token"),
        ("role", "Role"),
        ("allow", "Blocks"),
        *((("state", "State"),) if every else ()),
        ("expires_at", "Expires"),
        ("last_used_at", "Last used"),
        ("created_by", "Made by"),
    )
    empty = "There are no tokens. Make one: block token create NAME --role ROLE"
    emit_rows(output, [_record(token) for token in tokens], columns, empty)


@token_group.command(
    "inspect",
    short_help="Show what is known of a token.",
    epilog=examples("block token inspect ci", "block token inspect ci -o json"),
)
@click.argument("name", metavar="NAME_OR_ID")
@output_option
def inspect(name: str, output: str) -> None:
    """Show what is known of a token; the token itself nobody knows but who holds it."""
    with _opened() as access:
        emit_record(output, _record(access.tokens.find(name)))


@token_group.command(
    "revoke",
    short_help="Take a token back.",
    epilog=examples("block token revoke ci", "block token revoke ci --yes"),
)
@click.argument("name", metavar="NAME_OR_ID")
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@output_option
@click.pass_context
def revoke(ctx: click.Context, name: str, yes: bool, output: str) -> None:
    """Take a token back, with the browser sessions that were opened by it.

    Servers notice within seconds. It cannot be undone; the name is free for another one.
    """
    with _opened() as access:
        token = access.tokens.find(name)
        if not yes and token.revoked_at is None:
            question = f"Whoever uses the token '{token.name}' is refused from now on. Revoke it?"
            if not is_terminal():
                raise click.UsageError(f"There is no terminal to ask on: {question} Give --yes.")
            if not click.confirm(question, err=True):
                emit_note("Nothing was changed.")
                ctx.exit(1)
        was_revoked = access.revoke(token.id)
    if output == "json":
        emit_record(output, {"id": token.id, "name": token.name, "revoked": was_revoked})
    elif was_revoked:
        emit_text(f"Revoked the token {token.name}.")
    else:
        emit_text(f"The token {token.name} was revoked before.")


@contextmanager
def _opened() -> Generator[Access]:
    from blocks_registry.access.opening import open_access

    with closing(open_access()) as access:
        yield access


def _record(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "allow": token.reach.written,
        "state": token.state,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'ae' else 'a'} {role}"
