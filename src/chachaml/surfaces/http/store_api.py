"""The store itself over HTTP, in msgpack: what `chachaml.store.remote` speaks to."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from chachaml.core.changes import AccessChange, Batch, Receipt, RunDeleted
from chachaml.core.checks import check_batch, check_value
from chachaml.core.errors import AccessDenied, BadValue, NotFound
from chachaml.core.ids import is_id
from chachaml.store import wire
from chachaml.store.zstd import compress
from chachaml.surfaces.http.actors import Permission
from chachaml.surfaces.http.committing import Job, points_of
from chachaml.surfaces.http.guarded import Guarded
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.surfaces.http.shapes import MSGPACK

if TYPE_CHECKING:
    from chachaml.surfaces.http.service import Service

__all__ = ["routes"]

_PACKED_FROM = 4096
_MOST_ROWS = 1_000_001

_MANAGED = ("access", "audit")
_BATCH_LIMIT = 64 << 20
"""Bytes of a batch: one stretch of a journal, unpacked."""


def routes() -> list[Route]:
    """Return the routes of the store; what each call takes and gives is the protocol's."""
    reads = [Route("POST", f"/api/store/{name}", _needs(name), partial(_read, name)) for name in wire.READS]
    return [
        Route("POST", "/api/store/apply", "write", _apply, limit=_BATCH_LIMIT),
        Route("POST", "/api/store/apply_all", "write", _apply_all, limit=_BATCH_LIMIT),
        Route("POST", "/api/store/beat/{journal}", "write", _beat),
        Route("POST", "/api/store/sync", "write", _sync),
        Route("GET", "/api/store", "read", _hello),
        Route("POST", "/api/store/sql", "read", _sql),
        *reads,
    ]


def _needs(name: str) -> Permission:
    return "manage" if name in _MANAGED else "read"


async def _hello(request: Request) -> Response:
    from chachaml import __version__

    about = {"id": request.service.store.id, "version": __version__, "user": request.actor.name}
    return _packed(request, wire.pack(about))


async def _read(name: str, request: Request) -> Response:
    request.expect(MSGPACK)
    call, method = wire.call(name), getattr(request.store, name, None)
    if method is None:
        raise AccessDenied("this speaks of all experiments, and you may see some only")
    arguments = call.unpack_arguments(request.data or wire.pack({}))
    check_value(arguments)
    return _packed(request, await request.work(lambda: call.pack_result(method(**arguments))))


async def _sql(request: Request) -> Response:
    asked = wire.unpack(request.data, dict[str, Any])
    method = getattr(request.store, "sql", None)
    if method is None:
        raise AccessDenied("SQL speaks of all experiments, and you may see some only")
    query, values, most = asked.get("query"), asked.get("values", ()), asked.get("most", 1000)
    if not isinstance(query, str) or not isinstance(most, int) or not isinstance(values, (list, dict)):
        raise BadValue("it takes: query, values, most")
    most = min(most, _MOST_ROWS)
    found = await request.work(lambda: wire.pack(method(query, values, most=most)), slow=True)
    return _packed(request, found)


async def _apply(request: Request) -> Response:
    call = wire.call("apply")
    batch: Batch = call.unpack_arguments(request.data)["batch"]
    (receipt,) = await _write(request, [batch])
    return _packed(request, call.pack_result(receipt))


async def _apply_all(request: Request) -> Response:
    call = wire.call("apply_all")
    batches: list[Batch] = call.unpack_arguments(request.data)["batches"]
    return _packed(request, call.pack_result(await _write(request, batches)))


async def _write(request: Request, batches: list[Batch]) -> list[Receipt]:
    """Write batches, in one transaction with those of others unless there are several."""
    request.expect(MSGPACK)
    service, store = request.service, request.store
    if not isinstance(store, Guarded):
        raise AccessDenied("you may not write")
    allowed = await request.work(lambda: [_allowed(store, batch) for batch in batches])
    if len(allowed) == 1:
        receipts = [await service.committer.write(Job(allowed[0][0]))]
    else:
        receipts = await request.work(lambda: _written(service, [batch for batch, _ in allowed]))
    for batch, _ in allowed:
        if any(isinstance(change, AccessChange) for change in batch.changes):
            service.directory.forget()
        if deleted := [change.run for change in batch.changes if isinstance(change, RunDeleted)]:
            await request.work(partial(_unshow, request, deleted))
    return [
        Receipt(one.applied, one.applied_to, one.cursor, (*one.conflicts, *refused))
        for one, (_, refused) in zip(receipts, allowed, strict=True)
    ]


def _written(service: Service, batches: list[Batch]) -> list[Receipt]:
    """Write several batches of one request, in a transaction of their own."""
    began = time.monotonic()
    receipts = service.store.apply_all(batches)
    points = sum(points_of(batch) for batch in batches)
    service.measures.transaction(time.monotonic() - began, points, {"written": 1})
    return receipts


def _allowed(store: Guarded, batch: Batch) -> Any:
    check_batch(batch)
    return store.allow(batch)


def _unshow(request: Request, runs: list[str]) -> None:
    """Remove the named view of runs that are gone."""
    from chachaml.artifacts import view

    gone = set(runs) - request.service.store.bare_runs(runs).keys()
    for run in gone:
        view.remove(request.service.where.blobs(), run)


async def _beat(request: Request) -> Response:
    journal = request.path["journal"]
    if not is_id(journal):
        raise NotFound(f"there is no journal {journal[:80]!r}")
    await request.work(lambda: request.service.hear(journal))
    return _packed(request, b"")


async def _sync(request: Request) -> Response:
    await request.work(request.service.store.sync)
    return _packed(request, b"")


def _packed(request: Request, data: bytes) -> Response:
    headers = {}
    if len(data) >= _PACKED_FROM and "zstd" in request.headers.get("accept-encoding", ""):
        data, headers = compress(data, 1), {"Content-Encoding": "zstd"}
    return Response(data, 200, headers, MSGPACK)
