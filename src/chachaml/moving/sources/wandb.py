"""W&B's run folders and offline files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chachaml.artifacts import plain
from chachaml.core.errors import BadValue
from chachaml.core.model import ConsoleRow, RunRow, Status, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, Version, derived_id, flat, number_of
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import files_in, is_own
from chachaml.moving.sources.protobuf import Malformed, Message
from chachaml.moving.sources.times import microseconds
from chachaml.moving.sources.wandb_log import Torn, records

__all__ = ["Folder", "open_source"]

_LIVE = 120.0
"""Seconds after which a file that says nothing of an end is taken to be left behind."""

_OWN = ("_step", "_timestamp", "_runtime", "_wandb")


def open_source(where: str, tally: Tally, *, experiment: str = "") -> Folder:
    """Return the runs of a ``.wandb`` file, a run's folder, or a folder with many.

    Args:
        where: The file or folder.
        tally: Hears what cannot be read.
        experiment: What to put the runs in. Default: their project.
    """
    path = Path(where).expanduser().absolute()
    named = [path] if path.is_file() else sorted(path.rglob("*.wandb"))
    files = [one for one in named if is_own(one, tally)]
    if not named:
        raise BadValue(
            f"there are no .wandb files in {path}", "they lie in wandb/run-... and wandb/offline-run-..."
        )
    return Folder(str(path), files, tally, experiment)


class Folder:
    """The runs of some files.

    Args:
        place: Where they are.
        files: The files.
        tally: Hears what cannot be read.
        experiment: What the runs are in; '' for their projects.
    """

    together = 1

    def __init__(self, place: str, files: list[Path], tally: Tally, experiment: str) -> None:
        self.place, self._files, self._tally, self._experiment = place, files, tally, experiment

    def close(self) -> None:
        """Let go of nothing."""

    def count(self) -> int:
        """Return how many files there are."""
        return len(self._files)

    def versions(self) -> tuple[Version, ...]:
        """Return nothing: models are with W&B's server."""
        return ()

    def runs(self) -> Iterator[Imported]:
        """Yield the run of each file."""
        for path in self._files:
            log = _Log(path, self._tally)
            try:
                log.read()
            except (BadValue, OSError) as error:
                self._tally.leave("run", path.name, str(error))
                continue
            if log.id:
                yield log.imported(self._experiment)
            else:
                self._tally.leave("run", path.name, "it does not say which run it is of")


