"""How a server is, for machines that look after it: whether it lives, whether it can work, its metrics."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.responses import Response

from chachaml.core.errors import AccessDenied, ChachamlError
from chachaml.core.model import StoreInfo
from chachaml.store.schema import MIGRATIONS
from chachaml.surfaces.http import logs
from chachaml.surfaces.http.answers import answer
from chachaml.surfaces.http.measures import CONTENT_TYPE, gauge
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

if TYPE_CHECKING:
    from chachaml.surfaces.http.service import Service

__all__ = ["Vitals", "routes"]

_EVERY = 1.0
"""Seconds for which an answer of the store's is good, however often it is asked for."""

_SIZES_EVERY = 15.0
_PATIENCE = 3.0
"""Seconds after which a store that has not answered is taken to be away."""


class Vitals:
    """Asks the store how it is: one question at a time, whoever wants to know.

    Args:
        service: The server.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._asking: asyncio.Task[str] | None = None
        self._asked = self._counted = -_SIZES_EVERY
        self.sizes: StoreInfo | None = None
        """What the store held a while ago, None if it never answered."""

    async def trouble(self) -> str:
        """Return why the server can do no work just now, '' if it can."""
        if self._service.draining:
            return "the server is stopping"
        if self._asking is None or (self._asking.done() and time.monotonic() - self._asked >= _EVERY):
            self._asking = asyncio.create_task(anyio.to_thread.run_sync(self._ask))
        with anyio.move_on_after(_PATIENCE):
            return await asyncio.shield(self._asking)
        return "the store does not answer"

    def _ask(self) -> str:
        try:
            self._service.store.newest_change()
            if time.monotonic() - self._counted >= _SIZES_EVERY:
                self.sizes, self._counted = self._service.store.info(), time.monotonic()
        except ChachamlError as error:
            logs.trouble(f"not ready: {error.message}")
            return "the store cannot be used"
        finally:
            self._asked = time.monotonic()
        if self.sizes is not None and self.sizes.schema != len(MIGRATIONS):
            return f"the store has the schema {self.sizes.schema}, this server needs {len(MIGRATIONS)}"
        return ""


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("GET", "/healthz", "open", _healthy),
        Route("GET", "/readyz", "open", _ready),
        Route("GET", "/metrics", "read", _metrics),
    ]


async def _healthy(request: Request) -> Response:  # noqa: ARG001 - as every endpoint
    return answer({"ok": True})


async def _ready(request: Request) -> Response:
    """Say whether this server is to be given requests; for whoever distributes them."""
    if why := await request.service.vitals.trouble():
        return answer({"ready": False, "why": why}, 503, {"Retry-After": "5"})
    return answer({"ready": True})


async def _metrics(request: Request) -> Response:
    """Give all metrics, which are of all experiments, to whoever may read all."""
    if not request.actor.everywhere:
        raise AccessDenied("metrics are of the whole server", "ask an admin for a role in all experiments")
    ready = not await request.service.vitals.trouble()
    text = "\n".join([*_lines(request.service, ready=ready), ""])
    return Response(text, 200, None, CONTENT_TYPE)


def _lines(service: Service, *, ready: bool) -> Iterator[str]:
    waiting = service.committer.waiting()
    yield from service.measures.lines()
    yield from gauge("chachaml_ready", "Whether the server can do its work.", ready)
    yield from gauge("chachaml_event_listeners", "Who follows live events.", service.feed.listeners())
    yield from gauge("chachaml_writes_waiting", "Requests whose turn to be written is to come.", waiting)
    if sizes := service.vitals.sizes:
        yield from gauge("chachaml_store_runs", "Runs in the store.", sizes.runs)
        yield from gauge("chachaml_store_points", "Points of metrics in the store.", sizes.points)
        yield from gauge("chachaml_store_schema", "Version of the store's schema.", sizes.schema)
    if service.replica is not None:
        yield from _replica(service.replica.lag, used=service.replica.fresh() is not None)
    yield from _process(service.measures.started)


def _replica(lag: float | None, *, used: bool) -> Iterator[str]:
    yield from gauge("chachaml_replica_used", "Whether pages are read from the replica.", used)
    if lag is not None:
        yield from gauge("chachaml_replica_lag_seconds", "How far the replica is behind, at most.", lag)


def _process(started: float) -> Iterator[str]:
    """Yield what is known of the process, under the names that all programs use."""
    from chachaml import __version__

    times = os.times()
    yield from gauge("chachaml_build_info", "The version that runs.", 1, version=__version__)
    yield "# HELP process_cpu_seconds_total Seconds of CPU time."
    yield "# TYPE process_cpu_seconds_total counter"
    yield f"process_cpu_seconds_total {times.user + times.system}"
    yield from gauge("process_start_time_seconds", "When it started.", started)
    with suppress(OSError, ValueError):  # not on Linux
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE")
        yield from gauge("process_resident_memory_bytes", "Memory in use.", resident)
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their names are not looked at
        yield from gauge("process_open_fds", "Files and lines that are open.", files)
