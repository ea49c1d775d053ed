"""One transaction's changes: judged by the rules one by one, then written in bulk."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from struct import iter_unpack
from typing import Any

import msgspec
from msgspec.structs import astuple

from chachaml.core.changes import (
    AccessChange,
    AlertChange,
    AlertRaised,
    ArtifactLogged,
    Change,
    Conflicted,
    ConsoleWritten,
    DatasetLogged,
    EnvironmentCaptured,
    ExperimentDescribed,
    OwnerLost,
    PackagesSeen,
    ParamsLogged,
    PointsLogged,
    RecordKept,
    RegistryChange,
    RowsCopied,
    RunCopied,
    RunDeleted,
    RunEdited,
    RunStarted,
    SeriesCopied,
    StepLogged,
    TagsRemoved,
    TagsSet,
    UpkeepChange,
    ViewChange,
    time_of,
)
from chachaml.core.model import RunRow
from chachaml.core.rules import (
    RunChange,
    advance,
    edited,
    is_stub,
    lose_owner,
    may_go,
    merge_param,
    stub,
)
from chachaml.store import access, alarms, captured, copies, corrections, records, registered, upkeep, views
from chachaml.store.artifacts import add_dataset, set_artifact
from chachaml.store.engine import Db
from chachaml.store.rows import (
    CHUNK,
    RUN,
    SUMMARY,
    columns_of,
    next_run,
    number_of,
    row_of,
    run_of,
    summary_of,
)
from chachaml.store.steps import set_step
from chachaml.store.tails import POINT, TAIL, merge, pack, summarise, unpack

__all__ = ["Names", "Writes", "insert", "lots", "marks"]

_Cell = tuple[int, int]
"""The numbers of a run and a key."""

_Row = tuple[Any, ...]

_OF_NO_RUN = (
    OwnerLost,
    ExperimentDescribed,
    PackagesSeen,
    RegistryChange,
    AlertChange,
    AccessChange,
    RecordKept,
    RowsCopied,
    UpkeepChange,
    ViewChange,
)

_CONFLICTS = "SELECT what FROM conflicts WHERE run = ?"

_json = msgspec.json.Encoder().encode


class Names:
    """The numbers of keys and experiments, remembered: rows of theirs never change or go.

    To be used within a transaction that writes; `forget` them when it fails.
    """

    _MOST = 100_000

    def __init__(self) -> None:
        self._keys: dict[str, int] = {}
        self._experiments: dict[str, int] = {}

    def forget(self) -> None:
        """Drop what may have been rolled back."""
        self._keys.clear()
        self._experiments.clear()

    def key(self, db: Db, name: str) -> int:
        """Return the number of a key, given one if it is new."""
        if (no := self._keys.get(name)) is None:
            if len(self._keys) >= self._MOST:
                self._keys.clear()
            no = db.execute("SELECT no FROM keys WHERE name = ?", (name,)).get
            if no is None:
                no = db.execute("INSERT INTO keys (name) VALUES (?) RETURNING no", (name,)).get
            self._keys[name] = no
        return no

    def experiment(self, db: Db, name: str, time: int) -> int:
        """Return the number of an experiment, made at `time` if it is new."""
        if (no := self._experiments.get(name)) is None:
            no = db.execute("SELECT no FROM experiments WHERE name = ?", (name,)).get
            if no is None:
                made = "INSERT INTO experiments (name, created) VALUES (?, ?) RETURNING no"
                no = db.execute(made, (name, time)).get
            self._experiments[name] = no
        return no


@dataclass(slots=True)
class _Run:
    no: int
    row: RunRow
    saved: RunRow | None
    """As the database has it; None for a new one, of which it has nothing else either."""


class Writes:
    """What one transaction writes: first `take` the changes of one batch after the other, then `save` them.

    Args:
        db: A connection within a transaction.
        names: Numbers known already.
        journals: Numbers of journals by their ids: of all those that say something.
    """

    def __init__(self, db: Db, names: Names, journals: Mapping[str, int]) -> None:
        self._db, self._names, self._journals = db, names, journals
        self._journal = ""
        self._runs: dict[str, _Run] = {}
        self._next = 0
        self._params: dict[_Cell, str | None] = {}
        self._tags: dict[_Cell, str | None] = {}
        self._points: dict[tuple[str, str], list[PointsLogged]] = {}
        self._series: dict[_Cell, tuple[_Run, SeriesCopied]] = {}
        self._new_params: list[tuple[int, int, str, float | None]] = []
        self._touched: dict[str, int] = {}
        self._wrote: dict[tuple[str, int], None] = {}
        self._deleted: set[str] = set()
        self._conflicts: list[Conflicted] = []
        self._unsaved_conflicts: list[tuple[int, str]] = []
        self._captured: list[tuple[int, EnvironmentCaptured]] = []
        self.points = 0
        """How many points there were."""

    # judging --------------------------------------------------------------------------------------

    def load(self, changes: Iterable[Change]) -> None:
        """Get the runs that changes are about, as far as there are any: those of all batches at once."""
        ids = {change.run for change in changes if not isinstance(change, _OF_NO_RUN)}
        self._load(ids - self._runs.keys())

    def take(self, changes: Sequence[Change], journal: str = "") -> tuple[list[int], tuple[Conflicted, ...]]:
        """Apply the rules to `changes`, in order, all of whose runs are loaded.

        Args:
            changes: The changes of one batch.
            journal: Id of the journal that says so; '' for a command.

        Returns:
            The numbers of the runs that they touched, and what contradicted what was there before.
        """
        self._journal, self._touched, self._conflicts = journal, {}, []
        self._take_all(changes)
        self._remember_writer()
        return list(self._touched.values()), tuple(self._conflicts)

    def _remember_writer(self) -> None:
        """Remember to which runs the journal wrote."""
        if number := self._journals.get(self._journal):
            self._wrote |= dict.fromkeys((run, number) for run in self._touched)

    def _take_all(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case OwnerLost():
                    self._lose(change)
                case ExperimentDescribed():
                    experiment = self._names.experiment(self._db, change.name, change.time)
                    corrections.describe(self._db, experiment, change)
                case PackagesSeen():
                    captured.add_packages(self._db, change)
                case RunEdited() | RunDeleted():
                    self._correct(change)
                case RegistryChange():
                    self._register(change)
                case AccessChange():
                    if why := access.apply(self._db, change):
                        self._conflicts.append(Conflicted("", why))
                case AlertChange():
                    if why := alarms.apply(self._db, change):
                        self._conflicts.append(Conflicted(getattr(change, "run", ""), why))
                case ViewChange():
                    views.apply(self._db, change)
                case RecordKept():
                    records.apply(self._db, change)
                case UpkeepChange():
                    if why := upkeep.apply(self._db, change):
                        self._conflicts.append(Conflicted("", why))
                case RowsCopied():
                    self.save()
                    self._conflicts += copies.copy(self._db, change)
                    self._load({row.run for row in change.history} - self._runs.keys())
                    self._next = 0  # runs that were deleted there have taken numbers
                case _ if change.run in self._deleted:
                    self._conflicts.append(Conflicted(change.run, "the run was deleted"))
                case _:
                    self._take(change)

    def _take(self, change: RunChange) -> None:
        """Take what was logged to a run."""
        run = self._runs.get(change.run) or self._make(change.run, time_of(change))
        starts = is_stub(run.row)
        run.row, what = advance(run.row, change, self._journal)
        self._touched[change.run] = run.no
        match change:
            case PointsLogged():
                self._points.setdefault((change.run, change.key), []).append(change)
            case ParamsLogged():
                self._take_params(run, change)
            case RunStarted() if starts:
                # Whatever was set before the start arrived was set after the run had started.
                self._take_tags(run, change.tags, weakly=True)
            case TagsSet():
                self._take_tags(run, change.tags)
            case TagsRemoved():
                self._take_tags(run, dict.fromkeys(change.keys))
            case ArtifactLogged():
                what = what or set_artifact(self._db, run.no, change)
            case DatasetLogged():
                add_dataset(self._db, run.no, change)
            case StepLogged():
                set_step(self._db, run.no, change)
            case AlertRaised():
                alarms.raise_alert(self._db, change)
            case EnvironmentCaptured():
                self._captured.append((run.no, change))
            case ConsoleWritten():
                captured.add_console(self._db, run.no, change)
            case SeriesCopied():
                what = what or self._take_series(run, change)
            case RunCopied() if change.row.conflicts:
                known = {told for (told,) in self._db.execute(_CONFLICTS, (run.no,))}
                told = [one.what for one in change.row.conflicts if one.what not in known]
                self._unsaved_conflicts += [(run.no, one) for one in told]
        if what:
            self._contradict(run, what)

    def _contradict(self, run: _Run, what: str) -> None:
        self._conflicts.append(Conflicted(run.row.id, what))
        self._unsaved_conflicts.append((run.no, what))

    def _correct(self, change: RunEdited | RunDeleted) -> None:
        """Make a person's correction, of what all changes before have made."""
        self.save()
        run = self._runs.get(change.run)
        if run is None:
            self._conflicts.append(Conflicted(change.run, "there is no such run"))
            return
        goes = isinstance(change, RunDeleted) or (change.aspect == "archived" and change.value is not None)
        if goes and (why := may_go(run.row)):
            self._conflicts.append(Conflicted(change.run, why))
        elif isinstance(change, RunDeleted):
            corrections.delete_run(self._db, run.no, run.row, change)
            self._touched[change.run] = run.no
            self._deleted.add(change.run)
            del self._runs[change.run]
        else:
            self._edit(run, change)

    def _register(self, change: RegistryChange) -> None:
        self.save()
        if why := registered.apply(self._db, change):
            self._conflicts.append(Conflicted(getattr(change, "run", ""), why))

    def _edit(self, run: _Run, change: RunEdited) -> None:
        key = self._names.key(self._db, change.key) if change.key else 0
        if why := corrections.edit(self._db, run.no, run.row, key, change):
            self._conflicts.append(Conflicted(change.run, why))
            return
        run.row = edited(run.row, change)
        self._touched[change.run] = run.no
        self._save_runs()

    def _load(self, ids: set[str]) -> None:
        """Get the runs of these ids, as far as there are any."""
        query = f"SELECT {RUN} FROM runs WHERE id IN (SELECT value FROM json_each(?))"
        for row in self._db.execute(query, (_json(list(ids)).decode(),)):
            self._add(*run_of(row))
        if unknown := ids - self._runs.keys():
            self._deleted.update(corrections.deleted(self._db, list(unknown)))

    def _add(self, no: int, row: RunRow) -> _Run:
        run = self._runs[row.id] = _Run(no, row, saved=row)
        return run

    def _make(self, name: str, time: int) -> _Run:
        self._next = self._next or next_run(self._db)
        run = self._runs[name] = _Run(self._next, stub(name, time), saved=None)
        self._next += 1
        return run

    def _lose(self, change: OwnerLost) -> None:
        """Let the runs crash that the journal owned, or that nobody owns and it wrote to."""
        self._save_runs()
        found = self._db.execute(
            f"""WITH lost AS (SELECT no FROM journals WHERE id = :id) SELECT {RUN} FROM runs
            WHERE status = 'running' AND (owner = (SELECT no FROM lost) OR owner IS NULL AND no IN
            (SELECT run FROM participants WHERE journal = (SELECT no FROM lost)))""",
            {"id": change.journal},
        )
        for no, row in [run_of(row) for row in found]:
            run = self._runs.get(row.id) or self._add(no, row)
            run.row = lose_owner(run.row, change, joined=True)
            self._touched[row.id] = no

    def _take_params(self, run: _Run, change: ParamsLogged) -> None:
        for name, value in change.params.items():
            cell = (run.no, self._names.key(self._db, name))
            kept = self._params[cell] if cell in self._params else self._kept("params", run, cell)
            self._params[cell], what = merge_param(kept, value)
            if kept is None:
                self._new_params.append((*cell, value, number_of(value)))
            elif what:
                self._contradict(run, f"param {name!r}: {what}")

    def _take_series(self, run: _Run, change: SeriesCopied) -> str:
        """Take a series that another store packed; return why not ('' if it was taken)."""
        key = self._names.key(self._db, change.key)
        cell = (run.no, key)
        here = "SELECT 1 FROM series WHERE run = ? AND key = ?"
        taken = cell in self._series or (change.run, change.key) in self._points
        if taken or (run.saved is not None and self._db.execute(here, cell).get):
            return f"metric {change.key!r} is here already"
        self._series[cell] = (run, change)
        return ""

    def _take_tags(self, run: _Run, tags: Mapping[str, str | None], *, weakly: bool = False) -> None:
        """Set tags, or remove those that are None; `weakly` leaves those that are set alone."""
        for name, value in tags.items():
            cell = (run.no, self._names.key(self._db, name))
            if weakly:
                kept = self._tags[cell] if cell in self._tags else self._kept("tags", run, cell)
                value = value if kept is None else kept
            self._tags[cell] = value

    def _kept(self, table: str, run: _Run, cell: _Cell) -> str | None:
        if run.saved is None:
            return None
        value: str | None = self._db.execute(f"SELECT value FROM {table} WHERE run = ? AND key = ?", cell).get
        return value

    # writing --------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write all that was taken since the last time, but for the batch itself."""
        new = {name for name, run in self._runs.items() if run.saved is None}
        self._save_runs()
        insert(self._db, "INSERT INTO params", self._new_params)
        kept = [(*cell, value) for cell, value in self._tags.items() if value is not None]
        insert(
            self._db, "INSERT INTO tags", kept, "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value"
        )
        gone = [cell for cell, value in self._tags.items() if value is None]
        self._db.executemany("DELETE FROM tags WHERE run = ? AND key = ?", gone)
        insert(self._db, "INSERT INTO conflicts (run, what)", self._unsaved_conflicts)
        self._save_series()
        self._save_points(new)
        captured.set_environments(self._db, self._captured)
        for taken in (self._new_params, self._unsaved_conflicts, self._captured):
            taken.clear()
        for known in (self._params, self._tags, self._points):
            known.clear()

    def _save_runs(self) -> None:
        changed = [run for run in self._runs.values() if run.row is not run.saved]
        new = [(run.no, run.row.id, *self._row_of(run.row)) for run in changed if run.saved is None]
        insert(self._db, f"INSERT INTO runs ({_RUN_COLUMNS})", new)
        for run in changed:
            if run.saved is not None and run.saved != run.row:
                self._update_run(run)
            run.saved = run.row
        self._remember_writer()
        wrote = [(self._runs[run].no, journal) for run, journal in self._wrote if run in self._runs]
        insert(self._db, "INSERT INTO participants", wrote, "ON CONFLICT DO NOTHING")
        self._wrote.clear()

    def _update_run(self, run: _Run) -> None:
        row, saved = self._row_of(run.row), run.saved
        update = f"UPDATE runs SET ({_RUN_COLUMNS.removeprefix('no, id, ')}) = {_marks(row)} WHERE no = ?"
        self._db.execute(update, (*row, run.no))
        if saved and (saved.experiment, saved.started) != (run.row.experiment, run.row.started):
            home = "UPDATE series SET experiment = ?, started = ? WHERE run = ?"
            self._db.execute(home, (row[0], run.row.started, run.no))

    def _row_of(self, run: RunRow) -> _Row:
        experiment = self._names.experiment(self._db, run.experiment, run.started)
        owner = self._journals.get(run.owner or "")
        if run.owner and owner is None:
            owner = self._db.execute("SELECT no FROM journals WHERE id = ?", (run.owner,)).get
        return row_of(run, experiment, owner)

    def _save_points(self, new: set[str]) -> None:
        """Add points to their series; many at once, for a database may be far away."""
        cells = {
            (self._runs[name].no, self._names.key(self._db, key)): (name, changes)
            for (name, key), changes in self._points.items()
            if any(map(len, changes))
        }
        kept = self._kept_series([cell for cell, (name, _) in cells.items() if name not in new])
        fresh, known = [], []
        for cell, (name, changes) in cells.items():
            row = self._merged(cell, changes, kept.get(cell))
            if cell in kept:
                known.append((*row, *cell))
            else:
                run = self._runs[name].row
                experiment = self._names.experiment(self._db, run.experiment, run.started)
                fresh.append((*cell, experiment, run.started, *row))
        insert(self._db, "INSERT INTO series", fresh)
        self._db.executemany(_UPDATE_SERIES, known)

    def _save_series(self) -> None:
        rows, chunks = [], []
        for (run_no, key), (run, change) in self._series.items():
            home = (self._names.experiment(self._db, run.row.experiment, run.row.started), run.row.started)
            rows.append((run_no, key, *home, *columns_of(change.summary), change.tail))
            chunks += [(run_no, key, no, *astuple(chunk)) for no, chunk in enumerate(change.chunks)]
            self.points += len(change)
        insert(self._db, "INSERT INTO series", rows)
        insert(self._db, f"INSERT INTO chunks ({CHUNK})", chunks)
        self._series.clear()

    def _kept_series(self, cells: list[_Cell]) -> dict[_Cell, _Row]:
        """Return those of some series that there are: the tail, and the columns of the summary."""
        if not cells:
            return {}
        found = self._db.execute(_KEPT_SERIES, (_json(cells).decode(),))
        return {(run, key): row for run, key, *row in found}

    def _merged(self, cell: _Cell, changes: list[PointsLogged], old: _Row | None) -> _Row:
        """Return the summary and the tail of a series once the points of some changes are added."""
        count = sum(map(len, changes))
        self.points += count
        before = summary_of(old[1:]) if old else None
        if any(len(change) and not change.steps for change in changes):
            changes = _numbered(changes, before.last_step if before else -1)
        steps, times, values = _joined(changes)
        tail: bytes = old[0] if old else b""
        if len(tail) + count * POINT.size <= TAIL * POINT.size:
            new = pack(steps, times, values)
            summary, tail = summarise(unpack(new)), tail + new
        else:
            from chachaml.store import chunks

            points = chunks.columns(steps, times, values)
            summary, tail = chunks.summarise(points), chunks.append(self._db, *cell, tail, points)
        return (*columns_of(merge(before, summary) if before else summary), tail)


