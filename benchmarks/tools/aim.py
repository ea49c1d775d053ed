"""aim: RocksDB files for each run, which an indexer must visit before they can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aim

__all__ = ["Adapter"]


class Adapter:
    """See `benchmarks.tools.Tool`."""

    one = 'run.track(value, name="loss", step=step)'
    wide = "run.track(metrics, step=step)"

    def __init__(self, folder: Path) -> None:
        self.repo = aim.Repo.from_path(str(folder), init=True)

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        self.run = aim.Run(
            repo=self.repo,
            experiment="bench",
            system_tracking_interval=None,
            capture_terminal_logs=False,
            log_system_params=False,
        )
        self.run.name = name
        if params:
            self.run["hparams"] = params
        return str(self.run.hash)

    def join(self, run: str) -> None:
        raise NotImplementedError

    def names(self) -> dict[str, Any]:
        return {"run": self.run}

    def finish(self) -> None:
        self.run.close()

    def count(self) -> int:
        from aim.sdk.index_manager import RepoIndexManager

        index = RepoIndexManager.get_index_manager(self.repo)
        for run in self.repo.list_all_runs():
            index.index(run)
        return sum(
            len(metric.values.sparse_list()[0]) for run in self.repo.iter_runs() for metric in run.metrics()
        )
