"""Who uses how much of a store: `usage`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from chachaml.connection import connection
from chachaml.core.model import UsageRow

__all__ = ["Usage", "Used", "usage"]


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the store is of one user, or in one experiment; see `usage`."""

    name: str
    runs: int
    points: int
    point_bytes: int
    artifacts: int
    artifact_bytes: int
    console_bytes: int
    bytes: int
    """All of these together."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept, in all, and of whom; those with the most bytes come first."""

    total: Used
    users: tuple[Used, ...]
    experiments: tuple[Used, ...]

    def __repr__(self) -> str:
        from chachaml.display import usage_text

        return usage_text(self)


def usage() -> Usage:
    """Return who uses how much: by user and by experiment, points, artifacts and what was printed.

    Bytes of points are as the store packs them, without indexes. Artifacts count wherever they were
    logged, though equal ones are kept once. Archived runs count.
    """
    rows = connection().ready().usage()
    return Usage(
        total=_added("", rows),
        users=_grouped(rows, lambda row: row.created_by),
        experiments=_grouped(rows, lambda row: row.experiment),
    )


def _grouped(rows: Iterable[UsageRow], by: Callable[[UsageRow], str]) -> tuple[Used, ...]:
    groups: dict[str, list[UsageRow]] = {}
    for row in rows:
        groups.setdefault(by(row), []).append(row)
    found = [_added(name, some) for name, some in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.bytes, -one.runs, one.name)))


def _added(name: str, rows: Sequence[UsageRow]) -> Used:
    fields = ("runs", "points", "point_bytes", "artifacts", "artifact_bytes", "console_bytes")
    sums = {field: sum(getattr(row, field) for row in rows) for field in fields}
    held = sums["point_bytes"] + sums["artifact_bytes"] + sums["console_bytes"]
    return Used(name=name, **sums, bytes=held)
