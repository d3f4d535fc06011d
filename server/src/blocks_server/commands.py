"""`block server start` and `block server status`."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from blocks_registry.cli.lazy_group import SuggestingGroup
from blocks_registry.output import emit_note, emit_record, emit_text, examples, output_option

if TYPE_CHECKING:
    from blocks_registry.settings import Settings
    from blocks_server.running import Listening
    from blocks_server.service import Service


@click.group(
    "server",
    cls=SuggestingGroup,
    epilog=examples("block server start", "block server start --port 8080", "block server status"),
)
def server_group() -> None:
    """Share a registry with others: it keeps the database and the keys, they show tokens."""


@server_group.command(
    epilog=examples(
        "block server start",
        "block server start --demo",
        "block server start --host 0.0.0.0 --certificate cert.pem --private-key key.pem",
        "block server start --database postgresql://blocks@db/blocks --log-format json",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=4217, show_default=True, help="Port to listen at."
)
@click.option(
    "--database",
    metavar="URL",
    help="sqlite:///PATH or postgresql://…, in place of BLOCKS_URL. A password is better given there.",
)
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="For https: a certificate and what leads to its root, in PEM.",
)
@click.option(
    "--private-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Of the certificate."
)
@click.option(
    "--proxies",
    default="",
    metavar="ADDRESSES",
    help="Of proxies whose X-Forwarded-For is believed, separated by commas.",
)
@click.option(
    "--checks/--no-checks",
    default=True,
    show_default=True,
    help="Run checks of blocks in the server, for whoever may change or load them; each connects to where its block "
    "says.",
)
@click.option(
    "--demo",
    is_flag=True,
    help="Serve a filled registry to look at, which is gone at the end, and not one's own.",
)
def start(  # noqa: PLR0913 one parameter for each option
    host: str,
    port: int,
    database: str | None,
    log_format: str,
    certificate: Path | None,
    private_key: Path | None,
    proxies: str,
    checks: bool,
    demo: bool,
) -> None:
    """Serve the registry of BLOCKS_URL, or of --database, until Ctrl-C or SIGTERM; what is served then is finished.

    A database that never had a token gets one for an admin, in the file admin-token of BLOCKS_HOME. Several servers
    may share one PostgreSQL database; each needs the same keys.
    """
    from blocks_server.app import create_app  # late, like the next: the help needs none of it
    from blocks_server.pages.routers import add_pages
    from blocks_server.running import Listening, serve
    from blocks_server.service import Limits, Service
    from blocks_server.sockets import listen

    if (certificate is None) != (private_key is None):
        raise click.UsageError("Give --certificate and --private-key together.")
    if demo and database is not None:
        raise click.UsageError("--demo serves a registry of its own: leave --database away.")
    listening = Listening(
        host, port, certificate, private_key, proxies, cast("Literal['console', 'json']", log_format)
    )
    sockets = listen(host, port)  # first, as a server that cannot listen should leave no trace
    with _settings(database, demo) as settings:
        service = Service.open(settings, Limits() if checks else Limits(checks_at_once=0))
        _tell_first_token(service, settings)
        service.look()
        _warn(listening)
        emit_note(f"The registry is at {listening.url} (API {listening.url}/api/v1). Stop it with Ctrl-C.")
        if demo:
            _tell_demo_logins(service, listening)
        else:
            _tell_login(service, listening)
        serve(add_pages(create_app(service)), listening, sockets)


@server_group.command(
    epilog=examples("block server status", "block server status --url https://blocks.acme.example")
)
@click.option("--url", help="Of the server; BLOCKS_URL, or what start serves by default.")
@output_option
@click.pass_context
def status(ctx: click.Context, url: str | None, output: str) -> None:
    """Tell whether a server answers and is ready, and whom it takes this user for. The exit code is 1 if not.

    Programs that watch over servers ask /readyz and /healthz, which take no token.
    """
    from blocks_server.asking import ask_status

    found = ask_status(url or _default_url())
    record: dict[str, Any] = {"server": found.url, "state": found.state}
    if found.version:
        record |= {"version": found.version, "protocol": found.protocol}
    if found.token:
        record |= {"token": found.token, "role": found.role, "blocks": list(found.allow)}
    emit_record(output, record)
    emit_note(found.problem)
    if found.state != "ready":
        ctx.exit(1)


def _default_url() -> str:
    from blocks_server.running import DEFAULT_PORT

    known = os.environ.get("BLOCKS_URL", "")
    return known if known.startswith(("http://", "https://")) else f"http://127.0.0.1:{DEFAULT_PORT}"


@contextmanager
def _settings(database: str | None, demo: bool) -> Generator[Settings]:
    """Give the settings to serve by; those of the demo hold for a while only."""
    from blocks_registry.settings import Settings

    if demo:
        from blocks_server.demo import demo_registry

        with demo_registry() as settings:
            yield settings
    else:
        settings = Settings.from_environment()
        yield settings if database is None else replace(settings, url=database)


def _tell_first_token(service: Service, settings: Settings) -> None:
    from blocks_registry.access import make_first_token

    made = make_first_token(service.access.tokens, settings.home)
    if made is not None:
        emit_text(f"Made the first token, for an admin. It is in {made[1]}.")


def _tell_demo_logins(service: Service, listening: Listening) -> None:
    from blocks_server.demo import DEMO_ROLES

    emit_note(
        "This is the demo: a registry of its own, gone at the end. See it as others do, by links good once:"
    )
    for name, role in DEMO_ROLES.items():
        code = service.access.logins.new_code(name)
        emit_text(f"  {role:7} {listening.url}/login?code={code}")


def _tell_login(service: Service, listening: Listening) -> None:
    from blocks_registry.access import Role

    admin = next(
        (each for each in service.access.tokens.all() if each.role is Role.ADMIN and each.state == "active"),
        None,
    )
    if admin is not None:
        code = service.access.logins.new_code(admin.name)
        emit_note(
            f"Open its pages by this link, which is good once, for 10 minutes: {listening.url}/login?code={code}"
        )


def _warn(listening: Listening) -> None:
    if listening.is_open_without_tls:
        emit_note(
            f"Warning: {listening.host} is reached from other machines, and without TLS whoever is between reads "
            f"tokens and secrets. Give --certificate and --private-key, or put a proxy with TLS before it, on this "
            f"machine, and leave --host at 127.0.0.1."
        )
