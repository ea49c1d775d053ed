"""The contract of corrections by people: edits, their history, undoing, archiving, deleting."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from typing import Any

import pytest

from chachaml.core.changes import (
    Aspect,
    Batch,
    Change,
    ExperimentDescribed,
    ParamsLogged,
    Receipt,
    RunDeleted,
    RunEdited,
    TagsSet,
)
from chachaml.core.errors import NotFound
from chachaml.core.ids import new_id
from chachaml.core.model import RunQuery
from chachaml.store.protocol import Store
from chachaml.testing.artifacts import artifact
from chachaml.testing.material import Fixtures, Writer, best_by, ended, ids_of, points, started

__all__ = ["CorrectionContract"]


def correct(store: Store, *changes: Change) -> Receipt:
    """Apply changes as a person's command."""
    return store.apply(Batch(changes, command=new_id()))


def edit(run: str, aspect: Aspect, value: str | None, key: str = "", **fields: Any) -> RunEdited:
    """Return a correction."""
    return RunEdited(run, 5_000, "maria", aspect, value, key, **fields)


class CorrectionContract(Fixtures):
    """People may put things right; who did it, and what was there, is kept."""

    def test_names_experiments_and_params_are_corrected(self, store: Store, writer: Writer) -> None:
        """And each is told in the history, newest first."""
        run, other = writer.start(experiment="old", name="a"), writer.start()
        writer.write(ParamsLogged(run, 1, {"lr": "1", "gone": "2"}), points(run, "loss", [1.0]))
        correct(
            store,
            edit(run, "name", "b"),
            edit(run, "experiment", "new"),
            edit(run, "parent", other),
            edit(run, "param", "3", "lr"),
            edit(run, "param", None, "gone"),
            edit(run, "param", '"x"', "added"),
            edit(run, "param", '"x"', "added"),
            edit(other, "name", "c"),
        )
        row = store.get_run(run)
        assert (row.name, row.experiment, row.params) == ("b", "new", {"lr": 3, "added": "x"})
        assert (row.parent, ids_of(store, parent=other)) == (other, [run])
        told = [(one.aspect, one.key, one.before, one.after) for one in store.history(run)]
        assert told == [
            ("param", "added", None, '"x"'),
            ("param", "gone", "2", None),
            ("param", "lr", "1", "3"),
            ("parent", "", None, other),
            ("experiment", "", "old", "new"),
            ("name", "", "a", "b"),
        ]
        everything = store.history()
        assert [one.no for one in everything] == sorted((one.no for one in everything), reverse=True)
        assert (everything[0].run, everything[0].by, everything[0].time) == (other, "maria", 5_000)
        correct(store, edit(run, "parent", None))
        assert (store.get_run(run).parent, ids_of(store, parent=other)) == (None, [])
        older = store.history(before=everything[0].no, limit=1)
        assert older == everything[1:2]

    def test_a_moved_run_is_found_where_it_is_now(self, store: Store, writer: Writer) -> None:
        """By its metrics too."""
        run = writer.start(experiment="old")
        writer.write(points(run, "loss", [1.0]))
        correct(store, edit(run, "experiment", "new"))
        assert ids_of(store, experiment="old", **best_by("loss")) == []
        assert ids_of(store, experiment="new", **best_by("loss")) == [run]

    def test_what_was_corrected_is_undone_once(self, store: Store, writer: Writer) -> None:
        """And not when another correction followed."""
        run = writer.start(name="a")
        correct(store, edit(run, "name", "b"), edit(run, "name", "c"))
        second, first = store.history(run)
        assert "undo that first" in correct(store, edit(run, "name", "a", undoes=first.no)).conflicts[0].what
        assert correct(store, edit(run, "name", "b", undoes=second.no)).conflicts == ()
        assert "undone before" in correct(store, edit(run, "name", "b", undoes=second.no)).conflicts[0].what
        assert correct(store, edit(run, "name", "a", undoes=first.no)).conflicts == ()
        assert "no change" in correct(store, edit(run, "name", "a", undoes=999)).conflicts[0].what
        assert store.get_run(run).name == "a"
        assert [one.undone for one in store.history(run)] == [None, None, 3, 4]

    def test_a_deleted_metric_comes_back_whole(self, store: Store, writer: Writer) -> None:
        """Its points, however many, and their count; unless it was logged anew."""
        run = writer.start()
        writer.write(points(run, "loss", range(1000)), points(run, "acc", [0.5]))
        correct(store, edit(run, "metric", None, "loss"))
        assert set(store.get_run(run).metrics) == {"acc"}
        assert (store.info().points, store.keys()["metric"]) == (1, ["acc"])
        with pytest.raises(NotFound):
            store.read_series(run, "loss")
        (entry,) = store.history(run)
        assert (entry.before, entry.after) == ("1000", None)
        assert store.check() == []
        back = edit(run, "metric", str(entry.no), "loss", undoes=entry.no)
        assert correct(store, back).conflicts == ()
        assert store.read_series(run, "loss").values.tolist() == list(range(1000))
        assert store.info().points == 1001
        correct(store, edit(run, "metric", None, "acc"))
        writer.write(points(run, "acc", [0.7]))
        entry = store.history(run)[0]
        refused = correct(store, edit(run, "metric", str(entry.no), "acc", undoes=entry.no))
        assert len(refused.conflicts) == 1
        assert store.get_run(run).metrics["acc"].last == 0.7
        assert store.check() == []

    def test_archived_runs_hide(self, store: Store, writer: Writer) -> None:
        """Keep their status, and come back."""
        run, running = writer.start(), writer.start()
        writer.write(ended(run, status="failed"))
        receipt = correct(store, edit(run, "archived", "yes"), edit(running, "archived", "yes"))
        assert [(one.run, one.what) for one in receipt.conflicts] == [(running, "the run is running")]
        assert (ids_of(store), ids_of(store, archived=True)) == ([running], [run])
        row = store.get_run(run)
        assert (row.status, row.archived) == ("failed", 5_000)
        correct(store, RunEdited(run, 9_000, "maria", "archived", "yes"))
        assert (store.get_run(run).archived, len(store.history())) == (5_000, 1)
        correct(store, edit(run, "archived", None))
        assert set(ids_of(store)) == {run, running}

    def test_a_deleted_run_is_gone_and_stays_gone(self, store: Store, writer: Writer, other: Writer) -> None:
        """Whatever arrives of it later is dropped; other runs are untouched."""
        run, kept = writer.start(name="bad"), writer.start()
        things: list[Change] = [ParamsLogged(run, 1, {"a": "1"}), artifact(run, "x")]
        writer.write(
            *things,
            points(run, "m", range(500)),
            TagsSet(run, 1, {"t": "1"}),
            ended(run),
            points(kept, "m", [1.0]),
            ended(kept),
        )
        held = store.contents([run, kept, new_id()])
        assert (held.runs, held.params, held.metrics, held.points) == (2, 1, 2, 501)
        assert (held.artifacts, held.bytes) == (1, 4)
        correct(store, RunDeleted(run, 6_000, "maria"))
        with pytest.raises(NotFound):
            store.get_run(run)
        assert (ids_of(store, archived=None), store.info().points) == ([kept], 1)
        assert (store.digests(), store.contents([run]).runs) == (set(), 0)
        late = other.write(started(run), points(run, "m", [1.0]), points(kept, "m", [2.0]))
        assert [one.run for one in late.conflicts] == [run, run]
        assert ids_of(store, archived=None) == [kept]
        assert store.get_run(kept).metrics["m"].count == 2
        (entry,) = store.history(run)
        assert (entry.aspect, entry.before, entry.by) == ("deleted", "bad", "maria")
        assert run in store.changes_since(0).rows[-2].runs
        fresh = writer.start()
        assert fresh in store.changes_since(0).rows[-1].runs
        assert store.check() == []

    def test_a_running_run_is_not_deleted(self, store: Store, writer: Writer) -> None:
        """Nor is one that is not there; both are said."""
        run, unknown = writer.start(), new_id()
        receipt = correct(
            store, RunDeleted(run, 1, ""), RunDeleted(unknown, 1, ""), edit(unknown, "name", "x")
        )
        assert [one.run for one in receipt.conflicts] == [run, unknown, unknown]
        assert ids_of(store) == [run]
        assert store.history() == []

    def test_corrections_follow_what_the_same_batch_logged(self, store: Store) -> None:
        """And come before what it logs later."""
        run = new_id()
        correct(
            store,
            started(run, name="a"),
            ParamsLogged(run, 1, {"lr": "1"}),
            points(run, "m", [1.0]),
            edit(run, "param", "2", "lr"),
            edit(run, "metric", None, "m"),
            points(run, "m", [5.0]),
            ParamsLogged(run, 1, {"lr": "2", "new": "3"}),
            edit(run, "name", "b"),
        )
        row = store.get_run(run)
        assert (row.name, row.params, row.metrics["m"].count) == ("b", {"lr": 2, "new": 3}, 1)
        assert row.conflicts == ()

    def test_experiments_are_described_and_counted(self, store: Store, writer: Writer) -> None:
        """Those that nobody described too; None leaves what was said."""
        correct(store, ExperimentDescribed(10, "vision", "What we see", "ada"))
        correct(store, ExperimentDescribed(20, "vision", None, "maria"))
        first, second = (writer.start(experiment="plain") for _ in range(2))
        writer.write(ended(first))
        correct(store, edit(first, "archived", "yes"))
        plain, vision = store.experiments()
        assert (vision.name, vision.description, vision.owner, vision.created) == (
            "vision",
            "What we see",
            "maria",
            10,
        )
        assert (vision.runs, vision.last_started) == (0, None)
        assert (plain.name, plain.runs, plain.running, plain.archived) == ("plain", 1, 1, 1)
        assert plain.last_started == 1_000
        assert store.find_runs(RunQuery(experiment="plain")).runs[0].id == second
