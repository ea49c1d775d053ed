"""Makes a store hold what another one holds: runs in pages, and then all that belongs to none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from chachaml.connected import Connection
from chachaml.core.changes import (
    Batch,
    Change,
    ModelRenamed,
    PackagesSeen,
    PointsLogged,
    RecordKept,
    RetentionSet,
    RowsCopied,
    RunCopied,
    SeriesCopied,
)
from chachaml.core.errors import AccessDenied
from chachaml.core.ids import new_id
from chachaml.core.model import HistoryRow, RunQuery, Summary, VersionRow, WholeRun
from chachaml.moving.account import Progress, Tally
from chachaml.moving.difference import belongings, likeness, same_points
from chachaml.moving.places import carry_bytes, show
from chachaml.moving.points import missing, packed
from chachaml.store.protocol import Store

__all__ = ["PAGE", "Mirror", "pages_of"]

PAGE = 100
"""Runs that are looked at together."""

_ROWS = 1000
_ALL = 2**31 - 1


def pages_of(store: Store, query: RunQuery | None = None, size: int = PAGE) -> Iterator[list[str]]:
    """Yield the ids of all runs, archived ones too, in pages."""
    query = replace(query or RunQuery(archived=None), limit=size)
    while True:
        page = store.find_runs(query)
        yield [row.id for row in page.runs]
        if not page.next:
            return
        query = replace(query, cursor=page.next)


class Mirror:
    """Copies from one store to another.

    Args:
        source: Where from; its store is open.
        target: Where to; its store is open.
        tally: Where all is counted.
        progress: Hears how far it is.
        total: How many runs there are.
    """

    def __init__(
        self,
        source: Connection,
        target: Connection,
        tally: Tally,
        progress: Progress | None = None,
        total: int | None = None,
    ) -> None:
        self._from, self._to, self._tally = source, target, tally
        self._source, self._target = source.store(), target.store()
        self._progress, self._total, self._done = progress, total, 0
        self._packages: set[str] = set()
        self._seen: set[str] = set()

    # runs ---------------------------------------------------------------------------------------------

    def runs(self, ids: Sequence[str]) -> None:
        """Bring some runs over, or what is new of them; those that are the same are left alone."""
        there = self._source.whole_runs(ids)
        here = {one.row.id: one for one in self._target.whole_runs(ids)}
        new = [one for one in there if one.row.id not in here or likeness(one) != likeness(here[one.row.id])]
        for one in there:
            if one.row.id not in self._seen:
                self._seen.add(one.row.id)
                self._tally.runs += one.row.id not in here
                self._tally.unchanged += one not in new
        self._bring(new, here)
        self._done += len(there)
        if self._progress:
            self._progress(min(self._done, self._total or self._done), self._total, self._tally.points)

    def _bring(self, there: Sequence[WholeRun], here: dict[str, WholeRun]) -> None:
        changes: list[Change] = []
        for one in there:
            known = here.get(one.row.id)
            one = self._with_bytes(one)
            changes += self._packages_of(one)
            changes.append(RunCopied(one.row.id, _now(), _bare(one)))
            changes += belongings(one, known, mirror=True)
            self._tally.params += len(one.row.params.keys() - (known.row.params if known else {}).keys())
        fresh, grown = [], []
        for one in there:
            known = here.get(one.row.id)
            for key, summary in one.row.metrics.items():
                if known is None or key not in known.row.metrics:
                    fresh.append((one.row.id, key, summary))
                elif not same_points(summary, known.row.metrics[key]):
                    grown.append((one.row.id, key, summary))
        self._tally.metrics += len(fresh)
        # What is fresh goes in as it comes; the first of it together with the runs.
        for points in packed(self._source, fresh):
            self._apply(*changes, *points)
            changes.clear()
        self._apply(*changes, *self._grown(grown))
        for one in there:
            show(self._to.blobs(), one.row.id, one.row.artifacts)

    def _with_bytes(self, one: WholeRun) -> WholeRun:
        """Carry the bytes of a run's artifacts; return the run without those that have none any more."""
        if not one.row.artifacts:
            return one
        kept = carry_bytes(self._from.blobs(), self._to.blobs(), one.row.artifacts, self._tally)
        artifacts = tuple(each for each in one.row.artifacts if each.digest in kept)
        self._tally.artifacts += len(artifacts)
        return replace(one, row=replace(one.row, artifacts=artifacts))

    def _packages_of(self, one: WholeRun) -> Iterator[Change]:
        digest = one.row.environment.get("packages")
        if isinstance(digest, str) and digest not in self._packages:
            self._packages.add(digest)
            if packages := self._source.packages(digest):
                yield PackagesSeen(one.row.started, digest, packages)

    def _grown(self, series: Sequence[tuple[str, str, Summary]]) -> Iterator[PointsLogged]:
        for run, key, _ in series:
            there, here = self._source.read_points([(run, key)]), self._target.read_points([(run, key)])
            if there and here and (new := missing(there[0], here[0])):
                yield new

    def _apply(self, *changes: Change) -> None:
        if changes:
            receipt = self._target.apply(Batch(changes, command=new_id()))
            self._tally.points += sum(
                len(one) for one in changes if isinstance(one, (PointsLogged, SeriesCopied))
            )
            for one in receipt.conflicts:
                self._tally.leave("change", one.run or "store", one.what)

    # the rest -----------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Bring over all that belongs to no run, from what is said of experiments to the audit log."""
        self._copy(experiments=self._source.experiments())
        self._history()
        self._models()
        self._records()
        here = {row.name for row in self._target.retention()}
        new = [row for row in self._source.retention() if row.name not in here]
        self._apply(*(RetentionSet(row.set, row.by, row.name, row.rule) for row in new))
        try:
            access = self._source.access()
            self._copy(accounts=access.accounts)
            self._copy(tokens=access.tokens)
            for rows in _ascending(self._source.audit):
                self._copy(audit=rows)
        except AccessDenied:
            self._tally.leave("accounts", "alerts and audit log", "you are no admin there")
            return
        self._copy(alerts=self._source.alerts())
        self._copy(events=self._source.events(limit=_ALL)[::-1])

    def _copy(self, **rows: Any) -> None:
        ((kind, some),) = rows.items()
        for start in range(0, len(some), _ROWS):
            self._apply(RowsCopied(_now(), **{kind: tuple(some[start : start + _ROWS])}))

    def _history(self) -> None:
        """Bring corrections over, by other numbers if theirs are taken; points of deleted metrics stay."""
        shift: int | None = None
        for rows in _ascending(lambda before, limit: self._source.history(before=before, limit=limit)):
            shift = self._shift(rows[0]) if shift is None else shift
            self._copy(history=[_renumbered(row, shift) for row in rows])
            for row in rows:
                if row.aspect == "metric" and row.after is None and row.undone is None:
                    self._tally.leave(
                        "deleted metric", f"{row.key} of {row.run}", "its points stay; undo it first"
                    )

    def _shift(self, first: HistoryRow) -> int:
        """Return what to add to the numbers of corrections there, of which `first` is the oldest."""
        here = self._target.history(first.run, limit=_ALL)
        same = [row.no for row in here if _what(row) == _what(first)]
        if same:
            return same[-1] - first.no
        newest = self._target.history(limit=1)
        return newest[0].no if newest else 0

    def _records(self) -> None:
        """Bring over what adapters to other tools keep, but for what is here already."""
        here = {(row.kind, row.key) for row in self._target.records()}
        new = [row for row in self._source.records() if (row.kind, row.key) not in here]
        for start in range(0, len(new), _ROWS):
            some = new[start : start + _ROWS]
            self._apply(*(RecordKept(one.time, one.kind, one.key, one.value, one.experiment) for one in some))

    def _models(self) -> None:
        versions = self._source.versions()
        kept = carry_bytes(self._from.blobs(), self._to.blobs(), versions, self._tally)
        models = self._source.models()
        self._rename(versions)
        known = {row.name for row in self._target.models()}
        before = {row.id for row in self._target.versions()}
        self._tally.models += sum(row.name not in known for row in models)
        self._tally.versions += sum(row.id not in before for row in versions)
        self._copy(models=models)
        self._copy(versions=[row for row in versions if row.digest in kept])
        for model in models:
            self._copy(moves=self._source.moves(model.name, limit=_ALL)[::-1])

    def _rename(self, versions: Sequence[VersionRow]) -> None:
        """Rename models that were copied before and have been renamed since."""
        now = {row.id: row.model for row in versions}
        moved = {(row.model, now[row.id]) for row in self._target.versions() if row.id in now}
        for _, new in sorted(pair for pair in moved if pair[0] != pair[1]):
            here = {row.name for row in self._target.models()}
            for move in self._source.moves(new, limit=_ALL)[::-1]:
                if move.what == "renamed" and move.before in here and move.after not in here:
                    renamed = ModelRenamed(move.time, move.by, str(move.before), str(move.after))
                    self._apply(renamed)
                    here = (here - {move.before}) | {str(move.after)}


def _ascending(read: Any) -> Iterator[list[Any]]:
    """Yield rows that are numbered, oldest first, some at a time."""
    newest = read(None, 1)
    for before in range(_ROWS + 1, newest[0].no + _ROWS + 1 if newest else 0, _ROWS):
        if rows := read(before, _ROWS):
            lowest = before - _ROWS
            yield [row for row in rows[::-1] if row.no >= lowest]


def _renumbered(row: HistoryRow, shift: int) -> HistoryRow:
    return replace(row, no=row.no + shift, undone=None if row.undone is None else row.undone + shift)


def _what(row: HistoryRow) -> HistoryRow:
    return replace(row, no=0, undone=None)


def _bare(one: WholeRun) -> Any:
    bare = replace(one.row, owner=None, params={}, metrics={}, tags={}, environment={})
    return replace(bare, artifacts=(), datasets=())


def _now() -> int:
    return time.time_ns() // 1000
