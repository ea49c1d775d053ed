"""`export_parquet`: everything as Parquet files and plain files; the layout is in the folder's own README."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chachaml.artifacts.view import escaped
from chachaml.connection import Connection, connection
from chachaml.core.changes import PointsLogged
from chachaml.core.model import WholeRun
from chachaml.core.values import canonical
from chachaml.lookup import AnyRun
from chachaml.moving.account import Moved, Progress, Tally
from chachaml.moving.leaving import chosen, copy_file, empty_folder
from chachaml.moving.points import pieces
from chachaml.table import import_arrow

__all__ = ["export_parquet"]

_README = """# Runs, as Parquet and files

Written by chachaml; nothing of it is needed to read this.

    pandas   pd.read_parquet("points")
    Polars   pl.read_parquet("points/*.parquet")
    DuckDB   SELECT run, key, max(value) FROM 'points/*.parquet' GROUP BY run, key

Times are in UTC, to the microsecond; durations are in seconds; values of params are JSON. Artifacts lie below
`artifacts`, where `path` says; digests are SHA-256. The note of a run is its tag `note`.

| file | columns |
|---|---|
| points/*.parquet, in the order of steps | run, key, step, time, value |
"""

_TIMES = frozenset(("started", "ended", "archived", "time", "logged", "created"))


def export_parquet(
    folder: str | os.PathLike[str],
    runs: Sequence[AnyRun] | None = None,
    *,
    filter: str | None = None,
    experiment: str | None = None,
    archived: bool | None = None,
    artifacts: bool = True,
    progress: Progress | None = None,
) -> Moved:
    """Write everything of the store, of an experiment or of some runs as Parquet and plain files.

    pandas, Polars, DuckDB and whatever else reads Parquet need nothing of chachaml; a README in the folder
    says what is where.

    Args:
        folder: Where to; must be new or empty.
        runs: The runs. Default: all that meet the other conditions.
        filter: In the search language; see `chachaml.runs`.
        experiment: Of this experiment.
        archived: None takes all runs, False leaves archived ones out, True takes these alone.
        artifacts: Copy the files of artifacts, too.
        progress: Called with the number of runs done, None, and of points.

    Raises:
        BadValue: The folder is not empty.
        NotFound: No such run.
        MissingExtra: pyarrow is not installed.
    """
    import_arrow("export_parquet")
    where, tally = connection(), Tally()
    store, into = where.ready(), empty_folder(folder)
    tables = _Tables(into)
    number = 0
    for some in chosen(store, runs, filter, experiment, archived):
        for one in some:
            _add_run(tables, one)
            _add_artifacts(tables, one, where, into, tally, copied=artifacts)
        series = [(one.row.id, key, about) for one in some for key, about in one.row.metrics.items()]
        tally.metrics += len(series)
        for points in pieces(store, series):
            tables.write_points(number, points)
            number += 1
            tally.points += sum(map(len, points))
        tally.runs += len(some)
        tally.params += sum(len(one.row.params) for one in some)
        tables.flush()
        if progress:
            progress(tally.runs, None, tally.points)
    _add_rest(tables, where, tally)
    tables.close()
    listed = (
        f"| {name}.parquet | {', '.join(key for key, _ in columns)} |" for name, columns in _COLUMNS.items()
    )
    (into / "README.md").write_text(_README + "\n".join(listed) + "\n")
    return tally.result(where.place, str(into))


class _Tables:
    """Parquet files, written as rows come."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa

        self._folder, self._rows, self._files = folder, dict[str, list[tuple[Any, ...]]](), dict[str, Any]()
        moment, text = pa.timestamp("us", "UTC"), pa.string()
        kinds = {"i": pa.int64(), "f": pa.float64(), "t": text}
        self._schemas = {
            name: pa.schema([(key, moment if key in _TIMES else kinds[kind]) for key, kind in columns])
            for name, columns in _COLUMNS.items()
        }
        named = pa.dictionary(pa.int32(), text)
        self._points = pa.schema(
            [("run", named), ("key", named), ("step", pa.int64()), ("time", moment), ("value", pa.float64())]
        )

    def add(self, table: str, *row: Any) -> None:
        """Add a row."""
        self._rows.setdefault(table, []).append(row)

    def flush(self) -> None:
        """Write what was added since the last time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for name, schema in self._schemas.items():
            rows = self._rows.pop(name, [])
            if name not in self._files:
                self._files[name] = pq.ParquetWriter(str(self._folder / f"{name}.parquet"), schema)
            if rows:
                columns = [list(column) for column in zip(*rows, strict=True)]
                arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
                self._files[name].write_table(pa.Table.from_arrays(arrays, schema=schema))

    def write_points(self, number: int, points: Sequence[PointsLogged]) -> None:
        """Write a file of points."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not points:
            return
        places = np.repeat(np.arange(len(points), dtype=np.int32), [len(one) for one in points])
        names = ([one.run for one in points], [one.key for one in points])
        columns: list[Any] = [
            pa.DictionaryArray.from_arrays(pa.array(places), pa.array(one)) for one in names
        ]
        raw = ([one.steps for one in points], [one.times for one in points], [one.values for one in points])
        columns += [
            pa.array(np.frombuffer(b"".join(parts), kind))
            for parts, kind in zip(raw, ("<i8", "<i8", "<f8"), strict=True)
        ]
        arrays = [column.cast(field.type) for column, field in zip(columns, self._points, strict=True)]
        folder = self._folder / "points"
        folder.mkdir(exist_ok=True)
        table = pa.Table.from_arrays(arrays, schema=self._points)
        pq.write_table(table, str(folder / f"{number:06}.parquet"), compression="zstd")

    def close(self) -> None:
        """Finish all files."""
        self.flush()
        for file in self._files.values():
            file.close()


_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    name: tuple((key, kind) for key, _, kind in (one.partition(":") for one in columns.split()))
    for name, columns in {
        "runs": """id:t experiment:t name:t status:t started:i ended:i duration:f created_by:t parent:t
            archived:i error:t""",
        "params": "run:t key:t value:t number:f",
        "tags": "run:t key:t value:t",
        "metrics": "run:t key:t count:i first:f last:f min:f max:f mean:f last_step:i",
        "artifacts": "run:t name:t path:t digest:t size:i content_type:t format:t logged:i",
        "datasets": "run:t name:t role:t rows:i columns:i features:t digest:t source:t logged:i",
        "environment": "run:t key:t value:t",
        "console": "run:t time:i stream:t line:i text:t",
        "steps": "run:t step:t place:i status:t step_run:t started:i ended:i",
        "versions": """model:t version:i stage:t run:t artifact:t digest:t description:t created:i
            created_by:t""",
        "corrections": "no:i time:i by:t run:t aspect:t key:t before:t after:t",
    }.items()
}


def _add_run(tables: _Tables, one: WholeRun) -> None:
    row, run = one.row, one.row.id
    seconds = None if row.duration is None else row.duration / 1e6
    error = f"{row.error.type}: {row.error.message}".removeprefix(": ") if row.error else None
    about = (row.started, row.ended, seconds, row.created_by, row.parent, row.archived, error)
    tables.add("runs", run, row.experiment, row.name, row.status, *about)
    for key, value in row.params.items():
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        tables.add("params", run, key, canonical(key, value), number)
    for key, tag in row.tags.items():
        tables.add("tags", run, key, tag)
    for key, known in row.metrics.items():
        ends = (known.first, known.last, known.min, known.max, known.mean)
        tables.add("metrics", run, key, known.count, *ends, known.last_step)
    for data in row.datasets:
        about_data = (data.rows, data.columns, canonical("features", list(data.features)))
        tables.add("datasets", run, data.name, data.role, *about_data, data.digest, data.source, data.logged)
    for key, fact in row.environment.items():
        tables.add("environment", run, key, canonical(key, fact))
    for line in one.console:
        tables.add("console", run, line.time, line.stream, line.line, line.text)
    for step in one.steps:
        tables.add("steps", run, step.step, step.order, step.status, step.step_run, step.started, step.ended)


def _add_artifacts(
    tables: _Tables, one: WholeRun, where: Connection, into: Path, tally: Tally, *, copied: bool
) -> None:
    for artifact in one.row.artifacts:
        path = Path(one.row.id, *escaped(artifact.name))
        if not copied or copy_file(where, into / "artifacts" / path, artifact, tally):
            kept = (artifact.digest, artifact.size, artifact.content_type, artifact.format, artifact.logged)
            tables.add("artifacts", one.row.id, artifact.name, path.as_posix() if copied else None, *kept)
            tally.artifacts += 1


def _add_rest(tables: _Tables, where: Connection, tally: Tally) -> None:
    store = where.store()
    for version in store.versions():
        about = (version.artifact, version.digest, version.description, version.created, version.created_by)
        tables.add("versions", version.model, version.version, version.stage, version.run, *about)
        tally.versions += 1
    tally.models = len(store.models())
    for row in store.history(limit=2**31 - 1):
        changed = (row.aspect, row.key, row.before, row.after)
        tables.add("corrections", row.no, row.time, row.by, row.run, *changed)
