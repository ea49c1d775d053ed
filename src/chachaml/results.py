"""What reads give to people: frozen structs and sequences of them that print well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

import msgspec

from chachaml.core.changes import ArtifactLogged, Conflicted, DatasetLogged, RunError
from chachaml.core.ids import short
from chachaml.core.model import (
    ArtifactRow,
    Contents,
    DatasetRow,
    ExperimentRow,
    HistoryRow,
    RunRow,
    Status,
    Summary,
)
from chachaml.core.values import json_ready
from chachaml.curves import small_curves
from chachaml.shown import Shown
from chachaml.table import Table, flat_runs

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = [
    "Artifact",
    "BestRun",
    "CleanUp",
    "Correction",
    "Dataset",
    "Experiment",
    "Lines",
    "Run",
    "Runs",
    "Skipped",
    "to_datetime",
]

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """Something kept of a run under a name. ``digest`` is the SHA-256 of its ``size`` bytes, in hex."""

    run: str
    name: str
    size: int
    content_type: str
    format: str
    digest: str
    logged: datetime

    @classmethod
    def from_row(cls, run: str, row: ArtifactRow) -> Artifact:
        """Return what people see of a store's row."""
        return cls(
            run=run,
            name=row.name,
            size=row.size,
            content_type=row.content_type,
            format=row.format,
            digest=row.digest,
            logged=to_datetime(row.logged),
        )

    @classmethod
    def from_change(cls, logged: ArtifactLogged) -> Artifact:
        """Return what people see of what was just logged."""
        about = (
            logged.name,
            logged.digest,
            logged.size,
            logged.content_type,
            logged.format,
            logged.signature,
        )
        return cls.from_row(logged.run, ArtifactRow(*about, logged.time))

    def __repr__(self) -> str:
        from chachaml.display import artifact_text

        return artifact_text(self)


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """Data that a run used: what identifies it. ``rows`` and ``columns`` are None where unknown."""

    name: str
    role: str
    rows: int | None
    columns: int | None
    features: tuple[str, ...]
    digest: str
    source: str
    logged: datetime

    @classmethod
    def from_row(cls, row: DatasetRow) -> Dataset:
        """Return what people see of a store's row."""
        return cls(**{**msgspec.structs.asdict(row), "logged": to_datetime(row.logged)})

    @classmethod
    def from_change(cls, logged: DatasetLogged) -> Dataset:
        """Return what people see of what was just logged."""
        about = (logged.name, logged.role, logged.rows, logged.columns, logged.features, logged.digest)
        return cls.from_row(DatasetRow(*about, logged.source, logged.time))

    def __repr__(self) -> str:
        from chachaml.display import dataset_text

        return dataset_text(self)


