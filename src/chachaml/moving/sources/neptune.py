"""What neptune-exporter wrote of Neptune's projects: rows of attributes in Parquet, and files beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from chachaml.artifacts import plain
from chachaml.artifacts.tables import as_table, from_table
from chachaml.core.errors import BadValue, MissingExtra
from chachaml.core.model import RunRow, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, derived_id, inside
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import Listed
from chachaml.moving.sources.times import microseconds

__all__ = ["open_source"]

Row = dict[str, Any]

_ROWS = 20_000
"""Rows that are in memory at once."""

_VALUES = {
    "int": "int_value",
    "float": "float_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
}


def open_source(
    where: str, tally: Tally, *, files: str = "", experiment: str = "", step_multiplier: str = "1"
) -> Listed[list[Path]]:
    """Return the runs of a folder of neptune-exporter's.

    Args:
        where: Its ``--data-path``, or a folder in it.
        tally: Hears what cannot be read.
        files: Its ``--files-path``. Default: ``files`` beside the data.
        experiment: What to put the runs in. Default: their project.
        step_multiplier: By what to multiply steps, which Neptune lets be fractions.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtra("reading Parquet needs pyarrow", "pip install 'chachaml[parquet]'") from None
    path = Path(where).expanduser().absolute()
    parts: dict[str, list[Path]] = {}
    for one in sorted(path.rglob("*_part_*.parquet")):
        parts.setdefault(f"{one.parent}/{one.name.rpartition('_part_')[0]}", []).append(one)
    if not parts:
        raise BadValue(
            f"there are no exported runs in {path}", "give what was neptune-exporter's --data-path"
        )
    for unfinished in path.rglob("*.parquet.tmp"):
        tally.leave("file", unfinished.name, "neptune-exporter did not finish it; export the run again")
    beside = Path(files).expanduser().absolute() if files else path.parent / "files"
    try:
        factor = float(step_multiplier)
    except ValueError:
        raise BadValue(f"step_multiplier is a number, not {step_multiplier!r}") from None
    reader = _Reader(beside, tally, experiment, factor)
    return Listed(path, list(parts.values()), reader.read, tally)


class _Reader:
    def __init__(self, files: Path, tally: Tally, experiment: str, factor: float) -> None:
        self._files, self._tally, self._experiment, self._factor = files, tally, experiment, factor

    def read(self, parts: list[Path]) -> Iterator[Imported]:
        """Yield the run whose rows are in some files."""
        run = _Run(self._files, self._tally, self._factor)
        for path in parts:
            try:
                for row in _rows(path):
                    self._take(run, row)
            except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's own errors are of these
                self._tally.leave("file", path.name, f"it cannot be read on: {error}")
        if not any(path.name.endswith("_part_0.parquet") for path in parts):
            self._tally.leave("file", parts[0].name, "its first part is missing; export the run again")
        if run.id:
            yield run.imported(self._experiment)

    def _take(self, run: _Run, row: Row) -> None:
        try:
            run.take(row)
        except (BadValue, ValueError, KeyError, TypeError) as error:
            self._tally.leave(
                "row", f"{row.get('attribute_path')} of {run.id}", f"it makes no sense: {error}"
            )


def _rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS):
            yield from batch.to_pylist()


class _Run:
    """A run while its rows come."""

    def __init__(self, files: Path, tally: Tally, factor: float) -> None:
        self._folder, self._tally, self._factor = files, tally, factor
        self.id = self._project = ""
        self._series = Gathered()
        self._params: Row = {}
        self._system: Row = {}
        self._texts: dict[str, list[Row]] = {}
        self._files: list[File] = []
        self._first, self._last = 0, 0

    def take(self, row: Row) -> None:
        """Take one row: an attribute, or a value of a series."""
        self.id, self._project = self.id or str(row["run_id"]), self._project or str(row["project_id"])
        path, kind = str(row["attribute_path"]), str(row["attribute_type"])
        if kind in _VALUES:
            value = row.get(_VALUES[kind])
            if value is not None:
                kept = value.isoformat() if isinstance(value, datetime) else value
                where, name = (self._system, path[4:]) if path.startswith("sys/") else (self._params, path)
                where[name] = value if where is self._system else kept
            return
        now = microseconds(row.get("timestamp"), self._last)
        self._first, self._last = min(self._first or now, now), max(self._last, now)
        if kind == "float_series":
            if row.get("float_value") is not None:
                self._series.add(path, self._step(path, row), now, float(row["float_value"]))
        elif kind == "string_series":
            told = {"step": float(row["step"] or 0), "time": now / 1e6, "value": row.get("string_value")}
            self._texts.setdefault(path, []).append(told)
        elif kind == "histogram_series":
            self._histogram(path, row, now)
        elif kind in ("file", "file_series"):
            self._file(path, row, now, series=kind == "file_series")
        else:
            self._tally.leave("attribute", f"{path} of {self.id}", f"nothing is known of the type {kind}")

    def _step(self, path: str, row: Row) -> int:
        exact = float(row["step"] or 0) * self._factor
        if not math.isfinite(exact) or abs(exact) >= 2**63:
            raise ValueError(f"a step of {path[:100]} has more than 64 bits")
        if exact != round(exact):
            why = "steps are whole here: -o step_multiplier=1000 keeps thousandths"
            self._tally.leave("fraction of steps", f"{path} of {self.id}", why)
        return math.floor(exact)

    def _histogram(self, path: str, row: Row, now: int) -> None:
        value = row.get("histogram_value") or {}
        found = plain.dumps({"counts": value.get("values") or [], "edges": value.get("edges") or []})
        name = f"histograms/{path}/{self._step(path, row)}.json"
        self._files.append(File(name, found, now, format="histogram"))

    def _file(self, path: str, row: Row, now: int, *, series: bool) -> None:
        place = str((row.get("file_value") or {}).get("path"))
        found = inside(self._folder, place)
        if found is None:
            self._tally.leave("artifact", f"{path} of {self.id}", f"there is no {place} in {self._folder}")
            return
        name = f"{path}/{self._step(path, row)}{found.suffix}" if series else path
        self._files.append(File(name.strip("/"), found, now or found.stat().st_mtime_ns // 1000))

    def imported(self, experiment: str) -> Imported:
        """Return the run."""
        system = self._system
        started = microseconds(system.pop("creation_time", None), self._first)
        ended = max(microseconds(system.pop("modification_time", None), self._last), started, self._last)
        run = derived_id("neptune", self._project, self.id)
        tags = {str(tag): "" for key in ("tags", "group_tags") for tag in system.pop(key, None) or ()}
        tags |= {"imported.from": "neptune", "imported.id": self.id}
        if note := system.pop("description", None):
            tags["note"] = str(note)
        failed, archived = system.pop("failed", False), system.pop("archived", system.pop("trashed", False))
        tables = [_table(path, rows, ended) for path, rows in self._texts.items()]
        row = RunRow(
            id=run,
            experiment=experiment or self._project or "neptune",
            name=str(system.pop("name", None) or self.id),
            status="failed" if failed else "completed",
            started=started,
            created_by=str(system.pop("owner", "") or ""),
            ended=ended,
            duration=ended - started,
            archived=ended if archived else None,
            tags=tags,
            params=self._params,
            environment={f"neptune.{key}": _fact(value) for key, value in system.items()},
        )
        return Imported(WholeRun(row), lambda: self._series.points(run), [*self._files, *tables])


def _fact(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _table(path: str, rows: list[Row], time: int) -> File:
    data = from_table(as_table(rows))
    return File(f"series/{path}.json", data, time, "application/vnd.chachaml.table+json", "table")
