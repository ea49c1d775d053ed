"""Commands that serve a store over HTTP: ui, serve."""

from __future__ import annotations

import contextlib
import os
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from socket import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

import chachaml as ml
from chachaml.connection import Connection
from chachaml.core import configuration, settings
from chachaml.core.access import new_token
from chachaml.core.errors import BadValue, StoreUnavailable
from chachaml.display import path_text
from chachaml.surfaces.commands import cli, examples

if TYPE_CHECKING:
    from chachaml.surfaces.http.service import Options, Service

__all__ = ["serve_here"]

DEFAULT_PORT = 8080
_PORTS = 20
"""Ports that are tried, beginning with the default one."""

Port = click.IntRange(0, 65535)

mcp_write = click.option(
    "--mcp-write",
    is_flag=True,
    help="Let language models, at /mcp, do more than read and annotate, as far as their user may.",
)


@cli.command(epilog=examples("chachaml ui", "chachaml ui runs.db 9000", "chachaml ui --no-browser"))
@click.argument("store", required=False)
@click.argument("port", type=Port, required=False, default=None)
@click.option(
    "--port", "wanted", type=Port, help="The port. Default: PORT, else 8080 or the next that is free."
)
@click.option("--browser/--no-browser", default=True, help="Open the pages in a browser.")
@click.option(
    "--require-token", is_flag=True, help="Ask a token even of who reads: several people use this machine."
)
@mcp_write
@click.pass_obj
def ui(
    outer: str | None,
    store: str | None,
    port: int | None,
    wanted: int | None,
    browser: bool,
    require_token: bool,
    mcp_write: bool,
) -> None:
    """Serve a store to this machine, and look at it in a browser.

    Programs in any language may log to it; http://localhost:8080/api/docs shows how.
    """
    asked = require_token or configuration.flag("require_token")
    serve_here(
        _connect(store or outer),
        _port(wanted, port),
        browser=browser,
        require_token=asked,
        agents_write=mcp_write,
    )


def serve_here(where: Connection, port: int | None, *, browser: bool, **options: Any) -> None:
    """Serve a store to this machine until told to stop.

    Args:
        where: The store.
        port: None for the usual one, or the next that is free.
        browser: Whether to open the pages in a browser, signed in.
        options: As of `chachaml.surfaces.http.service.Options`.
    """
    from chachaml.surfaces.http.service import Options
    from chachaml.surfaces.http.serving import origins_of

    sockets = _listen("localhost", port)
    number = sockets[0].getsockname()[1]
    session = new_token()
    given = Options(origins_of("localhost", number), session=session, **options)

    def started(service: Service) -> None:
        address = f"http://localhost:{number}"
        click.echo(f"{_shown(where)} is served at {address}  (Ctrl-C stops it)")
        if not browser or not webbrowser.open(address + service.one_time_link()):
            _tell_link(address, service)

    with _session_left(number, session):
        _serve(where, given, sockets, started)


log_format = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="json: a line for each request. Default: as it is set, else text, which says what went wrong.",
)


@cli.command(
    epilog=examples(
        "chachaml serve",
        "chachaml admin create ada",
        "chachaml serve runs.db --host 0.0.0.0 --url https://tracker.example",
    )
)
@click.argument("store", required=False)
@click.option("--host", default="localhost", show_default=True, help="The address to bind.")
@click.option("--port", type=Port, help="The port. Default: PORT, else 8080.")
@click.option(
    "--url",
    "urls",
    multiple=True,
    help="How others reach it, such as https://tracker.example or https://example/tracker. "
    "Default: as it is set.",
)
@click.option("--team", is_flag=True, help="Ask everybody who they are, on this machine too.")
@click.option("--require-token", is_flag=True, help="Without a team: ask a token even of who reads.")
@click.option(
    "--insecure-no-auth",
    is_flag=True,
    help="Let whoever reaches it read and log without a token: for a container or a network of your own.",
)
@click.option(
    "--trusted-proxies",
    metavar="ADDRESSES",
    help="Proxies to believe about who asks, such as 10.0.0.5,172.16.0.0/12. Default: as it is set.",
)
@mcp_write
@log_format
@click.pass_obj
def serve(
    outer: str | None,
    store: str | None,
    host: str,
    port: int | None,
    urls: tuple[str, ...],
    team: bool,
    require_token: bool,
    insecure_no_auth: bool,
    trusted_proxies: str | None,
    mcp_write: bool,
    log_format: str | None,
) -> None:
    """Serve a store, to a team or to this machine.

    Whatever is reached from other machines asks everybody for a token, unless --insecure-no-auth is given:
    make the first admin before, with chachaml admin create NAME. TLS is for a proxy in front of it.
    """
    from chachaml.surfaces.http.service import Options
    from chachaml.surfaces.http.serving import is_loopback, origins_of

    _begin_log(log_format)
    urls = urls or tuple(_words(configuration.found("url").value))
    where = _connect(store or outer)
    shared = team or bool(urls) or not is_loopback(host)
    if shared:
        _check_name(urls)
    if shared and insecure_no_auth:
        if team or require_token:
            raise BadValue("--insecure-no-auth asks nobody for a token", "leave it out")
        shared = False
        click.echo("Whoever reaches this server may read and log. Nothing tells who did it.", err=True)
    if shared:
        _check_team(where)
    sockets = _listen(host, _port(port, None) or DEFAULT_PORT)
    number = sockets[0].getsockname()[1]
    origins = (*map(_origin, urls), *origins_of(host if is_loopback(host) else "localhost", number))
    session = "" if shared else new_token()
    asked = require_token or configuration.flag("require_token")
    prefix = urlsplit(urls[0]).path.rstrip("/") if urls else ""
    options = Options(
        origins,
        team=shared,
        require_token=asked,
        session=session,
        prefix=prefix,
        agents_write=mcp_write,
        proxies=_words(trusted_proxies or configuration.found("trusted_proxies").value),
        read_store=configuration.found("read_store").value,
        drain=configuration.number("drain"),
    )

    here = f"http://{host}:{number}"

    def started(service: Service) -> None:
        _announce(where, urls[0] if urls else here)
        if session and not insecure_no_auth:
            _tell_link(origins[0] if urls else here, service)

    with _session_left(number, session) if session else contextlib.nullcontext(), _traces():
        _serve(where, options, sockets, started)


