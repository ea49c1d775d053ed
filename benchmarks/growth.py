"""How a store grows: its size, and the times of lists, searches and charts, with more and more in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import searching
from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, engineering

__all__ = ["add_points", "add_runs", "measure"]

RUNS = (1_000, 10_000, 100_000)
POINTS = (1_000_000, 10_000_000, 100_000_000)
_QUICK_RUNS, _QUICK_POINTS = (20, 40), (2_000, 4_000)
_SERIES = 100_000
"""Points of one metric."""
_AT_ONCE = 250
"""Runs that one transaction writes."""

_ASKED: dict[str, Callable[[Any], Any]] = {
    "newest 100": lambda ml: ml.runs(limit=100),
    "search, 1 in 400": lambda ml: ml.runs("metrics.metric-3 > 3.99 and params.lr <= 0.0001", limit=100),
    "search, 1 in 3": lambda ml: ml.runs("params.optimizer = 'adam'", limit=100),
    "best of all": lambda ml: ml.best_run(metric="metric-3"),
    "best of 1 in 20": lambda ml: ml.best_run(experiment="experiment-7", metric="metric-3"),
}


def measure(bench: Bench) -> Section:
    """Measure both kinds of store, each growing."""
    section = Section(
        "Growth",
        "One store that grows, SQLite and Postgres (its defaults) in turn. Runs have 10 params, 10 metrics "
        f"of one point each and a tag; a metric of many points has {_SERIES:,} of them, with times that "
        "jitter and random values. Written straight to the store, by one process; sizes are "
        "those on disk, indexes and all; times are the median of five, in ms.",
    )
    found: dict[str, list[dict[str, Any]]] = {"runs": [], "points": []}
    for backend in ("sqlite", "postgres"):
        with (
            bench.reporting("chachaml", f"growth of {backend}"),
            bench.folder() as folder,
            _places(backend, folder) as (runs, points),
        ):
            found["runs"] += _grown(bench, folder, backend, "add_runs", runs)
            found["points"] += _grown(bench, folder, backend, "add_points", points)
    section.tables.append(_table("runs", found["runs"]))
    section.tables.append(_table("points", found["points"]))
    return section


@contextmanager
def _places(backend: str, folder: Path) -> Iterator[tuple[str, str]]:
    if backend == "sqlite":
        yield str(folder / "runs.db"), str(folder / "points.db")
        return
    from tests.postgres import unused_server

    with unused_server() as database:
        yield database.url("runs"), database.url("points")


def _grown(bench: Bench, folder: Path, backend: str, what: str, place: str) -> Iterator[dict[str, Any]]:
    mine = Bench({"chachaml": Path(sys.executable)}, quick=bench.quick)
    quick, full = (_QUICK_RUNS, RUNS) if what == "add_runs" else (_QUICK_POINTS, POINTS)
    before = 0
    for count in quick if bench.quick else full:
        found = mine.work(folder, f"growth.{what}", place=place, before=before, count=count)
        before = count
        yield {"store": backend, "holds": count, **found}


def _table(of: str, rows: list[dict[str, Any]]) -> Table:
    names = [name for name in (rows[0] if rows else {}) if name not in ("store", "holds")]
    body = [[row["store"], f"{row['holds']:,}", *(engineering(row[name]) for name in names)] for row in rows]
    return Table(["store", of, *names], body)


# within the store's own process ---------------------------------------------------------------------


def add_runs(folder: Path, tool: str, place: str, before: int, count: int) -> Result:
    """Add runs until there are so many; return how quickly, its size, and times of asking."""
    import chachaml as ml

    store, write = _opened(place)
    random, begin = Random(before), perf_counter()
    for first in range(before, count, _AT_ONCE):
        lot = range(first, min(first + _AT_ONCE, count))
        write([change for number in lot for change in _run(random, number)])
    rate = (count - before) / (perf_counter() - begin)
    _settle(store)
    size = _size(store)
    times = {what: _median(lambda ask=ask: ask(ml)) for what, ask in _ASKED.items()}  # type: ignore[misc]
    return {"MB": size / 2**20, "bytes a run": size / count, "written a second": rate, **times}


def add_points(folder: Path, tool: str, place: str, before: int, count: int) -> Result:
    """Add points until there are so many; return how quickly, its size, and times of reading."""
    from chachaml.core.changes import PointsLogged, RunStarted
    from chachaml.core.ids import new_id

    store, write = _opened(place)
    generator = np.random.default_rng(before)
    each, spent, run = min(_SERIES, count - before), 0.0, ""
    for _ in range(before, count, each):
        run = new_id()
        steps = np.arange(each, dtype="<i8")
        times = 1_700_000_000_000_000 + np.cumsum(generator.integers(900, 1100, each)).astype("<i8")
        columns = steps.tobytes(), times.tobytes(), generator.normal(size=each).astype("<f8").tobytes()
        begin = perf_counter()
        write([RunStarted(run, 1, "long", "long", "bench"), PointsLogged(run, "loss", *columns)])
        spent += perf_counter() - begin
    size = _size(store)
    window = (each // 2, each // 2 + each // 100)
    return {
        "MB": size / 2**20,
        "bytes a point": size / count,
        "written a second": (count - before) / spent,
        "drawing a metric": _median(lambda: store.read_outlines([(run, "loss")])),
        "zoom into 1 %": _median(lambda: store.read_outlines([(run, "loss")], window)),
        "all its points": _median(lambda: store.read_series(run, "loss")),
    }


def _opened(place: str) -> tuple[Any, Callable[[list[Any]], None]]:
    """Return a store, and what writes changes to it as one batch of a journal."""
    import chachaml as ml
    from chachaml.connection import connection
    from chachaml.core.changes import Batch, JournalInfo
    from chachaml.core.ids import new_remote_id

    ml.connect(place)
    store = connection().store(create=True)
    journal, at = JournalInfo(new_remote_id(), store.id), 0

    def write(changes: list[Any]) -> None:
        nonlocal at
        receipt = store.apply(Batch(tuple(changes), journal, at, at + 1))
        at = receipt.applied_to

    return store, write


def _run(random: Random, number: int) -> list[Any]:
    from chachaml.core.changes import ParamsLogged, PointsLogged, RunEnded, RunStarted
    from chachaml.core.ids import new_id
    from chachaml.core.values import canonical

    run, time = new_id(), 1_700_000_000_000_000 + number * 1_000_000
    tags = {"team": ("vision", "nlp", "speech")[number % 3]}
    params = searching._params(random, number)
    result, step = random.random(), (0).to_bytes(8, "little")
    at = time.to_bytes(8, "little")
    return [
        RunStarted(run, time, f"experiment-{number % 20}", f"run {number}", "bench", tags=tags),
        ParamsLogged(run, time, {key: canonical(key, value) for key, value in params.items()}),
        *(
            PointsLogged(run, f"metric-{key}", step, at, np.float64(result + key).tobytes())
            for key in range(10)
        ),
        RunEnded(run, time + 500_000, "completed" if number % 10 else "failed"),
    ]


def _settle(store: Any) -> None:
    """Do at once what Postgres does by itself within a minute."""
    if store.info().backend == "postgres":
        from chachaml.store.postgres_database import connect

        with connect(store._database.address) as raw:
            raw.execute("VACUUM ANALYZE")


def _size(store: Any) -> int:
    """Return the bytes of a store on disk."""
    store.sync()
    if store.info().backend == "sqlite":
        path = Path(store.info().location)
        return sum(one.stat().st_size for one in path.parent.glob(path.name + "*"))
    schema = store._database.address.schema
    with store._database.reading() as db:
        query = """SELECT sum(pg_total_relation_size(pg_class.oid))::bigint FROM pg_class
            JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = ? AND relkind = 'r'"""
        return int(db.execute(query, (schema,)).get)


def _median(ask: Callable[[], Any]) -> float:
    return searching._first_and_warm(ask, 5)[1]
