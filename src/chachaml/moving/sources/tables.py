"""CSV files and JSON lines: a row for each step of a run, or a row for each run."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chachaml.core.errors import BadValue
from chachaml.core.ids import is_id
from chachaml.core.model import RunRow, Status, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import Imported, Version, derived_id, flat, number_of, typed
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import files_in
from chachaml.moving.sources.times import microseconds

__all__ = ["Tables", "open_source"]

Row = dict[str, Any]

_RUN, _STEP = ("run", "run_id", "run_name"), ("step", "_step", "global_step", "iteration", "epoch")
_TIME = ("time", "timestamp", "_timestamp", "wall_time", "date")
_OF_RUN = "id name experiment status started ended duration created_by parent error".split()
_STATUSES: dict[str, Status] = {
    "completed": "completed",
    "failed": "failed",
    "interrupted": "interrupted",
    "crashed": "crashed",
}
_SUFFIXES = {"csv": (".csv", ".tsv"), "jsonl": (".jsonl", ".ndjson", ".json")}


def open_source(
    where: str,
    tally: Tally,
    *,
    kind: str = "csv",
    rows: str = "steps",
    run: str = "",
    step: str = "",
    time: str = "",
    params: str = "",
    experiment: str = "",
) -> Tables:
    """Return the runs of a file, or of all such files in a folder.

    Args:
        where: The file or folder.
        tally: Hears what cannot be read.
        kind: "csv" or "jsonl".
        rows: What a row is: of "steps" of a run, or of "runs".
        run: The column that tells runs apart. Default: run, run_id or run_name; else each file is a run.
        step: The column of steps. Default: step, _step, global_step, iteration or epoch; else rows count.
        time: The column of times. Default: time, timestamp, _timestamp, wall_time or date; else the file's.
        params: Columns that are params, with commas between them.
        experiment: What to put the runs in. Default: the file's name for rows of runs, else the folder's.
    """
    path = Path(where).expanduser().absolute()
    if not path.exists():
        raise BadValue(f"there is no {path}", "give a file, or a folder of such files")
    if rows not in ("steps", "runs"):
        raise BadValue(f"rows are of 'steps' or of 'runs', not {rows!r}")
    files = (
        [path]
        if path.is_file()
        else [one for _, one in files_in(path, tally) if one.suffix in _SUFFIXES[kind]]
    )
    if not files:
        raise BadValue(f"there are no files ending in {' or '.join(_SUFFIXES[kind])} in {path}")
    chosen = Columns(run, step, time, frozenset(filter(None, params.split(","))))
    read = _csv_rows if kind == "csv" else _json_rows
    return Tables(path, files, tally, read, rows == "runs", chosen, experiment)


@dataclass(frozen=True)
class Columns:
    """What columns are; '' for those that their names tell."""

    run: str
    step: str
    time: str
    params: frozenset[str]

    def of(self, row: Row, kind: str) -> str:
        """Return the column of a kind that a row has; '' if there is none."""
        given: str = getattr(self, kind)
        known = {"run": _RUN, "step": _STEP, "time": _TIME}[kind]
        return given or next((name for name in known if name in row), "")


@dataclass
class _Run:
    name: str
    points: Gathered = field(default_factory=Gathered)
    params: Row = field(default_factory=dict)
    rows: int = 0
    first: int = 0
    last: int = 0
    timed: bool = True


class Tables:
    """The runs of some files."""

    together = 1

    def __init__(
        self,
        place: Path,
        files: list[Path],
        tally: Tally,
        read: Callable[[Path], Iterator[Row]],
        of_runs: bool,
        columns: Columns,
        experiment: str,
    ) -> None:
        self.place, self._root = str(place), place
        self._files, self._tally, self._read = files, tally, read
        self._of_runs, self._columns, self._experiment = of_runs, columns, experiment

    def close(self) -> None:
        """Let go of nothing."""

    def count(self) -> None:
        """Return None: counting would be reading."""

    def versions(self) -> tuple[Version, ...]:
        """Return nothing: there are no models."""
        return ()

    def runs(self) -> Iterator[Imported]:
        """Yield the runs of each file."""
        for path in self._files:
            if self._of_runs:
                yield from self._runs_of(path)
            else:
                yield from self._steps_of(path)

    def _known_as(self, path: Path) -> str:
        """Return what a file is known by: its path, from the folder that was named or that holds it."""
        root = self._root if self._root.is_dir() else self._root.parent
        return path.relative_to(root.parent).as_posix()

    def _rows(self, path: Path) -> Iterator[Row]:
        """Yield the rows that can be read; the others are told."""
        try:
            for number, row in enumerate(self._read(path), 1):
                if "" in row:
                    self._tally.leave("row", f"{number} of {path.name}", str(row[""]))
                else:
                    yield row
        except (OSError, ValueError, csv.Error) as error:
            self._tally.leave("file", path.name, f"it cannot be read on: {error}")

    # a row for each step ------------------------------------------------------------------------------

    def _steps_of(self, path: Path) -> Iterator[Imported]:
        found: dict[str, _Run] = {}
        made = path.stat().st_mtime_ns // 1000
        for row in self._rows(path):
            column = self._columns.of(row, "run")
            name = str(row.get(column) or path.stem)
            one = found.setdefault(name, _Run(name))
            self._step(one, row, made, column)
        for one in found.values():
            yield self._imported(one, path)

    def _step(self, run: _Run, row: Row, made: int, run_column: str) -> None:
        step_column, time_column = self._columns.of(row, "step"), self._columns.of(row, "time")
        step, time = _whole(row.get(step_column), run.rows), microseconds(row.get(time_column), made)
        run.first = min(run.first, time) if run.rows else time
        run.last = max(run.last, time)
        run.timed = run.timed and bool(row.get(time_column))
        run.rows += 1
        for key, value in row.items():
            if key in (run_column, step_column, time_column) or value is None or value == "":
                continue
            if key in self._columns.params:
                run.params.setdefault(key, typed(value) if isinstance(value, str) else value)
            elif (number := _number(value)) is not None:
                run.points.add(key, step, time, number)
            elif run.params.setdefault(key, value) != value:
                self._tally.leave("value", f"{key} of {run.name}", "a text that changes; metrics are numbers")

    def _imported(self, one: _Run, path: Path) -> Imported:
        run = derived_id("table", self._known_as(path), one.name)
        row = RunRow(
            id=run,
            experiment=self._experiment or path.parent.name,
            name=one.name,
            status="completed",
            started=one.first,
            ended=one.last,
            duration=one.last - one.first,
            tags={"imported.from": path.name},
            params=one.params,
        )
        return Imported(WholeRun(row), lambda: one.points.points(run), timed=one.timed)

    # a row for each run -------------------------------------------------------------------------------

    def _runs_of(self, path: Path) -> Iterator[Imported]:
        made = path.stat().st_mtime_ns // 1000
        for number, row in enumerate(self._rows(path), 1):
            name = str(row.get("name") or row.get(self._columns.of(row, "run")) or f"{path.stem} {number}")
            key = str(row.get("id") or number)
            started = microseconds(row.get("started", row.get(self._columns.of(row, "time"))), made)
            one = _Run(name, first=started, last=microseconds(row.get("ended"), started))
            tags = {"imported.from": path.name}
            skip = {*_OF_RUN, *(self._columns.of(row, kind) for kind in ("run", "step", "time"))}
            for column, value in row.items():
                if column in skip or value is None or value == "":
                    continue
                kind, dot, inner = column.partition(".")
                if dot and kind == "tags":
                    tags[inner] = str(value)
                elif dot and kind == "params":
                    one.params[inner] = typed(value) if isinstance(value, str) else value
                elif column in self._columns.params or (number_ := _number(value)) is None:
                    one.params[column] = typed(value) if isinstance(value, str) else value
                else:
                    one.points.add(inner if dot and kind == "metrics" else column, 0, one.last, number_)
            yield self._row_of(one, row, path, key, tags)

    def _row_of(self, one: _Run, row: Row, path: Path, key: str, tags: dict[str, str]) -> Imported:
        run = key if is_id(key) else derived_id("table", self._known_as(path), key)
        whole = RunRow(
            id=run,
            experiment=self._experiment or str(row.get("experiment") or path.stem),
            name=one.name,
            status=_STATUSES.get(str(row.get("status")), "completed"),
            started=one.first,
            created_by=str(row.get("created_by") or ""),
            ended=one.last,
            duration=one.last - one.first,
            tags=tags,
            params=one.params,
        )
        return Imported(WholeRun(whole), lambda: one.points.points(run), timed=False)


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        begun = file.read(4096)
        file.seek(0)
        reader = csv.DictReader(
            file, delimiter="\t" if path.suffix == ".tsv" else _delimiter(begun), strict=True
        )
        names = reader.fieldnames or ()
        for name in {one for one in names if list(names).count(one) > 1}:
            yield {"": f"there are several columns {name!r}; the last one counts"}
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:  # a quotation without end, or a cell of more than 131,072 characters
                yield {"": str(error)}
                continue
            if None in row or any(value is None for value in row.values()):
                yield {"": "it has not as many cells as there are columns"}
            else:
                yield {str(key): value for key, value in row.items()}


def _delimiter(text: str) -> str:
    head = text.splitlines()[0] if text else ""
    return max(",;\t", key=head.count)


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield {"": f"it is no JSON: {error}"}
                    continue
                yield flat(row) if isinstance(row, dict) else {"": "it is no object"}


def _number(value: Any) -> float | None:
    if not isinstance(value, str):
        return number_of(value)
    try:
        return float(value.strip())
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(value.lower())


def _whole(value: Any, otherwise: int) -> int:
    number = _number(value)
    whole = number is not None and math.isfinite(number) and abs(number) < 2**63
    return int(number) if whole and number is not None else otherwise
