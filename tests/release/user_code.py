"""Code as users write it, which strict type checkers read against the installed package. It is not run."""

from __future__ import annotations

from collections.abc import Iterable

import chachaml as ml
from chachaml import errors


@ml.tracked
def square(value: float) -> float:
    """Be a run, and still a function of a number to a number."""
    return value * value


def train(rates: Iterable[float]) -> dict[str, float]:
    """Log runs, and find the best of them again."""
    for rate in rates:
        with ml.start_run(experiment="typed", name=f"rate {rate}", tags={"kind": "sweep"}) as run:
            run.log_params({"rate": rate, "layers": [64, 10]})
            for step in range(10):
                ml.log_metric("loss", rate / (step + 1), step=step)
            ml.log_artifact("config", {"rate": rate})
            ml.log_metrics({"accuracy": 0.9, "f1": 0.8})
    best = ml.best_run(experiment="typed", metric="loss", direction="min")
    if best is None:
        return {}
    losses = ml.metric(best, "loss")
    found = ml.runs("metrics.loss < 0.5 and tags.kind = 'sweep'", order_by="metrics.loss")
    names: list[str] = [one.name for one in found]
    ml.add_tag(best.id, "names", ", ".join(names))
    return {"first": float(losses.values[0]), "value": best.metric_value, "step": float(best.metric_step)}


def careful(run_id: str) -> str:
    """Catch what may go wrong."""
    try:
        return ml.run(run_id).status
    except errors.AmbiguousId as error:
        return error.hint
    except errors.NotFound as error:
        return error.message


def objective(params: dict[str, float]) -> float:
    """Be what a sweep tries."""
    return (params["x"] - 3) ** 2


def registered() -> int:
    """Use the registry, pipelines, sweeps and alerts."""
    version = ml.registry.register_model("typed", artifact="config", run=ml.last_run())
    ml.registry.promote("typed", version.version, "production")
    done = ml.pipeline.run("typed", [("one", lambda: 1)], params={"k": 1})
    swept = ml.sweep(objective, {"x": [1, 2]}, method="grid")
    ml.alerts.set_alert("typed", metric="loss", nan=True)
    return len(swept.trials) + len(done.results)


total: float = square(3.0) + sum(train([0.1, 0.2]).values()) + registered()
