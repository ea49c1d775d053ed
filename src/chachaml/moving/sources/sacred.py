"""Sacred's file observer: a numbered folder for each run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chachaml.core.changes import RunError
from chachaml.core.errors import BadValue
from chachaml.core.model import ConsoleRow, RunRow, Status, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, derived_id, flat, inside, number_of
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import LIVE, Listed, files_in
from chachaml.moving.sources.times import microseconds

__all__ = ["open_source"]

Object = dict[str, Any]

_STATUSES: dict[str, Status] = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "TIMEOUT": "failed",
    "INTERRUPTED": "interrupted",
}
_OURS = ("run.json", "config.json", "metrics.json", "cout.txt")
"""Files whose content becomes a run's own; all others are artifacts."""


def open_source(where: str, tally: Tally, *, experiment: str = "") -> Listed[Path]:
    """Return the runs of a folder of Sacred's file observer, or of one run's.

    Args:
        where: The folder that the observer was made with, or a numbered one in it.
        tally: Hears what cannot be read.
        experiment: What to put the runs in. Default: the experiment's name.
    """
    path = Path(where).expanduser().absolute()
    folders = sorted({found.parent for found in path.rglob("run.json")}, key=_number_of)
    if not folders:
        raise BadValue(f"there is no run.json in {path}", "give the folder of a FileStorageObserver")
    return Listed(path, folders, _Reader(tally, experiment).read, tally)


def _number_of(folder: Path) -> tuple[bool, int, str]:
    short = folder.name.isdecimal() and len(folder.name) < 18
    return (not short, int(folder.name) if short else 0, str(folder))


class _Reader:
    def __init__(self, tally: Tally, experiment: str) -> None:
        self._tally, self._experiment = tally, experiment

    def read(self, folder: Path) -> Iterator[Imported]:
        """Yield the run of a folder."""
        about = self._json(folder / "run.json")
        if not about:
            self._tally.leave("run", folder.name, "its run.json says nothing")
            return
        series = Gathered()
        for key, columns in self._json(folder / "metrics.json").items():
            try:
                _take(key, columns, series)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                self._tally.leave("metric", f"{key} of {folder.name}", f"it is not whole: {error!r}")
        for place, *_ in _lists(about.get("resources")):
            self._tally.leave("resource", str(place), "it was read by the run, and lies elsewhere")
        yield self._imported(folder, about, series)

    def _json(self, path: Path) -> Object:
        if path.is_symlink() or not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError, RecursionError) as error:
            self._tally.leave("file", f"{path.parent.name}/{path.name}", f"it is not whole: {error}")
            return {}
        return found if isinstance(found, dict) else {}

    def _imported(self, folder: Path, about: Object, series: Gathered) -> Imported:
        written = (folder / "run.json").stat().st_mtime_ns // 1000
        started = microseconds(about.get("start_time"), written)
        beat = microseconds(about.get("heartbeat"), written)
        status = _STATUSES.get(str(about.get("status")), "running")
        if status == "running" and time.time() - beat / 1e6 > LIVE:
            status = "interrupted"
        ended = None if status == "running" else max(microseconds(about.get("stop_time"), beat), started)
        of = _within(about, "experiment")
        named = str(of.get("name") or "sacred")
        run = derived_id("sacred", named, folder.name, str(about.get("start_time")))
        tags = {"imported.from": "sacred", "imported.id": folder.name}
        self._say(about, tags, series, ended or beat)
        row = RunRow(
            id=run,
            experiment=self._experiment or named,
            name=f"{named} {folder.name}",
            status=status,
            started=started,
            ended=ended,
            duration=None if ended is None else ended - started,
            error=_error(about.get("fail_trace")),
            tags=tags,
            params=flat(_plain(self._json(folder / "config.json"))),
            environment=_environment(about, of),
        )
        files = list(_files(folder, of, self._tally))
        return Imported(WholeRun(row, console=_console(folder, started)), lambda: series.points(run), files)

    def _say(self, about: Object, tags: dict[str, str], series: Gathered, time: int) -> None:
        """Add command, comment and result."""
        tags["sacred.command"] = str(about.get("command") or "")
        if note := _within(_within(about, "meta"), "options").get("--comment"):
            tags["note"] = str(note)
        result = about.get("result")
        if (number := number_of(result)) is not None and "result" not in series:
            series.add("result", 0, time, number)
        elif result is not None:
            tags["result"] = json.dumps(result) if isinstance(result, (dict, list)) else str(result)


def _take(key: str, columns: Object, series: Gathered) -> None:
    """Take a metric's points as far as all three of its columns go."""
    for step, stamp, value in zip(columns["steps"], columns["timestamps"], columns["values"], strict=False):
        number = number_of(_plain(value))
        if number is None:
            raise ValueError(f"{value!r:.60} is no number")
        series.add(key, int(step), microseconds(stamp, 0), number)


def _plain(value: Any) -> Any:
    """Return what jsonpickle wrote as plain data: arrays and tuples as lists; nothing is made from it."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "py/tuple" in value or "py/set" in value:
        return _plain(value.get("py/tuple", value.get("py/set")))
    if str(value.get("py/object", "")).startswith("numpy.") and ("values" in value or "value" in value):
        return _plain(value.get("values", value.get("value")))
    return {str(key): _plain(one) for key, one in value.items()}


def _within(about: Object, key: str) -> Object:
    found = about.get(key)
    return found if isinstance(found, dict) else {}


def _lists(value: Any) -> list[list[Any]]:
    return [one for one in value if isinstance(one, list) and one] if isinstance(value, list) else []


def _error(trace: Any) -> RunError | None:
    if not isinstance(trace, list) or not trace:
        return None
    kind, _, message = str(trace[-1]).strip().partition(": ")
    return RunError(kind, message, "".join(map(str, trace)))


def _environment(about: Object, of: Object) -> dict[str, Any]:
    host = _within(about, "host")
    found = {"host": host.get("hostname"), "python": host.get("python_version"), "cpu": host.get("cpu")}
    found["program"] = of.get("mainfile")
    for one in of.get("repositories") or ():
        if isinstance(one, dict) and one.get("commit"):
            found |= {"git.sha": one["commit"], "git.dirty": bool(one.get("dirty"))}
    return {key: value if isinstance(value, bool) else str(value) for key, value in found.items() if value}


def _console(folder: Path, time: int) -> tuple[ConsoleRow, ...]:
    path = folder / "cout.txt"
    if path.is_symlink() or not path.is_file():
        return ()
    text = path.read_text(encoding="utf-8", errors="replace").rstrip("\n").replace("\0", "")
    return (ConsoleRow(0, time, "out", 0, text),) if text else ()


def _files(folder: Path, of: Object, tally: Tally) -> Iterator[File]:
    """Yield artifacts, and the sources that the run was made from, which all runs keep together."""
    for name, path in files_in(folder, tally):
        if name not in _OURS:
            yield File(name, path, path.stat().st_mtime_ns // 1000)
    for name, place, *_ in (one for one in _lists(of.get("sources")) if len(one) > 1):
        if found := inside(folder.parent, str(place)):
            yield File(f"sources/{name}", found, found.stat().st_mtime_ns // 1000)
