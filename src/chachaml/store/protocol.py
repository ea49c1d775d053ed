"""The seam between chachaml and its backends: one write, a handful of reads.

Promises that the types cannot carry, proved for every backend by `chachaml.testing.StoreContract`:

1. **All or nothing.** `apply` is one transaction. A journal's batch is applied only if it starts
   exactly at that journal's ``applied_to``, which moves to the batch's end in the same
   transaction; otherwise nothing changes and the receipt says where to go on. A command's client
   id is remembered: applied again, it changes nothing and gives the first receipt.
2. **Rules inside.** `chachaml.core.rules` runs within the transaction against current rows, so no
   race and no remote client gets around it. A log record is never refused: what contradicts
   becomes a `Conflicted` in the receipt and on the run. One odd record never blocks a journal.
3. **Order.** Changes of a batch apply in order, batches of one journal in order. Readers see
   whole batches.
4. **Points.** Nothing is dropped or merged. A series reads in the order (step, time, arrival),
   where arrival is the order of the applied batches. NaN, infinities and -0.0 in points
   round-trip bit for bit. Summaries follow `chachaml.core.model.Summary`; they may turn -0.0 to 0.0.
5. **Immutability.** What was read never changes under the reader.
6. **Threads and forks.** A store may be used from any thread. A child process must not use a
   store object that it inherited: opening its own is the caller's duty (`chachaml.live` does).
7. **Durability.** After `apply` a killed process loses nothing. After `sync` neither does a
   power failure; only then may a journal's segment be deleted.
8. **Errors.** Only `chachaml.core.errors` come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from chachaml.core.changes import Batch, PointsLogged, Receipt, SeriesCopied
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
    StoreInfo,
    UsageRow,
    Values,
    VersionRow,
    ViewRow,
    WholeRun,
)
from chachaml.core.query.expressions import Field

__all__ = ["Beating", "Feed", "FeedRow", "Secretive", "Store", "Waiting"]


class FeedRow(msgspec.Struct, frozen=True):
    """One applied batch: which runs it touched."""

    cursor: int
    time: int
    runs: tuple[str, ...]


class Feed(msgspec.Struct, frozen=True):
    """Batches applied since a cursor, oldest first, and the cursor to ask with next."""

    rows: tuple[FeedRow, ...]
    cursor: int


class Store(Protocol):
    """Keeps runs. See the module's docstring for what every backend promises."""

    @property
    def id(self) -> str:
        """The store's id, 32 hex digits, made with it; asking costs nothing."""
        ...

    def apply(self, batch: Batch) -> Receipt:
        """Apply `batch` in one transaction.

        Raises:
            StoreUnavailable: The store could not be written just now; nothing changed.
            StoreDamaged: The store's file is corrupted.
        """
        ...

    def apply_all(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Apply several batches in one transaction, each as `apply` does; return their receipts in order.

        Raises:
            StoreError: As `apply`; none of them changed anything.
        """
        ...

    def applied_to(self, journal: str) -> int:
        """Return the logical offset up to which `journal` is applied; 0 for an unknown one."""
        ...

    def sync(self) -> None:
        """Return once everything applied so far survives a power failure."""
        ...

    def get_run(self, run: str) -> RunRow:
        """Return the run of that whole id, with all that belongs to it but points.

        Raises:
            NotFound: No such run.
        """
        ...

    def bare_runs(self, runs: Sequence[str]) -> dict[str, RunRow]:
        """Return by id those of some runs that there are, without what belongs to them."""
        ...

    def find_runs(self, query: RunQuery) -> Page:
        """Return one page of the runs that match; tags are filled, params and metrics if asked for.

        Raises:
            BadValue: A limit below 1, or a cursor that is not one.
        """
        ...

    def count_runs(self, query: RunQuery) -> int:
        """Return how many runs match, whatever the query's limit."""
        ...

    def columns(self, query: RunQuery) -> Columns:
        """Return all runs that match, in their order, as columns; limit and cursor do not matter."""
        ...

    def values(self, query: RunQuery, fields: Sequence[Field]) -> Values:
        """Return the values of some fields of the runs that match, in their order: of at most ``limit``.

        Params are as they were logged, times in microseconds, durations in seconds; None is for none.
        """
        ...

    def facets(self, query: RunQuery) -> list[Facet]:
        """Return what the runs that match have, of at most ``limit``: by kind, then by key."""
        ...

    def keys(self) -> dict[str, list[str]]:
        """Return the keys that any run has, sorted, under "metric", "param" and "tag"."""
        ...

    def experiments(self) -> list[ExperimentRow]:
        """Return all experiments that were described or have runs, by name."""
        ...

    def history(
        self, run: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[HistoryRow]:
        """Return corrections, newest first: of one run or of all, those numbered below `before`."""
        ...

    def contents(self, runs: Sequence[str]) -> Contents:
        """Return how much the runs of these whole ids hold; unknown ones hold nothing."""
        ...

    def packages(self, digest: str) -> dict[str, str]:
        """Return the versions of packages by name; {} for an unknown digest."""
        ...

    def console(self, run: str, after: int = 0) -> list[ConsoleRow]:
        """Return what a run printed, as it arrived, beyond the row numbered `after`."""
        ...

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
        """
        ...

    def read_outlines(
        self, series: Sequence[tuple[str, str]], window: tuple[int, int] | None = None, stretches: int = 1000
    ) -> list[Series]:
        """Return what a drawing needs of those of some series, given by run and key, that are here.

        Args:
            series: Runs and keys.
            window: Steps from and to, both included; None for all.
            stretches: Where a series has a great many points, no fewer stretches than this, of each of
                which its first, lowest, highest and last point and its first NaN; else all its points.
        """
        ...

    def read_points(self, series: Sequence[tuple[str, str]]) -> list[PointsLogged]:
        """Return all points of those of some series, given by run and key, that are here."""
        ...

    def read_packed(self, series: Sequence[tuple[str, str]]) -> list[SeriesCopied]:
        """Return those of some series, given by run and key, that are here, as they are packed."""
        ...

    def whole_runs(self, runs: Sequence[str]) -> list[WholeRun]:
        """Return the runs of some whole ids, in that order, with all that belongs to them but points."""
        ...

    def models(self) -> list[ModelRow]:
        """Return all models, by name."""
        ...

    def versions(
        self, model: str | None = None, run: str | None = None, number: int | None = None
    ) -> list[VersionRow]:
        """Return versions by model, then ascending: of a model, of what a run logged, of a number, or all."""
        ...

    def moves(self, model: str, version: int | None = None, limit: int = 100) -> list[MoveRow]:
        """Return what was done to a model, or to one version of it, newest first."""
        ...

    def steps(self, run: str) -> list[StepRow]:
        """Return the steps of a pipeline, in their order; none for a run that is no pipeline's."""
        ...

    def step_by_key(self, key: str) -> StepRow | None:
        """Return the step that completed last with this key and whose run is still there; None if none."""
        ...

    def alerts(self) -> list[AlertRow]:
        """Return all alerts, by name."""
        ...

    def events(self, alert: str | None = None, run: str | None = None, limit: int = 100) -> list[EventRow]:
        """Return what was told, newest first: by an alert, of a run, or all."""
        ...

    def due_events(self, now: int, limit: int = 100) -> list[EventRow]:
        """Return events with a delivery that is to be tried, those that wait longest first."""
        ...

    def views(self) -> list[ViewRow]:
        """Return all saved views of pages, by experiment, then by name."""
        ...

    def records(self, kind: str = "", keys: Sequence[str] | None = None) -> list[RecordRow]:
        """Return what adapters keep, by kind and key: all, or of a kind, or what has one of some keys."""
        ...

    def retention(self) -> list[RetentionRow]:
        """Return all rules of retention, by name."""
        ...

    def usage(self) -> list[UsageRow]:
        """Return how much is kept, by experiment, then by user; how many bytes is up to the backend."""
        ...

    def access(self) -> Access:
        """Return who may use a server of this store, and their tokens."""
        ...

    def audit(self, before: int | None = None, limit: int = 100) -> list[AuditRow]:
        """Return what happened about access, newest first: those numbered below `before`."""
        ...

    def digests(self) -> set[str]:
        """Return the digests of all artifacts, and of the versions of models."""
        ...

    def digests_in_use(self, digests: Iterable[str], besides: Sequence[str] = ()) -> set[str]:
        """Return those of `digests` that any version or artifact has, but for those of some runs."""
        ...

    def blobs_of(self, runs: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return by digest how large the artifacts of some runs are, and when each was logged last."""
        ...

    def changes_since(self, cursor: int, limit: int = 1000) -> Feed:
        """Return the batches applied after `cursor` (0 for the beginning), oldest first."""
        ...

    def newest_change(self) -> int:
        """Return the cursor of the newest batch, 0 if there is none."""
        ...

    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""
        ...

    def check(self) -> list[str]:
        """Return what is wrong with the store, in words; empty when all is well."""
        ...

    def close(self) -> None:
        """Release files and connections; closing twice is fine."""
        ...


@runtime_checkable
class Beating(Protocol):
    """A store that hears from processes on other machines that they are alive, though they log nothing."""

    def apply(self, batch: Batch) -> Receipt:
        """See `Store.apply`."""
        ...

    def beat(self, journal: str) -> None:
        """Hear that the process behind a journal is alive."""
        ...

    def silent_owners(self, seconds: float) -> dict[str, int]:
        """Return the journals of processes elsewhere that own running runs and are silent for so long.

        Each with the time when its process was heard last.
        """
        ...


@runtime_checkable
class Secretive(Protocol):
    """A store that keeps a secret for its servers: what one of them signed the others know as theirs."""

    def secret(self) -> str:
        """Return the secret, which no server may give to anybody."""
        ...


@runtime_checkable
class Waiting(Protocol):
    """A store that says when something was written, so that nobody has to ask all the time."""

    def wait(self, timeout: float) -> None:
        """Return once something was written, or after so many seconds; now and then for nothing."""
        ...