def _serve(
    where: Connection, options: Options, sockets: list[socket], started: Callable[[Service], None]
) -> None:
    from chachaml.surfaces.http.serving import serve as run

    try:
        run(where, options, sockets, started)
    finally:
        where.close()


def _begin_log(log_format: str | None) -> None:
    if (log_format or configuration.text("log_format")) == "json":
        from chachaml.surfaces.http import logs

        logs.as_json_lines()


def _announce(where: Connection, reached: str) -> None:
    """Say where a store is served; where everything is told in JSON, this too."""
    from chachaml.surfaces.http import logs

    if logs.is_json():
        logs.say("serving", store=_shown(where), url=reached)
    else:
        click.echo(f"{_shown(where)} is served at {reached}  (Ctrl-C stops it)")


def _tell_link(origin: str, service: Service) -> None:
    """Say how a browser is signed in as whoever started the server; a log in JSON is read by others."""
    from chachaml.surfaces.http import logs

    if not logs.is_json():
        click.echo(f"Sign in, once, within five minutes: {origin}{service.one_time_link()}")


def _traces() -> AbstractContextManager[None]:
    if not configuration.flag("traces"):
        return contextlib.nullcontext()
    from chachaml.surfaces.http import traces

    return traces.begin()


def _words(text: str) -> tuple[str, ...]:
    """Return what stands in a text with commas or spaces between."""
    return tuple(text.replace(",", " ").split())


def _check_name(urls: tuple[str, ...]) -> None:
    """Refuse to serve others before it is known how they call this server."""
    if not urls:
        raise BadValue(
            "other machines are to reach this server, but not how: a name that is not known is refused",
            "say it: chachaml serve ... --url https://tracker.example, or CHACHAML_URL",
        )


def _check_team(where: Connection) -> None:
    """Refuse to serve others before it is known who they may be."""
    from chachaml.surfaces.http.actors import Directory

    if not Directory(where.store(create=True)).has_admin():
        raise StoreUnavailable(
            "nobody may use this server yet, and without knowing who asks it serves no other machine",
            "chachaml admin create NAME prints the first token",
        )


def _origin(url: str) -> str:
    """Return the origin of an address.

    Raises:
        BadValue: It is none.
    """
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise BadValue(f"{url!r} is no address of a server", "such as https://tracker.example")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _port(wanted: int | None, given: int | None) -> int | None:
    """Return the port that is meant, None if any near the default one will do."""
    if wanted is not None:
        return wanted
    if text := os.environ.get("PORT"):
        if not (text.isascii() and text.isdigit() and int(text) < 65536):
            raise BadValue(f"PORT must be a port, not {text!r}", "it is set in the environment")
        return int(text)
    return given


def _listen(host: str, port: int | None) -> list[socket]:
    from chachaml.surfaces.http.serving import listen

    if port is not None:
        return listen(host, port)
    for near in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS):
        with contextlib.suppress(StoreUnavailable):
            return listen(host, near)
    return listen(host, 0)


@contextmanager
def _session_left(port: int, session: str) -> Iterator[None]:
    """Within it, this user's other processes find the session's token; nobody else does."""
    state = settings.state_folder()
    if state is None:
        yield
        return
    path = settings.session_file(state, port)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(session)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _connect(store: str | None) -> Connection:
    """Return the store to serve: a file, or a database.

    Raises:
        BadValue: It is another server's, perhaps this one's own; or a spool, which is not read.
    """
    path = settings.store_path(store)
    if settings.server_url(path):
        raise BadValue(f"{settings.server_url(path)} is a server already", "open it in a browser")
    if settings.spool_folder(path):
        raise BadValue("a spool is only written to", f"chachaml sync {settings.spool_folder(path)} first")
    return ml.connect(path)


def _shown(where: Connection) -> str:
    if settings.is_elsewhere(where.path):
        return where.place
    return path_text(where.path)
