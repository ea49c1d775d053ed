"""The limits of the machine: what a bare write, a list, and a bare SQLite take."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.clock import each_call
from benchmarks.curves import noisy
from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, engineering

__all__ = ["bare_write", "measure", "worker"]

RECORD = bytes(24)


def measure(bench: Bench) -> Section:
    """Measure the limits."""
    with bench.folder() as folder:
        found = bench.work(
            folder, "limits.worker", calls=bench.n(200_000, 2_000), rows=bench.n(1_000_000, 2_000)
        )
    rows = [
        [what, *(engineering(found[key][name]) for name in ("p50", "p99", "p99.9"))]
        for what, key in (("`os.write` of 24 bytes, appending", "write"), ("`list.append`", "append"))
    ]
    bulk = [
        [what, f"{found[key] * 1e6:,.2f}", engineering(1 / found[key])]
        for what, key in (("`sqlite3`", "sqlite3"), ("`apsw`", "apsw"))
    ]
    return Section(
        "Limits",
        "What nobody can beat: one system call, one append in memory, and rows of (run, key, step, time, "
        "value) into a bare table in one `executemany`, WAL, committed.",
        [
            Table(["ns a call", "p50", "p99", "p99.9"], rows),
            Table(["SQLite, `executemany`", "us a row", "rows a second"], bulk),
        ],
    )


def worker(folder: Path, tool: str, calls: int, rows: int) -> Result:
    """Measure in this process."""
    return {
        "write": bare_write(folder, calls),
        "append": each_call("append(value)", {"append": [].append}, noisy(calls)),
        "sqlite3": _sqlite3(folder / "one.db", rows) / rows,
        "apsw": _apsw(folder / "two.db", rows) / rows,
    }


def bare_write(folder: Path, calls: int) -> dict[str, float]:
    """Return nanoseconds of one `os.write` of 24 bytes to the end of a file."""
    file = os.open(folder / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    names: dict[str, Any] = {"write": os.write, "file": file, "record": RECORD}
    try:
        return each_call("write(file, record)", names, noisy(calls))
    finally:
        os.close(file)


def _sqlite3(path: Path, count: int) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    return _insert(connection, connection.executemany, count)


def _apsw(path: Path, count: int) -> float:
    import apsw

    connection = apsw.Connection(str(path))
    return _insert(connection, connection.cursor().executemany, count)


def _insert(
    connection: Any, executemany: Callable[[str, Iterator[tuple[Any, ...]]], object], count: int
) -> float:
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute("PRAGMA synchronous=normal")
    connection.execute(
        "CREATE TABLE point (run INTEGER, key INTEGER, step INTEGER, time INTEGER, value REAL)"
    )
    values = noisy(count)
    begin = perf_counter()
    connection.execute("BEGIN")
    executemany(
        "INSERT INTO point VALUES (?, ?, ?, ?, ?)",
        ((1, 1, step, step, value) for step, value in enumerate(values)),
    )
    connection.execute("COMMIT")
    return perf_counter() - begin
