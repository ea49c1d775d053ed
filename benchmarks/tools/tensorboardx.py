"""tensorboardX: an event file for each writer; read back with its own protocol buffers."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event

__all__ = ["Adapter"]


class Adapter:
    """See `benchmarks.tools.Tool`."""

    one = 'writer.add_scalar("loss", value, step)'
    wide = "for key, value in metrics.items(): writer.add_scalar(key, value, step)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "events"

    def start(self, name: str, params: dict[str, Any] | None = None) -> str:
        self.join(name)
        if params:
            self.writer.add_hparams(params, {})
        return name

    def join(self, run: str) -> None:
        # Its file names tell seconds and host alone: two processes would write over each other.
        self.writer = SummaryWriter(str(self.folder / run), filename_suffix=f".{os.getpid()}")

    def names(self) -> dict[str, Any]:
        return {"writer": self.writer}

    def finish(self) -> None:
        self.writer.close()

    def count(self) -> int:
        return sum(
            sum(value.HasField("simple_value") for value in event.summary.value)
            for path in self.folder.rglob("events.*")
            for event in _events(path.read_bytes())
        )


def _events(data: bytes) -> Iterator[Event]:
    at = 0
    while at + 12 <= len(data):
        size = struct.unpack_from("<Q", data, at)[0]
        if at + 16 + size > len(data):
            return
        yield Event.FromString(data[at + 12 : at + 12 + size])
        at += 16 + size
