"""Subscriptions: whoever asked for it hears when a run, note, experiment or model has changed.

One reader follows the store's changes while anybody listens; both ages of the protocol hear of it: older
clients by a notification on their session, newer ones on the stream that they opened for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import mcp_types as types
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError

from chachaml.connection import connection
from chachaml.core.errors import ChachamlError
from chachaml.ops import OPERATIONS
from chachaml.surfaces.mcp.hosting import Context, Host
from chachaml.surfaces.mcp.resources import Address, address

__all__ = ["Subscriptions"]

_EVERY = 0.5
_MOST = 1_000

_Listener = tuple[int, str]
"""A session of an older client, by its identity, and an address."""


class Subscriptions:
    """Tells of changes.

    Args:
        host: Knows who asks.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus, max_subscriptions=_MOST)
        self._sessions: dict[_Listener, Context] = {}
        self._wanted: Counter[str] = Counter()
        self._reader: asyncio.Task[None] | None = None

    # who listens ----------------------------------------------------------------------------------

    async def subscribe(self, context: Context, asked: types.SubscribeRequestParams) -> types.EmptyResult:
        """Tell a session of changes of what is at an address, which it must be able to see."""
        uri = str(asked.uri)
        await self._check(context, uri)
        link = context.session._connection
        if (id(link), uri) not in self._sessions:
            if len(self._sessions) >= _MOST:
                raise MCPError(types.INTERNAL_ERROR, "there are too many subscriptions")
            self._sessions[id(link), uri] = context
            self._add([uri])
            link.exit_stack.callback(self._drop, (id(link), uri))
        return types.EmptyResult()

    async def unsubscribe(self, context: Context, asked: types.UnsubscribeRequestParams) -> types.EmptyResult:
        """Tell a session no more."""
        self._drop((id(context.session._connection), str(asked.uri)))
        return types.EmptyResult()

    async def listen(
        self, context: Context, asked: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Tell a newer client on the stream that this request opens, until it goes."""
        wanted = asked.notifications.resource_subscriptions or []
        for uri in wanted:
            await self._check(context, uri)
        self._add(wanted)
        try:
            return await self._streams(context, asked)
        finally:
            self._remove(wanted)

    def close(self) -> None:
        """End all streams, saying so."""
        self._streams.close()
        if self._reader is not None:
            self._reader.cancel()

    async def _check(self, context: Context, uri: str) -> None:
        try:
            await self._host.work(context, partial(_exists, address(uri)))
        except ChachamlError as error:
            raise MCPError(types.INVALID_PARAMS, error.message[:1_000]) from None

    def _add(self, uris: Iterable[str]) -> None:
        self._wanted.update(uris)
        if self._wanted and (self._reader is None or self._reader.done()):
            self._reader = asyncio.get_running_loop().create_task(self._read())

    def _remove(self, uris: Iterable[str]) -> None:
        self._wanted.subtract(uris)
        self._wanted = +self._wanted

    def _drop(self, listener: _Listener) -> None:
        if self._sessions.pop(listener, None) is not None:
            self._remove([listener[1]])

    # what changes ---------------------------------------------------------------------------------

    async def _read(self) -> None:
        cursor: int | None = None
        models: dict[str, int] = {}
        while self._wanted:
            with suppress(ChachamlError):  # the store is in trouble, of which others tell
                changed = await self._host.watch(partial(_changes, cursor, tuple(self._wanted), models))
                cursor = changed.cursor
                for uri in changed.uris:
                    await self._tell(uri)
            await asyncio.sleep(_EVERY)

    async def _tell(self, uri: str) -> None:
        event: ServerEvent = ResourceUpdated(uri)
        await self._bus.publish(event)
        for listener, context in tuple(self._sessions.items()):
            if listener[1] != uri:
                continue
            if self._host.still(context):
                await context.session.send_resource_updated(uri)
            else:
                self._drop(listener)


class _Changed:
    """Which of some addresses changed, and up to where that is known."""

    def __init__(self, cursor: int, uris: Iterable[str]) -> None:
        self.cursor, self.uris = cursor, tuple(uris)


def _exists(where: Address) -> None:
    if where.kind in ("run", "note"):
        OPERATIONS["get_run"].run({"run_id": where.name})
    elif where.kind == "model":
        OPERATIONS["get_model"].run({"model_name": where.name})


def _changes(cursor: int | None, uris: Iterable[str], models: dict[str, int]) -> _Changed:
    """Return what changed behind a cursor; `models` keeps the newest move of each model between calls."""
    store = connection().ready()
    wanted = {uri: address(uri) for uri in uris}
    moved = set()
    for name in {where.name for where in wanted.values() if where.kind == "model"}:
        newest = next((move.no for move in store.moves(name, limit=1)), 0)
        if models.setdefault(name, newest) != newest:
            moved.add(name)
        models[name] = newest
    if cursor is None:
        return _Changed(store.newest_change(), ())
    feed = store.changes_since(cursor)
    runs = {run for row in feed.rows for run in row.runs}
    homes = {row.experiment for row in store.bare_runs(list(runs)).values()} if runs else set()
    touched = {
        "run": lambda name: any(run == name or run.endswith(name) or run.startswith(name) for run in runs),
        "experiment": homes.__contains__,
        "model": moved.__contains__,
    }
    touched["note"] = touched["run"]
    return _Changed(feed.cursor, (uri for uri, where in wanted.items() if touched[where.kind](where.name)))
