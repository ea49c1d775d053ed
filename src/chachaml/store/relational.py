"""A store in a relational database: how the calls of the protocol become statements within transactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chachaml.core.changes import Batch, PointsLogged, Receipt, SeriesCopied
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.ids import is_remote, short
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
    RecordRow,
    RetentionRow,
    RunQuery,
    RunRow,
    Series,
    StepRow,
    UsageRow,
    Values,
    VersionRow,
    ViewRow,
    WholeRun,
)
from chachaml.core.query.expressions import Field
from chachaml.store import artifacts, captured, corrections, reads, registered
from chachaml.store.batches import apply_all
from chachaml.store.engine import Database, Db
from chachaml.store.protocol import Feed
from chachaml.store.writes import Names

__all__ = ["RelationalStore"]


class RelationalStore:
    """Keeps runs in a database; see `chachaml.store.protocol` for what it promises.

    Args:
        database: The database.
        store: The store's id.

    Attributes:
        id: The store's id.
    """

    def __init__(self, database: Database, store: str) -> None:
        self._database, self.id = database, store
        self._names = Names()

    # writing --------------------------------------------------------------------------------------

    def apply(self, batch: Batch) -> Receipt:
        """Apply `batch` in one transaction.

        Raises:
            StoreUnavailable: The store could not be written just now; nothing changed.
            StoreDamaged: The store's file is corrupted.
        """
        (receipt,) = self.apply_all([batch])
        return receipt

    def apply_all(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Apply several batches in one transaction, each as `apply` does; return their receipts in order.

        Raises:
            StoreError: As `apply`; none of them changed anything.
        """
        return self._database.writing(
            lambda db: apply_all(db, self._names, batches, self._database.now(db)),
            undone=self._names.forget,
            again=all(batch.journal or batch.command for batch in batches),
        )

    def beat(self, journal: str) -> None:
        """Hear that the process behind a journal is alive."""

        def hear(db: Db) -> None:
            db.execute("UPDATE journals SET drained_at = ? WHERE id = ?", (self._database.now(db), journal))

        self._database.writing(hear, undone=lambda: None, again=True)

    def silent_owners(self, seconds: float) -> dict[str, int]:
        """Return the journals of processes elsewhere that own running runs and are silent for so long.

        Each with the time when its process was heard last.
        """
        query = """SELECT DISTINCT journals.id, drained_at FROM journals JOIN runs ON runs.owner = journals.no
            WHERE runs.status = 'running' AND drained_at < ?"""
        with self._database.reading() as db:
            heard = self._database.now(db) - round(seconds * 1e6)
            return {journal: at for journal, at in db.execute(query, (heard,)) if is_remote(journal)}

    def secret(self) -> str:
        """Return what the servers of this store sign with, which they may give to nobody."""
        with self._database.reading() as db:
            return str(db.execute("SELECT secret FROM store").get)

    def applied_to(self, journal: str) -> int:
        """Return the logical offset up to which `journal` is applied; 0 for an unknown one."""
        with self._database.reading() as db:
            return db.execute("SELECT applied_to FROM journals WHERE id = ?", (journal,)).get or 0

    def sync(self) -> None:
        """Return once everything applied so far survives a power failure."""
        self._database.sync()

    def close(self) -> None:
        """Release the file; closing twice is fine."""
        self._database.close()

    # reading --------------------------------------------------------------------------------------

    def get_run(self, run: str) -> RunRow:
        """Return the run of that whole id, with all that belongs to it but points.

        Raises:
            NotFound: No such run.
        """
        with self._database.reading() as db:
            return reads.get_run(db, run)

    def bare_runs(self, runs: Sequence[str]) -> dict[str, RunRow]:
        """Return by id those of some runs that there are, without what belongs to them."""
        with self._database.reading() as db:
            return reads.bare_runs(db, runs)

    def find_runs(self, query: RunQuery) -> Page:
        """Return one page of the runs that match; tags are filled, params and metrics if asked for.

        Raises:
            BadValue: A limit below 1, or a cursor that is not one.
        """
        from chachaml.store import paging  # not needed to log

        with self._database.reading() as db:
            return paging.find_runs(db, query)

    def count_runs(self, query: RunQuery) -> int:
        """Return how many runs match, whatever the query's limit."""
        from chachaml.store import paging

        with self._database.reading() as db:
            return paging.count_runs(db, query)

    def columns(self, query: RunQuery) -> Columns:
        """Return all runs that match, in their order, as columns; limit and cursor do not matter."""
        from chachaml.store.columns import columns

        with self._database.reading() as db:
            return columns(db, query)

    def values(self, query: RunQuery, fields: Sequence[Field]) -> Values:
        """Return the values of some fields of the runs that match, in their order."""
        from chachaml.store.values import values

        with self._database.reading() as db:
            return values(db, query, fields)

    def facets(self, query: RunQuery) -> list[Facet]:
        """Return what the runs that match have, by kind, then by key."""
        from chachaml.store.values import facets

        with self._database.reading() as db:
            return facets(db, query)

    def keys(self) -> dict[str, list[str]]:
        """Return the keys that any run has, sorted, under "metric", "param" and "tag"."""
        with self._database.reading() as db:
            return reads.keys(db)

    def experiments(self) -> list[ExperimentRow]:
        """Return all experiments that were described or have runs, by name."""
        with self._database.reading() as db:
            return corrections.experiments(db)

    def history(
        self, run: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[HistoryRow]:
        """Return corrections, newest first: of one run or of all, those numbered below `before`."""
        with self._database.reading() as db:
            return corrections.history(db, run, before, limit)

    def contents(self, runs: Sequence[str]) -> Contents:
        """Return how much the runs of these whole ids hold; unknown ones hold nothing."""
        with self._database.reading() as db:
            return corrections.contents(db, runs)

    def packages(self, digest: str) -> dict[str, str]:
        """Return the versions of packages by name; {} for an unknown digest."""
        with self._database.reading() as db:
            return captured.packages_of(db, digest)

    def console(self, run: str, after: int = 0) -> list[ConsoleRow]:
        """Return what a run printed, as it arrived, beyond the row numbered `after`."""
        with self._database.reading() as db:
            return captured.console_of(db, run, after)

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
        from chachaml.store import chunks

        if max_points is not None and max_points < 5:
            raise BadValue(f"max_points must be 5 or more, not {max_points}")
        with self._database.reading() as db:
            run_no, key_no = reads.numbers(db, run, key)
            query = "SELECT tail FROM series WHERE run = ? AND key = ?"
            tail = db.execute(query, (run_no, key_no)).get
            if tail is None:
                raise NotFound(f"run {short(run)} has no metric {key!r}")
            points, total = chunks.read(db, run_no, key_no or 0, tail, window, max_points)
        return Series(
            run=run,
            key=key,
            steps=points.steps,
            times=points.times,
            values=points.values,
            total=total,
            sampled=len(points) < total,
        )

    def read_outlines(
        self, series: Sequence[tuple[str, str]], window: tuple[int, int] | None = None, stretches: int = 1000
    ) -> list[Series]:
        """Return what a drawing needs of those of some series, given by run and key, that are here."""
        from chachaml.store import chunks

        with self._database.reading() as db:
            return list(chunks.outlines(db, series, window, stretches))

    def read_points(self, series: Sequence[tuple[str, str]]) -> list[PointsLogged]:
        """Return all points of those of some series, given by run and key, that are here."""
        from chachaml.store import chunks

        with self._database.reading() as db:
            return list(chunks.read_all(db, series))

    def read_packed(self, series: Sequence[tuple[str, str]]) -> list[SeriesCopied]:
        """Return those of some series, given by run and key, that are here, as they are packed."""
        from chachaml.store import chunks

        with self._database.reading() as db:
            return list(chunks.read_packed(db, series))

    def whole_runs(self, runs: Sequence[str]) -> list[WholeRun]:
        """Return the runs of some whole ids, in that order, with all that belongs to them but points."""
        from chachaml.store.whole import whole_runs

        with self._database.reading() as db:
            return whole_runs(db, runs)

    def models(self) -> list[ModelRow]:
        """Return all models, by name."""
        with self._database.reading() as db:
            return registered.models(db)

    def versions(
        self, model: str | None = None, run: str | None = None, number: int | None = None
    ) -> list[VersionRow]:
        """Return versions by model, then ascending: of a model, of what a run logged, of a number, or all."""
        with self._database.reading() as db:
            return registered.versions(db, model, run, number)

    def moves(self, model: str, version: int | None = None, limit: int = 100) -> list[MoveRow]:
        """Return what was done to a model, or to one version of it, newest first."""
        with self._database.reading() as db:
            return registered.moves(db, model, version, limit)

    def steps(self, run: str) -> list[StepRow]:
        """Return the steps of a pipeline, in their order; none for a run that is no pipeline's."""
        from chachaml.store import steps

        with self._database.reading() as db:
            return steps.steps(db, run)

    def step_by_key(self, key: str) -> StepRow | None:
        """Return the step that completed last with this key and whose run is still there; None if none."""
        from chachaml.store import steps

        with self._database.reading() as db:
            return steps.step_by_key(db, key)

    def alerts(self) -> list[AlertRow]:
        """Return all alerts, by name."""
        from chachaml.store import alarms

        with self._database.reading() as db:
            return alarms.alerts(db)

    def events(self, alert: str | None = None, run: str | None = None, limit: int = 100) -> list[EventRow]:
        """Return what was told, newest first: by an alert, of a run, or all."""
        from chachaml.store import alarms

        with self._database.reading() as db:
            return alarms.events(db, alert, run, limit)

    def due_events(self, now: int, limit: int = 100) -> list[EventRow]:
        """Return events with a delivery that is to be tried, those that wait longest first."""
        from chachaml.store import alarms

        with self._database.reading() as db:
            return alarms.due_events(db, now, limit)

    def views(self) -> list[ViewRow]:
        """Return all saved views, by experiment, then by name."""
        from chachaml.store import views

        with self._database.reading() as db:
            return views.views(db)

    def records(self, kind: str = "", keys: Sequence[str] | None = None) -> list[RecordRow]:
        """Return what adapters keep, by kind and key: all, or of a kind, or what has one of some keys."""
        from chachaml.store import records

        with self._database.reading() as db:
            return records.records(db, kind, keys)

    def retention(self) -> list[RetentionRow]:
        """Return all rules of retention, by name."""
        from chachaml.store import upkeep

        with self._database.reading() as db:
            return upkeep.retention(db)

    def usage(self) -> list[UsageRow]:
        """Return how much is kept, by experiment, then by user."""
        from chachaml.store import upkeep

        with self._database.reading() as db:
            return upkeep.usage(db)

    def access(self) -> Access:
        """Return who may use a server of this store, and their tokens."""
        from chachaml.store import access

        with self._database.reading() as db:
            return access.access(db)

    def audit(self, before: int | None = None, limit: int = 100) -> list[AuditRow]:
        """Return what happened about access, newest first: those numbered below `before`."""
        from chachaml.store import access

        with self._database.reading() as db:
            return access.audit(db, before, limit)

    def digests(self) -> set[str]:
        """Return the digests of all artifacts, and of the versions of models."""
        with self._database.reading() as db:
            query = "SELECT digest FROM artifacts UNION SELECT digest FROM versions"
            return {digest for (digest,) in db.execute(query)}

    def digests_in_use(self, digests: Iterable[str], besides: Sequence[str] = ()) -> set[str]:
        """Return those of `digests` that any version or artifact has, but for those of some runs."""
        with self._database.reading() as db:
            return artifacts.digests_in_use(db, digests, besides)

    def blobs_of(self, runs: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return by digest how large the artifacts of some runs are, and when each was logged last."""
        with self._database.reading() as db:
            return artifacts.blobs_of(db, runs)

    def changes_since(self, cursor: int, limit: int = 1000) -> Feed:
        """Return the batches applied after `cursor` (0 for the beginning), oldest first."""
        with self._database.reading() as db:
            return reads.changes_since(db, cursor, limit)

    def newest_change(self) -> int:
        """Return the cursor of the newest batch, 0 if there is none."""
        with self._database.reading() as db:
            newest: int = db.execute("SELECT coalesce(max(cursor), 0) FROM feed").get
        return newest

    def _counts(self, db: Db) -> tuple[int, int]:
        """Return how many runs and points there are."""
        runs, points = db.execute("SELECT (SELECT count(*) FROM runs), points FROM store").fetchone()
        return runs, points
