"""MLflow's database: read by the columns that it has had since its first schema, whatever came later."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from chachaml.core.changes import PointsLogged
from chachaml.core.errors import BadValue, MissingExtra
from chachaml.core.model import DatasetRow, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, Version, by_key
from chachaml.moving.mlflow_words import STAGES, dataset, run_id
from chachaml.moving.points import PIECE
from chachaml.moving.sources.mlflow_models import Logged, by_run, logged_by_id, model_name, packed
from chachaml.moving.sources.mlflow_rows import files_below, folder_of, run_row, version_id

__all__ = ["Database", "open_postgres", "open_sqlite_file"]

_RUN = """runs.run_uuid, runs.name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri,
experiment_id"""


class Rows(Protocol):
    """What a statement found."""

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...


Ask = Callable[[str, Sequence[Any]], Rows]
"""Runs a statement, whose places are question marks."""

Stream = Callable[[str, Sequence[Any]], Iterator[list[Any]]]
"""Runs a statement likewise, and gives its rows some at a time."""

_LACKING = ("no such table", "no such column", "does not exist")
"""What databases say of tables and columns that came with later releases."""


def open_sqlite_file(path: Path, tally: Tally, artifacts: str | None) -> Database:
    """Return the runs of a SQLite file, which is only read."""
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    db.text_factory = lambda data: data.decode(errors="replace")
    roots = (
        [Path(artifacts)] if artifacts else [path.parent / name for name in ("mlartifacts", "mlruns", ".")]
    )

    def stream(text: str, values: Sequence[Any]) -> Iterator[list[Any]]:
        with closing(db.execute(text, values)) as rows:
            while some := rows.fetchmany(PIECE):
                yield some

    found = Database(str(path), lambda text, values: db.execute(text, values), stream, db.close, tally, roots)
    found.check()
    return found


def open_postgres(url: str, tally: Tally, artifacts: str | None) -> Database:
    """Return the runs of a Postgres database, which is only read."""
    try:
        from importlib import import_module

        psycopg: Any = import_module("psycopg")
    except ImportError:
        raise MissingExtra("reading Postgres needs psycopg", "pip install 'psycopg[binary]'") from None
    address = "postgresql://" + url.partition("://")[2]
    try:
        db = psycopg.connect(address)
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        db.read_only = True
    except psycopg.Error as error:
        raise BadValue(f"the database cannot be opened: {error}") from None
    names = count()

    def ask(text: str, values: Sequence[Any]) -> Rows:
        try:
            with db.transaction():  # what an older schema lacks must not spoil all that is asked later
                rows: Rows = db.execute(text.replace("?", "%s"), values)
        except psycopg.Error as error:
            raise OSError(str(error)) from None
        return rows

    def stream(text: str, values: Sequence[Any]) -> Iterator[list[Any]]:
        try:
            with db.cursor(name=f"points_{next(names)}") as rows:
                rows.execute(text.replace("?", "%s"), values)
                while some := rows.fetchmany(PIECE):
                    yield some
        except psycopg.Error as error:
            raise OSError(str(error)) from None

    host = address.rpartition("@")[2]
    found = Database(host, ask, stream, db.close, tally, [Path(artifacts)] if artifacts else [])
    found.check()
    return found


class Database:
    """The runs of one database.

    Args:
        place: Where it is.
        ask: Runs a statement.
        stream: Runs one of many rows, and gives these in pieces.
        close: Lets go of it.
        tally: Hears what cannot be carried.
        roots: Folders to look for artifacts in.
    """

    def __init__(
        self,
        place: str,
        ask: Ask,
        stream: Stream,
        close: Callable[[], object],
        tally: Tally,
        roots: Sequence[Path],
    ) -> None:
        self.place, self._ask, self._stream, self._close = place, ask, stream, close
        self._tally, self._roots = tally, roots

    together = 100

    def close(self) -> None:
        """Let go of the database."""
        self._close()

    def _all(self, text: str, *values: Any) -> list[Any]:
        return self._ask(text, values).fetchall()

    def check(self) -> None:
        """Make sure that it is an MLflow database.

        Raises:
            BadValue: It is none.
        """
        try:
            self._all("SELECT run_uuid, start_time FROM runs LIMIT 1")
            self._all("SELECT run_uuid, step, is_nan FROM metrics LIMIT 1")
        except Exception as error:
            raise BadValue(f"{self.place} is no MLflow database: {error}") from None

    def _optional(self, text: str, *values: Any) -> list[Any]:
        """Return the rows of tables that older schemas lack."""
        try:
            return self._all(text, *values)
        except (sqlite3.Error, OSError) as error:
            if not any(words in str(error) for words in _LACKING):
                self._tally.leave("table", text.split("FROM ")[1].split()[0], f"it cannot be read: {error}")
            return []

    def count(self) -> int:
        """Return how many runs there are."""
        count: int = self._all("SELECT count(*) FROM runs")[0][0]
        return count

    @cached_property
    def _experiments(self) -> dict[int, str]:
        return dict(self._all("SELECT experiment_id, name FROM experiments"))

    @cached_property
    def _logged(self) -> dict[str, Logged]:
        query = """SELECT creation_timestamp_ms, model_id, source_run_id, name, artifact_location
            FROM logged_models WHERE source_run_id IS NOT NULL"""
        return logged_by_id(self._optional(query))

    @cached_property
    def _logged_of(self) -> dict[str, list[Logged]]:
        return by_run(self._logged)

    @cached_property
    def _model_paths(self) -> dict[str, list[str]]:
        """Return by run where the files of versions are among its artifacts."""
        paths: dict[str, list[str]] = {}
        query = """SELECT run_id, source, artifact_uri FROM model_versions
            JOIN runs ON runs.run_uuid = run_id"""
        for run, source, uri in self._optional(query):
            if name := model_name(source or "", uri or "", self._logged):
                paths.setdefault(run, []).append(name)
        return paths

    # runs -------------------------------------------------------------------------------------------

    def runs(self) -> Iterator[Imported]:
        """Yield all runs, the oldest first."""
        rows = self._all(f"SELECT {_RUN} FROM runs ORDER BY start_time, run_uuid")
        for row in rows:
            try:
                yield self._run(*row)
            except (TypeError, ValueError, AttributeError, sqlite3.Error) as error:
                self._tally.leave("run", str(row[0]), f"it makes no sense: {error}")

    def _run(
        self,
        run: str,
        name: str | None,
        user: str | None,
        status: str | None,
        started: int,
        ended: int | None,
        stage: str | None,
        uri: str | None,
        experiment: int,
    ) -> Imported:
        params = dict(self._all("SELECT key, value FROM params WHERE run_uuid = ?", run))
        tags = dict(self._all("SELECT key, value FROM tags WHERE run_uuid = ?", run))
        row = run_row(
            run,
            experiment=self._experiments.get(experiment, str(experiment)),
            name=name or "",
            user=user or "",
            status=status or "",
            started=started,
            ended=ended,
            deleted=stage == "deleted",
            params=params,
            tags={key: value or "" for key, value in tags.items()},
        )
        files = tuple(self._files(run, uri or ""))
        whole = WholeRun(replace(row, datasets=tuple(self._datasets(run, row.started))))
        return Imported(whole, lambda: self._points(run), files)

    def _points(self, run: str) -> Iterator[PointsLogged]:
        query = """SELECT key, step, timestamp, CASE WHEN is_nan THEN NULL ELSE value END
            FROM metrics WHERE run_uuid = ?
            ORDER BY key, step, timestamp"""
        for some in self._stream(query, (run,)):
            yield from by_key(run_id(run), some, partial(self._no_point, run))

    def _no_point(self, run: str, key: str, why: str) -> None:
        self._tally.leave("point", f"of {key} of run {run}", why)

    def _datasets(self, run: str, logged: int) -> Iterator[DatasetRow]:
        query = """SELECT datasets.name, digest, dataset_source, dataset_schema, dataset_profile,
            input_tags.value
            FROM inputs JOIN datasets ON dataset_uuid = source_id
            LEFT JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid
            AND input_tags.name = 'mlflow.data.context'
            WHERE destination_id = ? AND source_type = 'DATASET' ORDER BY datasets.name"""
        for name, digest, source, schema, profile, context in self._optional(query, run):
            about = (source or "", schema or "", profile or "", context or "")
            yield dataset(name, digest or "", *about, logged)

    def _files(self, run: str, uri: str) -> Iterator[File]:
        files = list(self._own_files(run, uri))
        for one in self._logged_of.get(run, ()):
            found = folder_of(one.place, self._roots)
            if found is None:
                why = f"{one.place} is not on this machine"
                self._tally.leave("logged model", f"{one.folder} ({one.id})", why)
            else:
                files += files_below(found, self._tally, f"{one.folder}/")
        yield from files
        yield from packed(files, self._model_paths.get(run, ()))

    def _own_files(self, run: str, uri: str) -> Iterator[File]:
        folder = folder_of(uri, self._roots)
        if folder is not None:
            yield from files_below(folder, self._tally)
        elif uri and self._has_artifacts(uri):
            self._tally.leave("artifacts", f"of run {run}", f"{uri} is not on this machine")

    def _has_artifacts(self, uri: str) -> bool:
        """Tell whether there may be artifacts at a place: a folder is made with the first of them."""
        folder = Path(uri.removeprefix("file://"))
        known = any(root.is_dir() and root.name.startswith("ml") for root in self._roots)
        return not known and not (folder.is_absolute() and folder.parent.parent.is_dir())

    # models -----------------------------------------------------------------------------------------

    def versions(self) -> Iterator[Version]:
        """Yield all versions of models, ascending."""
        models = {
            name: about or ""
            for name, about in self._optional("SELECT name, description FROM registered_models")
        }
        model_tags = _by(self._optional("SELECT name, key, value FROM registered_model_tags"))
        tags = _by(self._optional("SELECT name, version, key, value FROM model_version_tags"), 2)
        aliases: dict[tuple[str, int], list[str]] = {}
        for name, version, alias in self._optional(
            "SELECT name, version, alias FROM registered_model_aliases"
        ):
            aliases.setdefault((name, version), []).append(alias)
        query = """SELECT model_versions.name, version, creation_time, description, model_versions.user_id,
            current_stage, source, run_id, artifact_uri FROM model_versions
            LEFT JOIN runs ON runs.run_uuid = run_id WHERE current_stage IS NULL
            OR current_stage != 'Deleted_Internal' ORDER BY model_versions.name, version"""
        for name, version, created, about, user, stage, source, run, uri in self._optional(query):
            path = model_name(source or "", uri or "", self._logged)
            if not run or not path:
                self._tally.leave(
                    "version", f"{version} of {name}", f"its files are at {source}, not with a run"
                )
                continue
            created = created if isinstance(created, int) else 0
            yield Version(
                id=version_id(name, version, run, created),
                model=name,
                number=version,
                run=run_id(run),
                artifact=f"{path}.zip",
                time=created * 1000,
                by=user or "",
                stage=STAGES.get(stage, "none"),
                description=about or "",
                model_description=models.get(name, ""),
                tags=tags.get((name, version), {}),
                model_tags=model_tags.get((name,), {}),
                aliases=aliases.get((name, version), ()),
            )


def _by(rows: Iterable[Any], width: int = 1) -> dict[tuple[Any, ...], dict[str, str]]:
    """Return tags by whose they are, which the first columns tell."""
    found: dict[tuple[Any, ...], dict[str, str]] = {}
    for *whose, key, value in rows:
        found.setdefault(tuple(whose[:width]), {})[key] = value or ""
    return found
