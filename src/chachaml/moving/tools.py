"""Which tools runs can be imported from; apart, for the command line names them all and loads none."""

from __future__ import annotations

__all__ = ["SOURCES"]

SOURCES = {
    "mlflow": ("mlflow", "MLflow: its database, an mlruns folder, or a server"),
    "clojure": ("clojure", "chachaml for Clojure: its chachaml.db, with the artifacts beside it"),
    "csv": ("tables", "CSV: a row for each step, or each run"),
    "jsonl": ("tables", "JSON lines: likewise, an object to a line"),
    "wandb": ("wandb", "W&B: run folders, and .wandb files"),
    "aim": ("aim_runs", "Aim: a repository, or what aim_export wrote of it"),
    "trackio": ("trackio", "Trackio: its folder of databases, or one of them"),
    "neptune": ("neptune", "Neptune: the Parquet files that neptune-exporter wrote"),
    "dvclive": ("dvclive", "DVCLive: its folder, or one with several"),
    "sacred": ("sacred", "Sacred: the folder of its file observer"),
    "tensorboard": ("tensorboard", "TensorBoard: a folder of event files"),
}
"""What runs can be imported from: the module that reads it, and what it is."""
