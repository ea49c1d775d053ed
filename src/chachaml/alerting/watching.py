"""Looking after alerts: judging runs, and telling what is on its way; in the background, or when asked."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chachaml.alerting.judging import candidates, concerns, judge
from chachaml.core.changes import AlertFired, Batch, DeliveryClaimed, DeliveryTried
from chachaml.core.errors import ChachamlError, NotFound
from chachaml.core.ids import new_id
from chachaml.core.model import AlertRow, DeliveryRow, EventRow, RunRow
from chachaml.store.protocol import Store

if TYPE_CHECKING:
    from chachaml.alerting.delivery import Answer

    Sender = Callable[[EventRow, str], Answer]

__all__ = ["Found", "Told", "Watcher", "deliver", "look", "look_and_tell"]

_CLAIM = 60_000_000
"""Microseconds in which who claimed a delivery says how it went; then others may try."""

_MOST_RUNS = 200


class Found:
    """How looking at alerts went: alerts judged, ids of events, and what did not fire though it was so."""

    def __init__(self) -> None:
        self.checked = self.skipped = 0
        self.fired: list[str] = []


class Told:
    """How telling went."""

    def __init__(self) -> None:
        self.delivered = self.failed = 0


def look(store: Store, runs: Iterable[str] | None = None, now: int | None = None) -> Found:
    """Judge all alerts, and let those fire, or be resolved, whose time has come.

    Args:
        store: The store.
        runs: The runs that something was logged to. Alerts on metrics are judged by these; without
            them by the newest run that has the metric.
        now: The time. Default: the present.
    """
    found = Found()
    moment = now or _now()
    rows = None if runs is None else _rows(store, runs)
    for alert in store.alerts():
        if not alert.active or moment < alert.muted_until:
            continue
        found.checked += 1
        looked_at = candidates(store, alert) if rows is None or not alert.rule.metric else rows
        for run in looked_at:
            if concerns(alert, run):
                _judge(store, alert, run, moment, found)
    return found


def _rows(store: Store, runs: Iterable[str]) -> list[RunRow]:
    rows = []
    for run in list(runs)[-_MOST_RUNS:]:
        try:
            rows.append(store.get_run(run))
        except NotFound:
            continue
    return sorted(rows, key=lambda row: (row.started, row.id))


def _judge(store: Store, alert: AlertRow, run: RunRow, now: int, found: Found) -> None:
    verdict = judge(alert.rule, run, now)
    if verdict.holds == (alert.firing == run.id):
        return
    if verdict.holds and _fired_for(store, alert, run.id):
        found.skipped += 1
        return
    text = f"{verdict.text} in run {run.name}" if run.name else verdict.text
    event = AlertFired(now, alert.name, new_id(), run.id, text, verdict.value, resolved=not verdict.holds)
    receipt = store.apply(Batch((event,), command=new_id()))
    if receipt.conflicts:
        found.skipped += 1
    elif verdict.holds:
        found.fired.append(event.id)


def _fired_for(store: Store, alert: AlertRow, run: str) -> bool:
    """Tell whether an alert fired for a run since it was set; the rules would say the same, by a write."""
    return any(not row.resolved and row.time >= alert.set for row in store.events(alert.name, run))


def deliver(store: Store, until: Callable[[], bool] = lambda: False, send: Sender | None = None) -> Told:
    """Tell what is due.

    Args:
        store: The store.
        until: Asked before each; when it says so, the rest stays for later.
        send: Tells one target. Default: `chachaml.alerting.delivery.send`.
    """
    from chachaml.alerting import delivery  # TLS takes long to import

    told, tell = Told(), send or delivery.send
    for event in store.due_events(_now()):
        for way in event.deliveries:
            if until():
                return told
            if way.status == "pending" and way.next <= _now() and _claim(store, event, way):
                _tell(store, event, way, told, tell(event, way.target))
    return told


def _claim(store: Store, event: EventRow, way: DeliveryRow) -> bool:
    now = _now()
    claim = DeliveryClaimed(now, event.alert, event.id, way.place, now + _CLAIM)
    return not store.apply(Batch((claim,), command=new_id())).conflicts


def _tell(store: Store, event: EventRow, way: DeliveryRow, told: Told, answer: Answer) -> None:
    from chachaml.alerting.delivery import wait_after

    wait = 0 if answer.ok or answer.final else wait_after(way.attempts + 1)
    again = _now() + wait * 1_000_000 if wait else 0
    tried = DeliveryTried(_now(), event.alert, event.id, way.place, answer.ok, answer.outcome, again)
    store.apply(Batch((tried,), command=new_id()))
    told.delivered += answer.ok
    told.failed += not answer.ok


# in the background --------------------------------------------------------------------------------


class Watcher:
    """Looks after a store's alerts for one process, in a thread of its own.

    Args:
        store: Gives the store.
    """

    IDLE = 15.0
    """Seconds between two looks at what waits to be told."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._runs: dict[str, None] = {}
        self.resting = threading.Lock()
        """Held while the store is used: who forks waits for it."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go, name="chachaml-alerts", daemon=True)
        self._thread.start()

    def note(self, runs: Iterable[str]) -> None:
        """Have runs looked at soon, to which something was logged; returns at once."""
        with self._lock:
            self._runs.update(dict.fromkeys(runs))
        self._wake.set()

    def _go(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self.IDLE)
            self._wake.clear()
            self._once(self._stopping.is_set)

    def _once(self, until: Callable[[], bool]) -> None:
        with self._lock:
            runs, self._runs = list(self._runs), {}
        try:
            with self.resting:
                store = self._store()
                look(store, runs)
                deliver(store, until, self._send)
        except ChachamlError:  # the store is in trouble, of which others tell
            with self._lock:
                self._runs = dict.fromkeys([*runs, *self._runs])

    def _send(self, event: EventRow, target: str) -> Answer:
        """Tell a target, which takes long and needs no store."""
        from chachaml.alerting.delivery import send

        self.resting.release()
        try:
            return send(event, target)
        finally:
            self.resting.acquire()

    def close(self, wait: float) -> None:
        """Look a last time, and tell what can be told within `wait` seconds; others tell the rest."""
        deadline = time.monotonic() + wait
        self._stopping.set()
        self._wake.set()
        self._thread.join(wait)
        if not self._thread.is_alive():
            look_and_tell(self._store, self._runs, deadline - time.monotonic())


def look_and_tell(store: Callable[[], Store], runs: Iterable[str], wait: float) -> None:
    """Judge alerts by some runs, and tell what can be told in `wait` seconds; the rest stays for later."""
    deadline = time.monotonic() + wait
    with contextlib.suppress(ChachamlError):  # the store is in trouble, of which others tell
        opened = store()
        look(opened, runs)
        deliver(opened, lambda: time.monotonic() > deadline)


def _now() -> int:
    return time.time_ns() // 1000
