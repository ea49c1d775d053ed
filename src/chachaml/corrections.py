"""Putting right what was recorded: names, params, metrics, experiments; who did it; undoing."""

from __future__ import annotations

import time
from typing import Any

from chachaml import current
from chachaml.cleaning import SomeRuns, apply_in_lots, select
from chachaml.connection import connection
from chachaml.core.changes import Aspect, Change, ExperimentDescribed, RunEdited
from chachaml.core.errors import BadValue, Conflict, NotFound, ParamConflict
from chachaml.core.ids import short
from chachaml.core.model import HistoryRow, RunRow
from chachaml.core.settings import current_user
from chachaml.core.values import as_text, canonical, check_key, same_value
from chachaml.live import LiveRun
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.results import CleanUp, Correction, Experiment, Lines, Run
from chachaml.store.protocol import Store

__all__ = [
    "create_experiment",
    "delete_metric",
    "delete_param",
    "experiment",
    "experiments",
    "history",
    "move_runs",
    "rename",
    "set_param",
    "undo",
]


# runs ---------------------------------------------------------------------------------------------


def rename(run: AnyRun, name: str) -> Run:
    """Give a run another name.

    Raises:
        NotFound: No such run.
        BadValue: An empty name.
    """
    if not as_text("name", name).strip():
        raise BadValue("a run's name is not empty")
    return _edit(run, "name", name)


def set_param(run: AnyRun, key: str, value: Any, *, force: bool = False) -> Run:
    """Set a param of any run, ended ones too.

    Args:
        run: The run.
        key: The param's key.
        value: A plain value; see `log_params`.
        force: Replace another value.

    Raises:
        ParamConflict: The run has another value, and `force` is not given.
        NotFound: No such run.
    """
    store = connection().ready()
    row = resolve(store, id_of(run))
    wanted = canonical(check_key("param", key), value)
    if key in row.params and not force:
        kept = canonical(key, row.params[key])
        if not same_value(kept, wanted):
            raise ParamConflict(
                f"param {key!r} of run {row.name!r} is {kept} already", "force=True replaces it"
            )
    return _edit(row.id, "param", wanted, key)


def delete_param(run: AnyRun, key: str) -> Run:
    """Take a param away; `undo` brings it back.

    Raises:
        NotFound: No such run, or it has no such param.
    """
    row = resolve(connection().ready(), id_of(run))
    _require(row, "param", key, list(row.params))
    return _edit(row.id, "param", None, key)


def delete_metric(run: AnyRun, key: str) -> Run:
    """Take a metric and all its points away; `undo` brings them back.

    Raises:
        NotFound: No such run, or it has no such metric.
    """
    row = resolve(connection().ready(), id_of(run))
    _require(row, "metric", key, list(row.metrics))
    return _edit(row.id, "metric", None, key)


def move_runs(
    runs: SomeRuns | None = None, *, experiment: str, filter: str | None = None, dry_run: bool = False
) -> CleanUp:
    """Move runs to another experiment, which is made if it is new.

    Args:
        runs: A run, or several. Default: all that meet the filter.
        experiment: Where to.
        filter: In the search language; see `chachaml.runs`.
        dry_run: Say what would be moved, and change nothing.

    Raises:
        BadValue: Neither runs nor a filter, or an empty name.
        NotFound: No such run.
    """
    if not as_text("experiment", experiment).strip():
        raise BadValue("an experiment's name is not empty")
    where = connection()
    store = where.ready(at_once=True)
    found = [row for row in select(store, runs, filter, archived=None) if row.experiment != experiment]
    ids, held = [row.id for row in found], store.contents([row.id for row in found])
    refused = []
    if not dry_run:
        now = _now()
        refused = apply_in_lots(
            where, [RunEdited(run, now, current_user(), "experiment", experiment) for run in ids]
        )
    return CleanUp.of("moved", ids, refused, held, freed=0, dry_run=dry_run)


def _require(row: RunRow, what: str, key: str, known: list[str]) -> None:
    if key not in known:
        raise NotFound(
            f"run {row.name!r} has no {what} {key!r}", f"it has: {', '.join(sorted(known)[:10]) or 'none'}"
        )