class _Log:
    """What one file says."""

    def __init__(self, path: Path, tally: Tally) -> None:
        self._path, self._tally = path, tally
        self.id = ""
        self._about: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._config: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._environment: dict[str, Any] = {}
        self._series = Gathered()
        self._console: list[ConsoleRow] = []
        self._lines = {"out": 0, "err": 0}
        self._files: list[File] = []
        self._exit: int | None = None
        self._started = self._last = 0
        self._step = -1

    def read(self) -> None:
        """Read the file as far as it goes."""
        try:
            for data in records(self._path):
                try:
                    self._record(Message(data))
                except (Malformed, ValueError, RecursionError) as error:
                    self._tally.leave("record", f"of {self._path.name}", str(error))
        except Torn as torn:
            self._tally.leave("file", self._path.name, str(torn))

    def _record(self, record: Message) -> None:
        if 2 in record:
            self._history(record.message(2))
        elif 3 in record:
            self._summarise(record.message(3))
        elif 5 in record:
            _set_nested(self._config, record.message(5))
        elif 17 in record:
            self._run(record.message(17))
        elif 18 in record:
            self._exit = record.message(18).number(1)
        elif 7 in record:
            self._stats(record.message(7))
        elif 4 in record or 13 in record:
            self._output(record.message(4 if 4 in record else 13))
        elif 26 in record:
            self._machine(record.message(26))
        elif 8 in record:
            name = record.message(8).text(5)
            self._tally.leave("artifact", f"{name} of {self.id}", "its files are with W&B's server")
        elif 25 in record:
            name = record.message(25).text(3)
            self._tally.leave("used artifact", f"{name} of {self.id}", "it is with W&B's server")
        elif 10 in record:
            self._tally.leave("alert", f"{record.message(10).text(1)} of {self.id}", "it was sent there")

    def _summarise(self, change: Message) -> None:
        self._summary |= _items(change, 1)
        for item in change.messages(2):
            self._summary.pop(item.text(1), None)

    def _run(self, run: Message) -> None:
        self.id = run.text(1)
        names = {"entity": 2, "project": 3, "group": 6, "job_type": 7, "name": 8, "notes": 9, "sweep": 12}
        self._about |= {name: text for name, number in names.items() if (text := run.text(number))}
        self._tags |= {tag.decode(errors="replace"): "" for tag in run.all(10)}
        _set_nested(self._config, run.message(4))
        if commit := run.message(21).text(2):
            self._environment["git.sha"] = commit
        self._started = self._started or _stamp(run.message(17))
        self._last = max(self._last, self._started)

    def _machine(self, about: Message) -> None:
        names = {"platform": 1, "python": 2, "program": 6, "host": 12, "user": 13}
        found = {name: text for name, number in names.items() if (text := about.text(number))}
        if commit := about.message(9).text(2):
            found["git.sha"] = commit
        self._environment = {**found, **self._environment}

    def _history(self, history: Message) -> None:
        row = _items(history, 1)
        step = row.get("_step", history.message(2).number(1))
        self._step = step if isinstance(step, int) else self._step + 1
        now = microseconds(row.get("_timestamp"), self._last)
        self._last = max(self._last, now)
        for key, value in row.items():
            if key not in _OWN:
                self._value(key, value, now)

    def _value(self, key: str, value: Any, now: int) -> None:
        number = number_of(value)
        if number is not None:
            self._series.add(key, self._step, now, number)
        elif isinstance(value, dict) and "_type" not in value:
            for inner, one in value.items():
                self._value(f"{key}.{inner}", one, now)
        elif isinstance(value, dict) and value["_type"] == "histogram" and "bins" in value:
            found = {"counts": value.get("values", []), "edges": value["bins"]}
            name = f"histograms/{key.strip('/')}/{self._step}.json"
            self._files.append(File(name, plain.dumps(found), now, format="histogram"))
        elif not isinstance(value, dict) or "path" not in value:  # media lie in the run's folder
            kind = type(value).__name__ if not isinstance(value, dict) else value["_type"]
            self._tally.leave("value", f"{key} of {self.id}", f"a {kind} over steps; metrics are numbers")

    def _stats(self, stats: Message) -> None:
        now = _stamp(stats.message(2)) or self._last
        for item in stats.messages(3):
            number = number_of(_json(item.text(16)))
            if number is not None:
                key = f"system/{item.text(1)}"
                self._series.add(key, self._series.count(key), now, number)

    def _output(self, output: Message) -> None:
        stream = "out" if output.number(1) == 1 else "err"
        text = output.text(3)
        self._console.append(ConsoleRow(0, _stamp(output.message(2)), stream, self._lines[stream] + 1, text))
        self._lines[stream] += text.count("\n")

    # the run ------------------------------------------------------------------------------------------

    def imported(self, experiment: str) -> Imported:
        """Return the run, as it is known by now."""
        project = self._about.get("project", "uncategorized")
        run = derived_id("wandb", self._about.get("entity", ""), project, self.id)
        status, ended = self._end()
        tags = {**self._tags, "imported.from": "wandb", "imported.id": self.id}
        kinds = ("group", "job_type", "sweep")
        tags |= {f"wandb.{name}": self._about[name] for name in kinds if name in self._about}
        if note := self._about.get("notes"):
            tags["note"] = note
        self._from_summary(tags)
        row = RunRow(
            id=run,
            experiment=experiment or project,
            name=self._about.get("name") or self.id,
            status=status,
            started=self._started,
            created_by=str(self._environment.get("user", "")),
            ended=ended,
            duration=None if ended is None else ended - self._started,
            tags=tags,
            params={key: value for key, value in self._config.items() if key != "_wandb"},
            environment=self._environment,
        )
        whole = WholeRun(row, console=tuple(self._console))
        return Imported(whole, lambda: self._series.points(run), [*self._files, *self._folder()])

    def _end(self) -> tuple[Status, int | None]:
        if self._exit is None and time.time() - self._path.stat().st_mtime < _LIVE:
            return "running", None
        status: Status = "interrupted" if self._exit is None else "failed" if self._exit else "completed"
        return status, max(self._last, self._started)

    def _from_summary(self, tags: dict[str, str]) -> None:
        """Add what the summary has beyond the last values of metrics."""
        for key, value in flat(_without_media(self._summary)).items():
            if key in self._series or key in _OWN or value is None:
                continue
            if (number := number_of(value)) is not None:
                self._series.add(key, max(self._step, 0), self._last, number)
            elif isinstance(value, str):
                tags[f"summary.{key}"] = value
            elif value != {}:
                kind = type(value).__name__
                self._tally.leave(
                    "value", f"{key} of {self.id}", f"a {kind} in the summary; metrics are numbers"
                )

    def _folder(self) -> Iterator[File]:
        """Yield the files that W&B keeps beside the log."""
        folder = self._path.parent / "files"
        for name, path in files_in(folder, self._tally):
            yield File(name, path, path.stat().st_mtime_ns // 1000)


def _without_media(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary without pictures and the like, which lie in the run's folder, and W&B's own."""
    return {
        key: _without_media(value) if isinstance(value, dict) else value
        for key, value in summary.items()
        if key != "_wandb" and not (isinstance(value, dict) and "_type" in value)
    }


def _items(message: Message, number: int) -> dict[str, Any]:
    """Return keys and values: in JSON, or of their own types; those inside others as dicts."""
    found: dict[str, Any] = {}
    for item in message.messages(number):
        path = [part.decode(errors="replace") for part in item.all(2)] or [item.text(1)]
        _put(found, path, _item(item))
    return found


def _item(item: Message) -> Any:
    if 16 in item or 8 in item:
        return _json(item.text(16 if 16 in item else 8))
    if 5 in item:
        zigzag = item.number(5) & (1 << 64) - 1
        return (zigzag >> 1) ^ -(zigzag & 1)
    if 6 in item:
        return item.double(6)
    if 4 in item:
        return bool(item.number(4))
    return item.text(7) if 7 in item else None


def _put(where: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a value inside nested dicts."""
    for part in path[:-1]:
        below = where.setdefault(part, {})
        if not isinstance(below, dict):
            below = where[part] = {}
        where = below
    where[path[-1]] = value


def _set_nested(config: dict[str, Any], change: Message) -> None:
    """Set what a change of the config says: a key, or one inside of others."""
    for item in change.messages(1):
        path = [part.decode(errors="replace") for part in item.all(2)] or [item.text(1)]
        _put(config, path, _json(item.text(16)))
    for item in change.messages(2):
        config.pop(item.text(1), None)


def _json(text: str) -> Any:
    return json.loads(text) if text else None


def _stamp(stamp: Message) -> int:
    """Return a google.protobuf.Timestamp in microseconds."""
    return stamp.number(1) * 1_000_000 + stamp.number(2) // 1000
