"""mlflow: SQLite through SQLAlchemy."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

__all__ = ["Adapter"]


class Adapter:
    """See `benchmarks.tools.Tool`."""

    one = 'mlflow.log_metric("loss", value, step=step)'
    wide = "mlflow.log_metrics(metrics, step=step)"

    def __init__(self, folder: Path) -> None:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        logging.disable(logging.INFO)
        import mlflow

        self.mlflow = mlflow
        mlflow.set_experiment("bench")

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        run = self.mlflow.start_run(run_name=name)
        if params:
            self.mlflow.log_params(params)
        return str(run.info.run_id)

    def join(self, run: str) -> None:
        self.mlflow.start_run(run_id=run)

    def names(self) -> dict[str, Any]:
        return {"mlflow": self.mlflow}

    def finish(self) -> None:
        self.mlflow.end_run()

    def count(self) -> int:
        client = self.mlflow.MlflowClient()
        return sum(
            len(client.get_metric_history(run.info.run_id, key))
            for run in self.mlflow.search_runs(output_format="list")
            for key in run.data.metrics
        )
