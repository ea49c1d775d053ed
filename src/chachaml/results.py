"""What reads give to people: frozen structs and sequences of them that print well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self, overload

import msgspec

from chachaml.core.changes import ArtifactLogged, Conflicted, DatasetLogged, RunError
from chachaml.core.ids import short
from chachaml.core.model import ArtifactRow, DatasetRow, RunRow, Status, Summary

__all__ = ["Artifact", "BestRun", "Dataset", "Run", "Runs", "to_datetime"]

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


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was when it was read.

    ``metrics`` holds the last value of each metric (the one with the highest step), ``summaries``
    all that is known of each without its points. ``duration`` is in seconds. ``experiment`` is
    empty while the run's start has not arrived yet. ``artifacts`` and ``datasets`` are there when the
    run was read by itself, and not in a list of runs.
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
            **extra,
        )

    def __repr__(self) -> str:
        from chachaml.display import run_text

        return run_text(self)

    def _repr_html_(self) -> str:
        from chachaml.display import run_html

        return run_html(self)


class BestRun(Run, frozen=True, kw_only=True):
    """The run that won, with the winning value and the step at which it was reached."""

    metric: str
    metric_value: float
    metric_step: int


class Runs(Sequence[Run]):
    """Runs in the order asked for; prints as a table.

    ``more`` tells whether the store holds more that match than the limit let through.
    """

    def __init__(self, runs: Sequence[Run], *, more: bool = False) -> None:
        self._runs = tuple(runs)
        self.more = more

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

    def __repr__(self) -> str:
        from chachaml.display import runs_text

        return runs_text(self)

    def _repr_html_(self) -> str:
        from chachaml.display import runs_html

        return runs_html(self)


def to_datetime(microseconds: int) -> datetime:
    """Return a time inside chachaml (int64 microseconds since 1970, UTC) as an aware datetime.

    What is beyond the years 1 to 9999, by a wrong clock or a damaged store, is their end.
    """
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return (datetime.max if microseconds > 0 else datetime.min).replace(tzinfo=UTC)
