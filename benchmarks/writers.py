"""Many processes at once: into one store, and into one run."""

from __future__ import annotations

import time
from contextlib import ExitStack
from math import nan
from pathlib import Path

from benchmarks.clock import run_loop
from benchmarks.curves import noisy
from benchmarks.log_call import count
from benchmarks.processes import Bench, Result, WorkFailed
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools import load
from benchmarks.worker import barrier

__all__ = ["begin_run", "count", "measure", "write"]

PROCESSES = 8
POINTS = {"chachaml": 200_000, "trackio": 5_000, "tensorboardX": 10_000, "mlflow": 30}
"""Points of each process."""


def measure(bench: Bench) -> Section:
    """Measure the tools of which several processes can share a store."""
    section = Section(
        "Many writers",
        f"{PROCESSES} processes, each with one run of its own in the same store, then all in the same run. "
        "The clock runs from the common start, after imports and the start of the runs, until the last "
        "process has everything stored; then a fresh process counts.",
    )
    for shared, what in ((False, "into one store"), (True, "into one run")):
        rows, rates, lost = [], {}, nan
        for tool in (tool for tool in POINTS if tool in bench.pythons):
            with bench.reporting(tool, f"{PROCESSES} processes {what}"):
                n = bench.n(POINTS[tool], 100)
                seconds, read, errors = _together(bench, tool, n, shared=shared)
                rates[tool], logged = read / seconds, n * PROCESSES + 1
                figures = [f"{logged:,}", f"{read:,}", str(errors), engineering(seconds)]
                rows.append([tool, *figures, engineering(rates[tool])])
                lost = abs(logged - read) if tool == "chachaml" else lost
        section.targets.append(Target(f"points lost or doubled, {PROCESSES} processes {what}", lost, 0))
        if peers := [rate for tool, rate in rates.items() if tool != "chachaml"]:
            ratio = rates.get("chachaml", nan) / max(peers)
            section.targets.append(
                Target(f"points a second over the best peer, {what}", ratio, 20, "x", at_least=True)
            )
        head = ["logged", "read back", "errors", "s until ready", "points a second"]
        section.tables.append(Table([f"{PROCESSES} processes {what}", *head], rows))
    return section


def _together(bench: Bench, tool: str, n: int, *, shared: bool) -> tuple[float, int, int]:
    """Return the seconds until all is stored, how many points are read back, and how many failed."""
    with bench.folder() as folder:
        with bench.begin(folder, "writers.begin_run", tool) as owner:
            run = owner.line()["run"]
            if not shared:
                owner.go()
                owner.wait()
            seconds, errors = _race(bench, folder, tool, n, run if shared else "")
            if shared:
                owner.go()
                owner.wait()
        return seconds, bench.work(folder, "writers.count", tool)["count"], errors


def _race(bench: Bench, folder: Path, tool: str, n: int, run: str) -> tuple[float, int]:
    with ExitStack() as running:
        workers = [
            running.enter_context(bench.begin(folder, "writers.write", tool, n=n, index=index, run=run))
            for index in range(PROCESSES)
        ]
        for worker in workers:
            worker.line()
        begin = time.time()
        for worker in workers:
            worker.go()
        ends, errors = [begin], 0
        for worker in workers:
            try:
                ends.append(worker.line()["end"])
                worker.wait()
            except WorkFailed as error:
                errors += 1
                bench.failures.append(f"{tool}, one of {PROCESSES} processes: {error}")
        return max(ends) - begin, errors


def begin_run(folder: Path, tool: str) -> Result:
    """Make the store and a run with one point in it, which stays open until the others are done."""
    adapter = load(tool, folder)
    run = adapter.start("shared")
    run_loop(adapter.one, adapter.names(), noisy(1))
    barrier(run=run)
    adapter.finish()
    return {}


def write(folder: Path, tool: str, n: int, index: int, run: str) -> Result:
    """Log points together with other processes."""
    adapter = load(tool, folder)
    if run:
        adapter.join(run)
    else:
        adapter.start(f"writer-{index}")
    names, values = adapter.names(), noisy(n, 1 + index * n)
    barrier()
    run_loop(adapter.one, names, values, 1 + index * n)
    adapter.finish()
    return {"end": time.time()}
