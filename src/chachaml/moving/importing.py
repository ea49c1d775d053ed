"""`import_runs`: what other tools recorded becomes runs here, and done again brings what is new."""

from __future__ import annotations

import inspect
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace as with_fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from chachaml.artifacts.content_type import guess
from chachaml.connected import Connection
from chachaml.core.changes import (
    AliasMoved,
    Batch,
    Change,
    ModelDescribed,
    PointsLogged,
    RunEdited,
    RunEnded,
    RunStarted,
    VersionRegistered,
)
from chachaml.core.checks import check_change
from chachaml.core.errors import BadValue, ChachamlError
from chachaml.core.ids import new_id
from chachaml.core.model import ArtifactRow, RunRow, Summary, WholeRun
from chachaml.core.names import check_artifact_name
from chachaml.core.settings import current_user
from chachaml.moving.account import Moved, Progress, Tally
from chachaml.moving.difference import belongings
from chachaml.moving.imported import File, Imported, Source, Version, clean
from chachaml.moving.keeping import sound_points, sound_run, sound_time, sound_version
from chachaml.moving.places import Place, place, show
from chachaml.moving.points import PIECE, missing
from chachaml.moving.tools import SOURCES

__all__ = ["import_runs"]


def import_runs(
    source: str,
    where: str | os.PathLike[str],
    *,
    store: Place | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Moved:
    """Bring in what another tool recorded: runs, params, all points with their times, artifacts, models.

    Each run has the same id every time, so doing it again adds only what is new, and changes nothing that was
    corrected here. What cannot be carried is named in the result.

    Args:
        source: The tool: one of `chachaml.moving.tools.SOURCES`.
        where: Its file, folder or address.
        store: Where to: a path, or the address of a server. Default: the store in use.
        dry_run: Count what is there, and change nothing.
        progress: Called with the number of runs done, of all (None if that is not known), and of points.
        options: What a source takes besides; see its page of the guide.

    Raises:
        BadValue: No such tool, or that is none of its places.
        MissingExtra: Reading it needs a library that is not installed.
        StoreUnavailable: The store cannot be written.
    """
    if source not in SOURCES:
        raise BadValue(f"nothing is known of {source!r}", "one of: " + ", ".join(SOURCES))
    tally = Tally()
    module = import_module(f"chachaml.moving.sources.{SOURCES[source][0]}")
    to = place(store)
    opened: Source = module.open_source(os.fspath(where), tally, **_checked(module, source, options))
    try:
        Importer(to, tally, progress, dry_run=dry_run).bring(opened)
    finally:
        opened.close()
    return tally.result(opened.place, to.place, dry_run=dry_run)


def _checked(module: Any, source: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return options if a source takes them, with its name if it reads several kinds."""
    takes = inspect.signature(module.open_source).parameters
    for name in options:
        if name not in takes or name in ("where", "tally", "kind"):
            known = [one for one in takes if one not in ("where", "tally", "kind", "empty")]
            raise BadValue(f"{source} takes no option {name!r}", "it takes: " + (", ".join(known) or "none"))
    return {**options, "kind": source} if "kind" in takes else options


_Read = TypeVar("_Read")

_UNREADABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What reading something damaged may end in."""


_NO_DIGEST = "0" * 64
"""Of bytes that a dry run leaves where they are."""


class Importer:
    """Writes what a source gives.

    Args:
        target: The store's connection.
        tally: Where all is counted.
        progress: Hears how far it is.
        dry_run: Count, and change nothing.
    """

    def __init__(
        self, target: Connection, tally: Tally, progress: Progress | None = None, *, dry_run: bool = False
    ) -> None:
        self._to, self._tally, self._progress, self._dry = target, tally, progress, dry_run
        self._store = target.ready()
        if not dry_run:
            self._store = target.store(create=True)
        self._changes: list[Change] = []
        self._points = 0
        self._would: set[int] = set()

    def bring(self, source: Source) -> None:
        """Bring all that a source has."""
        total = next(self._readable(source.place, lambda: [source.count()]), None)
        done, lot = 0, list[Imported]()
        for one in self._readable(source.place, source.runs):
            lot.append(one)
            done += 1
            if len(lot) >= source.together:
                self.bring_runs(lot)
                lot.clear()
                if self._progress:
                    self._progress(done, total, self._tally.points)
        self.bring_runs(lot)
        self._versions(self._readable(source.place, source.versions))
        if self._progress:
            self._progress(done, total, self._tally.points)
        if not self._dry:
            self._to.blobs().sync()
            self._store.sync()

    def _readable(self, what: str, read: Callable[[], Iterable[_Read]]) -> Iterator[_Read]:
        """Yield what a source gives as far as it can be read; that it cannot be read on is told."""
        try:
            yield from read()
        except ChachamlError:
            raise
        except (*_UNREADABLE, sqlite3.Error) as error:
            self._tally.leave("rest", what, f"it cannot be read on: {error}")

    # runs ---------------------------------------------------------------------------------------------

    def bring_runs(self, lot: Sequence[Imported], *, fresh: bool = False) -> None:
        """Bring some runs, or what is new of them; with `fresh` points are taken to be new."""
        here = {one.row.id: one for one in self._store.whole_runs([each.whole.row.id for each in lot])}
        for given in lot:
            about = given.whole.row
            one = self._kept("run", about.name or about.id, partial(sound_run, given, self._tally))
            if one is not None:
                self._run(one, here.get(about.id), fresh=fresh)
        self._flush()

    def _kept(self, what: str, name: object, make: Callable[[], _Read]) -> _Read | None:
        """Return what every store can keep of something; None, and that is told, if it makes no sense."""
        try:
            return make()
        except _UNREADABLE as error:
            self._tally.leave(what, str(name), f"it makes no sense: {error}")
            return None

    def _run(self, one: Imported, known: WholeRun | None, *, fresh: bool) -> None:
        before = (self._tally.points, self._tally.artifacts, self._tally.params)
        row = one.whole.row
        if known is None:
            about = (row.experiment, row.name, row.created_by or current_user(), row.parent)
            self._add(RunStarted(row.id, row.started, *about))
        self._tally.params += len(row.params.keys() - (known.row.params.keys() if known else set()))
        row = replace(row, artifacts=tuple(self._files(one.files, known, row.id)))
        whole = replace(one.whole, row=row)
        changes = list(belongings(whole, known, mirror=False))
        for change in changes:
            self._add(change)
        points = self._counted(one, known) if known is None or fresh else self._grown(one, known.row)
        for change in points:
            self._tally.points += len(change)
            self._add(change)
        self._end(row, known)
        after = (self._tally.points, self._tally.artifacts, self._tally.params)
        self._tally.runs += known is None
        self._tally.unchanged += known is not None and not fresh and not changes and before == after
        if not self._dry:
            self._flush_if_much()
            show(self._to.blobs(), row.id, row.artifacts)

    def _end(self, row: RunRow, known: WholeRun | None) -> None:
        running = known is None or known.row.status == "running"
        if row.status != "running" and running:
            status = "interrupted" if row.status == "crashed" else row.status
            self._add(RunEnded(row.id, row.ended or row.started, status, row.error, row.duration))
        if row.archived is not None and known is None:
            self._add(RunEdited(row.id, row.archived, current_user(), "archived", "yes"))

    def _counted(self, one: Imported, known: WholeRun | None) -> Iterator[PointsLogged]:
        keys: set[str] = set()
        for points in self._points_of(one):
            keys.add(points.key)
            yield points
        self._tally.metrics += len(keys - (known.row.metrics.keys() if known else set()))

    def _points_of(self, one: Imported) -> Iterator[PointsLogged]:
        for points in self._readable(f"points of {one.whole.row.name}", one.points):
            if len(points):
                yield sound_points(points)

    def _grown(self, one: Imported, here: RunRow) -> Iterator[PointsLogged]:
        """Yield the points of a run that are not here yet."""
        series: dict[str, list[PointsLogged]] = {}
        for points in self._points_of(one):
            series.setdefault(points.key, []).append(points)
        for key, parts in series.items():
            columns = zip(*((part.steps, part.times, part.values) for part in parts), strict=True)
            there = PointsLogged(here.id, key, *map(b"".join, columns))
            if key not in here.metrics:
                self._tally.metrics += 1
                yield there
            elif not _looks_the_same(there, here.metrics[key], timed=one.timed):
                (kept,) = self._store.read_points([(here.id, key)])
                if new := missing(there, kept, timed=one.timed):
                    yield new

    # files --------------------------------------------------------------------------------------------

    def _files(self, files: Iterable[File], known: WholeRun | None, run: str) -> Iterator[ArtifactRow]:
        """Keep files that are not here yet; yield what is kept."""
        names = {one.name for one in known.row.artifacts} if known else set()
        new: set[str] = set()
        for file in files:
            name = clean(file.name)
            if name in new:
                self._tally.leave("artifact", f"{name} of {run}", "another of this name came before it")
            if name in names or name in new:
                continue
            new.add(name)
            try:
                yield self._file(with_fields(file, name=name))
            except (*_UNREADABLE, ChachamlError) as error:
                why = error.message if isinstance(error, ChachamlError) else str(error)
                self._tally.leave("artifact", f"{name} of {run}", why)
                continue
            if self._dry:
                self._would.add(hash((run, name)))

    def _file(self, file: File) -> ArtifactRow:
        check_artifact_name(file.name)
        if isinstance(file.data, os.PathLike):
            path = Path(file.data)
            with path.open("rb") as opened:
                beginning = opened.read(16)
                opened.seek(0)
                digest, size = (
                    (_NO_DIGEST, path.stat().st_size) if self._dry else self._to.blobs().put(opened)
                )
        else:
            data = file.data if isinstance(file.data, bytes) else file.data()
            beginning = data[:16]
            digest, size = (_NO_DIGEST, len(data)) if self._dry else self._to.blobs().put_bytes(data)
        if not self._dry:
            self._to.blobs().deliver([digest])
        self._tally.artifacts += 1
        self._tally.bytes += size
        kind = file.content_type or guess(file.name, beginning)
        return ArtifactRow(file.name, digest, size, kind, file.format or "file", "", sound_time(file.time))

    # models -------------------------------------------------------------------------------------------

    def _versions(self, versions: Iterable[Version]) -> None:
        known = {row.id for row in self._store.versions()}
        models = {row.name for row in self._store.models()}
        for given in versions:
            if given.id in known:
                continue
            one = self._kept("version", f"{given.number} of {given.model}", partial(sound_version, given))
            if one and (self._would_register(one) if self._dry else self._register(one, models)):
                self._tally.versions += 1
                self._tally.models += one.model not in models
                models.add(one.model)

    def _would_register(self, one: Version) -> bool:
        here = self._store.whole_runs([one.run])
        if hash((one.run, one.artifact)) in self._would or any(
            each.name == one.artifact for whole in here for each in whole.row.artifacts
        ):
            return True
        self._tally.leave("version", f"{one.number} of {one.model}", f"run {one.run} has no {one.artifact}")
        return False

    def _register(self, one: Version, models: set[str]) -> bool:
        by = one.by or current_user()
        about = (one.stage, one.description, one.model_description, dict(one.tags))
        self._apply([VersionRegistered(one.time, by, one.model, one.id, one.run, one.artifact, *about)])
        number = next((row.version for row in self._store.versions(one.model) if row.id == one.id), None)
        if number is None:
            return False
        if one.model not in models and one.model_tags:
            self._apply([ModelDescribed(one.time, by, one.model, tags=dict(one.model_tags))])
        if number != one.number:
            why = f"it is version {number} here, for others were deleted there, or are here"
            self._tally.leave("number of version", f"{one.number} of {one.model}", why)
        self._apply([AliasMoved(one.time, by, one.model, alias, number) for alias in one.aliases])
        return True

    # writing ------------------------------------------------------------------------------------------

    def _add(self, change: Change) -> None:
        if self._is_sound(change) and not self._dry:
            self._changes.append(change)
            if isinstance(change, PointsLogged):
                self._points += len(change)
                self._flush_if_much()

    def _is_sound(self, change: Change) -> bool:
        """Tell whether every store can keep a change; that it cannot is told."""
        try:
            check_change(change)
        except BadValue as error:
            run = getattr(change, "run", "") or getattr(change, "model", "")
            self._tally.leave("change", f"{type(change).__name__} of {run}", error.message)
            return False
        return True

    def _flush_if_much(self) -> None:
        if self._points >= PIECE or len(self._changes) >= PIECE // 40:
            self._flush()

    def _flush(self) -> None:
        self._send(self._changes)
        self._changes, self._points = [], 0

    def _apply(self, changes: Sequence[Change]) -> None:
        self._send([change for change in changes if self._is_sound(change)])

    def _send(self, changes: Sequence[Change]) -> None:
        if changes and not self._dry:
            receipt = self._store.apply(Batch(tuple(changes), command=new_id()))
            for one in receipt.conflicts:
                self._tally.leave("change", one.run or "store", one.what)


def _looks_the_same(there: PointsLogged, here: Summary, *, timed: bool) -> bool:
    from chachaml.store.chunks import columns, summarise

    found = summarise(columns(there.steps, there.times, there.values))
    ends = [
        "count",
        "nans",
        "infs",
        "first_step",
        "last_step",
        *(("first_time", "last_time") if timed else ()),
    ]
    return all(getattr(found, name) == getattr(here, name) for name in ends)
