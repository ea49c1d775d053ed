"""A hundred thousand runs: made through the public API, then found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.clock import median
from benchmarks.curves import noisy
from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools import load

__all__ = ["make", "make_some", "measure", "search"]

RUNS = {"trackio": 100, "tensorboardX": 100, "mlflow": 50, "aim": 50, "swanlab": 30, "wandb": 20}
EXPERIMENTS, USERS = 20, 50


def measure(bench: Bench) -> Section:
    """Measure making runs beside the peers, and searching them."""
    n = bench.n(100_000, 200)
    section = Section(
        "Many runs",
        "Runs of 10 params and 10 metrics, each started, logged to and ended through the public API by one "
        f"process, until all can be read. chachaml makes {n:,}; peers fewer, in an empty store.",
    )
    rows = []
    with bench.folder() as folder:
        rate = n / bench.work(folder, "many_runs.make", n=n)["seconds"]
        found = bench.work(folder, "many_runs.search")
    rows.append(["chachaml", f"{n:,}", engineering(rate), "1"])
    section.targets.append(Target(f"runs a second, {n:,} runs", rate, 2000, "", True))
    for tool in bench.peers:
        count = bench.n(RUNS[tool], 5)
        with bench.reporting(tool, "many runs"), bench.folder() as folder:
            peer = count / bench.work(folder, "many_runs.make_some", tool, n=count)["seconds"]
            rows.append([tool, f"{count:,}", engineering(peer), f"{rate / peer:,.0f}"])
    section.tables.append(Table(["tool", "runs", "runs a second", "chachaml over it"], rows))
    section.tables.append(
        Table(
            [f"finding among {n:,} runs, ms", "first call", "p50 of 20"],
            [[what, engineering(first), engineering(warm)] for what, first, warm in found["searches"]],
            "The first call in a fresh process opens the store too.",
        )
    )
    section.targets += [Target(f"{what}, p50", warm, 30, "ms") for what, _, warm in found["searches"]]
    return section


def make(folder: Path, tool: str, n: int) -> Result:
    """Make `n` runs of several experiments, users and statuses."""
    import chachaml as ml

    load(tool, folder)
    params, values = _params(), noisy(n)
    begin = perf_counter()
    for number, value in enumerate(values):
        run = ml.start_run(f"experiment-{number % EXPERIMENTS}", created_by=f"user-{number % USERS}")
        run.log_params(params)
        run.log_metrics({f"metric-{key}": value + key for key in range(10)})
        run.end("completed" if number % 10 else "failed")
    ml.flush()
    return {"seconds": perf_counter() - begin}


def make_some(folder: Path, tool: str, n: int) -> Result:
    """Make `n` runs with any tool."""
    adapter = load(tool, folder)
    log = compile(adapter.wide, "log call", "exec")
    begin = perf_counter()
    for number, value in enumerate(noisy(n)):
        adapter.start(f"run-{number}", _params())
        metrics = {f"metric-{key}": value + key for key in range(10)}
        exec(log, adapter.names() | {"metrics": metrics, "step": 0})
        adapter.finish()
    return {"seconds": perf_counter() - begin}


def search(folder: Path, tool: str) -> Result:
    """Time each way of finding runs: the first call, then the median of twenty."""
    import chachaml as ml

    load(tool, folder)
    searches: dict[str, Callable[[], Any]] = {
        "newest 100": lambda: ml.runs(limit=100),
        "100 of an experiment": lambda: ml.runs(experiment="experiment-7", limit=100),
        "100 of a status": lambda: ml.runs(status="failed", limit=100),
        "100 of a user": lambda: ml.runs(created_by="user-13", limit=100),
        "100 of an experiment, a status and a user": lambda: ml.runs(
            experiment="experiment-10", status="failed", created_by="user-30", limit=100
        ),
        "best run of all": lambda: ml.best_run(metric="metric-3"),
        "best run of an experiment": lambda: ml.best_run(experiment="experiment-7", metric="metric-3"),
        "lowest of an experiment": lambda: ml.best_run(
            experiment="experiment-7", metric="metric-3", direction="min"
        ),
    }
    return {"searches": [(what, *_first_and_warm(find)) for what, find in searches.items()]}


def _first_and_warm(find: Callable[[], Any]) -> tuple[float, float]:
    spent = []
    for _ in range(21):
        begin = perf_counter()
        if not find():
            raise LookupError("nothing was found")
        spent.append((perf_counter() - begin) * 1000)
    return spent[0], median(spent[1:])


def _params() -> dict[str, Any]:
    return {
        "lr": 0.01, "epochs": 20, "batch": 64, "depth": 12, "width": 768,
        "optimizer": "adamw", "dropout": 0.1, "seed": 7, "data": "digits", "bf16": True,
    }  # fmt: skip
