"""Running the server: its sockets, its limits, and a stop that lets what is under way be finished."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chachaml.connection import Connection
from chachaml.core.errors import BadValue, StoreUnavailable
from chachaml.surfaces.http.answers import SECURE, Problem, problem
from chachaml.surfaces.http.application import Application
from chachaml.surfaces.http.everything import all_routes
from chachaml.surfaces.http.service import Options, Service

__all__ = ["Running", "in_background", "is_loopback", "listen", "origins_of", "serve"]

_HEADERS_WITHIN = 10.0
"""Seconds that a client may take for the headers of a request."""

_HEAD_LIMIT = 65_536
"""Bytes of a request that may come without making a head or a piece of its body whole."""

_CONNECTIONS = 2_500
_STOP_WITHIN = 8
_BACKLOG = 1024
_ACCEPTED_AT_ONCE = 4
"""Connections that are taken before those that are there are looked at again."""


class _Patience(HttpToolsProtocol):
    """The protocol, with an end to patience: who opens a line says soon, and in few words, what they want."""

    most = _CONNECTIONS
    _waiting: asyncio.TimerHandle | None = None
    _held = 0
    """Bytes that came since something was whole: a head, a piece of a body, a request."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._all = self.app
        if len(self.connections) > self.most:
            self._make_room()
        self._wait()

    def _make_room(self) -> None:
        """Close the line that has been silent for longest, if there is one."""
        lines = [each for each in self.connections if isinstance(each, _Patience)]
        silent = {each: each._waiting.when() for each in lines if each._waiting is not None}
        if silent:
            oldest = min(silent, key=silent.__getitem__)
            oldest._enough()
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._held += len(data)
        super().data_received(data)
        if self._held > _HEAD_LIMIT and not self.transport.is_closing():
            self._refuse(Problem(431, "too_large", f"the headers are larger than {_HEAD_LIMIT:,} bytes"))

    def _wait(self) -> None:
        self._enough()
        self._waiting = self.loop.call_later(_HEADERS_WITHIN, self.transport.close)

    def _enough(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def on_message_begin(self) -> None:
        self._held = 0
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._held = 0
        self._enough()
        self.app = _full if len(self.connections) > self.most else self._all
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._held = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._held = 0
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: that there are no sockets here is no fault of whoever runs the server."""

    def send_400_response(self, msg: str) -> None:
        """Answer to what is no HTTP as to everything else that is wrong."""
        self._refuse(Problem(400, "bad_request", msg, "this is no HTTP that the server understands"))

    def _refuse(self, error: Problem) -> None:
        response = problem(error)
        headers = {**SECURE, **response.headers, "connection": "close"}
        lines = [
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(),
            *(f"{name}: {value}".encode() for name, value in headers.items()),
        ]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._enough()
        super().connection_lost(exc)


async def _full(scope: Any, receive: Any, send: Any) -> None:
    """Answer to whoever comes while there are too many."""
    response = problem(Problem(503, "too_many", "too many are connected already", "try again later"))
    response.headers.update({**SECURE, "Connection": "close", "Retry-After": "5"})
    await response(scope, receive, send)


class Running(uvicorn.Server):
    """A server that runs, in this thread or in one of its own.

    Args:
        service: Its state.
        started: Called once it listens.
    """

    def __init__(self, service: Service, started: Callable[[Service], None]) -> None:
        self.service, self._started = service, started
        self._told = 0.0
        """When it was told to stop, 0 if it was not."""
        _Patience.most = _most_connections()
        super().__init__(
            uvicorn.Config(
                Application(service, all_routes()),
                http=_Patience,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=False,
                backlog=_ACCEPTED_AT_ONCE,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=_STOP_WITHIN,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(_BACKLOG)  # asyncio takes as many at once as it lets wait
        self._started(self.service)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as uvicorn calls it
        """Stop as soon as what is under way is done; told so again, at once.

        Where balancers have to hear of it first, it says that it is not ready, and goes on for a while.
        """
        self.force_exit = self.should_exit
        self.should_exit = self.service.draining or not self.service.options.drain
        self.service.draining, self._told = True, time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to stop."""
        if self._told and time.monotonic() - self._told >= self.service.options.drain:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: who listens to events is told, and what is under way is finished."""
        self.service.feed.stop()
        if self.service.agents is not None:
            await self.service.agents.stop()
        await super().shutdown(sockets)


def serve(
    where: Connection,
    options: Options,
    sockets: list[socket.socket],
    started: Callable[[Service], None] = lambda _: None,
) -> None:
    """Serve until told to stop; returns when all that was under way is finished."""
    service = Service(where, options)
    try:
        Running(service, started).run(sockets)
    finally:
        service.close()


@contextmanager
def in_background(where: Connection, options: Options, sockets: list[socket.socket]) -> Iterator[Service]:
    """Serve in a thread of this process, within the block."""
    service, listening = Service(where, options), threading.Event()
    running = Running(service, lambda _: listening.set())
    thread = threading.Thread(target=running.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        if not listening.wait(30):
            raise StoreUnavailable("the server did not start within 30 seconds")
        yield service
    finally:
        running.should_exit = True
        thread.join(30)
        service.close()


def _most_connections() -> int:
    """Return how many connections there may be: each is a file, and the server needs others as well."""
    if sys.platform == "win32":
        return _CONNECTIONS
    import resource

    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _CONNECTIONS
    if files < wanted:
        files = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return min(_CONNECTIONS, files // 2)


# where --------------------------------------------------------------------------------------------


def is_loopback(host: str) -> bool:
    """Tell whether a host to bind is this machine's own alone. A name may mean anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen: for ``localhost``, on both of its addresses as far as there are both.

    Raises:
        BadValue: There is no such address here.
        StoreUnavailable: The port is taken.
    """
    hosts = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    found: list[socket.socket] = []
    for one in hosts:
        try:
            found.append(_socket(one, found[0].getsockname()[1] if found else port))
        except OSError as error:
            if found:
                continue  # there is no IPv6 here, or another server has that one
            raise _cannot(one, port, error) from None
    return found


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by its number: asyncio sends small answers at once only if it knows that it is TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _cannot(host: str, port: int, error: OSError) -> Exception:
    if isinstance(error, socket.gaierror):
        return BadValue(f"there is no address {host!r}", "bind an address of this machine, such as 0.0.0.0")
    return StoreUnavailable(
        f"port {port} of {host} cannot be had: {error.strerror}", f"take another one: --port {port + 1}"
    )


def origins_of(host: str, port: int) -> tuple[str, ...]:
    """Return the origins that browsers know a server of this machine by."""
    names = ["127.0.0.1", "localhost", "[::1]"]
    if host not in ("localhost", "127.0.0.1", "::1"):
        names.insert(0, f"[{host}]" if ":" in host else host)
    suffix = "" if port == 80 else f":{port}"
    return tuple(f"http://{name}{suffix}" for name in names)
