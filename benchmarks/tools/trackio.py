"""trackio: SQLite, written by a thread of the process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

__all__ = ["Adapter"]

PROJECT = "bench"


class Adapter:
    """See `benchmarks.tools.Tool`."""

    one = 'trackio.log({"loss": value}, step=step)'
    wide = "trackio.log(metrics, step=step)"

    def __init__(self, folder: Path) -> None:
        os.environ["TRACKIO_DIR"] = str(folder / "trackio")
        import trackio

        self.trackio = trackio

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        return self._init(name, config=params)

    def join(self, run: str) -> None:
        # A run can be resumed once its first values are stored, half a second after they were logged.
        while run not in [each.name for each in self.trackio.Api().runs(PROJECT)]:
            time.sleep(0.05)
        self._init(run, resume="must")

    def _init(self, name: str, **options: Any) -> str:
        self.trackio.init(
            project=PROJECT, name=name, embed=False, auto_log_gpu=False, auto_log_cpu=False, **options
        )
        return name

    def names(self) -> dict[str, Any]:
        return {"trackio": self.trackio}

    def finish(self) -> None:
        self.trackio.finish()

    def count(self) -> int:
        from trackio.sqlite_storage import SQLiteStorage

        rows = (
            row
            for run in self.trackio.Api().runs(PROJECT)
            for row in SQLiteStorage.get_logs(PROJECT, run.name, run_id=run.id)
        )
        return sum(len(row.keys() - {"step", "timestamp"}) for row in rows)