def _edit(run: AnyRun, aspect: Aspect, value: str | None, key: str = "") -> Run:
    """Make a correction and return the run as it is now."""
    store = connection().ready(at_once=True)
    row = resolve(store, id_of(run))
    _command(RunEdited(row.id, _now(), current_user(), aspect, value, key))
    for handle in current.open_runs():
        if isinstance(handle, LiveRun) and handle.id == row.id:
            handle.corrected(aspect, key, value)
    return Run.from_row(store.get_run(row.id))


def _command(*changes: Change) -> None:
    refused = apply_in_lots(connection(), changes)
    if refused:
        raise Conflict(f"run {short(refused[0].run)}: {refused[0].why}")


# history ------------------------------------------------------------------------------------------


def history(run: AnyRun | None = None, *, limit: int = 100) -> Lines[Correction]:
    """Return who corrected what, newest first, with what was there before.

    Args:
        run: Of this run, also a deleted one by its whole id. Default: of all.
        limit: At most so many.
    """
    store = connection().ready()
    return Lines(map(Correction.from_row, store.history(_any_id(store, run), limit=limit)))


def _any_id(store: Store, run: AnyRun | None) -> str | None:
    if run is None:
        return None
    try:
        return resolve(store, id_of(run)).id
    except NotFound:
        if store.history(id_of(run), limit=1):
            return id_of(run)
        raise


def undo(correction: Correction | int | None = None) -> Lines[Correction]:
    """Take a correction back, and return what that changed.

    Args:
        correction: One of `history`, or its number. Default: all that my last call corrected.

    Raises:
        NotFound: There is nothing to undo, or no such correction.
        Conflict: It was undone before, or something else was corrected since.
        BadValue: A deletion, which is for good.
    """
    store = connection().ready(at_once=True)
    if correction is None:
        entries = _my_last(store)
    else:
        entries = [_entry(store, correction if isinstance(correction, int) else correction.no)]
    now = _now()
    _command(*(_opposite(entry, now) for entry in entries))
    return Lines(map(Correction.from_row, store.history(limit=len(entries))))


def _entry(store: Store, no: int) -> HistoryRow:
    found = store.history(before=no + 1, limit=1)
    if not found or found[0].no != no:
        raise NotFound(f"there is no correction {no}", "chachaml.history() lists them")
    return found[0]


def _my_last(store: Store) -> list[HistoryRow]:
    """Return what my last call corrected that was neither undone nor an undoing itself."""
    entries, me = store.history(limit=100_000), connection().user()
    undoings = {entry.undone for entry in entries}
    mine: list[HistoryRow] = []
    for entry in entries:
        if mine and (entry.time, entry.by) != (mine[0].time, mine[0].by):
            break
        if entry.by == me and entry.undone is None and entry.no not in undoings:
            mine.append(entry)
    if not mine:
        raise NotFound(f"there is nothing of {me} to undo", "chachaml.history() lists corrections")
    return mine


def _opposite(entry: HistoryRow, now: int) -> RunEdited:
    if entry.aspect == "deleted":
        raise BadValue(f"run {short(entry.run)} was deleted, which is for good")
    value = entry.before
    if entry.aspect == "metric":
        value = str(entry.no) if entry.after is None else None
    aspect: Aspect = entry.aspect  # type: ignore[assignment]
    return RunEdited(entry.run, now, current_user(), aspect, value, entry.key, undoes=entry.no)


# experiments --------------------------------------------------------------------------------------


def create_experiment(name: str, description: str | None = None, owner: str | None = None) -> Experiment:
    """Describe an experiment, and make it if it is new; what is None stays as it was said before.

    Raises:
        BadValue: An empty name.
    """
    if not as_text("experiment", name).strip():
        raise BadValue("an experiment's name is not empty")
    said = {"description": description, "owner": owner}
    said = {what: as_text(what, text) for what, text in said.items() if text is not None}
    where = connection()
    where.flush()
    where.store(create=True)
    _command(ExperimentDescribed(_now(), name, **said))
    return experiment(name)


def experiment(name: str) -> Experiment:
    """Return one experiment, with how many runs it has.

    Raises:
        NotFound: Nobody described it, and it has no runs.
    """
    found = experiments()
    for one in found:
        if one.name == name:
            return one
    known = ", ".join(repr(one.name) for one in found[:10]) or "none yet"
    raise NotFound(f"there is no experiment {name!r}", f"there are: {known}")


def experiments() -> Lines[Experiment]:
    """Return all experiments by name, those that were never described too."""
    return Lines(map(Experiment.from_row, connection().ready().experiments()))


def _now() -> int:
    return time.time_ns() // 1000
