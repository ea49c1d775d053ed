"""The contract of a store's upkeep: rules of retention, leases, and how much is kept of whom."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from chachaml.core.changes import (
    ArtifactLogged,
    Batch,
    Change,
    ConsoleWritten,
    LeaseTaken,
    RetentionDeleted,
    RetentionRule,
    RetentionSet,
    RunEdited,
)
from chachaml.core.ids import new_id
from chachaml.core.model import RetentionRow, UsageRow
from chachaml.store.protocol import Store
from chachaml.testing.material import Fixtures, Writer, ended, points

__all__ = ["UpkeepContract"]

_OLD = RetentionRule(archive_after_days=90.0, delete_after_days=0.5)
_BEST = RetentionRule("iris", "params.lr > 0", None, 30.0, 5, "loss", "min")


def _apply(store: Store, *changes: Change) -> list[str]:
    return [one.what for one in store.apply(Batch(changes, command=new_id())).conflicts]


class UpkeepContract(Fixtures):
    """What becomes of old runs, who sees to it, and what runs take."""

    def test_rules_of_retention_are_set_replaced_and_deleted(self, store: Store) -> None:
        """By name; what was done is in the audit log."""
        assert store.retention() == []
        _apply(store, RetentionSet(1, "ada", "old", _BEST), RetentionSet(2, "bob", "a best", _BEST))
        _apply(store, RetentionSet(3, "eve", "old", _OLD), RetentionDeleted(4, "eve", "none"))
        assert store.retention() == [
            RetentionRow("a best", _BEST, "bob", 2),
            RetentionRow("old", _OLD, "eve", 3),
        ]
        _apply(store, RetentionDeleted(5, "ada", "a best"))
        assert [row.name for row in store.retention()] == ["old"]
        told = [(row.time, row.by, row.action, row.target) for row in store.audit()]
        assert told[0] == (5, "ada", "retention rule deleted", "a best")
        assert told[2] == (3, "eve", "retention rule set", "old")

    def test_a_lease_is_held_by_one(self, store: Store) -> None:
        """Until its time is over, or it is given back; who holds it may take it for longer."""
        assert _apply(store, LeaseTaken(10, "one", "sweep", 20)) == []
        assert _apply(store, LeaseTaken(11, "two", "sweep", 30)) == ["sweep is being seen to already"]
        assert _apply(store, LeaseTaken(11, "two", "other", 30)) == []
        assert _apply(store, LeaseTaken(12, "one", "sweep", 25)) == []
        assert _apply(store, LeaseTaken(24, "two", "sweep", 30)) != []
        assert _apply(store, LeaseTaken(25, "two", "sweep", 30)) == []
        assert _apply(store, LeaseTaken(26, "two", "sweep", 0)) == []
        assert _apply(store, LeaseTaken(27, "one", "sweep", 40)) == []
        assert store.audit() == []

    def test_of_several_at_once_the_first_gets_a_lease(self, store: Store) -> None:
        """In one transaction, too."""
        batches = [Batch((LeaseTaken(10, by, "sweep", 20),), command=new_id()) for by in ("a", "b", "c")]
        receipts = store.apply_all(batches)
        assert [bool(receipt.conflicts) for receipt in receipts] == [False, True, True]

    def test_usage_is_by_experiment_and_user(self, store: Store, writer: Writer) -> None:
        """Of all runs, archived ones too; bytes of points are up to the store."""
        assert store.usage() == []
        one, other = writer.start(experiment="iris"), writer.start(experiment="iris")
        third = writer.start(experiment="wine")
        writer.write(points(one, "loss", [1.0] * 40), points(one, "acc", [1.0]), points(other, "loss", [1.0]))
        kept = ("f" * 64, 100, "text/plain", "text")
        writer.write(
            ArtifactLogged(one, 1, "a", *kept),
            ArtifactLogged(other, 1, "b", *kept),
            ConsoleWritten(third, 1, "out", 0, "né\n"),
            ended(one),
        )
        _apply(store, RunEdited(one, 5, "ada", "archived", "yes"))
        iris, wine = store.usage()
        user = store.get_run(one).created_by
        assert (iris.experiment, iris.created_by, iris.runs, iris.points) == ("iris", user, 2, 42)
        assert (iris.artifacts, iris.artifact_bytes, iris.console_bytes) == (2, 200, 0)
        assert iris.point_bytes > 0
        assert wine == UsageRow("wine", user, 1, console_bytes=4)
