"""Several writers against two stores at once: SQLite must agree with memory after every step."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from tests.seeds import SOAK

from chachaml.core.changes import (
    Batch,
    Change,
    ExperimentDescribed,
    JournalInfo,
    OwnerLost,
    ParamsLogged,
    PointsLogged,
    Receipt,
    RunDeleted,
    RunEdited,
    RunEnded,
    RunError,
    RunJoined,
    RunResumed,
    RunStarted,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.errors import NotFound
from chachaml.core.model import ExperimentRow, RunQuery, RunRow, Summary
from chachaml.core.query import parse, parse_order
from chachaml.store.memory import MemoryStore
from chachaml.store.protocol import Feed, Store
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import ended, points, started
from chachaml.testing.material import best_by

RUNS = [f"{letter}" * 32 for letter in "abc"]
JOURNALS = [f"{number}" * 32 for number in (1, 2, 3)]
KEYS = ["loss", "acc", "läng'\"s"]

times = st.integers(0, 50)
steps = st.integers(-3, 12) | st.sampled_from([2**63 - 1, -(2**63)])
values = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324])
texts = st.sampled_from(["", "x", "y", "日本", "'; --"])
params = st.sampled_from(["1", "1.0", "true", "2", '"1"', "null", "[1]", '{"$float":"NaN"}'])
names = st.sampled_from(["lr", "depth", "model.act"])
columns = st.lists(st.tuples(steps, times, values), min_size=1, max_size=20)


@st.composite
def some_points(draw: st.DrawFn, run: str) -> PointsLogged:
    drawn = draw(columns)
    return points(
        run, draw(st.sampled_from(KEYS)), [p[2] for p in drawn], *zip(*[p[:2] for p in drawn], strict=True)
    )


@st.composite
def many_points(draw: st.DrawFn, run: str) -> PointsLogged:
    count = draw(st.integers(100, 3_000))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    begin, back = draw(st.integers(0, 5_000)), draw(st.booleans())
    order = np.arange(begin, begin + count)
    when = random.integers(0, 50, count)
    return points(
        run, draw(st.sampled_from(KEYS)), random.normal(size=count), order[::-1] if back else order, when
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    run = draw(st.sampled_from(RUNS))
    drawn: Change = draw(
        st.one_of(
            st.builds(
                lambda time, name, tags: started(run, time, name=name, tags=tags),
                times,
                st.sampled_from(["n1", "n2"]),
                st.dictionaries(names, texts, max_size=2),
            ),
            st.builds(RunResumed, st.just(run), times),
            st.builds(RunJoined, st.just(run), times),
            st.builds(
                lambda time, status, duration: ended(
                    run,
                    time,
                    status,
                    duration=duration,
                    error=RunError("E", "m") if status == "failed" else None,
                ),
                times,
                st.sampled_from(["completed", "failed", "interrupted"]),
                st.none() | st.integers(0, 100),
            ),
            st.builds(ParamsLogged, st.just(run), times, st.dictionaries(names, params, max_size=3)),
            st.builds(TagsSet, st.just(run), times, st.dictionaries(names, texts, max_size=3)),
            st.builds(TagsRemoved, st.just(run), times, st.lists(names, max_size=2).map(tuple)),
            some_points(run),
            some_points(run),
            many_points(run),
        )
    )
    return drawn


@st.composite
def corrections(draw: st.DrawFn) -> Change:
    run, time = draw(st.sampled_from(RUNS)), draw(times)
    undoes = draw(st.just(0) | st.integers(1, 12))
    edits = (
        ("name", "", draw(texts)),
        ("experiment", "", draw(st.sampled_from(["e1", "e2"]))),
        ("archived", "", draw(st.sampled_from(["yes", None]))),
        ("param", draw(names), draw(st.none() | params)),
        ("metric", draw(st.sampled_from(KEYS)), draw(st.none() | st.integers(1, 12).map(str))),
    )
    aspect, key, value = draw(st.sampled_from(edits))
    if aspect == "metric" and value is not None:
        undoes = int(value)  # as whoever undoes says it
    edit = RunEdited(run, time, "ada", aspect, value, key, undoes)  # type: ignore[arg-type]
    return draw(
        st.sampled_from(
            (edit, edit, edit, RunDeleted(run, time, "ada"), ExperimentDescribed(time, "e1", draw(texts)))
        )
    )


batches = st.lists(changes(), max_size=5).map(tuple)
journals = st.sampled_from(JOURNALS)


LOGGED = (RunResumed, RunJoined, RunStarted, RunEnded, ParamsLogged, TagsSet, TagsRemoved, PointsLogged)


def timeless(experiment: ExperimentRow) -> ExperimentRow:
    """Return it without when it was first heard of, which a run's deletion may take from the model."""
    return replace(experiment, created=0)


