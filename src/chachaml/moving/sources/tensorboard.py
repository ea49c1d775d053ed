"""TensorBoard's event files: each folder with some is a run."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from chachaml.core.errors import BadValue
from chachaml.core.model import RunRow, Status, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import Imported, Version, derived_id
from chachaml.moving.sources.tensorboard_events import Events

__all__ = ["LIVE", "Folder", "open_source"]

_SMALL = 1 << 16
"""Bytes of event files up to which a folder may hold nothing but hparams of the one above."""

LIVE = 120.0
"""Seconds after its last event in which a run is taken to be still written."""


def open_source(where: str, tally: Tally, *, experiment: str = "", empty: bool = False) -> Folder:
    """Return the runs below a folder of event files, or of one such file.

    Args:
        where: The folder that one gives to TensorBoard.
        tally: Hears what cannot be read.
        experiment: What to put the runs in. Default: the folder's name.
        empty: Take a folder without event files, too: they may come.

    Raises:
        BadValue: There is no folder, or no event files in it.
    """
    path = Path(where).expanduser().absolute()
    if path.is_file():
        path = path.parent
    if not path.is_dir():
        raise BadValue(f"there is no folder {path}", "give what one gives to TensorBoard as --logdir")
    found = Folder(path, tally, experiment or path.name)
    if not empty and not found.count():
        raise BadValue(f"there are no event files below {path}", "they have tfevents in their names")
    return found


class Folder:
    """The runs below a folder.

    Args:
        folder: The folder.
        tally: Hears what cannot be read.
        experiment: What the runs are in.
    """

    def __init__(self, folder: Path, tally: Tally, experiment: str) -> None:
        self.place, self._folder, self._tally = str(folder), folder, tally
        self._experiment = experiment
        self._events: dict[str, Events] = {}
        self._find()

    together = 1
    """Runs to write at once: their points are in memory."""

    def close(self) -> None:
        """Let go of what was read."""
        self._events.clear()

    def _find(self) -> None:
        for at, _, names in os.walk(self._folder):
            if any("tfevents" in name for name in names):
                name = Path(at).relative_to(self._folder).as_posix()
                if name not in self._events:
                    self._events[name] = Events(Path(at), name, self._tally)

    def count(self) -> int:
        """Return how many folders there are."""
        return len(self._events)

    def versions(self) -> tuple[Version, ...]:
        """Return nothing: there are no models."""
        return ()

    def runs(self) -> Iterator[Imported]:
        """Yield a run for each folder, read to its end; the one before is let go of."""
        for name in sorted(self._events):
            events = self._events[name]
            if _size(self._folder / name) < _SMALL:
                events.read()
        folded = self._folded()
        for name in sorted(self._events):
            events = self._events[name]
            if self._host(name, folded) is None:
                events.read()
                for torn in events.torn():
                    self._tally.leave("event file", f"{torn} in {name}", "its last record is not whole")
                if math.isfinite(events.first):
                    children = [self._events[one] for one in folded if self._host(one, folded) == name]
                    yield self._run(name, [events, *children])
                events.forget()

    def new_runs(self) -> list[Imported]:
        """Return the runs of which something new was read; once more, only what is new after that."""
        self._find()
        changed = [name for name, events in self._events.items() if events.read()]
        folded = self._folded()
        names = dict.fromkeys(self._host(name, folded) or name for name in changed)
        runs = []
        for name in names:
            children = [self._events[one] for one in folded if self._host(one, folded) == name]
            if math.isfinite(self._events[name].first):
                runs.append(self._run(name, [self._events[name], *children]))
        return runs

    def forget(self) -> None:
        """Let go of all that was read but what the runs are."""
        for events in self._events.values():
            events.forget()

    def _folded(self) -> dict[str, None]:
        """Return the folders that hold nothing but the hparams of the run in the folder above."""
        by_host: dict[str, list[str]] = {}
        for name, events in self._events.items():
            above = Path(name).parent.as_posix()
            if events.params and name != "." and above in self._events and not self._events[above].params:
                by_host.setdefault(above, []).append(name)
        return dict.fromkeys(names[0] for names in by_host.values() if len(names) == 1)

    def _host(self, name: str, folded: dict[str, None]) -> str | None:
        return Path(name).parent.as_posix() if name in folded else None

    def _run(self, name: str, some: list[Events]) -> Imported:
        first, last = min(one.first for one in some), max(one.last for one in some)
        run = derived_id("tensorboard", name, round(some[0].first * 1e6))
        live = time.time() - last < LIVE
        ended: Status = "failed" if any(one.status == "failed" for one in some) else "completed"
        row = RunRow(
            id=run,
            experiment=self._experiment,
            name=self._folder.name if name == "." else name,
            status="running" if live else ended,
            started=round(first * 1e6),
            ended=None if live else round(last * 1e6),
            duration=None if live else round((last - first) * 1e6),
            tags={"imported.from": "tensorboard"},
            params={key: value for one in some for key, value in one.params.items()},
        )
        files = [file for one in some for file in one.files]
        return Imported(
            WholeRun(row), lambda: (each for one in some for each in one.series.points(run)), files
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*tfevents*") if path.is_file())
