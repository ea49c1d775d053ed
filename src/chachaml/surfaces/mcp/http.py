"""The protocol over HTTP, within the server: its guard and its tokens decide who asks, and what they may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio.to_thread
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from chachaml.agents.tools import ACCESS, Access
from chachaml.connection import using
from chachaml.core.errors import NotSignedIn
from chachaml.core.settings import acting_as
from chachaml.surfaces.http.actors import RANKS, Actor
from chachaml.surfaces.mcp.hosting import Context
from chachaml.surfaces.mcp.server import make

if TYPE_CHECKING:
    from chachaml.surfaces.http.service import Service

__all__ = ["Mounted"]

T = TypeVar("T")

_ACTOR = "chachaml.actor"
_SESSIONS = 500

_BY_RANK: dict[int, Access] = {RANKS["reader"]: "read", RANKS["writer"]: "write", RANKS["admin"]: "delete"}


class _ServedHost:
    """Whoever asks a server, as its tokens tell."""

    def __init__(self, service: Service, most: Access) -> None:
        self._service, self._most = service, most

    def _actor(self, context: Context) -> Actor:
        return cast(Actor, cast(HttpRequest, context.request).scope[_ACTOR])

    def access(self, context: Context) -> Access:
        actor = self._actor(context)
        best = min(max((actor.rank, *actor.grants.values())), actor.cap)
        own = _BY_RANK.get(best, "read")
        return min(own, self._most, key=ACCESS.index)

    def principal(self, context: Context) -> str:
        return _principal(self._actor(context))

    async def work(self, context: Context, act: Callable[[], T]) -> T:
        actor = self._actor(context)

        def within() -> T:
            with using(self._service.connection_for(actor)), acting_as(actor.name):
                return act()

        return await anyio.to_thread.run_sync(within)

    async def watch(self, act: Callable[[], T]) -> T:
        def within() -> T:
            with using(self._service.where):
                return act()

        return await anyio.to_thread.run_sync(within)

    def still(self, context: Context) -> bool:
        try:
            return self._service.actor(cast(HttpRequest, context.request).headers).may("read")
        except NotSignedIn:
            return False


def _principal(actor: Actor) -> str:
    return f"{actor.name}\0{actor.token}"


class Mounted:
    """The protocol, mounted in a server.

    Args:
        service: The server.
    """

    def __init__(self, service: Service) -> None:
        options = service.options
        host = _ServedHost(service, "delete" if options.agents_write else "annotate")
        self._protocol = make(host, service.secret)
        self._manager = StreamableHTTPSessionManager(
            self._protocol.server,
            # The guard at the root has looked at these before; a second lock costs nothing.
            security_settings=TransportSecuritySettings(
                enable_dns_rebinding_protection=True,
                allowed_hosts=[origin.partition("://")[2] for origin in options.origins],
                allowed_origins=list(options.origins),
            ),
            max_sessions=_SESSIONS,
        )
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def answer(self, actor: Actor, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of somebody who is known."""
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        await self._ready.wait()
        token = AccessToken(token="", client_id=_principal(actor), scopes=[])
        inner: dict[str, Any] = {**scope, _ACTOR: actor, "user": AuthenticatedUser(token)}
        await self._manager.handle_request(inner, receive, send)

    async def _run(self) -> None:
        async with self._manager.run():
            self._ready.set()
            await self._stopping.wait()
            self._protocol.subscriptions.close()

    async def stop(self) -> None:
        """End all sessions and streams."""
        self._stopping.set()
        if self._running is not None:
            await self._running

    def stop_soon(self) -> None:
        """End them from another thread, which does not wait."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
