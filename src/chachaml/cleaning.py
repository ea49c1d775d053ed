"""Archiving, bringing back and deleting runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from msgspec.structs import replace

from chachaml import searching
from chachaml.connection import Connection, connection
from chachaml.core.changes import Batch, Change, RunDeleted, RunEdited
from chachaml.core.errors import BadValue
from chachaml.core.ids import command_id
from chachaml.core.model import RunQuery, RunRow
from chachaml.core.query import Field, In
from chachaml.core.settings import current_user
from chachaml.live import LiveRun
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.results import CleanUp, Run, Skipped
from chachaml.store.protocol import Store

__all__ = [
    "apply_in_lots",
    "archive_runs",
    "delete",
    "delete_archived",
    "delete_runs",
    "every",
    "hide",
    "restore_runs",
    "select",
]

SomeRuns = AnyRun | Iterable[AnyRun]

_AT_ONCE = 500
"""Runs changed in one transaction: others write between."""

_DAY = 86_400_000_000


def archive_runs(
    runs: SomeRuns | None = None,
    *,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    dry_run: bool = False,
) -> CleanUp:
    """Hide runs from lists and searches; `restore_runs` and `undo` bring them back.

    They keep their status, and `run` still finds them. Running ones are skipped.

    Args:
        runs: A run, or several. Default: all that meet the other conditions, of which one is needed.
        filter: In the search language; see `chachaml.runs`.
        experiment: Of this experiment.
        older_than_days: Started longer ago than this.
        dry_run: Say what would be archived, and change nothing.

    Raises:
        BadValue: No condition at all.
        NotFound: No such run.
    """
    where = connection()
    store = where.ready(at_once=True)
    found = select(store, runs, filter, experiment, older_than_days, archived=False)
    return hide(where, store, found, "archived", dry_run)


def restore_runs(
    runs: SomeRuns | None = None,
    *,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    dry_run: bool = False,
) -> CleanUp:
    """Bring archived runs back into lists and searches; see `archive_runs`."""
    where = connection()
    store = where.ready(at_once=True)
    found = select(store, runs, filter, experiment, older_than_days, archived=True)
    return hide(where, store, found, "restored", dry_run)


def delete_runs(
    runs: SomeRuns | None = None,
    *,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    cascade: bool = False,
    dry_run: bool = False,
) -> CleanUp:
    """Delete runs with all that belongs to them, for good; `archive_runs` only hides them.

    Running ones are skipped, and those with children that would stay behind. Bytes of artifacts go
    when no other run has them. What arrives later of a deleted run is dropped.

    Args:
        runs: A run, or several, archived or not. Default: all that meet the other conditions, of
            which one is needed.
        filter: In the search language; see `chachaml.runs`.
        experiment: Of this experiment.
        older_than_days: Started longer ago than this.
        cascade: Delete their children too, and theirs.
        dry_run: Say what would go, and delete nothing.

    Raises:
        BadValue: No condition at all.
        NotFound: No such run.
    """
    where = connection()
    store = where.ready(at_once=True)
    found = select(store, runs, filter, experiment, older_than_days, archived=None)
    return delete(where, store, found, cascade, dry_run)


def delete_archived(
    *,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    cascade: bool = False,
    dry_run: bool = False,
) -> CleanUp:
    """Delete archived runs for good, all by default; see `delete_runs`."""
    where = connection()
    store = where.ready(at_once=True)
    query = searching.query(store, filter, None, experiment=experiment, archived=True)
    found = list(_older(every(store, replace(query, archived=True)), older_than_days))
    return delete(where, store, found, cascade, dry_run)


def select(
    store: Store,
    runs: SomeRuns | None,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    *,
    archived: bool | None,
) -> list[RunRow]:
    """Return the runs that a person means.

    Raises:
        BadValue: No condition at all.
        NotFound: No such run.
    """
    if runs is None and filter is None and experiment is None and older_than_days is None:
        raise BadValue("which runs?", "give runs, or a condition: filter=, experiment= or older_than_days=")
    if runs is None:
        query = searching.query(store, filter, None, experiment=experiment, archived=archived)
        return list(_older(every(store, query), older_than_days))
    if filter is not None or experiment is not None or older_than_days is not None:
        raise BadValue("give either runs or conditions, not both")
    several = [runs] if isinstance(runs, (str, Run, LiveRun)) else list(runs)
    rows = {row.id: row for row in (resolve(store, id_of(run)) for run in several)}
    return [row for row in rows.values() if archived is None or (row.archived is not None) is archived]


def every(store: Store, query: RunQuery) -> Iterator[RunRow]:
    """Yield all runs that a query finds, page by page."""
    query = replace(query, limit=1000)
    while True:
        page = store.find_runs(query)
        yield from page.runs
        if not page.next:
            return
        query = replace(query, cursor=page.next)


def _older(rows: Iterable[RunRow], days: float | None) -> Iterator[RunRow]:
    if days is not None and not days >= 0:
        raise BadValue(f"older_than_days must be 0 or more, not {days!r}")
    before = None if days is None else _now() - int(days * _DAY)
    return (row for row in rows if before is None or row.started < before)


def hide(
    where: Connection,
    store: Store,
    found: list[RunRow],
    verb: Literal["archived", "restored"],
    dry_run: bool,
    by: str = "",
) -> CleanUp:
    """Archive runs, or bring them back; whoever does so is the user unless `by` says otherwise."""
    going, skipped = _parted(found, lambda row: _running(row) if verb == "archived" else "")
    now, value = _now(), "yes" if verb == "archived" else None
    held = store.contents([row.id for row in going])
    if not dry_run:
        edits = [RunEdited(row.id, now, by or current_user(), "archived", value) for row in going]
        skipped += apply_in_lots(where, edits)
    return CleanUp.of(verb, [row.id for row in going], skipped, held, freed=0, dry_run=dry_run)


def delete(
    where: Connection, store: Store, found: list[RunRow], cascade: bool, dry_run: bool, by: str = ""
) -> CleanUp:
    """Delete runs with all that belongs to them; whoever does so is the user unless `by` says otherwise."""
    descendants = _descendants(store, found)
    if cascade:
        found = [*found, *(row for rows in descendants.values() for row in rows)]
    chosen = {row.id: row for row in found}
    left = {run: sum(child.id not in chosen for child in descendants.get(run, ())) for run in chosen}
    going, skipped = _parted(list(chosen.values()), lambda row: _running(row) or _parental(left[row.id]))
    ids = [row.id for row in going]
    held, blobs = store.contents(ids), store.blobs_of(ids)
    if dry_run:
        staying = store.digests_in_use(blobs, besides=ids)
        freed = sum(size for digest, (size, _) in blobs.items() if digest not in staying)
    else:
        now = _now()
        skipped += apply_in_lots(where, [RunDeleted(run, now, by or current_user()) for run in ids])
        freed = _release(where, store, ids, blobs)
    return CleanUp.of("deleted", ids, skipped, held, freed=freed, dry_run=dry_run)


def _running(row: RunRow) -> str:
    return "it is running" if row.status == "running" else ""


def _parental(children: int) -> str:
    if not children:
        return ""
    return f"it has {children} child run{'s' if children > 1 else ''}: cascade=True deletes them too"


def _parted(rows: list[RunRow], why: Callable[[RunRow], str]) -> tuple[list[RunRow], list[Skipped]]:
    """Return the runs that nothing speaks against, and the others with what does."""
    reasons = {row.id: why(row) for row in rows}
    going = [row for row in rows if not reasons[row.id]]
    return going, [Skipped(run, reason) for run, reason in reasons.items() if reason]


def _descendants(store: Store, rows: list[RunRow]) -> dict[str, list[RunRow]]:
    """Return by parent the children of some runs, and theirs, however deep."""
    found: dict[str, list[RunRow]] = {}
    seen, parents = {row.id for row in rows}, [row.id for row in rows]
    while parents:
        some, parents = parents[:_AT_ONCE], parents[_AT_ONCE:]
        of_them = In(Field("attribute", "parent"), tuple(some))
        for child in every(store, RunQuery(filter=of_them, archived=None)):
            found.setdefault(child.parent or "", []).append(child)
            if child.id not in seen:
                seen.add(child.id)
                parents.append(child.id)
    return found


def apply_in_lots(where: Connection, changes: Sequence[Change]) -> list[Skipped]:
    """Apply changes that people ask for, so many at once; return what was refused."""
    refused = []
    store = where.store()
    for at in range(0, len(changes), _AT_ONCE):
        receipt = store.apply(Batch(tuple(changes[at : at + _AT_ONCE]), command=command_id()))
        refused += [Skipped(conflict.run, conflict.what) for conflict in receipt.conflicts]
    return refused


def _release(where: Connection, store: Store, runs: Sequence[str], blobs: dict[str, tuple[int, int]]) -> int:
    """Give back the bytes of deleted runs; return how many."""
    if not blobs:
        return 0
    from chachaml.artifacts import collect, view

    for run in runs:
        view.remove(where.blobs(), run)
    return collect.release(where.blobs(), blobs, store.digests_in_use).bytes


def _now() -> int:
    return time.time_ns() // 1000