class Run(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was when it was read.

    ``metrics`` holds the last value of each metric (the one with the highest step), ``summaries``
    all that is known of each without its points. ``duration`` is in seconds. ``experiment`` is
    empty while the run's start has not arrived yet. ``environment`` holds what was captured of code and
    machine: git.sha, python, host and so on. ``artifacts`` and ``datasets`` are there when the run was
    read by itself, and not in a list of runs.
    """

    id: str
    experiment: str
    name: str
    status: Status
    started: datetime
    created_by: str = ""
    ended: datetime | None = None
    duration: float | None = None
    parent: str | None = None
    error: RunError | None = None
    archived: datetime | None = None
    tags: dict[str, str] = {}
    params: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    summaries: dict[str, Summary] = {}
    conflicts: tuple[Conflicted, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    environment: dict[str, Any] = {}

    @property
    def short_id(self) -> str:
        """The short form of the id, as tables show it; `chachaml.run` takes it."""
        return short(self.id)

    @property
    def note(self) -> str:
        """The note in Markdown, which is the tag ``note``; empty if there is none."""
        return self.tags.get("note", "")

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain data: times in RFC 3339, nested structs as dicts."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def to_json(self) -> str:
        """Return `to_dict` as strict JSON: NaN and infinities as texts."""
        return msgspec.json.encode(json_ready(self.to_dict())).decode()

    def df(self) -> Any:
        """Return the run as a pandas DataFrame of one row; see `Runs.to_table`."""
        return Runs([self]).df()

    @classmethod
    def from_row(cls, row: RunRow, **extra: Any) -> Self:
        """Return what people see of a store's row."""
        return cls(
            id=row.id,
            experiment=row.experiment,
            name=row.name,
            status=row.status,
            started=to_datetime(row.started),
            created_by=row.created_by,
            ended=None if row.ended is None else to_datetime(row.ended),
            duration=None if row.duration is None else row.duration / 1e6,
            parent=row.parent,
            error=row.error,
            archived=None if row.archived is None else to_datetime(row.archived),
            tags=row.tags,
            params=row.params,
            metrics={key: summary.last for key, summary in row.metrics.items()},
            summaries=row.metrics,
            conflicts=row.conflicts,
            artifacts=tuple(Artifact.from_row(row.id, each) for each in row.artifacts),
            datasets=tuple(map(Dataset.from_row, row.datasets)),
            environment=row.environment,
            **extra,
        )

    def _text(self, paint: Paint) -> str:
        from chachaml.display import run_text

        return run_text(self, paint=paint)

    def _repr_html_(self) -> str:
        from chachaml.display import run_html

        curves = [key for key, summary in sorted(self.summaries.items()) if summary.count > 2]
        return run_html(self, small_curves(self.id, curves))


class BestRun(Run, frozen=True, kw_only=True):
    """The run that won, with the winning value and the step at which it was reached."""

    metric: str
    metric_value: float
    metric_step: int


class Runs(Shown, Sequence[Run]):
    """Runs in the order asked for; prints as a table.

    ``next`` is what `chachaml.runs` takes as ``after`` for the runs behind these; empty at the end.
    """

    def __init__(self, runs: Sequence[Run], *, next: str = "") -> None:  # noqa: A002 - as the attribute
        self._runs = tuple(runs)
        self.next = next

    @property
    def more(self) -> bool:
        """Whether the store holds more that match than the limit let through."""
        return bool(self.next)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        """Return one run, or the runs of a slice."""
        return Runs(self._runs[index]) if isinstance(index, slice) else self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and self._runs == other._runs

    def __hash__(self) -> int:
        return hash(tuple(run.id for run in self._runs))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the runs as plain data."""
        return [run.to_dict() for run in self._runs]

    def to_json(self) -> str:
        """Return `to_dicts` as strict JSON: NaN and infinities as texts."""
        return msgspec.json.encode(json_ready(self.to_dicts())).decode()

    def to_table(self) -> Table:
        """Return a row for each run, with its params and last metrics; see `chachaml.export_runs`."""
        return flat_runs(
            self._runs,
            {key: [run.params.get(key) for run in self] for key in _keys(run.params for run in self)},
            {key: [run.metrics.get(key) for run in self] for key in _keys(run.metrics for run in self)},
            {key: [run.tags.get(key) for run in self] for key in _keys(run.tags for run in self)},
        )

    def df(self) -> Any:
        """Return `to_table` as a pandas DataFrame."""
        return self.to_table().df()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give `to_table` to any library that takes Arrow's C stream (the PyCapsule interface)."""
        return self.to_table().__arrow_c_stream__(requested_schema)

    def _text(self, paint: Paint) -> str:
        from chachaml.display import runs_text

        return runs_text(self, paint=paint)

    def _repr_html_(self) -> str:
        from chachaml.display import runs_html

        return runs_html(self)


class Lines(Shown, tuple[T, ...], Generic[T]):
    """Some results in their order; prints one to a line."""

    __slots__ = ()

    def __new__(cls, some: Iterable[T] = ()) -> Self:
        """Return them as a sequence."""
        return super().__new__(cls, tuple(some))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return them as plain data."""
        return [msgspec.to_builtins(one) for one in self]

    def to_json(self) -> str:
        """Return `to_dicts` as strict JSON."""
        return msgspec.json.encode(json_ready(self.to_dicts())).decode()

    def to_table(self) -> Table:
        """Return a row for each, with its fields as columns."""
        fields = self[0].__struct_fields__ if self else ()  # type: ignore[attr-defined]
        return Table({name: [getattr(one, name) for one in self] for name in fields}, length=len(self))

    def df(self) -> Any:
        """Return `to_table` as a pandas DataFrame."""
        return self.to_table().df()

    def _text(self, paint: Paint) -> str:  # noqa: ARG002 - what a line holds has no colours
        return "\n".join(map(repr, self)) or "none"

    def _repr_html_(self) -> str:
        return self.to_table()._repr_html_()


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment: what was said of it, and how many runs it has (``archived`` ones not among ``runs``)."""

    name: str
    description: str
    owner: str
    created: datetime
    runs: int
    running: int
    archived: int
    last_started: datetime | None

    @classmethod
    def from_row(cls, row: ExperimentRow) -> Experiment:
        """Return what people see of a store's row."""
        last = None if row.last_started is None else to_datetime(row.last_started)
        fields = msgspec.structs.asdict(row)
        return cls(**{**fields, "created": to_datetime(row.created), "last_started": last})

    def __repr__(self) -> str:
        from chachaml.display import experiment_text

        return experiment_text(self)


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person corrected: of which run, from what to what; `chachaml.undo` takes it.

    ``aspect`` is name, experiment, parent, archived, param, metric or deleted; ``before`` and ``after`` are
    as texts, params as JSON and metrics as the number of their points. ``undone`` is the number of
    the correction that took this one back.
    """

    no: int
    time: datetime
    by: str
    run: str
    aspect: str
    key: str
    before: str | None
    after: str | None
    undone: int | None

    @classmethod
    def from_row(cls, row: HistoryRow) -> Correction:
        """Return what people see of a store's row."""
        return cls(**{**msgspec.structs.asdict(row), "time": to_datetime(row.time)})

    def __repr__(self) -> str:
        from chachaml.display import correction_text

        return correction_text(self)


class Skipped(msgspec.Struct, frozen=True):
    """A run that was left as it is, and why."""

    run: str
    why: str


class CleanUp(msgspec.Struct, frozen=True, kw_only=True):
    """What archiving, restoring, moving or deleting did, or would do in a ``dry_run``.

    ``bytes`` are those of artifacts that came back. ``params`` to ``artifacts`` count what the runs hold.
    """

    done: str
    runs: tuple[str, ...]
    params: int
    metrics: int
    points: int
    artifacts: int
    bytes: int
    skipped: tuple[Skipped, ...]
    dry_run: bool

    @classmethod
    def of(
        cls,
        done: str,
        runs: Sequence[str],
        skipped: Sequence[Skipped],
        held: Contents,
        *,
        freed: int,
        dry_run: bool,
    ) -> CleanUp:
        """Return the result: `runs` but those skipped, which `held` so much together."""
        left = {one.run for one in skipped}
        return cls(
            done=done,
            runs=tuple(run for run in runs if run not in left),
            params=held.params,
            metrics=held.metrics,
            points=held.points,
            artifacts=held.artifacts,
            bytes=freed,
            skipped=tuple(skipped),
            dry_run=dry_run,
        )

    def __repr__(self) -> str:
        from chachaml.display import clean_up_text

        return clean_up_text(self)


def _keys(some: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({key for one in some for key in one})


def to_datetime(microseconds: int) -> datetime:
    """Return a time inside chachaml (int64 microseconds since 1970, UTC) as an aware datetime.

    What is beyond the years 1 to 9999, by a wrong clock or a damaged store, is their end.
    """
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return (datetime.max if microseconds > 0 else datetime.min).replace(tzinfo=UTC)
