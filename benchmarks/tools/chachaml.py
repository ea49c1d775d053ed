"""chachaml: a journal beside an SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chachaml as ml

__all__ = ["Adapter"]


class Adapter:
    """See `benchmarks.tools.Tool`."""

    one = 'ml.log_metric("loss", value, step)'
    wide = "ml.log_metrics(metrics, step)"

    def __init__(self, folder: Path) -> None:
        ml.connect(folder / "chachaml.db")

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        self.run = ml.start_run(experiment="bench", name=name)
        if params:
            ml.log_params(params)
        return self.run.id

    def join(self, run: str) -> None:
        self.run = ml.start_run(resume=run, join=True)

    def names(self) -> dict[str, Any]:
        return {"ml": ml, "run": self.run}

    def finish(self) -> None:
        ml.end_run()
        ml.flush()

    def count(self) -> int:
        return sum(len(ml.metric(run, key).values) for run in ml.runs(limit=1000) for key in run.metrics)
