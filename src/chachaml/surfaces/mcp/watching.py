"""Subscriptions: whoever asked for it hears when a run, note, experiment or model has changed.

One reader follows the store's changes while anybody listens; both ages of the protocol hear of it: older
clients by a notification on their session, newer ones on the stream that they opened for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

import anyio
import mcp_types as types
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError

from chachaml.connection import connection
from chachaml.core.errors import ChachamlError
from chachaml.ops import OPERATIONS
from chachaml.store.protocol import Store
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
        self._cursor = 0
        self._moves: dict[str, int] = {}
        """Up to where the store's changes are read, and the newest move of each model that is watched."""

    # who listens ----------------------------------------------------------------------------------

    async def subscribe(self, context: Context, asked: types.SubscribeRequestParams) -> types.EmptyResult:
        """Tell a session of changes of what is at an address, which it must be able to see."""
        uri = str(asked.uri)
        await self._check(context, uri)
        link = context.session._connection  # the SDK has no public name for what lives as long as a session
        if (id(link), uri) not in self._sessions:
            if len(self._sessions) >= _MOST:
                raise MCPError(types.INTERNAL_ERROR, "there are too many subscriptions")
            await self._add([uri])
            self._sessions[id(link), uri] = context
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
        await self._add(wanted)
        try:
            async with anyio.create_task_group() as together:
                together.start_soon(self._while_allowed, context, together.cancel_scope)
                result = await self._streams(context, asked)
                together.cancel_scope.cancel()
                return result
        finally:
            self._remove(wanted)
        raise MCPError(types.INVALID_REQUEST, "you may not listen any more")

    async def _while_allowed(self, context: Context, scope: anyio.CancelScope) -> None:
        """End a stream whose listener may not read any more."""
        while self._host.still(context):
            await anyio.sleep(_EVERY)
        scope.cancel()

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

    async def _add(self, uris: Sequence[str]) -> None:
        """Watch some addresses: whatever changes from now on is told."""
        begin = await self._host.watch(partial(_stand, uris, self._moves))
        self._wanted.update(uris)
        if self._wanted and (self._reader is None or self._reader.done()):
            self._cursor = begin
            self._reader = asyncio.get_running_loop().create_task(self._read())

    def _remove(self, uris: Iterable[str]) -> None:
        self._wanted.subtract(uris)
        self._wanted = +self._wanted

    def _drop(self, listener: _Listener) -> None:
        if self._sessions.pop(listener, None) is not None:
            self._remove([listener[1]])

    # what changes ---------------------------------------------------------------------------------

    async def _read(self) -> None:
        while self._wanted:
            with suppress(ChachamlError):  # the store is in trouble, of which others tell
                wanted = tuple(self._wanted)
                changed = await self._host.watch(partial(_changes, self._cursor, wanted, self._moves))
                self._cursor = changed.cursor
                for uri in changed.uris:
                    await self._tell(uri)
            await asyncio.sleep(_EVERY)
        self._moves.clear()

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


def _stand(uris: Iterable[str], moves: dict[str, int]) -> int:
    """Return up to where the store has changed, having noted how models among some addresses stand."""
    store = connection().ready()
    for where in map(address, uris):
        if where.kind == "model":
            moves.setdefault(where.name, _newest_move(store, where.name))
    return store.newest_change()


def _newest_move(store: Store, model: str) -> int:
    return next((move.no for move in store.moves(model, limit=1)), 0)


def _changes(cursor: int, uris: Iterable[str], moves: dict[str, int]) -> _Changed:
    """Return which of some addresses changed behind a cursor, noting how models stand now."""
    store = connection().ready()
    wanted = {uri: address(uri) for uri in uris}
    known = dict(moves)  # others may come meanwhile
    newest = {name: _newest_move(store, name) for name in known}
    moved = {name for name, no in newest.items() if no != known[name]}
    moves.update(newest)
    feed = store.changes_since(cursor)
    runs = {run for row in feed.rows for run in row.runs}
    homes = {row.experiment for row in store.bare_runs(list(runs)).values()} if runs else set()
    touched: dict[str, Callable[[str], bool]] = {
        "run": lambda name: any(run.startswith(name) or run.endswith(name) for run in runs),
        "experiment": homes.__contains__,
        "model": moved.__contains__,
    }
    touched["note"] = touched["run"]
    return _Changed(feed.cursor, (uri for uri, where in wanted.items() if touched[where.kind](where.name)))
