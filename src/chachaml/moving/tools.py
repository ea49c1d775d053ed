"""Which tools runs can be imported from; apart, for the command line names them all and loads none."""

from __future__ import annotations

__all__ = ["SOURCES"]

SOURCES = {
    "mlflow": ("mlflow", "MLflow: its database, an mlruns folder, or a server"),
    "clojure": ("clojure", "chachaml for Clojure: its chachaml.db, with the artifacts beside it"),
    "csv": ("tables", "CSV: a row for each step, or each run"),
    "jsonl": ("tables", "JSON lines: likewise, an object to a line"),
    "wandb": ("wandb", "W&B: run folders, and .wandb files"),
    "tensorboard": ("tensorboard", "TensorBoard: a folder of event files"),
}
"""What runs can be imported from: the module that reads it, and what it is."""
