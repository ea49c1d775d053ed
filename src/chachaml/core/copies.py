"""The changes that tell nothing new: rows of another store, as they were there."""

from __future__ import annotations

import msgspec

from chachaml.core.model import (
    AccountRow,
    AlertRow,
    AuditRow,
    EventRow,
    ExperimentRow,
    HistoryRow,
    ModelRow,
    MoveRow,
    RunRow,
    Summary,
    TokenRow,
    VersionRow,
)

__all__ = ["Packed", "RowsCopied", "RunCopied", "SeriesCopied"]


class RunCopied(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """A run of another store becomes here what it was there; what belongs to it is logged beside.

    The row comes without its owner; of what belongs to it, conflicts alone count, and are told once. A run
    that goes on here, with an owner of its own, stays as it is.
    """

    run: str
    time: int
    row: RunRow


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """Points of a series as stores pack them (see `chachaml.store.series`), in the order of arrival."""

    count: int
    min_step: int
    max_step: int
    sketch: bytes | None
    data: bytes


class SeriesCopied(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """All points of a metric as another store packed them; if the run has that metric here, it stays."""

    run: str
    time: int
    key: str
    summary: Summary
    tail: bytes
    """The newest points, one after the other; see `chachaml.store.tails`."""
    chunks: tuple[Packed, ...] = ()

    def __len__(self) -> int:
        return self.summary.count


class RowsCopied(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Rows of another store, as they were there, but for its runs.

    Models and versions that are here already become as they were there. Of all else what is here stays,
    and nothing is told twice. What waited to be delivered there is not delivered from here.
    """

    time: int
    experiments: tuple[ExperimentRow, ...] = ()
    history: tuple[HistoryRow, ...] = ()
    """Ascending, by numbers that are free here or belong to the same entries."""
    models: tuple[ModelRow, ...] = ()
    versions: tuple[VersionRow, ...] = ()
    moves: tuple[MoveRow, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    accounts: tuple[AccountRow, ...] = ()
    tokens: tuple[TokenRow, ...] = ()
    audit: tuple[AuditRow, ...] = ()
