"""The contract of writing: batches and rules."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from msgspec.structs import replace

from chachaml.core.changes import (
    Batch,
    Change,
    OwnerLost,
    ParamsLogged,
    RunDeleted,
    RunEdited,
    RunError,
    RunJoined,
    RunResumed,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.errors import NotFound
from chachaml.core.ids import new_id
from chachaml.core.model import RunQuery, RunRow
from chachaml.core.values import canonical
from chachaml.store.protocol import Store
from chachaml.testing.material import (
    ODD_FLOATS,
    ODD_TEXTS,
    ODD_VALUES,
    Fixtures,
    Writer,
    bits,
    ended,
    ids_of,
    points,
    started,
)

__all__ = ["BatchContract", "RunContract"]


class BatchContract(Fixtures):
    """All or nothing, exactly once, in order."""

    def test_a_new_store_is_empty(self, store: Store) -> None:
        """Nothing is in it, and asking is no error."""
        info = store.info()
        assert (info.id, info.runs, info.points) == (store.id, 0, 0)
        assert len(store.id) == 32
        assert store.find_runs(RunQuery()).runs == ()
        assert store.changes_since(0).rows == ()
        assert store.applied_to(new_id()) == 0

    def test_batches_of_a_journal_follow_each_other(self, store: Store, writer: Writer) -> None:
        """The offset that is applied moves to the end of each batch."""
        run = writer.start()
        writer.write(points(run, "a", [1.0]))
        assert store.applied_to(writer.info.id) == writer.at == 64

    @pytest.mark.parametrize(("start", "end"), [(0, 32), (0, 64), (32, 96), (16, 80), (65, 96), (1000, 1032)])
    def test_a_batch_from_elsewhere_changes_nothing(
        self, store: Store, writer: Writer, start: int, end: int
    ) -> None:
        """Stale, overlapping or early: the receipt says where to go on."""
        run = writer.start()
        writer.write(points(run, "a", [1.0]))
        before, feed = store.get_run(run), store.changes_since(0)
        wrong = (points(run, "a", [2.0]), TagsSet(run, 1, {"k": "v"}), started(new_id()))
        receipt = store.apply(Batch(wrong, writer.info, start, end))
        assert (receipt.applied, receipt.applied_to, receipt.cursor) == (False, 64, feed.cursor)
        assert store.get_run(run) == before
        assert store.changes_since(0) == feed
        assert store.info().runs == 1
        assert store.applied_to(writer.info.id) == 64

    def test_several_batches_are_one_transaction(self, store: Store, writer: Writer) -> None:
        """Each has a receipt of its own; one that stands wrong changes nothing, and hinders none."""
        run = writer.start()
        batches = [
            Batch((TagsSet(run, 1, {"k": "v"}),), command="first"),
            writer.batch(points(run, "a", [1.0]), start=1000),
            Batch((ParamsLogged(run, 1, {"p": "1"}),), command="second"),
            Batch((TagsSet(run, 1, {"k": "w"}),), command="first"),
        ]
        receipts = store.apply_all(batches)
        assert [receipt.applied for receipt in receipts] == [True, False, True, True]
        assert receipts[3] == receipts[0]
        row = store.get_run(run)
        assert (row.tags["k"], row.params, row.metrics) == ("v", {"p": 1}, {})
        assert store.apply_all([]) == []

    def test_batches_of_one_transaction_come_one_after_the_other(
        self, store: Store, writer: Writer, other: Writer
    ) -> None:
        """Whatever one of them made is there for the next, whoever says it."""
        run, gone = new_id(), new_id()
        receipts = store.apply_all(
            [
                writer.batch(started(run), started(gone), points(run, "a", [1.0, 2.0])),
                other.batch(ParamsLogged(run, 1, {"p": "1"}), points(run, "a", [3.0], [2])),
                Batch((ParamsLogged(run, 2, {"p": "2"}), TagsSet(run, 2, {"k": "v"})), command="later"),
                writer.batch(ended(run), ended(gone), start=32),
                Batch((RunDeleted(gone, 3, "ada"), RunEdited(run, 3, "ada", "name", "new")), command="then"),
                other.batch(points(gone, "a", [1.0]), points(run, "b", [4.0]), start=32),
            ]
        )
        assert [receipt.applied for receipt in receipts] == [True] * 6
        assert [[one.run for one in receipt.conflicts] for receipt in receipts] == [
            [], [], [run], [], [], [gone],
        ]  # fmt: skip
        cursors = [receipt.cursor for receipt in receipts]
        assert cursors == sorted(set(cursors))
        row = store.get_run(run)
        assert (row.name, row.status, row.params, row.tags) == ("new", "completed", {"p": 1}, {"k": "v"})
        assert store.read_series(run, "a").values.tolist() == [1.0, 2.0, 3.0]
        assert row.owner == writer.info.id
        assert (store.applied_to(writer.info.id), store.applied_to(other.info.id)) == (64, 64)
        assert store.info().points == 4
        touched = [set(feed.runs) for feed in store.changes_since(0).rows]
        assert touched[-6:] == [{run, gone}, {run}, {run}, {run, gone}, {run, gone}, {run}]

    def test_bare_runs_are_found_by_id(self, store: Store, writer: Writer) -> None:
        """Those that there are, without what belongs to them."""
        one, other, unknown = writer.start(tags={"k": "v"}), writer.start(), new_id()
        found = store.bare_runs([one, unknown, other, one])
        assert found.keys() == {one, other}
        assert found[one] == replace(store.get_run(one), tags={})
        assert store.bare_runs([]) == {}

    def test_an_unknown_journal_begins_at_zero(self, store: Store, writer: Writer) -> None:
        """Its first batch is refused anywhere else."""
        receipt = store.apply(writer.batch(started(new_id()), start=32))
        assert (receipt.applied, receipt.applied_to) == (False, 0)

    def test_a_batch_sent_again_after_a_lost_answer_counts_once(self, store: Store, writer: Writer) -> None:
        """Whoever lost the answer is told to go on from the batch's end."""
        run = new_id()
        batch = writer.batch(started(run), points(run, "a", [1.0, 2.0]))
        assert store.apply(batch).applied
        again = store.apply(batch)
        assert (again.applied, again.applied_to) == (False, batch.end)
        assert store.get_run(run).metrics["a"].count == 2

    def test_a_batch_without_changes_moves_on(self, store: Store, writer: Writer) -> None:
        """A stretch of a journal may hold nothing."""
        assert writer.write().applied_to == store.applied_to(writer.info.id) == 32

    def test_a_command_counts_once(self, store: Store, writer: Writer) -> None:
        """Applied again, even later, it changes nothing and gives the first receipt."""
        run = writer.start()
        writer.write(ParamsLogged(run, 1, {"a": "1"}))
        command = Batch((TagsSet(run, 1, {"k": "first"}), ParamsLogged(run, 1, {"a": "2"})), command="c1")
        receipt = store.apply(command)
        assert receipt.applied
        assert len(receipt.conflicts) == 1
        assert store.apply(Batch((TagsSet(run, 2, {"k": "second"}),), command="c2")).cursor > receipt.cursor
        assert store.apply(command) == receipt
        with closing(self.reopen(store)) as store:
            assert store.apply(command) == receipt
            assert store.get_run(run).tags == {"k": "second"}

    def test_everything_is_there_after_reopening(self, store: Store, writer: Writer) -> None:
        """What was applied, and how far."""
        run = writer.start(tags={"k": "v"})
        writer.write(points(run, "a", ODD_FLOATS), ParamsLogged(run, 1, {"lr": "0.1"}))
        before, feed, info = store.get_run(run), store.changes_since(0), store.info()
        store.sync()
        with closing(self.reopen(store)) as store:
            assert repr(store.get_run(run)) == repr(before)  # a NaN equals none that was read anew
            assert bits(store.read_series(run, "a").values) == bits(ODD_FLOATS)
            assert store.changes_since(0) == feed
            assert store.info() == info
            assert store.applied_to(writer.info.id) == writer.at
            assert not store.apply(writer.batch(started(run), start=0)).applied

    def test_closing_twice_is_fine(self, store: Store) -> None:
        """The second time nothing is left to do."""
        store.close()
        store.close()


