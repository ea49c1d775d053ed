"""Ten million points in one series: memory while writing, bytes on disk, and reading back."""

from __future__ import annotations

import random
from pathlib import Path
from time import perf_counter

from benchmarks.clock import median, run_loop
from benchmarks.curves import blocks, noisy
from benchmarks.log_call import CALLS
from benchmarks.processes import Bench, Result, WorkFailed, allocated
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools import load

__all__ = ["measure", "read", "write", "write_some"]

PIXELS = 1000
QUARTERS = ("first", "second", "third", "fourth")
"""Memory is looked at after every hundredth of the points; buffers and caches fill up in the first half."""
MEMORY = {
    "private memory": "RssAnon",
    "mapped files: the journal's segment, libraries": "RssFile",
    "resident in all": "VmRSS",
}


def measure(bench: Bench) -> Section:
    """Measure writing and reading; disk beside the peers."""
    n = bench.n(10_000_000, 20_000)
    section = Section(
        "A long series",
        f"{n:,} points of one noisy curve with chachaml, `ml.log_metric(key, value, step)`, then read in a "
        "fresh process. Peers get fewer points for the comparison of disk space.",
    )
    with bench.folder() as folder:
        written = bench.work(folder, "long_series.write", n=n)
        double = allocated(folder) / n
        found = bench.work(folder, "long_series.read", zooms=bench.n(50, 5))
    with bench.folder() as folder:
        bench.work(folder, "long_series.write", n=n, float32=True)
        single = allocated(folder) / n
    section.tables += [_memory(n, written), _disk(bench, n, double, single), _reads(found)]
    section.targets += [
        Target("disk, float64 curve", double, 8, "bytes/point"),
        Target("disk, float32-derived values", single, 5, "bytes/point"),
        Target(
            "private memory, highest in the fourth quarter over the third",
            written["fourth"]["RssAnon"] / written["third"]["RssAnon"],
            1.1,
            "x",
        ),
        Target("full read of the series", found["full"], 0.5, "s"),
        Target(f"worst random zoom at {PIXELS:,} points", found["zoom_worst"], 50, "ms"),
    ]
    return section


def _memory(n: int, written: Result) -> Table:
    rows = [
        [what, *(engineering(written[quarter][name] / (1 << 20)) for quarter in QUARTERS)]
        for what, name in MEMORY.items()
    ]
    rate = engineering(n / written["seconds"])
    note = f"Written and stored at {rate} points a second. Mapped pages belong to the file cache."
    head = ["highest while writing, MB", *(f"in the {quarter} {n // 4:,} points" for quarter in QUARTERS)]
    return Table(head, rows, note)


def _disk(bench: Bench, n: int, double: float, single: float) -> Table:
    rows = [
        ["chachaml, float64", f"{n:,}", engineering(double)],
        ["chachaml, float32-derived", f"{n:,}", engineering(single)],
    ]
    for tool in bench.peers:
        count = bench.n(min(200_000, CALLS[tool] * 10), 200)
        with bench.reporting(tool, "disk"), bench.folder() as folder:
            bench.work(folder, "long_series.write_some", tool, n=count)
            rows.append([tool, f"{count:,}", engineering(allocated(folder) / count)])
    note = "Everything that is left on disk once the process has ended, as allocated by the file system."
    return Table(["disk", "points", "bytes a point"], rows, note)


def _reads(found: Result) -> Table:
    rows = [
        ["full read, s", engineering(found["full"])],
        [f"whole series at {PIXELS:,} points, first, ms", engineering(found["whole_first"])],
        ["random zoom, p50, ms", engineering(found["zoom_p50"])],
        ["random zoom, worst, ms", engineering(found["zoom_worst"])],
    ]
    return Table(["reading with `ml.metric`", "chachaml"], rows)


def write(folder: Path, tool: str, n: int, *, float32: bool = False) -> Result:
    """Log a long curve, and look at the memory on the way."""
    adapter = load(tool, folder)
    adapter.start("long")
    names = adapter.names()
    first, seconds = 0, 0.0
    highest = {quarter: dict.fromkeys(MEMORY.values(), 0) for quarter in QUARTERS}
    for values in blocks(n, float32=float32, size=n // 100):
        begin = perf_counter()
        run_loop(adapter.one, names, values, first)
        seconds += perf_counter() - begin
        peaks, now = highest[QUARTERS[4 * first // n]], _memory_now()
        peaks |= {name: max(peaks[name], now[name]) for name in peaks}
        first += len(values)
    begin = perf_counter()
    adapter.finish()
    seconds += perf_counter() - begin
    return {**highest, "seconds": seconds}


def write_some(folder: Path, tool: str, n: int) -> Result:
    """Log a curve with any tool."""
    adapter = load(tool, folder)
    adapter.start("some")
    run_loop(adapter.one, adapter.names(), noisy(n))
    adapter.finish()
    return {}


def read(folder: Path, tool: str, zooms: int) -> Result:
    """Read the series whole, then at random zooms."""
    import chachaml as ml

    load(tool, folder)
    run = ml.runs()[0]
    begin = perf_counter()
    ml.metric(run, "loss", max_points=PIXELS)
    whole_first = perf_counter() - begin
    begin = perf_counter()
    n = len(ml.metric(run, "loss").values)
    full = perf_counter() - begin
    if n != run.summaries["loss"].count:
        raise WorkFailed(f"{n:,} points read, {run.summaries['loss'].count:,} counted")
    spent = []
    dice = random.Random(7)
    for _ in range(zooms):
        width = int(n ** dice.uniform(0.3, 1.0))
        low = dice.randrange(n - width + 1)
        begin = perf_counter()
        ml.metric(run, "loss", window=(low, low + width), max_points=PIXELS)
        spent.append((perf_counter() - begin) * 1000)
    return {
        "full": full,
        "whole_first": whole_first * 1000,
        "zoom_p50": median(spent),
        "zoom_worst": max(spent),
    }


def _memory_now() -> dict[str, int]:
    """Return the kernel's figures of this process's memory, in bytes."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) << 10 for line in lines if line[0].startswith(("Vm", "Rss"))}
