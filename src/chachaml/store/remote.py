"""The store behind a server: every call of the protocol goes over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from chachaml.core.changes import Batch, PointsLogged, Receipt, SeriesCopied
from chachaml.core.errors import StoreUnavailable
from chachaml.core.ids import is_id
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
from chachaml.store import wire
from chachaml.store.line import Line
from chachaml.store.protocol import Feed

__all__ = ["RemoteStore", "open_remote"]


class Hello(msgspec.Struct):
    """What a server says of its store."""

    id: str
    version: str = ""
    user: str = ""


def open_remote(url: str, token: str | Callable[[], str] = "") -> RemoteStore:
    """Return the store that the server at `url` keeps.

    Args:
        url: The server's address.
        token: What to show it, or what tells that; '' for nothing.

    Raises:
        StoreUnavailable: The server cannot be reached, or is something else.
        NotSignedIn: The server wants another token.
    """
    line = Line(url, token if callable(token) else lambda: token)
    try:
        hello = wire.unpack(line.ask("GET", "/api/store"), Hello)
        if not is_id(hello.id):
            raise StoreUnavailable(f"{url} is no chachaml server")
    except BaseException:
        line.close()
        raise
    return RemoteStore(line, hello.id, hello.user)


class RemoteStore:
    """Keeps runs with a server; see `chachaml.store.protocol` for what it promises.

    Attributes:
        id: The id of the server's store.
        line: The line to the server.
        user: The account to which it attributes what is done, '' where it has no accounts.
    """

    def __init__(self, line: Line, store: str, user: str = "") -> None:
        self.line, self.id, self.user = line, store, user

    def __repr__(self) -> str:
        return f"<chachaml store of {self.line.url!r}>"

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        call = wire.call(name)
        return call.unpack_result(
            self.line.ask("POST", f"/api/store/{name}", call.pack_arguments(args, kwargs))
        )

    # writing --------------------------------------------------------------------------------------

    def apply(self, batch: Batch) -> Receipt:
        """Apply `batch` in one transaction of the server's."""
        return cast(Receipt, self._call("apply", batch))

    def apply_all(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Apply several batches in one transaction of the server's."""
        return cast("list[Receipt]", self._call("apply_all", list(batches)))

    def applied_to(self, journal: str) -> int:
        """Return the logical offset up to which `journal` is applied; 0 for an unknown one."""
        return cast(int, self._call("applied_to", journal))

    def sync(self) -> None:
        """Return once everything applied so far survives a power failure of the server's machine."""
        self.line.ask("POST", "/api/store/sync", b"")

    def beat(self, journal: str) -> None:
        """Tell the server that the process behind a journal is alive, though it logs nothing."""
        self.line.ask("POST", f"/api/store/beat/{journal}", b"")

    def close(self) -> None:
        """Let go of the connections; closing twice is fine."""
        self.line.close()

    # reading --------------------------------------------------------------------------------------

    def get_run(self, run: str) -> RunRow:
        """Return the run of that whole id, with all that belongs to it but points."""
        return cast(RunRow, self._call("get_run", run))

    def bare_runs(self, runs: Sequence[str]) -> dict[str, RunRow]:
        """Return by id those of some runs that there are, without what belongs to them."""
        return cast("dict[str, RunRow]", self._call("bare_runs", runs))

    def find_runs(self, query: RunQuery) -> Page:
        """Return one page of the runs that match; tags are filled, params and metrics if asked for."""
        return cast(Page, self._call("find_runs", query))

    def count_runs(self, query: RunQuery) -> int:
        """Return how many runs match, whatever the query's limit."""
        return cast(int, self._call("count_runs", query))

    def columns(self, query: RunQuery) -> Columns:
        """Return all runs that match, in their order, as columns; limit and cursor do not matter."""
        return cast(Columns, self._call("columns", query))

    def sql(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] = (), *, most: int
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return columns and rows of one SELECT; see `chachaml.store.sqlite.SQLiteStore.sql`."""
        asked = wire.pack({"query": query, "values": values, "most": most})
        kind = tuple[list[str], list[tuple[Any, ...]]]
        return cast(kind, wire.unpack(self.line.ask("POST", "/api/store/sql", asked), kind))

    def values(self, query: RunQuery, fields: Sequence[Field]) -> Values:
        """Return the values of some fields of the runs that match, in their order."""
        return cast(Values, self._call("values", query, fields))

    def facets(self, query: RunQuery) -> list[Facet]:
        """Return what the runs that match have, by kind, then by key."""
        return cast("list[Facet]", self._call("facets", query))

    def keys(self) -> dict[str, list[str]]:
        """Return the keys that any run has, sorted, under "metric", "param" and "tag"."""
        return cast("dict[str, list[str]]", self._call("keys"))

    def experiments(self) -> list[ExperimentRow]:
        """Return all experiments that were described or have runs, by name."""
        return cast("list[ExperimentRow]", self._call("experiments"))

    def history(
        self, run: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[HistoryRow]:
        """Return corrections, newest first: of one run or of all, those numbered below `before`."""
        return cast("list[HistoryRow]", self._call("history", run, before=before, limit=limit))

    def contents(self, runs: Sequence[str]) -> Contents:
        """Return how much the runs of these whole ids hold; unknown ones hold nothing."""
        return cast(Contents, self._call("contents", runs))

    def packages(self, digest: str) -> dict[str, str]:
        """Return the versions of packages by name; {} for an unknown digest."""
        return cast("dict[str, str]", self._call("packages", digest))

    def console(self, run: str, after: int = 0) -> list[ConsoleRow]:
        """Return what a run printed, as it arrived, beyond the row numbered `after`."""
        return cast("list[ConsoleRow]", self._call("console", run, after))

    def read_series(
        self, run: str, key: str, window: tuple[int, int] | None = None, max_points: int | None = None
    ) -> Series:
        """Return the points of one metric."""
        return cast("Series", self._call("read_series", run, key, window, max_points))

    def read_outlines(
        self, series: Sequence[tuple[str, str]], window: tuple[int, int] | None = None, stretches: int = 1000
    ) -> list[Series]:
        """Return what a drawing needs of those of some series, given by run and key, that are here."""
        return cast("list[Series]", self._call("read_outlines", series, window, stretches))

    def read_points(self, series: Sequence[tuple[str, str]]) -> list[PointsLogged]:
        """Return all points of those of some series, given by run and key, that are here."""
        return cast("list[PointsLogged]", self._call("read_points", series))

    def read_packed(self, series: Sequence[tuple[str, str]]) -> list[SeriesCopied]:
        """Return those of some series, given by run and key, that are here, as they are packed."""
        return cast("list[SeriesCopied]", self._call("read_packed", series))

    def whole_runs(self, runs: Sequence[str]) -> list[WholeRun]:
        """Return the runs of some whole ids, in that order, with all that belongs to them but points."""
        return cast("list[WholeRun]", self._call("whole_runs", runs))

    def models(self) -> list[ModelRow]:
        """Return all models, by name."""
        return cast("list[ModelRow]", self._call("models"))

    def versions(
        self, model: str | None = None, run: str | None = None, number: int | None = None
    ) -> list[VersionRow]:
        """Return versions by model, then ascending: of a model, of what a run logged, of a number, or all."""
        return cast("list[VersionRow]", self._call("versions", model, run, number))

    def moves(self, model: str, version: int | None = None, limit: int = 100) -> list[MoveRow]:
        """Return what was done to a model, or to one version of it, newest first."""
        return cast("list[MoveRow]", self._call("moves", model, version, limit))

    def steps(self, run: str) -> list[StepRow]:
        """Return the steps of a pipeline, in their order; none for a run that is no pipeline's."""
        return cast("list[StepRow]", self._call("steps", run))

    def step_by_key(self, key: str) -> StepRow | None:
        """Return the step that completed last with this key and whose run is still there; None if none."""
        return cast("StepRow | None", self._call("step_by_key", key))

    def alerts(self) -> list[AlertRow]:
        """Return all alerts, by name; secrets are hidden from all but those who may set them."""
        return cast("list[AlertRow]", self._call("alerts"))

    def events(self, alert: str | None = None, run: str | None = None, limit: int = 100) -> list[EventRow]:
        """Return what was told, newest first: by an alert, of a run, or all."""
        return cast("list[EventRow]", self._call("events", alert, run, limit))

    def due_events(self, now: int, limit: int = 100) -> list[EventRow]:
        """Return events with a delivery that is to be tried, those that wait longest first."""
        return cast("list[EventRow]", self._call("due_events", now, limit))

    def views(self) -> list[ViewRow]:
        """Return all saved views, by experiment, then by name."""
        return cast("list[ViewRow]", self._call("views"))

    def records(self, kind: str = "", keys: Sequence[str] | None = None) -> list[RecordRow]:
        """Return what adapters keep, by kind and key: all, or of a kind, or what has one of some keys."""
        return cast("list[RecordRow]", self._call("records", kind, keys))

    def retention(self) -> list[RetentionRow]:
        """Return all rules of retention, by name."""
        return cast("list[RetentionRow]", self._call("retention"))

    def usage(self) -> list[UsageRow]:
        """Return how much is kept, by experiment, then by user."""
        return cast("list[UsageRow]", self._call("usage"))

    def access(self) -> Access:
        """Return who may use the server, and their tokens; for admins alone."""
        return cast(Access, self._call("access"))

    def audit(self, before: int | None = None, limit: int = 100) -> list[AuditRow]:
        """Return what happened about access, newest first; for admins alone."""
        return cast("list[AuditRow]", self._call("audit", before, limit))

    def digests(self) -> set[str]:
        """Return the digests of all artifacts, and of the versions of models."""
        return cast("set[str]", self._call("digests"))

    def digests_in_use(self, digests: Iterable[str], besides: Sequence[str] = ()) -> set[str]:
        """Return those of `digests` that any version or artifact has, but for those of some runs."""
        return cast("set[str]", self._call("digests_in_use", digests, besides))

    def blobs_of(self, runs: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return by digest how large the artifacts of some runs are, and when each was logged last."""
        return cast("dict[str, tuple[int, int]]", self._call("blobs_of", runs))

    def changes_since(self, cursor: int, limit: int = 1000) -> Feed:
        """Return the batches applied after `cursor` (0 for the beginning), oldest first."""
        return cast(Feed, self._call("changes_since", cursor, limit))

    def newest_change(self) -> int:
        """Return the cursor of the newest batch, 0 if there is none."""
        return cast(int, self._call("newest_change"))

    def info(self) -> StoreInfo:
        """Return what the store is and how much it holds."""
        return cast(StoreInfo, self._call("info"))

    def check(self) -> list[str]:
        """Return what is wrong with the store, in words; empty when all is well."""
        return cast("list[str]", self._call("check"))
