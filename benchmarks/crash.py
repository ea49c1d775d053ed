"""What is left after a kill -9 in the middle of training."""

from __future__ import annotations

import time
from math import nan
from pathlib import Path

from benchmarks.curves import noisy
from benchmarks.log_call import count
from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target
from benchmarks.tools import load
from benchmarks.worker import barrier

__all__ = ["count", "log_slowly", "measure"]


def measure(bench: Bench) -> Section:
    """Kill a process of each tool right after its last log call has returned."""
    n = bench.n(1000, 100)
    section = Section(
        "Killed",
        f"{n:,} log calls about half a millisecond apart; when the last one has returned the process gets "
        "SIGKILL. Helper processes live on for a second. Then a fresh process reads what there is.",
    )
    rows, lost = [], nan
    for tool in bench.pythons:
        with bench.reporting(tool, "after SIGKILL"), bench.folder() as folder:
            with bench.begin(folder, "crash.log_slowly", tool, n=n) as worker:
                worker.line()
                worker.kill()
            left = bench.work(folder, "crash.count", tool)["count"]
            rows.append([tool, f"{n:,}", f"{left:,}", f"{n - left:,}"])
            lost = n - left if tool == "chachaml" else lost
    section.targets.append(Target(f"points lost of {n:,} by SIGKILL", lost, 0))
    section.tables.append(Table(["tool", "logged", "read back", "lost"], rows))
    return section


def log_slowly(folder: Path, tool: str, n: int) -> Result:
    """Log one value at a time, as fast training does, and wait to be killed."""
    adapter = load(tool, folder)
    adapter.start("killed")
    log = compile(adapter.one, "log call", "exec")
    names = adapter.names()
    for step, value in enumerate(noisy(n)):
        exec(log, names | {"step": step, "value": value})
        time.sleep(0.0005)
    barrier()
    return {}