class RunContract(Fixtures):
    """The rules, inside the transaction."""

    def test_a_run_is_what_its_start_says(self, store: Store, writer: Writer) -> None:
        """Every field comes back."""
        run, parent = new_id(), new_id()
        writer.write(
            started(run, 5, experiment="e", name="n", created_by="me", parent=parent, tags={"k": "v"})
        )
        row = RunRow(run, "e", "n", "running", 5, "me", parent=parent, owner=writer.info.id, tags={"k": "v"})
        assert store.get_run(run) == row

    @pytest.mark.parametrize(
        "first",
        [
            lambda run: points(run, "a", [1.0], [3], [77]),
            lambda run: ParamsLogged(run, 77, {"lr": "0.1"}),
            lambda run: TagsSet(run, 77, {"phase": "late"}),
            lambda run: TagsRemoved(run, 77, ("k",)),
            lambda run: RunJoined(run, 77),
            lambda run: ended(run, 77),
        ],
        ids=["points", "params", "tags", "tags removed", "joined", "ended"],
    )
    def test_data_does_not_wait_for_the_start(
        self, store: Store, writer: Writer, other: Writer, first: Callable[[str], Change]
    ) -> None:
        """What arrives early makes the run, and the start completes it."""
        run = new_id()
        other.write(first(run))
        early = store.get_run(run)
        assert (early.experiment, early.status, early.started, early.owner) == ("", "running", 77, None)
        writer.write(started(run, 50, tags={"phase": "early", "k": "v"}))
        row = store.get_run(run)
        assert (row.experiment, row.name, row.started, row.owner) == (
            "contract",
            "brave-otter-417",
            50,
            writer.info.id,
        )
        assert row.status == "running"
        assert row.tags == {"phase": "early", "k": "v", **early.tags}
        assert (row.params, row.metrics) == (early.params, early.metrics)

    def test_a_second_start_is_a_conflict(self, store: Store, writer: Writer, other: Writer) -> None:
        """The first one stays, tags and all; in the same journal it is no news."""
        run = writer.start(tags={"k": "v"})
        before = store.get_run(run)
        assert writer.write(started(run, 9, name="again")).conflicts == ()
        receipt = other.write(started(run, 9, name="other", tags={"k": "w"}))
        assert [conflict.run for conflict in receipt.conflicts] == [run]
        assert store.get_run(run) == replace(before, conflicts=receipt.conflicts)

    def test_only_the_owner_ends_a_run(self, store: Store, writer: Writer, other: Writer) -> None:
        """The end of one who joined is the end of their part in it."""
        run = writer.start()
        other.write(RunJoined(run, 3), ended(run, 4, "failed"))
        assert store.get_run(run).status == "running"
        error = RunError("ValueError", "no", "Traceback ...")
        writer.write(ended(run, 9, "failed", error=error, duration=8))
        row = store.get_run(run)
        assert (row.status, row.ended, row.duration, row.error) == ("failed", 9, 8, error)

    def test_data_after_the_end_is_kept(self, store: Store, writer: Writer, other: Writer) -> None:
        """It does not change how the run ended."""
        run = writer.start()
        writer.write(ended(run))
        other.write(points(run, "a", [1.0]), ParamsLogged(run, 1, {"lr": "1"}), TagsSet(run, 1, {"k": "v"}))
        row = store.get_run(run)
        assert (row.status, row.ended, row.params, row.tags) == ("completed", 2_000, {"lr": 1}, {"k": "v"})
        assert row.metrics["a"].count == 1

    def test_resuming_hands_the_run_over(self, store: Store, writer: Writer, other: Writer) -> None:
        """Durations add up, the error is gone, and the new owner's end counts."""
        run = writer.start()
        writer.write(ended(run, 9, "failed", error=RunError("E"), duration=8))
        assert other.write(RunResumed(run, 20)).conflicts == ()
        row = store.get_run(run)
        assert (row.status, row.ended, row.error, row.owner) == ("running", None, None, other.info.id)
        other.write(ended(run, 30, duration=10))
        row = store.get_run(run)
        assert (row.status, row.ended, row.duration) == ("completed", 30, 18)

    def test_resuming_a_run_that_is_owned_is_a_conflict(
        self, store: Store, writer: Writer, other: Writer
    ) -> None:
        """The later owner decides the end."""
        run = writer.start()
        receipt = other.write(RunResumed(run, 20))
        assert len(receipt.conflicts) == 1
        writer.write(ended(run, 30, "failed"))
        row = store.get_run(run)
        assert (row.status, row.owner, row.conflicts) == ("running", other.info.id, receipt.conflicts)

    def test_a_run_crashes_with_its_owner(self, store: Store, writer: Writer, other: Writer) -> None:
        """Not with others, not after its end; and data that arrives after all takes the crash back."""
        run, done = writer.start(), writer.start()
        writer.write(ended(done))
        other.write(RunJoined(run, 3))
        store.apply(Batch((OwnerLost(other.info.id, 5_000),), command="lost other"))
        assert store.get_run(run).status == "running"
        store.apply(Batch((OwnerLost(writer.info.id, 5_000),), command="lost owner"))
        crashed = store.get_run(run)
        assert (crashed.status, crashed.ended) == ("crashed", 5_000)
        assert store.get_run(done).status == "completed"
        other.write(points(run, "a", [1.0]))
        assert store.get_run(run).status == "crashed"
        writer.write(points(run, "a", [2.0]))
        alive = store.get_run(run)
        assert (alive.status, alive.ended) == ("running", None)

    def test_a_run_without_an_owner_dies_with_its_writer(
        self, store: Store, writer: Writer, other: Writer
    ) -> None:
        """And lives again with the next."""
        run, foreign = new_id(), new_id()
        writer.write(points(run, "a", [1.0]))
        other.write(points(foreign, "a", [1.0]))
        store.apply(Batch((OwnerLost(writer.info.id, 5_000),), command="lost"))
        assert store.get_run(run).status == "crashed"
        assert store.get_run(foreign).status == "running"
        other.write(RunJoined(run, 6_000))
        assert store.get_run(run).status == "running"

    def test_params_keep_their_first_value(self, store: Store, writer: Writer, other: Writer) -> None:
        """Equal ones are nothing; different ones are conflicts that name key and both values."""
        run = writer.start()
        writer.write(ParamsLogged(run, 1, {"lr": "1", "depth": "3"}))
        assert other.write(ParamsLogged(run, 2, {"lr": "1.0", "new": '"x"'})).conflicts == ()
        receipt = other.write(ParamsLogged(run, 3, {"depth": "4", "lr": "true", "last": "null"}))
        assert [conflict.run for conflict in receipt.conflicts] == [run, run]
        assert all(word in receipt.conflicts[0].what for word in ("depth", "3", "4"))
        row = store.get_run(run)
        assert row.params == {"lr": 1, "depth": 3, "new": "x", "last": None}
        assert type(row.params["lr"]) is int
        assert row.conflicts == receipt.conflicts

    def test_conflicts_never_block_a_batch(self, store: Store, writer: Writer, other: Writer) -> None:
        """What stands around them applies, and the run remembers all of them in order."""
        run = writer.start()
        writer.write(ParamsLogged(run, 1, {"a": "1"}))
        receipt = other.write(
            points(run, "m", [1.0]),
            started(run, name="again"),
            ParamsLogged(run, 2, {"a": "2", "b": "3"}),
            points(run, "m", [2.0], [1]),
        )
        row = store.get_run(run)
        assert (row.params, row.metrics["m"].count, len(receipt.conflicts)) == ({"a": 1, "b": 3}, 2, 2)
        later = other.write(ParamsLogged(run, 3, {"b": "4"}))
        assert store.get_run(run).conflicts == (*receipt.conflicts, *later.conflicts)

    def test_tags_are_replaced_and_removed(self, store: Store, writer: Writer) -> None:
        """Removing one that is not there is nothing."""
        run = writer.start(tags={"a": "1", "b": "2"})
        writer.write(TagsSet(run, 1, {"b": "3", "c": "4"}), TagsRemoved(run, 2, ("a", "missing")))
        assert store.get_run(run).tags == {"b": "3", "c": "4"}

    def test_points_of_no_length_are_nothing(self, store: Store, writer: Writer) -> None:
        """They make no series."""
        run = writer.start()
        writer.write(points(run, "a", []))
        assert store.get_run(run).metrics == {}
        with pytest.raises(NotFound):
            store.read_series(run, "a")

    def test_odd_values_and_keys_come_back(self, store: Store, writer: Writer) -> None:
        """Params with their types, tags, names and keys; twins that only look alike stay apart."""
        params = {key: ODD_VALUES[i % len(ODD_VALUES)] for i, key in enumerate(ODD_TEXTS)}
        params |= {f"value {i}": value for i, value in enumerate(ODD_VALUES)}
        tags = {key: key[::-1] for key in ODD_TEXTS} | {"empty": "", "long": "x" * 10_000}
        run = writer.start(experiment=ODD_TEXTS[5], name=ODD_TEXTS[13], created_by=ODD_TEXTS[6])
        writer.write(
            ParamsLogged(run, 1, {key: canonical(key, value) for key, value in params.items()}),
            TagsSet(run, 1, tags),
            *(points(run, key, [i]) for i, key in enumerate(ODD_TEXTS)),
        )
        row = store.get_run(run)
        assert {key: repr(value) for key, value in row.params.items()} == {
            k: repr(v) for k, v in params.items()
        }
        assert row.tags == tags
        assert {key: summary.last for key, summary in row.metrics.items()} == {
            key: i for i, key in enumerate(ODD_TEXTS)
        }
        assert (row.experiment, row.name, row.created_by) == (ODD_TEXTS[5], ODD_TEXTS[13], ODD_TEXTS[6])
        assert ids_of(store, experiment=row.experiment, name=row.name, created_by=row.created_by) == [run]

    def test_what_is_not_there_is_not_found(self, store: Store, writer: Writer) -> None:
        """A run, a run given by a part of its id, and a metric."""
        run = writer.start()
        for missing in (new_id(), run[:8], "", "'"):
            with pytest.raises(NotFound):
                store.get_run(missing)
        with pytest.raises(NotFound):
            store.read_series(new_id(), "a")
        with pytest.raises(NotFound):
            store.read_series(run, "a")
