"""A group of commands that imports the one that is called, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from blocks_core.diagnosis import diagnose
from blocks_core.discovery import Offer, read_offers
from blocks_core.errors import PluginBroken
from blocks_core.names import suggest
from blocks_registry.cli.static_help import summary_of


@dataclass(frozen=True)
class Word:
    """A command of this distribution, known by its help until it is called."""

    target: str
    """`module:object`."""
    help: str


class SuggestingGroup(click.Group):
    """Says which word was meant where one is no command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was called.

        Raises:  UsageError: there is none of that name.
        """
        word = args[0]
        if not (ctx.resilient_parsing or word.startswith("-") or self.get_command(ctx, word)):
            meant = " or ".join(f"'{known}'" for known in suggest(word, self.list_commands(ctx)))
            hint = f" Did you mean {meant}?" if meant else ""
            raise click.UsageError(f"No such command {word!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(SuggestingGroup):
    """Words of this distribution, then those that others offer by the entry points `blocks.commands`."""

    def __init__(self, *args: Any, words: Mapping[str, Word], **options: Any) -> None:
        super().__init__(*args, **options)
        self._words = words

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the words: this distribution's in their order, then those of others."""
        return [*self._words, *sorted({offer.name for offer in self._offers()})]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command.

        Raises:  PluginBroken: another distribution offers it and it cannot be used.
        """
        word = self._words.get(cmd_name)
        if word is not None:
            module, _, name = word.target.partition(":")
            return cast("click.Command", getattr(import_module(module), name))
        offers = [offer for offer in self._offers() if offer.name == cmd_name]
        if not offers:
            return None
        if ctx.resilient_parsing:  # of a shell that completes: a broken plugin must not disturb it
            try:
                return _load(offers)
            except PluginBroken:
                return None
        return _load(offers)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, word.help) for name, word in self._words.items()])
        others = [(offer.name, _help_of(offer)) for offer in self._offers()]
        if others:
            with formatter.section("Commands of other distributions"):
                formatter.write_dl(others)
        for offer in read_offers("blocks.commands"):
            if offer.name in self._words:
                formatter.write_paragraph()
                formatter.write_text(
                    f"'{offer.name}' of {offer.origin} is ignored: block has that word itself."
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the words and options that begin so, without importing a command."""
        helps = {offer.name: _what_it_does(offer) for offer in self._offers()}
        helps |= {name: word.help for name, word in self._words.items()}
        words = [
            CompletionItem(name, help=helps[name])
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return words + click.Command.shell_complete(self, ctx, incomplete)

    def _offers(self) -> list[Offer]:
        return [offer for offer in read_offers("blocks.commands") if offer.name not in self._words]


def _load(offers: list[Offer]) -> click.Command:
    if len(offers) > 1:
        claims = " and ".join(offer.origin for offer in offers)
        raise PluginBroken(
            f"The command '{offers[0].name}' is claimed by {claims}. Uninstall all but one of them."
        )
    found = offers[0].load()
    if not isinstance(found, click.Command):
        raise PluginBroken(
            f"'{offers[0].name}' of {offers[0].origin} names '{offers[0].target}', which is no command. Upgrade or "
            f"remove {offers[0].distribution}."
        )
    return found


def _help_of(offer: Offer) -> str:
    problem = diagnose(offer)
    return f"Broken, from {offer.origin}: {problem}." if problem else _what_it_does(offer)


def _what_it_does(offer: Offer) -> str:
    return summary_of(offer) or f"From {offer.origin}."
