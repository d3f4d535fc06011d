"""`--to FILE` and `--show`: the changed keyring as a text, for places that only people change."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from blocks_registry.output import emit_note

if TYPE_CHECKING:
    from blocks_core.key_places import KeyDraft
    from blocks_core.keyring import KeyProvider
    from blocks_registry.rotation import Rotation

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., Any])


def draft_options(command: AnyCommand) -> AnyCommand:
    """Give a command the options, passed to it as `to` and `show`."""
    to = click.option(
        "--to",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Leave the keyring in use as it is, and write the changed one to this new file, mode 0600.",
    )
    show = click.option(
        "--show",
        is_flag=True,
        help="The same, to standard output: keys in clear, unless a service wraps them.",
    )
    return to(show(command))


@contextmanager
def changing_keys(to: Path | None, show: bool) -> Generator[Rotation]:
    """Give what changes the keys of the settings; where a text is wanted, write it when all went well."""
    from blocks_registry.opening import open_keys, open_rotation  # late: the help needs no registry
    from blocks_registry.settings import Settings

    settings = Settings.from_environment()
    if to is None and not show:
        with closing(open_rotation(settings)) as rotation:
            yield rotation
        return
    if to is not None and show:
        raise click.UsageError("Give --to or --show, not both.")
    draft = _draft_of(open_keys(settings), settings.keys)
    with _new_file(to) as write:
        with closing(open_rotation(settings, draft)) as rotation:
            yield rotation
        write(draft.text)
    if to is not None:
        emit_note(
            f"Wrote the changed keyring to {to}; the one in use is as it was. Put the text in place for every "
            f"process, start each anew, and delete the file."
        )


def refuse_json_beside_keys(output: str, show: bool) -> None:
    """Refuse -o json with --show: both would go to standard output."""
    if show and output == "json":
        raise click.UsageError("Give --show or -o json, not both: each is all that standard output holds.")


def _draft_of(provider: KeyProvider, name: str) -> KeyDraft:
    from blocks_core.key_places import PlacedKeyProvider

    if not isinstance(provider, PlacedKeyProvider):
        raise click.UsageError(f"The key provider '{name}' has no text that --to or --show could write.")
    return provider.draft()


@contextmanager
def _new_file(to: Path | None) -> Generator[Callable[[str], None]]:
    """Give what writes a text: to a file that is made now, so that nothing is changed where it cannot be."""
    if to is None:
        yield lambda text: click.echo(text, nl=False)
        return
    try:
        descriptor = os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise click.UsageError(
            f"{to} cannot be made ({error.strerror}). Name a new file with --to."
        ) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:

            def write(text: str) -> None:
                file.write(text)

            yield write
    except BaseException:
        to.unlink(missing_ok=True)
        raise