def plain(row: RunRow) -> RunRow:
    """Return the row without what two right stores may sum up differently: -0.0, and float sums."""
    return replace(row, metrics={key: _plain_summary(summary) for key, summary in row.metrics.items()})


def _plain_summary(summary: Summary) -> Any:
    odd = {name: repr((getattr(summary, name) or 0.0) + 0.0) for name in ("first", "last", "min", "max")}
    return replace(summary, **odd, sum=0.0)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "runs.db"
        self.model = MemoryStore()
        self.subject: Store = self.open()
        self.ends = dict.fromkeys(JOURNALS, 0)
        self.sent: list[Batch] = []
        self.known: set[str] = set()
        self.followed = Feed((), 0)

    def open(self) -> Store:
        return open_sqlite(self.path)

    def teardown(self) -> None:
        self.subject.close()
        self.folder.cleanup()

    def both(self, batch: Batch) -> Receipt:
        expected, receipt = self.model.apply(batch), self.subject.apply(batch)
        assert (receipt.applied, receipt.applied_to) == (expected.applied, expected.applied_to)
        assert receipt.conflicts == expected.conflicts
        self.sent.append(batch)
        return receipt

    def info(self, journal: str) -> JournalInfo:
        return JournalInfo(journal, "s" * 32)

    @initialize(journal=journals, time=times)
    def begin(self, journal: str, time: int) -> None:
        self.write(journal, (started(RUNS[0], time),), 32)

    @rule(journal=journals, changes=batches, size=st.integers(1, 100))
    def write(self, journal: str, changes: tuple[Change, ...], size: int) -> None:
        start = self.ends[journal]
        assert self.both(Batch(changes, self.info(journal), start, start + size)).applied
        self.ends[journal] = start + size
        self.known |= {change.run for change in changes if isinstance(change, LOGGED)}

    @rule(data=st.data())
    def send_an_old_batch_again(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.sent))
        receipt = self.both(old)
        assert receipt.applied == bool(old.command)

    @rule(journal=journals, changes=batches, off=st.integers(-100, 100).filter(bool))
    def write_from_elsewhere(self, journal: str, changes: tuple[Change, ...], off: int) -> None:
        start = self.ends[journal] + off
        assert not self.model.apply(Batch(changes, self.info(journal), start, start + 200)).applied
        receipt = self.subject.apply(Batch(changes, self.info(journal), start, start + 200))
        assert (receipt.applied, receipt.applied_to) == (False, self.ends[journal])

    @rule(changes=batches, command=st.sampled_from(["c1", "c2", "c3"]))
    def command(self, changes: tuple[Change, ...], command: str) -> None:
        first = all(batch.command != command for batch in self.sent)
        self.both(Batch(changes, command=command))
        if first:
            self.known |= {change.run for change in changes if isinstance(change, LOGGED)}

    @rule(changes=st.lists(changes() | corrections(), min_size=1, max_size=6).map(tuple))
    def correct(self, changes: tuple[Change, ...]) -> None:
        self.both(Batch(changes, command=f"correct {len(self.sent)}"))
        self.known |= {change.run for change in changes if isinstance(change, LOGGED)}

    @rule(journal=journals, time=times)
    def lose_owner(self, journal: str, time: int) -> None:
        self.both(Batch((OwnerLost(journal, time),), command=f"lost {len(self.sent)}"))

    @rule()
    def reopen(self) -> None:
        identity = self.subject.id
        self.subject.close()
        self.subject = self.open()
        assert self.subject.id == identity

    @rule(low=steps, high=steps)
    def read_a_window(self, low: int, high: int) -> None:
        self.assert_same_series((low, high))

    @invariant()
    def runs_are_the_same(self) -> None:
        for run in self.living():
            ours, theirs = self.subject.get_run(run), self.model.get_run(run)
            assert plain(ours) == plain(theirs)
            for key, summary in ours.metrics.items():
                assert math.isclose(summary.sum, theirs.metrics[key].sum, rel_tol=1e-9, abs_tol=1e-6)

    @invariant()
    def series_are_the_same(self) -> None:
        self.assert_same_series(None)

    def living(self) -> list[str]:
        """Return the runs that were not deleted; those that were are gone from both."""
        there = {run for run in self.known if self.model.find_runs(RunQuery(text_id=run, archived=None)).runs}
        for run in self.known - there:
            with pytest.raises(NotFound):
                self.subject.get_run(run)
        return sorted(there)

    @invariant()
    def corrections_are_told_the_same(self) -> None:
        assert self.subject.history(limit=1000) == self.model.history(limit=1000)
        assert self.subject.history(RUNS[0], before=7, limit=3) == self.model.history(
            RUNS[0], before=7, limit=3
        )
        assert self.subject.contents(RUNS) == self.model.contents(RUNS)
        ours, theirs = self.subject.experiments(), self.model.experiments()
        assert [one for one in map(timeless, ours) if one.runs + one.archived] == [
            one for one in map(timeless, theirs) if one.runs + one.archived
        ]
        assert self.subject.keys() == self.model.keys()

    def assert_same_series(self, window: tuple[int, int] | None) -> None:
        for run in self.living():
            for key in self.model.get_run(run).metrics:
                ours = self.subject.read_series(run, key, window)
                theirs = self.model.read_series(run, key, window)
                for column in ("steps", "times", "values"):
                    assert getattr(ours, column).tobytes() == getattr(theirs, column).tobytes(), column
                assert (ours.total, ours.sampled) == (theirs.total, theirs.sampled)

    @invariant()
    def runs_are_found_in_the_same_order(self) -> None:
        for query in (
            RunQuery(with_values=True),
            RunQuery(status="running"),
            RunQuery(owner=JOURNALS[0]),
            RunQuery(**best_by("loss")),
            RunQuery(**best_by("loss", "min", descending=False)),
            RunQuery(order=parse_order("metrics.loss desc, params.lr, tags.k desc")),
            RunQuery(filter=parse("metrics.loss > 0 or not params.lr < 1 and tags.k is not null")),
        ):
            ours, theirs = self.subject.find_runs(query), self.model.find_runs(query)
            assert [plain(row) for row in ours.runs] == [plain(row) for row in theirs.runs]

    @invariant()
    def the_feed_tells_the_same(self) -> None:
        """Whether it is read from the beginning or followed."""
        expected = [set(row.runs) for row in self.model.changes_since(0).rows]
        replayed = self.subject.changes_since(0)
        assert [set(row.runs) for row in replayed.rows] == expected
        news = self.subject.changes_since(self.followed.cursor)
        self.followed = Feed((*self.followed.rows, *news.rows), news.cursor)
        assert self.followed == replayed

    @invariant()
    def as_much_is_in_both(self) -> None:
        ours, theirs = self.subject.info(), self.model.info()
        assert (ours.runs, ours.points) == (theirs.runs, theirs.points)
        for journal, end in self.ends.items():
            assert self.subject.applied_to(journal) == self.model.applied_to(journal) == end


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=1_000 if SOAK else 15,
    stateful_step_count=60 if SOAK else 25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
