"""Searching, comparing and exporting a hundred thousand runs of many settings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from benchmarks.clock import median
from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools import load

__all__ = ["compare_and_export", "fill", "make", "measure", "search", "search_peer"]

INDEXED = {
    "a metric over a bound, 10 %": "metrics.metric-3 > 3.9",
    "a metric over a bound, 0.1 %": "metrics.metric-3 > 3.999",
    "a metric under a bound, 90 %": "metrics.metric-3 < 3.9",
    "a param, 1 in 3": "params.optimizer = 'adam'",
    "a param, one run": "params.seed = 777",
    "a metric and a param": "metrics.metric-3 > 3.99 and params.lr <= 0.0001",
    "an experiment and a metric": "experiment = 'experiment-3' and metrics.metric-0 > 0.99",
    "a time and a status": "started > -7d and status = 'failed'",
}
OTHERS = {
    "`or` over three keys": "params.lr < 0.0001 or metrics.metric-4 > 4.99 or tags.team = 'nlp'",
    "`or` over two keys, 0.5 %": "params.lr < 0.000011 or metrics.metric-4 > 4.9999",
    "`not` over two keys": "not params.optimizer = 'adam' and not tags.team = 'nlp'",
    "`like`, 1 in 3": "params.optimizer like 'ad%'",
    "`like`, no run": "params.optimizer like 'zz%'",
    "`~`, no run": "params.optimizer ~ '^z'",
}
PEERS = {"mlflow": 200, "aim": 200}


def measure(bench: Bench) -> Section:
    """Measure searches beside those peers that have any."""
    n = bench.n(100_000, 200)
    section = Section(
        "Searching, comparing, exporting",
        f"{n:,} runs of 10 params and 10 metrics in 20 experiments, of random settings and results. Each "
        "search returns the newest 100 runs that match, with params and metrics.",
    )
    with bench.folder() as folder:
        bench.work(folder, "searching.make", n=n)
        found = bench.work(folder, "searching.search")["searches"]
        # pandas is not among what chachaml needs, so this is measured where the tests run.
        with_pandas = Bench({"chachaml": Path(sys.executable)}, quick=bench.quick)
        taken = with_pandas.work(folder, "searching.compare_and_export")
    rows = [[what, engineering(first), engineering(warm)] for what, first, warm in found]
    section.tables.append(Table([f"among {n:,} runs, ms", "first call", "p50 of 20"], rows))
    section.targets += [
        Target(f"search: {what}, p50", warm, 30 if what in INDEXED else 300, "ms") for what, _, warm in found
    ]
    section.targets.append(Target("comparison of 100 runs, p50", taken["compare"], 100, "ms"))
    if "export" in taken:
        section.targets.append(Target(f"export of {n:,} runs to a DataFrame", taken["export"], 3, "s"))
    section.tables.append(_beside(bench, n, {what: warm for what, _, warm in found}))
    return section


def _beside(bench: Bench, n: int, ours: dict[str, float]) -> Table:
    what = "a metric and a param"
    rows = [["chachaml", f"{n:,}", engineering(ours[what]), "1"]]
    for tool, runs in PEERS.items():
        count = bench.n(runs, 5)
        if tool in bench.peers:
            with bench.reporting(tool, "searching"), bench.folder() as folder:
                spent = bench.work(folder, "searching.search_peer", tool, n=count)["ms"]
                rows.append([tool, f"{count:,}", engineering(spent), engineering(spent / ours[what])])
    return Table(
        ["a metric and a param", "runs in the store", "ms, p50 of 5", "over chachaml"],
        rows,
        "Peers make runs slowly, so their stores hold far fewer.",
    )


def make(folder: Path, tool: str, n: int) -> Result:
    """Make `n` runs of random settings and results."""
    import chachaml as ml

    load(tool, folder)
    fill(n)
    ml.flush()
    return {}


def fill(n: int) -> None:
    """Log `n` runs of random settings and results to the store in use."""
    import chachaml as ml

    random = Random(1)
    for number in range(n):
        run = ml.start_run(
            f"experiment-{number % 20}", tags={"team": ("vision", "nlp", "speech")[number % 3]}
        )
        run.log_params(_params(random, number))
        result = random.random()
        run.log_metrics({f"metric-{key}": result + key for key in range(10)})
        run.end("completed" if number % 10 else "failed")


def _params(random: Random, number: int) -> dict[str, Any]:
    drawn = {
        "lr": round(10 ** random.uniform(-5, -1), 6),
        "batch": 2 ** random.randint(3, 10),
        "optimizer": random.choice(["adam", "sgd", "lion"]),
        "seed": number,
    }
    return drawn | {f"fixed-{key}": key for key in range(6)}


def search(folder: Path, tool: str) -> Result:
    """Time each search: the first call, then the median of twenty."""
    import chachaml as ml

    load(tool, folder)
    warnings.simplefilter("ignore")
    searches: dict[str, Callable[[], Any]] = {
        what: lambda text=text: ml.runs(text, limit=100)  # type: ignore[misc]
        for what, text in (INDEXED | OTHERS).items()
    }
    searches["ordered by a param"] = lambda: ml.runs(order_by="params.lr", limit=100)
    searches["filtered, ordered by a metric"] = lambda: ml.runs(
        "metrics.metric-0 > 0.9", order_by="metrics.metric-1 desc", limit=100
    )
    return {"searches": [(what, *_first_and_warm(find, 20)) for what, find in searches.items()]}


def compare_and_export(folder: Path, tool: str) -> Result:
    """Time comparing a hundred runs, and exporting all to pandas where that is installed."""
    import chachaml as ml

    load(tool, folder)
    newest = [run.id for run in ml.runs(limit=100)]
    result = {"compare": _first_and_warm(lambda: ml.compare_runs(newest), 5)[1]}
    if find_spec("pandas"):
        __import__("pandas")
        begin = perf_counter()
        frame = ml.export_runs(format="df")
        result["export"] = perf_counter() - begin
        if len(frame) != ml.count_runs():
            raise LookupError("not all were exported")
    return result


def search_peer(folder: Path, tool: str, n: int) -> Result:
    """Make `n` runs with a peer, then time a search of a metric and a param."""
    adapter: Any = load(tool, folder)
    random = Random(1)
    log = compile(adapter.wide, "log call", "exec")
    for number in range(n):
        adapter.start(f"run-{number}", _params(random, number))
        metrics = {f"metric-{key}": random.random() + key for key in range(10)}
        exec(log, adapter.names() | {"metrics": metrics, "step": 0})
        adapter.finish()
    if tool == "mlflow":
        query = "metrics.`metric-3` > 3.5 and params.optimizer = 'adam'"
        find = lambda: adapter.mlflow.search_runs(filter_string=query, max_results=100)  # noqa: E731
    else:
        from aim import Repo

        repo = Repo(str(folder))
        find = lambda: list(repo.query_runs("run.optimizer == 'adam'", report_mode=0).iter_runs())  # noqa: E731
    return {"ms": _first_and_warm(find, 5)[1]}


def _first_and_warm(find: Callable[[], Any], times: int) -> tuple[float, float]:
    spent = []
    for _ in range(times + 1):
        begin = perf_counter()
        find()
        spent.append((perf_counter() - begin) * 1000)
    return spent[0], median(spent[1:])
