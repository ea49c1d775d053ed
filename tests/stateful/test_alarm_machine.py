"""Alerts set, fired and delivered in any order: SQLite must agree with memory after every step."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.seeds import SOAK

from chachaml.core.changes import (
    AlertChange,
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
from chachaml.store.memory import MemoryStore
from chachaml.store.protocol import Store
from chachaml.store.sqlite import open_sqlite

RUNS = ["a" * 32, "b" * 32]
names = st.sampled_from(["x", "y"])
ids = st.sampled_from([letter * 32 for letter in "123456"])
times = st.integers(0, 100)
targets = st.sampled_from([(), ("https://x.test/1",), ("https://x.test/1", "https://x.test/2")])
rules = st.builds(
    AlertRule, st.just("threshold"), cooldown=st.sampled_from([0, 30]), tell_resolved=st.booleans()
)
changes: st.SearchStrategy[AlertChange] = st.one_of(
    st.builds(AlertSet, times, names, st.just("ada"), rules, targets),
    st.builds(AlertSwitched, times, names, st.just("ada"), st.none() | st.booleans(), st.none() | times),
    st.builds(AlertDeleted, times, names, st.just("ada")),
    st.builds(DeliveryClaimed, times, names, ids, st.integers(0, 2), times),
    st.builds(
        DeliveryTried, times, names, ids, st.integers(0, 2), st.booleans(), st.just("o"), st.just(0) | times
    ),
)


class AlarmMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "runs.db"
        self.model = MemoryStore()
        self.subject: Store = self.open()
        self.events = 0

    def open(self) -> Store:
        return open_sqlite(self.path)

    def teardown(self) -> None:
        self.subject.close()
        self.folder.cleanup()

    def both(self, *some: Change) -> None:
        batch = Batch(some, command=new_id())
        assert self.subject.apply(batch).conflicts == self.model.apply(batch).conflicts

    @rule(some=st.lists(changes, min_size=1, max_size=4))
    def change(self, some: list[AlertChange]) -> None:
        self.both(*some)

    @rule(time=times, name=names, run=st.sampled_from(RUNS), resolved=st.booleans())
    def fire(self, time: int, name: str, run: str, resolved: bool) -> None:
        self.events += 1
        number = str(self.events) * 32 if self.events < 7 else new_id()
        self.both(AlertFired(time, name, number, run, "text", 1.5, resolved))

    @rule(time=times, run=st.sampled_from(RUNS), event=ids, where=targets)
    def raise_one(self, time: int, run: str, event: str, where: tuple[str, ...]) -> None:
        if not any(row.id == event and row.alert for row in self.model.events()):
            self.both(AlertRaised(run, time, event, "t", "x", "info", where))
            self.events = 7

    @rule()
    def reopen(self) -> None:
        self.subject.close()
        self.subject = self.open()

    @invariant()
    def both_hold_the_same(self) -> None:
        assert self.subject.alerts() == self.model.alerts()
        assert self.subject.events() == self.model.events()
        assert self.subject.events("x", RUNS[0], 2) == self.model.events("x", RUNS[0], 2)
        for now in (0, 50, 200):
            assert self.subject.due_events(now) == self.model.due_events(now)

    @invariant()
    def nothing_fired_twice_for_a_run(self) -> None:
        for alert in self.subject.alerts():
            since = [row for row in self.subject.events(alert.name, limit=10_000) if not row.resolved]
            assert alert.firing in ("", *(row.run for row in since))


TestAlarmMachine = AlarmMachine.TestCase
TestAlarmMachine.settings = settings(
    max_examples=1_000 if SOAK else 25, stateful_step_count=40 if SOAK else 20, deadline=None, print_blob=True
)
