"""Trackio's databases: one for each project, with media in files beside it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from chachaml.artifacts import plain
from chachaml.artifacts.tables import as_table, from_table
from chachaml.core.errors import BadValue
from chachaml.core.model import RunRow, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, derived_id, inside, number_of
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import LIVE, Listed
from chachaml.moving.sources.times import microseconds

__all__ = ["open_source"]

_NOT_CARRIED = {
    "alerts": "it was raised there; set alerts here anew",
    "traces": "traces of language models are not kept here",
    "artifact_versions": "its files are in Trackio's own store of blobs: download them, and log them",
}


def open_source(where: str, tally: Tally, *, experiment: str = "") -> Listed[Path]:
    """Return the runs of a Trackio database, or of all in a folder.

    Args:
        where: ``TRACKIO_DIR``, which is ~/.cache/huggingface/trackio, or one ``.db`` file in it.
        tally: Hears what cannot be read.
        experiment: What to put the runs in. Default: their project.
    """
    path = Path(where).expanduser().absolute()
    files = [path] if path.is_file() else sorted(path.glob("*.db"))
    if not files:
        raise BadValue(f"there are no databases in {path}", "they are named PROJECT.db, in TRACKIO_DIR")
    reader = _Reader(tally, experiment)
    return Listed(path, files, reader.read, tally, each=False)


class _Reader:
    def __init__(self, tally: Tally, experiment: str) -> None:
        self._tally, self._experiment = tally, experiment

    def read(self, path: Path) -> Iterator[Imported]:
        """Yield the runs of a database."""
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            db.text_factory = lambda data: data.decode(errors="replace")
            columns = {row[1] for row in db.execute("PRAGMA table_info(metrics)")}
            if not {"run_name", "timestamp", "step", "metrics"} <= columns:
                raise BadValue("it is no database of Trackio's")
            run = "run_id" if "run_id" in columns else "run_name"
            found = dict(db.execute(f"SELECT {run}, run_name FROM metrics ORDER BY id"))  # noqa: S608
            if _has(db, "configs"):
                found |= dict(db.execute(f"SELECT {run}, run_name FROM configs ORDER BY id"))  # noqa: S608
            for table, why in _NOT_CARRIED.items():
                if _has(db, table):
                    for (number,) in db.execute(f"SELECT id FROM {table}"):  # noqa: S608
                        self._tally.leave(table, f"{number} of {path.stem}", why)
            for ident, name in found.items():
                one = _Run(path, str(ident), str(name), self._tally)
                one.read(db, run)
                yield one.imported(self._experiment or path.stem)


def _has(db: sqlite3.Connection, table: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return db.execute(query, (table,)).fetchone() is not None


class _Run:
    def __init__(self, path: Path, ident: str, name: str, tally: Tally) -> None:
        self._path, self._ident, self._name, self._tally = path, ident, name, tally
        self._series = Gathered()
        self._config: dict[str, Any] = {}
        self._files: list[File] = []
        self._first: int | None = None
        self._last = 0

    def read(self, db: sqlite3.Connection, column: str) -> None:
        """Read what a database has of the run, which a column tells from others."""
        if _has(db, "configs"):
            for (text,) in db.execute(f"SELECT config FROM configs WHERE {column} = ?", (self._ident,)):  # noqa: S608
                self._config |= self._object(text)
        query = f"SELECT step, timestamp, metrics FROM metrics WHERE {column} = ? ORDER BY id"  # noqa: S608
        for step, stamp, text in db.execute(query, (self._ident,)):
            self._row("", step, stamp, text)
        if _has(db, "system_metrics"):
            query = f"SELECT timestamp, metrics FROM system_metrics WHERE {column} = ? ORDER BY id"  # noqa: S608
            for number, (stamp, text) in enumerate(db.execute(query, (self._ident,))):
                self._row("system/", number, stamp, text)

    def _object(self, text: Any) -> dict[str, Any]:
        try:
            found = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            self._tally.leave("row", f"of {self._name}", f"it is no JSON: {error}")
            return {}
        return found if isinstance(found, dict) else {}

    def _row(self, prefix: str, step: Any, stamp: Any, text: Any) -> None:
        now = microseconds(stamp, self._last)
        self._first = now if self._first is None else min(self._first, now)
        self._last = max(self._last, now)
        for key, value in self._object(text).items():
            try:
                self._value(f"{prefix}{key}", step if isinstance(step, int) else 0, now, value)
            except (BadValue, ValueError, RecursionError) as error:
                self._tally.leave("value", f"{key} of {self._name}", str(error))

    def _value(self, key: str, step: int, now: int, value: Any) -> None:
        number = number_of(value)
        if number is not None:
            self._series.add(key, step, now, number)
        elif isinstance(value, dict) and "_type" not in value:
            for inner, one in value.items():
                self._value(f"{key}.{inner}", step, now, one)
        elif isinstance(value, dict):
            self._object_of(key, step, now, value)
        elif value is not None:
            kind = type(value).__name__
            self._tally.leave("value", f"{key} of {self._name}", f"a {kind} over steps; metrics are numbers")

    def _object_of(self, key: str, step: int, now: int, value: dict[str, Any]) -> None:
        kind, name = str(value["_type"]).removeprefix("trackio."), f"{key.strip('/')}/{step}"
        if kind == "histogram" and {"bins", "values"} <= value.keys():
            found = plain.dumps({"counts": value["values"], "edges": value["bins"]})
            self._files.append(File(f"histograms/{name}.json", found, now, format="histogram"))
        elif kind == "table":
            data = from_table(as_table(value.get("_value") or []))
            kept = "application/vnd.chachaml.table+json"
            self._files.append(File(f"tables/{name}.json", data, now, kept, "table"))
        elif kind == "markdown":
            self._files.append(File(f"text/{name}.md", str(value.get("_value")).encode(), now, format="md"))
        elif path := inside(self._path.parent / "media", str(value.get("file_path"))):
            self._files.append(File(f"{kind}s/{name}{path.suffix}", path, now))
        else:
            self._tally.leave("artifact", f"{name} of {self._name}", f"there is no file of this {kind}")

    def imported(self, experiment: str) -> Imported:
        """Return the run."""
        first = self._last if self._first is None else self._first
        started = min(microseconds(self._config.pop("_Created", None), first), first) or first
        live = time.time() - self._last / 1e6 < LIVE
        run = derived_id("trackio", self._path.stem, self._ident)
        tags = {"imported.from": "trackio", "imported.id": self._ident}
        user, group = self._config.pop("_Username", None), self._config.pop("_Group", None)
        if group:
            tags["trackio.group"] = str(group)
        row = RunRow(
            id=run,
            experiment=experiment,
            name=self._name,
            status="running" if live else "completed",
            started=started,
            created_by=str(user or ""),
            ended=None if live else max(self._last, started),
            duration=None if live else max(self._last - started, 0),
            tags=tags,
            params=self._config,
        )
        return Imported(WholeRun(row), lambda: self._series.points(run), self._files)