_RUN_COLUMNS = """no, id, experiment, name, status, started, ended, duration, created_by, parent, owner,
error_type, error_message, error_traceback, archived"""


def _numbered(changes: list[PointsLogged], top: int) -> list[PointsLogged]:
    """Return points with the steps that follow the highest one before each."""
    done = []
    for change in changes:
        done.append(change.numbered(top))
        top = max((top, *(step for (step,) in iter_unpack("<q", done[-1].steps))))
    return done


def _joined(changes: list[PointsLogged]) -> tuple[bytes, bytes, bytes]:
    if len(changes) == 1:
        return changes[0].steps, changes[0].times, changes[0].values
    steps, times, values = zip(*[(one.steps, one.times, one.values) for one in changes], strict=True)
    return b"".join(steps), b"".join(times), b"".join(values)


_MANY = 8
"""Rows that are worth the preparation of a copy."""


def _marks(row: _Row) -> str:
    return "(" + ",".join("?" * len(row)) + ")"


_KEPT_SERIES = f"""SELECT run, key, tail, {SUMMARY} FROM series WHERE (run, key) IN
    (SELECT value ->> 0, value ->> 1 FROM json_each(?))"""

_UPDATE_SERIES = f"UPDATE series SET ({SUMMARY}, tail) = {_marks((None,) * 16)} WHERE run = ? AND key = ?"


def insert(db: Db, into: str, rows: Sequence[_Row], otherwise: str = "") -> None:
    """Insert many rows with few statements: each of them gives up the GIL, and has to get it back."""
    if len(rows) >= _MANY and not otherwise and db.copy(into.removeprefix("INSERT INTO "), rows):
        return
    for some in lots(rows):
        db.execute(f"{into} VALUES {marks(some)} {otherwise}", list(chain.from_iterable(some)))


def lots(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    """Yield rows in lots of few sizes, so that there are few different statements."""
    at = 0
    for size in (64, 8, 1):
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


def marks(rows: Sequence[_Row]) -> str:
    """Return the places of rows in a statement that inserts them."""
    return ",".join([_marks(rows[0])] * len(rows))
