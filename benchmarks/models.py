"""The registry and pipelines: what registering, promoting and a step cost."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.clock import percentiles
from benchmarks.processes import Bench, Result
from benchmarks.report import Section, Table, Target, engineering
from benchmarks.tools import load

__all__ = ["measure", "pipeline", "registry"]


def measure(bench: Bench) -> Section:
    """Measure chachaml, and mlflow's registry."""
    section = Section(
        "Models and pipelines",
        "Versions of one model, registered one after the other from an artifact that is there, and promoted "
        "to production; one process, one store. A pipeline is a chain; each step adds one to a number.",
    )
    count = bench.n(300, 5)
    rows = []
    for tool in ("chachaml", *(tool for tool in bench.peers if tool == "mlflow")):
        with bench.reporting(tool, "models"), bench.folder() as folder:
            found = bench.work(folder, "models.registry", tool, n=count if tool == "chachaml" else count // 5)
            rows.append(
                [tool, *(engineering(found[what][at] / 1e6) for what in found for at in ("p50", "p99"))]
            )
            if tool == "chachaml":
                section.targets += [
                    Target(f"{what} a version, p50", found[what]["p50"] / 1e6, 5, "ms") for what in found
                ]
    head = ["tool", "register, ms p50", "p99", "promote, ms p50", "p99"]
    section.tables.append(Table(head, rows))
    steps = bench.n(1_000, 20)
    with bench.folder() as folder:
        each = bench.work(folder, "models.pipeline", n=steps)["seconds"] / steps * 1e3
    section.tables.append(Table(["pipeline", "ms a step"], [[f"{steps:,} steps", engineering(each)]]))
    section.targets.append(Target(f"overhead of a step, {steps:,} of them", each, 5, "ms"))
    return section


def registry(folder: Path, tool: str, n: int) -> Result:
    """Time registering and promoting `n` versions."""
    adapter: Any = load(tool, folder)
    adapter.start("models")
    register, promote = _calls(adapter, tool)
    spent: dict[str, list[int]] = {"register": [], "promote": []}
    for number in range(n):
        begin = perf_counter()
        register()
        middle = perf_counter()
        promote(number + 1)
        spent["register"].append(int((middle - begin) * 1e9))
        spent["promote"].append(int((perf_counter() - middle) * 1e9))
    adapter.finish()
    return {what: percentiles(times) for what, times in spent.items()}


def _calls(adapter: Any, tool: str) -> tuple[Any, Any]:
    """Return what registers a version, and what promotes one by its number."""
    if tool == "mlflow":
        client = adapter.mlflow.MlflowClient()
        run = adapter.mlflow.active_run().info
        adapter.mlflow.log_text("weights", "model/weights.txt")
        client.create_registered_model("iris")
        source = f"{run.artifact_uri}/model"
        return (
            lambda: client.create_model_version("iris", source, run.run_id),
            lambda number: client.set_registered_model_alias("iris", "production", number),
        )
    import chachaml as ml

    adapter.run.log_artifact("model", {"weights": [1.0, 2.0]})
    return (
        lambda: ml.registry.register_model("iris", run=adapter.run),
        lambda number: ml.registry.promote("iris", number),
    )


def pipeline(folder: Path, tool: str, n: int) -> Result:
    """Time a chain of `n` steps."""
    import chachaml as ml

    ml.connect(folder / "chachaml.db")
    steps = [(f"step {number}", lambda ctx: (ctx.prev_result or 0) + 1) for number in range(n)]
    begin = perf_counter()
    done = ml.pipeline.run("chain", steps)
    spent = perf_counter() - begin
    assert done.result == n
    return {"seconds": spent}
