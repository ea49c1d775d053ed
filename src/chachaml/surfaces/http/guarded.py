"""The store as one actor may use it: whoever goes through it sees and changes no more than that.

All that the server does for somebody, operations as well as remote stores, goes through here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from chachaml.alerting.guard import masked
from chachaml.core.changes import (
    AccessChange,
    AlertChange,
    AlertDeleted,
    AlertSet,
    AlertSwitched,
    Audited,
    Batch,
    Change,
    Conflicted,
    ExperimentDescribed,
    ModelDeleted,
    ModelRenamed,
    OwnerLost,
    PackagesSeen,
    Receipt,
    RecordKept,
    RegistryChange,
    RowsCopied,
    RunCopied,
    RunDeleted,
    RunEdited,
    RunStarted,
    SeriesCopied,
    StageMoved,
    UpkeepChange,
    VersionRegistered,
    ViewChange,
)
from chachaml.core.errors import AccessDenied
from chachaml.core.kinds import REFUSED
from chachaml.core.model import AlertRow, EventRow, RunQuery, RunRow
from chachaml.store.protocol import Store
from chachaml.surfaces.http.actors import Actor

__all__ = ["Guarded"]

_WRITER, _ADMIN = 2, 3


class _Need(NamedTuple):
    """The rank that a change needs: in an experiment, or with None in all."""

    rank: int
    experiment: str | None


class Guarded:
    """A store behind a guard; see `chachaml.store.protocol.Store`. Reads pass, writes are judged.

    Args:
        store: The store.
        actor: Who uses it.
    """

    def __init__(self, store: Store, actor: Actor) -> None:
        self._store, self._actor = store, actor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    # writing --------------------------------------------------------------------------------------

    def apply(self, batch: Batch) -> Receipt:
        """Apply what of a batch the actor may do.

        What a journal says and may not is left out and told as a conflict: it must not block the rest.

        Raises:
            AccessDenied: A command that the actor may not give.
        """
        (receipt,) = self.apply_all([batch])
        return receipt

    def apply_all(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Apply several batches as `apply` does."""
        allowed = [self.allow(batch) for batch in batches]
        receipts = self._store.apply_all([batch for batch, _ in allowed])
        return [
            replace(receipt, conflicts=(*receipt.conflicts, *refused)) if refused else receipt
            for receipt, (_, refused) in zip(receipts, allowed, strict=True)
        ]

    def allow(self, batch: Batch) -> tuple[Batch, list[Conflicted]]:
        """Return what of a batch may be applied, in the actor's name, and what may not.

        Raises:
            AccessDenied: A command that the actor may not give.
        """
        homes = self._homes(batch.changes)
        kept: list[Change] = []
        refused: list[Conflicted] = []
        for change in batch.changes:
            if self._may(change, homes):
                kept.append(self._signed(change))
            elif batch.journal is None:
                raise AccessDenied(f"you may not do this: {type(change).__name__}", "ask an admin for a role")
            else:
                run = getattr(change, "run", "")
                refused.append(Conflicted(run, f"{REFUSED}{type(change).__name__}"))
        kept += [noted for change in kept if (noted := _audited(change)) is not None]
        return replace(batch, changes=tuple(kept)), refused

    def _homes(self, changes: Iterable[Change]) -> dict[str, str]:
        """Return in which experiments the runs are, as far as that matters."""
        if not self._actor.grants or self._actor.everywhere >= _ADMIN:
            return {}
        runs = {run for change in changes if (run := getattr(change, "run", ""))}
        homes = {run: row.experiment for run, row in self._store.bare_runs(list(runs)).items()}
        for change in changes:
            if isinstance(change, RunStarted):
                homes.setdefault(change.run, change.experiment)
        return homes

    def _may(self, change: Change, homes: dict[str, str]) -> bool:
        rank, experiment = self._need(change, homes)
        here = self._actor.everywhere if experiment is None else self._actor.rank_in(experiment)
        if isinstance(change, RunEdited) and change.aspect == "experiment" and change.value:
            here = min(here, self._actor.rank_in(change.value))
        return here >= rank

    def _need(self, change: Change, homes: dict[str, str]) -> _Need:
        match change:
            case PackagesSeen():
                return _Need(0, None)
            case OwnerLost():
                return _Need(_WRITER, self._home_of_all(change.journal))
            case ExperimentDescribed():
                return _Need(_WRITER, change.name)
            case ViewChange() | RecordKept():
                return _Need(_WRITER, change.experiment or None)
            case RunStarted():
                return _Need(_WRITER, homes.get(change.run, change.experiment))
            case AccessChange() | AlertChange() | UpkeepChange() | ModelDeleted() | RowsCopied():
                return _Need(_ADMIN, None)
            case VersionRegistered():
                return _Need(_WRITER, homes.get(change.run))
            case RegistryChange():
                return _Need(_WRITER, None)
            case RunCopied() | SeriesCopied():
                return _Need(_ADMIN, None)
            case RunDeleted():
                return _Need(_ADMIN, homes.get(change.run))
            case _:
                return _Need(_WRITER, homes.get(change.run))

    def _home_of_all(self, journal: str) -> str | None:
        """Return the experiment of all runs that a journal still owns, None for several."""
        if not self._actor.grants:
            return None
        query = RunQuery(owner=journal, status="running", archived=None, limit=1000)
        homes = {row.experiment for row in self._store.find_runs(query).runs}
        return homes.pop() if len(homes) == 1 else next(iter(self._actor.grants)) if not homes else None

    def _signed(self, change: Change) -> Change:
        """Return a change in the actor's own name, whatever it said."""
        if not self._actor.name:
            return change
        if isinstance(change, RunStarted):
            return replace(change, created_by=self._actor.name)
        return replace(change, by=self._actor.name) if hasattr(change, "by") else change

    # reading --------------------------------------------------------------------------------------

    def alerts(self) -> list[AlertRow]:
        """Return all alerts, their secrets hidden from all but admins."""
        rows = self._store.alerts()
        return rows if self._actor.everywhere >= _ADMIN else [_hidden_alert(row) for row in rows]

    def events(self, alert: str | None = None, run: str | None = None, limit: int = 100) -> list[EventRow]:
        """Return what was told, secrets hidden from all but admins."""
        rows = self._store.events(alert, run, limit)
        return rows if self._actor.everywhere >= _ADMIN else [_hidden_event(row) for row in rows]

    def due_events(self, now: int, limit: int = 100) -> list[EventRow]:
        """Return what is to be told: to admins alone, for it cannot be told without the secrets."""
        return self._store.due_events(now, limit) if self._actor.everywhere >= _ADMIN else []

    def sees(self, row: RunRow) -> bool:
        """Tell whether the actor may see a run."""
        return self._actor.rank_in(row.experiment) > 0


def _audited(change: Change) -> Audited | None:
    """Return what the audit log keeps of a change, None for one that it does not."""
    match change:
        case RunDeleted():
            return Audited(change.time, change.by, "run deleted", change.run)
        case ModelDeleted():
            version = "" if change.version is None else f"version {change.version}"
            return Audited(change.time, change.by, "model deleted", change.model, version)
        case ModelRenamed():
            return Audited(change.time, change.by, "model renamed", change.model, f"to {change.to}")
        case StageMoved():
            details = f"version {change.version} to {change.stage}"
            return Audited(change.time, change.by, "model promoted", change.model, details)
        case AlertSet() | AlertSwitched() | AlertDeleted():
            what = {"AlertSet": "set", "AlertSwitched": "switched", "AlertDeleted": "deleted"}
            return Audited(change.time, change.by, f"alert {what[type(change).__name__]}", change.name)
    return None


def _hidden_alert(row: AlertRow) -> AlertRow:
    return replace(row, targets=tuple(map(masked, row.targets)), secret="***" if row.secret else "")


def _hidden_event(row: EventRow) -> EventRow:
    deliveries = tuple(replace(one, target=masked(one.target)) for one in row.deliveries)
    return replace(row, deliveries=deliveries, secret="***" if row.secret else "")
