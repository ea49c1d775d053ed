"""Logging over HTTP, for any language: start a run, log params, metrics and tags, end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.responses import Response

from chachaml.core.changes import Batch, Change, ParamsLogged, PointsLogged, RunEnded, RunError, RunStarted
from chachaml.core.checks import check_change
from chachaml.core.errors import BadValue, NotFound, ParamConflict, RunHasEnded, RunIsLive
from chachaml.core.ids import command_id, is_id, new_id, readable_name, repeatable, short
from chachaml.core.model import RunRow
from chachaml.core.rules import advance
from chachaml.core.settings import current_user
from chachaml.core.values import canonical, flatten, same_value
from chachaml.results import Run
from chachaml.surfaces.http import shapes
from chachaml.surfaces.http.answers import answer
from chachaml.surfaces.http.committing import Job
from chachaml.surfaces.http.guarded import Guarded
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.surfaces.http.shapes import MSGPACK, NDJSON, Columns, Row, points_of, row_points

__all__ = ["command", "now", "open_run", "routes", "run_id", "write"]

_DONE = answer({"ok": True})
_LINES = 100_000
"""Lines of one request, at most."""


def routes() -> list[Route]:
    """Return the routes of logging."""
    about = shapes.descriptions()
    return [
        Route("POST", "/api/w/runs/{run_id}/metrics", "write", log_metrics, about["log_metrics"]),
        Route("POST", "/api/w/metrics", "write", log_series, about["log_series"]),
        Route("POST", "/api/w/runs", "write", start_run, about["start_run"]),
        Route("POST", "/api/w/runs/{run_id}/params", "write", log_params, about["log_params"]),
        Route("POST", "/api/w/runs/{run_id}/end", "write", end_run, about["end_run"]),
    ]


# runs ---------------------------------------------------------------------------------------------


async def start_run(request: Request) -> Response:
    """Start a run; answer with it."""
    given = request.decode(shapes.Start) if request.json() else shapes.Start()
    with _repeatable(request):
        run, same = (command_id(), command_id()) if request.key else (new_id(), new_id())
    moment = now()
    started = RunStarted(
        run,
        moment,
        given.experiment or "default",
        given.name or readable_name(),
        request.actor.name or given.created_by or current_user(),
        given.parent_run_id,
        dict(given.tags),
    )
    changes: list[Change] = [started]
    if given.params:
        changes.append(ParamsLogged(run, moment, flatten(given.params)))
    for change in changes:
        check_change(change)

    def prepare(found: dict[str, RunRow], batch: Batch) -> Batch:
        parent = given.parent_run_id
        if parent is not None and parent not in found:
            raise NotFound(f"there is no run {parent!r} to be the parent")
        return batch

    parents = [given.parent_run_id] if given.parent_run_id else []
    await write(request, Batch(tuple(changes), command=same), parents, prepare)
    if request.key:  # it may have been started by an earlier try
        return await _shown(request, run)
    row, _ = advance(None, started, "")
    return answer(Run.from_row(replace(row, tags=started.tags, params=dict(given.params))))


async def end_run(request: Request) -> Response:
    """End a run; answer with it."""
    given = request.decode(shapes.End) if request.json() else shapes.End()
    error = RunError("", given.error) if isinstance(given.error, str) else given.error
    status = given.status or ("failed" if error else "completed")
    run = run_id(request)
    moment = now()

    def prepare(found: dict[str, RunRow], batch: Batch) -> Batch:
        row = open_run(found, run)
        if row.owner is not None:
            raise RunIsLive(
                f"run {row.name!r} ({short(run)}) belongs to the process that started it",
                "that process ends it; others may log to it",
            )
        ended = RunEnded(run, moment, status, error, duration=max(0, moment - row.started))
        check_change(ended)
        return replace(batch, changes=(ended,))

    ended = RunEnded(run, moment, status, error)
    await write(request, Batch((ended,), command=command(request)), [run], prepare)
    return await _shown(request, run)


async def log_params(request: Request) -> Response:
    """Log params, all or none."""
    flat = flatten(request.json_object())
    run = run_id(request)
    if not flat:
        return _DONE
    store = request.store

    def prepare(found: dict[str, RunRow], batch: Batch) -> Batch:
        row = open_run(found, run)
        kept = store.get_run(run).params
        for key, value in flat.items():
            if key in kept and not same_value(canonical(key, kept[key]), value):
                raise ParamConflict(
                    f"param {key!r} of run {row.name!r} is {canonical(key, kept[key])} already, not {value}",
                    "params are written once; log what changes as a metric or a tag",
                )
        return batch

    logged = ParamsLogged(run, now(), flat)
    check_change(logged)
    await write(request, Batch((logged,), command=command(request)), [run], prepare)
    return _DONE


# metrics ------------------------------------------------------------------------------------------


async def log_metrics(request: Request) -> Response:
    """Log metrics of one run: one step, or several in lines."""
    run = run_id(request)
    rows = _rows(request)
    await _log(request, [one for row in rows for one in row_points(run, row, now())])
    return _DONE


def _rows(request: Request) -> Iterator[Row]:
    kind = request.expect("application/json", NDJSON, MSGPACK)
    if kind == NDJSON:
        return (shapes.row_of(line) for line in _lines(request))
    if kind == MSGPACK:
        given = request.decode(object, packed=True)
        return (shapes.row_of(one) for one in (given if isinstance(given, list) else [given]))
    return iter([shapes.row_of(request.json_object())])


async def log_series(request: Request) -> Response:
    """Log many points of many metrics of many runs, as columns or in lines."""
    kind = request.expect("application/json", NDJSON, MSGPACK)
    if kind == NDJSON:
        changes = [one for line in _lines(request) for one in _line_points(line)]
    else:
        given = request.decode(shapes.Series, packed=kind == MSGPACK)
        changes = [points_of(one, now()) for one in given.series]
    await _log(request, changes)
    return answer({"ok": True, "points": sum(map(len, changes))})


def _line_points(line: Any) -> Iterator[PointsLogged]:
    """Return the points of a line: columns of one metric, or several metrics at one step."""
    if isinstance(line, dict) and "values" in line:
        yield points_of(_converted(line, Columns), now())
        return
    if not isinstance(line, dict) or not isinstance(run := line.get("run"), str):
        raise BadValue('each line needs the run\'s id, as "run"')
    rest = {key: value for key, value in line.items() if key != "run"}
    yield from row_points(_checked_id(run), shapes.row_of(rest), now())


def _lines(request: Request) -> Iterator[Any]:
    lines = [line for line in request.data.split(b"\n") if line.strip()]
    if len(lines) > _LINES:
        raise BadValue(f"{len(lines):,} lines are more than {_LINES:,}", "send them in several requests")
    for number, line in enumerate(lines, 1):
        try:
            yield msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadValue(f"line {number} is no JSON: {error}") from None


def _converted(value: Any, kind: type[Columns]) -> Columns:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadValue(str(error)) from None


async def _log(request: Request, changes: list[PointsLogged]) -> None:
    for change in changes:
        check_change(change)
    if not changes:
        return
    runs = list(dict.fromkeys(change.run for change in changes))

    def prepare(found: dict[str, RunRow], batch: Batch) -> Batch:
        for run in runs:
            open_run(found, run)
        return batch

    await write(request, Batch(tuple(changes), command=command(request)), runs, prepare)


# --------------------------------------------------------------------------------------------------

Prepare = Callable[[dict[str, RunRow], Batch], Batch]


async def write(request: Request, batch: Batch, runs: list[str], prepare: Prepare) -> None:
    """Have a batch written as far as the actor may, once nothing speaks against it."""
    store = request.store

    def ready(found: dict[str, RunRow]) -> Batch:
        if not isinstance(store, Guarded):
            return prepare(found, batch)
        seen = {run: row for run, row in found.items() if store.sees(row)}
        return store.allow(prepare(seen, batch))[0]

    await request.service.committer.write(Job(batch, runs, ready))


def open_run(found: dict[str, RunRow], run: str) -> RunRow:
    """Return a run that may be logged to.

    Raises:
        NotFound: There is none.
        RunHasEnded: It is over.
    """
    row = found.get(run)
    if row is None:
        raise NotFound(
            f"there is no run {run!r} in this store", "POST /api/w/runs starts one, and answers its id"
        )
    if row.status not in ("running", "crashed"):
        raise RunHasEnded(
            f"run {row.name!r} ({short(run)}) has ended: it is {row.status}", "start another one"
        )
    return row


async def _shown(request: Request, run: str) -> Response:
    return answer(Run.from_row(await request.work(lambda: request.store.get_run(run))))


def run_id(request: Request) -> str:
    """Return the run in the address: its whole id."""
    return _checked_id(request.path["run_id"])


def _checked_id(run: str) -> str:
    if not is_id(run):
        raise NotFound(f"there is no run {run[:80]!r}", "logging takes the whole id, 32 hex digits")
    return run


def command(request: Request) -> str:
    """Return an id for what a request writes: the same for another try of it."""
    with _repeatable(request):
        return command_id()


def _repeatable(request: Request) -> AbstractContextManager[None]:
    return repeatable(request.key) if request.key else nullcontext()


def now() -> int:
    """Return the time in microseconds."""
    return time.time_ns() // 1000
