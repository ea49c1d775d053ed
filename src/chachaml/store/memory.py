"""The store in memory: what every other backend must agree with, written to be obviously right."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cmp_to_key, partial

from msgspec.structs import replace

from chachaml.core.changes import (
    AccessChange,
    AlertChange,
    AlertRaised,
    ArtifactLogged,
    Audited,
    Batch,
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
    Receipt,
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
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.ids import new_id, short
from chachaml.core.model import (
    Access,
    AlertRow,
    AuditRow,
    Columns,
    ConsoleRow,
    Contents,
    EventRow,
    ExperimentRow,
    Facet,
    HistoryRow,
    ModelRow,
    MoveRow,
    Page,
    RunQuery,
    RunRow,
    Series,
    StepRow,
    StoreInfo,
    Values,
    VersionRow,
)
from chachaml.core.query.expressions import Field
from chachaml.core.rules import (
    RunChange,
    advance,
    edited,
    is_stub,
    lose_owner,
    may_go,
    may_undo,
    stub,
)
from chachaml.core.upkeep import told
from chachaml.store.by_hand import as_series, in_order, points_of, sample
from chachaml.store.cursors import page_end, parse_page_end
from chachaml.store.memory_access import MemoryAccess
from chachaml.store.memory_alarms import MemoryAlarms
from chachaml.store.memory_copies import MemoryCopies, copy_experiments, copy_history, unpacked
from chachaml.store.memory_registry import MemoryRegistry
from chachaml.store.memory_runs import (
    MemoryRun,
    compare,
    counted,
    dataset_of,
    filled,
    in_their_order,
    keep,
    meets,
    merge,
    now_of,
    position,
    tagged,
    whole,
)
from chachaml.store.memory_tables import columns_of, facets_of, values_of
from chachaml.store.memory_upkeep import MemoryUpkeep
from chachaml.store.protocol import Feed, FeedRow

__all__ = ["MemoryStore"]


_ALL = {"with_values": True, "last_only": False}


class MemoryStore(MemoryCopies, MemoryUpkeep):
    """Keeps runs in plain lists and dicts; see `chachaml.store.protocol` for what it promises.

    Attributes:
        id: The store's id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.id = new_id()
        self._lock = threading.Lock()
        self._runs: dict[str, MemoryRun] = {}
        self._applied: dict[str, int] = {}
        self._receipts: dict[str, Receipt] = {}
        self._feed: list[FeedRow] = []
        self._history: dict[int, HistoryRow] = {}
        self._deleted: set[str] = set()
        self._packages: dict[str, dict[str, str]] = {}
        self._printed = 0
        self._experiments: dict[str, ExperimentRow] = {}
        self._registry = MemoryRegistry()
        self._alarms = MemoryAlarms()
        self._access = MemoryAccess()
        self._kept = {}

    # writing ------------------------------------------------------------------------------------

    def apply(self, batch: Batch) -> Receipt:
        """Apply `batch` in one transaction."""
        with self._lock:
            if batch.command in self._receipts:
                return self._receipts[batch.command]
            journal = batch.journal.id if batch.journal else ""
            applied_to = self._applied.get(journal, 0)
            if journal and batch.start != applied_to:
                return Receipt(False, applied_to, len(self._feed))
            receipt = self._apply(batch, journal)
            if journal:
                self._applied[journal] = batch.end
            if batch.command:
                self._receipts[batch.command] = receipt
            return receipt

    def apply_all(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Apply several batches, each as `apply` does; return their receipts in order."""
        return [self.apply(batch) for batch in batches]

    def _apply(self, batch: Batch, journal: str) -> Receipt:
        touched: dict[str, None] = {}
        conflicts: list[Conflicted] = []
        for change in batch.changes:
            runs, contradicted = self._change(change, journal)
            touched.update(dict.fromkeys(runs))
            conflicts += contradicted
        cursor = len(self._feed) + 1
        self._feed.append(FeedRow(cursor, time.time_ns() // 1000, tuple(touched)))
        return Receipt(True, batch.end if journal else 0, cursor, tuple(conflicts))

    def _change(self, change: Change, journal: str) -> tuple[Iterable[str], list[Conflicted]]:
        """Apply one change; return the runs that it touched, and what it contradicted."""
        match change:
            case OwnerLost():
                return self._lose(change), []
            case ExperimentDescribed():
                self._describe(change)
                return [], []
            case PackagesSeen():
                self._packages.setdefault(change.digest, change.packages)
                return [], []
            case RunEdited() | RunDeleted():
                what = self._correct(change)
                return ([], [Conflicted(change.run, what)]) if what else ([change.run], [])
            case RegistryChange():
                return [], self._register(change)
            case ViewChange():
                self._change_view(change)
                return [], []
            case RecordKept():
                self._keep_record(change)
                return [], []
            case UpkeepChange():
                why = self._keep_up(change)
                if not why and (noted := told(change)):
                    self._access.apply(Audited(*noted))
                return [], [Conflicted("", why)] if why else []
            case AccessChange():
                why = self._access.apply(change)
                return [], [Conflicted("", why)] if why else []
            case AlertChange():
                why = self._alarms.apply(change)
                return [], [Conflicted(getattr(change, "run", ""), why)] if why else []
            case RowsCopied():
                return [], [Conflicted(run, why) for run, why in self._copy(change) if why]
            case _ if change.run in self._deleted:
                return [], [Conflicted(change.run, "the run was deleted")]
            case _:
                return self._take(change, journal)

    def _take(self, change: RunChange, journal: str) -> tuple[Iterable[str], list[Conflicted]]:
        """Take what was logged to a run."""
        run = self._runs.setdefault(change.run, MemoryRun(stub(change.run, time_of(change))))
        starts = is_stub(run.row)
        run.row, what = advance(run.row, change, journal)
        whats = [what] if what else []
        if journal:
            run.journals.add(journal)
        match change:
            case RunStarted() if starts:
                # Whatever was set before the start arrived was set after the run had started.
                run.tags = {**change.tags, **run.tags}
            case TagsSet():
                run.tags.update(change.tags)
            case TagsRemoved():
                for key in change.keys:
                    run.tags.pop(key, None)
            case ParamsLogged():
                whats += merge(run.params, change.params)
            case PointsLogged() if len(change):
                points = run.points.setdefault(change.key, [])
                points += points_of(change.numbered(max((step for step, _, _ in points), default=-1)))
            case ArtifactLogged():
                whats += keep(run.artifacts, change)
            case DatasetLogged():
                run.datasets.append(dataset_of(change))
            case StepLogged():
                about = (change.needs, change.step_run, change.started, change.ended, change.attempts)
                step = StepRow(change.step, change.order, change.status, *about, change.key)
                run.steps[change.step] = step
            case AlertRaised():
                self._alarms.raise_alert(change)
            case EnvironmentCaptured():
                shared = self._runs.get(change.like)
                run.environment = {**(shared.environment if shared else run.environment), **change.facts}
            case ConsoleWritten():
                self._printed += 1
                row = ConsoleRow(self._printed, change.time, change.stream, change.line, change.text)
                run.console.append(row)
            case SeriesCopied() if change.key in run.points:
                whats.append(f"metric {change.key!r} is here already")
            case SeriesCopied():
                run.points[change.key] = unpacked(change)
            case RunCopied():
                run.conflicts += [one for one in change.row.conflicts if one not in run.conflicts]
        contradicted = [Conflicted(change.run, what) for what in whats]
        run.conflicts += contradicted
        return [change.run], contradicted

    def _copy(self, change: RowsCopied) -> Iterator[tuple[str, str]]:
        """Keep rows of another store; yield why some were not kept ('' for those that were)."""
        copy_experiments(self._experiments, change.experiments)
        yield from copy_history(self._history, change.history)
        here = {row.run for row in self._history.values() if row.aspect == "deleted"}
        self._deleted |= here - self._runs.keys()
        yield from self._registry.copy(change)
        yield from self._alarms.copy(change)
        self._access.copy(change)

    def _describe(self, change: ExperimentDescribed) -> None:
        blank = ExperimentRow(change.name, "", "", change.time)
        about = self._experiments.setdefault(change.name, blank)
        said = {"description": change.description, "owner": change.owner}
        said = {name: text for name, text in said.items() if text is not None}
        self._experiments[change.name] = replace(about, **said)

    def _register(self, change: RegistryChange) -> list[Conflicted]:
        run = getattr(change, "run", "")
        why = self._registry.apply(change, self._runs[run].artifacts if run in self._runs else {})
        return [Conflicted(run, why)] if why else []

    def _correct(self, change: RunEdited | RunDeleted) -> str:
        """Make a person's correction; return why not ('' if it was made)."""
        run = self._runs.get(change.run)
        if run is None:
            return "there is no such run"
        goes = isinstance(change, RunDeleted) or (change.aspect == "archived" and change.value is not None)
        if goes and (why := may_go(run.row)):
            return why
        if isinstance(change, RunEdited):
            return self._edit(run, change)
        self._add_history(change, run.row.name, None)
        self._deleted.add(change.run)
        del self._runs[change.run]
        return ""

    def _edit(self, run: MemoryRun, change: RunEdited) -> str:
        now = now_of(run, change)
        if change.undoes:
            if why := may_undo(self._history.get(change.undoes), change, now):
                return why
        elif now == change.value:
            return ""
        if change.aspect == "metric":
            return self._edit_metric(run, now, change)
        if change.aspect == "param" and change.value is None:
            run.params.pop(change.key, None)
        elif change.aspect == "param":
            run.params[change.key] = change.value or ""
        run.row = edited(run.row, change)
        self._add_history(change, now, change.value)
        return ""

    def _edit_metric(self, run: MemoryRun, now: str | None, change: RunEdited) -> str:
        if change.value is None:
            no = self._add_history(change, now, None)
            run.aside[no] = run.points.pop(change.key)
            return ""
        points = run.aside.get(int(change.value))
        if points is None or now is not None:
            return f"metric {change.key!r} was logged again, or its points are gone"
        run.points[change.key] = run.aside.pop(int(change.value))
        self._add_history(change, None, str(len(points)))
        return ""

    def _add_history(self, change: RunEdited | RunDeleted, before: str | None, after: str | None) -> int:
        no = max(self._history, default=0) + 1
        aspect, key = ("deleted", "") if isinstance(change, RunDeleted) else (change.aspect, change.key)
        about = (no, change.time, change.by, change.run, aspect, key, before, after)
        self._history[no] = HistoryRow(*about)
        if isinstance(change, RunEdited) and change.undoes:
            self._history[change.undoes] = replace(self._history[change.undoes], undone=no)
        return no

    def _lose(self, change: OwnerLost) -> list[str]:
        crashed = []
        for name, run in self._runs.items():
            row = lose_owner(run.row, change, joined=change.journal in run.journals)
            if row != run.row:
                run.row = row
                crashed.append(name)
        return crashed

    def applied_to(self, journal: str) -> int:
        """Return the logical offset up to which `journal` is applied; 0 for an unknown one."""
        with self._lock:
            return self._applied.get(journal, 0)

    def sync(self) -> None:
        """Return at once: memory survives no power failure, so nothing more can be done."""

    def close(self) -> None:
        """Release nothing."""

    # reading ------------------------------------------------------------------------------------

    def get_run(self, run: str) -> RunRow:
        """Return the run of that whole id, with all that belongs to it but points.

        Raises:
            NotFound: No such run.
        """
        with self._lock:
            return whole(self._find(run)).row

    def bare_runs(self, runs: Sequence[str]) -> dict[str, RunRow]:
        """Return by id those of some runs that there are, without what belongs to them."""
        with self._lock:
            return {run: self._runs[run].row for run in runs if run in self._runs}

    def find_runs(self, query: RunQuery) -> Page:
        """Return one page of the runs that match.

        Raises:
            BadValue: A limit below 1, or a cursor that is not one.
        """
        if query.limit < 1 or query.offset < 0:
            raise BadValue(f"limit must be 1 or more, not {query.limit}; offset 0 or more")
        behind = parse_page_end(query.cursor, len(query.order)) if query.cursor else None
        with self._lock:
            found = [(position(run, query.order), run) for run in self._runs.values() if meets(run, query)]
            precedes = cmp_to_key(partial(compare, query.order))
            found.sort(key=lambda pair: precedes(pair[0]))
            if behind is not None:
                found = [pair for pair in found if compare(query.order, pair[0], behind) > 0]
            page = found[query.offset : query.offset + query.limit]
            rows = tuple(
                filled(run, query.keys, last_only=query.last_only) if query.with_values else tagged(run)
                for _, run in page
            )
        return Page(rows, page_end(page[-1][0]) if len(found) > len(page) and not query.offset else "")

    def count_runs(self, query: RunQuery) -> int:
        """Return how many runs match, whatever the query's limit."""
        with self._lock:
            return sum(meets(run, query) for run in self._runs.values())

    def columns(self, query: RunQuery) -> Columns:
        """Return all runs that match, in their order, as columns; limit and cursor do not matter."""
        return columns_of(self.find_runs(replace(query, limit=1 << 62, cursor="", **_ALL)).runs)

    def values(self, query: RunQuery, fields: Sequence[Field]) -> Values:
        """Return the values of some fields of the runs that match, in their order."""
        rows = self.find_runs(replace(query, keys=None, **_ALL)).runs
        return values_of([(row, self._runs[row.id].datasets) for row in rows], fields)

    def facets(self, query: RunQuery) -> list[Facet]:
        """Return what the runs that match have, by kind, then by key."""
        return facets_of(self.find_runs(replace(query, keys=None, **_ALL)).runs)

    def keys(self) -> dict[str, list[str]]:
        """Return the keys that any run has, sorted, under "metric", "param" and "tag"."""
        with self._lock:
            runs = self._runs.values()
            found = {
                "metric": {key for run in runs for key in run.points},
                "param": {key for run in runs for key in run.params},
                "tag": {key for run in runs for key in run.tags},
            }
        return {kind: sorted(names) for kind, names in found.items()}

    def experiments(self) -> list[ExperimentRow]:
        """Return all experiments that were described or have runs, by name."""
        with self._lock:
            found = dict(self._experiments)
            for row in sorted((run.row for run in self._runs.values()), key=lambda row: row.started):
                if row.experiment:
                    about = found.get(row.experiment) or ExperimentRow(row.experiment, "", "", row.started)
                    found[row.experiment] = counted(about, row)
        return [found[name] for name in sorted(found)]

    def history(
        self, run: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[HistoryRow]:
        """Return corrections, newest first: of one run or of all, those numbered below `before`."""
        with self._lock:
            wanted = [
                row
                for no, row in sorted(self._history.items(), reverse=True)
                if run in (None, row.run) and (before is None or no < before)
            ]
        return wanted[:limit]

    def contents(self, runs: Sequence[str]) -> Contents:
        """Return how much the runs of these whole ids hold; unknown ones hold nothing."""
        with self._lock:
            found = [self._runs[run] for run in set(runs) if run in self._runs]
        artifacts = [artifact for run in found for artifact in run.artifacts.values()]
        return Contents(
            runs=len(found),
            params=sum(len(run.params) for run in found),
            metrics=sum(len(run.points) for run in found),
            points=sum(len(points) for run in found for points in run.points.values()),
            artifacts=len(artifacts),
            bytes=sum({artifact.digest: artifact.size for artifact in artifacts}.values()),
        )

    def packages(self, digest: str) -> dict[str, str]:
        """Return the versions of packages by name; {} for an unknown digest."""
        with self._lock:
            return dict(self._packages.get(digest, {}))

    def console(self, run: str, after: int = 0) -> list[ConsoleRow]:
        """Return what a run printed, as it arrived, beyond the row numbered `after`."""
        with self._lock:
            found = self._runs[run].console if run in self._runs else []
            return [row for row in found if row.no > after]

    def read_series(
        self, run: str, key: str, window: tuple[int, int] | None = None, max_points: int | None = None
    ) -> Series:
        """Return the points of one metric.

        Args:
            run: Whole id.
            key: The metric's key.
            window: Steps from and to, both included; None for all.
            max_points: At most that many points (at least 5), picked so that extremes stay; None for all.

        Raises:
            NotFound: No such run, or it has no such metric.
            BadValue: `max_points` below 5.
        """
        if max_points is not None and max_points < 5:
            raise BadValue(f"max_points must be 5 or more, not {max_points}")
        with self._lock:
            arrived = self._find(run).points.get(key)
            if arrived is None:
                raise NotFound(f"run {short(run)} has no metric {key!r}")
            points = in_order(arrived)
        if window is not None:
            points = [point for point in points if window[0] <= point[0] <= window[1]]
        kept = points if max_points is None or len(points) <= max_points else sample(points, max_points)
        return as_series(run, key, kept, len(points))

    def models(self) -> list[ModelRow]:
        """Return all models, by name."""
        with self._lock:
            return self._registry.models()

    def versions(
        self, model: str | None = None, run: str | None = None, number: int | None = None
    ) -> list[VersionRow]:
        """Return versions by model, then ascending: of a model, of what a run logged, of a number, or all."""
        with self._lock:
            return self._registry.versions(model, run, number)

    def moves(self, model: str, version: int | None = None, limit: int = 100) -> list[MoveRow]:
        """Return what was done to a model, or to one version of it, newest first."""
        with self._lock:
            return self._registry.moves(model, version, limit)

    def steps(self, run: str) -> list[StepRow]:
        """Return the steps of a pipeline, in their order; none for a run that is no pipeline's."""
        with self._lock:
            return in_their_order(self._runs[run].steps) if run in self._runs else []

    def step_by_key(self, key: str) -> StepRow | None:
        """Return the step that completed last with this key and whose run is still there; None if none."""
        with self._lock:
            fitting = [
                row
                for run in self._runs.values()
                for row in run.steps.values()
                if key and row.key == key and row.status == "completed" and row.step_run in self._runs
            ]
        return max(fitting, key=lambda row: (row.ended or 0, row.step_run), default=None)

    def alerts(self) -> list[AlertRow]:
        """Return all alerts, by name."""
        with self._lock:
            return self._alarms.alerts()

    def events(self, alert: str | None = None, run: str | None = None, limit: int = 100) -> list[EventRow]:
        """Return what was told, newest first: by an alert, of a run, or all."""
        with self._lock:
            return self._alarms.events(alert, run, limit)

    def due_events(self, now: int, limit: int = 100) -> list[EventRow]:
        """Return events with a delivery that is to be tried, those that wait longest first."""
        with self._lock:
            return self._alarms.due_events(now, limit)

    def access(self) -> Access:
        """Return who may use a server of this store, and their tokens."""
        with self._lock:
            return self._access.access()

    def audit(self, before: int | None = None, limit: int = 100) -> list[AuditRow]:
        """Return what happened about access, newest first: those numbered below `before`."""
        with self._lock:
            return self._access.audit(before, limit)

    def digests(self) -> set[str]:
        """Return the digests of all artifacts, and of the versions of models."""
        with self._lock:
            logged = {one.digest for run in self._runs.values() for one in run.artifacts.values()}
            return logged | self._registry.digests()

    def digests_in_use(self, digests: Iterable[str], besides: Sequence[str] = ()) -> set[str]:
        """Return those of `digests` that any version or artifact has, but for those of some runs."""
        with self._lock:
            others = [run for name, run in self._runs.items() if name not in set(besides)]
            used = {one.digest for run in others for one in run.artifacts.values()}
            used |= self._registry.digests()
        return used.intersection(digests)

    def blobs_of(self, runs: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return by digest how large the artifacts of some runs are, and when each was logged last."""
        with self._lock:
            found = [one for run in runs if run in self._runs for one in self._runs[run].artifacts.values()]
        found.sort(key=lambda artifact: artifact.logged)
        return {artifact.digest: (artifact.size, artifact.logged) for artifact in found}

    def changes_since(self, cursor: int, limit: int = 1000) -> Feed:
        """Return the batches applied after `cursor` (0 for the beginning), oldest first."""
        with self._lock:
            rows = tuple(self._feed[cursor : cursor + limit])
        return Feed(rows, rows[-1].cursor if rows else cursor)

    def newest_change(self) -> int:
        """Return the cursor of the newest batch, 0 if there is none."""
        with self._lock:
            return len(self._feed)

    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""
        with self._lock:
            points = sum(len(series) for run in self._runs.values() for series in run.points.values())
            return StoreInfo(self.id, "memory", ":memory:", 1, len(self._runs), points)

    def check(self) -> list[str]:
        """Return no findings: there are no files to be damaged."""
        return []

    def _find(self, run: str) -> MemoryRun:
        if run not in self._runs:
            raise NotFound(f"there is no run {run!r} in this store")
        return self._runs[run]
