"""The store as it is for somebody who has roles in single experiments only: the others are not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from chachaml.core.changes import PointsLogged, SeriesCopied
from chachaml.core.errors import NotFound
from chachaml.core.model import (
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
from chachaml.core.query import And, Field, In
from chachaml.store.protocol import Feed, Store
from chachaml.surfaces.http.actors import Actor
from chachaml.surfaces.http.guarded import Guarded

__all__ = ["Scoped"]


class Scoped(Guarded):
    """A guarded store in which only the actor's experiments are; all else answers as if it were not there.

    Args:
        store: The store.
        actor: Who uses it: somebody without a role in all experiments.
    """

    def __init__(self, store: Store, actor: Actor) -> None:
        super().__init__(store, actor)
        self._mine = In(Field("attribute", "experiment"), tuple(actor.grants))

    def __getattr__(self, name: str) -> Any:
        if name in ("id", "applied_to", "sync", "close", "packages", "sees"):
            return super().__getattr__(name)
        raise AttributeError(name)  # what is not spelled out below is not for everybody

    def _narrow(self, query: RunQuery) -> RunQuery:
        return replace(query, filter=self._mine if query.filter is None else And((self._mine, query.filter)))

    def _seen(self, runs: Iterable[str]) -> list[str]:
        found = self._store.bare_runs([*dict.fromkeys(runs)])
        return [run for run, row in found.items() if self.sees(row)]

    def _require(self, run: str) -> None:
        if not self._seen([run]):
            raise NotFound(f"there is no run {run!r} in this store")

    def get_run(self, run: str) -> RunRow:
        """Return a run, if it is in one of the actor's experiments."""
        self._require(run)
        return self._store.get_run(run)

    def bare_runs(self, runs: Sequence[str]) -> dict[str, RunRow]:
        """Return those of some runs that the actor may see."""
        return {run: row for run, row in self._store.bare_runs(runs).items() if self.sees(row)}

    def find_runs(self, query: RunQuery) -> Page:
        """Return one page of the runs that match."""
        return self._store.find_runs(self._narrow(query))

    def count_runs(self, query: RunQuery) -> int:
        """Return how many runs match."""
        return self._store.count_runs(self._narrow(query))

    def columns(self, query: RunQuery) -> Columns:
        """Return all runs that match, as columns."""
        return self._store.columns(self._narrow(query))

    def values(self, query: RunQuery, fields: Sequence[Field]) -> Values:
        """Return the values of some fields of the runs that match."""
        return self._store.values(self._narrow(query), fields)

    def facets(self, query: RunQuery) -> list[Facet]:
        """Return what the runs that match have."""
        return self._store.facets(self._narrow(query))

    def keys(self) -> dict[str, list[str]]:
        """Return the keys of runs that the actor may see."""
        found = self.columns(RunQuery(archived=None))
        kinds = {"metric": found.metrics, "param": found.params, "tag": found.tags}
        return {kind: sorted(columns) for kind, columns in kinds.items()}

    def experiments(self) -> list[ExperimentRow]:
        """Return the actor's experiments."""
        return [one for one in self._store.experiments() if one.name in self._actor.grants]

    def history(
        self, run: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[HistoryRow]:
        """Return corrections of runs that the actor may see; not of deleted ones."""
        found: list[HistoryRow] = []
        while len(found) < limit:
            rows = self._store.history(run, before=before, limit=1000)
            seen = set(self._seen(row.run for row in rows))
            found += [row for row in rows if row.run in seen]
            if len(rows) < 1000:
                break
            before = rows[-1].no
        return found[:limit]

    def contents(self, runs: Sequence[str]) -> Contents:
        """Return how much some runs hold."""
        return self._store.contents(self._seen(runs))

    def console(self, run: str, after: int = 0) -> list[ConsoleRow]:
        """Return what a run printed."""
        return self._store.console(run, after) if self._seen([run]) else []

    def read_series(
        self, run: str, key: str, window: tuple[int, int] | None = None, max_points: int | None = None
    ) -> Series:
        """Return the points of one metric."""
        self._require(run)
        return self._store.read_series(run, key, window, max_points)

    def read_outlines(
        self, series: Sequence[tuple[str, str]], window: tuple[int, int] | None = None, stretches: int = 1000
    ) -> list[Series]:
        """Return what a drawing needs of those of some series that the actor may see."""
        seen = set(self._seen(run for run, _ in series))
        return self._store.read_outlines([one for one in series if one[0] in seen], window, stretches)

    def read_points(self, series: Sequence[tuple[str, str]]) -> list[PointsLogged]:
        """Return all points of those of some series that the actor may see."""
        seen = set(self._seen(run for run, _ in series))
        return self._store.read_points([one for one in series if one[0] in seen])

    def read_packed(self, series: Sequence[tuple[str, str]]) -> list[SeriesCopied]:
        """Return those of some series that the actor may see, as they are packed."""
        seen = set(self._seen(run for run, _ in series))
        return self._store.read_packed([one for one in series if one[0] in seen])

    def whole_runs(self, runs: Sequence[str]) -> list[WholeRun]:
        """Return those of some runs that the actor may see, with all that belongs to them but points."""
        return self._store.whole_runs(self._seen(runs))

    def models(self) -> list[ModelRow]:
        """Return the models with a version from the actor's experiments, counted as if these were all."""
        mine: dict[str, list[VersionRow]] = {}
        for one in self.versions():
            mine.setdefault(one.model, []).append(one)
        return [self._model(row, mine[row.name]) for row in self._store.models() if row.name in mine]

    def _model(self, row: ModelRow, versions: list[VersionRow]) -> ModelRow:
        numbers = {one.version for one in versions}
        aliases = {alias: number for alias, number in row.aliases.items() if number in numbers}
        production = row.production if row.production in numbers else None
        counts = {"newest": max(numbers), "versions": len(numbers)}
        return replace(row, production=production, aliases=aliases, **counts)

    def versions(
        self, model: str | None = None, run: str | None = None, number: int | None = None
    ) -> list[VersionRow]:
        """Return versions that come from the actor's experiments."""
        rows = self._store.versions(model, run, number)
        seen = set(self._seen(row.run for row in rows))
        return [row for row in rows if row.run in seen]

    def moves(self, model: str, version: int | None = None, limit: int = 100) -> list[MoveRow]:
        """Return what was done to versions from the actor's experiments."""
        numbers = {row.version for row in self.versions(model)}
        return [row for row in self._store.moves(model, version, limit) if row.version in numbers]

    def steps(self, run: str) -> list[StepRow]:
        """Return the steps of a pipeline."""
        return self._store.steps(run) if self._seen([run]) else []

    def step_by_key(self, key: str) -> StepRow | None:
        """Return a step whose result may be taken."""
        row = self._store.step_by_key(key)
        return row if row is not None and self._seen([row.step_run]) else None

    def views(self) -> list[ViewRow]:
        """Return the views of the actor's experiments, and those of all."""
        return [row for row in self._store.views() if row.experiment in ("", *self._actor.grants)]

    def records(self, kind: str = "", keys: Sequence[str] | None = None) -> list[RecordRow]:
        """Return what adapters keep of the actor's experiments, and of all."""
        rows = self._store.records(kind, keys)
        return [row for row in rows if row.experiment in ("", *self._actor.grants)]

    def retention(self) -> list[RetentionRow]:
        """Return the rules of the actor's experiments."""
        return [row for row in self._store.retention() if row.rule.experiment in self._actor.grants]

    def usage(self) -> list[UsageRow]:
        """Return how much is kept of the actor's experiments."""
        return [row for row in self._store.usage() if row.experiment in self._actor.grants]

    def events(self, alert: str | None = None, run: str | None = None, limit: int = 100) -> list[EventRow]:
        """Return what was told of runs that the actor may see."""
        rows = super().events(alert, run, limit)
        seen = set(self._seen(row.run for row in rows))
        return [row for row in rows if row.run in seen]

    def alerts(self) -> list[Any]:
        """Return the alerts on the actor's experiments."""
        return [row for row in super().alerts() if row.rule.experiment in self._actor.grants]

    def digests(self) -> set[str]:
        """Return the digests of artifacts that the actor may see."""
        runs = [row.id for row in self.columns(RunQuery(archived=None)).runs]
        return set(self._store.blobs_of(runs))

    def digests_in_use(self, digests: Iterable[str], besides: Sequence[str] = ()) -> set[str]:  # noqa: ARG002 - as in Store
        """Return those of some digests that are in use: all, for nothing else may be known of them."""
        return set(digests)

    def blobs_of(self, runs: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return how large the artifacts of some runs are."""
        return self._store.blobs_of(self._seen(runs))

    def changes_since(self, cursor: int, limit: int = 1000) -> Feed:
        """Return the batches applied after a cursor, with the runs that the actor may see."""
        feed = self._store.changes_since(cursor, limit)
        seen = set(self._seen(run for row in feed.rows for run in row.runs))
        rows = tuple(replace(row, runs=tuple(run for run in row.runs if run in seen)) for row in feed.rows)
        return replace(feed, rows=rows)

    def newest_change(self) -> int:
        """Return the cursor of the newest batch."""
        return self._store.newest_change()

    def info(self) -> StoreInfo:
        """Return what the store is, counting what the actor may see."""
        held = self._store.info()
        rows = self.columns(RunQuery(archived=None)).runs
        return replace(held, location="", runs=len(rows), points=0)
