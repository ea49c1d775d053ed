"""DVCLive's folders: a table for each metric, params, images and plots."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chachaml.core.errors import BadValue
from chachaml.core.model import RunRow, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, derived_id, flat, number_of
from chachaml.moving.sources.block_yaml import block_yaml
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import LIVE, Listed, files_in
from chachaml.moving.sources.times import microseconds

__all__ = ["open_source"]


def open_source(where: str, tally: Tally, *, experiment: str = "", name: str = "") -> Listed[Path]:
    """Return the run of a DVCLive folder, or those of all below a folder.

    Args:
        where: The folder, usually ``dvclive``, or one above.
        tally: Hears what cannot be read.
        experiment: What to put the runs in. Default: the name of the folder above theirs.
        name: What to call a run, and to know it by. Default: its folder's path below `where`.
    """
    path = Path(where).expanduser().absolute()
    folders = sorted({one for one in (path, *_above_metrics(path)) if _is_one(one)})
    if not folders:
        raise BadValue(f"there is no folder of DVCLive in {path}", "it has metrics.json, or plots/metrics")
    reader = _Reader(path, tally, experiment, name)
    return Listed(path, folders, reader.read, tally)


def _above_metrics(path: Path) -> Iterator[Path]:
    yield from (found.parent for found in path.rglob("metrics.json"))
    yield from (found.parent.parent for found in path.rglob("plots/metrics"))


def _is_one(folder: Path) -> bool:
    plots = (folder / "plots" / "metrics").is_dir()
    return plots or ((folder / "metrics.json").is_file() and not (folder / "run.json").is_file())


class _Reader:
    def __init__(self, place: Path, tally: Tally, experiment: str, name: str) -> None:
        self._place, self._tally, self._experiment, self._name = place, tally, experiment, name

    def read(self, folder: Path) -> Iterator[Imported]:
        """Yield the run of a folder."""
        series, times = Gathered(), [_changed(folder)]
        for path in sorted((folder / "plots" / "metrics").rglob("*.tsv")):
            if path.is_symlink():
                continue
            try:
                times += self._metric(folder, path, series)
            except (OSError, ValueError, csv.Error) as error:
                self._tally.leave("metric", path.name, f"it cannot be read on: {error}")
        self._final(folder, series, times)
        yield self._imported(folder, series, times)

    def _metric(self, folder: Path, path: Path, series: Gathered) -> list[int]:
        key = path.relative_to(folder / "plots" / "metrics").with_suffix("").as_posix()
        written, times = _changed(path), []
        whole, _, rest = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
        if rest:
            self._tally.leave("row", f"the last of {path.name}", "it is not whole")
        for number, row in enumerate(csv.DictReader(whole.splitlines(), delimiter="\t"), 1):
            now = microseconds(row.get("timestamp"), written)
            times.append(now)
            try:
                series.add(key, int(row.get("step") or number - 1), now, float(row[path.stem]))
            except (KeyError, TypeError, ValueError):
                self._tally.leave("row", f"{number} of {path.name}", "it is not whole")
        return times

    def _final(self, folder: Path, series: Gathered, times: list[int]) -> None:
        """Add the last values of metrics that have no table."""
        path = folder / "metrics.json"
        if path.is_symlink() or not path.is_file():
            return
        values = self._parsed(path, json.loads)
        step = values.pop("step", 0)
        for name, value in flat(values).items():
            key, number = name.replace(".", "/"), number_of(value)
            if name in series or key in series:
                continue
            if number is None:
                self._tally.leave("value", name, f"a {type(value).__name__}; metrics are numbers")
            else:
                series.add(key, step if isinstance(step, int) else 0, max(times), number)

    def _parsed(self, path: Path, parse: Any) -> dict[str, Any]:
        try:
            found = parse(path.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError, RecursionError) as error:
            self._tally.leave("file", path.name, f"it cannot be read: {error}")
            return {}
        return found if isinstance(found, dict) else {}

    def _imported(self, folder: Path, series: Gathered, times: list[int]) -> Imported:
        path = folder / "params.yaml"
        params = flat(self._parsed(path, block_yaml)) if path.is_file() and not path.is_symlink() else {}
        inner = folder.relative_to(self._place).as_posix()
        name = self._name or (folder.name if inner == "." else inner)
        first, last = min(times), max(times)
        live = time.time() - last / 1e6 < LIVE
        experiment = self._experiment or folder.parent.name or "dvclive"
        run = derived_id("dvclive", experiment, name)
        row = RunRow(
            id=run,
            experiment=experiment,
            name=name,
            status="running" if live else "completed",
            started=first,
            ended=None if live else last,
            duration=None if live else last - first,
            tags={"imported.from": "dvclive"},
            params=params,
        )
        return Imported(
            WholeRun(row), lambda: series.points(run), list(_files(folder, self._tally)), timed=False
        )


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns // 1000


def _files(folder: Path, tally: Tally) -> Iterator[File]:
    """Yield pictures, plots and whatever else is there."""
    for name, path in files_in(folder, tally):
        known = name in ("metrics.json", "params.yaml", "dvc.yaml") or name.startswith("plots/metrics/")
        if not known:
            yield File(name, path, _changed(path))
