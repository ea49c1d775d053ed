"""What one log call costs the training loop, and what a point costs until it can be read."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from time import perf_counter

from benchmarks.clock import busy_thread, each_call, loop_mean, run_loop
from benchmarks.curves import noisy, wide_metrics
from benchmarks.limits import bare_write
from benchmarks.processes import Bench, Result, tree_cpu
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools import load

__all__ = ["calls", "count", "measure", "throughput"]

WIDE = 100
FORMS = {
    'ml.log_metric("loss", value, step)': False,
    'ml.log_metric("loss", value)': False,
    'run.log_metric("loss", value, step)': False,
    'run.log_metric("loss", value)': False,
    "ml.log_metrics(metrics, step)": True,
    "ml.log_metrics(metrics)": True,
}
"""The ways to write a log call with chachaml; whether it logs a hundred keys."""
CALLS = {
    "trackio": 20_000,
    "swanlab": 20_000,
    "wandb": 10_000,
    "aim": 5_000,
    "tensorboardX": 10_000,
    "mlflow": 300,
}
"""How many calls a peer is given, so that each takes some seconds."""

Sample = dict[str, float]


def measure(bench: Bench) -> Section:
    """Measure chachaml in all forms, and the peers."""
    section = Section(
        "One log call",
        "Nanoseconds of one call in a tight loop, the timer's own cost taken off. `os.write` of 24 bytes is "
        "measured in the same process just before. The mean is that of a loop without timers.",
    )
    section.tables += [_forms(bench, section.targets), _beside_busy_thread(bench, section.targets)]
    section.tables += [_tools(bench), _until_readable(bench, section.targets)]
    return section


def _forms(bench: Bench, targets: list[Target]) -> Table:
    rows = []
    for form, wide in FORMS.items():
        with bench.folder() as folder:
            n = bench.n(20_000 if wide else 300_000, 500)
            found = bench.work(folder, "log_call.calls", statement=form, n=n, wide=wide)
        call, write = found["call"], found["write"]
        rows.append([f"`{form}`" + (f", {WIDE} keys" if wide else ""), *_cells(call, write)])
        if wide:
            targets.append(Target(f"`{form}`, {WIDE} keys, p50", call["p50"] / 1000, 10, "us"))
        else:
            targets.append(Target(f"`{form}`, p50 over `os.write`", call["p50"] / write["p50"], 2.2, "x"))
            targets.append(Target(f"`{form}`, p99 over `os.write`", call["p99"] / write["p50"], 6, "x"))
    return Table(_HEAD, rows, "Both ratios are to the median `os.write`.")


def _beside_busy_thread(bench: Bench, targets: list[Target]) -> Table:
    form = next(iter(FORMS))
    with bench.folder() as folder:
        n = bench.n(100_000, 500)
        found = bench.work(folder, "log_call.calls", statement=form, n=n, busy=True)
    targets.append(Target("beside a busy thread, p99", found["call"]["p99"] / 1000, 50, "us"))
    rows = [[f"`{form}`", *_cells(found["call"], found["write"])]]
    return Table(["beside one busy pure-Python thread", *_HEAD[1:]], rows)


def _tools(bench: Bench) -> Table:
    rows = []
    for tool in bench.pythons:
        n = bench.n(CALLS.get(tool, 300_000), 500)
        with bench.reporting(tool, "log calls"), bench.folder() as folder:
            one = bench.work(folder, "log_call.calls", tool, n=n)
            rows.append([f"{tool}, one key", *_cells(one["call"], one["write"])])
        with bench.reporting(tool, f"log calls of {WIDE} keys"), bench.folder() as folder:
            many = bench.work(folder, "log_call.calls", tool, n=max(50, n // 20), wide=True)
            rows.append([f"{tool}, {WIDE} keys", *_cells(many["call"], many["write"])])
    return Table(["tool", *_HEAD[1:]], rows)


def _until_readable(bench: Bench, targets: list[Target]) -> Table:
    rows = []
    for tool in bench.pythons:
        for wide in (False, True):
            what = f"{WIDE} keys a call" if wide else "one key a call"
            with bench.reporting(tool, f"throughput, {what}"), bench.folder() as folder:
                calls = bench.n(CALLS.get(tool, 1_000_000), 500)
                calls = max(20, calls // 50) if wide else calls
                found = bench.work(folder, "log_call.throughput", tool, n=calls, wide=wide)
                read = bench.work(folder, "log_call.count", tool)["count"]
                points = calls * (WIDE if wide else 1)
                rate, cpu = points / found["seconds"], found["cpu"] / points * 1e6
                rows.append(
                    [f"{tool}, {what}", f"{points:,}", f"{read:,}", engineering(rate), engineering(cpu)]
                )
                if tool == "chachaml":
                    targets.append(Target(f"CPU a point, all in, {what}", cpu, 1.2, "us"))
    return Table(
        ["until everything can be read", "points", "read back", "points a second", "CPU us a point"],
        rows,
        "CPU is user and system time of the process with all its threads and helpers, from the first call "
        "until everything is stored; how many points a tool gets depends on how fast it is.",
    )


_HEAD = ["form", "p50 ns", "p99 ns", "p99.9 ns", "mean ns", "`os.write` p50 ns", "p50 ratio", "p99 ratio"]


def _cells(call: Sample, write: Sample) -> list[str]:
    figures = [call["p50"], call["p99"], call["p99.9"], call["mean"], write["p50"]]
    return [f"{figure:,.0f}" for figure in figures] + [
        engineering(call[name] / write["p50"]) for name in ("p50", "p99")
    ]


def calls(
    folder: Path, tool: str, n: int, statement: str = "", *, wide: bool = False, busy: bool = False
) -> Result:
    """Time each of `n` log calls in this process."""
    adapter = load(tool, folder)
    adapter.start("calls")
    names = {**adapter.names(), "metrics": wide_metrics(WIDE)}
    statement = statement or (adapter.wide if wide else adapter.one)
    warm, values = noisy(min(n, 100)), noisy(n)
    # Steps go on through the three loops: some tools drop a step that goes back.
    with busy_thread() if busy else nullcontext():
        write = bare_write(folder, min(n, 20_000))
        run_loop(statement, names, warm)
        call = each_call(statement, names, values, len(warm))
        call["mean"] = loop_mean(statement, names, values, len(warm) + n)
    adapter.finish()
    return {"call": call, "write": write}


def throughput(folder: Path, tool: str, n: int, *, wide: bool) -> Result:
    """Log `n` times and wait until all of it can be read."""
    adapter = load(tool, folder)
    adapter.start("throughput")
    names = {**adapter.names(), "metrics": wide_metrics(WIDE)}
    values = noisy(n)
    cpu, begin = tree_cpu(), perf_counter()
    run_loop(adapter.wide if wide else adapter.one, names, values)
    adapter.finish()
    return {"seconds": perf_counter() - begin, "cpu": tree_cpu() - cpu}


def count(folder: Path, tool: str) -> Result:
    """Count what a fresh process reads back."""
    return {"count": load(tool, folder).count()}
