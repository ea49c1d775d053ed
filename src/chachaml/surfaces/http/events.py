"""Live events: what the store's change feed says, to everybody who listens, read once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec
from starlette.responses import Response, StreamingResponse

from chachaml.core.errors import BadValue, ChachamlError, NotSignedIn
from chachaml.store.protocol import FeedRow, Waiting
from chachaml.surfaces.http.actors import Actor
from chachaml.surfaces.http.answers import Problem
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

if TYPE_CHECKING:
    from chachaml.surfaces.http.service import Service

__all__ = ["LiveFeed", "routes"]

_EVERY = 0.1
"""Seconds between two looks at the feed of a store that does not say when there is something new."""

_PATIENCE = 0.5
"""Seconds after which the feed is looked at though the store said nothing."""

_ALIVE = 15.0
"""Seconds after which a line is sent that says nothing, so that who listens knows that the line holds."""

_BEHIND = 1000
"""Changes that may wait for one listener; who is slower comes again and is told what was missed."""

_MOST = 2000
"""Listeners at once."""


def routes() -> list[Route]:
    """Return the routes of live events."""
    asked = [
        ("run", "Only what touches this run: its whole id."),
        ("after", "Go on behind this cursor; the header Last-Event-ID says the same."),
    ]
    about = {
        "operationId": "follow_events",
        "summary": "Follow what changes, as server-sent events.",
        "description": 'Each event is "change", its data a JSON object: cursor, time in microseconds, runs. '
        'An event "reset" says that too much was missed: read anew what you show.',
        "parameters": [
            {"name": name, "in": "query", "description": said, "schema": {"type": "string"}}
            for name, said in asked
        ],
        "responses": {"200": {"description": "The events.", "content": {"text/event-stream": {}}}},
    }
    return [Route("GET", "/api/events", "read", follow, about)]


class LiveFeed:
    """Reads the feed while anybody listens.

    Args:
        service: The server.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._listeners: set[asyncio.Queue[FeedRow | None]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._frames: dict[tuple[int, tuple[str, ...]], bytes] = {}
        self.stopping = False

    async def join(self) -> tuple[asyncio.Queue[FeedRow | None], int]:
        """Return a queue of what comes from now on, and the cursor that now is.

        Raises:
            Problem: Too many listen already.
        """
        if len(self._listeners) >= _MOST:
            raise Problem(503, "too_many", "too many listen already", "try again later")
        queue: asyncio.Queue[FeedRow | None] = asyncio.Queue(_BEHIND)
        self._listeners.add(
            queue
        )  # before it is asked where the feed stands, or something might fall between
        now = await anyio.to_thread.run_sync(self._service.feed_source().newest_change)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read(now))
        return queue, now

    def listeners(self) -> int:
        """Return how many listen."""
        return len(self._listeners)

    def leave(self, queue: asyncio.Queue[FeedRow | None]) -> None:
        """Stop listening."""
        self._listeners.discard(queue)

    def stop(self) -> None:
        """Tell all listeners that nothing follows."""
        self.stopping = True
        for queue in tuple(self._listeners):
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    def frame(self, row: FeedRow, runs: tuple[str, ...]) -> bytes:
        """Return a change as it goes over the line; the same for all who may see the same."""
        key = (row.cursor, runs)
        if key not in self._frames:
            if len(self._frames) > _BEHIND:
                self._frames.clear()
            data = msgspec.json.encode({"cursor": row.cursor, "time": row.time, "runs": runs})
            self._frames[key] = b"id: %d\nevent: change\ndata: %b\n\n" % (row.cursor, data)
        return self._frames[key]

    async def _read(self, cursor: int) -> None:
        while self._listeners and not self.stopping:
            with suppress(ChachamlError):  # the store is in trouble, of which others tell
                feed = await anyio.to_thread.run_sync(self._service.feed_source().changes_since, cursor)
                cursor = feed.cursor
                for row in feed.rows:
                    self._tell(row)
            await self._news()

    async def _news(self) -> None:
        """Return when it is time to look at the feed again."""
        store = self._service.store
        if isinstance(store, Waiting) and self._service.feed_source() is store:
            await anyio.to_thread.run_sync(store.wait, _PATIENCE)
        else:
            await asyncio.sleep(_EVERY)

    def _tell(self, row: FeedRow) -> None:
        for queue in tuple(self._listeners):
            try:
                queue.put_nowait(row)
            except asyncio.QueueFull:
                self._listeners.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)


async def follow(request: Request) -> Response:
    """Follow what changes."""
    given = request.query()
    if unknown := given.keys() - {"run", "after"}:
        raise BadValue(f"unknown argument {sorted(unknown)[0]!r}", "it takes: run, after")
    text = request.headers.get("last-event-id", "") or given.get("after", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadValue(f"{text[:40]!r} is no cursor of an event")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    feed = request.service.feed
    queue, now = await feed.join()
    events = _events(request, queue, int(text) if text else now, now, given.get("run", ""))
    return StreamingResponse(events, 200, headers, "text/event-stream")


async def _events(
    request: Request, queue: asyncio.Queue[FeedRow | None], after: int, now: int, run: str
) -> AsyncIterator[bytes]:
    feed = request.service.feed
    told = after
    try:
        yield b"retry: 1000\n: here\n\n"
        for row in await _missed(request, after, now):
            if row is None:
                yield b"id: %d\nevent: reset\ndata: {}\n\n" % now
                told = now
            elif (frame := await _seen(request, row, run)) is not None:
                yield frame
        while not feed.stopping:
            try:
                next_row = await asyncio.wait_for(queue.get(), _ALIVE)
            except TimeoutError:
                if not _still_may(request):
                    return
                yield b": still here\n\n"
                continue
            if next_row is None or not _still_may(request):
                return
            if (
                next_row.cursor > max(told, now)
                and (frame := await _seen(request, next_row, run)) is not None
            ):
                yield frame
    finally:
        feed.leave(queue)


def _still_may(request: Request) -> bool:
    """Tell whether who listens may still read: their token may have been revoked since."""
    try:
        return request.service.actor(request.headers).may("read")
    except NotSignedIn:
        return False


async def _missed(request: Request, after: int, now: int) -> list[FeedRow | None]:
    """Return what came between a cursor and now, or None in place of all that if it is too much."""
    if after >= now:
        return []
    if now - after > _BEHIND:
        return [None]
    found = await anyio.to_thread.run_sync(request.service.store.changes_since, after, _BEHIND)
    return [row for row in found.rows if row.cursor <= now]


async def _seen(request: Request, row: FeedRow, run: str) -> bytes | None:
    """Return a change as its listener may see it, None if it is none for them."""
    runs = row.runs
    if run:
        runs = (run,) if run in runs else ()
    if runs and _is_scoped(request.actor):
        found = await request.work(lambda: request.store.bare_runs(runs))
        runs = tuple(one for one in runs if one in found)
    if not runs and (run or _is_scoped(request.actor)):
        return None
    return request.service.feed.frame(row, runs)


def _is_scoped(actor: Actor) -> bool:
    return bool(actor.grants) and not actor.everywhere
