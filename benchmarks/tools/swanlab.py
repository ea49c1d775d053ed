"""swanlab, offline: a log file for each run; read back with its own protocol buffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import swanlab

from benchmarks.tools.leveldb_log import records

__all__ = ["Adapter"]


class Adapter:
    """See `benchmarks.tools.Tool`."""

    one = 'swanlab.log({"loss": value}, step=step)'
    wide = "swanlab.log(metrics, step=step)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "swanlog"
        settings = swanlab.Settings(
            interactive=False,
            probe=swanlab.Settings.Probe(monitor=False),
            terminal=swanlab.Settings.Terminal(proxy_type="none"),
        )
        swanlab.merge_settings(settings)

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        run = swanlab.init(
            project="bench", name=name, mode="offline", log_dir=str(self.folder), config=params
        )
        return str(run.id)

    def join(self, run: str) -> None:
        raise NotImplementedError

    def names(self) -> dict[str, Any]:
        return {"swanlab": swanlab}

    def finish(self) -> None:
        swanlab.finish()

    def count(self) -> int:
        from swanlab.proto.swanlab.record.v1.record_pb2 import Record

        return sum(
            Record.FromString(record).HasField("scalar")
            for path in self.folder.rglob("*.swanlab")
            for record in records(path)
        )
