"""The store of chachaml for Clojure: its ``chachaml.db`` and the artifacts beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chachaml.artifacts import plain
from chachaml.artifacts.tables import as_table, from_table
from chachaml.core.changes import PointsLogged, RunError, Stage
from chachaml.core.errors import BadValue
from chachaml.core.model import DatasetRow, RunRow, Status, StepRow, WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, Version, by_key, derived_id, inside
from chachaml.moving.points import PIECE
from chachaml.moving.sources.edn import NotEdn, read_edn

__all__ = ["Database", "open_source"]

_STATUSES: dict[str, Status] = {"running": "running", "completed": "completed", "failed": "failed"}
_STEPS = ("pending", "running", "completed", "failed")
_STAGES: dict[str, Stage] = {"staging": "staging", "production": "production", "archived": "archived"}
_RUN = "id, experiment, name, status, start_time, end_time, error, tags, env, parent_run_id, created_by"


def open_source(where: str, tally: Tally, *, artifacts: str = "") -> Database:
    """Return the runs of a store.

    Args:
        where: The file, ``chachaml.db``; it is only read.
        tally: Hears what cannot be read.
        artifacts: The folder of its artifacts. Default: the one beside it, ``chachaml-artifacts``.
    """
    path = Path(where).expanduser().absolute()
    if not path.is_file():
        raise BadValue(f"there is no {path}", "give the chachaml.db of the Clojure library")
    folder = Path(artifacts) if artifacts else path.with_name(path.name.removesuffix(".db") + "-artifacts")
    try:
        return Database(path, folder, tally)
    except (sqlite3.Error, UnicodeError) as error:
        raise BadValue(f"{path} is no store of the Clojure library: {error}") from None


class Database:
    """The runs of one store.

    Args:
        path: Its file.
        artifacts: The folder of its artifacts.
        tally: Hears what cannot be read.
    """

    together = 100

    def __init__(self, path: Path, artifacts: Path, tally: Tally) -> None:
        self.place, self._artifacts, self._tally = str(path), artifacts, tally
        self._db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        self._db.text_factory = lambda data: data.decode(errors="replace")
        self._all("SELECT start_time, env FROM runs LIMIT 1")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _all(self, query: str, *values: Any) -> list[Any]:
        with closing(self._db.execute(query, values)) as rows:
            return rows.fetchall()

    def _optional(self, query: str, *values: Any) -> list[Any]:
        """Return the rows of a table that older releases lack."""
        try:
            return self._all(query, *values)
        except sqlite3.OperationalError:
            return []

    def _edn(self, what: str, name: str, text: str | None) -> Any:
        try:
            return read_edn(text) if text else None
        except NotEdn as error:
            self._tally.leave(what, name, str(error))
            return None

    def count(self) -> int:
        """Return how many runs there are, pipelines among them."""
        pipelines = self._optional("SELECT count(*) FROM pipelines") or [(0,)]
        return int(self._all("SELECT count(*) FROM runs")[0][0]) + int(pipelines[0][0])

    # runs ---------------------------------------------------------------------------------------------

    def runs(self) -> Iterator[Imported]:
        """Yield all runs, the oldest first, then the pipelines, which are runs here."""
        for row in self._all(f"SELECT {_RUN} FROM runs ORDER BY start_time, id"):  # noqa: S608 - names of our own
            try:
                yield self._run(*row)
            except (TypeError, ValueError, AttributeError, sqlite3.Error) as error:
                self._tally.leave("run", str(row[0]), f"it makes no sense: {error}")
        yield from self._pipelines()
        for (name,) in self._optional("SELECT name FROM alerts"):
            self._tally.leave("alert", name, "set it anew: alerts here are judged while runs log")

    def _run(
        self,
        theirs: str,
        experiment: str,
        name: str | None,
        status: str,
        started: int,
        ended: int | None,
        error: str | None,
        tags: str | None,
        env: str | None,
        parent: str | None,
        created_by: str | None,
    ) -> Imported:
        began = started * 1000
        until = None if ended is None else max(ended * 1000, began)
        row = RunRow(
            id=_id(theirs),
            experiment=experiment,
            name=name or theirs[:8],
            # An archived run has lost the status that it had.
            status=_STATUSES.get(status, "interrupted" if ended is None else "completed"),
            started=began,
            created_by=created_by or "",
            ended=until,
            duration=None if until is None else until - began,
            parent=_id(parent) if parent else None,
            archived=(until or began) if status == "archived" else None,
            tags=self._tags(theirs, tags),
            params=self._params(theirs),
            environment=_environment(self._edn("environment", f"of run {theirs}", env)),
            datasets=tuple(self._datasets(theirs)),
        )
        if error:
            row = replace(row, error=RunError("", error))
        return Imported(WholeRun(row), partial(self._points, theirs), list(self._files(theirs)))

    def _tags(self, run: str, started_with: str | None) -> dict[str, str]:
        given = self._edn("tags", f"of run {run}", started_with)
        tags = {key: _text(value) for key, value in given.items()} if isinstance(given, dict) else {}
        return {**tags, **dict(self._optional("SELECT key, value FROM tags WHERE run_id = ?", run))}

    def _params(self, run: str) -> dict[str, Any]:
        found = {}
        for key, text in self._all("SELECT key, value FROM params WHERE run_id = ?", run):
            try:
                found[key] = read_edn(text)
            except NotEdn:
                found[key] = text
        return found

    def _points(self, run: str) -> Iterator[PointsLogged]:
        query = """SELECT key, step, timestamp, value FROM metrics WHERE run_id = ?
            ORDER BY key, step, timestamp"""
        rows = self._db.execute(query, (run,))
        while some := rows.fetchmany(PIECE):
            # SQLite keeps no NaN: it is None.
            yield from by_key(_id(run), some, partial(self._no_point, run))

    def _no_point(self, run: str, key: str, why: str) -> None:
        self._tally.leave("point", f"of {key} of run {run}", why)

    def _datasets(self, run: str) -> Iterator[DatasetRow]:
        query = """SELECT role, n_rows, n_cols, features, hash, source, created_at FROM datasets
            WHERE run_id = ? ORDER BY created_at, id"""
        for role, rows, columns, features, digest, source, made in self._optional(query, run):
            names = self._edn("features", f"of run {run}", features)
            kept = tuple(map(_text, names)) if isinstance(names, list) else ()
            name = source or role or "data"
            yield DatasetRow(
                name, role or "train", rows, columns, kept, digest or "", source or "", made * 1000
            )

    def _files(self, run: str) -> Iterator[File]:
        query = "SELECT name, path, content_type, created_at FROM artifacts WHERE run_id = ? ORDER BY name"
        for name, place, kind, made in self._all(query, run):
            path = self._artifacts / place
            if inside(self._artifacts, place) is None:
                self._tally.leave("artifact", f"{name} of run {run}", f"its file {path} is not there")
                continue
            yield self._file(name, path, kind or "", made * 1000)

    def _file(self, name: str, path: Path, kind: str, time: int) -> File:
        """Return an artifact as it is kept here: EDN as JSON, tables as tables, all else as its bytes."""
        if kind == "application/x-nippy":
            self._tally.leave(
                "value", f"{name} ({path.name})", "nippy is for the JVM alone: kept as its bytes"
            )
        elif kind in ("application/edn", "application/x-chachaml-table"):
            try:
                value = read_edn(path.read_text())
            except (NotEdn, OSError, UnicodeDecodeError) as error:
                self._tally.leave("value", f"{name} ({path.name})", f"kept as its bytes: {error}")
            else:
                return _as_json(name, value, table=kind != "application/edn", time=time)
        elif kind == "text/markdown":
            return File(name, path, time, kind, "md")
        return File(name, path, time, "" if kind == "application/octet-stream" else kind)

    # pipelines and models -------------------------------------------------------------------------------

    def _pipelines(self) -> Iterator[Imported]:
        query = (
            "SELECT id, name, description, status, created_at, finished_at FROM pipelines ORDER BY created_at"
        )
        for theirs, name, about, status, made, done in self._optional(query):
            began, until = made * 1000, None if done is None else done * 1000
            row = RunRow(
                id=_id(theirs),
                experiment=name,
                name=name,
                status=_STATUSES.get(status, "interrupted"),
                started=began,
                ended=until,
                duration=None if until is None else until - began,
                tags={"note": about} if about else {},
            )
            yield Imported(WholeRun(row, tuple(self._steps(theirs))))

    def _steps(self, pipeline: str) -> Iterator[StepRow]:
        query = """SELECT step_name, step_order, status, run_id, started_at, finished_at FROM pipeline_steps
            WHERE pipeline_id = ? ORDER BY step_order"""
        before: tuple[str, ...] = ()
        for name, order, status, run, started, ended in self._all(query, pipeline):
            began, until = (None if one is None else one * 1000 for one in (started, ended))
            # A step that failed stays running there.
            unknown = status not in _STEPS or (status == "running" and ended is None)
            known: Any = "failed" if unknown else status
            yield StepRow(name, order, known, before, _id(run) if run else "", began, until, 1, "")
            before = (name,)

    def versions(self) -> Iterator[Version]:
        """Yield all versions of models, ascending."""
        query = """SELECT model_name, version, model_versions.run_id, artifacts.name, stage,
            model_versions.description, model_versions.created_at, models.description FROM model_versions
            LEFT JOIN artifacts ON artifacts.id = artifact_id LEFT JOIN models ON models.name = model_name
            ORDER BY model_name, version"""
        for model, number, run, artifact, stage, about, made, model_about in self._optional(query):
            if artifact is None:
                self._tally.leave("version", f"{number} of {model}", "its artifact is not there")
                continue
            yield Version(
                id=derived_id("clojure version", model, number, run),
                model=model,
                number=number,
                run=_id(run),
                artifact=artifact,
                time=made * 1000,
                stage=_STAGES.get(stage, "none"),
                description=about or "",
                model_description=model_about or "",
            )


def _id(theirs: str) -> str:
    """Return the id of a run here: theirs, a UUID, without its dashes."""
    plain_id = theirs.replace("-", "").lower()
    whole = len(plain_id) == 32 and all(c in "0123456789abcdef" for c in plain_id)
    return plain_id if whole else derived_id("clojure", theirs)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _environment(found: Any) -> dict[str, Any]:
    """Return what was captured, nested as it is there, as facts here."""
    facts: dict[str, Any] = {}

    def add(before: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{before}.{key}" if before else key, inner)
        elif value is not None:
            facts[before.removesuffix("?")] = value if isinstance(value, (bool, int, float)) else _text(value)

    add("", found if isinstance(found, dict) else {})
    return facts


def _as_json(name: str, value: Any, *, table: bool, time: int) -> File:
    if table and isinstance(value, (list, dict)):
        try:
            data = from_table(as_table(value))
            return File(name, data, time, "application/vnd.chachaml.table+json", "table")
        except BadValue:
            pass
    return File(name, plain.dumps(value), time, "application/json", "json")
