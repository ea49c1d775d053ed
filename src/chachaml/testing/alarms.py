"""The contract of alerts: what fires and what does not, what is told of it, and how it is delivered."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import math
from typing import Any

from chachaml.core.alarms import HOUR, MOST_AN_HOUR
from chachaml.core.changes import (
    AlertDeleted,
    AlertFired,
    AlertRaised,
    AlertRule,
    AlertSet,
    AlertSwitched,
    Batch,
    Change,
    DeliveryClaimed,
    DeliveryTried,
)
from chachaml.core.ids import new_id
from chachaml.store.protocol import Store
from chachaml.testing.material import Fixtures, Writer

__all__ = ["AlarmContract"]

RULE = AlertRule("threshold", metric="loss", threshold=0.5)
ONE, TWO = "a" * 32, "b" * 32


def do(store: Store, *changes: Change) -> list[str]:
    """Apply changes as a command; return what was refused."""
    return [one.what for one in store.apply(Batch(changes, command=new_id())).conflicts]


def alert(name: str = "drop", time: int = 1, rule: AlertRule = RULE, **about: Any) -> AlertSet:
    """Return an alert that is set."""
    return AlertSet(time, name, "ada", rule, **about)


def fired(run: str = ONE, time: int = 10, name: str = "drop", **about: Any) -> AlertFired:
    """Return an alert that fires."""
    return AlertFired(time, name, new_id(), run, "loss is 0.7", **about)


class AlarmContract(Fixtures):
    """An alert fires once for a run, and what it tells is delivered or it is known why not."""

    def test_alerts_are_set_replaced_switched_and_deleted(self, store: Store) -> None:
        """By name."""
        do(store, alert("b"), alert("a", targets=("https://x.test/1",), form="slack", secret="s"))  # noqa: S106
        do(store, alert("b", 2, AlertRule("odd", metric="loss", level="error")))
        first, second = store.alerts()
        assert (first.name, first.rule, first.targets) == ("a", RULE, ("https://x.test/1",))
        assert (first.form, first.secret, first.active, first.muted_until) == ("slack", "s", True, 0)
        assert (second.rule.kind, second.set, second.set_by, second.fired) == ("odd", 2, "ada", None)
        do(store, AlertSwitched(3, "a", "bob", active=False), AlertSwitched(4, "a", "bob", muted_until=9))
        assert (store.alerts()[0].active, store.alerts()[0].muted_until) == (False, 9)
        refused = do(
            store, AlertDeleted(5, "b", "bob"), AlertDeleted(5, "b", "bob"), AlertSwitched(5, "x", "bob")
        )
        assert refused == ["there is no alert 'b'", "there is no alert 'x'"]
        assert [row.name for row in store.alerts()] == ["a"]

    def test_an_alert_fires_once_for_a_run_until_it_is_set_anew(self, store: Store) -> None:
        """Whoever says it, and however often."""
        do(store, alert())
        assert do(store, fired(), fired(TWO)) == []
        assert do(store, fired(time=11), fired(name="other")) == [
            "it fired for this run before",
            "there is no alert 'other'",
        ]
        assert (store.alerts()[0].fired, store.alerts()[0].firing) == (10, TWO)
        do(store, alert(time=20))
        assert store.alerts()[0].firing == ""
        assert do(store, fired(time=21)) == []
        assert [row.run for row in store.events("drop")] == [ONE, TWO, ONE]

    def test_what_is_off_muted_or_cooling_down_does_not_fire(self, store: Store) -> None:
        """And fires when that is over."""
        do(store, alert(rule=AlertRule("threshold", metric="loss", cooldown=100)))
        do(store, AlertSwitched(2, "drop", "bob", active=False))
        assert do(store, fired()) == ["it is switched off"]
        do(store, AlertSwitched(3, "drop", "bob", active=True, muted_until=50))
        assert do(store, fired(time=49)) == ["it is muted"]
        assert do(store, fired(time=50), fired(TWO, time=149)) == ["it fired a short while ago"]
        assert do(store, fired(TWO, time=150)) == []

    def test_what_fired_is_resolved_once(self, store: Store) -> None:
        """And told of only if that is wanted."""
        told = AlertRule("threshold", metric="loss", tell_resolved=True)
        do(
            store,
            alert(targets=("https://x.test/1",)),
            alert("told", rule=told, targets=("https://x.test/2",)),
        )
        for name in ("drop", "told"):
            assert do(store, fired(name=name, resolved=True)) == ["it is not firing for this run"]
            do(store, fired(name=name))
            again = (fired(name=name, time=12, resolved=True), fired(name=name, time=13, resolved=True))
            assert do(store, *again) == ["it is not firing for this run"]
        assert [(row.resolved, len(row.deliveries)) for row in store.events("drop")] == [
            (True, 0),
            (False, 1),
        ]
        assert [(row.resolved, len(row.deliveries)) for row in store.events("told")] == [
            (True, 1),
            (False, 1),
        ]
        assert do(store, fired(time=14)) == ["it fired for this run before"]

    def test_events_hold_what_was_told(self, store: Store, writer: Writer) -> None:
        """Of alerts and of scripts, newest first; NaN stays NaN."""
        do(store, alert(rule=AlertRule("odd", metric="loss", level="error")))
        event = fired(value=math.nan)
        do(store, event)
        run = writer.start()
        own = AlertRaised(run, 30, new_id(), "Look", "at *this*", "info", ("https://x.test/1",))
        writer.write(own)
        writer.write(own)
        newest, oldest = store.events()
        assert (newest.alert, newest.title, newest.text, newest.level) == ("", "Look", "at *this*", "info")
        assert (newest.run, newest.id, newest.time, len(newest.deliveries)) == (run, own.id, 30, 1)
        assert (oldest.alert, oldest.title, oldest.text, oldest.level) == (
            "drop",
            "drop",
            "loss is 0.7",
            "error",
        )
        assert oldest.value is not None
        assert math.isnan(oldest.value)
        assert [row.id for row in store.events(run=run)] == [own.id]
        assert [row.id for row in store.events("drop", ONE)] == [event.id]
        assert store.events("none") == []
        assert len(store.events(limit=1)) == 1

    def test_a_delivery_is_claimed_by_one_and_tried_until_it_is_through(self, store: Store) -> None:
        """Who claims it and dies has it taken over when time is up."""
        do(store, alert(targets=("https://x.test/1", "https://x.test/2")))
        event = fired()
        do(store, event)
        assert [row.id for row in store.due_events(10)] == [event.id]
        assert store.due_events(9) == []
        claim = DeliveryClaimed(20, "drop", event.id, 0, 80)
        assert do(store, claim, DeliveryClaimed(79, "drop", event.id, 0, 99)) == [
            "somebody else is at it, or it is to wait"
        ]
        assert do(store, DeliveryClaimed(80, "drop", event.id, 0, 140)) == []
        do(store, DeliveryTried(90, "drop", event.id, 0, False, "HTTP 503", 200))
        do(store, DeliveryTried(90, "drop", event.id, 1, False, "refused"))
        (row,) = store.events("drop")
        states = [(way.status, way.attempts, way.outcome, way.next) for way in row.deliveries]
        assert states == [("pending", 1, "HTTP 503", 200), ("failed", 1, "refused", 0)]
        assert (store.due_events(199), len(store.due_events(200))) == ([], 1)
        do(
            store,
            DeliveryClaimed(200, "drop", event.id, 0, 260),
            DeliveryTried(201, "drop", event.id, 0, True, "HTTP 200"),
        )
        way = store.events("drop")[0].deliveries[0]
        assert (way.status, way.attempts, way.outcome) == ("delivered", 2, "HTTP 200")
        assert do(store, DeliveryClaimed(300, "drop", event.id, 0, 360)) == ["it is delivered"]
        assert do(store, DeliveryTried(300, "drop", "f" * 32, 0, True, "")) == ["there is no such delivery"]
        assert store.due_events(1 << 60) == []

    def test_a_storm_is_capped(self, store: Store) -> None:
        """What is told is kept all the same."""
        do(store, alert(targets=("https://x.test/1",)))
        runs = [f"{number:032x}" for number in range(MOST_AN_HOUR + 2)]
        do(store, *(fired(run) for run in runs))
        ways = [row.deliveries[0].status for row in store.events("drop", limit=1000)]
        assert (ways.count("pending"), ways.count("dropped")) == (MOST_AN_HOUR, 2)
        do(store, fired(TWO, time=11 + HOUR))
        assert store.events("drop")[0].deliveries[0].status == "pending"
