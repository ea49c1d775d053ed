"""wandb, offline: a helper process writes a log file; read back with its own protocol buffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wandb

from benchmarks.tools.leveldb_log import records

__all__ = ["Adapter"]


class Adapter:
    """See `benchmarks.tools.Tool`."""

    one = 'run.log({"loss": value}, step=step)'
    wide = "run.log(metrics, step=step)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        settings = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
        )
        self.run = wandb.init(
            project="bench", name=name, dir=self.folder, mode="offline", config=params, settings=settings
        )
        return str(self.run.id)

    def join(self, run: str) -> None:
        raise NotImplementedError

    def names(self) -> dict[str, Any]:
        return {"run": self.run}

    def finish(self) -> None:
        self.run.finish()

    def count(self) -> int:
        from wandb.proto.wandb_internal_pb2 import Record

        return sum(
            sum(not (item.key or item.nested_key[0]).startswith("_") for item in record.history.item)
            for path in self.folder.rglob("*.wandb")
            for record in map(Record.FromString, records(path))
        )
